/*
 * portable_read.js - the bytes that portable.js describes to a value. They
 * are not trusted.
 *
 *   decode(bytes)
 */
const { DOMExceptionSlots } = use("exception");
const { KIND } = use("inspect");
const { newBlob } = use("blob");
const { ERRORS, ERROR_KEYS, FATAL, Frame, IGNORE_BOM, MAGIC, TAG, TRACKS,
    UINT_MAX, UTF_8, VIEWS, WIDTHS, byteLength, canResize, isIndex, isResizable,
    shorten, typedView, uncurry } = use("portable");
const { UNDEFINED, NULL, FALSE, TRUE, HOLE, INT, DOUBLE, BIGINT,
    BIGINT_NEGATIVE, STRING, STRING16, REFERENCE, OBJECT, ARRAY, SPARSE, MAP,
    SET, DATE, REGEXP, BOX, BUFFER, RESIZABLE, VIEW, ERROR, DOM_EXCEPTION,
    BLOB, FILE } = TAG;

const bufferOf = typedView[0];
const mapSet = uncurry(Map.prototype.set);
const setAdd = uncurry(Set.prototype.add);
const define = (object, key, value, enumerable) =>
    Object.defineProperty(object, key,
        { value, writable: true, enumerable, configurable: true });
const hexOf = (byte) => `0x${byte.toString(16)}`;

// As CreateDataProperty: no setter of a prototype is asked.
function put(object, key, value) {
    if (key in object)
        define(object, key, value, true);
    else
        object[key] = value;
}

class Reader {
    constructor(bytes) {
        const [buffer, offset, length] = typedView.map((get) => get(bytes));
        this.bytes = new Uint8Array(buffer, offset, length);
        this.view = new DataView(buffer, offset, length);
        this.at = 0;
        this.from = 0; // where the value at hand begins
        this.objects = [];
        this.keys = [];
        this.stack = [];
    }

    fail(what, at = this.from) {
        throw new SyntaxError(`The frozen value is damaged: ${what}, at ` +
            `byte ${at}`);
    }

    // The place of n bytes, which are there.
    take(n) {
        const { at } = this;
        if (n > this.bytes.length - at)
            this.fail(`it ends where ${n} more bytes are needed`, at);
        this.at = at + n;
        return at;
    }

    byte() { return this.bytes[this.take(1)]; }
    double() { return this.view.getFloat64(this.take(8), true); }

    uint() {
        const { at } = this;
        let n = 0;
        for (let scale = 1; scale <= 2 ** 28; scale *= 128) {
            const byte = this.byte();
            n += byte % 128 * scale;
            if (byte < 128) {
                if (n > UINT_MAX)
                    break;
                return n;
            }
        }
        return this.fail("a number is over 2^32 - 1", at);
    }

    // A number of things of at least `size` bytes each.
    count(size) {
        const { at } = this, n = this.uint();
        if (n * size > this.bytes.length - this.at)
            this.fail(`${n} values do not fit into what is left`, at);
        return n;
    }

    lend(n) {
        const at = this.take(n);
        return this.bytes.subarray(at, at + n);
    }

    string() {
        this.from = this.at;
        return this.stringOf(this.byte());
    }

    stringOf(tag) {
        if (tag === STRING) {
            const text = native.textDecode(UTF_8, this.lend(this.uint()),
                FATAL | IGNORE_BOM, undefined);
            return text ?? this.fail("a string is not UTF-8");
        }
        if (tag !== STRING16)
            this.fail(`a string is expected, not ${hexOf(tag)}`);
        const n = this.uint();
        let text = "", at = this.take(n * 2);
        for (const end = this.at; at < end; at += 2)
            text += String.fromCharCode(this.view.getUint16(at, true));
        return text;
    }

    bigint(negative) {
        const bytes = this.lend(this.uint());
        let digits = "0x0";
        for (let i = bytes.length - 1; i >= 0; i--)
            digits += (bytes[i] < 16 ? "0" : "") + hexOf(bytes[i]).slice(2);
        try {
            return negative ? -BigInt(digits) : BigInt(digits);
        } catch {
            return this.fail("a BigInt is larger than this engine takes");
        }
    }

    key() {
        const { at } = this, n = this.uint();
        if (n === 0) {
            const key = this.string();
            this.keys.push(key);
            return key;
        }
        if (n > this.keys.length)
            this.fail(`there is no key ${n} yet`, at);
        return this.keys[n - 1];
    }

    // A value; what is within it comes by the stack.
    value() {
        this.from = this.at;
        const tag = this.byte();
        switch (tag) {
        case OBJECT:
            return this.properties(this.add({}), OBJECT);
        case ARRAY:
            return this.array();
        case SPARSE:
            return this.sparse();
        case MAP:
            return this.entries(new Map(), tag, 2);
        case SET:
            return this.entries(new Set(), tag, 1);
        case REFERENCE: {
            const n = this.uint();
            return n < this.objects.length ? this.objects[n]
                : this.fail(`there is no object ${n} yet`);
        }
        case VIEW:
            return this.viewOf();
        case ERROR:
            return this.error();
        default:
            return tag < OBJECT ? this.primitive(tag)
                : this.add(this.leaf(tag));
        }
    }

    add(object) {
        this.objects.push(object);
        return object;
    }

    primitive(tag) {
        switch (tag) {
        case UNDEFINED:
            return undefined;
        case NULL:
            return null;
        case FALSE:
            return false;
        case TRUE:
            return true;
        case INT: {
            const n = this.uint();
            return n % 2 === 0 ? n / 2 : -(n + 1) / 2;
        }
        case DOUBLE:
            return this.double();
        case BIGINT:
        case BIGINT_NEGATIVE:
            return this.bigint(tag === BIGINT_NEGATIVE);
        case STRING:
        case STRING16:
            return this.stringOf(tag);
        default:
            return this.fail(tag === HOLE ? "a hole is where it cannot be"
                : `there is no value ${hexOf(tag)}`);
        }
    }

    // An object with nothing within it.
    leaf(tag) {
        switch (tag) {
        case DATE:
            return new Date(this.double());
        case REGEXP:
            return this.regexp(this.string(), this.string());
        case BOX:
            return this.box();
        case BUFFER:
        case RESIZABLE:
            return this.buffer(tag);
        case DOM_EXCEPTION: {
            const text = [this.string(), this.string(), this.string()];
            return DOMExceptionSlots.deserialize(text);
        }
        case BLOB: {
            const type = this.string();
            return newBlob(this.lend(this.uint()).slice(), type);
        }
        case FILE: {
            const name = this.string(), time = this.double();
            const type = this.string();
            return native.use("file").stampFile(
                [this.lend(this.uint()).slice()], type, name, time);
        }
        default:
            return this.fail(`there is no value ${hexOf(tag)}`);
        }
    }

    regexp(source, flags) {
        try {
            return new RegExp(source, flags);
        } catch {
            return this.fail("this engine does not take the regular " +
                `expression /${shorten(source)}/${shorten(flags)}`);
        }
    }

    box() {
        const value = this.primitive(this.byte());
        if (value === undefined || value === null)
            this.fail("a box is empty");
        return Object(value);
    }

    buffer(tag) {
        const n = this.uint(), max = tag === RESIZABLE ? this.uint() : n;
        const bytes = this.lend(n);
        if (max < n)
            this.fail("a buffer is longer than it may be");
        if (tag === BUFFER || !canResize)
            return bufferOf(bytes.slice());
        let buffer;
        try {
            buffer = new ArrayBuffer(n, { maxByteLength: max });
        } catch {
            this.fail(`there is no memory for a buffer of ${max} bytes`);
        }
        new Uint8Array(buffer).set(bytes);
        return buffer;
    }

    viewOf() {
        const { from } = this, buffer = this.value();
        this.from = from;
        if (native.kindOf(buffer) !== KIND.BUFFER)
            this.fail("a view is of no buffer");
        const kind = this.byte(), tracks = kind >= TRACKS;
        const name = VIEWS[kind % TRACKS], width = WIDTHS[kind % TRACKS];
        const offset = this.uint(), room = byteLength(buffer) - offset;
        const length = tracks ? Math.floor(room / width) : this.uint();
        if (name === undefined)
            this.fail(`there is no view ${kind % TRACKS}`);
        if (room < 0 || offset % width !== 0 || length * width > room)
            this.fail("a view is not within its buffer");
        const View = globalThis[name];
        if (View === undefined)
            this.fail(`this engine has no ${name}`);
        return this.add(new View(buffer, offset,
            tracks && isResizable(buffer) ? undefined : length));
    }

    error() {
        const Class = ERRORS[this.byte()];
        if (Class === undefined)
            this.fail("there is no such class of errors");
        const error = this.add(Class === AggregateError ? new Class([])
            : new Class());
        delete error.stack; // of this place
        return this.properties(error, ERROR);
    }

    properties(object, tag) {
        this.stack.push(new Frame(tag, object, this.count(2)));
        return object;
    }

    array() {
        const n = this.count(1), frame = new Frame(ARRAY, this.add([]), n);
        frame.length = n;
        this.stack.push(frame);
        return frame.object;
    }

    sparse() {
        const length = this.uint(), n = this.count(2);
        const frame = new Frame(SPARSE, this.add([]), n);
        frame.key = -1;
        frame.length = length;
        frame.object.length = UINT_MAX; // held as a table, whatever it says
        frame.object.length = length;
        this.stack.push(frame);
        return frame.object;
    }

    entries(object, tag, width) {
        this.add(object);
        this.stack.push(new Frame(tag, object, this.count(width) * width));
        return object;
    }

    // A value in a place that may be empty.
    place(object, key, enumerable = true) {
        if (this.at < this.bytes.length && this.bytes[this.at] === HOLE)
            this.at++;
        else if (enumerable)
            put(object, key, this.value());
        else
            define(object, key, this.value(), false);
    }

    step(f) {
        const { object } = f, i = f.next++;
        switch (f.tag) {
        case ARRAY:
            this.place(object, i);
            break;
        case SPARSE: {
            const { at } = this, index = this.uint();
            if (index <= f.key || index >= f.length)
                this.fail("an index is not in its place", at);
            this.place(object, f.key = index);
            break;
        }
        case MAP:
            if (i % 2 === 0)
                f.key = this.value();
            else
                mapSet(object, f.key, this.value());
            break;
        case SET:
            setAdd(object, this.value());
            break;
        default:
            this.property(f);
        }
    }

    property({ tag, object }) {
        const { at } = this, key = this.key();
        if (tag === ERROR && !ERROR_KEYS.includes(key))
            this.fail("an error has a property that it cannot have", at);
        if (Array.isArray(object) && (key === "length" || isIndex(key)))
            this.fail("an element is among the properties", at);
        this.place(object, key, tag !== ERROR);
    }

    run() {
        const { stack } = this;
        this.head();
        const value = this.value();
        while (stack.length > 0) {
            const f = stack[stack.length - 1];
            if (f.next < f.count) {
                this.step(f);
                continue;
            }
            stack.pop();
            if (f.tag === ARRAY || f.tag === SPARSE) {
                f.object.length = f.length;
                this.properties(f.object, OBJECT);
            }
        }
        if (this.at < this.bytes.length)
            this.fail("it goes on after its end", this.at);
        return value;
    }

    head() {
        const last = MAGIC.length - 1;
        for (let i = 0; i < last; i++)
            if (this.bytes[i] !== MAGIC[i])
                throw new SyntaxError("This is no frozen value");
        const version = this.bytes[last];
        if (version !== MAGIC[last])
            throw new SyntaxError("The frozen value is of format " +
                `${version}, and this program reads format ${MAGIC[last]}`);
        this.at = MAGIC.length;
    }
}

const decode = (bytes) => new Reader(bytes).run();

return { decode };
