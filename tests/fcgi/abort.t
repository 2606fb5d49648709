#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Test::More;


# The client goes while the function runs: request.signal tells, the stream
# is cancelled, and the worker is free.
my $s = serve(global => { log_level => 'info' });
my $c = Snap::Fcgi->new($s->{socket});
$c->request(cgi_env(fixture('signal.js')), '');
my $first = $c->next_record(5);
is($first && $first->[0], 6, 'the reply has begun');
$c->hang_up;
ok(wait_for(5, sub { read_file($s->{log}) =~ /the client went: AbortError/ }),
    'request.signal: AbortError');
ok(wait_for(5, sub { read_file($s->{log}) =~ /the stream was cancelled/ }),
    'the reply\'s stream is cancelled');
is(fcgi($s->{socket}, cgi_env(fixture('hello.js')), seconds => 5)->{body},
    "hello\n", 'the next request is served');

# A write that fails tells as well, before any poll could.
for my $i (1 .. 5) {
    $c = Snap::Fcgi->new($s->{socket});
    $c->request(cgi_env(fixture('torrent.js')), '');
    $c->next_record(5);
    $c->hang_up;
    ok(wait_for(5, sub {
        my $seen = () = read_file($s->{log}) =~ /torrent: AbortError/g;
        return $seen == $i;
    }), "request.signal in a fast stream, $i");
}

# FCGI_ABORT_REQUEST means the same.
$c = Snap::Fcgi->new($s->{socket});
$c->request(cgi_env(fixture('signal.js')), '', keep => 1);
$c->next_record(5);
$c->put(Snap::Fcgi::record(2, 1, ''));
my $r = $c->reply(5);
ok(!$r->{hung}, 'FCGI_ABORT_REQUEST ends it');
is(fcgi($s->{socket}, cgi_env(fixture('hello.js')), seconds => 5)->{body},
    "hello\n", 'the next request is served');

# A reader that stops reading is waited for no longer than write_timeout.
my $slow = serve(pool => { write_timeout => '1s' });
$c = Snap::Fcgi->new($slow->{socket});
$c->request(cgi_env(fixture('large.js')), '');
select(undef, undef, undef, 2.5);
is(fcgi($slow->{socket}, cgi_env(fixture('hello.js')), seconds => 10)->{body},
    "hello\n", 'a stopped reader does not hold the worker');

# One that trickles is waited for no longer than request_timeout.
my $dir = temp_dir();
my $big = write_file("$dir/big.js", 'export default { fetch() { '
    . 'return new Response("x".repeat(20000000)); } };');
$slow = serve(pool => { root => $dir, write_timeout => '1s',
    request_timeout => '2s' });
my $pid = fork() // die;
if (!$pid) {
    my $t = Snap::Fcgi->new($slow->{socket});
    $t->request(cgi_env($big), '');
    for (1 .. 60) {
        select(undef, undef, undef, 0.2);
        sysread($t->{socket}, my $some, 65536) or last;
    }
    POSIX::_exit(0);
}
select(undef, undef, undef, 0.5);
my $start = time;
$r = fcgi($slow->{socket}, cgi_env($big), seconds => 10);
is($r->{status}, 200, 'a trickling reader does not hold the worker');
cmp_ok(time - $start, '<=', 5, 'for longer than the time of its request');
kill('KILL', $pid);
waitpid($pid, 0);

done_testing();
