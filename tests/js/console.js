/* console: what a script can see of it (Console Standard 1). */
import { test, eq, ok, throws, run } from "./tap.js";

test("console is a namespace", () => {
    const proto = Object.getPrototypeOf(console);
    eq(Object.getOwnPropertyNames(proto), []);
    ok(Object.getPrototypeOf(proto) === Object.prototype);
    eq(Object.prototype.toString.call(console), "[object console]");
    eq(Object.getOwnPropertyDescriptor(globalThis, "console").enumerable,
        false);
});

test("console has the standard's methods", () => {
    for (const name of ["assert", "clear", "count", "countReset", "debug",
        "dir", "dirxml", "error", "group", "groupCollapsed", "groupEnd",
        "info", "log", "table", "time", "timeEnd", "timeLog", "trace",
        "warn"]) {
        const d = Object.getOwnPropertyDescriptor(console, name);
        eq([typeof d.value, d.writable, d.enumerable, d.configurable],
            ["function", true, true, true], name);
        throws(() => new console[name](), TypeError);
    }
});

test("methods need no this", () => {
    const { debug, count } = console;
    eq([debug("x"), count("methods need no this")], [undefined, undefined]);
});

test("labels are converted once, and may throw", () => {
    for (const name of ["count", "countReset", "time", "timeLog",
        "timeEnd"]) {
        let n = 0;
        console[name]({
            toString() {
                n++;
                return "label";
            }
        });
        eq(n, 1, name);
        const e = new Error("x");
        ok(throws(() => console[name]({
            toString() {
                throw e;
            }
        })) === e);
    }
});

test("printing runs no getter and no trap", () => {
    let n = 0;
    const trap = new Proxy({ a: 1 }, new Proxy({}, {
        get() {
            n++;
        }
    }));
    const date = new Date(0), re = /x/;
    Object.defineProperty(re, "flags", { get() { n++; } });
    Object.defineProperty(date, "constructor", { get() { n++; } });
    console.debug({
        get a() { return n++; },
        get [Symbol.toStringTag]() { return n++; },
        trap, date, re
    }, trap, Object.create(trap));
    console.debug("%s %o %O", trap, trap, trap);
    console.dir(trap);
    console.table(trap);
    console.table([trap, { get a() { return n++; } }]);
    eq(n, 0);
});

test("anything can be printed", () => {
    const loop = { list: [] };
    loop.list.push(loop);
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    const gone = new Error("x");
    Object.defineProperty(gone, "stack", { value: undefined });
    const things = [
        undefined, null, true, -0, 1n, Symbol("s"), "s", loop, proxy,
        Object.create(null), [, 1], new Array(2 ** 32 - 1), new Map([[1, 2]]),
        new Set([1]), new WeakMap(), new WeakRef({}), Promise.resolve(1),
        new Uint8Array(300), new ArrayBuffer(8),
        new DataView(new ArrayBuffer(1)),
        new Date(NaN), /x/g, gone, new AggregateError([gone], "m"),
        new DOMException("m", "AbortError"), class A {}, async () => {},
        function* () {}, new Map().entries(), new Set([1]).values(),
        [1][Symbol.iterator](), (function* () {})(), Object(1), Object("s"),
        new Event("x"), new AbortController().signal,
        new Headers({ a: "b" }), new URL("http://a.example/"),
        new URLSearchParams("a=b"), new Blob(["x"]),
        new Request("http://a.example/"), new Response("x"),
        new ReadableStream(), globalThis, import.meta, Headers.prototype,
        arguments_(1, 2)
    ];
    for (const thing of things)
        console.debug(thing);
    console.debug(things);
});

function arguments_() {
    return arguments;
}

test("printing does not make a Response's body or use it", async () => {
    const response = new Response("text");
    console.debug(response);
    eq(response.bodyUsed, false);
    eq(await response.text(), "text");
});

test("large values are cut", () => {
    const deep = {};
    let at = deep;
    for (let i = 0; i < 10000; i++)
        at = at.next = {};
    console.debug(deep);
    console.debug("x".repeat(1e6));
    console.debug(Array.from({ length: 1e5 }, (_, i) => ({ i })));
    const wide = {};
    for (let i = 0; i < 1e5; i++)
        wide[`key${i}`] = i;
    console.debug(wide);
});

test("a list of ten million items is printed without its keys", () => {
    console.debug(new Array(1e7).fill("x"));
    console.debug(new Uint8Array(1e7));
    console.table(new Uint8Array(1e7));
});

export default { fetch: () => run() };
