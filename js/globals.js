/*
 * globals.js - the one file that writes to globalThis (Web IDL 3.7.1, 3.8).
 */
function attribute(name, value) {
    const { get } = Object.getOwnPropertyDescriptor({
        get [name]() {
            checkGlobal(this);
            return value ?? globalThis;
        }
    }, name);
    Object.defineProperty(globalThis, name,
        { get, enumerable: true, configurable: true });
}

// [Replaceable]: assigning makes an ordinary property of it
function replaceable(name, value) {
    attribute(name, value);
    const { set } = Object.getOwnPropertyDescriptor({
        set [name](v) {
            checkGlobal(this);
            property(name, v, true);
        }
    }, name);
    Object.defineProperty(globalThis, name, { set });
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

// made when a script looks at them: what few use costs nobody a start
function lazy(file, ...names) {
    for (const name of names)
        native.lazyGlobal(file, name, /^[a-z]/.test(name));
}

const { checkGlobal } = use("webidl");
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
operations(use("timers"), "setTimeout", "setInterval", "clearTimeout",
    "clearInterval", "queueMicrotask");
operations(use("text"), "atob", "btoa");
operations(use("clone"), "structuredClone");
operations(events, "reportError");

property("console", use("console").console, false);
replaceable("self", undefined); // the global object itself
replaceable("performance", performance);
attribute("crypto", crypto);
events.makeGlobalTarget(globalThis);

lazy("error_events", "ErrorEvent", "PromiseRejectionEvent");
lazy("messages", "MessageChannel", "MessageEvent", "MessagePort");
lazy("text_streams", "TextDecoderStream", "TextEncoderStream");
lazy("compression", "CompressionStream", "DecompressionStream");
lazy("file", "File");
lazy("formdata", "FormData");
lazy("urlpattern", "URLPattern");
lazy("subtle", "CryptoKey", "SubtleCrypto");
lazy("fetch", "fetch");
lazy("navigator", "Navigator", "navigator");
