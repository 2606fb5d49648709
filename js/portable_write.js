/*
 * portable_write.js - a value to the bytes that portable.js describes.
 *
 *   encode(value)
 *
 * Containers within containers are on a stack of our own, so depth costs
 * memory and not the engine's stack.
 */
const { DOMExceptionSlots } = use("exception");
const { KIND, mapEntries, setValues } = use("inspect");
const { exposed } = use("webidl");
const { blobChunks, blobType, isBlob } = use("blob");
const { kinds, structuredClone } = use("clone");
const { ERRORS, ERROR_KEYS, FATAL, Frame, IGNORE_BOM, MAGIC, TAG, TRACKS,
    UINT_MAX, UTF_8, VIEWS, WIDTHS, byteLength, getterOf, isIndex, isResizable,
    maxByteLength, shorten, typedProto, typedView, uncurry } =
    use("portable");
const { UNDEFINED, NULL, FALSE, TRUE, HOLE, INT, DOUBLE, BIGINT,
    BIGINT_NEGATIVE, STRING, STRING16, REFERENCE, OBJECT, ARRAY, SPARSE, MAP,
    SET, DATE, REGEXP, BOX, BUFFER, RESIZABLE, VIEW, ERROR, DOM_EXCEPTION,
    BLOB, FILE } = TAG;

const typedTag = getterOf(typedProto, Symbol.toStringTag);
const dataView = ["buffer", "byteOffset", "byteLength"]
    .map((key) => getterOf(DataView.prototype, key));
const dateTime = uncurry(Date.prototype.getTime);
const regexpSource = getterOf(RegExp.prototype, "source");
const regexpFlags = getterOf(RegExp.prototype, "flags");
const unboxed = [Number, String, Boolean, BigInt]
    .map((C) => uncurry(C.prototype.valueOf));
const hex = uncurry(BigInt.prototype.toString);
const tagOf = uncurry(Object.prototype.toString);
const { getPrototypeOf } = Object;
// Object.hasOwn is not there where V8 10.2 keeps a state.
const hasOwn = uncurry(Object.prototype.hasOwnProperty);
const tooLarge = () => new RangeError("A frozen value has at most 4 GB");

/* ---- where a value is, for people ---------------------------------------- */

const STEPS = 16; // that are shown

function stepOf({ tag, key, list, next }) {
    switch (tag) {
    case MAP:
        return next % 2 === 1 ? `.keys()[${(next - 1) / 2}]`
            : typeof list[next - 2] !== "string"
                ? `.values()[${next / 2 - 1}]`
                : `.get(${JSON.stringify(shorten(list[next - 2]))})`;
    case SET:
        return `.values()[${next - 1}]`;
    case OBJECT:
        return /^[A-Za-z_$][\w$]{0,60}$/.test(key) ? `.${key}`
            : `[${JSON.stringify(shorten(key))}]`;
    default:
        return `[${key}]`;
    }
}

function pathOf(stack) {
    const steps = stack.length <= STEPS ? stack.map(stepOf)
        : [...stack.slice(0, STEPS / 2).map(stepOf), ` ... `,
            ...stack.slice(-STEPS / 2).map(stepOf)];
    return `value${steps.join("")}`;
}

const article = (name) => /^[AEIO]/i.test(name) ? `an ${name}` : `a ${name}`;
const tagName = (v) => tagOf(v).slice(8, -1);

/* ---- the bytes ----------------------------------------------------------- */

// Does the chain from here have the prototype of one of our interfaces?
function isExposed(proto) {
    for (let o = proto; o !== null && native.kindOf(o) !== KIND.PROXY;
        o = getPrototypeOf(o))
        if (exposed.some((r) => r.proto === o))
            return true;
    return false;
}

function kindOfError(v) {
    for (let o = v; o !== null && native.kindOf(o) !== KIND.PROXY;
        o = getPrototypeOf(o)) {
        const kind = ERRORS.findIndex((Class) => Class.prototype === o);
        if (kind !== -1)
            return kind;
    }
    return 0;
}

// Asked of a copy, which can be changed: the length says nothing by itself.
function isTracking(v, [bufferOf, , lengthOf], width) {
    const copy = structuredClone(v), buffer = bufferOf(copy);
    const length = lengthOf(copy), size = byteLength(buffer);
    const step = size + 8 <= maxByteLength(buffer) ? 8 : -width;
    if (length === 0 && step < 0)
        return false;
    buffer.resize(size + step);
    return lengthOf(copy) === length + step / width;
}

class Writer {
    constructor() {
        this.bytes = new Uint8Array(1024);
        this.view = new DataView(this.bytes.buffer);
        this.at = 0;
        this.seen = new Map(); // object: number
        this.keys = new Map(); // key: number
        this.stack = [];
        this.protos = new Map(); // prototype: isExposed() of it
    }

    // Room for n more bytes.
    reserve(n) {
        if (this.at + n <= this.bytes.length)
            return;
        const size = Math.min(Math.max(this.bytes.length * 2, this.at + n),
            UINT_MAX);
        if (this.at + n > size)
            throw tooLarge();
        let bytes;
        try {
            bytes = new Uint8Array(size);
        } catch {
            throw new RangeError("There is no memory to freeze a value of " +
                `over ${this.at} bytes`);
        }
        bytes.set(this.bytes.subarray(0, this.at));
        this.bytes = bytes;
        this.view = new DataView(bytes.buffer);
    }

    byte(n) {
        this.reserve(1);
        this.bytes[this.at++] = n;
    }

    uint(n) {
        this.reserve(5);
        for (; n > 127; n = Math.floor(n / 128))
            this.bytes[this.at++] = n % 128 + 128;
        this.bytes[this.at++] = n;
    }

    double(n) {
        this.reserve(8);
        if (n === n)
            this.view.setFloat64(this.at, n, true);
        else // which NaN is the engine's choice
            this.view.setBigUint64(this.at, 0x7FF8000000000000n, true);
        this.at += 8;
    }

    raw(bytes) {
        this.reserve(bytes.length);
        this.bytes.set(bytes, this.at);
        this.at += bytes.length;
    }

    string(s) {
        const bytes = native.textEncode(s);
        if (bytes.length === s.length || native.textDecode(UTF_8, bytes,
            FATAL | IGNORE_BOM, undefined) === s) {
            this.byte(STRING);
            this.uint(bytes.length);
            this.raw(bytes);
            return;
        }
        this.byte(STRING16);
        this.uint(s.length);
        this.reserve(s.length * 2);
        for (let i = 0; i < s.length; i++, this.at += 2)
            this.view.setUint16(this.at, s.charCodeAt(i), true);
    }

    bigint(v) {
        let digits = hex(v < 0n ? -v : v, 16);
        if (digits.length % 2 === 1)
            digits = `0${digits}`;
        const n = digits.length / 2;
        this.byte(v < 0n ? BIGINT_NEGATIVE : BIGINT);
        this.uint(n);
        this.reserve(n);
        for (let i = digits.length - 2; i >= 0; i -= 2)
            this.bytes[this.at++] = Number.parseInt(digits.slice(i, i + 2),
                16);
    }

    number(v) {
        if (v === (v | 0) && !Object.is(v, -0)) {
            this.byte(INT);
            this.uint(v >= 0 ? v * 2 : v * -2 - 1);
        } else {
            this.byte(DOUBLE);
            this.double(v);
        }
    }

    key(key) {
        const number = this.keys.get(key);
        if (number !== undefined) {
            this.uint(number);
            return;
        }
        this.keys.set(key, this.keys.size + 1);
        this.uint(0);
        this.string(key);
    }

    value(v) {
        switch (typeof v) {
        case "undefined":
            this.byte(UNDEFINED);
            break;
        case "boolean":
            this.byte(v ? TRUE : FALSE);
            break;
        case "number":
            this.number(v);
            break;
        case "bigint":
            this.bigint(v);
            break;
        case "string":
            this.string(v);
            break;
        case "object":
            if (v === null)
                this.byte(NULL);
            else
                this.object(v);
            break;
        default:
            this.refuse(`a ${typeof v}`);
        }
    }

    object(v) {
        const number = this.seen.get(v);
        if (number !== undefined) {
            this.byte(REFERENCE);
            this.uint(number);
            return;
        }
        const kind = native.kindOf(v);
        if (kind === KIND.TYPED || kind === KIND.DATAVIEW) {
            this.viewOf(v, kind);
            return;
        }
        this.seen.set(v, this.seen.size);
        switch (kind) {
        case 0:
            this.ordinary(v);
            break;
        case KIND.MAP:
            this.list(MAP, [...mapEntries(v)].flat(), 2);
            break;
        case KIND.SET:
            this.list(SET, [...setValues(v)], 1);
            break;
        case KIND.DATE:
            this.byte(DATE);
            this.double(dateTime(v));
            break;
        case KIND.REGEXP:
            this.byte(REGEXP);
            this.string(regexpSource(v));
            this.string(regexpFlags(v));
            break;
        case KIND.BOXED:
            this.box(v);
            break;
        case KIND.BUFFER:
            this.buffer(v);
            break;
        case KIND.ERROR:
            this.error(v);
            break;
        case KIND.PROXY:
            this.refuse("a Proxy");
            break;
        case KIND.SYMBOL:
            this.refuse("a symbol");
            break;
        case KIND.SHARED:
            this.refuse("memory that is shared");
            break;
        default:
            this.refuse(article(tagOf(v).slice(8, -1)));
        }
    }

    list(tag, list, width) {
        this.byte(tag);
        this.uint(list.length / width);
        this.stack.push(new Frame(tag, undefined, list.length, list));
    }

    properties(object, keys) {
        this.uint(keys.length);
        this.stack.push(new Frame(OBJECT, object, keys.length, keys));
    }

    ordinary(v) {
        if (Array.isArray(v)) {
            this.array(v);
        } else if (isBlob(v)) {
            this.file(v);
        } else if (DOMExceptionSlots.has(v)) {
            this.byte(DOM_EXCEPTION);
            for (const text of DOMExceptionSlots.serialize(v))
                this.string(text);
        } else {
            const keys = Object.keys(v);
            if (this.isClosed(v, keys))
                this.refuse(article(tagName(v)));
            this.byte(OBJECT);
            this.properties(v, keys);
        }
    }

    // Is v of an interface, and no instance of an ordinary class?
    isClosed(v, keys) {
        const proto = getPrototypeOf(v);
        if (proto === null || proto === Object.prototype)
            return false;
        let closed = this.protos.get(proto);
        if (closed === undefined) {
            closed = isExposed(proto);
            this.protos.set(proto, closed);
        }
        if (closed || keys.length > 0)
            return closed;
        try { // the engine knows its own: Intl.Collator, WeakRef
            structuredClone(v);
            return false;
        } catch {
            return true;
        }
    }

    array(v) {
        const keys = Object.keys(v), { length } = v;
        let n = keys.length; // elements; they come first
        while (n > 0 && !isIndex(keys[n - 1]))
            n--;
        const rest = keys.slice(n);
        if (n * 2 >= length) {
            this.byte(ARRAY);
            this.uint(length);
            this.stack.push(new Frame(ARRAY, v, length, undefined, rest));
        } else {
            this.byte(SPARSE);
            this.uint(length);
            this.uint(n);
            this.stack.push(new Frame(SPARSE, v, n, keys, rest));
        }
    }

    box(v) {
        this.byte(BOX);
        for (const valueOf of unboxed) {
            let inner;
            try {
                inner = valueOf(v);
            } catch {
                continue; // another box
            }
            this.value(inner);
            return;
        }
    }

    buffer(v) {
        if (native.isDetached(v))
            this.refuse("an ArrayBuffer that is detached");
        const bytes = new Uint8Array(v);
        if (bytes.length > UINT_MAX)
            throw tooLarge();
        if (isResizable(v)) {
            this.byte(RESIZABLE);
            this.uint(bytes.length);
            this.uint(Math.min(maxByteLength(v), UINT_MAX));
        } else {
            this.byte(BUFFER);
            this.uint(bytes.length);
        }
        this.raw(bytes);
    }

    viewOf(v, kind) {
        const get = kind === KIND.TYPED ? typedView : dataView;
        const buffer = get[0](v);
        const name = typedTag(v) ?? "DataView", place = VIEWS.indexOf(name);
        let offset, length;
        this.byte(VIEW);
        this.object(buffer);
        try {
            offset = get[1](v);
            length = get[2](v);
        } catch {
            this.refuse("a view beyond the end of its buffer");
        }
        this.seen.set(v, this.seen.size);
        if (isResizable(buffer) && isTracking(v, get, WIDTHS[place])) {
            this.byte(place | TRACKS);
            this.uint(offset);
        } else {
            this.byte(place);
            this.uint(offset);
            this.uint(length);
        }
    }

    error(v) {
        const kind = kindOfError(v);
        this.byte(ERROR);
        this.byte(kind);
        this.properties(v, ERROR_KEYS.filter((key) => hasOwn(v, key) &&
            (key === "cause" || typeof v[key] ===
                (key === "errors" ? "object" : "string"))));
    }

    file(v) {
        const found = native.used("file");
        if (found?.isFile(v)) {
            const [, , name, time] =
                kinds.find((kind) => kind.has === found.isFile).serialize(v);
            this.byte(FILE);
            this.string(name);
            this.double(time);
        } else {
            this.byte(BLOB);
        }
        const chunks = blobChunks(v);
        this.string(blobType(v));
        this.uint(chunks.reduce((n, chunk) => n + chunk.length, 0));
        for (const chunk of chunks)
            this.raw(chunk);
    }

    refuse(what) {
        throw new TypeError(`${pathOf(this.stack)} is ${what}, which cannot ` +
            "be frozen");
    }

    /* One value of the frame, with what leads to it. */
    step(f) {
        const i = f.next++;
        switch (f.tag) {
        case MAP:
        case SET:
            this.value(f.list[i]);
            return;
        case OBJECT:
            this.key(f.key = f.list[i]);
            break;
        case SPARSE:
            this.uint(f.key = +f.list[i]);
            break;
        default:
            f.key = i;
        }
        if (hasOwn(f.object, f.key))
            this.value(f.object[f.key]);
        else
            this.byte(HOLE);
    }

    run(v) {
        const { stack } = this;
        this.raw(MAGIC);
        this.value(v);
        while (stack.length > 0) {
            const f = stack[stack.length - 1];
            if (f.next < f.count) {
                this.step(f);
            } else {
                stack.pop();
                if (f.rest !== undefined)
                    this.properties(f.object, f.rest);
            }
        }
        return this.bytes.subarray(0, this.at);
    }
}

const encode = (value) => new Writer().run(value);

return { encode };
