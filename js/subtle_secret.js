/*
 * subtle_secret.js - algorithms whose key is a secret: AES, HMAC, HKDF and
 * PBKDF2 (Web Cryptography API 25 to 30, 33 and 34).
 *
 * Each export has operations by the standard's names. They take and give
 * records (subtle_key.js) whose usages the caller sets, Uint8Arrays that are
 * theirs alone, and normalized algorithms.
 */
const { fail, checkUsages } = use("subtle_key");
const { checkJwk, jwkBytes, makeJwk } = use("subtle_jwk");

const EMPTY = new Uint8Array(0);
const SECRET_MAX = 1024 * 1024; // bytes; KEY_SECRET_MAX in crypto_key.h
const ROUNDS_MAX = 10000000;    // these two as in crypto_kdf.c
const OUTPUT_MAX = 1024 * 1024;

// The number of a new key in C; the bytes are given up.
function keep(bytes) {
    const id = bytes.length > SECRET_MAX ? null : native.keySecret(bytes);
    bytes.fill(0);
    return id ?? fail("OperationError",
        "The key is too long, or too many are held");
}

const secret = (bytes, algorithm, extractable) =>
    ({ type: "secret", extractable, algorithm, id: keep(bytes) });

function random(size) {
    if (size > SECRET_MAX)
        fail("OperationError", `A key is at most ${SECRET_MAX} bytes`);
    const bytes = new Uint8Array(size);
    native.randomFill(bytes);
    return bytes;
}

const result = (bytes, what) =>
    bytes ?? fail("OperationError", `${what} failed`);

function unknownFormat(format, name) {
    fail("NotSupportedError", `${name} has no keys of format "${format}"`);
}

// The bytes of a "raw" or "jwk" key.
function importBytes(format, data, name, demands) {
    if (format === "raw")
        return data;
    if (format !== "jwk")
        unknownFormat(format, name);
    if (data.kty !== "oct")
        fail("DataError", 'The JWK\'s kty is not "oct"');
    const [bytes] = jwkBytes(data, ["k"]);
    checkJwk(data, demands(bytes));
    return bytes;
}

// ---- AES -----------------------------------------------------------------

const aesLength = (bits) => bits === 128 || bits === 192 || bits === 256;

function getAesLength({ length }) {
    if (!aesLength(length))
        fail("OperationError", "An AES key has 128, 192 or 256 bits");
    return length;
}

const aes = (name, usages, operations) => ({
    generateKey(params, extractable, wanted) {
        checkUsages(wanted, usages);
        const length = getAesLength(params);
        return secret(random(length / 8), { name, length }, extractable);
    },
    importKey(format, data, params, extractable, wanted) {
        checkUsages(wanted, usages);
        const bytes = importBytes(format, data, name, ({ length }) => ({
            kty: "oct", use: "enc", usages: wanted, extractable,
            alg: [`A${length * 8}${name.slice(4)}`]
        }));
        const length = bytes.length * 8;
        if (!aesLength(length))
            fail("DataError", "An AES key has 128, 192 or 256 bits");
        return secret(bytes, { name, length }, extractable);
    },
    exportKey(format, record) {
        const bytes = native.keyBytes(record.id);
        if (format === "raw")
            return bytes;
        if (format !== "jwk")
            unknownFormat(format, name);
        const { length } = record.algorithm;
        return makeJwk(record,
            { kty: "oct", k: bytes, alg: `A${length}${name.slice(4)}` });
    },
    getKeyLength: getAesLength,
    ...operations
});

const TAGS = [32, 64, 96, 104, 112, 120, 128];

function cbc(encrypt, { id }, { iv }, data) {
    if (iv.length !== 16)
        fail("OperationError", "AES-CBC: iv is not of 16 bytes");
    return result(native.aesCbc(id, encrypt, iv, data), "AES-CBC");
}

function ctr({ id }, { counter, length }, data) {
    if (counter.length !== 16)
        fail("OperationError", "AES-CTR: counter is not of 16 bytes");
    if (length < 1 || length > 128)
        fail("OperationError", "AES-CTR: length is not from 1 to 128");
    return result(native.aesCtr(id, counter, length, data), "AES-CTR");
}

function gcm(encrypt, { id }, params, data) {
    const { iv, additionalData = EMPTY, tagLength = 128 } = params;
    if (!TAGS.includes(tagLength))
        fail("OperationError",
            `AES-GCM: tagLength is none of ${TAGS.join(", ")}`);
    return result(native.aesGcm(id, encrypt, iv, additionalData,
        tagLength / 8, data), "AES-GCM");
}

const kw = (wrap, { id }, data) =>
    result(native.aesKw(id, wrap, data), "AES-KW");

const CIPHER = ["encrypt", "decrypt", "wrapKey", "unwrapKey"];

// ---- HMAC ----------------------------------------------------------------

// 30.7.1: bits of the hash's block
const blockOf = (hash) => hash === "SHA-1" || hash === "SHA-256" ? 512 : 1024;

const HMAC_USAGES = ["sign", "verify"];
const hmacAlg = (hash) => `HS${hash.slice(4)}`;

const HMAC = {
    generateKey({ name, hash, length = blockOf(hash) }, extractable, usages) {
        checkUsages(usages, HMAC_USAGES);
        if (length === 0)
            fail("OperationError", "HMAC: a key has one bit at least");
        return secret(random(Math.ceil(length / 8)), { name, hash, length },
            extractable);
    },
    importKey(format, data, { name, hash, length }, extractable, usages) {
        checkUsages(usages, HMAC_USAGES);
        const bytes = importBytes(format, data, name, () => ({
            kty: "oct", use: "sig", usages, extractable, alg: [hmacAlg(hash)]
        }));
        const bits = bytes.length * 8;
        length ??= bits;
        if (bits === 0 || length > bits || length <= bits - 8)
            fail("DataError", "HMAC: the key is not of the length given");
        return secret(bytes, { name, hash, length }, extractable);
    },
    exportKey(format, record) {
        const bytes = native.keyBytes(record.id);
        if (format === "raw")
            return bytes;
        if (format !== "jwk")
            unknownFormat(format, "HMAC");
        const { hash } = record.algorithm;
        return makeJwk(record, { kty: "oct", k: bytes, alg: hmacAlg(hash) });
    },
    getKeyLength({ hash, length = blockOf(hash) }) {
        if (length === 0)
            throw new TypeError("HMAC: a key has one bit at least");
        return length;
    },
    sign: ({ id, algorithm }, params, data) =>
        result(native.hmacSign(id, algorithm.hash, data), "HMAC"),
    verify: ({ id, algorithm }, params, signature, data) =>
        result(native.hmacVerify(id, algorithm.hash, data, signature), "HMAC")
};

// ---- HKDF and PBKDF2 -----------------------------------------------------

const kdf = (name, derive) => ({
    importKey(format, data, params, extractable, usages) {
        if (format !== "raw")
            unknownFormat(format, name);
        checkUsages(usages, ["deriveKey", "deriveBits"]);
        if (extractable)
            fail("SyntaxError", `${name}: a key cannot be extractable`);
        return secret(data, { name }, false);
    },
    getKeyLength: () => null,
    deriveBits({ id }, params, length) {
        if (length === null || length % 8 !== 0)
            fail("OperationError", `${name}: length is no multiple of 8`);
        return derive(id, params, length / 8);
    }
});

const hkdf = (id, { hash, salt, info }, size) =>
    result(native.hkdf(id, hash, salt, info, size), "HKDF");

function pbkdf2(id, { hash, salt, iterations }, size) {
    if (iterations === 0)
        fail("OperationError", "PBKDF2: iterations is 0");
    if (size === 0)
        return EMPTY.slice();
    if (size > OUTPUT_MAX)
        fail("OperationError", `PBKDF2: length is over ${8 * OUTPUT_MAX}`);
    const digest = { "SHA-1": 20, "SHA-256": 32, "SHA-384": 48 }[hash] ?? 64;
    if (iterations * Math.ceil(size / digest) > ROUNDS_MAX)
        fail("OperationError",
            `PBKDF2: iterations is over ${ROUNDS_MAX} in all`);
    return result(native.pbkdf2(id, hash, salt, iterations, size), "PBKDF2");
}

return {
    "AES-CBC": aes("AES-CBC", CIPHER, {
        encrypt: (record, params, data) => cbc(true, record, params, data),
        decrypt: (record, params, data) => cbc(false, record, params, data)
    }),
    "AES-CTR": aes("AES-CTR", CIPHER, { encrypt: ctr, decrypt: ctr }),
    "AES-GCM": aes("AES-GCM", CIPHER, {
        encrypt: (record, params, data) => gcm(true, record, params, data),
        decrypt: (record, params, data) => gcm(false, record, params, data)
    }),
    "AES-KW": aes("AES-KW", ["wrapKey", "unwrapKey"], {
        wrapKey: (record, params, data) => kw(true, record, data),
        unwrapKey: (record, params, data) => kw(false, record, data)
    }),
    HMAC,
    HKDF: kdf("HKDF", hkdf),
    PBKDF2: kdf("PBKDF2", pbkdf2)
};
