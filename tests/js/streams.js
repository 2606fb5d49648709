/* The Streams Standard's interfaces. */
import { test, eq, throws, rejects, run } from "./tap.js";

const byteStream = (...chunks) => new ReadableStream({
    type: "bytes",
    start(c) {
        for (const chunk of chunks)
            c.enqueue(Uint8Array.from(chunk));
        c.close();
    }
});

async function all(stream) {
    const chunks = [];
    for await (const chunk of stream)
        chunks.push(chunk);
    return chunks;
}

test("the thirteen interfaces are there", () => {
    const names = ["ByteLengthQueuingStrategy", "CountQueuingStrategy",
        "ReadableByteStreamController", "ReadableStream",
        "ReadableStreamBYOBReader", "ReadableStreamBYOBRequest",
        "ReadableStreamDefaultController", "ReadableStreamDefaultReader",
        "TransformStream", "TransformStreamDefaultController",
        "WritableStream", "WritableStreamDefaultController",
        "WritableStreamDefaultWriter"];
    eq(names.map((name) => globalThis[name].name), names);
});

test("a stream gives its chunks in order", async () => {
    eq(await all(ReadableStream.from([1, 2, 3])), [1, 2, 3]);
});

test("a chunk of a byte stream leaves its giver", async () => {
    const chunk = new Uint8Array([1, 2, 3]);
    const stream = new ReadableStream({
        type: "bytes",
        start(c) {
            c.enqueue(chunk);
            c.close();
        }
    });
    eq(chunk.length, 0);
    eq([...(await all(stream))[0]], [1, 2, 3]);
});

test("a reader that brings a buffer gets it filled", async () => {
    const reader = byteStream([1, 2], [3]).getReader({ mode: "byob" });
    const { value } = await reader.read(new Uint8Array(8));
    eq([...value], [1, 2, 3]);
    eq((await reader.read(new Uint8Array(8))).done, true);
});

test("a stream that is read is locked", () => {
    const stream = byteStream([1]);
    stream.getReader();
    eq(stream.locked, true);
    throws(() => stream.getReader(), TypeError);
});

test("a pipe goes through a transform", async () => {
    const upper = new TransformStream({
        transform(chunk, c) { c.enqueue(chunk.toUpperCase()); }
    });
    eq(await all(ReadableStream.from(["a", "b"]).pipeThrough(upper)),
        ["A", "B"]);
});

test("a signal stops a pipe with its reason", async () => {
    const stop = new AbortController();
    const pipe = new ReadableStream().pipeTo(new WritableStream(),
        { signal: stop.signal });
    stop.abort();
    await rejects(pipe, "AbortError");
});

test("a writer's controller has the signal of the abort", async () => {
    let signal;
    const stream = new WritableStream({ start(c) { signal = c.signal; } });
    eq(signal instanceof AbortSignal, true);
    await stream.abort("why");
    eq(signal.reason, "why");
});

test("a tee gives the same twice", async () => {
    const [a, b] = byteStream([1, 2]).tee();
    eq((await Promise.all([all(a), all(b)])).map((l) => [...l[0]]),
        [[1, 2], [1, 2]]);
});

export default { fetch: () => run() };
