/*
 * subtle.js - SubtleCrypto (Web Cryptography API 14).
 *
 * An operation is done when its method returns; the promise is for manners.
 * Bytes are copied when something of the script's may still run before they
 * are used: only an algorithm that is an object can do that.
 */
const { isObject, isBufferSource, bytesOf, copyBytes, requireArgs, illegal,
    toEnum, toSequence, expose } = use("webidl");
const { utf8Decode } = use("blob");
const { CryptoKey, USAGES, newKey, recordOf, isKey, fail } = use("subtle_key");
const { normalize, supports, operationsOf } = use("subtle_algorithms");

const MAKE = {};
const FORMATS = ["raw", "spki", "pkcs8", "jwk"];
const DATA_MAX = 1024 * 1024 * 1024; // LIBCRYPTO_MAX in libcrypto.h

// ---- arguments -----------------------------------------------------------

const toAlgorithm = (v) => isObject(v) ? v : `${v}`;
const toFormat = (v) => toEnum(v, FORMATS, "The format");
const toUsages = (v) => toSequence(v,
    (usage) => toEnum(usage, USAGES, "A usage"), "The usages");

function toRecord(v) {
    if (!isKey(v))
        throw new TypeError("The key is not a CryptoKey");
    return recordOf(v);
}

function toData(v, what = "The data") {
    if (!isBufferSource(v))
        throw new TypeError(`${what} is not an ArrayBuffer or a view of one`);
    return v;
}

function sized(bytes) {
    if (bytes.length > DATA_MAX)
        fail("OperationError", `The data is over ${DATA_MAX} bytes`);
    return bytes;
}

const held = (v, algorithm) =>
    isObject(algorithm) ? sized(copyBytes(v)) : sized(bytesOf(v));

// JsonWebKey's own conversion is in a file that not all need
const toJwk = (v) => native.use("subtle_jwk").toJwk(v);

function toKeyData(v) {
    if (ArrayBuffer.isView(v) || isBufferSource(v))
        return toData(v, "The key's data");
    return toJwk(v);
}

// ---- steps that methods share --------------------------------------------

function checkKey(record, name, usage) {
    if (record.algorithm.name !== name)
        fail("InvalidAccessError",
            `The key is of ${record.algorithm.name} and not of ${name}`);
    if (!record.usages.includes(usage))
        fail("InvalidAccessError", `The key is not for "${usage}"`);
}

function noUsages(...records) {
    for (let i = 0; i < records.length; i++)
        native.resourceFree(records[i].id);
    fail("SyntaxError", "A key must have a usage");
}

function finishImport(record, usages) {
    if (record.type !== "public" && usages.length === 0)
        noUsages(record);
    return newKey({ ...record, usages });
}

function importRecord(format, data, params, extractable, usages) {
    const { importKey } = operationsOf(params.name);
    return finishImport(importKey(format, data, params, extractable, usages),
        usages);
}

function exportRecord(format, record) {
    const { name } = record.algorithm;
    if (!supports(name, "exportKey"))
        fail("NotSupportedError", `A key of ${name} is not exported`);
    if (!record.extractable)
        fail("InvalidAccessError", "The key is not extractable");
    return operationsOf(name).exportKey(format, record);
}

// 14.3.11 and 14.3.12: to wrap with whatever can encrypt, too
function normalizeEither(algorithm, first, second) {
    try {
        return [normalize(algorithm, first), first];
    } catch {
        return [normalize(algorithm, second), second];
    }
}

function parseJwk(bytes) {
    let value;
    try {
        value = JSON.parse(utf8Decode(bytes));
    } catch {
        fail("DataError", "The key is not JSON");
    }
    if (!isObject(value) || value.kty === undefined)
        fail("DataError", "The key is not a JWK");
    return toJwk(value);
}

function crypt(operation, algorithm, key, data) {
    data = held(data, algorithm);
    const params = normalize(algorithm, operation);
    checkKey(key, params.name, operation);
    return operationsOf(params.name)[operation](key, params, data);
}

function derive(params, key, usage, length) {
    checkKey(key, params.name, usage);
    return operationsOf(params.name).deriveBits(key, params, length);
}

// ---- the interface -------------------------------------------------------

class SubtleCrypto {
    #brand;
    constructor(key = undefined) {
        if (key !== MAKE)
            illegal();
    }
    async encrypt(algorithm, key, data) {
        this.#brand;
        requireArgs(arguments.length, 3, "SubtleCrypto.encrypt");
        return crypt("encrypt", toAlgorithm(algorithm), toRecord(key),
            toData(data)).buffer;
    }
    async decrypt(algorithm, key, data) {
        this.#brand;
        requireArgs(arguments.length, 3, "SubtleCrypto.decrypt");
        return crypt("decrypt", toAlgorithm(algorithm), toRecord(key),
            toData(data)).buffer;
    }
    async sign(algorithm, key, data) {
        this.#brand;
        requireArgs(arguments.length, 3, "SubtleCrypto.sign");
        return crypt("sign", toAlgorithm(algorithm), toRecord(key),
            toData(data)).buffer;
    }
    async verify(algorithm, key, signature, data) {
        this.#brand;
        requireArgs(arguments.length, 4, "SubtleCrypto.verify");
        algorithm = toAlgorithm(algorithm);
        key = toRecord(key);
        toData(signature, "The signature");
        toData(data);
        signature = held(signature, algorithm);
        data = held(data, algorithm);
        const params = normalize(algorithm, "verify");
        checkKey(key, params.name, "verify");
        return operationsOf(params.name).verify(key, params, signature, data);
    }
    async digest(algorithm, data) {
        this.#brand;
        requireArgs(arguments.length, 2, "SubtleCrypto.digest");
        algorithm = toAlgorithm(algorithm);
        data = held(toData(data), algorithm);
        const { name } = normalize(algorithm, "digest");
        return (native.digest(name, data) ??
            fail("OperationError", `${name} failed`)).buffer;
    }
    async generateKey(algorithm, extractable, keyUsages) {
        this.#brand;
        requireArgs(arguments.length, 3, "SubtleCrypto.generateKey");
        algorithm = toAlgorithm(algorithm);
        const usages = toUsages(keyUsages);
        const params = normalize(algorithm, "generateKey");
        const made = operationsOf(params.name).generateKey(params,
            !!extractable, usages);
        if (made.privateKey === undefined)
            return finishImport(made, usages);
        if (made.privateKey.usages.length === 0)
            noUsages(made.publicKey, made.privateKey);
        return {
            publicKey: newKey(made.publicKey),
            privateKey: newKey(made.privateKey)
        };
    }
    async deriveKey(algorithm, baseKey, derivedKeyType, extractable,
        keyUsages) {
        this.#brand;
        requireArgs(arguments.length, 5, "SubtleCrypto.deriveKey");
        algorithm = toAlgorithm(algorithm);
        const key = toRecord(baseKey);
        derivedKeyType = toAlgorithm(derivedKeyType);
        const usages = toUsages(keyUsages);
        const params = normalize(algorithm, "deriveBits");
        const kind = normalize(derivedKeyType, "importKey");
        const sizes = normalize(derivedKeyType, "getKeyLength");
        checkKey(key, params.name, "deriveKey");
        const length = operationsOf(sizes.name).getKeyLength(sizes);
        const bytes = derive(params, key, "deriveKey", length);
        return importRecord("raw", bytes, kind, !!extractable, usages);
    }
    async deriveBits(algorithm, baseKey, length = null) {
        this.#brand;
        requireArgs(arguments.length, 2, "SubtleCrypto.deriveBits");
        algorithm = toAlgorithm(algorithm);
        const key = toRecord(baseKey);
        length = length === null ? null : length >>> 0;
        const params = normalize(algorithm, "deriveBits");
        return derive(params, key, "deriveBits", length).buffer;
    }
    async importKey(format, keyData, algorithm, extractable, keyUsages) {
        this.#brand;
        requireArgs(arguments.length, 5, "SubtleCrypto.importKey");
        format = toFormat(format);
        let data = toKeyData(keyData);
        algorithm = toAlgorithm(algorithm);
        const usages = toUsages(keyUsages);
        if (isBufferSource(data) === (format === "jwk"))
            throw new TypeError(`The key's data is not of the format` +
                ` "${format}"`);
        if (format !== "jwk")
            data = sized(copyBytes(data));
        const params = normalize(algorithm, "importKey");
        return importRecord(format, data, params, !!extractable, usages);
    }
    async exportKey(format, key) {
        this.#brand;
        requireArgs(arguments.length, 2, "SubtleCrypto.exportKey");
        format = toFormat(format);
        const result = exportRecord(format, toRecord(key));
        return format === "jwk" ? result : result.buffer;
    }
    async wrapKey(format, key, wrappingKey, wrapAlgorithm) {
        this.#brand;
        requireArgs(arguments.length, 4, "SubtleCrypto.wrapKey");
        format = toFormat(format);
        const inner = toRecord(key), outer = toRecord(wrappingKey);
        const [params, operation] = normalizeEither(
            toAlgorithm(wrapAlgorithm), "wrapKey", "encrypt");
        checkKey(outer, params.name, "wrapKey");
        const made = exportRecord(format, inner);
        const bytes = format !== "jwk" ? made
            : native.textEncode(JSON.stringify(made));
        return operationsOf(params.name)[operation](outer, params,
            bytes).buffer;
    }
    async unwrapKey(format, wrappedKey, unwrappingKey, unwrapAlgorithm,
        unwrappedKeyAlgorithm, extractable, keyUsages) {
        this.#brand;
        requireArgs(arguments.length, 7, "SubtleCrypto.unwrapKey");
        format = toFormat(format);
        const data = toData(wrappedKey, "The wrapped key");
        const outer = toRecord(unwrappingKey);
        unwrapAlgorithm = toAlgorithm(unwrapAlgorithm);
        unwrappedKeyAlgorithm = toAlgorithm(unwrappedKeyAlgorithm);
        const usages = toUsages(keyUsages);
        const bytes = sized(copyBytes(data));
        const [params, operation] =
            normalizeEither(unwrapAlgorithm, "unwrapKey", "decrypt");
        const kind = normalize(unwrappedKeyAlgorithm, "importKey");
        checkKey(outer, params.name, "unwrapKey");
        const inner = operationsOf(params.name)[operation](outer, params,
            bytes);
        return importRecord(format,
            format === "jwk" ? parseJwk(inner) : inner, kind, !!extractable,
            usages);
    }
}
expose(SubtleCrypto, "SubtleCrypto");

return { CryptoKey, SubtleCrypto, subtle: new SubtleCrypto(MAKE) };
