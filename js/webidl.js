/*
 * webidl.js - conversions and class manners of Web IDL.
 *
 * Conversions (3.2) throw TypeError; `what` names the value in the message.
 *   toUSVString(v) toByteString(v) toEnum(v, values, what)
 *   toLong toUnsignedShort toLongLong toUnsignedLongLong
 *       (v, { enforceRange, clamp })
 *   toCallback(v, what)      any function
 *   toSequence(v, item, what, method)  Array; method: @@iterator already read
 *   toRecord(v, key, value, what)      Array of [key, value]
 *   toDictionary(v, what)    an object to read members from, never null
 * Bytes: isBufferSource(v, allowShared) bytesOf(v) copyBytes(v); a detached
 *   buffer has no bytes.
 * Classes: expose(Class, name, constants) at the end of a class's file;
 *   mixinIterable(Class, name, entriesOf) after it: entriesOf(this) gives the
 *   list of pairs as it is now, or throws for a wrong `this`;
 *   defineOperation(target, name, fn); requireArgs(count, needed, what);
 *   brand(v, test, type); illegal(); checkGlobal(this) in what the global
 *   object has. exposed lists them for console.inspect: { proto, entriesOf },
 *   entriesOf undefined where there are no pairs.
 * A method's `length` is its number of required arguments: give optional
 * ones a default (`= undefined`).
 */
const typedProto = Object.getPrototypeOf(Uint8Array.prototype);
const getterOf = (proto, key) =>
    Object.getOwnPropertyDescriptor(proto, key).get;
const viewGetters = (proto) => ({
    buffer: getterOf(proto, "buffer"),
    offset: getterOf(proto, "byteOffset"),
    length: getterOf(proto, "byteLength")
});
const typedView = viewGetters(typedProto);
const dataView = viewGetters(DataView.prototype);
const typedTag = getterOf(typedProto, Symbol.toStringTag);
const isView = ArrayBuffer.isView;
const call = Function.prototype.call.bind(Function.prototype.call);
const EMPTY = Object.freeze({ __proto__: null });
const IteratorPrototype = Object.getPrototypeOf(
    Object.getPrototypeOf([][Symbol.iterator]()));

const isObject = (v) =>
    (typeof v === "object" && v !== null) || typeof v === "function";

function fail(what, is) {
    throw new TypeError(`${what === undefined ? "Value" : what} ${is}`);
}

function toUSVString(v) {
    const s = `${v}`;
    if (s.toWellFormed !== undefined)
        return s.toWellFormed();
    return s.replace(/[\uD800-\uDFFF]/gu, "\uFFFD");
}

// not by a regular expression: the first Response would compile it
function toByteString(v) {
    const s = `${v}`;
    for (let i = 0; i < s.length; i++)
        if (s.charCodeAt(i) > 255)
            fail(JSON.stringify(s.slice(0, 60)), "has a character over 255");
    return s;
}

// 3.3.6 abstract-opdef-converttoint
function integer(bits, signed) {
    const size = 2 ** bits;
    const upper = bits === 64 ? Number.MAX_SAFE_INTEGER
        : (signed ? size / 2 : size) - 1;
    const lower = !signed ? 0 : bits === 64 ? -upper : -size / 2;
    return function (v, { enforceRange, clamp } = EMPTY) {
        let x = +v;
        if (x >= lower && x <= upper && x === Math.trunc(x))
            return x + 0;
        if (enforceRange) {
            x = Math.trunc(x) + 0;
            if (!(x >= lower && x <= upper))
                fail(undefined, `${v} is outside the range of an integer`);
            return x;
        }
        if (clamp) {
            if (x !== x)
                return 0;
            x = Math.min(Math.max(x, lower), upper);
            const down = Math.floor(x), rest = x - down;
            if (rest < 0.5 || (rest === 0.5 && down % 2 === 0))
                return down + 0;
            return down + 1 + 0;
        }
        if (x !== x || x === Infinity || x === -Infinity)
            return 0;
        x = Math.trunc(x) % size + 0;
        if (x < 0)
            x += size;
        return signed && x >= size / 2 ? x - size : x;
    };
}
const toLong = integer(32, true);
const toUnsignedShort = integer(16, false);
const toLongLong = integer(64, true);
const toUnsignedLongLong = integer(64, false);

function toEnum(v, values, what) {
    const s = `${v}`;
    if (!values.includes(s))
        fail(what, `cannot be "${s}"`);
    return s;
}

function toCallback(v, what) {
    if (typeof v !== "function")
        fail(what, "is not a function");
    return v;
}

// 3.2.21.1 create-sequence-from-iterable: a throwing item does not close it
function toSequence(v, item, what, method) {
    if (!isObject(v))
        fail(what, "is not a sequence");
    method ??= v[Symbol.iterator];
    if (typeof method !== "function")
        fail(what, "is not iterable");
    const iterator = call(method, v);
    if (!isObject(iterator))
        fail(what, "has an iterator that is not an object");
    const next = iterator.next;
    const list = [];
    for (;;) {
        const step = call(next, iterator);
        if (!isObject(step))
            fail(what, "has an iterator result that is not an object");
        if (step.done)
            return list;
        list.push(item(step.value));
    }
}

// 3.2.23
function toRecord(v, key, value, what) {
    if (!isObject(v))
        fail(what, "is not an object");
    const map = new Map();
    for (const k of Reflect.ownKeys(v)) {
        const d = Reflect.getOwnPropertyDescriptor(v, k);
        if (d === undefined || !d.enumerable)
            continue;
        const name = key(k);
        map.set(name, value(v[k]));
    }
    return [...map];
}

function toDictionary(v, what) {
    if (v === undefined || v === null)
        return EMPTY;
    if (!isObject(v))
        fail(what, "is not an object");
    return v;
}

const gettersOf = (view) =>
    call(typedTag, view) === undefined ? dataView : typedView;

function isBufferSource(v, allowShared) {
    if (isView(v))
        return !!allowShared ||
            native.kindOf(call(gettersOf(v).buffer, v)) !== 8;
    if (typeof v !== "object" || v === null)
        return false;
    const kind = native.kindOf(v);
    return kind === 7 || (kind === 8 && !!allowShared);
}

// A Uint8Array on the same bytes; v has passed isBufferSource.
function bytesOf(v) {
    if (!isView(v))
        return native.isDetached(v) ? new Uint8Array(0) : new Uint8Array(v);
    const get = gettersOf(v), buffer = call(get.buffer, v);
    if (native.isDetached(buffer))
        return new Uint8Array(0);
    return new Uint8Array(buffer, call(get.offset, v), call(get.length, v));
}

const copyBytes = (v) => new Uint8Array(bytesOf(v));

function requireArgs(count, needed, what) {
    if (count < needed)
        throw new TypeError(`${what} needs ${needed} argument` +
            `${needed === 1 ? "" : "s"}, got ${count}`);
}

function illegal() {
    throw new TypeError("Illegal constructor");
}

function brand(v, test, type) {
    if (!test(v))
        throw new TypeError(`Illegal invocation: this is not a ${type}`);
    return v;
}

// 3.7.6 and 3.7.7: undefined and null stand for the global object
function checkGlobal(v) {
    if (v !== undefined && v !== null && v !== globalThis)
        throw new TypeError(
            "Illegal invocation: this is not the global object");
}

function defineOperation(target, name, value) {
    Object.defineProperty(target, name,
        { value, writable: true, enumerable: true, configurable: true });
}

const exposed = [];

function recordOf(proto) {
    let record = exposed.find((r) => r.proto === proto);
    if (record === undefined)
        exposed.push(record = { proto, entriesOf: undefined });
    return record;
}

// 3.7: members enumerable, constants on both, @@toStringTag
function expose(Class, name = Class.name, constants = EMPTY) {
    const proto = Class.prototype;
    recordOf(proto);
    for (const target of [proto, Class])
        for (const key of Object.getOwnPropertyNames(target))
            if (key !== "constructor" && key !== "prototype" &&
                key !== "length" && key !== "name")
                Object.defineProperty(target, key, { enumerable: true });
    // "name" and "length" may be members of a prototype
    for (const key of ["name", "length"])
        if (Object.prototype.hasOwnProperty.call(proto, key))
            Object.defineProperty(proto, key, { enumerable: true });
    for (const key of Object.keys(constants))
        for (const target of [Class, proto])
            Object.defineProperty(target, key,
                { value: constants[key], enumerable: true });
    Object.defineProperty(proto, Symbol.toStringTag,
        { value: name, configurable: true });
    Object.defineProperty(Class, "prototype", { writable: false });
    Object.defineProperty(Class, "name",
        { value: name, configurable: true });
}

// 3.7.9 and 3.7.10: iterable<K, V>
function mixinIterable(Class, name, entriesOf) {
    recordOf(Class.prototype).entriesOf = entriesOf;
    class PairIterator {
        #target;
        #pick;
        #index = 0;
        constructor(target, pick) {
            this.#target = target;
            this.#pick = pick;
        }
        next() {
            if (!isObject(this) || !(#index in this))
                throw new TypeError(
                    `Illegal invocation: this is not a ${name} Iterator`);
            const list = this.#target === undefined ? EMPTY
                : entriesOf(this.#target);
            if (!(this.#index < list.length)) {
                this.#target = undefined;
                return { value: undefined, done: true };
            }
            const pair = list[this.#index++], pick = this.#pick;
            return {
                value: pick === 2 ? [pair[0], pair[1]] : pair[pick],
                done: false
            };
        }
    }
    const iterator = PairIterator.prototype;
    delete iterator.constructor;
    Object.setPrototypeOf(iterator, IteratorPrototype);
    Object.defineProperty(iterator, "next", { enumerable: true });
    Object.defineProperty(iterator, Symbol.toStringTag,
        { value: `${name} Iterator`, configurable: true });

    const members = {
        entries() {
            entriesOf(this);
            return new PairIterator(this, 2);
        },
        keys() {
            entriesOf(this);
            return new PairIterator(this, 0);
        },
        values() {
            entriesOf(this);
            return new PairIterator(this, 1);
        },
        forEach(callback, thisArg = undefined) {
            let list = entriesOf(this);
            requireArgs(arguments.length, 1, `${name}.forEach`);
            toCallback(callback, `${name}.forEach: callback`);
            for (let i = 0; i < list.length; list = entriesOf(this))
                call(callback, thisArg, list[i][1], list[i++][0], this);
        }
    };
    for (const key of Object.keys(members))
        defineOperation(Class.prototype, key, members[key]);
    Object.defineProperty(Class.prototype, Symbol.iterator,
        { value: members.entries, writable: true, configurable: true });
}

return {
    toUSVString, toByteString, toLong, toUnsignedShort, toLongLong,
    toUnsignedLongLong, toEnum, toCallback, toSequence, toRecord,
    toDictionary, isObject, isBufferSource, bytesOf, copyBytes, requireArgs,
    illegal, brand, checkGlobal, defineOperation, expose, mixinIterable,
    exposed
};
