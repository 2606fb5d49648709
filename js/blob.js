/*
 * blob.js - Blob (File API 3).
 *
 * newBlob(bytes, type) takes bytes. blobBytes(blob) lends them: they are
 * never changed and never given to a script. utf8Decode(bytes) is the
 * Encoding Standard's "UTF-8 decode" (6). BlobSlots is for clone.js.
 */
const { toUSVString, toEnum, toSequence, toDictionary, toLongLong,
    isBufferSource, bytesOf, brand, expose } = use("webidl");
const { concat, readableFromBytes } = use("streams");

class Slots extends function (o) { return o; } {
    #bytes;
    #type;
    constructor(o, bytes, type) {
        super(o);
        this.#bytes = bytes;
        this.#type = type;
    }
    static has(o) {
        return typeof o === "object" && o !== null && #bytes in o;
    }
    static bytes(o) { return brand(o, Slots.has, "Blob").#bytes; }
    static type(o) { return brand(o, Slots.has, "Blob").#type; }
}

const ENDINGS = ["transparent", "native"];

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

// 3.1 "process blob parts"
function process(parts, endings) {
    const chunks = [];
    let size = 0;
    for (let i = 0; i < parts.length; i++) {
        let part = parts[i];
        if (typeof part === "string") {
            if (endings === "native")
                part = part.replace(/\r\n?/g, "\n");
            part = native.textEncode(part);
        } else {
            part = Slots.has(part) ? Slots.bytes(part) : bytesOf(part);
        }
        chunks.push(part);
        size += part.length;
    }
    return concat(chunks, size);
}

class Blob {
    constructor(blobParts = undefined, options = undefined) {
        const parts = blobParts === undefined ? []
            : toSequence(blobParts, toPart, "Blob's parts");
        options = toDictionary(options, "Blob's options");
        let { endings = "transparent" } = options;
        endings = toEnum(endings, ENDINGS, "endings");
        const { type = "" } = options;
        const self = Reflect.construct(native.HostObject, [], new.target);
        new Slots(self, process(parts, endings),
            normalType(`${type}`));
        return self;
    }
    get size() { return Slots.bytes(this).length; }
    get type() { return Slots.type(this); }
    slice(start = undefined, end = undefined, contentType = undefined) {
        const bytes = Slots.bytes(this), clamp = { clamp: true };
        start = start === undefined ? 0 : toLongLong(start, clamp);
        end = end === undefined ? bytes.length : toLongLong(end, clamp);
        const type = contentType === undefined ? ""
            : normalType(`${contentType}`);
        // subarray counts from the end and clamps as 3.3.1 asks
        return newBlob(bytes.subarray(start, end), type);
    }
    stream() { return readableFromBytes(Slots.bytes(this)); }
    async text() { return utf8Decode(Slots.bytes(this)); }
    async arrayBuffer() { return Slots.bytes(this).slice().buffer; }
    async bytes() { return Slots.bytes(this).slice(); }
}
expose(Blob, "Blob");

function newBlob(bytes, type) {
    const blob = Reflect.construct(native.HostObject, [], Blob);
    new Slots(blob, bytes, type);
    return blob;
}

const BlobSlots = {
    has: Slots.has,
    serialize: (o) => [Slots.bytes(o).slice(), Slots.type(o)],
    deserialize: ([bytes, type]) => newBlob(bytes, type)
};

return {
    Blob, newBlob, isBlob: Slots.has, blobBytes: Slots.bytes,
    blobType: Slots.type, utf8Decode, BlobSlots
};
