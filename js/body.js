/*
 * body.js - the body of a Request or Response (Fetch 5.2, 5.3).
 *
 * A Body has a source (a string, bytes that are ours alone, or the incoming
 * request) and makes a stream of it only when a script asks for one.
 *
 *   Source              bytes from C, see below; fetch's is in fetch.js
 *   Incoming            the body of the request being served
 *   extract(v) -> [Body, type or null]
 *   cloneBody(body)     and leaves body whole
 *   moveBody(body)      and leaves body used
 *   isUnusable(body)    disturbed or locked
 *   mixinBody(Class, name, of)   of(this): { body: Body or null, headers },
 *       or throws; both are read when needed
 */
const { isBufferSource, isObject, copyBytes, toUSVString } = use("webidl");
const { URLSearchParams } = use("url");
const { isReadableStream, isDisturbed, isLocked, acquire, cancelReader,
    discard, readAll, concat, newByteStream, readableFromBytes, teeStream,
    passThrough, isUint8Array, readChunks } = use("streams");
const { isBlob, blobBytes, blobType, newBlob, utf8Decode } = use("blob");
const { getField } = use("headers");

const CHUNK = 64 * 1024;
const EMPTY = new Uint8Array(0);

/*
 * Bytes that come from C when they come. take() gives some, null at the end,
 * or undefined: then readable() is called once, when there is more or none
 * will come. What take() throws is what went wrong. fail(e) ends it from
 * outside, stop() is called when a script cancels the stream.
 */
class Source {
    constructor() {
        this.wake = undefined;
        this.failed = false;
        this.error = undefined;
        this.controller = undefined;
    }
    stop() {}
    read() {
        if (this.failed)
            throw this.error;
        return this.take();
    }
    readable() {
        const { wake } = this;
        this.wake = undefined;
        if (wake !== undefined)
            wake();
    }
    fail(e) {
        if (this.failed)
            return;
        this.failed = true;
        this.error = e;
        this.readable();
        this.controller?.error(e);
    }
    // sink(chunk) may throw
    each(sink, done, fail) {
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
                    sink(chunk);
                }
            } catch (e) {
                fail(e);
                return;
            }
            done();
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
        return newByteStream({
            __proto__: null,
            start: (controller) => { this.controller = controller; },
            pull,
            cancel: (reason) => this.stop(reason)
        });
    }
}

class Incoming extends Source {
    constructor(rid) {
        super();
        this.rid = rid;
        this.over = false;
    }
    take() {
        if (this.over)
            throw new TypeError("The request is over, its body is gone");
        return native.bodyRead(this.rid, CHUNK);
    }
    end() {
        this.over = true;
        this.readable();
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
        } else if (source instanceof Source) {
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
        return this.stream !== undefined || source instanceof Source ? null
            : source;
    }
}

// no prototype: a script's Object.prototype.source is not ours
Object.setPrototypeOf(Body.prototype, null);

const isUnusable = (body) => body.used || (body.stream !== undefined &&
    (isDisturbed(body.stream) || isLocked(body.stream)));

// 5.2 "extract"; FormData is there when a script has touched it
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
    const form = isObject(v)
        ? native.used("formdata")?.extractForm(v) : undefined;
    if (form !== undefined)
        return [new Body(form[0]), form[1]];
    return [new Body(`${v}`), "text/plain;charset=UTF-8"];
}

function moveBody(body) {
    const { source, stream } = body;
    const moved = stream === undefined ? new Body(source)
        : new Body(source instanceof Source ? null : source,
            passThrough(stream));
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
    if (body.stream === undefined && !(body.source instanceof Source))
        return new Body(body.source);
    const [mine, other] = teeStream(body.getStream());
    body.stream = mine;
    return new Body(null, body.source instanceof Source ? other
        : copyingStream(other));
}

// 5.3 "fully read": done(bytes, string); the string when it is known
function consume(body, done, fail) {
    const { source, stream } = body;
    body.used = true;
    if (stream !== undefined)
        readAll(stream, done, fail);
    else if (source instanceof Source)
        collect(source, done, fail);
    else if (typeof source === "string")
        done(undefined, source);
    else
        done(source.slice());
}

function collect(source, done, fail) {
    const chunks = [];
    let size = 0;
    source.each((chunk) => {
        chunks.push(chunk);
        size += chunk.length;
    }, () => done(chunks.length === 1 ? chunks[0] : concat(chunks, size)),
    fail);
}

// The same piece by piece: sink(bytes) may throw.
function feed(body, sink, done, fail) {
    const { source, stream } = body;
    body.used = true;
    if (stream === undefined && source instanceof Source) {
        source.each(sink, done, fail);
    } else if (stream === undefined) {
        sink(typeof source === "string" ? native.textEncode(source)
            : source);
        done();
    } else {
        readChunks(acquire(stream), (chunk) => {
            try {
                if (!isUint8Array(chunk))
                    throw new TypeError("A body's stream gave a chunk that " +
                        "is not a Uint8Array");
                sink(chunk.slice());
                return true;
            } catch (e) {
                fail(e);
                return false;
            }
        }, done, fail);
    }
}

function asText(bytes, string) {
    if (string === undefined)
        return utf8Decode(bytes);
    string = toUSVString(string);
    return string.charCodeAt(0) === 0xFEFF ? string.slice(1) : string;
}

const asBytes = (bytes, string) => bytes ?? native.textEncode(string);

/* ---- the mixin --------------------------------------------------------- */

// 5.3 "consume body"; what of(self) throws is a rejection, Web IDL 3.7.7
const read = (self, of, what, convert) => new Promise((resolve, reject) => {
    const state = of(self), body = usable(state, what);
    if (body === null)
        resolve(convert(new Uint8Array(0), undefined, state));
    else
        consume(body, (bytes, string) => {
            try {
                resolve(convert(bytes, string, state));
            } catch (e) {
                reject(e);
            }
        }, reject);
});

function usable({ body }, what) {
    if (body !== null && body.source instanceof Source && body.source.failed)
        throw body.source.error;
    if (body !== null && isUnusable(body))
        throw new TypeError(`${what}: the body was read already or is locked`);
    return body;
}

const readForm = (self, of, what) => new Promise((resolve, reject) => {
    const state = of(self), body = usable(state, what);
    let reader, wrong;
    try {
        reader = native.use("formdata").newFormReader(typeOf(state));
    } catch (e) {
        wrong = e; // said when all is read: an abort comes before it
    }
    const finish = () => {
        try {
            if (wrong !== undefined)
                throw wrong;
            resolve(reader.end());
        } catch (e) {
            reject(e);
        }
    };
    if (body === null)
        finish();
    else
        feed(body, (bytes) => reader?.push(bytes), finish, reject);
});

const typeOf = (state) =>
    native.use("data_url").extractMime(getField(state.headers, "content-type"));

const mixinBody = (Class, name, of) => Object.defineProperties(
    Class.prototype, Object.getOwnPropertyDescriptors({
        arrayBuffer() {
            return read(this, of, `${name}.arrayBuffer`,
                (bytes, string) => asBytes(bytes, string).buffer);
        },
        blob() {
            return read(this, of, `${name}.blob`, (bytes, string, state) =>
                newBlob(asBytes(bytes, string), typeOf(state)));
        },
        bytes() {
            return read(this, of, `${name}.bytes`, asBytes);
        },
        formData() {
            return readForm(this, of, `${name}.formData`);
        },
        json() {
            return read(this, of, `${name}.json`,
                (bytes, string) => JSON.parse(asText(bytes, string)));
        },
        text() {
            return read(this, of, `${name}.text`, asText);
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
    Body, Source, Incoming, extract, cloneBody, moveBody, isUnusable,
    mixinBody
};
