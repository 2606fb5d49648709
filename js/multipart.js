/*
 * multipart.js - a multipart/form-data body (RFC 7578), piece by piece.
 *
 *   new Multipart(boundary)   undefined: a TypeError
 *     push(bytes)             takes bytes: a file's are kept as they are
 *     end() -> [[name, string or File], ...]
 *   textOf(bytes)             "UTF-8 decode without BOM"
 *
 * What is wrong with the body is a TypeError of push() or end().
 */
const { concat } = use("streams");
const { isToken } = use("headers");
const { stampFile } = use("file");

const MAX_PARTS = 1000;
const MAX_HEAD = 16 * 1024; // bytes of a part's header fields
const MAX_BOUNDARY = 70;    // RFC 2046 section 5.1.1

const UTF_8 = 0, IGNORE_BOM = 2; // bind/decode.h
const CR = 13, LF = 10, DASH = 45;
const EMPTY = new Uint8Array(0);

const textOf = (bytes) => native.textDecode(UTF_8, bytes, IGNORE_BOM);

function fail(what) {
    throw new TypeError(`formData: ${what}`);
}

/*
 * Where a needle that starts with CR is, by Horspool's algorithm. A needle is
 * compared from its start, and a boundary has no CR: two near matches do not
 * overlap, so no content makes the time more than linear.
 */
class Finder {
    constructor(needle) {
        this.needle = needle;
        const last = needle.length - 1;
        this.skip = new Uint8Array(256).fill(needle.length);
        for (let i = 0; i < last; i++)
            this.skip[needle[i]] = last - i;
    }
    find(bytes, from) {
        const { needle, skip } = this, last = needle.length - 1;
        const end = needle[last];
        for (let at = from + last; at < bytes.length;) {
            const c = bytes[at];
            if (c === end) {
                const start = at - last;
                let i = 0;
                while (i < last && bytes[start + i] === needle[i])
                    i++;
                if (i === last)
                    return start;
            }
            at += skip[c];
        }
        return -1;
    }
}

// not by a regular expression: many blanks within would cost their square
function trim(s) {
    const isBlank = (i) => s[i] === " " || s[i] === "\t";
    let start = 0, end = s.length;
    while (start < end && isBlank(start))
        start++;
    while (start < end && isBlank(end - 1))
        end--;
    return s.slice(start, end);
}

// ; name="a" ; filename=b
const parameter = () =>
    /[ \t]*;[ \t]*([!#-'*+.0-9A-Z^-z|~-]+)=(?:"([^"]*)"|([^\s";]+))[ \t]*/y;
const ESCAPED = { "%0a": "\n", "%0d": "\r", "%22": '"' };

function disposition(value) {
    const found = { __proto__: null };
    const type = /^form-data[ \t]*(?=;|$)/i.exec(value);
    if (type === null)
        fail("a part's Content-Disposition is not form-data");
    const one = parameter();
    one.lastIndex = type[0].length;
    while (one.lastIndex < value.length) {
        const match = one.exec(value);
        if (match === null)
            fail("a part's Content-Disposition is malformed");
        const key = match[1].toLowerCase();
        if (key in found)
            fail(`a part's Content-Disposition has two of ${key}`);
        found[key] = (match[2] ?? match[3]).replace(/%(?:0A|0D|22)/gi,
            (c) => ESCAPED[c.toLowerCase()]);
    }
    if (found.name === undefined)
        fail("a part has no name");
    return found;
}

// { name, filename, type } of a part's header fields
function parseHead(bytes) {
    let found, type = "text/plain";
    for (const line of textOf(bytes).split("\r\n")) {
        const colon = line.indexOf(":");
        const name = line.slice(0, Math.max(colon, 0)).toLowerCase();
        const value = trim(line.slice(colon + 1));
        if (!isToken(name) || /[\r\n\0]/.test(value))
            fail("a part has a malformed header field");
        if (name === "content-disposition") {
            if (found !== undefined)
                fail("a part has two Content-Dispositions");
            found = disposition(value);
        } else if (name === "content-type") {
            type = /^[ -~]*$/.test(value) ? value : "";
        }
    }
    if (found === undefined)
        fail("a part has no Content-Disposition");
    return { name: found.name, filename: found.filename, type };
}

class Multipart {
    #entries = [];
    #rest = EMPTY;  // not understood yet
    #step = this.#first;
    #delimiter;     // CR LF "--" boundary
    #headEnd = new Finder([CR, LF, CR, LF]);
    #part;          // { name, filename, type }
    #chunks;        // of the part's content
    #size;
    constructor(boundary) {
        if (boundary === undefined)
            fail("the body's Content-Type has no boundary");
        if (boundary.length > MAX_BOUNDARY)
            fail(`the boundary has over ${MAX_BOUNDARY} characters`);
        this.#delimiter = new Finder(native.textEncode(`\r\n--${boundary}`));
    }
    push(bytes) {
        const rest = this.#rest;
        if (rest.length > 0)
            bytes = concat([rest, bytes], rest.length + bytes.length);
        let at = 0;
        // a step gives where it stopped, or -1 when it needs more
        for (let next = 0; next >= 0; next = this.#step(bytes, at))
            at = next;
        if (this.#step === this.#content)
            at = this.#keep(bytes, at);
        this.#rest = bytes.subarray(at);
    }
    end() {
        if (this.#step !== this.#epilogue)
            fail(this.#step === this.#first && this.#rest.length === 0
                ? "the body is empty"
                : "the body ends before its last boundary");
        return this.#entries;
    }
    // the first boundary needs no line's end before it
    #first(bytes, at) {
        const { needle } = this.#delimiter;
        for (let i = bytes[at] === CR ? 0 : 2; i < needle.length; i++, at++) {
            if (at === bytes.length)
                return -1;
            if (bytes[at] !== needle[i])
                fail("the body does not start with its boundary");
        }
        this.#step = this.#after;
        return at;
    }
    #after(bytes, at) {
        if (bytes.length - at < 2)
            return -1;
        if (bytes[at] === CR && bytes[at + 1] === LF)
            this.#step = this.#head;
        else if (bytes[at] === DASH && bytes[at + 1] === DASH)
            this.#step = this.#epilogue;
        else
            fail("a boundary is not followed by the end of the line");
        return at + 2;
    }
    #head(bytes, at) {
        const end = this.#headEnd.find(bytes, at);
        if ((end < 0 ? bytes.length : end) - at > MAX_HEAD)
            fail(`a part has more than ${MAX_HEAD} bytes of header fields`);
        if (end < 0)
            return -1;
        if (this.#entries.length === MAX_PARTS)
            fail(`the body has more than ${MAX_PARTS} parts`);
        this.#part = parseHead(bytes.subarray(at, end));
        this.#chunks = [];
        this.#size = 0;
        this.#step = this.#content;
        return end + 4;
    }
    #content(bytes, at) {
        const { needle } = this.#delimiter;
        const end = this.#delimiter.find(bytes, at);
        if (end < 0)
            return -1;
        this.#add(bytes.subarray(at, end));
        const { name, filename, type } = this.#part;
        this.#entries.push([name, filename === undefined
            ? textOf(concat(this.#chunks, this.#size))
            : stampFile(this.#chunks, type, filename)]);
        this.#chunks = undefined;
        this.#step = this.#after;
        return end + needle.length;
    }
    #add(bytes) {
        if (bytes.length > 0)
            this.#chunks.push(bytes);
        this.#size += bytes.length;
    }
    // all of it is content but what a delimiter may start with
    #keep(bytes, at) {
        const near = bytes.length - this.#delimiter.needle.length + 1;
        const cr = bytes.indexOf(CR, Math.max(at, near));
        const end = cr < 0 ? bytes.length : cr;
        this.#add(bytes.subarray(at, end));
        return end;
    }
    #epilogue(bytes, at) {
        if (at === bytes.length)
            return -1;
        if (bytes[at] !== CR && bytes[at] !== LF)
            fail("there is something after the last boundary");
        return at + 1;
    }
}

return { Multipart, textOf };
