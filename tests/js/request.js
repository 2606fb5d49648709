/* Request: Fetch 5.4. */
import { test, eq, throws, rejects, run } from "./tap.js";

const URL_ = "http://example.org/";
test("a request has the standard's defaults", () => {
    const r = new Request("http://EXAMPLE.org/a/../b#c");
    eq([r.method, r.url, r.mode, r.credentials, r.cache, r.redirect,
        r.referrer, r.referrerPolicy, r.integrity, r.keepalive,
        r.destination, r.duplex, r.body, r.bodyUsed, [...r.headers].length],
    ["GET", "http://example.org/b#c", "cors", "same-origin", "default",
        "follow", "about:client", "", "", false, "", "half", null, false,
        0]);
    eq(r.signal.aborted, false);
    eq(r.signal, r.signal);
});

test("a URL that cannot be requested is a TypeError", () => {
    throws(() => new Request("/relative"), TypeError);
    throws(() => new Request("http://me:key@h/"), TypeError);
    throws(() => new Request(), TypeError);
});

test("usual methods are made upper case", () => {
    const method = (m) => new Request(URL_, { method: m }).method;
    eq(["get", "Post", "put", "patch", "propfind"].map(method),
        ["GET", "POST", "PUT", "patch", "propfind"]);
    for (const m of ["trace", "CONNECT", "track", "a b", "", "g\u00e9t"])
        throws(() => method(m), TypeError);
});

test("a member that is out of its range is a TypeError", () => {
    for (const init of [{ mode: "navigate" }, { mode: "x" }, { cache: "x" },
        { cache: "only-if-cached" }, { redirect: "x" }, { window: {} },
        { credentials: "x" }, { signal: {} }, { duplex: "full" },
        { referrer: "/x" }, { referrerPolicy: "x" }])
        throws(() => new Request(URL_, init), TypeError);
});

test("GET and HEAD have no body", () => {
    throws(() => new Request(URL_, { body: "x" }), TypeError);
    throws(() => new Request(URL_, { method: "HEAD", body: "" }), TypeError);
    eq(new Request(URL_, { method: "POST" }).body, null);
});

test("a body brings its type, unless there is one", () => {
    const type = (body, headers) => new Request(URL_,
        { method: "POST", body, headers, duplex: "half" })
        .headers.get("content-type");
    eq(type("a"), "text/plain;charset=UTF-8");
    eq(type(new URLSearchParams("a=b")),
        "application/x-www-form-urlencoded;charset=UTF-8");
    eq(type(new Blob([], { type: "a/b" })), "a/b");
    eq(type(new Uint8Array(1)), null);
    eq(type(new ReadableStream()), null);
    eq(type("a", { "Content-Type": "x/y" }), "x/y");
});

test("a stream as body needs duplex half", () => {
    throws(() => new Request(URL_,
        { method: "POST", body: new ReadableStream() }), TypeError);
});

test("a body can be read once, in any form", async () => {
    const made = () => new Request(URL_, { method: "POST", body: '{"a":1}' });
    eq(await made().text(), '{"a":1}');
    eq(await made().json(), { a: 1 });
    eq((await made().arrayBuffer()).byteLength, 7);
    eq((await made().bytes())[0], 123);
    eq((await made().blob()).type, "text/plain;charset=UTF-8");
    const r = made();
    await r.text();
    eq(r.bodyUsed, true);
    await rejects(r.text(), TypeError);
    throws(() => r.clone(), TypeError);
    throws(() => new Request(r), TypeError);
});

test("no body reads as an empty one", async () => {
    eq(await new Request(URL_).text(), "");
    await rejects(new Request(URL_).json(), SyntaxError);
});

test("a clone reads the same body", async () => {
    const r = new Request(URL_, { method: "POST", body: "abc",
        headers: { a: "b" } });
    const copy = r.clone();
    eq([await r.text(), await copy.text(), copy.headers.get("a"),
        copy.method], ["abc", "abc", "b", "POST"]);
});

test("a clone of a stream's request reads the same body", async () => {
    const r = new Request(URL_, { method: "POST", duplex: "half",
        body: new Blob(["abc"]).stream() });
    const copy = r.clone();
    eq(await Promise.all([r.text(), copy.text()]), ["abc", "abc"]);
});

test("a request made of another takes its body", async () => {
    const r = new Request(URL_, { method: "POST", body: "abc",
        headers: { a: "b" } });
    const other = new Request(r, { headers: { c: "d" } });
    eq([r.bodyUsed, other.method, other.headers.get("a"),
        other.headers.get("c"), await other.text()],
    [true, "POST", null, "d", "abc"]);
});

test("its signal follows the one it was given", () => {
    const stop = new AbortController();
    const r = new Request(URL_, { signal: stop.signal });
    const copy = r.clone();
    eq(r.signal === stop.signal, false);
    eq(copy.signal.aborted, false);
    stop.abort("why");
    eq([r.signal.reason, copy.signal.reason,
        new Request(r).signal.reason], ["why", "why", "why"]);
});

test("a string that was looked at as a stream is still a body", async () => {
    const r = new Request(URL_, { method: "POST", body: "abc" });
    const stream = r.body;
    const other = new Request(r);
    eq([r.bodyUsed, stream.locked, r.body === stream, other.body === stream],
        [true, true, true, false]);
    eq(await other.text(), "abc");
});

test("a stream is not kept alive", () => {
    throws(() => new Request(URL_, { method: "POST", duplex: "half",
        keepalive: true, body: new ReadableStream() }), TypeError);
});

test("a server may set any field", () => {
    const { headers } = new Request(URL_, { headers: { cookie: "a=b",
        host: "other", "set-cookie": "c=d", origin: "null" } });
    eq([...headers.keys()], ["cookie", "host", "origin", "set-cookie"]);
    headers.set("referer", "x");
    eq(headers.get("Referer"), "x");
});

test("formData() reads a form, and rejects what is none", async () => {
    const form = await new Request(URL_, { method: "POST",
        body: new URLSearchParams("a=b&c=d") }).formData();
    eq([...form], [["a", "b"], ["c", "d"]]);
    await rejects(new Request(URL_, { method: "POST", body: "a=b" })
        .formData(), TypeError);
    await rejects(new Request(URL_).formData(), TypeError);
});

test("formData() reads a stream piece by piece", async () => {
    const body = new Blob(['--x\r\nContent-Disposition: form-data; name="a"' +
        "\r\n\r\nb\r\n--x--\r\n"]).stream();
    const made = (stream) => new Request(URL_, { method: "POST",
        duplex: "half", body: stream,
        headers: { "content-type": "multipart/form-data; boundary=x" } });
    eq([...await made(body).formData()], [["a", "b"]]);
    await rejects(made(ReadableStream.from(["text"])).formData(), TypeError);
    await rejects(made(new ReadableStream({
        pull() { throw new RangeError("x"); } })).formData(), RangeError);
    const bad = made(new Blob(["nonsense"]).stream());
    await rejects(bad.formData(), TypeError);
    eq(bad.bodyUsed, true);
});

test("a FormData as body is multipart/form-data", async () => {
    const form = new FormData();
    form.append("a", "b");
    form.append("f", new File(["text"], "n.txt", { type: "text/plain" }));
    const r = new Request(URL_, { method: "POST", body: form });
    eq(/^multipart\/form-data; ?boundary=[!-~]+$/.test(
        r.headers.get("content-type")), true);
    const back = await r.formData();
    eq([back.get("a"), back.get("f").name, await back.get("f").text()],
        ["b", "n.txt", "text"]);
});

test("a method of another object fails as it should", async () => {
    await rejects(Request.prototype.text.call({}), TypeError);
    throws(() => Request.prototype.url, TypeError);
});

export default { fetch: () => run() };
