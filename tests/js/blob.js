/* Blob: File API 3. */
import { test, eq, throws, run } from "./tap.js";

test("parts are put together", async () => {
    const blob = new Blob(["a\u00e9", new Uint8Array([98, 99]).buffer,
        new Uint8Array([0, 100, 0]).subarray(1, 2), new Blob(["e"]), 7]);
    eq(blob.size, 8);
    eq(await blob.text(), "a\u00e9bcde7");
});

test("the parts are copied", async () => {
    const bytes = new Uint8Array([97]);
    const blob = new Blob([bytes]);
    bytes[0] = 98;
    new Uint8Array(await blob.arrayBuffer())[0] = 99;
    (await blob.bytes())[0] = 99;
    eq(await blob.text(), "a");
});

test("a type is lower case, or none when it is not ASCII", () => {
    eq(new Blob([], { type: "Text/HTML" }).type, "text/html");
    eq(new Blob([], { type: "te\u00e9" }).type, "");
    eq(new Blob().type, "");
});

test("native endings are line feeds", async () => {
    eq(await new Blob(["a\r\nb\rc\n"], { endings: "native" }).text(),
        "a\nb\nc\n");
    eq(await new Blob(["a\r\n"]).text(), "a\r\n");
    throws(() => new Blob([], { endings: "unix" }), TypeError);
});

test("parts that are no sequence are a TypeError", () => {
    throws(() => new Blob("abc"), TypeError);
    throws(() => new Blob({}), TypeError);
    throws(() => new Blob(null), TypeError);
    throws(() => Blob(), TypeError);
});

test("a slice counts from either end", async () => {
    const blob = new Blob(["0123456789"]);
    eq(await blob.slice(2, 4).text(), "23");
    eq(await blob.slice(-3).text(), "789");
    eq(await blob.slice(-3, -1).text(), "78");
    eq(blob.slice(5, 2).size, 0);
    eq(blob.slice(0, 1e10).size, 10);
    eq(blob.slice(0, 1, "a/B").type, "a/b");
});

test("a mark at the start of a text is dropped", async () => {
    eq(await new Blob(["\ufeffa"]).text(), "a");
});

test("a large blob streams in pieces", async () => {
    const blob = new Blob([new Uint8Array(200000).fill(1)]);
    let n = 0, pieces = 0;
    for await (const chunk of blob.stream()) {
        n += chunk.length;
        pieces++;
    }
    eq(n, 200000);
    eq(pieces > 1, true);
});

test("large parts and small ones are one row of bytes", async () => {
    const big = new Uint8Array(100000).fill(1);
    const blob = new Blob(["ab", big, "cd", new Blob(["ef", big]), "gh"]);
    big.fill(2);
    eq(blob.size, 200008);
    const bytes = await blob.bytes();
    eq([bytes.length, bytes[1], bytes[2], bytes[100001]], [200008, 98, 1, 1]);
    eq(await blob.slice(100001, 100007).text(), "\u0001cdef\u0001");
    eq(await blob.slice(-3, -1).text(), "\u0001g");
    eq(await blob.slice(100002, 100004).text(), "cd");
    let all = "";
    for await (const chunk of blob.stream())
        all += new TextDecoder("latin1").decode(chunk);
    eq(all, await blob.text());
});

test("a clone is a Blob with the same bytes", async () => {
    const blob = structuredClone(new Blob(["abc"], { type: "a/b" }));
    eq(blob instanceof Blob, true);
    eq(`${blob.type} ${await blob.text()}`, "a/b abc");
});

test("a class can extend it", async () => {
    class Named extends Blob {
        constructor(name, ...rest) {
            super(...rest);
            this.name = name;
        }
    }
    const blob = new Named("n", ["abc"]);
    eq(blob instanceof Named, true);
    eq([blob.name, blob.size], ["n", 3]);
});

test("members are those of the standard", () => {
    eq(Object.prototype.toString.call(new Blob()), "[object Blob]");
    eq(Object.keys(Blob.prototype).sort(), ["arrayBuffer", "bytes",
        "size", "slice", "stream", "text", "type"]);
    throws(() => Blob.prototype.size, TypeError);
    eq(Blob.length, 0);
});

export default { fetch: () => run() };
