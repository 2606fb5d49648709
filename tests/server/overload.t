#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use IO::Select;
use IO::Socket::INET;
use Snap;
use Super;
use Test::More;

# All workers are busy: who waits within queue_limit is served, the others
# get 503 with Retry-After, and not the 500 or 502 of a full queue.
my @kinds = grep { !server_missing($_) } qw(lighttpd-fastcgi nginx nginx-keep apache-proxy);
plan(skip_all => 'neither lighttpd nor nginx nor Apache is installed') if !@kinds;

# A request by HTTP that is under way: its socket and what came.
sub waiting {
    my ($port, $path) = @_;
    return { socket => ask_http($port, $path), got => '' };
}

# Reads all that comes until so many are done or time is up; gives the done.
sub done {
    my ($all, $count, $seconds) = @_;
    wait_for($seconds, sub {
        my $in = IO::Select->new(map { $_->{socket} } grep { !$_->{done} } @$all);
        for my $socket ($in->can_read(0.05)) {
            my ($r) = grep { !$_->{done} && $_->{socket} == $socket } @$all;
            my $n = sysread($socket, $r->{got}, 65536, length $r->{got});
            $r->{done} = 1 if !$n;
        }
        return grep({ $_->{done} } @$all) >= $count;
    });
    return map { Snap::Reply->from_http($_->{got}) } grep { $_->{done} } @$all;
}

sub log_of {
    my ($s) = @_;
    return join '', map { read_file($s->{$_}) } qw(log snaplog);
}

# A function that answers when this test does: it is busy for certain.
my $holder = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 16) or die "listen: $!";
my $root = temp_dir();
write_file("$root/$_.js", read_file(fixture("$_.js"))) for qw(hello sleep);
write_file("$root/hold.js", "const url = 'http://127.0.0.1:@{[$holder->sockport]}/';\n"
    . "export default { async fetch() {\n    await fetch(url);\n"
    . "    return new Response('held');\n} };\n");

sub held {
    $holder->timeout(60);
    return $holder->accept // die 'nobody has come';
}

sub let_go {
    my ($c) = @_;
    print $c "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    close($c);
}

for my $kind (@kinds) {
    my $s = server($kind, root => $root, pool => { pm => 'static', max_children => 2,
        queue_limit => 3, retry_after => '7s', request_timeout => '10m',
        fetch_allow => '127.0.0.1' });
    is(http($s->{port}, 'GET', '/hello.js')->{body}, "hello\n", "$kind: it serves");
    my @busy = map { waiting($s->{port}, '/hold.js') } 1, 2;
    my @held = (held(), held());
    my @more = map { waiting($s->{port}, '/hello.js') } 1 .. 12;
    my @away = done(\@more, 9, 60);
    is(scalar @away, 9, "$kind: who is over queue_limit has an answer while workers are busy");
    is(join(',', map { $_->{status} } @away), join(',', map { 503 } @away), "$kind: 503");
    is(join(',', map { $_->header('Retry-After') // 'none' } @away), join(',', map { 7 } @away),
        "$kind: with Retry-After");
    let_go($_) for @held;
    my @all = done(\@more, 12, 120);
    is(scalar @all, 12, "$kind: everybody has an answer in the end");
    is(join(',', grep { !/^(200|503)$/ } map { $_->{status} } @all), '',
        "$kind: which is 200 or 503");
    is(scalar(grep { $_->{status} == 503 } @all), 9, "$kind: 503 to nine and no more");
    my @served = grep { $_->{status} == 200 } @all;
    is(scalar @served, 3, "$kind: who waited within the limit is served");
    is(join('', map { $_->{body} } @served), "hello\n" x @served, "$kind: with the right reply");
    is(join(',', map { $_->{status} } done(\@busy, 2, 120)), '200,200',
        "$kind: and those that ran were not disturbed");
    is(http($s->{port}, 'GET', '/hello.js')->{body}, "hello\n", "$kind: then all is as before");
    like(read_file($s->{snaplog}), qr/pool www is overloaded: \d+ requests? were turned away/,
        "$kind: the log tells");
    diag(log_of($s)) if !Test::More->builder->is_passing;
    stop_process($s->{pid});
    is(stop_process($s->{snapcgi}), 0, "$kind: SIGTERM: exit 0");
}

# The kernel's queue is shorter than those who come at once: some get an
# answer of the web server, and nothing else happens.
for my $kind (@kinds) {
    my $s = server($kind, root => $root, pool => { pm => 'static', max_children => 1, 'listen.backlog' => 4 });
    is(http($s->{port}, 'GET', '/hello.js')->{body}, "hello\n", "$kind, a short backlog: it serves");
    my @all = map { waiting($s->{port}, '/sleep.js?300') } 1 .. 16;
    my @got = done(\@all, 16, 120);
    is(scalar @got, 16, "$kind: everybody has an answer");
    is(join(',', grep { !/^(200|50[0234])$/ } map { $_->{status} } @got), '',
        "$kind: which is 200 or an error");
    cmp_ok(scalar(grep { $_->{status} == 200 } @got), '>=', 1, "$kind: some are served");
    ok(wait_for(30, sub { http($s->{port}, 'GET', '/hello.js')->{status} == 200 }),
        "$kind: then all is as before");
    is(scalar(grep { / error / } split /\n/, read_file($s->{snaplog})), 0,
        "$kind: and the log has no error");
    stop_process($s->{pid});
    is(stop_process($s->{snapcgi}), 0, "$kind: SIGTERM: exit 0");
}

done_testing();
