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

# What freeze() gives, new code gets by thaw(), and so does another build.
my $routes = { up => 'return String(++count);', hold => <<'JS', told => 'return String(note);',
        held = new Map([["cycle", undefined], ["blob", new Blob(["in a blob"], { type: "text/x" })],
            ["file", new File(["f"], "name.txt", { lastModified: 7 })],
            ["no", new DOMException("m", "DataError")], ["bytes", new Uint16Array([1, 65535])],
            ["date", new Date(5)], ["big", -(2n ** 70n)], ["text", "\u20ac\ud83d\ude00"], ["zero", -0],
            ["error", new RangeError("r", { cause: "c" })], ["set", new Set([1, "a"])],
            ["regexp", /a(b)/gi], ["holes", [1, , 3]]]);
        held.set("cycle", held);
        return "held";
JS
    look => <<'JS', bad => 'held = { deep: [{ at: globalThis[url.search.slice(1)] }] }; return "bad";', good => 'held = undefined; return "good";' };
        const v = (k) => held.get(k);
        return [held instanceof Map, v("cycle") === held, await v("blob").text(), v("blob").type,
            v("file") instanceof File, v("file").name, v("file").lastModified, v("no") instanceof DOMException,
            v("no").name, [...v("bytes")], +v("date"), String(v("big")), v("text"), Object.is(v("zero"), -0),
            v("error") instanceof RangeError, v("error").message, [...v("set")], String(v("regexp")),
            1 in v("holes"), v("holes").length];
JS
my $seen = [1, 1, 'in a blob', 'text/x', 1, 'name.txt', 7, 1, 'DataError', [1, 65535], 5,
    '-1180591620717411303424', "\x{20ac}\x{1f600}", 1, 1, 'r', [1, 'a'], '/a(b)/gi', 0, 3];

# The same in its module form on both.
sub app {
    my ($thaw, %o) = @_;
    my $freeze = $o{freeze} // '{ return { count, held }; }';
    return app_of(<<"JS", $routes, module => 1);
let count = 0, held, note = "begun";
globalThis.URLOBJECT = new URL("https://example.org/");
globalThis.HEADERS = new Headers();
globalThis.FUNCTION = () => 1;
globalThis.SYMBOL = Symbol("s");
globalThis.REQUEST = new Request("https://example.org/");
globalThis.PROMISE = Promise.resolve();
export async function freeze() $freeze
$thaw
// @{[$o{more} // "the last"]}
JS
}
my $thaw = 'export async function thaw(value) { await new Promise(r => setTimeout(r, 20)); count = value.count + 1000; held = value.held; note = "thawed"; }';

sub anew { unlink "$_[0]/serve.log"; return $_[0] }
sub flat { my ($v) = @_; return [map { JSON::PP::is_bool($_) ? ($_ ? 1 : 0) : $_ } @$v] }

# ---- from code to code -----------------------------------------------------------

{
    my $s = start_kept(app => app($thaw, more => 'one'));
    is(told($s, '/up'), 1, 'an application with freeze');
    is(told($s, '/hold'), 'held', 'holds what can be frozen');
    is(why_not($s), '', 'and is saved') or diag(read_file($s->{log}));
    is_deeply(flat(decode_json(told($s, '/look'))), $seen, 'it is all there');
    is(told($s, '/told'), keeps_modules() ? 'begun' : 'thawed', 'with the same code the heap goes on where it can');
    is(stop_process($s->{pid}), 0, 'it stops');
    my $n = keeps_modules() ? 1 : 1001;
    my $next = start_kept(dir => anew($s->{dir}), app => app($thaw, more => 'two'));
    is(told($next, '/up'), $n + 1001, 'other code gets it by thaw()') or diag(read_file($next->{log}));
    is_deeply(flat(decode_json(told($next, '/look'))), $seen, 'all of it');
    ok(log_has($next, qr/notice .*the heap in \S+ cannot go on here, what freeze\(\) gave does: .*(?:app\.js|it has no heap)/),
        'the log says so and why');
    is(why_not($next), '', 'what thawed can be saved');
    like(told($next, '/up'), qr/^\d+$/, 'and goes on');

    # New code by a reload, nobody is turned away.
    write_file("$next->{dir}/app.js", app($thaw, more => 'three'), 0644);
    my $before = told($next, '/up');
    is(ctl($next, 'reload')->{exit}, 0, 'new code by a reload');
    is(told($next, '/up'), $before + 1001, 'goes on with what freeze() gave');
    stop_process($next->{pid});
    $before += 1001;

    # thaw() that throws, or is not there.
    my $kept = state_file($s);
    for my $case (['throws', 'export function thaw() { throw new Error("not this one"); }', qr/error .*thaw: .*not this one/],
            ['rejects', 'export async function thaw() { await null; throw new Error("not now"); }', qr/error .*thaw: .*not now/],
            ['never ends', 'export function thaw() { return new Promise(() => {}); }', qr/error .*a promise of thaw can never settle/],
            ['is not there', '', qr/error .*exports no function thaw/]) {
        my ($what, $code, $like) = @$case;
        my $bad = start_kept(dir => anew($s->{dir}), app => app($code));
        ok(log_has($bad, $like, 60), "a thaw that $what is told") or diag(read_file($bad->{log}));
        stop_process($bad->{pid});
        ok(state_file($s) eq $kept, 'and the file is as it was');
    }
    my $again = start_kept(dir => anew($s->{dir}), app => app($thaw, more => 'four'));
    is(told($again, '/up'), $before + (keeps_modules() ? 1001 : 1001), 'nothing was lost');
}

# ---- what cannot be frozen ----------------------------------------------------------

{
    my $s = start_kept(app => app($thaw));
    told($s, '/up');
    for my $case (['URLOBJECT', 'URL'], ['HEADERS', 'Headers'], ['FUNCTION', 'function'], ['SYMBOL', 'symbol'],
            ['REQUEST', 'Request'], ['PROMISE', 'Promise']) {
        my ($name, $kind) = @$case;
        told($s, "/bad?$name");
        like(why_not($s), qr/value\.held\.deep\[0\]\.at is .*$kind/i, "$kind is refused by its path");
    }
    is(told($s, '/up'), 2, 'the application goes on all the while');
    told($s, '/good');
    is(why_not($s), '', 'and is saved when it was let go of');
}

for my $case (['throws', '{ throw new Error("too cold"); }', qr/too cold/],
        ['never ends', '{ await new Promise(() => {}); }', qr/a promise of pause can never settle/],
        ['takes too long', '{ await new Promise(r => setTimeout(r, 60000)); }', qr/pause took longer than request_timeout/]) {
    my ($what, $code, $like) = @$case;
    my $s = start_kept(app => app($thaw, freeze => $code), pool => { request_timeout => '1s' });
    told($s, '/up');
    like(why_not($s), $like, "a freeze that $what is told");
    is(told($s, '/up'), 2, 'and its worker serves on');
}

# ---- from one version of V8 to the other ---------------------------------------------

SKIP: {
    my $other = other_program();
    skip 'SNAPCGI_OTHER names no program with the other V8', 6 if !defined $other;
    my $dir = temp_dir();
    my $n = 0;
    for my $program (program(), $other, program()) {
        my $s = start_kept(dir => anew($dir), app => app($thaw), program => $program);
        told($s, '/hold') if $n == 0;
        $n = $n == 0 ? 1 : $n + 1001;
        is(told($s, '/up'), $n, 'counts on') or diag(read_file($s->{log}));
        is_deeply(flat(decode_json(told($s, '/look'))), $seen, 'with all that was frozen');
        is(stop_process($s->{pid}), 0, 'and stops');
    }
}

done_testing();
