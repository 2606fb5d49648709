#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Super;
use Test::More;
use Time::HiRes qw(time);

# Time that passes unseen: processes that are stopped longer than any limit
# and go on, as in a suspended machine. A test cannot set the real clock; that
# no timer uses it is seen where time is read (clock_mono(), CLOCK_MONOTONIC).
my $dir = temp_dir();
write_file("$dir/spin.js", <<'END');
export default { fetch() {
    const end = Date.now() + 600000;
    while (Date.now() < end);
    return new Response("spun\n");
} };
END
my $hellos = write_file("$dir/hello.js", read_file(fixture('hello.js')));
my $sleeps = write_file("$dir/sleep.js", read_file(fixture('sleep.js')));

# A signal is on its way for a moment.
sub stop {
    my (@pids) = @_;
    kill 'STOP', @pids;
    return wait_for(20, sub { !grep { read_file("/proc/$_/stat") !~ /\) T / } @pids });
}

sub busy {
    my ($s, $uri) = @_;
    my $pid;
    wait_for(30, sub {
        ($pid) = map { $_->{pid} } grep { $_->{state} eq 'Running'
            && $_->{'request uri'} =~ /^\Q$uri\E/ } @{figures($s, '&full')->{processes}};
        $pid;
    });
    return $pid;
}

# What requests take on this machine, and the limit for those that follow: far
# above it, so that whoever is late was stopped.
my $limit = do {
    my $s = serve(pool => { root => $dir, pm => 'static', max_children => 6,
        request_timeout => '200s' });
    my $start = time;
    my @c = map { begin_request($s->{socket}, cgi_env($hellos)) } 1 .. 24;
    is(join(' ', map { $_->reply(200)->{status} } @c), join(' ', (200) x 24), 'it serves');
    my $took = time - $start;
    stop_process($s->{pid});
    3 + int(4 * $took);
};
alarm(240 + 20 * $limit);
note("limit: $limit s");

# A worker is stopped in a request, longer than request_timeout and not so
# long that the supervisor takes it for hung.
for my $case (['/sleep.js', $sleeps, 4000 * $limit], ['/spin.js', "$dir/spin.js", '']) {
    my ($uri, $file, $query) = @$case;
    my $s = serve_with_status(pool => { root => $dir, pm => 'static', max_children => 2,
        request_timeout => "${limit}s", kill_grace => '2m' });
    wait_workers($s, 2);
    ok(ask($s->{socket}, cgi_env($hellos), qr/hello/), "$uri: it serves");
    my $c = begin_request($s->{socket}, cgi_env($file, QUERY_STRING => $query));
    my $w = busy($s, $uri);
    stop($w);
    ok(!$c->next_record($limit + 2), "$uri: the worker is stopped: there is no reply, though it is late");
    ok(ask($s->{socket}, cgi_env($hellos), qr/hello/), "$uri: the other serves") for 1 .. 5;
    kill 'CONT', $w;
    is($c->reply(60)->{status}, 504, "$uri: it goes on: 504 at once");
    ok(wait_for(30, sub { figures($s)->{'idle processes'} == 2 }), "$uri: both are idle");
    ok(ask($s->{socket}, cgi_env($hellos), qr/hello/), "$uri: both serve") for 1 .. 8;
    ok(!gone($w), "$uri: it is the same worker");
    unlike(read_file($s->{log}), qr/has ended|is killed/, "$uri: nobody was killed");
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');
}

# Longer than kill_grace, too: the supervisor cannot tell it from one that
# hangs.
{
    my $s = serve_with_status(pool => { root => $dir, pm => 'static', max_children => 2,
        request_timeout => "${limit}s", kill_grace => '500ms' });
    wait_workers($s, 2);
    my $c = begin_request($s->{socket}, cgi_env($sleeps, QUERY_STRING => 4000 * $limit));
    my $w = busy($s, '/sleep.js');
    select undef, undef, undef, 0.5; # its time has begun by then
    stop($w);
    ok(log_has($s, qr{worker $w is killed, its request not having ended within kill_grace while serving GET /sleep\.js}, 60 + $limit),
        'kill_grace is over: it is killed, though it is stopped');
    my $r = $c->reply(30);
    ok(!$r->{ended} && !$r->{hung}, 'its client sees the end');
    ok(wait_for(30, sub { my @n = workers($s); @n == 2 && !grep { $_ == $w } @n }), 'another takes its place');
    ok(ask($s->{socket}, cgi_env($hellos), qr/hello/), 'it serves');
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');
}

# Idle workers, the monitor and the supervisor, all stopped: a machine that
# was suspended. Nobody is ended for it when they go on.
{
    my $s = serve_with_status(global => { process_control_timeout => '1s' },
        pool => { root => $dir, pm => 'static', max_children => 2, kill_grace => '2m',
            request_timeout => "${limit}s", header_timeout => "${limit}s", queue_limit => 1 });
    my @w = wait_workers($s, 2);
    ok(wait_for(20, sub { monitor_of($s) }), 'the monitor is there');
    my @all = ($s->{pid}, @w, monitor_of($s));
    ok(ask($s->{socket}, cgi_env($hellos), qr/hello/), 'it serves');
    ok(stop(@all), 'all are stopped') or diag(read_file($s->{log}));
    my @c = map { begin_request($s->{socket}, cgi_env($hellos)) } 1 .. 2;
    select undef, undef, undef, $limit + 1;
    # The workers before who could miss them.
    kill 'CONT', @w, $s->{pid}, $all[-1];
    for my $c (@c) {
        my $r = $c->reply(30);
        is("$r->{status} $r->{body}", "200 hello\n", 'who came meanwhile is served');
    }
    is(join(',', $s->{pid}, workers($s), monitor_of($s)), join(',', @all),
        'all processes are as before');
    unlike(read_file($s->{log}), qr/has ended|is killed/, 'nobody was killed');
    cmp_ok(figures($s)->{'start since'}, '>=', $limit, 'the time that has passed is seen');
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');
}

# Stopped behind a reply, when the next context is being made: that this took
# too long is no error of the application, and no request hears of it.
{
    my $s = serve(pool => { root => $dir, pm => 'static', max_children => 6,
        request_timeout => "${limit}s", kill_grace => '2m' });
    my @w = wait_workers($s, 6);
    for my $round (1 .. 3) {
        my @c = map { begin_request($s->{socket}, cgi_env($hellos)) } 1 .. 12;
        $_->reply(60) for @c;
        ok(stop(@w), 'all are stopped') or diag(read_file($s->{log}));
        select undef, undef, undef, $limit + 0.5;
        kill 'CONT', @w;
        @c = map { begin_request($s->{socket}, cgi_env($hellos)) } 1 .. 24;
        is(join(' ', map { $_->reply(60)->{status} } @c), join(' ', (200) x 24),
            'they go on, and so do requests');
    }
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');
}

# A request of which only a part has come when the worker is stopped: its
# deadline has passed when it goes on, and what has come since counts all the
# same or is refused, but nothing hangs.
{
    my $s = serve_with_status(pool => { root => $dir, pm => 'static', max_children => 1,
        header_timeout => "${limit}s" });
    my ($w) = wait_workers($s, 1);
    my $bytes = Snap::Fcgi::request_bytes(cgi_env($hellos), '');
    my $c = Snap::Fcgi->new($s->{socket});
    $c->put(substr($bytes, 0, 40));
    select undef, undef, undef, 0.3;
    stop($w);
    $c->put(substr($bytes, 40));
    select undef, undef, undef, $limit + 1;
    kill 'CONT', $w;
    my $r = $c->reply(30);
    ok(!$r->{hung}, 'half a request: a reply, or the end of the connection');
    ok(ask($s->{socket}, cgi_env($hellos), qr/hello/), 'it serves');
    is(join(',', workers($s)), $w, 'the same worker');
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');
}

done_testing();
