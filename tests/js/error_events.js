/* Events of the global for what nobody caught: HTML 8.1.4.6 and 8.1.4.7. */
import { test, eq, ok, throws, sleep, run } from "./tap.js";

function listen(type, fn) {
    const seen = [];
    const listener = (e) => {
        seen.push(e);
        fn?.(e);
    };
    addEventListener(type, listener);
    return {
        seen,
        stop() { removeEventListener(type, listener); return seen; }
    };
}

const quiet = (e) => e.preventDefault();

test("reportError fires an ErrorEvent with what was thrown", () => {
    const errors = listen("error", quiet);
    const error = new TypeError("on purpose");
    eq(reportError(error), undefined);
    const [e] = errors.stop();
    ok(e instanceof ErrorEvent && e.target === globalThis);
    eq([e.type, e.message, e.error === error, e.cancelable, e.bubbles,
        e.isTrusted, e.defaultPrevented],
    ["error", "Uncaught TypeError: on purpose", true, true, false, true,
        true]);
    ok(e.filename.endsWith("error_events.js"), e.filename);
    ok(e.lineno > 20 && e.colno > 10);
});

test("a message that looks like a stack costs no time of note", () => {
    const errors = listen("error", quiet);
    reportError(new Error(`x\n    at ${"(a:1:".repeat(60000)}`));
    reportError(new Error(`x\n    at ${"(".repeat(300000)}`));
    const seen = errors.stop();
    eq(seen.length, 2);
    ok(seen[0].filename.endsWith("error_events.js"));
});

test("any value may be reported, but one must be given", () => {
    const errors = listen("error", quiet);
    for (const v of ["text", undefined, null, 0, { a: 1 }])
        reportError(v);
    const seen = errors.stop();
    eq(seen.map((e) => e.message), ["Uncaught text", "Uncaught undefined",
        "Uncaught null", "Uncaught 0", "Uncaught { a: 1 }"]);
    eq([seen[0].filename, seen[0].lineno, seen[0].colno], ["", 0, 0]);
    throws(() => reportError(), TypeError);
});

test("a timer, a microtask and a listener report what they throw",
    async () => {
        const errors = listen("error", quiet);
        setTimeout(() => { throw 1; }, 0);
        queueMicrotask(() => { throw 2; });
        const target = new EventTarget();
        target.addEventListener("x", () => { throw 3; });
        target.dispatchEvent(new Event("x"));
        await sleep(20);
        eq(errors.stop().map((e) => e.error), [3, 2, 1]);
    });

test("an error of an error listener fires no second event", () => {
    let n = 0;
    const errors = listen("error", (e) => {
        n++;
        quiet(e);
        throw new Error("reported in the log, on purpose");
    });
    reportError(1);
    reportError(2);
    errors.stop();
    eq(n, 2);
});

test("onerror gets five arguments, and true cancels", () => {
    const error = new RangeError("x");
    let args, event;
    onerror = function (...all) {
        args = all;
        return true;
    };
    const errors = listen("error", (e) => { event = e; });
    reportError(error);
    eq(args.slice(0, 1), ["Uncaught RangeError: x"]);
    eq([args.length, args[2], args[3], args[4] === error],
        [5, event.lineno, event.colno, true]);
    eq(event.defaultPrevented, true);
    onerror = () => false;
    errors.stop();
    const plain = listen("error", (e) => {
        event = e;
        eq(e.defaultPrevented, false);
        quiet(e);
    });
    reportError(error);
    plain.stop();
    onerror = null;
    eq(onerror, null);
});

test("onerror gets an ordinary event of that name as such", () => {
    let got;
    onerror = (e) => {
        got = e;
        return false;
    };
    const e = new Event("error", { cancelable: true });
    eq([dispatchEvent(e), got === e], [false, true]);
    const other = new ErrorEvent("other", { cancelable: true });
    onerror = (x) => { got = x; };
    dispatchEvent(other);
    ok(got === e);
    onerror = undefined;
});

test("the handlers of the global take objects, and check their this", () => {
    for (const key of ["onerror", "onunhandledrejection",
        "onrejectionhandled"]) {
        const { get, set } =
            Object.getOwnPropertyDescriptor(globalThis, key);
        eq(get.call(undefined), null);
        throws(() => get.call({}), TypeError);
        throws(() => set.call({}, null), TypeError);
        const handler = {};
        globalThis[key] = handler;
        ok(globalThis[key] === handler);
        globalThis[key] = 1;
        eq(globalThis[key], null);
    }
});

test("a rejection nobody handles is an event", async () => {
    const reason = new Error("on purpose");
    const events = listen("unhandledrejection", quiet);
    const promise = Promise.reject(reason);
    await sleep(5);
    const [e] = events.stop();
    ok(e instanceof PromiseRejectionEvent);
    eq([e.promise === promise, e.reason === reason, e.cancelable,
        e.isTrusted], [true, true, true, true]);
});

test("one that is handled in time is none", async () => {
    const events = listen("unhandledrejection", quiet);
    const a = Promise.reject(1), b = Promise.reject(2);
    a.catch(() => {});
    queueMicrotask(() => b.catch(() => {}));
    await sleep(5);
    eq(events.stop().length, 0);
});

test("a listener may handle the rejections that are next", async () => {
    const late = listen("rejectionhandled");
    const promises = [];
    const events = listen("unhandledrejection", (e) => {
        quiet(e);
        for (const p of promises)
            p.catch(() => {});
    });
    promises.push(Promise.reject(1), Promise.reject(2));
    await sleep(5);
    eq(events.stop().map((e) => e.reason), [1]);
    eq(late.stop().length, 0);
});

test("a late handler fires rejectionhandled", async () => {
    const seen = [];
    onunhandledrejection = (e) => {
        seen.push(["unhandled", e.reason]);
        return false;
    };
    onrejectionhandled = (e) =>
        seen.push(["handled", e.reason, e.promise === promise,
            e.cancelable]);
    const promise = Promise.reject(7);
    await sleep(5);
    promise.catch(() => {});
    await sleep(5);
    promise.catch(() => {});
    await sleep(5);
    eq(seen, [["unhandled", 7], ["handled", 7, true, false]]);
    onunhandledrejection = onrejectionhandled = null;
});

test("ErrorEvent takes its members, in the order of their names", () => {
    const order = [];
    const init = {};
    for (const [key, value] of [["message", 1], ["lineno", -1], ["error", 2],
        ["filename", "f"], ["colno", 3.7], ["cancelable", 1]])
        Object.defineProperty(init, key, {
            get() {
                order.push(key);
                return value;
            }
        });
    const e = new ErrorEvent("x", init);
    eq([e.message, e.filename, e.lineno, e.colno, e.error, e.cancelable],
        ["1", "f", 2 ** 32 - 1, 3, 2, true]);
    eq(order, ["cancelable", "colno", "error", "filename", "lineno",
        "message"]);
    const plain = new ErrorEvent("x");
    eq([plain.message, plain.filename, plain.lineno, plain.colno,
        plain.error], ["", "", 0, 0, undefined]);
    eq([ErrorEvent.length, String(plain)], [1, "[object ErrorEvent]"]);
});

test("PromiseRejectionEvent needs a promise", () => {
    throws(() => new PromiseRejectionEvent("x"), TypeError);
    throws(() => new PromiseRejectionEvent("x", {}), TypeError);
    throws(() => new PromiseRejectionEvent("x", { promise: 1 }), TypeError);
    const promise = {};
    const e = new PromiseRejectionEvent("x", { promise, reason: 1 });
    eq([e.promise === promise, e.reason, PromiseRejectionEvent.length],
        [true, 1, 2]);
});

test("the global is an EventTarget", () => {
    ok(globalThis instanceof EventTarget);
    eq([Object.prototype.toString.call(globalThis), globalThis.constructor],
        ["[object global]", Object]);
    ok(addEventListener === EventTarget.prototype.addEventListener);
    const other = Object.create(Object.getPrototypeOf(globalThis));
    throws(() => other.addEventListener("x", null), TypeError);
});

export default { fetch: () => run() };
