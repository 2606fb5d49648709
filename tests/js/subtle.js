/* crypto.subtle, with vectors of NIST and of RFCs: Web Cryptography API 14. */
import { test, eq, ok, rejects, throws, run } from "./tap.js";

const { subtle } = crypto;
const utf8 = (text) => new TextEncoder().encode(text);
const hex = (buffer) => [...new Uint8Array(buffer)]
    .map((byte) => byte.toString(16).padStart(2, "0")).join("");
const unhex = (text) =>
    new Uint8Array(text.match(/../g)?.map((pair) => parseInt(pair, 16)) ?? []);
const aesKey = (name, text, ...usages) =>
    subtle.importKey("raw", unhex(text), name, true, usages);

// ---- digests -------------------------------------------------------------

test("digest gives the hashes of FIPS 180-4", async () => {
    const of = async (name) => hex(await subtle.digest(name, utf8("abc")));
    eq(await of("SHA-1"), "a9993e364706816aba3e25717850c26c9cd0d89d");
    eq(await of("sha-256"), "ba7816bf8f01cfea414140de5dae2223" +
        "b00361a396177a9cb410ff61f20015ad");
    ok((await of({ name: "SHA-384" })).startsWith("cb00753f45a35e8bb5a03d69"));
    ok((await of("SHA-512")).startsWith("ddaf35a193617abacc417349ae204131"));
    await rejects(of("MD5"), "NotSupportedError");
    await rejects(of({}), TypeError);
    await rejects(subtle.digest("SHA-256", "abc"), TypeError);
    await rejects(subtle.digest("SHA-256"), TypeError);
});

test("an algorithm's getter cannot change the data any more", async () => {
    const data = utf8("abc");
    const algorithm = {
        get name() {
            data[0] = 0;
            return "SHA-1";
        }
    };
    eq(hex(await subtle.digest(algorithm, data)),
        "a9993e364706816aba3e25717850c26c9cd0d89d");
});

// ---- secrets -------------------------------------------------------------

test("HMAC signs and verifies (RFC 4231, case 2)", async () => {
    const key = await subtle.importKey("raw", utf8("Jefe"),
        { name: "HMAC", hash: "SHA-256" }, false, ["sign", "verify"]);
    const data = utf8("what do ya want for nothing?");
    const tag = await subtle.sign("HMAC", key, data);
    eq(hex(tag), "5bdcc146bf60754e6a042426089575c7" +
        "5a003f089d2739839dec58b964ec3843");
    ok(await subtle.verify("HMAC", key, tag, data));
    ok(!await subtle.verify("HMAC", key, tag.slice(1), data));
    ok(!await subtle.verify("HMAC", key, tag, utf8("nothing")));
});

const PLAIN = "6bc1bee22e409f96e93d7e117393172a" +
    "ae2d8a571e03ac9c9eb76fac45af8e51"; // SP 800-38A, appendix F
const KEY = "2b7e151628aed2a6abf7158809cf4f3c";

test("AES-CBC pads and unpads (SP 800-38A F.2.1)", async () => {
    const key = await aesKey("AES-CBC", KEY, "encrypt", "decrypt");
    const params = {
        name: "AES-CBC", iv: unhex("000102030405060708090a0b0c0d0e0f")
    };
    const sealed = await subtle.encrypt(params, key, unhex(PLAIN));
    eq(hex(sealed).slice(0, 64), "7649abac8119b246cee98e9b12e9197d" +
        "5086cb9b507219ee95db113a917678b2");
    eq(sealed.byteLength, 48);
    eq(hex(await subtle.decrypt(params, key, sealed)), PLAIN);
    await rejects(subtle.decrypt(params, key, sealed.slice(0, 40)),
        "OperationError");
    params.iv = new Uint8Array(8);
    await rejects(subtle.encrypt(params, key, unhex(PLAIN)),
        "OperationError");
});

test("AES-CTR counts (SP 800-38A F.5.1)", async () => {
    const key = await aesKey("AES-CTR", KEY, "encrypt");
    const counter = unhex("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff");
    eq(hex(await subtle.encrypt({ name: "AES-CTR", counter, length: 64 }, key,
        unhex(PLAIN))), "874d6191b620e3261bef6864990db6ce" +
        "9806f66b7970fdff8617187bb9fffdff");
});

test("AES-CTR goes round in the counter's bits only", async () => {
    const key = await aesKey("AES-CTR", KEY, "encrypt");
    const stream = async (counter, length, size) =>
        hex(await subtle.encrypt({ name: "AES-CTR", counter, length }, key,
            new Uint8Array(size)));
    for (const length of [1, 4, 8, 60, 64, 100, 128]) {
        const low = new Uint8Array(16);
        const high = low.map((_, i) => {
            const bits = length - 8 * (15 - i);
            return bits >= 8 ? 255 : bits > 0 ? (1 << bits) - 1 : 0;
        });
        eq(await stream(high, length, 32),
            await stream(high, length, 16) + await stream(low, length, 16));
    }
    await rejects(stream(new Uint8Array(16), 1, 33), "OperationError");
    await rejects(stream(new Uint8Array(16), 0, 1), "OperationError");
    await rejects(stream(new Uint8Array(16), 129, 1), "OperationError");
});

test("AES-GCM seals, and opens what is whole", async () => {
    // the designers' test case 4
    const key = await aesKey("AES-GCM", "feffe9928665731c6d6a8f9467308308",
        "encrypt", "decrypt");
    const params = {
        name: "AES-GCM", iv: unhex("cafebabefacedbaddecaf888"),
        additionalData: unhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    };
    const plain = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d" +
        "8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39";
    const sealed = await subtle.encrypt(params, key, unhex(plain));
    eq(hex(sealed), "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e" +
        "2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091" +
        "5bc94fbc3221a5db94fae95ae7121a47");
    eq(hex(await subtle.decrypt(params, key, sealed)), plain);
    const short = { ...params, tagLength: 96 };
    eq(hex(await subtle.encrypt(short, key, unhex(plain))),
        hex(sealed).slice(0, -8));
    const broken = new Uint8Array(sealed);
    broken[3] ^= 1;
    await rejects(subtle.decrypt(params, key, broken), "OperationError");
    await rejects(subtle.decrypt(params, key, broken.slice(0, 8)),
        "OperationError");
    short.tagLength = 95;
    await rejects(subtle.encrypt(short, key, sealed), "OperationError");
});

test("AES-GCM takes an iv of any length but none", async () => {
    const key = await aesKey("AES-GCM", KEY, "encrypt", "decrypt");
    // by a program that follows SP 800-38D bit by bit
    for (const [size, expected] of [
        [16, "257851ffe44b7d3a3ff2d28be1c942c15ba0858a0d"],
        [128, "1f468a819688e51b79f273e76cbce7d1351ce6d710"],
        [129, "40a8575a9ac6e07265226b1cda47b07ff3beba28dc"],
        [200, "f93b24508fef6b0ab2b42be2255041e7edbd161f25"],
        [4096, "f71905f0651c06d9a9c63555a34ca0688c25060a32"]]) {
        const params = {
            name: "AES-GCM", iv: new Uint8Array(size).map((_, i) => i)
        };
        const sealed = await subtle.encrypt(params, key, utf8("hello"));
        eq(hex(sealed), expected, `${size} bytes`);
        eq(hex(await subtle.decrypt(params, key, sealed)), "68656c6c6f");
    }
    await rejects(subtle.encrypt(
        { name: "AES-GCM", iv: new Uint8Array(0) }, key, utf8("hello")),
    "OperationError");
});

test("AES-KW wraps (RFC 3394 section 4.1)", async () => {
    const outer = await aesKey("AES-KW", "000102030405060708090a0b0c0d0e0f",
        "wrapKey", "unwrapKey");
    const inner = await aesKey("AES-GCM", "00112233445566778899aabbccddeeff",
        "encrypt");
    const wrapped = await subtle.wrapKey("raw", inner, outer, "AES-KW");
    eq(hex(wrapped), "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5");
    const again = await subtle.unwrapKey("raw", wrapped, outer, "AES-KW",
        "AES-GCM", true, ["decrypt"]);
    eq(hex(await subtle.exportKey("raw", again)),
        "00112233445566778899aabbccddeeff");
    const broken = new Uint8Array(wrapped);
    broken[0] ^= 1;
    await rejects(subtle.unwrapKey("raw", broken, outer, "AES-KW", "AES-GCM",
        true, ["decrypt"]), "OperationError");
});

test("HKDF derives (RFC 5869, cases 1 and 3)", async () => {
    const key = await subtle.importKey("raw", unhex("0b".repeat(22)), "HKDF",
        false, ["deriveBits", "deriveKey"]);
    const derive = async (salt, info, bits) => hex(await subtle.deriveBits({
        name: "HKDF", hash: "SHA-256", salt: unhex(salt), info: unhex(info)
    }, key, bits));
    eq(await derive("000102030405060708090a0b0c", "f0f1f2f3f4f5f6f7f8f9", 336),
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf" +
        "34007208d5b887185865");
    eq(await derive("", "", 336),
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d" +
        "9d201395faa4b61a96c8");
    eq(await derive("", "", 0), "");
    eq((await derive("", "00".repeat(5000), 8160 * 8)).length, 16320);
    await rejects(derive("", "", 8161 * 8), "OperationError");
    await rejects(derive("", "", 12), "OperationError");
    await rejects(derive("", "", null), "OperationError");
});

test("PBKDF2 derives (RFC 6070), within bounds", async () => {
    const key = await subtle.importKey("raw", utf8("password"), "PBKDF2",
        false, ["deriveBits"]);
    const derive = async (iterations, bits) => hex(await subtle.deriveBits({
        name: "PBKDF2", hash: "SHA-1", salt: utf8("salt"), iterations
    }, key, bits));
    eq(await derive(1, 160), "0c60c80f961f0e71f3a9b524af6012062fe037a6");
    eq(await derive(4096, 160), "4b007901b765489abead49d926f721d065a429c1");
    await rejects(derive(0, 160), "OperationError");
    const e = await rejects(derive(10000001, 160), "OperationError");
    ok(e.message.includes("10000000"), e.message);
    await rejects(derive(5000001, 168), "OperationError");
    await rejects(derive(1, 2 ** 32 - 8), "OperationError");
});

test("deriveKey makes a key of the bits", async () => {
    const base = await subtle.importKey("raw", utf8("x"), "HKDF", false,
        ["deriveKey"]);
    const params = {
        name: "HKDF", hash: "SHA-256", salt: utf8(""), info: utf8("")
    };
    const key = await subtle.deriveKey(params, base,
        { name: "AES-GCM", length: 192 }, true, ["encrypt"]);
    eq([key.algorithm.length, (await subtle.exportKey("raw", key)).byteLength],
        [192, 24]);
    await rejects(subtle.deriveBits(params, base, 8), "InvalidAccessError");
    await rejects(subtle.deriveKey(params, base,
        { name: "AES-GCM", length: 1 }, true, ["encrypt"]), "OperationError");
});

// ---- pairs ---------------------------------------------------------------

const ED = {
    kty: "OKP", crv: "Ed25519",
    x: "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    d: "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
}; // RFC 8037 appendix A

test("Ed25519 signs (RFC 8032 section 7.1, test 1)", async () => {
    const key = await subtle.importKey("jwk", ED, "Ed25519", true, ["sign"]);
    const { d, ...half } = ED;
    const open = await subtle.importKey("jwk", half, "Ed25519", true,
        ["verify"]);
    const signature = await subtle.sign("Ed25519", key, utf8(""));
    eq(hex(signature), "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873" +
        "e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe246551414" +
        "38e7a100b");
    ok(await subtle.verify("Ed25519", open, signature, utf8("")));
    ok(!await subtle.verify("Ed25519", open, signature, utf8("x")));
    eq([key.type, open.type], ["private", "public"]);
    await rejects(subtle.sign("Ed25519", open, utf8("")),
        "InvalidAccessError");
    eq(await subtle.exportKey("jwk", key),
        { alg: "Ed25519", ...ED, ext: true, key_ops: ["sign"] });
});

test("X25519 agrees (RFC 7748 section 6.1)", async () => {
    const key = await subtle.importKey("pkcs8", unhex(
        "302e020100300506032b656e04220420" +
        "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"),
    "X25519", false, ["deriveBits"]);
    const other = await subtle.importKey("raw", unhex(
        "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"),
    "X25519", true, []);
    const derive = async (length) => hex(await subtle.deriveBits(
        { name: "X25519", public: other }, key, length));
    const all =
        "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";
    eq(await derive(null), all);
    eq(await derive(12), "4a50");
    await rejects(derive(264), "OperationError");
});

test("ECDSA verifies a JWS (RFC 7515 appendix A.3)", async () => {
    const key = await subtle.importKey("jwk", {
        kty: "EC", crv: "P-256",
        x: "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        y: "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
    }, { name: "ECDSA", namedCurve: "P-256" }, true, ["verify"]);
    const binary = atob("DtEhU3ljbEg8L38VWAfUAqOyKAM6+Xx+F4GawxaepmXFCgfTjDxw" +
        "5djxLa8ISlSApmWQxfKTUJqPP3+Kg6NU1Q");
    const signature = Uint8Array.from(binary, (c) => c.charCodeAt(0));
    const data = utf8("eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEz" +
        "MDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ");
    const params = { name: "ECDSA", hash: "SHA-256" };
    ok(await subtle.verify(params, key, signature, data));
    data[0] ^= 1;
    ok(!await subtle.verify(params, key, signature, data));
    ok(!await subtle.verify(params, key, signature.slice(1), data));
});

test("ECDH: both sides derive the same key", async () => {
    for (const namedCurve of ["P-256", "P-384", "P-521"]) {
        const make = () => subtle.generateKey({ name: "ECDH", namedCurve },
            false, ["deriveBits"]);
        const a = await make(), b = await make();
        const derive = async (mine, theirs) => hex(await subtle.deriveBits(
            { name: "ECDH", public: theirs.publicKey }, mine.privateKey));
        eq(await derive(a, b), await derive(b, a));
    }
    await rejects(subtle.generateKey({ name: "ECDH", namedCurve: "P-1" },
        false, ["deriveBits"]), "NotSupportedError");
});

const RSA = {
    modulusLength: 1024, publicExponent: new Uint8Array([1, 0, 1]),
    hash: "SHA-256"
};

test("RSA keys survive each format, and sign", async () => {
    for (const [name, saltLength] of [["RSASSA-PKCS1-v1_5"], ["RSA-PSS", 20]]) {
        const params = { name, saltLength, hash: "SHA-256" };
        const { publicKey, privateKey } = await subtle.generateKey(
            { name, ...RSA }, true, ["sign", "verify"]);
        eq([...publicKey.usages, ...privateKey.usages], ["verify", "sign"]);
        for (const format of ["jwk", "spki"]) {
            const secret = format === "jwk" ? "jwk" : "pkcs8";
            const mine = await subtle.importKey(secret,
                await subtle.exportKey(secret, privateKey), params, true,
                ["sign"]);
            const theirs = await subtle.importKey(format,
                await subtle.exportKey(format, publicKey), params, true,
                ["verify"]);
            eq(theirs.algorithm.modulusLength, 1024);
            const signature = await subtle.sign(params, mine, utf8("x"));
            ok(await subtle.verify(params, theirs, signature, utf8("x")));
            ok(!await subtle.verify(params, theirs, signature, utf8("y")));
        }
    }
});

test("RSA-OAEP wraps keys as JSON", async () => {
    const { publicKey, privateKey } = await subtle.generateKey(
        { name: "RSA-OAEP", ...RSA, modulusLength: 2048 }, true,
        ["encrypt", "decrypt", "wrapKey", "unwrapKey"]);
    const label = utf8("label"), params = { name: "RSA-OAEP", label };
    const sealed = await subtle.encrypt(params, publicKey, utf8("hello"));
    eq(hex(await subtle.decrypt(params, privateKey, sealed)), "68656c6c6f");
    await rejects(subtle.decrypt("RSA-OAEP", privateKey, sealed),
        "OperationError");
    await rejects(subtle.encrypt(params, publicKey, new Uint8Array(500)),
        "OperationError");
    const inner = await aesKey("AES-CBC", KEY, "encrypt");
    const wrapped = await subtle.wrapKey("jwk", inner, publicKey, params);
    const again = await subtle.unwrapKey("jwk", wrapped, privateKey, params,
        "AES-CBC", true, ["encrypt"]);
    eq(hex(await subtle.exportKey("raw", again)), KEY);
    const text = await subtle.encrypt(params, publicKey, utf8("no JSON"));
    await rejects(subtle.unwrapKey("jwk", text, privateKey, params, "AES-CBC",
        true, ["encrypt"]), "DataError");
});

test("an exponent or modulus out of bounds is an OperationError", async () => {
    const make = (more) => subtle.generateKey(
        { name: "RSA-PSS", ...RSA, ...more }, true, ["sign"]);
    await rejects(make({ publicExponent: new Uint8Array([1]) }),
        "OperationError");
    await rejects(make({ modulusLength: 1000000 }), "OperationError");
    await rejects(make({ modulusLength: 2 ** 32 }), TypeError);
});

// ---- keys ----------------------------------------------------------------

test("a key is only for its usages, and its algorithm", async () => {
    const key = await aesKey("AES-CBC", KEY, "encrypt");
    const iv = new Uint8Array(16);
    await rejects(subtle.decrypt({ name: "AES-CBC", iv }, key, iv),
        "InvalidAccessError");
    await rejects(subtle.encrypt({ name: "AES-GCM", iv }, key, iv),
        "InvalidAccessError");
    await rejects(subtle.encrypt({ name: "HMAC", iv }, key, iv),
        "NotSupportedError");
    await rejects(subtle.encrypt("AES-CBC", key, iv), TypeError);
    await rejects(aesKey("AES-CBC", KEY, "sign"), "SyntaxError");
    await rejects(aesKey("AES-CBC", KEY, "paint"), TypeError);
    await rejects(aesKey("AES-CBC", KEY), "SyntaxError");
    await rejects(aesKey("AES-CBC", "00", "encrypt"), "DataError");
});

test("a key that is not extractable stays inside", async () => {
    const key = await subtle.generateKey({ name: "AES-GCM", length: 128 },
        false, ["encrypt"]);
    const outer = await aesKey("AES-KW", KEY, "wrapKey");
    for (const format of ["raw", "jwk"]) {
        await rejects(subtle.exportKey(format, key), "InvalidAccessError");
        await rejects(subtle.wrapKey(format, key, outer, "AES-KW"),
            "InvalidAccessError");
    }
    await rejects(subtle.exportKey("spki", outer), "NotSupportedError");
    await rejects(subtle.exportKey("text", outer), TypeError);
});

test("what a script does to a key's attributes leaves the key", async () => {
    const key = await subtle.generateKey({ name: "HMAC", hash: "SHA-1" },
        true, ["verify", "sign"]);
    eq(key.algorithm, { name: "HMAC", length: 512, hash: { name: "SHA-1" } });
    eq(key.usages, ["sign", "verify"]);
    ok(key.algorithm === key.algorithm && key.usages === key.usages);
    key.algorithm.hash.name = "SHA-512";
    key.usages.length = 0;
    eq((await subtle.sign("HMAC", key, utf8("x"))).byteLength, 20);
    throws(() => new CryptoKey(), TypeError);
    throws(() => new SubtleCrypto(), TypeError);
    throws(() => CryptoKey.prototype.algorithm, TypeError);
    await rejects(SubtleCrypto.prototype.digest.call({}, "SHA-1", utf8("")),
        TypeError);
});

test("structuredClone copies a key, extractable or not", async () => {
    const key = await subtle.importKey("raw", utf8("k"),
        { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
    const { list: [copy] } = structuredClone({ list: [key] });
    ok(copy instanceof CryptoKey && copy !== key);
    eq([copy.type, copy.extractable, copy.usages], ["secret", false, ["sign"]]);
    eq(hex(await subtle.sign("HMAC", copy, utf8("x"))),
        hex(await subtle.sign("HMAC", key, utf8("x"))));
    await rejects(subtle.exportKey("raw", copy), "InvalidAccessError");
    ok(structuredClone(key) instanceof CryptoKey);
});

test("a JWK that contradicts itself or the call is a DataError", async () => {
    const jwk = { kty: "oct", k: "AAECAwQFBgcICQoLDA0ODw" };
    const load = (more, usages = ["encrypt"]) => subtle.importKey("jwk",
        { ...jwk, ...more }, "AES-CBC", true, usages);
    eq((await load({ alg: "A128CBC", use: "enc", ext: true })).type, "secret");
    for (const more of [{ kty: "EC" }, { kty: undefined }, { k: undefined },
        { k: "A" }, { k: "+/==" }, { k: "AAAA" }, { alg: "A128GCM" },
        { alg: "A256CBC" }, { use: "sig" }, { key_ops: ["decrypt"] },
        { key_ops: ["encrypt", "encrypt"] }, { ext: false }])
        await rejects(load(more), "DataError");
    await rejects(load({ key_ops: "encrypt" }), TypeError);
    await rejects(subtle.importKey("jwk", utf8("{}"), "AES-CBC", true,
        ["encrypt"]), TypeError);
    await rejects(subtle.importKey("raw", jwk, "AES-CBC", true, ["encrypt"]),
        TypeError);
    const off = { ...ED, x: ED.x.replace("1", "2") };
    await rejects(subtle.importKey("jwk", off, "Ed25519", true, ["sign"]),
        "DataError");
    await rejects(subtle.importKey("jwk", { ...ED, d: undefined }, "Ed25519",
        true, ["sign"]), "SyntaxError");
});

test("a changed Array iterator is not shown what a key is", async () => {
    const { value } = Object.getOwnPropertyDescriptor(Array.prototype,
        Symbol.iterator);
    const gcm = await aesKey("AES-GCM", "00".repeat(16), "encrypt", "decrypt");
    const cbc = await aesKey("AES-CBC", "00".repeat(16), "encrypt", "decrypt");
    const iv = new Uint8Array(16), seen = [];
    const run = async (key) => {
        const algorithm = { name: key.algorithm.name, iv };
        await subtle.decrypt(algorithm, key,
            await subtle.encrypt(algorithm, key, iv));
    };
    Array.prototype[Symbol.iterator] = function () {
        for (let i = 0; i < this.length; i++)
            if (this[i]?.extractable !== undefined)
                seen.push(this[i]);
        return value.call(this);
    };
    try {
        await run(gcm);
        await run(cbc);
    } finally {
        Array.prototype[Symbol.iterator] = value;
    }
    eq(seen.length, 0);
});

export default { fetch: () => run() };
