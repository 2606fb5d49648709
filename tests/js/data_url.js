/* data: URLs: Fetch 6, and MIME types: MIME Sniffing 4.4. */
import { test, eq, rejects, run } from "./tap.js";

async function read(url) {
    const r = await fetch(url);
    return [r.headers.get("content-type"), await r.text()];
}

test("a data: URL gives its type and its bytes", async () => {
    eq(await read("data:text/html,<b>%20</b>"), ["text/html", "<b> </b>"]);
    eq(await read("data:,X"), ["text/plain;charset=US-ASCII", "X"]);
    eq(await read("data:nonsense,X"), ["text/plain;charset=US-ASCII", "X"]);
    eq(await read("data: TEXT/HTML ;Charset=utf-8,X"),
        ["text/html;charset=utf-8", "X"]);
    eq(await read('data:a/b;c="d e",X'), ['a/b;c="d e"', "X"]);
});

test("a parameter without a type is one of text/plain", async () => {
    eq(await read("data:;charset=x,X"), ["text/plain;charset=x", "X"]);
});

test("the fragment is not of the body", async () => {
    eq((await read("data:,a#b"))[1], "a");
    eq((await fetch("data:,a#b")).url, "data:,a");
});

test("bytes that are escaped are bytes", async () => {
    const r = await fetch("data:a/b,%FF%00%zz\u00e9");
    eq([...await r.bytes()], [255, 0, 37, 122, 122, 195, 169]);
});

test("base64 is decoded, blanks and all", async () => {
    for (const url of ["data:a/b;base64,eA==", "data:a/b;BASE64,eA",
        "data:a/b;  base64, e A = =", "data:a/b;base64,%65A%3D%3D"])
        eq(await read(url), ["a/b", "x"], url);
    eq((await read("data:a/b;base64;,x"))[1], "x");
    await rejects(fetch("data:;base64,x"), TypeError);
});

test("no comma is a network error", async () => {
    await rejects(fetch("data:text/html"), TypeError);
});

test("HEAD gives no body", async () => {
    const r = await fetch("data:,x", { method: "HEAD" });
    eq([r.status, r.body, await r.text()], [200, null, ""]);
});

test("any method reads a data: URL", async () => {
    const r = await fetch("data:,x", { method: "POST", duplex: "half",
        body: new ReadableStream() });
    eq(await r.text(), "x");
});

test("a blob's type is the field's, parsed", async () => {
    const type = async (field) => (await new Response("",
        { headers: { "content-type": field } }).blob()).type;
    eq(await type("a/b;c=  d "), 'a/b;c="  d"');
    eq(await type("a/ b"), "");
    eq(await type("a/b;c;d=;e=f"), "a/b;e=f");
    eq(await type("a/b; c=\"d\\\"e\" ;f=g"), 'a/b;c="d\\"e";f=g');
    eq(await type("text/html;charset=x, text/html"), "text/html;charset=x");
    eq(await type("text/html;charset=x, text/html;a=b"),
        "text/html;a=b;charset=x");
    eq(await type("a/b, */*"), "a/b");
});

export default { fetch: () => run() };
