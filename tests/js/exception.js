/* DOMException: Web IDL 2.8.1 and 4.3. */
import { test, eq, ok, throws, run } from "./tap.js";

test("a DOMException has a message, a name and a code", () => {
    const e = new DOMException("m", "NotFoundError");
    eq([e.message, e.name, e.code], ["m", "NotFoundError", 8]);
    const plain = new DOMException();
    eq([plain.message, plain.name, plain.code], ["", "Error", 0]);
    eq(new DOMException("m", "NoSuchName").code, 0);
    eq(new DOMException(null, undefined).message, "null");
});

test("a DOMException is an Error", () => {
    const e = new DOMException("m", "AbortError");
    ok(e instanceof Error && e instanceof DOMException);
    ok(Object.getPrototypeOf(DOMException.prototype) === Error.prototype);
    eq(String(e), "AbortError: m");
    eq(Object.prototype.toString.call(e), "[object DOMException]");
});

test("a DOMException has a stack of its own", () => {
    const e = new DOMException("m", "AbortError");
    ok(Object.prototype.hasOwnProperty.call(e, "stack"));
    ok(e.stack.startsWith("AbortError: m\n"));
    ok(e.stack.includes("exception.js"));
});

test("a DOMException can carry its cause", () => {
    const e = new DOMException("m", { name: "DataError", cause: 5 });
    eq([e.name, e.cause], ["DataError", 5]);
    ok(!("cause" in new DOMException("m", { name: "DataError" })));
});

test("the legacy constants are on the class and its prototype", () => {
    eq([DOMException.INDEX_SIZE_ERR, DOMException.DATA_CLONE_ERR,
        DOMException.prototype.ABORT_ERR], [1, 25, 20]);
    eq(Object.keys(DOMException).length, 25);
});

test("the attributes refuse another object", () => {
    for (const name of ["name", "message", "code"]) {
        const { get, enumerable } = Object.getOwnPropertyDescriptor(
            DOMException.prototype, name);
        eq(enumerable, true);
        throws(() => get.call(new Error("x")), TypeError);
    }
    throws(() => DOMException("m"), TypeError);
    throws(() => new DOMException(Symbol()), TypeError);
});

test("DOMException can be extended", () => {
    class Mine extends DOMException {
        #own = 1;
        get own() { return this.#own; }
    }
    const e = new Mine("m", "DataError");
    eq([e.own, e.name, e instanceof Mine], [1, "DataError", true]);
});

test("a DOMException survives structuredClone", () => {
    const e = new DOMException("m", "DataError");
    const copy = structuredClone({ e }).e;
    ok(copy instanceof DOMException && copy !== e);
    eq([copy.name, copy.message, copy.code, copy.stack],
        ["DataError", "m", 0, e.stack]);
});

export default { fetch: () => run() };
