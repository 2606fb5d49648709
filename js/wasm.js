/*
 * wasm.js - what WebAssembly.compileStreaming and instantiateStreaming take
 * (WebAssembly Web API 3). V8 has the promise; it gets bytes or a failure.
 */
const { getField } = use("headers");
const { isUnusable } = use("body");
const { isResponse, responseState } = use("response");
const { acquire, isUint8Array, readChunks } = use("streams");

function checked(source) {
    if (!isResponse(source))
        throw new TypeError("WebAssembly: the source is not a Response");
    const s = responseState(source);
    const type = getField(s.headers, "content-type");
    if (type === null || type.toLowerCase() !== "application/wasm")
        throw new TypeError("WebAssembly: the Response's content type is " +
            `${type === null ? "not given" : `"${type}"`}; it must be ` +
            "application/wasm");
    if (s.status < 200 || s.status > 299)
        throw new TypeError(
            `WebAssembly: the Response has the status ${s.status}`);
    if (s.body !== null && isUnusable(s.body))
        throw new TypeError("WebAssembly: the Response's body was read " +
            "already or is locked");
    return s.body;
}

function feed(id, body) {
    const fixed = body.fixed();
    if (fixed !== null) {
        native.wasmBytes(id, typeof fixed === "string"
            ? native.textEncode(fixed) : fixed);
        native.wasmEnd(id);
    } else {
        readChunks(acquire(body.getStream()), (chunk) => {
            if (!isUint8Array(chunk)) {
                native.wasmFail(id, new TypeError("WebAssembly: the " +
                    "Response's stream gave a chunk that is no Uint8Array"));
                return false;
            }
            native.wasmBytes(id, chunk);
            return true;
        }, () => native.wasmEnd(id), (e) => native.wasmFail(id, e));
    }
    body.used = true;
}

// hook: V8 has the source's value
function onSource(id, source) {
    try {
        const body = checked(source);
        if (body === null)
            native.wasmEnd(id);
        else
            feed(id, body);
    } catch (e) {
        native.wasmFail(id, e);
    }
}

return { onSource };
