import { test, eq, throws, rejects, streamOf, run } from "./tap.js";

const FORMATS = ["deflate", "deflate-raw", "gzip"];
const utf8 = (text) => new TextEncoder().encode(text);

async function all(stream) {
    return new Uint8Array(await new Response(stream).arrayBuffer());
}

const compress = (format, ...chunks) => all(streamOf(...chunks)
    .pipeThrough(new CompressionStream(format)));
const decompress = (format, ...chunks) => all(streamOf(...chunks)
    .pipeThrough(new DecompressionStream(format)));

test("each format goes there and back", async () => {
    const text = "much of the same, ".repeat(10000);
    for (const format of FORMATS) {
        const small = await compress(format, utf8(text));
        eq(small.length < text.length / 50, true);
        const back = await decompress(format, small);
        eq(new TextDecoder().decode(back) === text, true);
    }
});

test("nothing is compressed to something, and is nothing again", async () => {
    for (const format of FORMATS) {
        const small = await compress(format);
        eq(small.length > 0, true);
        eq((await decompress(format, small, new Uint8Array(0))).length, 0);
    }
});

test("each format has its own head", async () => {
    eq([...(await compress("gzip", utf8("x"))).subarray(0, 3)],
        [0x1f, 0x8b, 8]);
    eq((await compress("deflate", utf8("x")))[0], 0x78);
    await rejects(() => decompress("gzip",
        Uint8Array.of(0x78, 0x9c, 3, 0, 0, 0, 0, 1)), TypeError);
});

test("compressed data may be cut anywhere", async () => {
    const small = await compress("gzip", utf8("cut me in pieces"));
    const pieces = [...small].map((byte) => Uint8Array.of(byte));
    eq(new TextDecoder().decode(await decompress("gzip", ...pieces)),
        "cut me in pieces");
});

test("data cut off or damaged is a TypeError", async () => {
    for (const format of FORMATS) {
        const small = await compress(format, utf8("whole and sound"));
        await rejects(() => decompress(format, small.slice(0, -1)),
            TypeError);
        await rejects(() => decompress(format), TypeError);
    }
    const bad = await compress("gzip", utf8("whole and sound"));
    bad[bad.length - 6] ^= 1;
    await rejects(() => decompress("gzip", bad), TypeError);
});

test("data after the end is a TypeError", async () => {
    for (const format of FORMATS) {
        const small = await compress(format, utf8("x"));
        const more = new Uint8Array(small.length + 1);
        more.set(small);
        await rejects(() => decompress(format, more), TypeError);
        await rejects(() => decompress(format, small, Uint8Array.of(0)),
            TypeError);
    }
});

test("a format or chunk of another kind is a TypeError", async () => {
    for (const Stream of [CompressionStream, DecompressionStream]) {
        throws(() => new Stream("br"), TypeError);
        throws(() => new Stream("GZIP"), TypeError);
        throws(() => new Stream(), TypeError);
        for (const chunk of [undefined, null, "text", [1],
            new Uint8Array(new SharedArrayBuffer(1))])
            await rejects(() => all(streamOf(chunk)
                .pipeThrough(new Stream("gzip"))), TypeError);
    }
});

test("any view or buffer is compressed, in its own bounds", async () => {
    const { buffer } = utf8("abcdefgh");
    const small = await compress("gzip", buffer, new DataView(buffer, 1, 2),
        new Uint16Array(buffer, 4, 1));
    eq(new TextDecoder().decode(await decompress("gzip", small)),
        "abcdefghbcef");
});

test("what unfolds comes in pieces and waits for its reader", async () => {
    const zeros = new Uint8Array(1 << 20);
    const bomb = await compress("gzip", ...Array(16).fill(zeros));
    const stream = new DecompressionStream("gzip");
    const reader = stream.readable.getReader();
    let written = false;
    const write = stream.writable.getWriter().write(bomb)
        .then(() => { written = true; }, () => {});
    const { value } = await reader.read();
    eq(value.length, 64 * 1024);
    await new Promise((resolve) => setTimeout(resolve, 1));
    eq(written, false);
    let size = value.length;
    while (!written)
        size += (await Promise.race([reader.read(),
            write.then(() => ({ value: [] }))])).value.length;
    eq(size > 14 << 20, true);
    await reader.cancel();
});

test("a cancelled or aborted stream stops", async () => {
    const bomb = await compress("gzip", new Uint8Array(8 << 20));
    const first = new DecompressionStream("gzip");
    const reader = first.readable.getReader();
    const write = first.writable.getWriter().write(bomb);
    await reader.read();
    await reader.cancel("enough");
    await write.catch(() => {});
    const second = new CompressionStream("gzip");
    await second.writable.abort(new RangeError("no more"));
    await rejects(() => second.readable.getReader().read(), RangeError);
});

test("streams that were read to their end leave room for others",
    async () => {
        for (let i = 0; i < 700; i++)
            await compress("deflate", utf8("x"));
    });

test("streams that were cancelled, aborted or failed leave room too",
    async () => {
        const fail = (chunk) => (stream) => {
            stream.readable.getReader().read().catch(() => {});
            return stream.writable.getWriter().write(chunk);
        };
        const ends = [(stream) => stream.readable.cancel(),
            (stream) => stream.writable.abort(), fail("text"),
            fail(utf8("no gzip"))];
        for (let i = 0; i < 2800; i++) {
            const stream = new DecompressionStream("gzip");
            await ends[i % 4](stream).catch(() => {});
        }
    });

// the last: the realm's end closes them
test("there is an end to how many are open at once", () => {
    throws(() => {
        for (let i = 0; i < 600; i++)
            new DecompressionStream("gzip");
    }, RangeError);
});

export default { fetch: () => run() };
