#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use IO::Select;
use Snap;
use Super;
use Test::More;
use Time::HiRes qw(time);

# A worker that dies behind a web server: its client sees an error, or a
# reply that is cut; others and the next one see nothing.
my @kinds = grep { !server_missing($_) } qw(lighttpd-fastcgi nginx nginx-keep apache-proxy);
plan(skip_all => 'neither lighttpd nor nginx nor Apache is installed') if !@kinds;

signals_end_it();

# What the client gets when the backend closes before it has said anything.
my %error = ('lighttpd-fastcgi' => 500, nginx => 502, 'nginx-keep' => 502, 'apache-proxy' => 503);

# Reads until it ends, or until the text is like that.
sub read_reply {
    my ($c, $seconds, $like) = @_;
    my ($got, $end, $in) = ('', time + $seconds, IO::Select->new($c));
    while (time < $end && $in->can_read($end - time)) {
        last if !sysread($c, $got, 65536, length $got);
        last if $like && $got =~ $like;
    }
    return $got;
}

# The worker that has that request.
sub busy_worker {
    my ($s, $uri) = @_;
    my $pid;
    wait_for(30, sub {
        my $f = eval { figures($s, '&full') } or return 0;
        ($pid) = map { $_->{pid} } grep { $_->{state} eq 'Running'
            && $_->{'request uri'} =~ /^\Q$uri\E/ } @{$f->{processes}};
        $pid;
    });
    return $pid;
}

# Ends whoever has the request until its client is answered: where a kept
# connection breaks before a reply has begun, nginx asks another worker.
sub kill_until_answered {
    my ($s, $c, $signal, $pid, $uri) = @_;
    my ($end, $in) = (time + 60, IO::Select->new($c));
    kill $signal, $pid;
    until ($in->can_read(0.2) || time > $end) {
        my $f = eval { figures($s, '&full') } or next;
        kill $signal, map { $_->{pid} } grep { $_->{state} eq 'Running'
            && $_->{'request uri'} =~ /^\Q$uri\E/ } @{$f->{processes}};
    }
    return read_reply($c, 30);
}

# A reply that says how long it is going to be.
my $root = temp_dir();
write_file("$root/$_.js", read_file(fixture("$_.js"))) for qw(hello sleep waits trickle);
write_file("$root/announced.js", read_file(fixture('trickle.js'))
    =~ s/\}\)\);\n/}), { headers: { "content-length": "100000" } });\n/r);

for my $kind (@kinds) {
    my $dir = temp_dir();
    my $s = server($kind, root => $root, pool => { pm => 'static', max_children => 3, request_timeout => '2m' },
        global => { status_listen => "$dir/status.sock", 'status_listen.mode' => '0666' });
    $s->{status} = "$dir/status.sock";
    my $super = { pid => $s->{snapcgi}, log => $s->{snaplog} };
    wait_workers($super, 3);
    is(http($s->{port}, 'GET', '/hello.js')->{body}, "hello\n", "$kind: it serves");

    for my $signal (qw(SEGV KILL)) {
        # Somebody else, all the time.
        my $other = ask_http($s->{port}, '/sleep.js?3000');
        my $c = ask_http($s->{port}, '/waits.js');
        my $pid = busy_worker($s, '/waits.js');
        ok($pid, "$kind: a request runs");
        my $r = Snap::Reply->from_http(kill_until_answered($s, $c, $signal, $pid, '/waits.js'));
        is($r->{status}, $error{$kind}, "$kind: $signal in a request: $error{$kind}");
        is(http($s->{port}, 'GET', '/hello.js')->{body}, "hello\n", "$kind: the next is served");

        for my $page ('/announced.js', '/trickle.js') {
            $c = ask_http($s->{port}, $page);
            my $got = read_reply($c, 30, qr/\n1\r?\n/);
            like($got, qr{^HTTP/1\.1 200 }, "$kind: $page has begun");
            $pid = busy_worker($s, $page);
            kill $signal, $pid;
            $got .= read_reply($c, 30);
            $r = Snap::Reply->from_http($got);
            # With fastcgi_buffering off nginx takes the end of a connection
            # for the end of a reply whose length it does not know.
            my $hides = $kind =~ /nginx/ && $page eq '/trickle.js';
            is($r->{whole} ? 1 : 0, $hides ? 1 : 0,
                "$kind: $signal in $page: " . ($hides ? 'nginx hides it' : 'the client sees a cut'));
            is(http($s->{port}, 'GET', '/hello.js')->{body}, "hello\n",
                "$kind: the next is served");
            ok(log_has($super, qr{worker $pid has ended by signal \d+ \(SIG$signal\) while serving GET \Q$page\E}),
                "$kind: the log knows what it was doing");
        }
        like(read_reply($other, 60), qr{^HTTP/1\.1 200 .*slept one}s, "$kind: others do not notice");
        is(scalar(wait_workers($super, 3)), 3, "$kind: it is replaced");
        ok(http($s->{port}, 'GET', '/hello.js')->{status} == 200, "$kind: all serve") for 1 .. 6;
    }
    diag(read_file($s->{log}) . read_file($s->{snaplog})) if !Test::More->builder->is_passing;
    stop_process($s->{pid});
    is(stop_process($s->{snapcgi}), 0, "$kind: SIGTERM: exit 0");
}

done_testing();
