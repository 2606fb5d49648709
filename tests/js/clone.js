/* structuredClone: HTML 2.7.10. */
import { test, eq, ok, throws, run } from "./tap.js";

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
        performance, new ReadableStream()])
        throws(() => structuredClone(v), "DataCloneError");
});

export default { fetch: () => run() };
