/* Response: Fetch 5.5. */
import { test, eq, throws, rejects, run } from "./tap.js";

test("a response has the standard's defaults", () => {
    const r = new Response();
    eq([r.type, r.status, r.statusText, r.ok, r.url, r.redirected, r.body,
        r.bodyUsed, [...r.headers].length],
    ["default", 200, "", true, "", false, null, false, 0]);
});

test("a status is of 200 to 599", () => {
    for (const status of [0, 100, 101, 199, 600, 1000])
        throws(() => new Response(null, { status }), RangeError);
    eq([200, 299, 300, 404].map((status) =>
        new Response(null, { status }).ok), [true, true, false, false]);
});

test("some statuses have no body", () => {
    for (const status of [204, 205, 304]) {
        throws(() => new Response("", { status }), TypeError);
        eq(new Response(null, { status }).status, status);
    }
});

test("a status text has no control characters", () => {
    eq(new Response(null, { statusText: "Fine \u00e9" }).statusText,
        "Fine \u00e9");
    throws(() => new Response(null, { statusText: "a\nb" }), TypeError);
    throws(() => new Response(null, { statusText: "\u20ac" }), TypeError);
});

test("only what has a type gets a content-type", () => {
    const type = (body) => new Response(body).headers.get("content-type");
    eq(type("a"), "text/plain;charset=UTF-8");
    eq(type(new Uint8Array(1)), null);
    eq(type(null), null);
    eq(type({}), "text/plain;charset=UTF-8");
});

test("json() makes one of a value", async () => {
    const r = Response.json({ a: [1] }, { status: 201 });
    eq([r.status, r.headers.get("content-type"), await r.text()],
        [201, "application/json", '{"a":[1]}']);
    throws(() => Response.json(undefined), TypeError);
    throws(() => Response.json(null, { status: 204 }), TypeError);
});

test("redirect() points elsewhere", () => {
    const r = Response.redirect("http://example.org/a b", 307);
    eq([r.status, r.headers.get("location")],
        [307, "http://example.org/a%20b"]);
    throws(() => Response.redirect("http://h/", 200), RangeError);
    throws(() => Response.redirect("/here"), TypeError);
});

test("error() is no answer", () => {
    eq([Response.error().type, Response.error().status], ["error", 0]);
});

test("a body of any kind reads as text", async () => {
    const text = (body) => new Response(body).text();
    eq([await text("\u00e9"), await text(new Uint8Array([97])),
        await text(new Blob(["b"])), await text(new URLSearchParams("a= ")),
        await text(new Blob(["c"]).stream()), await text("\ufeffd"),
        await text("\ud800")],
    ["\u00e9", "a", "b", "a=+", "c", "d", "\ufffd"]);
});

test("the bytes of a body are copied", async () => {
    const bytes = new Uint8Array([97]);
    const r = new Response(bytes);
    bytes[0] = 98;
    eq(await r.text(), "a");
});

test("a stream of a string gives its bytes", async () => {
    const r = new Response("a\u00e9");
    const { value } = await r.body.getReader().read();
    eq([...value], [97, 0xc3, 0xa9]);
    eq(r.bodyUsed, true);
});

test("a body that is read locks its stream", async () => {
    const r = new Response("abc");
    await r.text();
    eq([r.bodyUsed, r.body.locked], [true, true]);
});

test("a locked stream is refused", async () => {
    const stream = new ReadableStream();
    stream.getReader();
    throws(() => new Response(stream), TypeError);
    const r = new Response("abc");
    r.body.getReader();
    await rejects(r.text(), TypeError);
    throws(() => r.clone(), TypeError);
});

test("chunks that are no bytes are a TypeError", async () => {
    await rejects(new Response(ReadableStream.from(["a"])).text(),
        TypeError);
});

test("a stream that fails, fails the reading", async () => {
    const stream = new ReadableStream({
        pull() { throw new RangeError("x"); }
    });
    await rejects(new Response(stream).text(), RangeError);
});

test("a clone's chunks are its own", async () => {
    const bytes = new Uint8Array([1]);
    const stream = new ReadableStream({
        start(c) {
            c.enqueue(bytes);
            c.close();
        }
    });
    const r = new Response(stream), copy = r.clone();
    const read = async (one) => (await one.body.getReader().read()).value;
    const [a, b] = [await read(r), await read(copy)];
    eq([a === bytes, b === bytes, b[0]], [true, false, 1]);
});

test("a script's own then cannot come between", async () => {
    Object.prototype.then = function (done) {
        delete Object.prototype.then;
        done({ done: false, value: new Uint8Array([120]) });
    };
    try {
        eq(await new Response(new Blob(["abc"]).stream()).text(), "abc");
    } finally {
        delete Object.prototype.then;
    }
});

test("an accessor on Object.prototype does not reach a body", async () => {
    for (const key of ["type", "status", "headers", "source", "url"])
        Object.defineProperty(Object.prototype, key, {
            get() { throw new Error(key); },
            configurable: true
        });
    let text;
    try {
        text = new Response("abc").body.getReader().read();
    } finally {
        for (const key of ["type", "status", "headers", "source", "url"])
            delete Object.prototype[key];
    }
    eq((await text).value.length, 3);
});

test("blob() has the type of the field", async () => {
    const type = async (field) => (await new Response("", {
        headers: { "content-type": field } }).blob()).type;
    eq(await type("Text/HTML; Charset=\"utf-8\""), "text/html;charset=utf-8");
    eq(await type("a/b, c/d;x=\"y z\""), 'c/d;x="y z"');
    eq(await type("nonsense"), "");
});

test("a method of another object rejects", async () => {
    for (const name of ["arrayBuffer", "blob", "bytes", "formData", "json",
        "text"])
        await rejects(Response.prototype[name].call({}), TypeError);
});

test("a response may set any field", () => {
    const r = new Response("", { headers: [["set-cookie", "a=b"],
        ["set-cookie", "c=d"]] });
    r.headers.append("set-cookie2", "e");
    eq(r.headers.getSetCookie(), ["a=b", "c=d"]);
});

export default { fetch: () => run() };
