#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use Snap;
use Super;
use Test::More;

# Connections that the web server keeps (FCGI_KEEP_CONN): their requests are
# served by any idle worker, and nothing but the end of the service, or the
# administrator's wish, closes them.
my $hello = cgi_env(fixture('hello.js'));

sub with { my ($name, $query) = @_; return cgi_env(fixture("$name.js"), QUERY_STRING => $query // '') }

# One more request on that connection.
sub again {
    my ($c, $env) = @_;
    return 'closed' if !$c->request($env // $hello, '', keep => 1);
    my $r = $c->reply(60);
    return $r->{ended} ? "$r->{status} $r->{body}" : $r->{hung} ? 'hung' : 'closed';
}

sub kept { my ($s) = @_; my $c = Snap::Fcgi->new($s->{socket}); again($c); return $c }

# One that no reply is on its way to.
sub open_still { my ($c) = @_; $c->fill; return !$c->{closed} }

sub reloaded {
    my ($s) = @_;
    my $before = () = log_like($s, qr/all workers are new/);
    kill 'HUP', $s->{pid};
    return wait_for(60, sub { log_like($s, qr/all workers are new/) > $before });
}

# ---- nobody waits for one worker while another is idle ----------------------

my $s = serve(pool => { pm => 'static', max_children => 2, request_timeout => '200s',
    wait_until_timeout => '200s', rlimit_files => 1024 });
wait_workers($s, 2);
my @c = map { kept($s) } 1 .. 12;
for my $busy ([never => '', 'while a function runs'], [after => 100_000, 'while waitUntil() goes on']) {
    my ($script, $query, $what) = @$busy;
    my $first = $c[0];
    $first->request(with($script, $query), '', keep => 1);
    is($first->reply(60)->{body}, "replied\n", 'a reply, and work after it') if $script eq 'after';
    is(join('', map { again($_) } @c[1 .. $#c]), "200 hello\n" x $#c,
        "$what, requests of all other connections are served");
    is(again($first), "200 hello\n", 'and so is the next on its own') if $script eq 'after';
    # The one that never ends is given up.
    if ($script eq 'never') { $first->hang_up; $c[0] = kept($s) }
    is(join('', map { again($_) } @c), "200 hello\n" x @c, 'and afterwards those of all');
}
# Now both workers have work that takes minutes: these are in nobody's hands.
again($c[1], with('after', 100_000));
$_->request($hello, '', keep => 1) for @c[2, 3];
kill 'TERM', $s->{pid};
is($_->reply(60)->{hung}, '', 'the end of the service closes those nobody holds')
    for @c[2, 3];
ok(wait_for(60, sub { !alive($s->{pid}) }), 'and it comes');

# ---- workers end, connections stay -----------------------------------------

$s = serve(pool => { pm => 'static', max_children => 1, max_requests => 1 });
my $c = kept($s);
is(join('', map { again($c) } 1 .. 5), "200 hello\n" x 5,
    'each worker serves one request: five more on a connection');
ok(open_still($c), 'which is kept still');
stop_process($s->{pid});

$s = serve(pool => { pm => 'static', max_children => 3 });
@c = map { kept($s) } 1 .. 10;
for my $how (qw(reload restart)) {
    if ($how eq 'reload') {
        ok(reloaded($s), 'a reload');
    } else {
        like(ctl($s, 'restart'), qr/^/, 'a restart of all workers');
    }
    is(scalar(grep { open_still($_) } @c), 10, "$how: no kept connection is closed");
    is(join('', map { again($_) } @c), "200 hello\n" x 10, "$how: and they are served");
}
my ($killed) = workers($s);
kill 'KILL', $killed;
wait_gone($killed);
wait_workers($s, 3);
my @left = grep { open_still($_) } @c;
is(join('', map { again($_) } @left), "200 hello\n" x @left,
    'a worker is killed: the connections that are not closed are served');
stop_process($s->{pid});

# What waits for a request is not in the hands of one that serves another.
$s = serve(pool => { pm => 'static', max_children => 1, request_timeout => '200s',
    wait_until_timeout => '200s' });
@c = map { kept($s) } 1 .. 6;
is(again($c[0], with('after', 100_000)), "200 replied\n", 'the one worker there is is busy');
kill 'KILL', wait_workers($s, 1);
is(join('', map { again($_) } @c[1 .. 5]), "200 hello\n" x 5,
    'and killed: the other connections are served');
stop_process($s->{pid});

# A worker that is idle for long ends; others take its connections.
$s = serve(pool => { pm => 'dynamic', max_children => 6, start_servers => 4,
    min_spare_servers => 1, max_spare_servers => 1 });
@c = map { kept($s) } 1 .. 8;
ok(wait_for(60, sub { workers($s) == 1 }), 'pm = dynamic: workers end');
is(join('', map { again($_) } @c), "200 hello\n" x 8, 'their connections do not');
stop_process($s->{pid});

# The last one has nobody to leave them to: better closed than forgotten.
$s = serve(pool => { pm => 'ondemand', max_children => 2, process_idle_timeout => '1s' });
@c = map { kept($s) } 1 .. 4;
ok($_->closes(60), 'pm = ondemand: the last worker closes what is kept') for @c;
is(fcgi($s->{socket}, $hello)->{body}, "hello\n", 'and a new connection finds a new worker');
stop_process($s->{pid});

$s = serve(pool => { pm => 'ondemand', max_children => 2, max_requests => 1 });
$c = kept($s);
is(join('', map { again($c) } 1 .. 3), "200 hello\n" x 3,
    'a connection that the last worker has left behind finds a new one, too');
stop_process($s->{pid});

# ---- more than can be held ----------------------------------------------------

for my $workers (1, 2) {
    $s = serve(pool => { pm => 'static', max_children => $workers, rlimit_files => 64 });
    wait_workers($s, $workers);
    @c = map { Snap::Fcgi->new($s->{socket}) } 1 .. 60;
    $_->request($hello, '', keep => 1) for @c;
    is(scalar(grep { $_->reply(60)->{ended} } @c), 60,
        "$workers workers, few descriptors: everybody who has asked gets a reply");
    is(fcgi($s->{socket}, $hello)->{body}, "hello\n", 'and who comes now');
    unlike(read_file($s->{log}), qr/no descriptor/, 'and there are enough of them');
    stop_process($s->{pid});
}

# ---- ends -------------------------------------------------------------------

for my $workers (1, 3) {
    $s = serve(global => { process_control_timeout => '100s' },
        pool => { pm => 'static', max_children => $workers, request_timeout => '100s' });
    @c = map { kept($s) } 1 .. 6;
    # Sent, and not begun, when the service is to end.
    kill 'STOP', workers($s);
    $_->request($hello, '', keep => 1) for @c[0 .. 2];
    kill 'QUIT', $s->{pid};
    ok(log_has($s, qr/stopping, when the requests in flight/), 'SIGQUIT is heard');
    kill 'CONT', workers($s);
    is(join('', map { $_->reply(60)->{body} } @c[0 .. 2]), "hello\n" x 3,
        "$workers workers, SIGQUIT: who has asked gets a reply");
    ok($_->closes(60), 'who has not is closed') for @c[3 .. 5];
    ok(wait_for(60, sub { !alive($s->{pid}) }), 'and nothing is waited for');
    is($Snap::last_status, 0, 'exit 0');
    unlike(read_file($s->{log}), qr/has not finished/, 'nor said to be late');
}

# Sent when the worker had ended, and the next was not there.
$s = serve(pool => { pm => 'static', max_children => 1, max_requests => 2 });
$c = kept($s);
my ($gone) = wait_workers($s, 1);
kill 'STOP', $s->{pid};
is(again($c), "200 hello\n", 'the last request of a worker');
wait_gone($gone);
$c->request($hello, '', keep => 1);
kill 'QUIT', $s->{pid};
kill 'CONT', $s->{pid};
is($c->reply(60)->{body}, "hello\n", 'SIGQUIT with no worker: one is started for who has asked');
ok($c->closes(60), 'and the connection closed');
ok(wait_for(60, sub { !alive($s->{pid}) }), 'that is the end');

$s = serve(pool => { pm => 'static', max_children => 2, keep_conn => 'off' });
$c = Snap::Fcgi->new($s->{socket});
$c->request($hello, '', keep => 1);
is($c->reply(60)->{body}, "hello\n", 'keep_conn = off: a reply');
ok($c->closes(60), 'and the end, whatever was asked');
stop_process($s->{pid});

done_testing();
