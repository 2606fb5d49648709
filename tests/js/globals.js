/* The global object's members: Web IDL 3.7.6, 3.7.7 and 3.8. */
import { test, eq, ok, throws, run } from "./tap.js";

const names = ["atob", "btoa", "clearInterval", "clearTimeout",
    "queueMicrotask", "setInterval", "setTimeout", "structuredClone"];

test("operations take undefined and null for the global object", () => {
    eq([btoa.call(null, "a"), btoa.call(undefined, "a")], ["YQ==", "YQ=="]);
});

test("operations refuse another object as this", () => {
    for (const name of names)
        throws(() => globalThis[name].call({}, () => {}), TypeError);
});

test("operations cannot be constructed", () => {
    for (const name of names)
        throws(() => new globalThis[name]("YQ=="), TypeError);
});

test("attributes refuse another object as this", () => {
    for (const name of ["self", "performance", "crypto"]) {
        throws(() => Object.create(globalThis)[name], TypeError);
        const { get } = Object.getOwnPropertyDescriptor(globalThis, name);
        ok(get.call(null) === globalThis[name]);
    }
});

test("crypto cannot be assigned", () => {
    throws(() => { crypto = 1; }, TypeError);
});

test("performance can be replaced", () => {
    const d = Object.getOwnPropertyDescriptor(globalThis, "performance");
    performance = 1;
    const replaced = performance;
    Object.defineProperty(globalThis, "performance", d);
    eq(replaced, 1);
    ok(typeof performance.now === "function");
});

test("a global that is made when it is looked at is like any other", () => {
    for (const name of ["CompressionStream", "CryptoKey", "ErrorEvent",
        "File", "FormData", "MessageChannel", "Navigator", "SubtleCrypto",
        "TextDecoderStream", "URLPattern"]) {
        const d = Object.getOwnPropertyDescriptor(globalThis, name);
        eq(`${typeof d.value} ${d.value.name} ${d.writable} ` +
            `${d.enumerable} ${d.configurable}`,
            `function ${name} true false true`);
    }
    eq(Object.keys(globalThis).includes("fetch"), true);
});

test("what belongs to a page is not there", () => {
    for (const name of ["FetchEvent", "FileReader", "Window", "Worker",
        "XMLHttpRequest", "caches", "document", "process", "require"])
        eq(typeof globalThis[name], "undefined", name);
});

export default { fetch: () => run() };
