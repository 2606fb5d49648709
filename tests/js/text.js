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

test("a label of a legacy encoding names it", () => {
    eq(new TextDecoder("GB2312").encoding, "gbk");
    eq(new TextDecoder("\tsjis ").encoding, "shift_jis");
    eq(new TextDecoder("latin2").encoding, "iso-8859-2");
    eq(new TextDecoder("logical").encoding, "iso-8859-8-i");
    eq(new TextDecoder("x-user-defined").encoding, "x-user-defined");
});

test("a label of the replacement encoding is a RangeError", () => {
    throws(() => new TextDecoder("replacement"), RangeError);
    throws(() => new TextDecoder("iso-2022-kr"), RangeError);
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

test("each legacy encoding is decoded", () => {
    const samples = {
        "ibm866": [[0x8f, 0xe0], "\u041f\u0440"],
        "iso-8859-2": [[0xb1, 0xe6], "\u0105\u0107"],
        "iso-8859-16": [[0xa4, 0xde], "\u20ac\u021a"],
        "koi8-u": [[0xf0, 0xae], "\u041f\u045e"],
        "macintosh": [[0x8e, 0xf0], "\u00e9\uf8ff"],
        "windows-874": [[0xa1, 0xdb], "\u0e01\ufffd"],
        "windows-1251": [[0xcf, 0x98], "\u041f\u0098"],
        "windows-1253": [[0xe1, 0xaa], "\u03b1\ufffd"],
        "windows-1255": [[0xe0, 0xca], "\u05d0\u05ba"],
        "x-user-defined": [[65, 0x80, 0xff], "A\uf780\uf7ff"],
        "gbk": [[0xd6, 0xd0, 0x80, 0xa6, 0xd9], "\u4e2d\u20ac\ufe10"],
        "gb18030": [[0x81, 0x30, 0x81, 0x30, 0x94, 0x39, 0xda, 0x33],
            "\u0080\u{1f4a9}"],
        "big5": [[0xa4, 0x40, 0x88, 0x62, 0x8e, 0x69],
            "\u4e00\u00ca\u0304\u7bb8"],
        "euc-jp": [[0xc6, 0xfc, 0x8e, 0xb1, 0x8f, 0xb0, 0xa1],
            "\u65e5\uff71\u4e02"],
        "iso-2022-jp": [[0x1b, 0x24, 0x42, 0x46, 0x7c, 0x1b, 0x28, 0x4a, 0x5c,
            0x1b, 0x28, 0x42, 0x5c], "\u65e5\u00a5\\"],
        "shift_jis": [[0x93, 0xfa, 0xb1, 0x5c, 0x7e, 0xf0, 0x40],
            "\u65e5\uff71\\~\ue000"],
        "euc-kr": [[0xc7, 0xd1, 0x81, 0x41], "\ud55c\uac02"]
    };
    for (const [label, [input, want]] of Object.entries(samples))
        eq([label, decode(label, bytes(...input))], [label, want]);
});

test("half a pair before ASCII leaves the ASCII alone", () => {
    eq(decode("shift_jis", bytes(0x81, 0x22)), "\ufffd\"");
    eq(decode("gbk", bytes(0x81, 0x22)), "\ufffd\"");
    eq(decode("big5", bytes(0xfe, 0xff, 65)), "\ufffdA");
    eq(decode("gb18030", bytes(0x81, 0x30, 0x22)), "\ufffd0\"");
});

test("a legacy stream may be cut anywhere", () => {
    const streams = {
        "gb18030": [0x94, 0x39, 0xda, 0x33, 0xd6, 0xd0, 65],
        "euc-jp": [0x8f, 0xb0, 0xa1, 0xc6, 0xfc, 65],
        "iso-2022-jp": [0x1b, 0x24, 0x42, 0x46, 0x7c, 0x1b, 0x28, 0x42, 65]
    };
    for (const [label, list] of Object.entries(streams)) {
        const decoder = new TextDecoder(label, { fatal: true });
        let got = "";
        for (const one of list)
            got += decoder.decode(bytes(one), { stream: true });
        eq(got + decoder.decode(), decode(label, bytes(...list)));
        eq(got.at(-1), "A");
    }
});

test("malformed legacy bytes are a TypeError when fatal", () => {
    throws(() => decode("big5", bytes(0x81), { fatal: true }), TypeError);
    throws(() => decode("windows-874", bytes(0xdb), { fatal: true }),
        TypeError);
});

test("a long latin text is encoded as UTF-8", () => {
    const text = "na\u00efve and plain ".repeat(3000);
    const coded = new TextEncoder().encode(text);
    eq(coded.length, text.length + 3000);
    eq(new TextDecoder().decode(coded) === text, true);
    const room = new Uint8Array(coded.length - 1);
    eq(new TextEncoder().encodeInto(text, room),
        { read: text.length - 1, written: room.length });
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

test("a label of many blanks takes no time of note", () => {
    const blanks = " ".repeat(400000);
    eq(new TextDecoder(`${blanks}\t utf8 \n${blanks}`).encoding, "utf-8");
    throws(() => new TextDecoder(`utf${blanks}8`), RangeError);
    throws(() => new TextDecoder(blanks), RangeError);
});

export default { fetch: () => run() };
