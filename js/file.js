/*
 * file.js - File (File API 4).
 *
 *   isFile(v) fileName(file)
 *   newFile(blob, name)    a File of the blob's bytes and type
 *   stampFile(chunks, type, name)     takes chunks
 */
const { toUSVString, toDictionary, toLongLong, requireArgs, brand, expose } =
    use("webidl");
const { Blob, blobChunks, blobType, toParts, makeBlob, stampBlob } =
    use("blob");
const { kinds } = use("clone");

class Slots extends function (o) { return o; } {
    #name;
    #lastModified;
    constructor(o, name, lastModified) {
        super(o);
        this.#name = name;
        this.#lastModified = lastModified;
    }
    static has(o) {
        return typeof o === "object" && o !== null && #name in o;
    }
    static name(o) { return brand(o, Slots.has, "File").#name; }
    static lastModified(o) {
        return brand(o, Slots.has, "File").#lastModified;
    }
}

class File extends Blob {
    constructor(fileBits, fileName, options = undefined) {
        requireArgs(arguments.length, 2, "File");
        const parts = toParts(fileBits, "File's parts");
        const name = toUSVString(fileName);
        options = toDictionary(options, "File's options");
        const self = makeBlob(parts, options, new.target);
        const { lastModified } = options;
        return new Slots(self, name, lastModified === undefined
            ? Date.now() : toLongLong(lastModified));
    }
    get name() { return Slots.name(this); }
    get lastModified() { return Slots.lastModified(this); }
}
expose(File, "File");

const stampFile = (chunks, type, name, lastModified = Date.now()) =>
    new Slots(stampBlob(File, chunks, type), name, lastModified);

const newFile = (blob, name) => stampFile(blobChunks(blob), blobType(blob),
    name, Slots.has(blob) ? Slots.lastModified(blob) : undefined);

kinds.push({
    has: Slots.has,
    serialize: (o) => [blobChunks(o), blobType(o), Slots.name(o),
        Slots.lastModified(o)],
    deserialize: (values) => stampFile(...values)
});

return {
    File, isFile: Slots.has, fileName: Slots.name, newFile, stampFile
};
