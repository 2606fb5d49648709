import { test, eq, throws, run } from "./tap.js";

test("getRandomValues fills the array it is given", () => {
    const array = new Uint8Array(64);
    eq(crypto.getRandomValues(array), array);
    eq(array.some((byte) => byte !== 0), true);
    const other = crypto.getRandomValues(new Uint8Array(64));
    eq(other.some((byte, i) => byte !== array[i]), true);
});

test("only the bytes of the view are filled", () => {
    const whole = new Uint8Array(64);
    crypto.getRandomValues(new Uint32Array(whole.buffer, 16, 8));
    eq([...whole.subarray(0, 16), ...whole.subarray(48)].every((b) => b === 0),
        true);
    eq(whole.subarray(16, 48).some((b) => b !== 0), true);
});

test("integers of every size are filled", () => {
    for (const Type of [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array,
        Uint16Array, Int32Array, Uint32Array, BigInt64Array, BigUint64Array])
        eq(crypto.getRandomValues(new Type(8)).length, 8);
    eq(crypto.getRandomValues(new Uint8Array(0)).length, 0);
});

test("what holds no integers is a TypeMismatchError", () => {
    throws(() => crypto.getRandomValues(new Float64Array(1)),
        "TypeMismatchError");
    throws(() => crypto.getRandomValues(new DataView(new ArrayBuffer(1))),
        "TypeMismatchError");
    throws(() => crypto.getRandomValues([]), TypeError);
    throws(() => crypto.getRandomValues(new ArrayBuffer(1)), TypeError);
});

test("over 65536 bytes is a QuotaExceededError", () => {
    eq(crypto.getRandomValues(new Uint32Array(16384)).length, 16384);
    throws(() => crypto.getRandomValues(new Uint8Array(65537)),
        "QuotaExceededError");
});

test("randomUUID is of version 4, and each is another", () => {
    const seen = new Set();
    const form = new RegExp("^[\\da-f]{8}-[\\da-f]{4}-4[\\da-f]{3}-" +
        "[89ab][\\da-f]{3}-[\\da-f]{12}$");
    for (let i = 0; i < 100; i++) {
        const id = crypto.randomUUID();
        eq(form.test(id), true);
        seen.add(id);
    }
    eq(seen.size, 100);
});

test("Crypto has one instance", () => {
    throws(() => new Crypto(), TypeError);
    eq(crypto instanceof Crypto, true);
    eq(`${crypto}`, "[object Crypto]");
    throws(() => Crypto.prototype.randomUUID.call({}), TypeError);
});

export default { fetch: () => run() };
