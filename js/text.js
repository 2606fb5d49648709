/*
 * text.js - TextEncoder, TextDecoder (Encoding Standard 7), atob and btoa
 * (HTML 8.3).
 *
 * UTF-8, UTF-16LE, UTF-16BE and windows-1252 are here; all other encodings
 * are in legacy.js, evaluated when a label is none of these.
 *
 * streamDecode(decoder, bytes, more) is decode() for TextDecoderStream.
 */
const { toDictionary, isBufferSource, requireArgs, checkGlobal, expose } =
    use("webidl");
const { domError } = use("exception");

// 4.2: the numbers are those of enum encoding in bind/decode.h
const NAMES = ["utf-8", "utf-16le", "utf-16be", "windows-1252"];
// in a function: not in the image
const encodingOf = (label) => [
    " unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf-8 utf8 " +
        "x-unicode20utf8 ",
    " csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16 utf-16le ",
    " unicodefffe utf-16be ",
    " ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 " +
        "iso-ir-100 iso8859-1 iso88591 iso_8859-1 iso_8859-1:1987 l1 latin1 " +
        "us-ascii windows-1252 x-cp1252 "
].findIndex((labels) => label !== "" && !label.includes(" ") &&
    labels.includes(` ${label} `));
const LEGACY = NAMES.length; // and up: enum legacy in bind/legacy_decode.h
const nameOf = (encoding) => NAMES[encoding] ??
    native.use("legacy").legacyName(encoding - LEGACY);

// 4.2 "get an encoding"; no label has two words
function findEncoding(label) {
    const words = label.match(/[^\t\n\f\r ]+/g);
    const name = words?.length === 1 ? words[0].toLowerCase() : "";
    const found = encodingOf(name);
    if (found !== -1)
        return found;
    const legacy = native.use("legacy").findLegacy(name);
    if (legacy === -1)
        throw new RangeError(
            `TextDecoder: the encoding "${label}" is not supported`);
    return LEGACY + legacy;
}

const FATAL = 1, IGNORE_BOM = 2, STREAM = 4;
const STATE_SIZE = 5; // struct decoder, and struct legacy_decoder

const typedGetter = (key) => Object.getOwnPropertyDescriptor(
    Object.getPrototypeOf(Uint8Array.prototype), key).get;
const viewName = typedGetter(Symbol.toStringTag);
const viewLength = typedGetter("length");

class TextEncoder {
    #brand;
    get encoding() {
        this.#brand;
        return "utf-8";
    }
    encode(input = "") {
        this.#brand;
        return native.textEncode(`${input}`);
    }
    encodeInto(source, destination) {
        this.#brand;
        requireArgs(arguments.length, 2, "TextEncoder.encodeInto");
        source = `${source}`;
        if (Reflect.apply(viewName, destination, []) !== "Uint8Array")
            throw new TypeError(
                "TextEncoder.encodeInto: destination is not a Uint8Array");
        // a unit takes a byte at least, and half a pair never fits the last
        const room = Reflect.apply(viewLength, destination, []);
        if (source.length > room)
            source = source.slice(0, room);
        const [read, written] = native.textEncodeInto(source, destination);
        return { read, written };
    }
}
expose(TextEncoder, "TextEncoder");

let streamDecode;

class TextDecoder {
    #encoding;
    #flags;
    #streaming = false; // "do not flush"
    #state = undefined;
    constructor(label = "utf-8", options = undefined) {
        label = `${label}`;
        const { fatal, ignoreBOM } = toDictionary(options, "options");
        this.#encoding = label === "utf-8" ? 0 : findEncoding(label);
        this.#flags = (fatal ? FATAL : 0) | (ignoreBOM ? IGNORE_BOM : 0);
    }
    get encoding() { return nameOf(this.#encoding); }
    get fatal() { return (this.#flags & FATAL) !== 0; }
    get ignoreBOM() { return (this.#flags & IGNORE_BOM) !== 0; }
    decode(input = undefined, options = undefined) {
        this.#encoding;
        if (input !== undefined && !isBufferSource(input, true))
            throw new TypeError("TextDecoder.decode: input has no bytes");
        return this.#decode(input ?? new Uint8Array(0), options !== undefined &&
            toDictionary(options, "options").stream);
    }
    #decode(bytes, stream) {
        const encoding = this.#encoding;
        const flags = this.#flags | (stream ? STREAM : 0);
        if (!this.#streaming)
            this.#state = stream ? new Uint8Array(STATE_SIZE) : undefined;
        this.#streaming = !!stream;
        const text = encoding < LEGACY
            ? native.textDecode(encoding, bytes, flags, this.#state)
            : native.use("legacy").decodeLegacy(encoding - LEGACY, bytes,
                flags, this.#state);
        if (text === null)
            throw new TypeError(
                `TextDecoder.decode: input is not valid ${nameOf(encoding)}`);
        return text;
    }
    static {
        streamDecode = (decoder, bytes, stream) =>
            decoder.#decode(bytes, stream);
    }
}
expose(TextDecoder, "TextDecoder");

const operations = {
    atob(data) {
        checkGlobal(this);
        requireArgs(arguments.length, 1, "atob");
        const text = native.base64Decode(`${data}`);
        if (text === null)
            throw domError("InvalidCharacterError",
                "atob: data is not base64");
        return text;
    },
    btoa(data) {
        checkGlobal(this);
        requireArgs(arguments.length, 1, "btoa");
        data = `${data}`;
        if (/[^\0-\xff]/.test(data))
            throw domError("InvalidCharacterError",
                "btoa: data has a character over 255");
        return native.base64Encode(data);
    }
};

return { TextEncoder, TextDecoder, streamDecode, ...operations };
