/*
 * body.js - the body of a Request or Response (Fetch 5.2, 5.3).
 *
 * A Body has a source (a string, bytes that are ours alone, or the incoming
 * request) and makes a stream of it only when a script asks for one.
 *
 *   Incoming            the body of the request being served
 *   extract(v) -> [Body, type or null]
 *   cloneBody(body)     and leaves body whole
 *   moveBody(body)      and leaves body used
 *   isUnusable(body)    disturbed or locked
 *   mixinBody(Class, name, of)   of(this): { body: Body or null, headers },
 *       or throws; both are read when needed
 */
const { isBufferSource, copyBytes, toUSVString, defineOperation } =
    use("webidl");
const { URLSearchParams } = use("url");
const { isReadableStream, isDisturbed, isLocked, acquire, cancelReader,
    discard, readAll, concat, newByteStream, readableFromBytes, teeStream,
    passThrough, isUint8Array } = use("streams");
const { isBlob, blobBytes, blobType, newBlob, utf8Decode } = use("blob");
const { getField, isToken } = use("headers");

const CHUNK = 64 * 1024;
const EMPTY = new Uint8Array(0);

/*
 * read() gives bytes, null at the end, or undefined: then wake() is called
 * once, by HOOK_READABLE or when the exchange is over.
 */
class Incoming {
    constructor(rid) {
        this.rid = rid;
        this.over = false;
        this.wake = undefined;
    }
    read() {
        if (this.over)
            throw new TypeError("The request is over, its body is gone");
        return native.bodyRead(this.rid, CHUNK);
    }
    readable() {
        const { wake } = this;
        this.wake = undefined;
        if (wake !== undefined)
            wake();
    }
    end() {
        this.over = true;
        this.readable();
    }
    readAll(done, fail) {
        const chunks = [];
        let size = 0;
        const step = () => {
            try {
                for (;;) {
                    const chunk = this.read();
                    if (chunk === undefined) {
                        this.wake = step;
                        return;
                    }
                    if (chunk === null)
                        break;
                    chunks.push(chunk);
                    size += chunk.length;
                }
            } catch (e) {
                fail(e);
                return;
            }
            done(chunks.length === 1 ? chunks[0] : concat(chunks, size));
        };
        step();
    }
    stream() {
        const pull = (controller) => {
            const chunk = this.read();
            if (chunk === undefined)
                return new Promise((resolve) => { this.wake = resolve; })
                    .then(() => pull(controller));
            if (chunk !== null) {
                controller.enqueue(chunk);
                return undefined;
            }
            controller.close();
            controller.byobRequest?.respond(0);
            return undefined;
        };
        return newByteStream({ __proto__: null, pull });
    }
}

class Body {
    constructor(source, stream) {
        this.source = source; // null: only the stream knows
        this.stream = stream; // undefined: not asked for yet
        this.used = false;    // read without a stream
    }
    getStream() {
        if (this.stream !== undefined)
            return this.stream;
        const { source } = this;
        if (this.used) {
            // as if it had been read by a reader nobody lets go of
            this.stream = readableFromBytes(EMPTY);
            discard(cancelReader(acquire(this.stream)));
        } else if (source instanceof Incoming) {
            this.stream = source.stream();
        } else {
            this.stream = readableFromBytes(typeof source === "string"
                ? native.textEncode(source) : source);
        }
        return this.stream;
    }
    // what a reply can send in one call, or null
    fixed() {
        const { source } = this;
        return this.stream !== undefined || source instanceof Incoming ? null
            : source;
    }
}

// no prototype: a script's Object.prototype.source is not ours
Object.setPrototypeOf(Body.prototype, null);

const isUnusable = (body) => body.used || (body.stream !== undefined &&
    (isDisturbed(body.stream) || isLocked(body.stream)));

// 5.2 "extract"
function extract(v) {
    if (typeof v === "string")
        return [new Body(v), "text/plain;charset=UTF-8"];
    if (isReadableStream(v)) {
        if (isDisturbed(v) || isLocked(v))
            throw new TypeError("The stream was read from or is locked");
        return [new Body(null, v), null];
    }
    if (isBlob(v))
        return [new Body(blobBytes(v)), blobType(v) || null];
    if (isBufferSource(v))
        return [new Body(copyBytes(v)), null];
    if (v instanceof URLSearchParams)
        return [new Body(`${v}`),
            "application/x-www-form-urlencoded;charset=UTF-8"];
    return [new Body(`${v}`), "text/plain;charset=UTF-8"];
}

function moveBody(body) {
    const moved = body.stream === undefined ? new Body(body.source)
        : new Body(null, passThrough(body.stream));
    body.used = true;
    return moved;
}

// Chunks are cloned for the second branch, as "clone a body" asks.
function copyingStream(stream) {
    const reader = acquire(stream);
    return newByteStream({
        __proto__: null,
        type: undefined,
        async pull(controller) {
            const { done, value } = await reader.read();
            if (done)
                controller.close();
            else
                controller.enqueue(isUint8Array(value) ? value.slice()
                    : value);
        },
        cancel: (reason) => cancelReader(reader, reason)
    });
}

function cloneBody(body) {
    if (body.stream === undefined && !(body.source instanceof Incoming))
        return new Body(body.source);
    const [mine, other] = teeStream(body.getStream());
    body.stream = mine;
    return new Body(null, body.source instanceof Incoming ? other
        : copyingStream(other));
}

// 5.3 "fully read": done(bytes, string); the string when it is known
function consume(body, done, fail) {
    const { source, stream } = body;
    body.used = true;
    if (stream !== undefined)
        readAll(stream, done, fail);
    else if (source instanceof Incoming)
        source.readAll(done, fail);
    else if (typeof source === "string")
        done(undefined, source);
    else
        done(source.slice());
}

function asText(bytes, string) {
    if (string === undefined)
        return utf8Decode(bytes);
    string = toUSVString(string);
    return string.charCodeAt(0) === 0xFEFF ? string.slice(1) : string;
}

const asBytes = (bytes, string) => bytes ?? native.textEncode(string);

/* ---- MIME type of a blob: MIME Sniffing 4.4 and 4.5, Fetch 2.2.2 -------- */

const trim = (s) => s.replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, "");

function unquote(text, at) {
    let value = "";
    for (at++; at < text.length && text[at] !== '"'; at++) {
        if (text[at] === "\\" && at + 1 < text.length)
            at++;
        value += text[at];
    }
    return [value, at];
}

// [essence, Map of parameters] or null
function parseMime(text) {
    text = trim(text);
    const slash = text.indexOf("/"), semi = text.indexOf(";");
    const stop = semi < 0 ? text.length : semi;
    if (slash < 0 || slash > stop)
        return null;
    const type = text.slice(0, slash), sub = trim(text.slice(slash + 1, stop));
    if (!isToken(type) || !isToken(sub))
        return null;
    const params = new Map();
    for (let at = stop; at < text.length;) {
        const rest = text.slice(at + 1);
        const name = /^[\t\n\r ]*([^;=]*)/.exec(rest);
        at += 1 + name[0].length;
        if (text[at] !== "=")
            continue;
        let value;
        if (text[at + 1] === '"') {
            [value, at] = unquote(text, at + 1);
            at = text.indexOf(";", at);
            at = at < 0 ? text.length : at;
        } else {
            const end = text.indexOf(";", at);
            value = trim(text.slice(at + 1, end < 0 ? text.length : end));
            at = end < 0 ? text.length : end;
            if (value === "")
                continue;
        }
        const key = name[1].toLowerCase();
        if (isToken(key) && !params.has(key) &&
            /^[\t -~\x80-\xFF]*$/.test(value))
            params.set(key, value);
    }
    return [`${type}/${sub}`.toLowerCase(), params];
}

// commas outside quotes part the values of a combined field
const splitValues = (field) =>
    field.match(/(?:[^,"]|"(?:[^"\\]|\\[^])*"?)+/g) ?? [];

// Fetch 2.2.2 "extract a MIME type", then serialised; "" when none
function mimeOf(headers) {
    const field = getField(headers, "content-type");
    let essence = null, params = null, charset;
    for (const value of field === null ? [] : splitValues(field)) {
        const mime = parseMime(value);
        if (mime === null || mime[0] === "*/*")
            continue;
        params = mime[1];
        if (mime[0] !== essence) {
            charset = params.get("charset");
            essence = mime[0];
        } else if (!params.has("charset") && charset !== undefined) {
            params.set("charset", charset);
        }
    }
    if (essence === null)
        return "";
    let text = essence;
    for (const [name, value] of params)
        text += `;${name}=${isToken(value) ? value
            : `"${value.replace(/["\\]/g, "\\$&")}"`}`;
    return text;
}

/* ---- the mixin --------------------------------------------------------- */

function read(state, what, convert) {
    const { body } = state;
    return new Promise((resolve, reject) => {
        if (body === null) {
            resolve(convert(new Uint8Array(0), undefined));
            return;
        }
        if (isUnusable(body))
            throw new TypeError(
                `${what}: the body was read already or is locked`);
        consume(body, (bytes, string) => {
            try {
                resolve(convert(bytes, string));
            } catch (e) {
                reject(e);
            }
        }, reject);
    });
}

// async: what of(this) throws is a rejection, Web IDL 3.7.7
const mixinBody = (Class, name, of) => Object.defineProperties(
    Class.prototype, Object.getOwnPropertyDescriptors({
        async arrayBuffer() {
            return read(of(this), `${name}.arrayBuffer`,
                (bytes, string) => asBytes(bytes, string).buffer);
        },
        async blob() {
            const state = of(this);
            return read(state, `${name}.blob`, (bytes, string) =>
                newBlob(asBytes(bytes, string), mimeOf(state.headers)));
        },
        async bytes() {
            return read(of(this), `${name}.bytes`, asBytes);
        },
        async json() {
            return read(of(this), `${name}.json`,
                (bytes, string) => JSON.parse(asText(bytes, string)));
        },
        async text() {
            return read(of(this), `${name}.text`, asText);
        },
        get body() {
            const { body } = of(this);
            return body === null ? null : body.getStream();
        },
        get bodyUsed() {
            const { body } = of(this);
            return body !== null && (body.used ||
                (body.stream !== undefined && isDisturbed(body.stream)));
        }
    }));

return {
    Body, Incoming, extract, cloneBody, moveBody, isUnusable, mixinBody
};
