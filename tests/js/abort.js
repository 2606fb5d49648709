/* AbortController and AbortSignal: DOM 3. */
import { test, eq, ok, throws, sleep, run } from "./tap.js";

test("a new controller's signal is not aborted", () => {
    const { signal } = new AbortController();
    eq([signal.aborted, signal.reason, signal.onabort],
        [false, undefined, null]);
    signal.throwIfAborted();
});

test("abort sets the reason and fires once", () => {
    const control = new AbortController();
    let n = 0;
    control.signal.addEventListener("abort", (e) => {
        ok(e.isTrusted && e.target === control.signal);
        n++;
    });
    control.abort();
    control.abort("later");
    eq(n, 1);
    const { reason } = control.signal;
    ok(reason instanceof DOMException);
    eq([reason.name, reason.code], ["AbortError", 20]);
    ok(throws(() => control.signal.throwIfAborted()) === reason);
});

test("abort keeps the reason it is given", () => {
    const control = new AbortController();
    control.abort(null);
    eq(control.signal.reason, null);
});

test("onabort is an event handler", () => {
    const control = new AbortController();
    const seen = [];
    control.signal.onabort = () => seen.push("first");
    control.signal.addEventListener("abort", () => seen.push("second"));
    control.signal.onabort = () => seen.push("changed");
    control.abort();
    eq(seen, ["changed", "second"]);
    control.signal.onabort = 1;
    eq(control.signal.onabort, null);
});

test("AbortSignal cannot be constructed", () => {
    throws(() => new AbortSignal(), TypeError);
    throws(() => new AbortSignal({}), TypeError);
    throws(() => Object.getOwnPropertyDescriptor(AbortSignal.prototype,
        "aborted").get.call({}), TypeError);
});

test("AbortSignal.abort gives an aborted signal", () => {
    eq(AbortSignal.abort().reason.name, "AbortError");
    eq(AbortSignal.abort(7).reason, 7);
});

test("AbortSignal.timeout aborts with a TimeoutError", async () => {
    const signal = AbortSignal.timeout(5);
    eq(signal.aborted, false);
    await sleep(30);
    eq([signal.aborted, signal.reason.name], [true, "TimeoutError"]);
    throws(() => AbortSignal.timeout(-1), TypeError);
    throws(() => AbortSignal.timeout(), TypeError);
});

test("AbortSignal.any follows each of its signals", () => {
    const a = new AbortController(), b = new AbortController();
    const any = AbortSignal.any([a.signal, b.signal]);
    eq(any.aborted, false);
    b.abort("b");
    eq([any.aborted, any.reason], [true, "b"]);
    a.abort("a");
    eq(any.reason, "b");
});

test("AbortSignal.any of an aborted signal is aborted", () => {
    eq(AbortSignal.any([AbortSignal.abort(1)]).reason, 1);
    eq(AbortSignal.any([]).aborted, false);
    throws(() => AbortSignal.any([1]), TypeError);
    throws(() => AbortSignal.any(1), TypeError);
});

test("dependent signals are marked before any event fires", () => {
    const control = new AbortController();
    const first = AbortSignal.any([control.signal]);
    const second = AbortSignal.any([first]);
    const seen = [];
    second.onabort = () => seen.push("second");
    first.onabort = () => seen.push("first");
    control.signal.onabort = () =>
        seen.push(first.aborted, second.aborted, "source");
    control.abort();
    eq(seen, [true, true, "source", "first", "second"]);
});

export default { fetch: () => run() };
