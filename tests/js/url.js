import { test, eq, throws, run } from "./tap.js";

test("a URL gives its parts", () => {
    const url = new URL("https://me:key@EXAMPLE.com:8080/a/../b?c=d#e");
    eq(url.href, "https://me:key@example.com:8080/b?c=d#e");
    eq(url.origin, "https://example.com:8080");
    eq(url.protocol, "https:");
    eq(url.username, "me");
    eq(url.password, "key");
    eq(url.host, "example.com:8080");
    eq(url.hostname, "example.com");
    eq(url.port, "8080");
    eq(url.pathname, "/b");
    eq(url.search, "?c=d");
    eq(url.hash, "#e");
    eq(`${url}`, url.href);
    eq(JSON.stringify({ url }), `{"url":"${url.href}"}`);
});

test("a part that is not there is empty", () => {
    const url = new URL("mailto:x@y.z");
    eq([url.username, url.password, url.host, url.port, url.search,
        url.hash, url.pathname, url.origin],
    ["", "", "", "", "", "", "x@y.z", "null"]);
    const marks = new URL("http://h/?#");
    eq([marks.search, marks.hash, marks.href], ["", "", "http://h/?#"]);
});

test("a host that is no domain is read too", () => {
    eq(new URL("http://[::1]:80/").host, "[::1]");
    eq(new URL("http://0x7f.1/").hostname, "127.0.0.1");
    eq(new URL("http://b\u00fccher.example/").hostname,
        "xn--bcher-kva.example");
    eq(new URL("web+demo:/.//not-a-host/").pathname, "//not-a-host/");
});

test("a base resolves what is relative", () => {
    eq(new URL("../x?y", "http://h/a/b/c").href, "http://h/a/x?y");
    eq(new URL("//k/p", new URL("ftp://h/")).href, "ftp://k/p");
    throws(() => new URL("/a", "mailto:x"), TypeError);
});

test("what is no URL is a TypeError, null or false", () => {
    throws(() => new URL("no"), TypeError);
    throws(() => new URL("http://a b/"), TypeError);
    throws(() => new URL(), TypeError);
    eq(URL.parse("no"), null);
    eq(URL.canParse("no"), false);
    eq(URL.canParse("no", "http://h/"), true);
    eq(URL.parse("no", "http://h/").href, "http://h/no");
});

test("the origin of a blob URL is that of its path", () => {
    eq(new URL("blob:https://h:1/x").origin, "https://h:1");
    eq(new URL("blob:ftp://h/x").origin, "null");
    eq(new URL("file:///x").origin, "null");
});

test("a part may be set", () => {
    const url = new URL("http://h/");
    url.protocol = "https";
    url.username = "u s";
    url.password = "p";
    url.host = "k:81";
    url.pathname = "a b";
    url.search = "q=\u00e9";
    url.hash = "f";
    eq(url.href, "https://u%20s:p@k:81/a%20b?q=%C3%A9#f");
    url.hostname = "l";
    url.port = "";
    url.search = "";
    url.hash = "";
    eq(url.href, "https://u%20s:p@l/a%20b");
    url.href = "ws://m";
    eq(url.href, "ws://m/");
});

test("a value that does not fit is refused", () => {
    const url = new URL("http://h:1/");
    url.protocol = "mailto";
    url.port = "x";
    url.host = "a b";
    eq(url.href, "http://h:1/");
    throws(() => { url.href = "no"; }, TypeError);
    eq(url.href, "http://h:1/");
    const file = new URL("file:///x");
    file.username = "u";
    eq(file.href, "file:///x");
});

test("searchParams is one object, bound both ways", () => {
    const url = new URL("http://h/?a=1&b=2#f");
    const params = url.searchParams;
    eq(url.searchParams, params);
    params.append("c", "3 4");
    eq(url.href, "http://h/?a=1&b=2&c=3+4#f");
    url.search = "?x=y";
    eq([...params], [["x", "y"]]);
    params.delete("x");
    eq(url.href, "http://h/#f");
    url.href = "http://k/?z";
    eq(params.get("z"), "");
    url.search = "";
    eq(params.size, 0);
});

test("URLSearchParams takes a string, pairs, a record or another", () => {
    const text = "a=b+c&d=%E2%82%AC";
    eq(new URLSearchParams(`?${text}`).get("a"), "b c");
    eq(`${new URLSearchParams(text)}`, text);
    eq(`${new URLSearchParams([["a", "b c"], ["d", "\u20ac"]])}`, text);
    eq(`${new URLSearchParams({ a: "b c", d: "\u20ac" })}`, text);
    eq(`${new URLSearchParams(new URLSearchParams(text))}`, text);
    throws(() => new URLSearchParams([["a"]]), TypeError);
});

test("malformed percent-encoding stays or becomes a replacement", () => {
    eq([...new URLSearchParams("%=%zz&a=%ff%41\u00e9&&=")],
        [["%", "%zz"], ["a", "\ufffdA\u00e9"], ["", ""]]);
    eq([...new URLSearchParams("\ufeff=\ud834")], [["\ufeff", "\ufffd"]]);
});

test("has and delete look at the value when there is one", () => {
    const params = new URLSearchParams("a=1&a=2&b=1");
    eq(params.has("a", "2"), true);
    eq(params.has("a", "3"), false);
    eq(params.has("a", undefined), true);
    params.delete("a", "1");
    eq(`${params}`, "a=2&b=1");
});

test("set replaces the first and drops the others", () => {
    const params = new URLSearchParams("a=1&b=2&a=3");
    params.set("a", "4");
    params.set("c", "5");
    eq(`${params}`, "a=4&b=2&c=5");
    eq(params.getAll("a"), ["4"]);
    eq(params.get("none"), null);
});

test("sort is stable and by code units", () => {
    const params = new URLSearchParams("z=1&\ufb03&\u{1f308}&z=0&a");
    params.sort();
    eq([...params.keys()], ["a", "z", "z", "\u{1f308}", "\ufb03"]);
    eq(params.getAll("z"), ["1", "0"]);
});

test("an iteration sees what changes on its way", () => {
    const seen = [], url = new URL("http://h/?a=1&b=2&c=3");
    for (const [name] of url.searchParams) {
        seen.push(name);
        url.searchParams.delete(name);
    }
    eq(seen, ["a", "c"]);
    const values = [];
    new URLSearchParams("a=1&b=2").forEach((v, k) => values.push(k + v));
    eq(values, ["a1", "b2"]);
});

test("a method of another object is a TypeError", () => {
    throws(() => URLSearchParams.prototype.get.call({}, "a"), TypeError);
    throws(() => Object.create(new URL("a:b")).href, TypeError);
    throws(() => URLSearchParams("a"), TypeError);
});

test("a reverse solidus is escaped in parameters", () => {
    eq(String(new URLSearchParams({ "a\\": "\\" })), "a%5C=%5C");
});

test("a port alone is refused as host", () => {
    for (const base of ["foo://h/", "http://h/", "file:///"]) {
        const url = new URL(base);
        url.host = "\t:80";
        eq(url.href, base);
    }
});

export default { fetch: () => run() };
