#!/usr/bin/perl
use strict;
use warnings;
use FindBin;
use lib "$FindBin::Bin/../tap";
use JSON::PP qw(decode_json);
use Kept;
use Snap;
use Super;
use Test::More;

# Every way in which a worker ends: by then its state is saved, and the next
# one goes on with it. The numbers count what the application was told.
my $begin = <<'JS';
let count = 0, release;
const seen = [];
(async () => {
    for (;;)
        seen.push(await new Promise(r => release = r));
})();
addEventListener("pause", () => seen.push("pause"));
addEventListener("resume", () => seen.push("resume"));
JS
my %routes = (
    up => '        release(++count); await null; await null; return String(count);',
    look => '        return String(count);',
    seen => '        return seen;',
    env => '        return [env?.WHO, Object.keys(env ?? {})];',
    slow => '        count++; await new Promise(r => setTimeout(r, +url.search.slice(1))); return String(count);',
    after => '        count++; ctx.waitUntil((async () => {
            await new Promise(r => setTimeout(r, 300)); count += 100; })()); return "at once";',
    ask => '        ctx.state.save(); return typeof ctx.state;',
    loop => '        count++; for (;;);',
    hog => '        count++; const a = []; for (;;) a.push(new Array(1000).fill({}));',
    random => '        return [Math.random(), Math.random(), crypto.randomUUID()];',
    large => '        globalThis.large = new Uint8Array(20e6).fill(7); return "filled";',
);
my $app = app_of($begin, \%routes);

sub up { return told($_[0], '/up') }

# ---- told to end ------------------------------------------------------------

for my $signal (qw(TERM QUIT INT)) {
    my $s = start_kept(app => $app);
    up($s) for 1 .. 3;
    is(stop_process($s->{pid}, $signal), 0, "SIG$signal stops");
    my $mode = sprintf '%04o', (stat $s->{state})[2] & 07777;
    is($mode, '0600', 'the file is for its owner alone');
    ok(!-e "$s->{state}.new", 'and whole');
    my $next = start_kept(dir => $s->{dir});
    is(up($next), 4, 'a server that is started goes on');
    is_deeply(decode_json(told($next, '/seen')), [1, 2, 3, 'pause', 'resume', 4],
        'the application was told');
    is(errors_of($next), '', 'without an error');
}

{
    my $s = start_kept(app => $app);
    my $n = 0;
    for my $verb (qw(restart reload save)) {
        $n++;
        is(up($s), $n, "before $verb");
        is(ctl($s, $verb)->{exit}, 0, $verb);
    }
    is(up($s), 4, 'after all of them');
    kill 'HUP', $s->{pid};
    ok(wait_for(60, sub { figures($s)->{reloads} == 2 }), 'SIGHUP reloads');
    is(up($s), 5, 'nothing is lost');
    my ($worker) = workers($s);
    kill 'QUIT', $worker;
    wait_gone($worker);
    is(up($s), 6, 'a worker that somebody has told to drain saves as well');
    ($worker) = workers($s);
    kill 'TERM', $worker;
    wait_gone($worker);
    is(up($s), 7, 'or to end');
    is(errors_of($s), '', 'without an error');
}

{
    my $s = start_kept(app => $app, pool => { max_requests => 3, max_requests_jitter => 0 });
    my %pids;
    for my $n (1 .. 10) {
        is(up($s), $n, "max_requests: request $n");
        $pids{$_} = 1 for workers($s);
    }
    cmp_ok(scalar(keys %pids), '>', 2, 'by several processes');
    is(errors_of($s), '', 'without an error');
}

# ---- ctl ----------------------------------------------------------------------

{
    my $s = start_kept(app => $app);
    up($s);
    like(ctl($s, 'pause')->{out}, qr/\Awww: paused, \d+ bytes in \d+ ms\n\z/, 'ctl pause, of all');
    is(scalar(workers($s)), 0, 'no process is left');
    my @waiting = map { begin_request($s->{socket}, cgi_env('/x', SCRIPT_NAME => '/up')) } 1 .. 4;
    is(ctl($s, 'resume', 'www')->{exit}, 0, 'ctl resume, of one');
    is(join(' ', sort map { $_->reply(60)->{body} } @waiting), '2 3 4 5', 'who came in the pause is served after it');
    like(ctl($s, 'save', 'www')->{out}, qr/\Awww: saved, \d+ bytes/, 'ctl save, of one');
    ctl($s, 'pause', 'www');
    is(stop_process($s->{pid}), 0, 'a paused pool can be stopped');
    my $next = start_kept(dir => $s->{dir});
    is(up($next), 6, 'and is not paused any more when it starts');
    my $f = run_program(['image', 'inspect', $next->{state}]);
    is($f->{exit}, 0, 'image inspect shows the file') or diag $f->{err};
    like($f->{out}, qr/state/, 'says that it is a state');
    like($f->{out}, qr{\Q$s->{dir}\E/app\.js}, 'of this application');
}

SKIP: {
    skip 'only the handler of a module gets ctx', 5 if !keeps_modules();
    my $s = start_kept(app => $app);
    up($s);
    is(told($s, '/ask'), 'object', 'ctx.state.save() asks for a save');
    ok(wait_for(60, sub { figures($s)->{saves} == 1 }), 'and there is one');
    is(up($s), 2, 'then it goes on');
    my $plain = serve(pool => { app => "$s->{dir}/app.js", reset => 'none' });
    is(say_to($plain, '/ask')->{status}, 500, 'a pool without state has no ctx.state');
    like(read_file($plain->{log}), qr/reading 'save'/, 'it is undefined');
}

# ---- what is in flight ---------------------------------------------------------

{
    my $s = start_kept(app => $app);
    my $slow = begin_request($s->{socket}, cgi_env('/x', SCRIPT_NAME => '/slow', QUERY_STRING => 700));
    ok(wait_for(30, sub { figures($s)->{'active processes'} == 1 }), 'a request is in flight');
    is(why_not($s), '', 'when a save is asked for');
    my $r = $slow->reply(60);
    is("$r->{status} $r->{body}", '200 1', 'it has its reply');
    is(told($s, '/look'), 1, 'and its effect is kept');
    is(told($s, '/after'), 'at once', 'work that waitUntil() is for');
    is(why_not($s), '', 'is waited for by a save');
    is(told($s, '/look'), 102, 'and kept');
    is(told($s, '/after'), 'at once', 'by a stop');
    stop_process($s->{pid}, 'QUIT');
    is(told(start_kept(dir => $s->{dir}), '/look'), 203, 'too');
}

# ---- the application or its process is ended ------------------------------------

{
    my $s = start_kept(app => $app, pool => { request_timeout => '1s', kill_grace => '2s' });
    up($s) for 1 .. 2;
    is(why_not($s), '', 'saved');
    up($s);
    is(say_to($s, '/loop')->{status}, 504, 'an endless loop is ended');
    is(up($s), 3, 'the state goes back to the last save');
    ok(log_has($s, qr/error .*the application was ended: what it kept since its state was saved is lost/),
        'the log says so');
    ok(log_has($s, qr/error .*the state of worker \d+ since \d{4}-.* is lost, with \d+ requests in it/),
        'and how much');
    is(why_not($s), '', 'saved');
}

{
    my $s = start_kept(app => $app, pool => { heap_limit => '32m' });
    up($s) for 1 .. 2;
    is(why_not($s), '', 'saved');
    up($s);
    is(say_to($s, '/hog')->{status}, 500, 'an application without memory is ended');
    is(up($s), 3, 'the state goes back to the last save');
    ok(log_has($s, qr/error .*the state of worker \d+ since \d{4}-.* is lost, with \d+ requests in it/),
        'the log says so');
}

{
    my $s = start_kept(app => $app, pool => { save_every => '300ms' });
    up($s) for 1 .. 2;
    ok(wait_for(60, sub { figures($s)->{saves} >= 1 }), 'save_every saves');
    wait_phase($s, 'running');
    my $before = told($s, '/look');
    ok(wait_for(60, sub { my $n = figures($s)->{saves}; sleep 1; $n == figures($s)->{saves} }),
        'until nobody comes');
    kill 'KILL', workers($s);
    is($before . ' ' . up($s), '2 3', 'kill -9 costs what came after it');
    my @all = map { my $r = decode_json(told($s, '/random')); @$r } 1 .. 2;
    ctl($s, 'save');
    for (1 .. 2) {
        push @all, @{decode_json(told($s, '/random'))};
        my ($w) = workers($s);
        kill 'KILL', $w;
        wait_gone($w);
    }
    my %once = map { $_ => 1 } @all;
    is(scalar(keys %once), scalar(@all), 'no two that go on from one file draw the same numbers');
}

# ---- the new configuration -------------------------------------------------------

SKIP: {
    skip 'only the handler of a module gets env', 5 if !keeps_modules();
    my $s = start_kept(app => $app, pool => { 'env[WHO]' => 'one-secret' });
    is(told($s, '/env'), '["one-secret",["WHO"]]', 'env');
    write_file($s->{conf}, read_file($s->{conf}) =~ s/one-secret/two-secret/r);
    is(ctl($s, 'reload')->{exit}, 0, 'other values');
    is(told($s, '/env'), '["two-secret",["WHO"]]', 'are there after a reload');
    unlike(state_file($s), qr/one-secret/, 'and the file has not the old ones');
    ctl($s, 'save');
    unlike(state_file($s), qr/two-secret/, 'nor the new');
}

done_testing();
