#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Super;
use Test::More;

# How many workers there are: pm, spare servers, max_requests, process.max.
my $hello = cgi_env(fixture('hello.js'));
my $slow = cgi_env(fixture('sleep.js'), QUERY_STRING => '20000');

sub ended {
    my ($s) = @_;
    my @all = ($s->{pid}, keys %{children($s->{pid})});
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');
    is(scalar(grep { !wait_gone($_, 10) } @all), 0, 'no process is left');
}

{
    my $s = serve(pool => { pm => 'static', max_children => 3 });
    my @w = wait_workers($s, 3);
    is(scalar @w, 3, 'static: all of them at once');
    ok(ask($s->{socket}, $hello, qr/^hello$/), 'they serve');
    kill 'KILL', $w[0];
    ok(wait_for(30, sub { my @n = workers($s); @n == 3 && !grep { $_ == $w[0] } @n }),
        'one that is killed is replaced');
    like(log_has($s, qr/worker $w[0] has ended/), qr/signal 9 \(SIGKILL\)/,
        'and the log says how it ended');
    ended($s);
}

{
    my $s = serve(pool => { pm => 'dynamic', max_children => 6, 'pm.start_servers' => 2,
        'pm.min_spare_servers' => 1, 'pm.max_spare_servers' => 2 });
    is(scalar(wait_workers($s, 2)), 2, 'dynamic: start_servers');
    my @c = map { begin_request($s->{socket}, $slow) } 1 .. 3;
    ok(wait_for(30, sub { workers($s) >= 4 }), 'busy workers are joined by more');
    push @c, map { begin_request($s->{socket}, $slow) } 1 .. 5;
    is(scalar(wait_workers($s, 6)), 6, 'up to max_children');
    ok(log_has($s, qr/all 6 workers are busy \(max_children\)/), 'which is said');
    $_->hang_up for @c;
    is(scalar(wait_workers($s, 2, 60)), 2, 'and down to max_spare_servers');
    ok(ask($s->{socket}, $hello, qr/^hello$/), 'which serve');
    ended($s);
}

{
    my $s = serve(pool => { pm => 'ondemand', max_children => 2,
        process_idle_timeout => '500ms' });
    # The one that came to look whether the socket is there has gone.
    is(scalar(wait_workers($s, 0, 60)), 0, 'ondemand: none while nobody asks');
    ok(ask($s->{socket}, $hello, qr/^hello$/), 'a request starts one');
    my @c = map { begin_request($s->{socket}, $slow) } 1 .. 4;
    is(scalar(wait_workers($s, 2)), 2, 'more requests start more, up to max_children');
    $_->hang_up for @c;
    is(scalar(wait_workers($s, 0, 60)), 0, 'idle ones go after process_idle_timeout');
    ok(ask($s->{socket}, $hello, qr/^hello$/), 'and come again');
    ended($s);
}

{
    my $s = serve(pool => { pm => 'static', max_children => 2, max_requests => 10,
        max_requests_jitter => 0 });
    my @first = wait_workers($s, 2);
    my @bad = grep { !ask($s->{socket}, $hello, qr/^hello$/) } 1 .. 60;
    is(scalar @bad, 0, 'max_requests: 60 requests, none is lost');
    ok(wait_for(30, sub { !grep { my $p = $_; grep { $_ == $p } @first } workers($s) }),
        'by then all workers are other ones');
    unlike(read_file($s->{log}), qr/ error /, 'which is no error');
    ended($s);
}

{
    my $dir = temp_dir();
    my $root = fixture();
    write_file("$dir/c.conf", <<"END");
[global]
error_log = $dir/serve.log
process.max = 3
[pool one]
listen = $dir/one.sock
root = $root
pm = static
max_children = 2
[pool two]
listen = $dir/two.sock
root = $root
pm = static
max_children = 2
END
    my $pid = start([program(), 'serve', '-c', "$dir/c.conf"], out => "$dir/out");
    my $s = { pid => $pid, log => "$dir/serve.log", dir => $dir };
    ok(ref wait_socket("$dir/two.sock", $pid), 'two pools');
    is(scalar(wait_workers($s, 3)), 3, 'process.max: three workers in all');
    ok(ask("$dir/one.sock", $hello, qr/hello/), 'one serves');
    ok(ask("$dir/two.sock", $hello, qr/hello/), 'two serves');
    ended($s);
}

{
    my $s = serve(pool => { pm => 'static', max_children => 1 });
    my ($w) = wait_workers($s, 1);
    like(children($s->{pid})->{$w}, qr/^snapcgi: pool www/, 'a worker is named for its pool');
    ok(wait_for(20, sub { monitor_of($s) }), 'and there is a monitor');
    my $m = monitor_of($s);
    kill 'KILL', $m;
    ok(wait_for(30, sub { my $n = monitor_of($s); $n && $n != $m }), 'which is replaced when it dies');
    ended($s);
}

# What a worker answers by itself is no request of max_requests.
{
    my $hello = cgi_env(fixture('hello.js'));
    my $s = serve(pool => { pm => 'static', max_children => 1, max_requests => 3,
        max_requests_jitter => 0, 'ping.path' => '/ping', status_path => '/status' });
    my ($first) = wait_workers($s, 1);
    for my $page (qw(/ping /status)) {
        ask($s->{socket}, cgi_env($page), qr/./) for 1 .. 5;
    }
    ok(ask($s->{socket}, $hello, qr/hello/), "request $_") for 1 .. 2;
    ok(ask($s->{socket}, cgi_env('/ping'), qr/^pong/), 'a ping after it');
    is(join(' ', workers($s)), $first, 'ten pages and two requests: the worker stays');
    ok(ask($s->{socket}, $hello, qr/hello/), 'the third');
    ok(wait_gone($first), 'after which it goes');
    is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');
}

done_testing();
