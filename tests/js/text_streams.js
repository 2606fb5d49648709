import { test, eq, throws, rejects, streamOf, run } from "./tap.js";

const bytes = (...list) => Uint8Array.from(list);

async function all(stream) {
    const list = [];
    const reader = stream.getReader();
    for (;;) {
        const { done, value } = await reader.read();
        if (done)
            return list;
        list.push(value);
    }
}

test("text is encoded chunk by chunk", async () => {
    const out = await all(streamOf("a", "", "\u20ac")
        .pipeThrough(new TextEncoderStream()));
    eq(out.map((chunk) => [...chunk]), [[97], [0xe2, 0x82, 0xac]]);
    eq(new TextEncoderStream().encoding, "utf-8");
});

test("a pair may be split over chunks", async () => {
    const out = await all(streamOf("a\ud834", "", "\udf06b")
        .pipeThrough(new TextEncoderStream()));
    eq(out.map((chunk) => [...chunk]),
        [[97], [0xf0, 0x9d, 0x8c, 0x86, 98]]);
});

test("half a pair at the end is a replacement", async () => {
    const out = await all(streamOf("\ud834")
        .pipeThrough(new TextEncoderStream()));
    eq(out.map((chunk) => [...chunk]), [[0xef, 0xbf, 0xbd]]);
});

test("a chunk that is no string is made one, or is an error", async () => {
    const out = await all(streamOf(1.5)
        .pipeThrough(new TextEncoderStream()));
    eq(new TextDecoder().decode(out[0]), "1.5");
    await rejects(() => all(streamOf(Symbol("x"))
        .pipeThrough(new TextEncoderStream())), TypeError);
});

test("bytes are decoded, a character over chunks too", async () => {
    eq(await all(streamOf(bytes(0xef, 0xbb, 0xbf, 97, 0xe2), bytes(0x82),
        bytes(0xac).buffer).pipeThrough(new TextDecoderStream())),
    ["a", "\u20ac"]);
    eq(await all(streamOf(bytes(0x93), bytes(0xfa))
        .pipeThrough(new TextDecoderStream("sjis"))), ["\u65e5"]);
});

test("a character cut off at the end is a replacement or an error",
    async () => {
        eq(await all(streamOf(bytes(97, 0xe2))
            .pipeThrough(new TextDecoderStream())), ["a", "\ufffd"]);
        await rejects(() => all(streamOf(bytes(97, 0xe2)).pipeThrough(
            new TextDecoderStream("utf-8", { fatal: true }))), TypeError);
    });

test("a chunk that has no bytes is a TypeError", async () => {
    for (const chunk of [undefined, null, "text", 3, [1]])
        await rejects(() => all(streamOf(chunk)
            .pipeThrough(new TextDecoderStream())), TypeError);
});

test("a decoder stream says how it was made", () => {
    const stream = new TextDecoderStream("ASCII",
        { fatal: true, ignoreBOM: true });
    eq([stream.encoding, stream.fatal, stream.ignoreBOM],
        ["windows-1252", true, true]);
    throws(() => new TextDecoderStream("utf-7"), RangeError);
    throws(() => TextDecoderStream("utf-8"), TypeError);
    throws(() => Reflect.get(TextDecoderStream.prototype, "readable", {}),
        TypeError);
});

export default { fetch: () => run() };
