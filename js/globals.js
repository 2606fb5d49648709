/*
 * globals.js - the one file that writes to globalThis (Web IDL 3.7.1, 3.8).
 */
// [Replaceable]: assigning makes an ordinary property of it
function attribute(name, get) {
    const { get: getter, set: setter } = Object.getOwnPropertyDescriptor({
        get [name]() { return get(); },
        set [name](value) { property(name, value, true); }
    }, name);
    Object.defineProperty(globalThis, name, {
        get: getter, set: setter, enumerable: true, configurable: true
    });
}

function property(name, value, enumerable) {
    Object.defineProperty(globalThis, name,
        { value, writable: true, enumerable, configurable: true });
}

function interfaces(module, ...names) {
    for (const name of names)
        property(name, module[name], false);
}

function operations(module, ...names) {
    for (const name of names)
        property(name, module[name], true);
}

const events = use("events");
const { performance } = use("performance");
const { crypto } = use("crypto");

interfaces(use("exception"), "DOMException");
interfaces(events, "Event", "CustomEvent", "EventTarget");
interfaces(use("abort"), "AbortController", "AbortSignal");
interfaces(use("performance"), "Performance");
interfaces(use("text"), "TextEncoder", "TextDecoder");
interfaces(use("url"), "URL", "URLSearchParams");
interfaces(use("streams"), "ByteLengthQueuingStrategy",
    "CountQueuingStrategy", "ReadableByteStreamController", "ReadableStream",
    "ReadableStreamBYOBReader", "ReadableStreamBYOBRequest",
    "ReadableStreamDefaultController", "ReadableStreamDefaultReader",
    "TransformStream", "TransformStreamDefaultController", "WritableStream",
    "WritableStreamDefaultController", "WritableStreamDefaultWriter");
interfaces(use("blob"), "Blob");
interfaces(use("headers"), "Headers");
interfaces(use("request"), "Request");
interfaces(use("response"), "Response");
interfaces(use("crypto"), "Crypto");
interfaces(use("handler"), "FetchEvent");
operations(use("timers"), "setTimeout", "setInterval", "clearTimeout",
    "clearInterval", "queueMicrotask");
operations(use("text"), "atob", "btoa");
operations(use("clone"), "structuredClone");

property("console", use("console").console, false);
attribute("self", () => globalThis);
attribute("performance", () => performance);
attribute("crypto", () => crypto);
events.makeGlobalTarget(globalThis);
