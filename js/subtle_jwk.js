/*
 * subtle_jwk.js - JsonWebKey (Web Cryptography API 15; RFC 7517 and 7518).
 *
 *   toJwk(v)            the dictionary of what a script gave
 *   checkJwk(jwk, { kty, use, alg, usages, extractable })   throws a
 *       DataError; alg is a list of what it may be, or undefined
 *   jwkBytes(jwk, names)   those members' bytes; one missing is a DataError
 *   makeJwk(record, members)   members: texts, or bytes to encode
 */
const { toDictionary, toSequence } = use("webidl");
const { fail } = use("subtle_key");

const text = (v) => `${v}`;
const texts = (v) => toSequence(v, text, "key_ops");
const primes = (v) => toSequence(v, (prime) =>
    toMembers(toDictionary(prime, "oth"), { d: text, r: text, t: text }),
"oth");

// in the order they are read, and written
const MEMBERS = {
    alg: text, crv: text, d: text, dp: text, dq: text, e: text, ext: Boolean,
    k: text, key_ops: texts, kty: text, n: text, oth: primes, p: text,
    q: text, qi: text, use: text, x: text, y: text
};

function toMembers(object, types) {
    const result = {};
    for (const name of Object.keys(types)) {
        const value = object[name];
        if (value !== undefined)
            result[name] = types[name](value);
    }
    return result;
}

const toJwk = (v) => toMembers(toDictionary(v, "JsonWebKey"), MEMBERS);

const bad = (what) => fail("DataError", `The JWK's ${what}`);

function checkJwk(jwk, { kty, use: purpose, alg, usages, extractable }) {
    if (jwk.kty !== kty)
        bad(`kty is not "${kty}"`);
    if (alg !== undefined && jwk.alg !== undefined && !alg.includes(jwk.alg))
        bad(`alg is not "${alg[0]}"`);
    if (usages.length > 0 && jwk.use !== undefined && jwk.use !== purpose)
        bad(`use is not "${purpose}"`);
    const ops = jwk.key_ops;
    if (ops !== undefined && new Set(ops).size !== ops.length)
        bad("key_ops has a value twice"); // RFC 7517 section 4.3
    if (ops !== undefined && !usages.every((usage) => ops.includes(usage)))
        bad("key_ops has not all usages asked for");
    if (jwk.ext === false && extractable)
        bad("ext is false");
}

// ---- base64url (RFC 7515 section 2) --------------------------------------

function decode(string) {
    const binary = /^[\w-]*$/.test(string)
        ? native.base64Decode(string.replaceAll("-", "+")
            .replaceAll("_", "/"))
        : null;
    if (binary === null)
        return undefined;
    const bytes = new Uint8Array(binary.length);
    for (let i = 0; i < bytes.length; i++)
        bytes[i] = binary.charCodeAt(i);
    return bytes;
}

function encode(bytes) {
    let binary = "";
    for (let i = 0; i < bytes.length; i += 4096)
        binary += String.fromCharCode(...bytes.subarray(i, i + 4096));
    return native.base64Encode(binary).replaceAll("+", "-")
        .replaceAll("/", "_").replaceAll("=", "");
}

const jwkBytes = (jwk, names) => names.map((name) => {
    if (jwk[name] === undefined)
        bad(`${name} is missing`);
    return decode(jwk[name]) ?? bad(`${name} is not base64url`);
});

function makeJwk({ extractable, usages }, members) {
    const all = { ...members, ext: extractable, key_ops: [...usages] };
    const jwk = {};
    for (const name of Object.keys(MEMBERS)) {
        const value = all[name];
        if (value !== undefined)
            jwk[name] = value instanceof Uint8Array ? encode(value) : value;
    }
    return jwk;
}

return { toJwk, checkJwk, jwkBytes, makeJwk };
