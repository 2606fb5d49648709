/*
 * A script may change Object.prototype and Array.prototype before it looks at
 * a global that is evaluated on first use.
 */
import { test, eq, run } from "./tap.js";

const touched = [];
function trap(object, key) {
    const touch = () => {
        touched.push(key);
        throw new Error(key);
    };
    Object.defineProperty(object, key,
        { get: touch, set: touch, configurable: true });
}

test("accessors of a script are not asked when a global is made", () => {
    const keys = ["exports", "keyBytes", "keySecret", "legacyDecode", "sign"];
    for (const key of keys)
        trap(Object.prototype, key);
    trap(Array.prototype, 2);
    let type;
    try {
        type = typeof CompressionStream;
    } catch (e) {
        type = e;
    } finally {
        for (const key of keys)
            delete Object.prototype[key];
        delete Array.prototype[2];
    }
    eq(touched, []);
    eq(type, "function");
});

export default { fetch: () => run() };
