#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Super;
use Test::More;
use Time::HiRes qw(time);

# What each signal does to the supervisor, alone, twice, and during a start.
my $hello = cgi_env(fixture('hello.js'));
my $short = cgi_env(fixture('sleep.js'), QUERY_STRING => '1500');
my $long = cgi_env(fixture('sleep.js'), QUERY_STRING => '60000');
my %pool = (pm => 'static', max_children => 2, request_timeout => '120s');

sub all_of { my ($s) = @_; return ($s->{pid}, keys %{children($s->{pid})}) }

sub is_over {
    my ($s, @all) = @_;
    ok(wait_for(60, sub { !alive($s->{pid}) }), 'it ends');
    is($Snap::last_status, 0, 'with status 0');
    is(scalar(grep { !wait_gone($_, 10) } @all), 0, 'no process is left');
    ok(!-e $s->{socket}, 'nor is the socket');
}

# A request that runs already.
sub running {
    my ($s, $env) = @_;
    my $before = () = read_file($s->{log}) =~ /started/g;
    my $c = begin_request($s->{socket}, $env);
    select undef, undef, undef, 0.3;
    return $c;
}

for my $signal (qw(TERM INT)) {
    my $s = serve(pool => \%pool);
    wait_workers($s, 2);
    my @all = all_of($s);
    my $c = running($s, $long);
    kill $signal, $s->{pid};
    is_over($s, @all);
    ok(!$c->reply(10)->{ended}, "$signal: a long request is cut");
}

{
    my $s = serve(pool => \%pool);
    wait_workers($s, 2);
    my @all = all_of($s);
    my @c = map { running($s, $short) } 1, 2;
    # These wait in the queue, both workers being busy.
    push @c, map { begin_request($s->{socket}, $hello) } 1 .. 3;
    kill 'QUIT', $s->{pid};
    my @r = map { $_->reply(60) } @c;
    is(join(',', map { $_->{status} } @r), '200,200,200,200,200',
        'QUIT: what runs and what waits is answered');
    is_over($s, @all);
}

{
    my $s = serve(pool => \%pool, global => { process_control_timeout => '1s' });
    wait_workers($s, 2);
    my @all = all_of($s);
    my $c = running($s, $long);
    kill 'QUIT', $s->{pid};
    is_over($s, @all);
    ok(!$c->reply(10)->{ended}, 'QUIT: process_control_timeout is the end of patience');
    ok(log_has($s, qr/has not finished within process_control_timeout/), 'which is said');
}

{
    my $s = serve(pool => \%pool);
    wait_workers($s, 2);
    my @all = all_of($s);
    my $c = running($s, $long);
    kill $_, $s->{pid} for qw(QUIT QUIT TERM TERM INT);
    is_over($s, @all);
}

{
    my $s = serve(pool => \%pool);
    wait_workers($s, 2);
    kill 'TTIN', $s->{pid};
    is(scalar(wait_workers($s, 3)), 3, 'TTIN: one worker more');
    kill 'TTOU', $s->{pid};
    is(scalar(wait_workers($s, 2)), 2, 'TTOU: one worker fewer');
    kill 'TTOU', $s->{pid} for 1 .. 5;
    is(scalar(wait_workers($s, 1)), 1, 'but never none');
    ok(ask($s->{socket}, $hello, qr/hello/), 'it serves');
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');
}

# The log is moved away and opened again: supervisor and workers write to it.
{
    my $s = serve(pool => { %pool, 'access.log' => temp_dir() . '/access.log' });
    my ($access) = read_file($s->{conf}) =~ /^access\.log = (.*)$/m;
    my $log = cgi_env(fixture('log.js'));
    my @w = wait_workers($s, 2);
    ok(fcgi($s->{socket}, $log), 'a function writes to the log');
    ok(log_has($s, qr/\blog\b.*hello|log/), 'there it is');
    rename $s->{log}, "$s->{log}.1";
    rename $access, "$access.1";
    kill 'USR1', $s->{pid};
    ok(wait_for(20, sub { -e $s->{log} && -e $access }), 'USR1: new files are there');
    ok(wait_for(20, sub {
        fcgi($s->{socket}, $log) for 1 .. 4;
        my %pids = map { $_ => 1 } read_file($s->{log}) =~ /www\[(\d+)\]/g;
        keys %pids >= 2 }), 'and both workers write to the new log');
    ok(wait_for(20, sub { read_file($access) =~ /log\.js/ }), 'and to the new access log');
    is(join(',', workers($s)), join(',', @w), 'they are the same workers');
    my $size = -s "$s->{log}.1";
    fcgi($s->{socket}, $log);
    is(-s "$s->{log}.1", $size, 'nothing goes to the old file any more');
    rename $s->{dir}, "$s->{dir}.moved";
    kill 'USR1', $s->{pid};
    ok(wait_for(20, sub { read_file("$s->{dir}.moved/serve.log") =~ /cannot open the log/ }),
        'USR1 with the folder missing: the old file stays in use, and says so');
    rename "$s->{dir}.moved", $s->{dir};
    ok(ask($s->{socket}, $hello, qr/hello/), 'it serves');
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');
}

# Told to stop before it has started.
for my $signal (qw(TERM QUIT)) {
    my $dir = temp_dir();
    my $conf = write_config("$dir/c.conf", global => { error_log => "$dir/log" },
        pool => { %pool, listen => "$dir/s", root => fixture() });
    for my $ms (0, 5, 20, 50) {
        my $pid = start([program(), 'serve', '-c', $conf], out => "$dir/out");
        select undef, undef, undef, $ms / 1000;
        kill $signal, $pid;
        ok(wait_for(20, sub { !alive($pid) }), "$signal $ms ms after the start: it ends");
    }
}

# A supervisor that is stopped and goes on: nothing is lost by it.
{
    my $s = serve(pool => \%pool);
    my @w = wait_workers($s, 2);
    kill 'STOP', $s->{pid};
    kill 'KILL', $w[0];
    ok(ask($s->{socket}, $hello, qr/hello/), 'STOP: workers serve without their supervisor');
    kill 'CONT', $s->{pid};
    ok(wait_for(30, sub { my @n = workers($s); @n == 2 && !grep { $_ == $w[0] } @n }),
        'CONT: it sees what it has missed');
    kill 'STOP', $w[1];
    ok(ask($s->{socket}, $hello, qr/hello/), 'a worker that is stopped does not stop the other');
    kill 'CONT', $w[1];
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');
}

# The supervisor is killed: its workers end, and another can take its place.
{
    my $s = serve(pool => \%pool);
    my @w = wait_workers($s, 2);
    my $c = running($s, $short);
    my $m = monitor_of($s);
    kill 'KILL', $s->{pid};
    is($c->reply(20)->{status}, 200, 'KILL: a request in flight is still answered');
    is(scalar(grep { !wait_gone($_, 20) } @w, $m), 0, 'then its processes end');
    ok(-e $s->{socket}, 'the socket is left behind');
    # A thread of theirs may outlive them for a moment, with all descriptors.
    wait_for(20, sub { !IO::Socket::UNIX->new(Peer => $s->{socket}) });
    my $t = serve(pool => { %pool, listen => $s->{socket} });
    ok(ask($s->{socket}, $hello, qr/hello/), 'and the successor replaces it');
    is(stop_process($t->{pid}), 0, 'SIGTERM: exit 0');
}

done_testing();
