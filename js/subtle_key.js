/*
 * subtle_key.js - CryptoKey (Web Cryptography API 13). The key itself is in C
 * (bind/crypto_key.h), known by a number.
 *
 * A record is what a key's slots hold: { type, extractable, algorithm,
 * usages, id }; algorithm.hash is a name there. newKey(record) takes it and
 * its id; recordOf(key) lends it; isKey(v). fail(name, message) throws a
 * DOMException, checkUsages(usages, allowed) a SyntaxError.
 */
const { isObject, illegal, brand, expose } = use("webidl");
const { domError } = use("exception");
const { kinds } = use("clone");
const { own } = use("resource");

// 13.1.4: the order of "normalized values"
const USAGES = ["encrypt", "decrypt", "sign", "verify", "deriveKey",
    "deriveBits", "wrapKey", "unwrapKey"];

class Slots extends function (o) { return o; } {
    #record;
    #algorithm; // what scripts see, made when they first look
    #usages;
    constructor(o, record) {
        super(o);
        this.#record = record;
    }
    static has(o) { return isObject(o) && #record in o; }
    static record(o) { return brand(o, Slots.has, "CryptoKey").#record; }
    static algorithm(o) {
        return o.#algorithm ??= visible(Slots.record(o).algorithm);
    }
    static usages(o) {
        return o.#usages ??= [...Slots.record(o).usages];
    }
}

// a copy: a script may change it, and the key is as it was
function visible({ hash, publicExponent, ...rest }) {
    if (publicExponent !== undefined)
        rest.publicExponent = publicExponent.slice();
    if (hash !== undefined)
        rest.hash = { name: hash };
    return rest;
}

class CryptoKey {
    constructor() { illegal(); }
    get type() { return Slots.record(this).type; }
    get extractable() { return Slots.record(this).extractable; }
    get algorithm() {
        brand(this, Slots.has, "CryptoKey");
        return Slots.algorithm(this);
    }
    get usages() {
        brand(this, Slots.has, "CryptoKey");
        return Slots.usages(this);
    }
}
expose(CryptoKey, "CryptoKey");

function newKey(record) {
    const key = Reflect.construct(native.HostObject, [], CryptoKey);
    new Slots(key, {
        ...record,
        usages: USAGES.filter((usage) => record.usages.includes(usage))
    });
    own(key, record.id);
    return key;
}

function fail(name, message) {
    throw domError(name, message);
}

function checkUsages(usages, allowed) {
    for (const usage of usages)
        if (!allowed.includes(usage))
            fail("SyntaxError", `Such a key is not for "${usage}"`);
}

// 13.5: the copy is another number for the same key
kinds.push({
    has: Slots.has,
    serialize: (o) => [o],
    deserialize([o]) {
        const record = Slots.record(o);
        return newKey({ ...record, id: native.keyShare(record.id) });
    }
});

return {
    CryptoKey, USAGES, newKey, recordOf: Slots.record,
    isKey: Slots.has, fail, checkUsages
};
