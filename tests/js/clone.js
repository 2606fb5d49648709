/* structuredClone: HTML 2.7.10. */
import { test, eq, ok, rejects, throws, run } from "./tap.js";

test("objects, lists and cycles are copied", () => {
    const a = { list: [1, , "x"], date: new Date(5), map: new Map([[1, 2]]) };
    a.self = a;
    const b = structuredClone(a);
    ok(b !== a && b.self === b && b.list !== a.list);
    eq([b.list.length, 1 in b.list, b.date.getTime(), b.map.get(1)],
        [3, false, 5, 2]);
});

test("a transferred buffer is moved", () => {
    const buffer = new Uint8Array([1, 2]).buffer;
    const copy = structuredClone(buffer, { transfer: [buffer] });
    eq([buffer.byteLength, new Uint8Array(copy)[1]], [0, 2]);
    throws(() => structuredClone(1, { transfer: [buffer] }),
        "DataCloneError");
});

test("a value twice in the transfer list is refused", () => {
    const buffer = new ArrayBuffer(1);
    throws(() => structuredClone(1, { transfer: [buffer, buffer] }),
        "DataCloneError");
    eq(buffer.byteLength, 1);
});

test("functions and symbols are refused", () => {
    throws(() => structuredClone(() => 1), "DataCloneError");
    throws(() => structuredClone([Symbol()]), "DataCloneError");
});

test("objects of interfaces that are not serializable are refused", () => {
    for (const v of [new URL("a:b"), new URLSearchParams(), new Headers(),
        new Response(), new Request("http://a/"), new Event("x"),
        new EventTarget(), new AbortController(), new TextEncoder(), crypto,
        performance, new ReadableStream(), new MessageChannel()])
        throws(() => structuredClone(v), "DataCloneError");
});

// V8 12 is the first that asks; before, such an object is an ordinary one
const asks = typeof ArrayBuffer.prototype.transfer === "function";

test("so are those within other values", () => {
    class Own extends EventTarget {}
    for (const v of asks ? [new URL("a:b"), new Headers(), new Own(),
        new WritableStream(), performance] : [])
        throws(() => structuredClone({ list: [v] }), "DataCloneError");
});

test("a class's instances are copied as plain objects", () => {
    class A {
        a = 1;
        get b() { return 2; }
    }
    const [a, b] = structuredClone([new A(), new A()]);
    eq([a, b], [{ a: 1 }, { a: 1 }]);
});

test("errors keep their class, cause and stack", () => {
    const e = structuredClone(new RangeError("x"));
    ok(e instanceof RangeError);
    eq([e.name, e.message], ["RangeError", "x"]);
    ok(e.stack.startsWith("RangeError: x\n"));
    class Mine extends TypeError {}
    ok(structuredClone(new Mine()).constructor === TypeError);
});

test("what a getter throws comes out", () => {
    const e = new Error("x");
    const order = [];
    const thrown = throws(() => structuredClone({
        get a() { order.push("a"); },
        get b() { throw e; },
        get c() { order.push("c"); }
    }));
    ok(thrown === e);
    eq(order, ["a"]);
});

test("boxes, regular expressions and views are copied", () => {
    const re = /a/gi;
    re.lastIndex = 3;
    const view = new Uint8Array(new ArrayBuffer(8), 2, 3);
    const copy = structuredClone([re, Object("s"), Object(1n), view, -0]);
    eq([copy[0].source, copy[0].flags, copy[0].lastIndex], ["a", "gi", 0]);
    eq([copy[1].valueOf(), copy[2].valueOf()], ["s", 1n]);
    eq([copy[3].byteOffset, copy[3].length, copy[3].buffer.byteLength],
        [2, 3, 8]);
    ok(Object.is(copy[4], -0));
});

test("only what can be moved may be in the transfer list", () => {
    for (const v of [{}, [], new Blob([]), new Headers(), () => {},
        new Uint8Array(1)])
        throws(() => structuredClone(v, { transfer: [v] }),
            "DataCloneError");
    throws(() => structuredClone(1, { transfer: [1] }), TypeError);
    throws(() => structuredClone(1, { transfer: 1 }), TypeError);
    throws(() => structuredClone(1, 1), TypeError);
    const memory = new WebAssembly.Memory({ initial: 1 }).buffer;
    throws(() => structuredClone(1, { transfer: [memory] }), TypeError);
});

test("nothing is moved when the value cannot be copied", () => {
    const buffer = new ArrayBuffer(2), { port1 } = new MessageChannel();
    const transfer = [buffer, port1];
    throws(() => structuredClone(() => {}, { transfer }), "DataCloneError");
    eq(buffer.byteLength, 2);
    structuredClone(1, { transfer });
    eq(buffer.byteLength, 0);
    throws(() => structuredClone(1, { transfer: [port1] }),
        "DataCloneError");
});

test("a moved stream passes chunks, reasons and the end", async () => {
    let canceled;
    const from = new ReadableStream({
        pull(c) { c.enqueue({ n: 1 }); },
        cancel(reason) { canceled = reason; }
    });
    const to = structuredClone(from, { transfer: [from] });
    ok(from.locked && !to.locked);
    const reader = to.getReader();
    eq((await reader.read()).value, { n: 1 });
    await reader.cancel({ why: 1 });
    eq(canceled, { why: 1 });
    throws(() => structuredClone(to, { transfer: [to] }), "DataCloneError");
});

test("a moved stream's error comes as a copy", async () => {
    const reason = new RangeError("x");
    const from = new ReadableStream({ start(c) { c.error(reason); } });
    const reader = structuredClone(from, { transfer: [from] }).getReader();
    const e = await rejects(reader.read(), RangeError);
    ok(e !== reason);
    const functions = new ReadableStream({
        start(c) { c.enqueue(() => {}); }
    });
    await rejects(structuredClone(functions, { transfer: [functions] })
        .getReader().read(), "DataCloneError");
});

test("a moved writable stream writes, closes and aborts", async () => {
    const got = [];
    const make = () => new WritableStream({
        write(chunk) { got.push(chunk); },
        close() { got.push("close"); },
        abort(reason) { got.push(reason); }
    });
    const from = make();
    const writer =
        structuredClone(from, { transfer: [from] }).getWriter();
    await writer.write({ n: 1 });
    await writer.close();
    const other = make();
    await structuredClone(other, { transfer: [other] })
        .getWriter().abort("abort");
    eq(got, [{ n: 1 }, "close", "abort"]);
    const broken = new WritableStream({ write() { throw new Error("x"); } });
    const w = structuredClone(broken, { transfer: [broken] }).getWriter();
    w.write(1);
    await rejects(w.closed, Error);
});

test("a SharedArrayBuffer is another object over the same memory", () => {
    const from = new SharedArrayBuffer(4), to = structuredClone(from);
    ok(to instanceof SharedArrayBuffer && to !== from);
    new Uint8Array(from)[1] = 7;
    eq(new Uint8Array(to)[1], 7);
    const twice = structuredClone([from, from]);
    ok(twice[0] === twice[1]);
});

test("a moved TransformStream still transforms", async () => {
    const from = new TransformStream({
        transform(chunk, c) { c.enqueue(chunk + 1); }
    });
    const to = structuredClone(from, { transfer: [from] });
    ok(to instanceof TransformStream);
    ok(from.readable.locked && from.writable.locked);
    const writer = to.writable.getWriter();
    writer.write(1);
    writer.close();
    const reader = to.readable.getReader();
    eq((await reader.read()).value, 2);
    eq((await reader.read()).done, true);
});

export default { fetch: () => run() };
