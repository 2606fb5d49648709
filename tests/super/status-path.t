#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use JSON::PP;
use Snap;
use Super;
use Test::More;

# status_path, ping.path and ping.response of a pool, answered by a worker,
# and figures that fit what was asked.
my $dir = temp_dir();
my $root = temp_dir();
for my $name (qw(hello sleep throw log trickle)) {
    write_file("$root/$name.js", read_file(fixture("$name.js")));
}
my $s = serve_with_status(dir => $dir, pool => { root => $root, pm => 'static', max_children => 2,
    status_path => '/-/status', 'ping.path' => '/-/ping', 'ping.response' => 'alive and well',
    slowlog => "$dir/slow.log", slowlog_timeout => '300ms', max_spawn_rate => 1 });
my @w = wait_workers($s, 2);

sub page {
    my ($path, $query, %o) = @_;
    return fcgi($s->{socket}, cgi_env("$root$path", SCRIPT_NAME => $path,
        QUERY_STRING => $query // '', %o), seconds => 60);
}

sub json { return decode_json(page('/-/status', 'json' . ($_[0] // ''))->{body}) }

sub run { return fcgi($s->{socket}, cgi_env("$root/$_[0].js", @_[1 .. $#_]), seconds => 60) }

# A figure counts a moment after the reply.
sub becomes {
    my ($name, $value, $why) = @_;
    my $now;
    wait_for(30, sub { $now = json()->{$name}; $now == $value });
    is($now, $value, "$name: $why");
}

# ---- the pages --------------------------------------------------------------

my $r = page('/-/ping');
is("$r->{status} $r->{body}", '200 alive and well', 'ping.response');
like($r->header('Content-Type'), qr{^text/plain}, 'is text');
is($r->header('Cache-Control'), 'no-store', 'which nobody keeps');
$r = page('/-/ping', '', REQUEST_METHOD => 'HEAD');
is("$r->{status} $r->{body} " . $r->header('Content-Length'), '200  14', 'HEAD has its length only');
$r = page('/-/ping', '', REQUEST_METHOD => 'POST');
is("$r->{status} " . $r->header('Allow'), '405 GET, HEAD', 'POST is not for a ping');

$r = page('/-/status');
is($r->{status}, 200, 'status_path');
like($r->{body}, qr/^pool: +www\nprocess manager: +static\n/, 'is text');
like($r->{body}, qr/^accepted conn: +0$/m, 'and does not count itself');
unlike($r->{body}, qr/^pid:/m, 'nor shows processes');
$r = page('/-/status', 'full');
is(scalar(() = $r->{body} =~ /^pid: +\d+$/mg), 2, 'full: it does');
like($r->header('Cache-Control'), qr/no-store/, 'nobody keeps it');
$r = page('/-/status', 'json');
is($r->header('Content-Type'), 'application/json', 'json');
is(decode_json($r->{body})->{pool}, 'www', 'of this pool');
$r = page('/-/status', 'json', REQUEST_METHOD => 'HEAD');
is("$r->{status} $r->{body}", '200 ', 'HEAD has no body');
cmp_ok($r->header('Content-Length'), '>', 500, 'but its length');
for my $method (qw(POST PUT DELETE OPTIONS)) {
    $r = page('/-/status', 'json', REQUEST_METHOD => $method);
    is("$r->{status} " . $r->header('Allow'), '405 GET, HEAD', "$method is refused");
}
like(page('/-/status', 'html')->header('Content-Type'), qr{^text/html}, 'html');
like(page('/-/status', 'openmetrics')->{body}, qr/^# EOF\n\z/m, 'openmetrics');
is(page('/-/status', 'pool=other')->{status}, 404, 'another pool is not there');
is(run('nothere')->{status}, 404, 'other paths are scripts');
is(page('/-/status/x')->{status}, 403, 'also those that begin with it, which no script does');
becomes('accepted conn', 2, 'those two');

# ---- figures after known traffic ---------------------------------------------

is(run('hello')->{status}, 200, 'hello') for 1 .. 7;
is(run('throw')->{status}, 500, 'throw') for 1 .. 3;
becomes('accepted conn', 12, 'each request once');
is(json()->{errors}, 3, 'errors: replies of 500 and over, not 404');
is(json()->{aborted}, 0, 'aborted: none');
is(json()->{'slow requests'}, 0, 'slow requests: none');
my $f = json();
# 404 never got to an application.
is($f->{'cold starts'} + $f->{'warm starts'}, 10, 'cold and warm starts: together all that ran');
cmp_ok($f->{'cold starts'}, '>=', 2, 'cold: each script once, at least');
cmp_ok($f->{resets}, '>=', 10, 'resets: a context each');
is($f->{spawned}, 2, 'spawned: two');
is($f->{'total processes'}, 2, 'total processes: two');
cmp_ok($f->{'latency p50'}, '>', 0, 'latency: something');
cmp_ok($f->{'latency p99'}, '>=', $f->{'latency p50'}, 'and some more');

is(run('sleep', QUERY_STRING => '900')->{status}, 200, 'a slow one');
becomes('slow requests', 1, 'it is in the slow log');
{
    my $c = begin_request($s->{socket}, cgi_env("$root/trickle.js"));
    ok($c->next_record(20), 'a reply has begun');
    $c->hang_up;
    becomes('aborted', 1, 'its client has gone');
}
becomes('accepted conn', 14, 'all of them');
{
    my @c = map { begin_request($s->{socket}, cgi_env("$root/sleep.js", QUERY_STRING => '2500',
        HTTP_X_REQUEST_ID => "mine-$_", REMOTE_USER => 'jana')) } 1, 2;
    ok(wait_for(20, sub { figures($s)->{'active processes'} == 2 }), 'both workers are busy');
    my $full = figures($s, '&full');
    is(join(',', sort map { $_->{'request id'} } @{$full->{processes}}), 'mine-1,mine-2',
        'the ids of their requests');
    is($full->{processes}[0]{user}, 'jana', 'and the user');
    is($full->{'idle processes'}, 0, 'none is idle');
    is($_->reply(60)->{status}, 200, 'they are served') for @c;
}
becomes('max active processes', 2, 'at most');
becomes('idle processes', 2, 'also who answers this');
my $full = json('&full');
is(scalar(grep { $_->{'request id'} =~ /^mine-[12]$/ } @{$full->{processes}}), 2,
    'the last request of each has its X-Request-Id');
is($_->{'request uri'}, '/sleep.js?...', 'its URI, but not the query') for @{$full->{processes}};
is($_->{script}, "$root/sleep.js", 'its script') for @{$full->{processes}};
is(join(',', sort { $a <=> $b } map { $_->{pid} } @{$full->{processes}}), join(',', @w),
    'and their process ids');
is($full->{processes}[0]{requests} + $full->{processes}[1]{requests}, 16, 'requests: of both, all');

my $error = run('throw', HTTP_X_REQUEST_ID => 'shown-1');
is($error->header('X-Request-Id'), 'shown-1', 'a page of an error shows the X-Request-Id');
like($error->{body}, qr/Request shown-1/, 'to the reader, too');

# ---- what stays --------------------------------------------------------------

# Who is killed between a reply and its figures takes them along.
becomes('accepted conn', 17, 'that one, too');
becomes('idle processes', 2, 'nobody is at work');
kill 'KILL', $w[0];
ok(wait_for(30, sub { my @n = workers($s); @n == 2 && !grep { $_ == $w[0] } @n }), 'another worker');
wait_for(30, sub { json()->{'starting processes'} == 0 });
my $before = json();
is($before->{'accepted conn'}, 17, 'what the old one has counted stays');
is($before->{errors}, 4, 'of all kinds');
kill 'HUP', $s->{pid};
ok(log_has($s, qr/all workers are new/, 60), 'a reload');
ok(wait_for(30, sub { !grep { !gone($_) } $w[1] }), 'old workers have gone');
ok(wait_for(30, sub { json()->{'draining processes'} == 0 }), 'all of them');
my $after = json();
is($after->{$_}, $before->{$_}, "$_ stays as it was") for 'accepted conn', 'errors', 'slow requests',
    'aborted', 'cold starts', 'warm starts', 'max active processes', 'shed', 'crashed', 'killed';
is($after->{reloads}, 1, 'reloads: one');
is($after->{spawned}, $before->{spawned} + 2, 'spawned: two more');
cmp_ok($after->{'latency p99'}, '>', 0, 'latencies are not forgotten');
is(run('hello')->{status}, 200, 'it goes on');
becomes('accepted conn', 18, 'from there');
is(figures($s)->{'accepted conn'}, 18, 'status_listen says the same');

is(stop_process($s->{pid}), 0, 'SIGTERM: exit 0');

# Without the settings these are paths like others.
{
    my $t = serve(pool => { root => $root });
    for my $path ('/status', '/ping', '/-/status') {
        is(fcgi($t->{socket}, cgi_env("$root$path", SCRIPT_NAME => $path))->{status}, 403,
            "$path without status_path or ping.path");
    }
    is(stop_process($t->{pid}), 0, 'SIGTERM: exit 0');
}

done_testing();
