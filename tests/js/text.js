import { test, eq, throws, run } from "./tap.js";

const bytes = (...list) => Uint8Array.from(list);
const decode = (label, input, options) =>
    new TextDecoder(label, options).decode(input);

test("a string is encoded as UTF-8", () => {
    eq([...new TextEncoder().encode("a\u00e9\u20ac\u{1d306}")],
        [97, 0xc3, 0xa9, 0xe2, 0x82, 0xac, 0xf0, 0x9d, 0x8c, 0x86]);
    eq(new TextEncoder().encode().length, 0);
    eq(new TextEncoder().encoding, "utf-8");
});

test("half of a pair is encoded as a replacement", () => {
    eq([...new TextEncoder().encode("\ud834z")], [0xef, 0xbf, 0xbd, 122]);
});

test("encodeInto counts code units and never splits a character", () => {
    const room = new Uint8Array(8).fill(1);
    eq(new TextEncoder().encodeInto("a\u{1d306}\u20acz", room.subarray(0, 7)),
        { read: 3, written: 5 });
    eq([...room], [97, 0xf0, 0x9d, 0x8c, 0x86, 1, 1, 1]);
    eq(new TextEncoder().encodeInto("\u{1d306}", new Uint8Array(3)),
        { read: 0, written: 0 });
    eq(new TextEncoder().encodeInto("\ud834", new Uint8Array(3)),
        { read: 1, written: 3 });
    throws(() => new TextEncoder().encodeInto("", new Int8Array(1)), TypeError);
});

test("every label of an encoding names it", () => {
    eq(new TextDecoder().encoding, "utf-8");
    eq(new TextDecoder(" UTF8\n").encoding, "utf-8");
    eq(new TextDecoder("ucs-2").encoding, "utf-16le");
    eq(new TextDecoder("utf-16BE").encoding, "utf-16be");
    for (const label of ["latin1", "ascii", "iso-8859-1", "x-cp1252"])
        eq(new TextDecoder(label).encoding, "windows-1252");
});

test("an unknown label is a RangeError", () => {
    throws(() => new TextDecoder("utf-7"), RangeError);
    throws(() => new TextDecoder("__proto__"), RangeError);
    throws(() => new TextDecoder("\u00a0utf-8"), RangeError);
});

test("each encoding is decoded", () => {
    const text = "z\u00e9\u20ac\u{1d306}";
    eq(decode("utf-8", new TextEncoder().encode(text)), text);
    eq(decode("utf-16le", bytes(122, 0, 0xe9, 0, 0xac, 0x20, 0x34, 0xd8, 6,
        0xdf)), text);
    eq(decode("utf-16be", bytes(0, 122, 0, 0xe9, 0x20, 0xac, 0xd8, 0x34, 0xdf,
        6)), text);
    eq(decode("latin1", bytes(122, 0xe9, 0x80)), "z\u00e9\u20ac");
});

test("any view or buffer is decoded, in its own bounds", () => {
    const { buffer } = bytes(97, 98, 99, 100);
    eq(decode("utf-8", buffer), "abcd");
    eq(decode("utf-8", new Uint8Array(buffer, 1, 2)), "bc");
    eq(decode("utf-8", new DataView(buffer, 2)), "cd");
    eq(decode("utf-8", new Uint16Array(buffer, 2)), "cd");
    eq(decode("utf-8"), "");
    throws(() => decode("utf-8", "text"), TypeError);
    throws(() => decode("utf-8", null), TypeError);
});

test("malformed bytes become replacements", () => {
    eq(decode("utf-8", bytes(0xe2, 0x82, 97, 0xff)), "\ufffda\ufffd");
    eq(decode("utf-16le", bytes(0x34, 0xd8, 97)), "\ufffd");
});

test("malformed bytes are a TypeError when fatal", () => {
    throws(() => decode("utf-8", bytes(0xff), { fatal: true }), TypeError);
    throws(() => decode("utf-8", bytes(0xe2), { fatal: true }), TypeError);
    eq(decode("utf-8", bytes(0xc3, 0xa9), { fatal: true }), "\u00e9");
    eq(new TextDecoder("utf-8", { fatal: 1 }).fatal, true);
});

test("a byte order mark is dropped, or kept when asked", () => {
    const marked = bytes(0xef, 0xbb, 0xbf, 122);
    eq(decode("utf-8", marked), "z");
    eq(decode("utf-8", marked, { ignoreBOM: true }), "\ufeffz");
    const decoder = new TextDecoder();
    eq(decoder.decode(marked) + decoder.decode(marked), "zz");
});

test("a stream may be cut anywhere", () => {
    const text = "\ufeffa\u00e9\u20ac\u{1d306}z";
    const whole = new TextEncoder().encode(text);
    for (let size = 1; size <= whole.length; size++) {
        const decoder = new TextDecoder();
        let got = "";
        for (let at = 0; at < whole.length; at += size)
            got += decoder.decode(whole.subarray(at, at + size),
                { stream: true });
        eq(got + decoder.decode(), text.slice(1));
    }
});

test("the end of a stream makes the decoder new again", () => {
    const decoder = new TextDecoder();
    eq(decoder.decode(bytes(0xe2, 0x82), { stream: true }), "");
    eq(decoder.decode(), "\ufffd");
    eq(decoder.decode(bytes(0xef, 0xbb, 0xbf, 97)), "a");
});

test("a large text is decoded whole", () => {
    const text = "0123456789\u20ac".repeat(20000);
    eq(decode("utf-8", new TextEncoder().encode(text)) === text, true);
});

test("base64 goes there and back", () => {
    eq(btoa("\0\xffhello"), "AP9oZWxsbw==");
    eq(atob("AP9oZWxsbw=="), "\0\xffhello");
    eq(atob(" A P\n9oZWxsbw"), "\0\xffhello");
    eq(btoa(null), "bnVsbA==");
    const long = "\x80 and more".repeat(1000);
    eq(atob(btoa(long)) === long, true);
});

test("what is not base64 is an InvalidCharacterError", () => {
    throws(() => atob("a"), "InvalidCharacterError");
    throws(() => atob("ab==c"), "InvalidCharacterError");
    throws(() => atob("\u20ac"), "InvalidCharacterError");
    throws(() => btoa("\u20ac"), "InvalidCharacterError");
    throws(() => atob(), TypeError);
});

export default { fetch: () => run() };
