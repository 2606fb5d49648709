/*
 * blob.js - Blob (File API 3).
 *
 * The bytes of a blob are a list of chunks, never changed and never given to
 * a script; blobs share them.
 *
 *   newBlob(bytes, type)    takes bytes
 *   blobBytes(blob)         lends all of them in one piece
 *   blobChunks(blob) blobType(blob)
 *   toParts(v, what)        the conversion of a constructor's first argument
 *   makeBlob(parts, options, Class)   the rest of a constructor
 *   stampBlob(Class, chunks, type)    takes chunks
 *   utf8Decode(bytes)       the Encoding Standard's "UTF-8 decode" (6)
 *   BlobSlots               for clone.js
 */
const { toUSVString, toEnum, toSequence, toDictionary, toLongLong,
    isBufferSource, bytesOf, copyBytes, brand, expose } = use("webidl");
const { concat, newByteStream } = use("streams");

class Slots extends function (o) { return o; } {
    #chunks;
    #size;
    #type;
    constructor(o, chunks, size, type) {
        super(o);
        this.#chunks = chunks;
        this.#size = size;
        this.#type = type;
    }
    static has(o) {
        return typeof o === "object" && o !== null && #chunks in o;
    }
    static chunks(o) { return brand(o, Slots.has, "Blob").#chunks; }
    static size(o) { return brand(o, Slots.has, "Blob").#size; }
    static type(o) { return brand(o, Slots.has, "Blob").#type; }
    static bytes(o) {
        const chunks = Slots.chunks(o);
        if (chunks.length !== 1)
            o.#chunks = [concat(chunks, o.#size)];
        return o.#chunks[0];
    }
}

const ENDINGS = ["transparent", "native"];
const CHUNK = 64 * 1024;

const UTF_8 = 0; // enum encoding in bind/decode.h
const utf8Decode = (bytes) => native.textDecode(UTF_8, bytes, 0, undefined);

// printable ASCII only, or no type at all
function normalType(type) {
    for (let i = 0; i < type.length; i++) {
        const c = type.charCodeAt(i);
        if (c < 0x20 || c > 0x7E)
            return "";
    }
    return type.toLowerCase();
}

function toPart(v) {
    if (Slots.has(v) || isBufferSource(v))
        return v;
    return toUSVString(v);
}

const toParts = (v, what) => toSequence(v, toPart, what);

// 3.1 "process blob parts"; small ones become one chunk
function process(parts, endings) {
    const chunks = [];
    let run = [], size = 0;
    const flush = () => {
        if (size > 0)
            chunks.push(concat(run, size));
        run = [];
        size = 0;
    };
    const add = (bytes, own) => {
        if (bytes.length >= CHUNK) {
            flush();
            chunks.push(own ? bytes : copyBytes(bytes));
        } else {
            run.push(bytes);
            size += bytes.length;
        }
    };
    for (let i = 0; i < parts.length; i++) {
        const part = parts[i];
        if (typeof part === "string") {
            add(native.textEncode(endings === "native"
                ? part.replace(/\r\n?/g, "\n") : part), true);
        } else if (Slots.has(part)) {
            const theirs = Slots.chunks(part);
            for (let j = 0; j < theirs.length; j++)
                add(theirs[j], true);
        } else {
            add(bytesOf(part), false);
        }
    }
    flush();
    return chunks;
}

function stampBlob(Class, chunks, type) {
    const self = Reflect.construct(native.HostObject, [], Class);
    let size = 0;
    for (let i = 0; i < chunks.length; i++)
        size += chunks[i].length;
    new Slots(self, chunks, size, type);
    return self;
}

function makeBlob(parts, options, Class) {
    let { endings = "transparent", type = "" } = options;
    endings = toEnum(endings, ENDINGS, "endings");
    type = normalType(`${type}`);
    return stampBlob(Class, process(parts, endings), type);
}

// the bytes from start to end, within size
function cut(chunks, start, end) {
    const found = [];
    for (let i = 0, at = 0; i < chunks.length && at < end; i++) {
        const chunk = chunks[i];
        if (at + chunk.length > start)
            found.push(chunk.subarray(Math.max(start - at, 0), end - at));
        at += chunk.length;
    }
    return found;
}

// a copy of the bytes, CHUNK at a time
function streamOf(chunks) {
    let i = 0, at = 0;
    return newByteStream({
        __proto__: null,
        pull(controller) {
            if (i < chunks.length) {
                const end = Math.min(at + CHUNK, chunks[i].length);
                controller.enqueue(chunks[i].slice(at, end));
                at = end;
                if (at === chunks[i].length) {
                    i++;
                    at = 0;
                }
            }
            if (i === chunks.length) {
                controller.close();
                controller.byobRequest?.respond(0);
            }
        }
    });
}

class Blob {
    constructor(blobParts = undefined, options = undefined) {
        const parts = blobParts === undefined ? []
            : toParts(blobParts, "Blob's parts");
        return makeBlob(parts, toDictionary(options, "Blob's options"),
            new.target);
    }
    get size() { return Slots.size(this); }
    get type() { return Slots.type(this); }
    // 3.3.1
    slice(start = undefined, end = undefined, contentType = undefined) {
        const chunks = Slots.chunks(this), size = Slots.size(this);
        const place = (v, otherwise) => {
            if (v === undefined)
                return otherwise;
            v = toLongLong(v, { clamp: true });
            return v < 0 ? Math.max(size + v, 0) : Math.min(v, size);
        };
        start = place(start, 0);
        end = place(end, size);
        const type = contentType === undefined ? ""
            : normalType(`${contentType}`);
        return stampBlob(Blob, start < end ? cut(chunks, start, end) : [],
            type);
    }
    stream() { return streamOf(Slots.chunks(this)); }
    async text() { return utf8Decode(Slots.bytes(this)); }
    async arrayBuffer() { return copy(this).buffer; }
    async bytes() { return copy(this); }
}
expose(Blob, "Blob");

const copy = (o) => concat(Slots.chunks(o), Slots.size(o));
const newBlob = (bytes, type) => stampBlob(Blob, [bytes], type);

const BlobSlots = {
    has: Slots.has,
    // nobody changes the chunks: a clone shares them
    serialize: (o) => [Slots.chunks(o), Slots.type(o)],
    deserialize: ([chunks, type]) => stampBlob(Blob, chunks, type)
};

return {
    Blob, newBlob, isBlob: Slots.has, blobBytes: Slots.bytes,
    blobChunks: Slots.chunks, blobType: Slots.type, toParts, makeBlob,
    stampBlob, utf8Decode, BlobSlots
};
