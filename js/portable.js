/*
 * portable.js - values as bytes that another version of V8, another build and
 * another architecture can read: what freeze() gives to thaw().
 *
 *   encode(value)   a Uint8Array. What structuredClone takes, and what stays
 *       as it does there: shared references and cycles are kept, instances
 *       of a class become plain objects. TypeError names what cannot be in
 *       it by its path. A getter runs, and what it throws comes out.
 *   decode(bytes)   the value. The bytes may come from anywhere: SyntaxError
 *       says what is wrong with them, and at which byte. A length is checked
 *       against the bytes that are left before anything is made of it.
 *
 * An error also keeps a name of its own, and errors of an AggregateError;
 * lastIndex of a regular expression is 0, and properties of a Map, a Date, a
 * view and so on are left out.
 *
 * The work is in portable_write.js and portable_read.js.
 *
 * The format, version 1. All numbers are little-endian.
 *   file     "snapval" and the version, 1 byte each; one value; nothing more
 *   uint     LEB128 of 1 to 5 bytes: 0 to 2^32 - 1
 *   double   8 bytes, IEEE 754
 *   value    a byte that says what, and
 *     00 undefined   01 null   02 false   03 true   04 nothing (a hole)
 *     05 integer     uint n: n / 2, or -(n + 1) / 2 where n is odd
 *     06 number      double
 *     07 BigInt, 08 BigInt below 0: uint n, n bytes of the magnitude
 *     09 string      uint n, n bytes of UTF-8
 *     0a string that has lone surrogates: uint n, n UTF-16 units
 *     0b reference   uint: an object met before. Objects have numbers from 0
 *                    on in the order of their first byte, but a view comes
 *                    after its buffer
 *     10 object      properties
 *     11 Array       uint n; n values, holes among them; properties
 *     12 Array of few elements: uint length, uint n; n times (uint index,
 *                    value), the indices rise; properties
 *     13 Map         uint n; n times (value, value)
 *     14 Set         uint n; n values
 *     15 Date        double: ms since 1970, or NaN
 *     16 RegExp      string, string: source, flags
 *     17 box         a boolean, number, BigInt or string value
 *     18 ArrayBuffer uint n, n bytes
 *     19 ArrayBuffer that can be resized: uint n, uint maximum, n bytes
 *     1a view        a value that is a buffer; a byte, the place in VIEWS, and
 *                    128 when the view goes on to the end of the buffer
 *                    wherever that is; uint byte offset; uint elements,
 *                    absent with 128
 *     1b Error       a byte, the place in ERRORS; properties: no others than
 *                    ERROR_KEYS
 *     1c DOMException  string, string, string: name, message, stack
 *     1d Blob        string, uint n, n bytes: type, contents
 *     1e File        string, double, then as Blob: name, lastModified
 *   properties  uint n; n times (key, value); a hole: no property
 *   key      uint n: the n-th key of the file, or 0 and a string, which is
 *            the next one. Keys have numbers from 1 on
 */
const MAGIC = [0x73, 0x6E, 0x61, 0x70, 0x76, 0x61, 0x6C, 1]; // snapval
const TAG = {
    __proto__: null, UNDEFINED: 0x00, NULL: 0x01, FALSE: 0x02, TRUE: 0x03,
    HOLE: 0x04, INT: 0x05, DOUBLE: 0x06, BIGINT: 0x07, BIGINT_NEGATIVE: 0x08,
    STRING: 0x09, STRING16: 0x0A, REFERENCE: 0x0B, OBJECT: 0x10, ARRAY: 0x11,
    SPARSE: 0x12, MAP: 0x13, SET: 0x14, DATE: 0x15, REGEXP: 0x16, BOX: 0x17,
    BUFFER: 0x18, RESIZABLE: 0x19, VIEW: 0x1A, ERROR: 0x1B,
    DOM_EXCEPTION: 0x1C, BLOB: 0x1D, FILE: 0x1E
};
const VIEWS = ["DataView", "Int8Array", "Uint8Array", "Uint8ClampedArray",
    "Int16Array", "Uint16Array", "Int32Array", "Uint32Array", "Float32Array",
    "Float64Array", "BigInt64Array", "BigUint64Array", "Float16Array"];
const WIDTHS = [1, 1, 1, 1, 2, 2, 4, 4, 4, 8, 8, 8, 2];
const TRACKS = 128;
const ERRORS = [Error, EvalError, RangeError, ReferenceError, SyntaxError,
    TypeError, URIError, AggregateError];
const ERROR_KEYS = ["name", "message", "stack", "cause", "errors"];

const UINT_MAX = 2 ** 32 - 1;
const UTF_8 = 0, FATAL = 1, IGNORE_BOM = 2; // bind/text.c

const uncurry = (f) => Function.prototype.call.bind(f);
const getterOf = (proto, key) =>
    uncurry(Object.getOwnPropertyDescriptor(proto, key).get);
const typedProto = Object.getPrototypeOf(Uint8Array.prototype);
const typedView = ["buffer", "byteOffset", "length"]
    .map((key) => getterOf(typedProto, key));
const bufferGetter = (key) => getterOf(ArrayBuffer.prototype, key);
const byteLength = bufferGetter("byteLength");
const canResize = "resizable" in ArrayBuffer.prototype;
const isResizable = canResize ? bufferGetter("resizable") : () => false;
const maxByteLength = canResize ? bufferGetter("maxByteLength") : byteLength;
const isIndex = (key) => `${key >>> 0}` === key && key !== "4294967295";
const shorten = (s) => s.length > 40 ? `${s.slice(0, 40)}...` : s;

// Values that are to come, within one that is written or read.
class Frame {
    constructor(tag, object, count, list = undefined, rest = undefined) {
        this.tag = tag;       // OBJECT: properties, whatever has them
        this.object = object;
        this.count = count;
        this.list = list;     // keys or values to write
        this.rest = rest;     // the properties of an Array to write
        this.next = 0;
        this.key = undefined; // where the value at hand belongs
        this.length = 0;      // of an Array to read
    }
}

const encode = (value) => native.use("portable_write").encode(value);
const decode = (bytes) => native.use("portable_read").decode(bytes);

return {
    encode, decode, MAGIC, TAG, VIEWS, WIDTHS, TRACKS, ERRORS, ERROR_KEYS,
    UINT_MAX, UTF_8, FATAL, IGNORE_BOM, Frame, uncurry, getterOf, typedProto,
    typedView, byteLength, canResize, isResizable, maxByteLength, isIndex,
    shorten
};
