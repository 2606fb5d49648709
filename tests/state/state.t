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

# What an application holds is what it holds in the next process. Every case
# has a part that runs before its state is saved and one that runs after; both
# see `k`, a module variable of its own, and what the second gives is compared.
my @cases;
sub case { push @cases, [@_] }

case 'a global', 'globalThis.g = { list: [1, [2]] }', 'g', { list => [1, [2]] };
case 'a module variable', 'count = 7', '++count', 8;
case 'a closure',
    'let n = 0; k.up = () => ++n; k.look = () => n; k.up()', 'k.up(); return k.look()', 2;
case 'a Map and its order',
    'k.m = new Map([[k, 1], ["b", 2], [NaN, 3]]); k.m.delete("b"); k.m.set("b", 4)',
    '[k.m.get(k), k.m.get(NaN), [...k.m.values()]]', [1, 3, [1, 3, 4]];
case 'a large Map', 'k.m = new Map(Array.from({ length: 5000 }, (_, i) => [`key ${i}`, i]))',
    '[k.m.size, k.m.get("key 4999"), k.m.has("key 5000")]', [5000, 4999, JSON::PP::false];
case 'an iterator on its way', 'k.s = new Set([1, 2, 3]); k.i = k.s.values(); k.i.next()',
    'k.s.add(4); return [...k.i]', [2, 3, 4];
case 'a WeakMap', 'k.o = {}; k.w = new WeakMap([[k.o, "kept"]]); k.s = new WeakSet([k.o])',
    '[k.w.get(k.o), k.s.has(k.o), k.w.get({})]', ['kept', JSON::PP::true, undef];
case 'a WeakRef', 'k.o = { a: 1 }; k.r = new WeakRef(k.o)', 'k.r.deref() === k.o', JSON::PP::true;
case 'private fields', 'k.c = new Counter(5); k.c.up()', '[k.c.up(), Counter.made, Counter.is(k.c), Counter.is({})]',
    [7, 1, JSON::PP::true, JSON::PP::false];
case 'a class and its heirs', 'k.C = class extends Counter { twice() { this.up(); return this.up(); } }',
    'const c = new k.C(1); return [c.twice(), c instanceof Counter]', [3, JSON::PP::true];
case 'symbols', 'k.s = Symbol("own"); k.o = { [k.s]: 1, [Symbol.for("all")]: 2 }',
    '[k.o[k.s], k.o[Symbol.for("all")]]', [1, 2];
case 'typed arrays', 'k.b = new ArrayBuffer(16); k.u = new Uint8Array(k.b, 4, 8); k.f = new Float64Array(k.b, 8, 1); k.f[0] = Math.PI; k.u[0] = 9',
    '[k.u.buffer === k.b, k.f[0] === Math.PI, new DataView(k.b).getUint8(4), k.u.length]',
    [JSON::PP::true, JSON::PP::true, 9, 8];
case 'a large typed array', 'k.u = new Uint32Array(300000); for (let i = 0; i < k.u.length; i++) k.u[i] = i * 7',
    'k.u.reduce((ok, v, i) => ok && v === i * 7, true) && k.u.length', 300000;
case 'a buffer that was transferred', 'k.t = new ArrayBuffer(8); structuredClone(k.t, { transfer: [k.t] })',
    'k.t.byteLength', 0;
case 'an array of no elements', 'k.n = new Uint8Array(0)', '[k.n.length, k.n.byteOffset]', [0, 0];
case 'a buffer of no bytes', 'k.n = new ArrayBuffer(0); k.e = new TextEncoder().encode("")',
    '[k.n.byteLength, k.e.length]', [0, 0];
case 'a stream that was compressed', 'k.z = new Uint8Array(await new Response(new Blob(["a".repeat(999)]).stream().pipeThrough(new CompressionStream("gzip"))).arrayBuffer())',
    '(await new Response(new Blob([k.z]).stream().pipeThrough(new DecompressionStream("gzip"))).text()).length', 999;
case 'a suspended async function',
    'k.done = (async () => { let sum = 1; try { sum += await new Promise(r => k.go = r); sum += await new Promise(r => k.go2 = r); } finally { sum *= 2; } return sum; })()',
    'k.go(10); await null; await null; k.go2(100); return k.done', 222;
case 'one whose promise is rejected afterwards',
    'k.done = (async () => { try { await new Promise((_, no) => k.no = no); } catch (e) { return `caught ${e.message}`; } })()',
    'k.no(new Error("later")); return k.done', 'caught later';
case 'pending promises', 'k.p = new Promise(r => k.r = r); k.all = Promise.all([k.p, 2]); k.any = Promise.race([k.p, new Promise(() => {})]).then(v => v + 1)',
    'k.r(5); return [await k.p, await k.all, await k.any]', [5, [5, 2], 6];
case 'settled promises', 'k.y = Promise.resolve(3); k.n = Promise.reject(new RangeError("no")); k.n.catch(() => {})',
    '[await k.y, await k.n.catch(e => e.name)]', [3, 'RangeError'];
case 'a generator', 'k.g = (function* () { let got = yield 1; while (true) got = yield got * 2; })(); k.g.next(); k.g.next(4)',
    'return [k.g.next(5).value, k.g.return(9), k.g.next()]',
    [10, { value => 9, done => JSON::PP::true }, { done => JSON::PP::true }];
case 'an async generator', 'k.g = (async function* () { for (let i = 0; ; i++) yield i; })(); await k.g.next(); await k.g.next()',
    '(await k.g.next()).value', 2;
case 'a timer and its arguments', 'k.p = new Promise(r => setTimeout(r, 60, "it rang"))', 'k.p', 'it rang';
case 'timers in their order',
    'k.order = []; for (const ms of [300, 100, 200]) setTimeout(() => k.order.push(ms), ms)',
    'await new Promise(r => setTimeout(r, 600)); return k.order', [100, 200, 300];
case 'a timer that is far away', 'k.rang = false; k.t = setTimeout(() => k.rang = true, 3600000)',
    'await new Promise(r => setTimeout(r, 50)); const early = k.rang; clearTimeout(k.t); return early', JSON::PP::false;
case 'a timer that is taken back', 'k.rang = 0; k.t = setTimeout(() => k.rang++, 80); k.i = setInterval(() => k.rang++, 80)',
    'clearTimeout(k.t); clearInterval(k.i); const n = k.rang; await new Promise(r => setTimeout(r, 200)); return k.rang === n', JSON::PP::true;
case 'an interval', 'k.n = 0; k.i = setInterval(() => k.n++, 10)',
    'const before = k.n; while (k.n < before + 3) await new Promise(r => setTimeout(r, 10)); clearInterval(k.i); return "it goes on"', 'it goes on';
case 'time that is left', 'k.set = performance.now(); k.p = new Promise(r => setTimeout(() => r(performance.now() - k.set), 500))',
    '(await k.p) >= 499', JSON::PP::true;
case 'performance.now', 'k.t = performance.now()', 'performance.now() > k.t', JSON::PP::true;
case 'an AbortController', 'k.a = new AbortController(); k.a.signal.addEventListener("abort", () => k.why = k.a.signal.reason)',
    'k.a.abort("enough"); return [k.a.signal.aborted, k.why]', [JSON::PP::true, 'enough'];
case 'AbortSignal.timeout and any', 'k.s = AbortSignal.any([AbortSignal.timeout(100)])',
    'await new Promise(r => k.s.aborted ? r() : k.s.onabort = r); return k.s.reason.name', 'TimeoutError';
case 'an EventTarget', 'k.e = new EventTarget(); k.n = 0; k.e.addEventListener("x", (e) => k.n += e.detail); k.e.addEventListener("x", () => k.n++, { once: true })',
    'k.e.dispatchEvent(new CustomEvent("x", { detail: 10 })); k.e.dispatchEvent(new CustomEvent("x", { detail: 10 })); return k.n', 21;
case 'a stream not read to its end',
    'let n = 0; k.s = new ReadableStream({ pull(c) { c.enqueue(++n); if (n === 5) c.close(); } }); k.r = k.s.getReader(); await k.r.read()',
    'const rest = []; for (;;) { const { value, done } = await k.r.read(); if (done) return rest; rest.push(value); }', [2, 3, 4, 5];
case 'a read that waits', 'k.s = new ReadableStream({ start(c) { k.c = c; } }); k.p = k.s.getReader().read()',
    'k.c.enqueue("now"); return (await k.p).value', 'now';
case 'a pipe', 'const t = new TransformStream({ transform: (v, c) => c.enqueue(v * 2) }); k.w = t.writable.getWriter(); k.out = t.readable.pipeThrough(new TransformStream()); k.w.write(1); ',
    'k.w.write(2); k.w.close(); const all = []; for await (const v of k.out) all.push(v); return all', [2, 4];
case 'a stream in two', '[k.a, k.b] = new Blob(["abc"]).stream().tee()',
    '[await new Response(k.a).text(), await new Response(k.b).text()]', ['abc', 'abc'];
case 'half a character', 'k.d = new TextDecoder(); k.first = k.d.decode(new Uint8Array([0xE2, 0x82]), { stream: true })',
    'k.first + k.d.decode(new Uint8Array([0xAC]))', "\x{20ac}";
case 'a decoder of an old encoding', 'k.d = new TextDecoder("shift_jis"); k.f = k.d.decode(new Uint8Array([0x82]), { stream: true })',
    'k.f + k.d.decode(new Uint8Array([0xA0]))', "\x{3042}";
case 'a Request', 'k.r = new Request("https://example.org/a?b", { method: "POST", body: "text", headers: { "x-a": "1" } })',
    '[k.r.url, k.r.method, k.r.headers.get("x-a"), await k.r.text()]', ['https://example.org/a?b', 'POST', '1', 'text'];
case 'a Response', 'k.r = Response.json({ a: 1 }, { status: 201 }); k.c = k.r.clone()',
    '[k.r.status, await k.r.json(), await k.c.text()]', [201, { a => 1 }, '{"a":1}'];
case 'a Blob and a File', 'k.b = new Blob(["one", new Uint8Array([50])], { type: "text/x" }); k.f = new File([k.b], "name", { lastModified: 5 }); k.s = k.b.slice(1, 3)',
    '[await k.b.text(), k.b.type, k.f.name, k.f.lastModified, await k.s.text(), await k.f.text()]', ['one2', 'text/x', 'name', 5, 'ne', 'one2'];
case 'a URL', 'k.u = new URL("https://example.org/a/b?c=1#d"); k.p = k.u.searchParams',
    'k.p.append("e", "2"); k.u.pathname = "/x y"; return k.u.href', 'https://example.org/x%20y?c=1&e=2#d';
case 'a URLPattern', 'k.p = new URLPattern({ pathname: "/a/:id" })', 'k.p.exec("https://x/a/7").pathname.groups.id', '7';
case 'Headers and FormData', 'k.h = new Headers({ a: "1" }); k.h.append("a", "2"); k.f = new FormData(); k.f.set("f", new File(["x"], "n"))',
    '[k.h.get("a"), k.f.get("f").name]', ['1, 2', 'n'];
case 'a DOMException', 'k.e = new DOMException("m", "DataError")', '[k.e.name, k.e.code, k.e instanceof Error]', ['DataError', 0, JSON::PP::true];
case 'errors', 'k.e = new TypeError("t", { cause: new Error("c") })', '[k.e.cause.message, /begin/.test(k.e.stack)]', ['c', JSON::PP::true];
case 'channels of messages', 'k.c = new MessageChannel(); k.p = new Promise(r => k.c.port2.onmessage = (e) => r(e.data))',
    'k.c.port1.postMessage({ a: 1 }); return k.p', { a => 1 };
case 'a RegExp on its way', 'k.r = /a(.)/g; k.r.exec("abac")', 'k.r.exec("abac")[1]', 'c';
case 'a Proxy', 'k.p = new Proxy({ a: 1 }, { get: (o, n) => `${n}!` })', 'k.p.a', 'a!';
case 'numbers, dates and text', 'k.v = [-0, 2n ** 70n, new Date(5), "\ud800", "x".repeat(100000)]',
    '[Object.is(k.v[0], -0), `${k.v[1]}`, +k.v[2], k.v[3].charCodeAt(0), k.v[4].length]',
    [JSON::PP::true, '1180591620717411303424', 5, 0xD800, 100000];
case 'what was changed in the language', 'Array.prototype.last = function () { return this[this.length - 1]; }; k.o = Object.freeze({ a: 1 })',
    '[[1, 2].last(), Object.isFrozen(k.o)]', [2, JSON::PP::true];
case 'functions made of text', 'k.f = new Function("a", "return a + 1"); k.g = (0, eval)("(a) => a * 2")', '[k.f(1), k.g(4)]', [2, 8];
case 'bound functions', 'k.f = Math.max.bind(null, 5); k.g = "abc".charAt.bind("abc")', '[k.f(3), k.g(1)]', [5, 'b'];
case 'cycles', 'k.a = { k }; k.a.self = k.a', 'k.a.self.k === k', JSON::PP::true;
case 'a request that is over', 'k.r = request.clone(); k.h = request', 'k.h.url.includes("/begin") && k.r.headers instanceof Headers', JSON::PP::true;
case 'its waitUntil', 'k.ctx = ctx', 'try { k.ctx.waitUntil(null); } catch { } return "no harm"', 'no harm';
case 'what is made anew', '', '[crypto.randomUUID().length, await new Response(new Blob(["b"]).stream()).text(), structuredClone(new Map([[1, 2]])).get(1), btoa("a"), new URLSearchParams("a=b").get("a"), typeof performance.timeOrigin, (await crypto.subtle.digest("SHA-256", new Uint8Array(1))).byteLength]',
    [36, 'b', 2, 'YQ==', 'b', 'number', 32];

sub app {
    my (%o) = @_;
    my $table = '';
    for my $c (@cases) {
        my ($name, $begin, $check) = @$c;
        my $body = $check =~ /\breturn\b/ ? $check : "return $check";
        $table .= "    [" . JSON::PP->new->allow_nonref->encode($name) . "]: {\n"
            . "        begin: async (k, request, ctx) => { $begin },\n"
            . "        check: async (k) => { $body }\n    },\n";
    }
    return app_of(<<"JS", {
let count = 0;
class Counter {
    static made = 0;
    #n;
    constructor(n) { this.#n = n; Counter.made++; }
    up() { return ++this.#n; }
    static is(o) { return #n in o; }
}
const kept = new Map();
const cases = {
$table};
JS
        begin => '        for (const [name, c] of Object.entries(cases)) {
            kept.set(name, {});
            await c.begin(kept.get(name), request, ctx);
        }
        return "begun";',
        check => '        const out = {};
        for (const [name, c] of Object.entries(cases)) {
            try { out[name] = await c.check(kept.get(name)); }
            catch (e) { out[name] = `threw ${e.stack}`; }
        }
        return out;',
        look => '        return [...kept.keys()].length;' }, %o);
}

my $text = app();

sub compare {
    my ($s, $when) = @_;
    my $r = say_to($s, '/check');
    my $got = eval { decode_json($r->{body}) } // {};
    subtest $when => sub {
        for my $c (@cases) {
            my ($name, undef, undef, $want) = @$c;
            is_deeply($got->{$name}, $want, $name) or diag explain $got->{$name};
        }
    };
    is(errors_of($s), '', "$when: no error in the log") or diag(substr(read_file($s->{log}), -3000));
    return;
}

# Where nothing is kept they are true as well: else they would prove nothing.
{
    my $s = serve(dir => temp_dir(), pool => { app => write_file(temp_dir() . '/app.js', $text, 0644),
        reset => 'none' });
    is(told($s, '/begin'), 'begun', 'the cases');
    compare($s, 'in one process');
}

{
    my $s = start_kept(app => $text);
    is(told($s, '/begin'), 'begun', 'an application at work');
    is(why_not($s), '', 'is saved');
    compare($s, 'after a save');
}

# A state of a state of a state.
{
    my $s = start_kept(app => $text);
    is(told($s, '/begin'), 'begun', 'an application at work');
    is(why_not($s, $_), '', $_) for qw(save pause resume save);
    is(ctl($s, $_)->{exit}, 0, $_) for qw(restart reload);
    compare($s, 'after many');
}

# Another server.
{
    my $s = start_kept(app => $text, pool => { state_compress => 'zstd' });
    is(told($s, '/begin'), 'begun', 'an application at work');
    is(stop_process($s->{pid}), 0, 'its server is stopped');
    my $next = start_kept(dir => $s->{dir});
    compare($next, 'after another is started');
}

done_testing();
