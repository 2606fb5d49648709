/* WebAssembly from a stream: WebAssembly Web API 3. */
import { test, eq, ok, rejects, run } from "./tap.js";

const EMPTY = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
// one function, exported as "f", that gives 42
const MODULE = new Uint8Array([...EMPTY, 1, 5, 1, 0x60, 0, 1, 0x7f,
    3, 2, 1, 0, 7, 5, 1, 1, 0x66, 0, 0, 10, 6, 1, 4, 0, 0x41, 42, 0x0b]);
const type = "application/wasm";
const respond = (body, contentType = type, status = 200) =>
    new Response(body, { status, headers: { "content-type": contentType } });

test("a module is compiled from a Response", async () => {
    const module = await WebAssembly.compileStreaming(respond(MODULE));
    ok(module instanceof WebAssembly.Module);
    eq(new WebAssembly.Instance(module).exports.f(), 42);
});

test("the Response may be a promise's, and its type in any case",
    async () => {
        const { instance, module } = await WebAssembly.instantiateStreaming(
            Promise.resolve(respond(MODULE, "Application/WASM")));
        eq(instance.exports.f(), 42);
        ok(module instanceof WebAssembly.Module);
    });

test("a stream may give the bytes one by one", async () => {
    let i = 0;
    const body = new ReadableStream({
        async pull(c) {
            await new Promise((r) => setTimeout(r, 0));
            if (i === MODULE.length)
                c.close();
            else
                c.enqueue(MODULE.slice(i, ++i));
        }
    });
    const { instance } =
        await WebAssembly.instantiateStreaming(respond(body));
    eq(instance.exports.f(), 42);
});

test("what is no Response is refused", async () => {
    for (const v of [undefined, null, 1, {}, MODULE, Response]) {
        await rejects(WebAssembly.compileStreaming(v), TypeError);
        await rejects(WebAssembly.instantiateStreaming(Promise.resolve(v)),
            TypeError);
    }
});

test("another type, and parameters of it, are refused", async () => {
    for (const other of ["", "text/plain", `${type};a=b`, `${type};`])
        await rejects(WebAssembly.compileStreaming(
            respond(MODULE, other)), TypeError);
    await rejects(WebAssembly.compileStreaming(new Response(MODULE)),
        TypeError);
});

test("a status that is not ok is refused", async () => {
    await rejects(WebAssembly.compileStreaming(respond(MODULE, type, 404)),
        TypeError);
});

test("a body is read once", async () => {
    const response = respond(MODULE);
    await WebAssembly.compileStreaming(response);
    ok(response.bodyUsed);
    await rejects(WebAssembly.compileStreaming(response), TypeError);
    await rejects(response.text(), TypeError);
    const locked = respond(new ReadableStream());
    locked.body.getReader();
    await rejects(WebAssembly.compileStreaming(locked), TypeError);
});

test("bytes that are no module are a CompileError", async () => {
    for (const bytes of [null, "", "text", MODULE.slice(0, 20)])
        await rejects(WebAssembly.compileStreaming(respond(bytes)),
            WebAssembly.CompileError);
});

test("what ends the stream rejects the promise", async () => {
    const reason = new Error("x");
    const body = new ReadableStream({
        pull(c) {
            c.enqueue(MODULE.slice(0, 10));
            c.error(reason);
        }
    });
    const e = await rejects(WebAssembly.compileStreaming(respond(body)));
    ok(e === reason);
    const text = new ReadableStream({ start(c) { c.enqueue("x"); } });
    await rejects(WebAssembly.compileStreaming(respond(text)), TypeError);
});

test("a module is cloned", () => {
    const module = new WebAssembly.Module(MODULE);
    const copy = structuredClone({ module }).module;
    ok(copy instanceof WebAssembly.Module && copy !== module);
    eq(new WebAssembly.Instance(copy).exports.f(), 42);
});

export default { fetch: () => run() };
