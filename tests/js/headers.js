/* Headers: Fetch 5.1. */
import { test, eq, throws, run } from "./tap.js";

test("names have no case", () => {
    const h = new Headers({ "X-One": "1" });
    eq(h.get("x-one"), "1");
    eq(h.has("X-ONE"), true);
    h.delete("x-One");
    eq(h.get("x-one"), null);
});

test("values of one name are combined", () => {
    const h = new Headers([["a", "1"], ["b", "2"], ["A", "3"]]);
    eq(h.get("a"), "1, 3");
    h.set("a", "4");
    eq([...h], [["a", "4"], ["b", "2"]]);
});

test("iteration is sorted and in lower case", () => {
    const h = new Headers({ Zed: "1", Alpha: "2" });
    h.append("mid", "3");
    eq([...h.keys()], ["alpha", "mid", "zed"]);
    eq([...h.values()], ["2", "3", "1"]);
    eq([...h.entries()][0], ["alpha", "2"]);
    const seen = [];
    h.forEach((value, name, self) => seen.push(name + value +
        (self === h)));
    eq(seen, ["alpha2true", "mid3true", "zed1true"]);
});

test("cookies are never combined", () => {
    const h = new Headers([["set-cookie", "a=1"], ["x", "y"],
        ["Set-Cookie", "b=2"]]);
    eq(h.getSetCookie(), ["a=1", "b=2"]);
    eq([...h], [["set-cookie", "a=1"], ["set-cookie", "b=2"],
        ["x", "y"]]);
    eq(h.get("set-cookie"), "a=1, b=2");
});

test("white space around a value is dropped", () => {
    eq(new Headers({ a: " \t b c\r\n" }).get("a"), "b c");
    eq(new Headers({ a: "" }).get("a"), "");
});

test("what is no field is a TypeError", () => {
    for (const name of ["", "a b", "a:", "\u00e9", "a\n"])
        throws(() => new Headers([[name, "1"]]), TypeError);
    for (const value of ["a\nb", "a\rb", "a\0b", "\u20ac"])
        throws(() => new Headers({ a: value }), TypeError);
    throws(() => new Headers().get("a b"), TypeError);
});

test("what is no list of pairs is a TypeError", () => {
    throws(() => new Headers([["a"]]), TypeError);
    throws(() => new Headers([["a", "b", "c"]]), TypeError);
    throws(() => new Headers(null), TypeError);
    throws(() => new Headers("a: b"), TypeError);
    throws(() => Headers(), TypeError);
    throws(() => new Headers().set("a"), TypeError);
});

test("a copy is its own", () => {
    const h = new Headers({ a: "1" });
    const copy = new Headers(h);
    copy.set("a", "2");
    eq(h.get("a"), "1");
});

test("a change shows while iterating", () => {
    const h = new Headers({ a: "1", b: "2", c: "3" });
    const seen = [];
    for (const [name] of h) {
        seen.push(name);
        h.delete("b");
    }
    eq(seen, ["a", "c"]);
});

test("an immutable list refuses a change", () => {
    const { headers } = Response.redirect("http://example.org/");
    throws(() => headers.set("a", "b"), TypeError);
    throws(() => headers.append("a", "b"), TypeError);
    throws(() => headers.delete("location"), TypeError);
    eq(headers.get("location"), "http://example.org/");
});

export default { fetch: () => run() };
