/*
 * crypto.js - the Crypto interface (Web Cryptography API 10).
 */
const { isObject, isBufferSource, bytesOf, requireArgs, illegal, expose } =
    use("webidl");
const { domError } = use("exception");

const { get: viewName } = Object.getOwnPropertyDescriptor(
    Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag);
const MAKE = {};
const QUOTA = 65536;
const DIGITS = "0123456789abcdef";

class Crypto {
    #brand;
    constructor(key = undefined) {
        if (key !== MAKE)
            illegal();
    }
    get subtle() {
        this.#brand;
        return native.use("subtle").subtle;
    }
    // 10.1.1
    getRandomValues(array) {
        this.#brand;
        requireArgs(arguments.length, 1, "Crypto.getRandomValues");
        if (!ArrayBuffer.isView(array) || !isBufferSource(array))
            throw new TypeError(
                "Crypto.getRandomValues: array is not an ArrayBufferView");
        const name = Reflect.apply(viewName, array, []);
        if (name === undefined || name.startsWith("Float"))
            throw domError("TypeMismatchError",
                "Crypto.getRandomValues: array is not of integers");
        const bytes = bytesOf(array);
        if (bytes.length > QUOTA)
            throw domError("QuotaExceededError",
                `Crypto.getRandomValues: over ${QUOTA} bytes`);
        native.randomFill(bytes);
        return array;
    }
    // 10.1.2; RFC 9562 section 5.4
    randomUUID() {
        this.#brand;
        const bytes = new Uint8Array(16);
        native.randomFill(bytes);
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let text = "";
        for (let i = 0; i < 16; i++) {
            if (i === 4 || i === 6 || i === 8 || i === 10)
                text += "-";
            text += DIGITS[bytes[i] >> 4] + DIGITS[bytes[i] & 15];
        }
        return text;
    }
}
expose(Crypto, "Crypto");

return { Crypto, crypto: new Crypto(MAKE) };
