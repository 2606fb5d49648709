/* URLPattern: URL Pattern Standard. */
import { test, eq, ok, throws, run } from "./tap.js";

const path = (pattern, input) => new URLPattern({ pathname: pattern })
    .exec({ pathname: input })?.pathname.groups ?? null;

test("groups have the text they matched", () => {
    eq(path("/a/:b", "/a/x"), { b: "x" });
    eq(path("/a/:b", "/a/x/y"), null);
    eq(path("/a/*", "/a/x/y"), { 0: "x/y" });
    eq(path("/:id(\\d+)-:rest", "/12-ab"), { id: "12", rest: "ab" });
    eq(path("/:id(\\d+)", "/ab"), null);
    eq(path("/a{/:b}?", "/a"), { b: undefined });
    eq(path("/:x+", "/a/b"), { x: "a/b" });
    eq(path("/a/:b*", "/a"), { b: undefined });
    eq(path("/{a:b}c", "/axc"), { b: "x" });
    eq(path("/a\\:b", "/a:b"), {});
    eq(path("/:\u00e9", "/x"), { "\u00e9": "x" });
});

test("a string is parted into components", () => {
    const p = new URLPattern("https://*.example.com:8080/a/:b\\?q=*#h");
    eq(["protocol", "username", "hostname", "port", "pathname", "search",
        "hash"].map((key) => p[key]), ["https", "*", "*.example.com", "8080",
        "/a/:b", "q=*", "h"]);
    ok(p.test("https://x.example.com:8080/a/1?q=2#h"));
    ok(!p.test("https://example.com:8080/a/1?q=2#h"));
    ok(!new URLPattern("https://h/*").test("https://h:8080/"));
    eq(new URLPattern("/a?", "https://h/b").pathname, "/a");
    eq(new URLPattern("b", "https://h/a/x").pathname, "/a/b");
    eq(new URLPattern("data\\:text").pathname, "text");
});

test("a result tells of each component", () => {
    const input = "https://h/a/1?x";
    const { inputs, protocol, pathname, search, hash } =
        new URLPattern("https://h/a/:b").exec(input);
    eq(inputs, [input]);
    eq(protocol, { input: "https", groups: {} });
    eq(pathname, { input: "/a/1", groups: { b: "1" } });
    eq(search, { input: "x", groups: { 0: "x" } });
    eq(hash, { input: "", groups: { 0: "" } });
    eq(new URLPattern().exec({ pathname: "x" }).inputs, [{ pathname: "x" }]);
    eq(new URLPattern().exec("x", "https://h/").inputs, ["x", "https://h/"]);
});

test("patterns become canonical", () => {
    eq(new URLPattern({ protocol: "https:", port: "443" }).port, "");
    eq(new URLPattern({ hostname: "b\u00fccher.De" }).hostname,
        "xn--bcher-kva.de");
    eq(new URLPattern({ pathname: "/\u00e9 /../b" }).pathname, "/b");
    eq(new URLPattern({ search: "?\u00e9" }).search, "%C3%A9");
    eq(new URLPattern({ hostname: "[\\:\\:AB]" }).hostname,
        "[\\:\\:ab]");
    eq(new URLPattern({ pathname: "/{a}{:b}{c}" }).pathname, "/a{:b}c");
});

test("letters' case is told apart unless it is ignored", () => {
    ok(!new URLPattern({ pathname: "/A" }).test({ pathname: "/a" }));
    ok(new URLPattern({ pathname: "/A" }, { ignoreCase: true })
        .test({ pathname: "/a" }));
    ok(new URLPattern("https://h/A", { ignoreCase: true })
        .test("https://h/a"));
    ok(new URLPattern("/A", "https://h/", { ignoreCase: true })
        .test("https://h/a"));
});

test("what is no pattern is a TypeError", () => {
    for (const pattern of ["/(", "/()", "/(?:a)", "/{a", "/a}", "/:", "/:a:a",
        "/([)", "/(a(b))", "/(\u00e9)", "/\\"])
        throws(() => new URLPattern({ pathname: pattern }), TypeError);
    throws(() => new URLPattern({ port: "65536" }), TypeError);
    throws(() => new URLPattern({ port: "x" }), TypeError);
    throws(() => new URLPattern({ hostname: "a b" }), TypeError);
    throws(() => new URLPattern({ protocol: "\u00e9" }), TypeError);
    throws(() => new URLPattern({ hostname: "[g]" }), TypeError);
    throws(() => new URLPattern("/relative"), TypeError);
    throws(() => new URLPattern("/a", "no base"), TypeError);
    throws(() => new URLPattern({}, "https://h/"), TypeError);
    throws(() => new URLPattern({}).test({}, "https://h/"), TypeError);
    throws(() => URLPattern(), TypeError);
});

test("what is no URL does not match", () => {
    const all = new URLPattern();
    ok(!all.test("no url"));
    ok(!all.test({ port: "x" }));
    eq(all.exec("a", "no base"), null);
    ok(all.test() && all.test({}) && all.test(new URL("https://h/")));
});

test("hasRegExpGroups", () => {
    ok(!new URLPattern({ pathname: "/:a/*" }).hasRegExpGroups);
    ok(new URLPattern({ search: "(a|b)" }).hasRegExpGroups);
});

test("members are those of the standard", () => {
    eq(Object.prototype.toString.call(new URLPattern()),
        "[object URLPattern]");
    eq(Object.keys(URLPattern.prototype).sort(), ["exec", "hasRegExpGroups",
        "hash", "hostname", "password", "pathname", "port", "protocol",
        "search", "test", "username"]);
    eq([URLPattern.length, URLPattern.prototype.exec.length], [0, 0]);
    throws(() => URLPattern.prototype.port, TypeError);
    throws(() => URLPattern.prototype.test.call({}), TypeError);
});

export default { fetch: () => run() };
