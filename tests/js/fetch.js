/* fetch(): Fetch 4 and 5.6, as far as it needs no server. */
import { test, eq, ok, throws, rejects, run } from "./tap.js";

const failed = async (what, init) => (await rejects(fetch(what, init),
    TypeError)).message;

test("fetch is a function of the global object", async () => {
    const d = Object.getOwnPropertyDescriptor(globalThis, "fetch");
    eq([fetch.length, fetch.name, d.enumerable], [1, "fetch", true]);
    throws(() => new fetch("data:,"), TypeError);
    await rejects(fetch.call({}, "data:,"), TypeError);
    eq((await fetch.call(undefined, "data:,")).status, 200);
});

test("what new Request refuses is a rejection", async () => {
    await rejects(fetch(), TypeError);
    await rejects(fetch("/relative"), TypeError);
    await rejects(fetch("http://me:key@example.org/"), TypeError);
    await rejects(fetch("data:,", { method: "TRACE" }), TypeError);
    await rejects(fetch("data:,", { body: "x" }), TypeError);
    await rejects(fetch("data:,", { method: "POST",
        body: new ReadableStream() }), TypeError);
});

test("a scheme that is not fetched is a network error", async () => {
    for (const url of ["about:blank", "about:x", "blob:x", "mailto:a@b",
        "file:///etc/passwd", "ftp://example.org/", "gopher://h/",
        "x-unknown://h/"])
        ok((await failed(url)).startsWith("fetch failed: the scheme "), url);
});

test("a port of another protocol is a network error", async () => {
    for (const port of [1, 22, 25, 6000, 10080])
        eq(await failed(`http://example.org:${port}/`), "fetch failed: " +
            `example.org:${port}: port ${port} is not for the web`);
});

test("only-if-cached finds nothing", async () => {
    await failed("http://example.org/", { cache: "only-if-cached",
        mode: "same-origin" });
});

test("a response says what it is", async () => {
    const r = await fetch(new URL("data:text/x,a"));
    eq([r.type, r.url, r.status, r.statusText, r.ok, r.redirected],
        ["basic", "data:text/x,a", 200, "OK", true, false]);
    throws(() => r.headers.set("a", "b"), TypeError);
    eq(r.body.locked, false);
});

test("an aborted signal rejects with its reason, at once", async () => {
    const log = [];
    const signal = AbortSignal.abort("why");
    await Promise.all([
        fetch("http://example.org/", { signal }).catch((e) => log.push(e)),
        Promise.resolve().then(() => log.push("next"))
    ]);
    eq(log, ["why", "next"]);
    const e = await rejects(fetch("data:,", { signal: AbortSignal.abort() }),
        "AbortError");
    ok(e instanceof DOMException);
});

test("the request's own signal counts, unless init says null", async () => {
    const request = new Request("data:,x", { signal: AbortSignal.abort() });
    await rejects(fetch(request), "AbortError");
    await rejects(fetch(request.clone()), "AbortError");
    eq((await fetch(request, { signal: null })).status, 200);
});

test("an abort cancels the body's stream and uses the request up",
    async () => {
        let why;
        const body = new ReadableStream({ cancel(r) { why = r; } });
        const request = new Request("http://example.org/", { method: "POST",
            body, duplex: "half", signal: AbortSignal.abort("why") });
        await rejects(fetch("http://example.org/", { method: "POST",
            body: new ReadableStream({ cancel(r) { why = r; } }),
            duplex: "half", signal: AbortSignal.abort("me") }));
        eq(why, "me");
        await rejects(fetch(request));
        eq(request.bodyUsed, true);
    });

test("a server inside is refused unless the pool allows it", async () => {
    for (const host of ["127.0.0.1", "[::1]", "10.0.0.1", "169.254.169.254",
        "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433"]) {
        const message = await failed(`http://${host}:8080/`);
        ok(message.startsWith("fetch failed: "), message);
        ok(message.includes("fetch_allow"), message);
    }
});

test("integrity is checked before the body is given", async () => {
    // the digest of "x"
    const good = "sha256-LXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE=";
    const bad = "sha256-dKUcPOn/AlUjWIwcHeHNqYXPlvyGiq+2dWOdFcE+24I=";
    const text = async (integrity) =>
        (await fetch("data:,x", { integrity })).text();
    eq(await text(good), "x");
    eq(await text(`${bad} ${good}`), "x");
    eq(await text("md5-abc"), "x");
    eq(await text(good.replace(/\+/g, "-").replace(/\//g, "_")
        .replace("=", "")), "x");
    await rejects(text(bad), TypeError);
    await rejects(fetch("data:,x", { method: "HEAD", integrity: good }),
        TypeError);
});

test("navigator names the product", () => {
    eq(navigator.userAgent, "snapcgi");
    eq(Object.prototype.toString.call(navigator), "[object Navigator]");
    throws(() => new Navigator(), TypeError);
    throws(() => Navigator.prototype.userAgent, TypeError);
});

export default { fetch: () => run() };
