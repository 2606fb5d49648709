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

# What cannot be kept: the save is refused with what and where, the worker
# serves on with all it has, and is saved when it was let go of.
my $app = app_of(<<'JS', {
let count = 0, thing, release;
const seen = [];
const waiting = (async () => { seen.push(await new Promise(r => release = r)); })();
addEventListener("pause", (e) => {
    seen.push("pause");
    if (globalThis.letsGo)
        e.waitUntil((async () => { await new Promise(r => setTimeout(r, 30)); thing = undefined; })());
    if (globalThis.throws)
        throw new Error("this listener");
    if (globalThis.never)
        e.waitUntil(new Promise(() => {}));
    if (globalThis.rejects)
        e.waitUntil(Promise.reject(new Error("that promise")));
    if (globalThis.long)
        e.waitUntil(new Promise(r => setTimeout(r, 60000)));
    while (globalThis.spins);
});
addEventListener("resume", (e) => e.waitUntil((async () => { await null; seen.push("resume"); })()));
JS
    up => 'return String(++count);',
    run => 'const f = new Function("return (async () => {" + await request.text() + "})()"); thing = await f() ?? thing; return "ran";',
    drop => 'thing = undefined; return "dropped";',
    seen => 'return seen;',
    release => 'release("released"); await waiting; return seen;',
});

sub do_it { return told($_[0], '/run', stdin => $_[1],
    env => { REQUEST_METHOD => 'POST', CONTENT_LENGTH => length $_[1] }) }

# ---- refused, and let go of --------------------------------------------------------

my @things = (
    ['a NumberFormat', 'return new Intl.NumberFormat("de");', qr/Intl\.NumberFormat/],
    ['a DateTimeFormat', 'return new Intl.DateTimeFormat("de");', qr/Intl\.DateTimeFormat/],
    ['a CryptoKey', 'return crypto.subtle.generateKey({ name: "HMAC", hash: "SHA-256" }, true, ["sign"]);', qr/CryptoKey/],
    ['a CompressionStream', 'const s = new CompressionStream("gzip"); s.writable.getWriter().write(new Uint8Array(9)); return s;',
        qr/CompressionStream/],
);
{
    my $s = start_kept(app => $app);
    my $n = 0;
    for my $t (@things) {
        my ($what, $code, $like) = @$t;
        is(told($s, '/up'), ++$n, "before $what");
        my ($pid) = workers($s);
        is(do_it($s, $code), 'ran', "an application holds $what");
        my $why = why_not($s);
        like($why, $like, "$what cannot be kept: ctl save says so");
        like($why, qr/thing/, 'and who holds it') if $what ne 'a CompressionStream';
        like($why, qr/its worker serves on/, 'and what becomes of it');
        is(told($s, '/up'), ++$n, 'it serves on');
        is(join(' ', workers($s)), $pid, 'the same process');
        told($s, '/drop');
        is(do_it($s, $code . ''), 'ran', 'again');
        do_it($s, 'globalThis.letsGo = true;');
        is(why_not($s), '', 'let go of at "pause" it is saved');
        do_it($s, 'globalThis.letsGo = false;');
        is(told($s, '/up'), ++$n, 'and goes on');
    }
    is_deeply([sort @{decode_json(told($s, '/release'))}], [sort +('pause', 'resume') x (2 * @things), 'released'],
        'each refusal was a pause and a resume, and what was suspended still is');
    is(why_not($s), '', 'the last save');
}

# Refused at the end, it is lost, and that is told.
{
    my $s = start_kept(app => $app);
    told($s, '/up');
    is(why_not($s), '', 'saved');
    told($s, '/up');
    do_it($s, 'return new Intl.PluralRules("de");');
    like(why_not($s, 'pause'), qr/Intl\.PluralRules/, 'pause is refused, too');
    is(figures($s)->{state}, 'running', 'and is none');
    stop_process($s->{pid});
    ok(log_has($s, qr/error .*the state of worker \d+ since \d{4}-.* is lost, with \d+ requests in it: it cannot be saved: .*PluralRules/),
        'a stop loses it and says why');
    is(told(start_kept(dir => $s->{dir}), '/up'), 2, 'what was saved before is there');
}

# ---- listeners -----------------------------------------------------------------------

{
    my $s = start_kept(app => $app, pool => { request_timeout => '2s', kill_grace => '3s' });
    my $n = 0;
    for my $case (['throws', '', qr/this listener/], ['rejects', '', qr/that promise/]) {
        my ($how, $why, $like) = @$case;
        is(told($s, '/up'), ++$n, "before a listener $how");
        do_it($s, "globalThis.$how = true;");
        is(why_not($s), $why, "a listener for pause that $how does not stop a save");
        ok(log_has($s, qr/error .*$like/), 'it is in the log');
        do_it($s, "globalThis.$how = false;");
    }
    for my $case (['never', qr/a promise of pause can never settle/], ['long', qr/pause took longer than request_timeout/]) {
        my ($how, $like) = @$case;
        is(told($s, '/up'), ++$n, "before a listener $how");
        do_it($s, "globalThis.$how = true;");
        like(why_not($s), $like, "one that waits so ($how) ends the save");
        is(told($s, '/up'), ++$n, 'and its worker serves on');
        do_it($s, "globalThis.$how = false;");
        is(why_not($s), '', 'then it can be saved');
    }
    told($s, '/up');
    do_it($s, 'globalThis.spins = true;');
    like(why_not($s), qr/the state|pause took longer/, 'a listener that spins is ended');
    is(told($s, '/up'), $n + 1, 'the state goes back to the last save');
    is(why_not($s), '', 'and can be saved');
}

# ---- on the way ----------------------------------------------------------------------

# An answer that is not read to its end; the far side is a socket of this test.
{
    my $l = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5) or die;
    my $port = $l->sockport;
    my $pid = fork() // die;
    if (!$pid) {
        alarm 0;
        my @all;
        while (my $c = $l->accept) {
            $c->autoflush(1);
            sysread($c, my $got, 4096);
            print $c "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf";
            push @all, $c;
        }
        POSIX::_exit(0);
    }
    my $s = start_kept(app => $app, pool => { fetch_allow => "127.0.0.1:$port" });
    told($s, '/up');
    my $r = do_it($s, "const r = await fetch('http://127.0.0.1:$port/'); return r;");
    if ($r eq 'ran') {
        my $why = why_not($s);
        ok($why eq '' || $why =~ /fetch/, 'an open fetch is over with its request, or refused by its name') or diag $why;
        is(told($s, '/up'), 2, 'its worker serves on');
        told($s, '/drop');
        is(why_not($s), '', 'without it, it is saved');
        is(told($s, '/up'), 3, 'and goes on');
    } else {
        diag(read_file($s->{log}));
        fail('fetch');
    }
    kill 'KILL', $pid;
    waitpid($pid, 0);
}

done_testing();
