#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use JSON::PP;
use Snap;
use Test::More;

# What is seen of a pool, and what becomes of those who wait, while all its
# workers are busy.
my $dir = temp_dir();
my $s = serve(
    global => { status_listen => "$dir/status.sock",
        'status_listen.mode' => '0666' },
    pool => { queue_limit => 2, retry_after => '7s', request_timeout => '10m' });

sub status {
    my ($query, %o) = @_;
    return fcgi("$dir/status.sock",
        cgi_env('/status', QUERY_STRING => $query, %o));
}

sub figures {
    my ($query) = @_;
    my $reply = status('json' . ($query // ''));
    return decode_json($reply->{body});
}

ok(wait_socket("$dir/status.sock", $s->{pid}), 'the status page is there');
is(fcgi($s->{socket}, cgi_env(fixture('hello.js')))->{status}, 200,
    'a function answers');
my $seen = wait_for(60, sub {
    my $f = figures('&full');
    return $f->{'accepted conn'} == 1 && $f->{'idle processes'} == 1 && $f;
});
ok($seen, 'its request is counted and its worker idle again');
is($seen->{pool}, 'www', 'JSON of the only pool is flat');
is($seen->{'process manager'}, 'static', 'and has its process manager');
is($seen->{spawned}, 1, 'one worker was started');
my $worker = $seen->{processes}[0];
is($worker->{state}, 'Idle', 'a worker has a state');
is($worker->{'request uri'}, '/hello.js', 'and the last request');
cmp_ok($worker->{$_}, '>', 0, "and $_") for qw(pid rss), 'heap used',
    'request duration';
is($seen->{'cold starts'} + $seen->{'warm starts'}, 1,
    'the application was ready or not');

# The one worker is busy from here on.
my $busy = Snap::Fcgi->new($s->{socket});
$busy->request(cgi_env(fixture('waits.js'),
    QUERY_STRING => 'timer-SECRET'), '');
ok(wait_for(60, sub { return figures()->{'active processes'} == 1 }),
    'the status page tells while all workers are busy');
$worker = figures('&full')->{processes}[0];
is($worker->{state}, 'Running', 'what they do');
is($worker->{'request uri'}, '/waits.js?...', 'with the URI, not the query');

my @waiting = map { Snap::Fcgi->new($s->{socket}) } 1 .. 5;
$_->request(cgi_env(fixture('hello.js')), '') for @waiting;
for my $n (0 .. 2) {
    my $reply = $waiting[$n]->reply(60);
    is($reply->{status}, 503, 'who waits over queue_limit gets 503');
    is($reply->header('Retry-After'), 7, 'with Retry-After');
}
my $f = figures();
is($f->{shed}, 3, 'they are counted');
is($f->{'active processes'}, 1, 'and no worker had to do with it');
like(read_file($s->{log}), qr{pool www is overloaded: \d requests? were},
    'the log tells');

my $metrics = status('openmetrics');
is($metrics->header('Content-Type'),
    'application/openmetrics-text; version=1.0.0; charset=utf-8',
    'metrics have their type');
like($metrics->{body}, qr{^snapcgi_shed_total\{pool="www"\} 3$}m,
    'and the same figures');
like($metrics->{body}, qr{^# EOF\n\z}m, 'and an end');
is(status('', SCRIPT_NAME => '/ping', REQUEST_URI => '/ping')->{body}, 'pong',
    'ping is answered');
is(status('', REQUEST_METHOD => 'DELETE')->{status}, 405,
    'other methods are not');
is(status('pool=nope')->{status}, 404, 'a pool that is not there is 404');
unlike(status($_)->{body}, qr{SECRET}, "no query of others in $_")
    for qw(full json&full html&full openmetrics&full);

$busy->hang_up;
is($_->reply(60)->{status}, 200, 'whoever was let wait is served')
    for @waiting[3, 4];
is(figures()->{shed}, 3, 'and nobody else is turned away');

done_testing();
