/*
 * What the files of js/ find here in place of `native` and `use`. Blobs, files
 * and exceptions are left to tests that freeze and thaw an application.
 */
import { run } from "./tap.js";
import { suite } from "./suite.js";
import webidl from "./webidl.js";
import inspect from "./inspect.js";
import portable from "./portable.js";
import portable_read from "./portable_read.js";
import portable_write from "./portable_write.js";

const KINDS = {
    Promise: 1, Map: 2, Set: 3, Date: 4, RegExp: 5, Error: 6, ArrayBuffer: 7,
    SharedArrayBuffer: 8, DataView: 10, WeakMap: 12, WeakSet: 13, Symbol: 15,
    Boolean: 16, Number: 16, String: 16, BigInt: 16, Arguments: 17,
    "Map Iterator": 18, "Set Iterator": 19, Generator: 20
};
const TYPED = 9, PROXY = 11;
const proxies = new WeakSet();
globalThis.Proxy = new Proxy(Proxy, {
    construct(target, list) {
        const proxy = new target(...list);
        proxies.add(proxy);
        return proxy;
    }
});

function isDetached(buffer) {
    try {
        new Uint8Array(buffer);
        return false;
    } catch {
        return true;
    }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

const native = {
    kindOf: (v) => proxies.has(v) ? PROXY
        : ArrayBuffer.isView(v) && !(v instanceof DataView) ? TYPED
            : KINDS[Object.prototype.toString.call(v).slice(8, -1)] ?? 0,
    isDetached,
    textEncode: (s) => encoder.encode(s),
    textDecode(encoding, bytes) {
        try {
            return decoder.decode(bytes);
        } catch {
            return null;
        }
    },
    used: () => undefined,
    use: (name) => use(name)
};

const made = {
    blob: {
        isBlob: () => false,
        newBlob: (bytes, type) => new Blob([bytes], { type })
    },
    clone: { kinds: [], structuredClone },
    exception: {
        DOMExceptionSlots: {
            has: () => false,
            deserialize: ([name, message]) => new DOMException(message, name)
        }
    },
    file: { stampFile: (bytes, type, name) => new File(bytes, name, { type }) }
};
const files = { webidl, inspect, portable, portable_read, portable_write };
const use = (name) => made[name] ??= files[name](native, use);

const { encode, decode } = use("portable");
suite(encode, decode);

export default { fetch: () => run() };
