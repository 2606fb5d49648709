/*
 * absent.js - what V8 leaves out of an isolate that can be written, as far as
 * JavaScript can make it.
 *
 * V8 adds to each context what it ships behind a flag. It does so for one made
 * of an image too, and ends the process when such a name is there already or
 * its object takes no more; so none may be in an image. install() makes what
 * is missing; take() takes all of these names away, ours and the application's,
 * and gives what is to be put back when V8 has added its own.
 *
 * What the application keeps of ours goes on; an object of a class here
 * is none of V8's class of that name, though.
 *
 * Sections are those of ECMA-262 as of 2026.
 */
const { apply, construct, defineProperty, deleteProperty,
    getOwnPropertyDescriptor, isExtensible, ownKeys } = Reflect;
const { captureStackTrace } = Error;
const { abs, min, trunc } = Math;
const { find } = Array.prototype;
const { codePointAt } = String.prototype;
const { hasOwnProperty } = Object.prototype;
const { isInteger } = Number;
const { getUint16, setUint16 } = DataView.prototype;
const hex = Number.prototype.toString;
const TypedArray = Object.getPrototypeOf(Uint8Array);
const getter = (name) =>
    getOwnPropertyDescriptor(TypedArray.prototype, name).get;
const typedLength = getter("length"), typedBuffer = getter("buffer"),
    typedTag = getter(Symbol.toStringTag);
const rejected = Promise.reject.bind(Promise);
const dispose = Symbol.dispose, asyncDispose = Symbol.asyncDispose;
const ERROR = 6; // native.kindOf

const isObject = (v) =>
    (typeof v === "object" && v !== null) || typeof v === "function";

// V8's own words, which differ from version to version
function needFunction(f) {
    if (typeof f !== "function")
        apply(find, [], [f]);
    return f;
}

function needObject(v, method) {
    if (v === undefined || v === null)
        throw new TypeError(method === undefined
            ? "Cannot convert undefined or null to object"
            : `${method} called on null or undefined`);
    return Object(v);
}

// 7.1.5
function toInteger(v) {
    const n = trunc(v);
    return n !== n ? 0 : n;
}

// 7.3.10
function methodOf(o, key) {
    const f = o[key];
    return f === undefined || f === null ? undefined : needFunction(f);
}

/* ---- lists: 22.1.3.1, 23.1.3, 23.2.3 ------------------------------------ */

// 7.3.18
const lengthOf = (o) => {
    const n = toInteger(o.length);
    return n <= 0 ? 0 : min(n, Number.MAX_SAFE_INTEGER);
};

// 23.2.4.4
function typedLengthOf(o, method) {
    if (!isObject(o) || apply(typedTag, o, []) === undefined)
        throw new TypeError("this is not a typed array.");
    if (native.isDetached(apply(typedBuffer, o, [])))
        throw new TypeError("Cannot perform %TypedArray%.prototype." +
            `${method} on a detached ArrayBuffer`);
    return apply(typedLength, o, []);
}

function itemAt(o, n, index) {
    const relative = toInteger(index);
    const k = relative >= 0 ? relative : n + relative;
    return k < 0 || k >= n ? undefined : o[k];
}

// 23.1.3.12.1, downwards
function findDown(o, n, predicate, self) {
    needFunction(predicate);
    for (let index = n - 1; index >= 0; index--) {
        const value = o[index];
        if (apply(predicate, self, [value, index, o]))
            return { index, value };
    }
    return { index: -1, value: undefined };
}

const ofArray = {
    at(index) {
        const o = needObject(this);
        return itemAt(o, lengthOf(o), index);
    },
    findLast(predicate) {
        const o = needObject(this, "Array.prototype.findLast");
        return findDown(o, lengthOf(o), predicate, arguments[1]).value;
    },
    findLastIndex(predicate) {
        const o = needObject(this, "Array.prototype.findLastIndex");
        return findDown(o, lengthOf(o), predicate, arguments[1]).index;
    }
};

const ofTypedArray = {
    at(index) {
        return itemAt(this, typedLengthOf(this, "at"), index);
    },
    findLast(predicate) {
        const n = typedLengthOf(this, "findLast");
        return findDown(this, n, predicate, arguments[1]).value;
    },
    findLastIndex(predicate) {
        const n = typedLengthOf(this, "findLastIndex");
        return findDown(this, n, predicate, arguments[1]).index;
    }
};

const ofString = {
    at(index) {
        needObject(this, "String.prototype.at");
        const s = `${this}`;
        return itemAt(s, s.length, index);
    }
};

/* ---- small ones ---------------------------------------------------------- */

// 20.1.2.14
const ofObject = {
    hasOwn(object, key) {
        return apply(hasOwnProperty, needObject(object), [key]);
    }
};

// 20.5.2.1
const ofError = {
    isError(arg) {
        return native.kindOf(arg) === ERROR;
    }
};

// 27.2.4.8
const ofPromise = {
    try(callback, ...args) {
        if (!isObject(this))
            throw new TypeError("Promise.try called on non-object");
        let resolve, reject;
        const promise = construct(this, [(a, b) => {
            if (resolve !== undefined || reject !== undefined)
                throw new TypeError("Promise executor has already been " +
                    "invoked with non-undefined arguments");
            resolve = a;
            reject = b;
        }]);
        if (typeof resolve !== "function" || typeof reject !== "function")
            throw new TypeError("Promise resolve or reject function is not " +
                "callable");
        let settle = resolve, value;
        try {
            value = apply(callback, undefined, args);
        } catch (e) {
            settle = reject;
            value = e;
        }
        apply(settle, undefined, [value]);
        return promise;
    }
};

// 22.2.5.1
const SYNTAX = "^$\\.*+?()[]{}|/", OTHER = ",-=<>#&!%:;@~'`\"";
const CONTROLS = "\t\n\v\f\r", LETTERS = "tnvfr";
const BLANKS = " \xa0\ufeff\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006" +
    "\u2007\u2008\u2009\u200a\u202f\u205f\u3000\u2028\u2029";
const within = (list, c) => {
    for (let i = 0; i < list.length; i++)
        if (list[i] === c)
            return i;
    return -1;
};
const isAlphanumeric = (c) => (c >= "0" && c <= "9" && c.length === 1) ||
    (c >= "a" && c <= "z" && c.length === 1) ||
    (c >= "A" && c <= "Z" && c.length === 1);

function hexEscape(code) {
    const digits = apply(hex, code, [16]);
    if (code > 0xff)
        return `\\u${digits.length < 4 ? "0" : ""}${digits}`;
    return `\\x${digits.length < 2 ? "0" : ""}${digits}`;
}

const ofRegExp = {
    escape(string) {
        if (typeof string !== "string")
            throw new TypeError("input argument must be a string");
        let out = "";
        for (let i = 0, c; i < string.length; i += c.length) {
            const code = apply(codePointAt, string, [i]);
            c = code > 0xffff ? string[i] + string[i + 1] : string[i];
            const control = within(CONTROLS, c);
            if (within(SYNTAX, c) >= 0)
                out += `\\${c}`;
            else if (control >= 0)
                out += `\\${LETTERS[control]}`;
            else if ((i === 0 && isAlphanumeric(c)) || within(OTHER, c) >= 0 ||
                within(BLANKS, c) >= 0 || (code >= 0xd800 && code <= 0xdfff))
                out += hexEscape(code);
            else
                out += c;
        }
        return out;
    }
};

// 27.1.2.1 and 27.1.3.1
const ofIterator = {
    [dispose]() {
        const f = methodOf(this, "return");
        if (f !== undefined)
            apply(f, this, []);
    }
};

async function endAsync(iterator) {
    const f = methodOf(iterator, "return");
    if (f !== undefined)
        await apply(f, iterator, [undefined]);
}

const ofAsyncIterator = {
    [asyncDispose]() {
        return endAsync(this);
    }
};

// 25.4.10
const ofAtomics = {
    pause() {
        const n = arguments[0];
        if (n !== undefined && !isInteger(n))
            throw new TypeError("Atomics.pause argument must be undefined or " +
                "an integer");
    }
};

/* ---- numbers of 16 bits: 6.1.6.1, 21.3.2.17, 25.3.4 ---------------------- */

const SMALLEST = 2 ** -14; // that is normal

// The power of two of a number that is normal, or that of those that are not.
function scaleOf(a) {
    let scale = SMALLEST;
    while (a >= 2 * scale)
        scale *= 2;
    return scale;
}

function round16(x) {
    const a = abs(x);
    if (!(a > 0 && a < Infinity))
        return x;
    if (a >= 65520)
        return x < 0 ? -Infinity : Infinity;
    const even = scaleOf(a) * 2 ** 42; // the sum has no bits below 10 of a's
    const r = a + even - even;
    return x < 0 ? -r : r;
}

function toBits(x) {
    const r = round16(x), a = abs(r);
    if (r !== r)
        return 0x7e00;
    const sign = r < 0 || 1 / r < 0 ? 0x8000 : 0;
    if (a === Infinity)
        return sign | 0x7c00;
    if (a < SMALLEST)
        return sign | a * 2 ** 24;
    let exponent = 1;
    for (let scale = SMALLEST; a >= 2 * scale; scale *= 2)
        exponent++;
    return sign | exponent << 10 | a / scaleOf(a) * 1024 - 1024;
}

function fromBits(bits) {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = bits >> 10 & 31, fraction = bits & 1023;
    if (exponent === 0)
        return sign * fraction * 2 ** -24;
    if (exponent === 31)
        return fraction !== 0 ? NaN : sign * Infinity;
    return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

const ofMath = {
    f16round(x) {
        return round16(+x);
    }
};

const ofDataView = {
    getFloat16(byteOffset) {
        return fromBits(apply(getUint16, this, [byteOffset, arguments[1]]));
    },
    setFloat16(byteOffset, value) {
        const at = toInteger(byteOffset);
        if (at < 0 || at > Number.MAX_SAFE_INTEGER)
            throw new RangeError("Offset is outside the bounds of the " +
                "DataView");
        apply(setUint16, this, [at, toBits(+value), arguments[2]]);
    }
};

/* ---- what is disposed of: 20.5.8, 27.3, 27.4 ----------------------------- */

const hidden = (value) =>
    ({ __proto__: null, value, writable: true, configurable: true });

function SuppressedError(error, suppressed, message) {
    const made = construct(Error, message === undefined ? [] : [message],
        new.target ?? SuppressedError);
    defineProperty(made, "error", hidden(error));
    defineProperty(made, "suppressed", hidden(suppressed));
    captureStackTrace?.(made, SuppressedError);
    return made;
}
Object.setPrototypeOf(SuppressedError, Error);
defineProperty(SuppressedError, "prototype", {
    value: Object.create(Error.prototype, {
        constructor: hidden(SuppressedError),
        name: hidden("SuppressedError"),
        message: hidden("")
    }),
    writable: false
});

// Each failure has the one before it as what it suppresses.
class Failure {
    failed = false;
    note(e) {
        this.error = this.failed ? new SuppressedError(e, this.error) : e;
        this.failed = true;
    }
    end() {
        if (this.failed)
            throw this.error;
    }
}

function needOpen(top, method) {
    if (top === undefined)
        throw new ReferenceError(`Cannot call ${method} on an ` +
            "already-disposed DisposableStack");
}

// 7.5.6: what disposes of value; undefined when there is nothing to do
function disposerOf(value, key) {
    if (value === undefined || value === null)
        return undefined;
    const f = isObject(value) ? methodOf(value, key) : undefined;
    if (f !== undefined)
        return () => apply(f, value, []);
    if (key === dispose || !isObject(value))
        throw new TypeError("Symbol(Symbol.dispose) is not a function");
    const sync = disposerOf(value, dispose);
    return () => { sync(); };
}

// 27.3
class DisposableStack {
    #top = null; // { run, below }; undefined when disposed of
    get disposed() {
        return this.#top === undefined;
    }
    #add(value, run) {
        if (run !== undefined)
            this.#top = { run, below: this.#top };
        return value;
    }
    adopt(value, onDispose) {
        needOpen(this.#top, "DisposableStack.prototype.adopt");
        needFunction(onDispose);
        return this.#add(value, () => apply(onDispose, undefined, [value]));
    }
    defer(onDispose) {
        needOpen(this.#top, "DisposableStack.prototype.defer");
        needFunction(onDispose);
        this.#add(undefined, () => apply(onDispose, undefined, []));
    }
    dispose() {
        const failure = new Failure();
        let top = this.#top ?? null;
        this.#top = undefined;
        for (; top !== null; top = top.below) {
            try {
                top.run();
            } catch (e) {
                failure.note(e);
            }
        }
        failure.end();
    }
    move() {
        needOpen(this.#top, "DisposableStack.prototype.move");
        const other = new DisposableStack();
        other.#top = this.#top;
        this.#top = undefined;
        return other;
    }
    use(value) {
        needOpen(this.#top, "DisposableStack.prototype.use");
        return this.#add(value, disposerOf(value, dispose));
    }
}

// 27.4
class AsyncDisposableStack {
    #top = null; // { run, below }, run undefined: only waits
    get disposed() {
        return this.#top === undefined;
    }
    #add(value, run) {
        this.#top = { run, below: this.#top };
        return value;
    }
    adopt(value, onDisposeAsync) {
        needOpen(this.#top, "AsyncDisposableStack.prototype.adopt");
        needFunction(onDisposeAsync);
        return this.#add(value,
            () => apply(onDisposeAsync, undefined, [value]));
    }
    defer(onDisposeAsync) {
        needOpen(this.#top, "AsyncDisposableStack.prototype.defer");
        needFunction(onDisposeAsync);
        this.#add(undefined, () => apply(onDisposeAsync, undefined, []));
    }
    async #end() {
        const failure = new Failure();
        let top = this.#top ?? null, waits = false, waited = false;
        this.#top = undefined;
        for (; top !== null; top = top.below) {
            try {
                if (top.run === undefined) {
                    waits = true;
                    continue;
                }
                const given = top.run();
                waited = true;
                await given;
            } catch (e) {
                failure.note(e);
            }
        }
        if (waits && !waited)
            await undefined;
        failure.end();
    }
    disposeAsync() {
        try {
            return this.#end();
        } catch (e) {
            return rejected(e);
        }
    }
    move() {
        needOpen(this.#top, "AsyncDisposableStack.prototype.move");
        const other = new AsyncDisposableStack();
        other.#top = this.#top;
        this.#top = undefined;
        return other;
    }
    use(value) {
        needOpen(this.#top, "AsyncDisposableStack.prototype.use");
        return this.#add(value, disposerOf(value, asyncDispose));
    }
}

function complete(Class, key, method) {
    const { prototype } = Class;
    defineProperty(prototype, key, hidden(prototype[method]));
    defineProperty(prototype, Symbol.toStringTag,
        { __proto__: null, value: Class.name, configurable: true });
}
if (dispose !== undefined) {
    complete(DisposableStack, dispose, "dispose");
    complete(AsyncDisposableStack, asyncDispose, "disposeAsync");
}

/* ---- which, and where ---------------------------------------------------- */

const prototypeOf = Object.getPrototypeOf;

// An application may have put others in their places by the next time.
const intrinsics = () => ({
    __proto__: null,
    "": globalThis,
    Array: Array.prototype,
    unscopables: Array.prototype[Symbol.unscopables],
    TypedArray: TypedArray.prototype,
    String: String.prototype,
    DataView: DataView.prototype,
    Iterator: prototypeOf(prototypeOf([][Symbol.iterator]())),
    AsyncIterator: prototypeOf(prototypeOf(
        (async function* () {}).prototype)),
    Object, Error, RegExp, Promise, Math,
    Atomics: globalThis.Atomics
});

// [from this V8 on, of what, its name in a message, what we make or what V8
// alone can]
const TABLE = [
    [1002, "Array", "Array.prototype", ofArray],
    [1002, "TypedArray", "TypedArray.prototype", ofTypedArray],
    [1002, "unscopables", "Array.prototype[Symbol.unscopables]",
        { at: true, findLast: true, findLastIndex: true }],
    [1002, "String", "String.prototype", ofString],
    [1002, "Object", "Object", ofObject],
    [1002, "Error", "Error", { stackTraceLimit: 10 }],
    [1002, "", "", { Atomics: undefined, SharedArrayBuffer: undefined,
        WebAssembly: undefined }],
    [1208, "Promise", "Promise", ofPromise],
    [1303, "Atomics", "Atomics", ofAtomics],
    [1304, "Error", "Error", ofError],
    [1304, "Iterator", "Iterator.prototype", ofIterator],
    [1304, "AsyncIterator", "AsyncIterator.prototype", ofAsyncIterator],
    [1304, "", "", { DisposableStack, AsyncDisposableStack, SuppressedError }],
    [1305, "Math", "Math", ofMath],
    [1305, "DataView", "DataView.prototype", ofDataView],
    [1305, "", "", { Float16Array: undefined }],
    [1306, "RegExp", "RegExp", ofRegExp]
];
// V8 finds these by their names, to add to them.
const WAYS = [["", "Math"], ["", "Atomics"], ["Array", Symbol.unscopables]];

let holders;        // as intrinsics() gives
let left;           // for each line of TABLE: the keys V8 has left out
const watched = []; // { holder, object, key, name, ours, stays }

function watch(of, key, label, ours, stays) {
    const name = typeof key === "symbol" ? `${label}[${key.description}]`
        : label === "" ? key : `${label}.${key}`;
    watched.push({ holder: holders[of], key, name, ours, stays,
        object: label === "" ? "the global object" : label });
}

// before: what take() gave. What is missing then, the application may miss.
function install(version, before) {
    holders = before?.holders ?? intrinsics();
    left = before?.left ?? TABLE.map(([since, of, , made]) =>
        version < since || holders[of] === undefined ? []
            : ownKeys(made).filter((key) =>
                getOwnPropertyDescriptor(holders[of], key) === undefined));
    for (let i = 0; i < left.length; i++) {
        const [, of, label, made] = TABLE[i];
        for (const key of left[i]) {
            const value = made[key];
            const ours = value === undefined ? undefined : { ...hidden(value),
                __proto__: null, enumerable: typeof value !== "function" };
            if (ours !== undefined)
                defineProperty(holders[of], key, ours);
            watch(of, key, label, ours, false);
        }
    }
    for (const [of, key] of WAYS) {
        const ours = getOwnPropertyDescriptor(holders[of], key);
        if (ours !== undefined)
            watch(of, key, "", ours, true);
    }
}

const same = (a, b) => a === b || (a !== undefined && b !== undefined &&
    a.value === b.value && a.writable === b.writable &&
    a.enumerable === b.enumerable && a.configurable === b.configurable);

// A sentence, when V8 could not add it to a copy.
function objection({ holder, object, name, ours, stays }, now) {
    let done;
    if (!stays && !isExtensible(holder))
        done = `frozen ${object}`;
    else if (now !== undefined && !now.configurable && !same(now, ours))
        done = `made ${name} a property that cannot be deleted`;
    return done === undefined ? undefined
        : `the application has ${done}, so that V8 could not add ` +
            `${stays ? "to " : ""}${name} in a copy: leave it as it is, or ` +
            "set it up in the first request";
}

/*
 * Takes all away, or throws a sentence and nothing has changed. Gives
 * what the next install() needs, and as changes: [holder, key, descriptor or
 * undefined, ...] what the application had, or had not, in the place of ours.
 */
function take() {
    const found = [], changes = [];
    for (const one of watched) {
        const now = getOwnPropertyDescriptor(one.holder, one.key);
        const words = objection(one, now);
        if (words !== undefined)
            throw words;
        found.push(now);
        if (!same(now, one.ours))
            changes.push(one.holder, one.key, now);
    }
    for (let i = 0; i < watched.length; i++) {
        const { holder, key, ours, stays } = watched[i];
        if (stays)
            defineProperty(holder, key, ours);
        else if (found[i] !== undefined)
            deleteProperty(holder, key);
    }
    return { holders, left, changes };
}

return { install, take };
