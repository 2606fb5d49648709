/*
 * subtle_algorithms.js - which algorithm has which operation, and what a
 * script may say of it (Web Cryptography API 18.4).
 *
 *   normalize(algorithm, op)   { name, and the members of its dictionary },
 *       a copy; hash is a name; throws
 *   supports(name, op)         is there that operation?
 *   operationsOf(name)         how: what subtle_secret.js or subtle_pair.js
 *       has under that name
 */
const { isObject, isBufferSource, copyBytes } = use("webidl");
const { isKey, fail } = use("subtle_key");

// ---- dictionaries --------------------------------------------------------

const wrong = (what) => {
    throw new TypeError(`The algorithm's ${what}`);
};

// [EnforceRange]
const integer = (max) => (v, name) => {
    const x = Math.trunc(+v);
    if (!(x >= 0 && x <= max))
        wrong(`${name} is not an integer from 0 to ${max}`);
    return x + 0;
};
const octet = integer(0xff);
const short = integer(0xffff);
const long = integer(0xffffffff);
const string = (v) => `${v}`;
const bytes = (v, name) =>
    isBufferSource(v) ? v : wrong(`${name} has no bytes`);
const uint8 = (v, name) => isBufferSource(v) && v instanceof Uint8Array ? v
    : wrong(`${name} is not a Uint8Array`);
const cryptoKey = (v, name) => isKey(v) ? v
    : wrong(`${name} is not a CryptoKey`);
const identifier = (v) => isObject(v) ? v : `${v}`;

// The members of each in the order they are read; "?" may be absent.
const DICTIONARIES = {
    AesCbcParams: { iv: bytes },
    AesCtrParams: { counter: bytes, length: octet },
    AesGcmParams: { "additionalData?": bytes, iv: bytes, "tagLength?": octet },
    AesKeyGenParams: { length: short },
    HmacParams: { hash: identifier, "length?": long },
    RsaGenParams:
        { modulusLength: long, publicExponent: uint8, hash: identifier },
    HashParams: { hash: identifier },
    RsaPssParams: { saltLength: long },
    RsaOaepParams: { "label?": bytes },
    EcParams: { namedCurve: string },
    ContextParams: { "context?": bytes },
    PublicParams: { public: cryptoKey },
    HkdfParams: { hash: identifier, info: bytes, salt: bytes },
    Pbkdf2Params: { hash: identifier, iterations: long, salt: bytes }
};

// ---- the registry --------------------------------------------------------

const none = {};
const cipher = (params) => ({ encrypt: params, decrypt: params });
const signer = (params) => ({ sign: params, verify: params });
const keys = (generateKey, importKey) =>
    ({ generateKey, importKey, exportKey: none });
const {
    AesKeyGenParams, HmacParams, RsaGenParams, HashParams, EcParams,
    PublicParams
} = DICTIONARIES;

const aes = (operations) => ({
    file: "subtle_secret", ...keys(AesKeyGenParams, none), ...operations,
    getKeyLength: AesKeyGenParams
});
const kdf = (params) => ({
    file: "subtle_secret", importKey: none, deriveBits: params,
    getKeyLength: none
});
const pair = (keyOperations, operations) =>
    ({ file: "subtle_pair", ...keyOperations, ...operations });
const rsa = (operations) => pair(keys(RsaGenParams, HashParams), operations);
const ec = (operations) => pair(keys(EcParams, EcParams), operations);
const okp = (operations) => pair(keys(none, none), operations);

const REGISTRY = {
    __proto__: null,
    "SHA-1": { digest: none },
    "SHA-256": { digest: none },
    "SHA-384": { digest: none },
    "SHA-512": { digest: none },
    "AES-CBC": aes(cipher(DICTIONARIES.AesCbcParams)),
    "AES-CTR": aes(cipher(DICTIONARIES.AesCtrParams)),
    "AES-GCM": aes(cipher(DICTIONARIES.AesGcmParams)),
    "AES-KW": aes({ wrapKey: none, unwrapKey: none }),
    "HMAC": {
        file: "subtle_secret", ...keys(HmacParams, HmacParams),
        ...signer(none), getKeyLength: HmacParams
    },
    "HKDF": kdf(DICTIONARIES.HkdfParams),
    "PBKDF2": kdf(DICTIONARIES.Pbkdf2Params),
    "RSASSA-PKCS1-v1_5": rsa(signer(none)),
    "RSA-PSS": rsa(signer(DICTIONARIES.RsaPssParams)),
    "RSA-OAEP": rsa(cipher(DICTIONARIES.RsaOaepParams)),
    "ECDSA": ec(signer(HashParams)),
    "ECDH": ec({ deriveBits: PublicParams }),
    "Ed25519": okp(signer(none)),
    "Ed448": okp(signer(DICTIONARIES.ContextParams)),
    "X25519": okp({ deriveBits: PublicParams }),
    "X448": okp({ deriveBits: PublicParams })
};
const NAMES = new Map(Object.keys(REGISTRY)
    .map((name) => [name.toUpperCase(), name]));

const supports = (name, op) => REGISTRY[name][op] !== undefined;
const operationsOf = (name) => native.use(REGISTRY[name].file)[name];

// ---- normalizing ---------------------------------------------------------

// Web IDL: all members are converted before anything else is looked at
function toMembers(algorithm, dictionary) {
    const members = {};
    for (const key of Object.keys(dictionary)) {
        const name = key.replace("?", ""), value = algorithm[name];
        if (value !== undefined)
            members[name] = dictionary[key](value, name);
        else if (name === key)
            wrong(`${name} is missing`);
    }
    return members;
}

function normalize(algorithm, op) {
    if (!isObject(algorithm))
        algorithm = { __proto__: null, name: algorithm };
    const given = algorithm.name;
    if (given === undefined)
        wrong("name is missing");
    // only ASCII: a dotless i is none of ours in capitals
    const wanted = `${given}`;
    const name = /^[\x21-\x7e]*$/.test(wanted)
        ? NAMES.get(wanted.toUpperCase()) : undefined;
    if (name === undefined || !supports(name, op))
        fail("NotSupportedError",
            `The algorithm "${wanted}" is not supported for this`);
    const result = toMembers(algorithm, REGISTRY[name][op]);
    for (const key of Object.keys(result))
        if (key === "hash")
            result.hash = normalize(result.hash, "digest").name;
        else if (isBufferSource(result[key]))
            result[key] = copyBytes(result[key]);
    result.name = name;
    return result;
}

return { normalize, supports, operationsOf };
