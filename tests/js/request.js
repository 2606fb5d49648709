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

test("a method of another object fails as it should", async () => {
    await rejects(Request.prototype.text.call({}), TypeError);
    throws(() => Request.prototype.url, TypeError);
    eq("formData" in Request.prototype, false);
});

export default { fetch: () => run() };
