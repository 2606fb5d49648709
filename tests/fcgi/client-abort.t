#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;

use Socket qw(SOL_SOCKET SO_LINGER SO_RCVBUF);

# The client goes while its body comes, while the function runs, and while the
# reply is on its way, by a close and by a reset. The function is told where
# that can be seen, its process is free at once, and nothing crashes.
my $port = free_port();
my %pool = (body_timeout => '100s', write_timeout => '100s',
    request_timeout => '100s');
my $s = serve(global => { log_level => 'info' }, pool => \%pool);
my $t = serve(global => { log_level => 'info' },
    pool => { %pool, listen => "127.0.0.1:$port" });
my $hello = cgi_env(fixture('hello.js'));

sub log_of { return read_file($_[0]{log}) . read_file($_[0]{out}) }

sub logged {
    my ($on, $what, $name) = @_;
    ok(wait_for(60, sub { log_of($on) =~ $what }), $name) or diag(log_of($on));
}

sub still_serves {
    my ($on, $peer, $name) = @_;
    is(fcgi($peer, $hello, seconds => 60)->{body}, "hello\n",
        "$name: the next request is served");
    BAIL_OUT("snapcgi is gone after: $name") if !alive($on->{pid});
}

# A reset, where the protocol has one: what is unread is lost.
sub go {
    my ($c, $how) = @_;
    setsockopt($c->{socket}, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0))
        if $how eq 'reset';
    $c->hang_up;
}

my $n = 0;
for my $way ([$s, $s->{socket}, 'close'], [$t, "127.0.0.1:$port", 'close'],
    [$t, "127.0.0.1:$port", 'reset']) {
    my ($on, $peer, $how) = @$way;
    my $by = $peer =~ m{^/} ? 'unix socket' : 'TCP';
    my %post = (REQUEST_METHOD => 'POST', CONTENT_LENGTH => 100000);

    # Mid-upload, of a function that reads and of one that does not.
    for my $script (qw(waits hello)) {
        my $name = "$by, $how within the body, $script.js";
        my $c = Snap::Fcgi->new($peer);
        my $env = cgi_env(fixture("$script.js"), %post,
            QUERY_STRING => 'body' . ++$n);
        my $bytes = Snap::Fcgi::request_bytes($env, 'x' x 100000);
        $c->put(substr($bytes, 0, 50000));
        go($c, $how);
        logged($on, qr/body$n: body: \w*Error/, "$name: the body is an error")
            if $script eq 'waits';
        unlike(log_of($on), qr/body$n: whole/, "$name: and not its end");
        still_serves($on, $peer, $name);
    }

    # The same of one that waits for request.signal and nothing else; more of
    # its body is there than is looked at.
    {
        my $name = "$by, $how within a body that is not read";
        my $c = Snap::Fcgi->new($peer);
        my $bytes = Snap::Fcgi::request_bytes(cgi_env(fixture('waits.js'),
            %post, QUERY_STRING => 'timer' . ++$n), 'x' x 100000);
        $c->put(substr($bytes, 0, 50000));
        go($c, $how);
        logged($on, qr/timer$n: the client went: AbortError/,
            "$name: request.signal tells");
        still_serves($on, $peer, $name);
    }

    # While the function runs and has said nothing.
    for my $name (qw(timer body)) {
        my $c = Snap::Fcgi->new($peer);
        my $body = $name eq 'body' ? 'x' x 1000 : '';
        $c->request(cgi_env(fixture('waits.js'), QUERY_STRING => $name . ++$n,
            $body eq '' ? () : (REQUEST_METHOD => 'POST',
                CONTENT_LENGTH => length $body)), $body);
        logged($on, qr/body$n: whole/, "$by: $name: it runs") if $body ne '';
        go($c, $how);
        logged($on, qr/$name$n: the client went: AbortError/,
            "$by, $how while it runs, $name: request.signal tells");
        still_serves($on, $peer, "$by, $how while it runs, $name");
    }

    # Mid-response: after the first record, in the middle of one, and with a
    # socket that takes little at a time.
    for my $read (1, 30000, 60000) {
        my $c = Snap::Fcgi->new($peer);
        setsockopt($c->{socket}, SOL_SOCKET, SO_RCVBUF, 2048);
        my $seen = () = log_of($on) =~ /torrent: AbortError/g;
        $c->request(cgi_env(fixture('torrent.js')), '');
        my $got = 0;
        my $sel = IO::Select->new($c->{socket});
        while ($got < $read && $sel->can_read(60)) {
            $got += sysread($c->{socket}, my $some, $read - $got) || last;
        }
        is($got, $read, "$by: $read bytes of the reply");
        go($c, $how);
        my $name = "$by, $how after $read bytes";
        ok(wait_for(60, sub {
            my $now = () = log_of($on) =~ /torrent: AbortError/g;
            return $now > $seen;
        }), "$name: request.signal tells");
        still_serves($on, $peer, $name);
    }
}

# Many at once, in every phase.
my @all;
for my $i (1 .. 60) {
    my $c = Snap::Fcgi->new($s->{socket});
    my $bytes = Snap::Fcgi::request_bytes(cgi_env(fixture('large.js')), '');
    $c->put(substr($bytes, 0, $i * length($bytes) / 60));
    $c->hang_up;
}
still_serves($s, $s->{socket}, 'sixty that went at once');
unlike(log_of($s) . log_of($t), qr/signal \d|SIG[A-Z]{3}|Sanitizer|runtime error/,
    'no process died of it');

done_testing();
