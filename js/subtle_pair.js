/*
 * subtle_pair.js - algorithms with a key pair: RSA, EC and those of the
 * Edwards and Montgomery curves (Web Cryptography API 20 to 24, 31, 32).
 *
 * Exports as subtle_secret.js does.
 */
const { recordOf, fail, checkUsages } = use("subtle_key");
const { checkJwk, jwkBytes, makeJwk } = use("subtle_jwk");
const { free } = use("resource");

const NONE = new Uint8Array(0);

const dataError = (name) =>
    fail("DataError", `This is no key for ${name}`);
const result = (value, name) =>
    value ?? fail("OperationError", `${name} failed`);

function checkType(record, type) {
    if (record.type !== type)
        fail("InvalidAccessError", `The key is not a ${type} key`);
}

/*
 * How a family has its keys. A `family` has
 *   type           the native's name
 *   usages         { public, private }
 *   parts          { public, private }: the members of a JWK
 *   raw            are there keys of format "raw"?
 *   jwk(params, jwk)      kty, use and alg to ask for; may throw
 *   curve(params)  what the natives call the curve, "" for none
 *   algorithm(name, params, id)     for the record
 *   exported(algorithm)   members of an exported JWK that are no parts
 */
function importJwk(family, jwk, params, extractable, usages) {
    const type = jwk.d === undefined ? "public" : "private";
    checkUsages(usages, family.usages[type]);
    checkJwk(jwk, { ...family.jwk(params, jwk), usages, extractable });
    const parts = jwkBytes(jwk, family.parts[type]);
    const id = native.keyImportParts(family.type, family.curve(params),
        type === "private", ...parts);
    for (const part of parts)
        part.fill(0);
    return { type, id };
}

function importDer(family, type, data, params, usages) {
    checkUsages(usages, family.usages[type]);
    const id = native.keyImportDer(family.type, family.curve(params),
        type === "private", data);
    return { type, id };
}

function importRaw(family, data, params, usages) {
    checkUsages(usages, family.usages.public);
    return {
        type: "public",
        id: native.keyImportRaw(family.type, family.curve(params), data)
    };
}

function importAny(family, format, data, params, extractable, usages) {
    if (format === "jwk")
        return importJwk(family, data, params, extractable, usages);
    if (format === "spki" || format === "pkcs8")
        return importDer(family, format === "spki" ? "public" : "private",
            data, params, usages);
    if (!family.raw)
        fail("NotSupportedError",
            `${params.name} has no keys of format "raw"`);
    return importRaw(family, data, params, usages);
}

function exportAny(family, format, record) {
    const { id, type, algorithm } = record;
    if (format === "jwk") {
        const members = family.exported(algorithm);
        const parts = native.keyParts(id);
        family.parts[type].forEach((name, i) => {
            members[name] = parts[i];
        });
        return makeJwk(record, members);
    }
    if (format === "raw" && !family.raw)
        fail("NotSupportedError",
            `${algorithm.name} has no keys of format "raw"`);
    checkType(record, format === "pkcs8" ? "private" : "public");
    return result(format === "raw" ? native.keyExportRaw(id)
        : native.keyExportDer(id), "The export");
}

const keysOf = (name, family) => ({
    generateKey(params, extractable, usages) {
        checkUsages(usages,
            [...family.usages.private, ...family.usages.public]);
        const made = result(family.generate(params), "Making a key");
        const [privateId, publicId] = made;
        const half = (type, id, extractable) => ({
            type, id, extractable, algorithm: family.algorithm(params, id),
            usages: usages.filter((u) => family.usages[type].includes(u))
        });
        return {
            publicKey: half("public", publicId, true),
            privateKey: half("private", privateId, extractable)
        };
    },
    importKey(format, data, params, extractable, usages) {
        const { type, id } =
            importAny(family, format, data, params, extractable, usages);
        if (id === null)
            dataError(name);
        const algorithm = family.algorithm(params, id);
        return { type, id, extractable, algorithm };
    },
    exportKey: (format, record) => exportAny(family, format, record)
});

function signer(name, hashOf, saltOf) {
    return {
        sign(record, params, data) {
            checkType(record, "private");
            return result(native.sign(record.id, name, hashOf(record, params),
                saltOf(params), data), name);
        },
        verify(record, params, signature, data) {
            checkType(record, "public");
            return native.verify(record.id, name, hashOf(record, params),
                saltOf(params), signature, data);
        }
    };
}

// ---- RSA -----------------------------------------------------------------

const SIGNER = { public: ["verify"], private: ["sign"] };

const rsa = (name, prefix, usages, operations) => {
    // RFC 7518 sections 3 and 4; for OAEP, SHA-1 has no number
    const algOf = (hash) => prefix !== "RSA-OAEP" ? prefix + hash.slice(4)
        : hash === "SHA-1" ? prefix : prefix + hash.slice(3);
    return {
        ...keysOf(name, {
            type: "RSA", usages, raw: false,
            parts: {
                public: ["n", "e"],
                private: ["n", "e", "d", "p", "q", "dp", "dq", "qi"]
            },
            curve: () => "",
            generate: ({ modulusLength, publicExponent }) =>
                native.keyGenerate("RSA", modulusLength, publicExponent),
            algorithm({ hash }, id) {
                const [, , modulusLength, publicExponent] =
                    native.keyInfo(id);
                return { name, modulusLength, publicExponent, hash };
            },
            jwk({ hash }, { oth }) {
                if (oth !== undefined)
                    fail("NotSupportedError",
                        "RSA keys of more than two primes");
                return {
                    kty: "RSA", alg: [algOf(hash)],
                    use: usages === SIGNER ? "sig" : "enc"
                };
            },
            exported: ({ hash }) => ({ kty: "RSA", alg: algOf(hash) })
        }),
        ...operations
    };
};

const hashOfKey = ({ algorithm }) => algorithm.hash;

const oaep = {
    encrypt(record, { label = NONE }, data) {
        checkType(record, "public");
        return result(native.rsaEncrypt(record.id, hashOfKey(record), label,
            data), "RSA-OAEP");
    },
    decrypt(record, { label = NONE }, data) {
        checkType(record, "private");
        return result(native.rsaDecrypt(record.id, hashOfKey(record), label,
            data), "RSA-OAEP");
    }
};

// ---- agreement -----------------------------------------------------------

const AGREE = { public: [], private: ["deriveKey", "deriveBits"] };

// The first bits; those left of the last byte are 0.
function cut(bytes, length) {
    const part = bytes.slice(0, Math.ceil(length / 8));
    if (length % 8 !== 0)
        part[part.length - 1] &= 0xff << 8 - length % 8;
    bytes.fill(0);
    return part;
}

const agree = {
    deriveBits(record, params, length) {
        const other = recordOf(params.public), { name } = params;
        checkType(record, "private");
        checkType(other, "public");
        if (other.algorithm.name !== name ||
            other.algorithm.namedCurve !== record.algorithm.namedCurve)
            fail("InvalidAccessError", `${name}: public is of another kind`);
        const bytes = result(native.keyAgree(record.id, other.id), name);
        if (length === null)
            return bytes;
        if (length > bytes.length * 8)
            fail("OperationError",
                `${name}: length is over ${bytes.length * 8}`);
        return cut(bytes, length);
    }
};

// ---- EC ------------------------------------------------------------------

const CURVES = { "P-256": "ES256", "P-384": "ES384", "P-521": "ES512" };
const isCurve = (name) => Object.keys(CURVES).includes(name);

const ec = (name, usages, operations) => ({
    ...keysOf(name, {
        type: "EC", usages, raw: true,
        parts: { public: ["x", "y"], private: ["x", "y", "d"] },
        curve: ({ namedCurve }) => isCurve(namedCurve) ? namedCurve
            : fail("DataError", `${namedCurve} is not a curve of ${name}`),
        generate({ namedCurve }) {
            if (!isCurve(namedCurve))
                fail("NotSupportedError",
                    `${namedCurve} is not a curve of ${name}`);
            return native.keyGenerate("EC", namedCurve, NONE);
        },
        algorithm: ({ namedCurve }) => ({ name, namedCurve }),
        jwk({ namedCurve }, jwk) {
            if (jwk.crv !== namedCurve)
                fail("DataError", `The JWK's crv is not "${namedCurve}"`);
            return {
                kty: "EC", use: name === "ECDSA" ? "sig" : "enc",
                alg: name === "ECDSA" ? [CURVES[namedCurve]] : undefined
            };
        },
        exported: ({ namedCurve }) => ({ kty: "EC", crv: namedCurve })
    }),
    ...operations
});

// ---- Ed25519, X25519 and their like --------------------------------------

const okp = (name, usages, operations) => ({
    ...keysOf(name, {
        type: name, usages, raw: true,
        parts: { public: ["x"], private: ["x", "d"] },
        curve: () => "",
        generate: () => native.keyGenerate(name, "", NONE),
        algorithm: () => ({ name }),
        jwk(params, jwk) {
            if (jwk.crv !== name)
                fail("DataError", `The JWK's crv is not "${name}"`);
            return usages === SIGNER
                ? { kty: "OKP", use: "sig", alg: [name, "EdDSA"] }
                : { kty: "OKP", use: "enc" };
        },
        exported: () => ({
            kty: "OKP", crv: name, alg: usages === SIGNER ? name : undefined
        })
    }),
    ...operations
});

function noContext(record, { context = NONE }) {
    if (context.length !== 0)
        fail("OperationError", "Ed448: a context is not supported");
    return "";
}

const noSalt = () => 0;

return {
    "RSASSA-PKCS1-v1_5": rsa("RSASSA-PKCS1-v1_5", "RS", SIGNER,
        signer("RSASSA-PKCS1-v1_5", hashOfKey, noSalt)),
    "RSA-PSS": rsa("RSA-PSS", "PS", SIGNER,
        signer("RSA-PSS", hashOfKey, ({ saltLength }) => saltLength)),
    "RSA-OAEP": rsa("RSA-OAEP", "RSA-OAEP", {
        public: ["encrypt", "wrapKey"], private: ["decrypt", "unwrapKey"]
    }, oaep),
    ECDSA: ec("ECDSA", SIGNER,
        signer("ECDSA", (record, { hash }) => hash, noSalt)),
    ECDH: ec("ECDH", AGREE, agree),
    Ed25519: okp("Ed25519", SIGNER, signer("Ed25519", () => "", noSalt)),
    Ed448: okp("Ed448", SIGNER, signer("Ed448", noContext, noSalt)),
    X25519: okp("X25519", AGREE, agree),
    X448: okp("X448", AGREE, agree)
};
