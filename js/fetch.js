/*
 * fetch.js - fetch() (Fetch 4 and 5.6).
 *
 * A server has no origin, so there is no CORS, no referrer and no Origin
 * field, and no cookies and no cache are kept: a response is "basic", and a
 * redirect that is not followed is given as it came. The bytes move in C
 * (bind/fetch.c): one transfer for each hop, which has a number.
 *
 *   onNews(id)   HOOK_FETCH: a head, bytes, the end or room for more
 *   onEnd()      the exchange is over: what waits will wait no longer
 */
const { checkGlobal, requireArgs } = use("webidl");
const { late } = use("events");
const { URL } = use("url");
const { acquire, cancel, cancelReader, discard, isUint8Array, readAll,
    readChunks } = use("streams");
const { flatHeaders, getField, receivedHeaders } = use("headers");
const { Body, Source } = use("body");
const { Request, requestState } = use("request");
const { State, newResponse, nullBody } = use("response");
const { own, free } = use("resource");

const MAX_REDIRECTS = 20; // 4.4
const EMPTY = new Uint8Array(0);
const isRedirect = (status) => status === 301 || status === 302 ||
    status === 303 || status === 307 || status === 308;

// 2.9 "bad port"
const BAD_PORTS = new Set([0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23,
    25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110,
    111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427,
    465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563,
    587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045,
    4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697,
    10080]);

// What the connection is made of is not the script's: a request that was
// copied from the one being served must not carry its framing or its host.
const OURS = new Set(["connection", "content-length", "expect", "host",
    "http2-settings", "keep-alive", "proxy-connection", "te", "trailer",
    "transfer-encoding", "upgrade"]);
// 4.4 step 12 of HTTP-redirect fetch: a body's fields go with it
const BODY_FIELDS = new Set(["content-encoding", "content-language",
    "content-location", "content-type"]);
// what was said to one origin is not for another
const SECRETS = new Set(["authorization", "cookie", "proxy-authorization"]);
const DECODED = new Set(["gzip", "x-gzip", "deflate", "br"]);

const failure = (where, why, cause = undefined) => new TypeError(
    `fetch failed: ${where === "" ? "" : `${where}: `}${why}`,
    cause === undefined ? undefined : { cause });

/* ---- one transfer ------------------------------------------------------ */

const active = new Map(); // number -> its Transfer, until it is closed

class Transfer {
    constructor(host, method, href, fields, body) {
        this.host = host;
        this.wake = undefined;   // who waits for news
        this.reader = undefined; // weakly: the Download, when nobody waits
        this.upload = undefined; // { reader, reading } while a body goes up
        this.open = true;
        this.over = false;       // and so is the request that began it
        this.id = native.fetchStart(method, href, fields, body);
        active.set(this.id, this);
    }
    failure(e) {
        return failure(this.host, this.over ? "the request is over"
            : e.message, this.over ? undefined : e);
    }
    news() {
        const { wake } = this;
        this.wake = undefined;
        this.upload?.reading.resume();
        if (wake === undefined)
            this.reader?.deref()?.notice();
        else
            wake();
    }
    // over, one way or another; what still goes up is not wanted
    close(reason) {
        if (!this.open)
            return;
        this.open = false;
        active.delete(this.id);
        free(this.id);
        this.stopUpload(reason);
    }
    stopUpload(reason) {
        const { upload } = this;
        this.upload = undefined;
        if (upload !== undefined)
            discard(cancelReader(upload.reader, reason));
    }
    // length: what Content-Length promises, or -1
    send(stream, length, failed) {
        const reader = acquire(stream), { id } = this;
        const upload = this.upload = { reader, reading: undefined };
        let sent = 0;
        const stop = (e) => {
            this.upload = undefined;
            failed(this.failure(e));
            discard(cancelReader(reader, e));
            return false;
        };
        upload.reading = readChunks(reader, (chunk) => {
            if (this.upload === undefined)
                return false;
            if (!isUint8Array(chunk))
                return stop(new TypeError(
                    "the body's stream gave a chunk that is not a Uint8Array"));
            sent += chunk.length;
            if (length >= 0 && sent > length)
                return stop(new TypeError(
                    `the body is longer than its ${length} bytes`));
            try {
                return native.fetchWrite(id, chunk);
            } catch (e) {
                // it failed, or there is an answer already: news says which
                this.stopUpload(e);
                return false;
            }
        }, () => {
            this.upload = undefined;
            if (length >= 0 && sent < length)
                failed(failure(this.host,
                    `the body has ${sent} bytes, not ${length}`));
            else if (this.open)
                native.fetchWriteEnd(id);
        }, (e) => {
            this.upload = undefined;
            failed(failure(this.host, "the body's stream failed", e));
        });
    }
}

// The body of a response. Nobody but a reader holds it while nothing waits:
// one that is dropped is collected, and that ends the transfer.
class Download extends Source {
    constructor(transfer, ended) {
        super();
        this.transfer = transfer;
        this.ended = ended;
        this.ahead = undefined; // a chunk that was read to see the end
        transfer.reader = new WeakRef(this);
        own(this, transfer.id);
    }
    take() {
        const chunk = this.ahead ?? this.#poll();
        this.ahead = undefined;
        if (chunk === undefined)
            this.transfer.wake = () => this.readable();
        return chunk;
    }
    #poll() {
        const { transfer } = this;
        let chunk;
        if (!transfer.open)
            return null;
        try {
            chunk = native.fetchRead(transfer.id);
        } catch (e) {
            this.fail(transfer.failure(e));
            throw this.error;
        }
        if (chunk === null)
            this.stop(undefined);
        return chunk;
    }
    // News while nobody reads: a stream shows its end by itself.
    notice() {
        if (this.controller === undefined || this.ahead !== undefined ||
            !this.transfer.open)
            return;
        try {
            this.ahead = this.#poll() ?? undefined;
        } catch {
            return; // the stream has the error
        }
        if (!this.transfer.open)
            this.controller.close();
    }
    stop(reason) {
        this.ended();
        this.transfer.close(reason);
    }
    fail(e) {
        if (this.transfer.open) {
            this.stop(e);
            super.fail(e);
        }
    }
}

/* ---- one call of fetch() ----------------------------------------------- */

// The fields to send: those of one name in one, spelt as the first, 2.2.2.
function fieldsOf(headers) {
    const flat = flatHeaders(headers), fields = new Map();
    for (let i = 0; i < flat.length; i += 2) {
        const name = flat[i].toLowerCase(), field = fields.get(name);
        if (OURS.has(name))
            continue;
        if (field === undefined)
            fields.set(name, [flat[i], flat[i + 1]]);
        else
            field[1] += `${name === "cookie" ? ";" : ","} ${flat[i + 1]}`;
    }
    return fields;
}

// 4.1 step 13, and 4.6 "HTTP-network-or-cache fetch" steps 8.14 to 8.19
function addDefaults(fields, cache) {
    const add = (name, value) => {
        const lower = name.toLowerCase();
        if (!fields.has(lower))
            fields.set(lower, [name, value]);
    };
    add("Accept", "*/*");
    add("Accept-Language", "*");
    add("User-Agent", "snapcgi");
    if (cache === "no-cache")
        add("Cache-Control", "max-age=0");
    if (cache === "no-store" || cache === "reload") {
        add("Pragma", "no-cache");
        add("Cache-Control", "no-cache");
    }
    if (fields.has("range"))
        add("Accept-Encoding", "identity");
}

class Fetching {
    constructor(request, resolve, reject) {
        this.request = request;
        this.method = request.method;
        this.url = new URL(request.url);
        this.fields = fieldsOf(request.headers);
        addDefaults(this.fields, request.cache);
        this.body = request.body;
        this.redirects = 0;
        this.resolve = resolve;
        this.reject = reject;
        this.transfer = undefined;
        this.hook = { run: undefined };
    }

    // 5.6 "fetch" steps 4 to 12
    start() {
        const signal = this.request.follows?.signal;
        if (signal !== undefined && late.signal.aborted(signal)) {
            this.#fail(signal.reason);
            return;
        }
        if (signal !== undefined) {
            const { hook } = this;
            hook.run = () => this.#abort(signal.reason);
            late.signal.add(signal, () => hook.run?.());
        }
        try {
            this.#scheme();
        } catch (e) {
            this.#fail(e);
        }
    }

    #done() {
        this.hook.run = undefined;
    }
    #fail(e) {
        this.#done();
        this.reject(e);
        const { transfer, body } = this;
        this.body = null;
        if (transfer !== undefined)
            transfer.close(e);
        else if (body !== null && body.stream !== undefined)
            discard(cancel(body.stream, e));
    }
    #abort(reason) {
        const { reader } = this.transfer ?? {};
        if (reader === undefined)
            this.#fail(reason);
        else
            reader.deref()?.fail(reason);
    }
    #error(why, cause) {
        return failure(this.url.host, why, cause);
    }

    // 4.2 "scheme fetch"
    #scheme() {
        const { url } = this, { protocol } = url;
        if (protocol === "data:")
            this.#data(url.href);
        else if (protocol === "http:" || protocol === "https:")
            this.#hop();
        else
            throw failure("", `the scheme ${protocol.slice(0, -1)} is not ` +
                "fetched");
    }

    #data(href) {
        const parts = native.use("data_url").dataUrl(href);
        if (parts === null)
            throw failure("", "the data: URL is malformed");
        this.#respond(200, "OK", ["Content-Type", parts[0]],
            new Body(parts[1]));
    }

    // 4.4 "HTTP fetch": one request and its answer
    #hop() {
        const { url, fields, body, request } = this;
        if (url.port !== "" && BAD_PORTS.has(+url.port))
            throw this.#error(`port ${url.port} is not for the web`);
        if (request.cache === "only-if-cached")
            throw this.#error("there is no cache");
        let bytes;
        if (body === null)
            bytes = this.method === "POST" || this.method === "PUT" ? EMPTY
                : undefined;
        else if (typeof body.source === "string")
            bytes = native.textEncode(body.source);
        else if (body.source !== null && !(body.source instanceof Source))
            bytes = body.source;
        else
            bytes = this.#promised();
        const { host } = url, flat = [];
        for (const [name, value] of fields.values())
            flat.push(name, value);
        const href = url.href.replace(/#.*$/, "");
        let transfer;
        try {
            transfer = new Transfer(host, this.method, href, flat, bytes);
        } catch (e) {
            throw this.#error(e.message, e);
        }
        this.transfer = transfer;
        transfer.wake = () => this.#look();
        if (typeof bytes === "number")
            transfer.send(body.getStream(), bytes, (e) => this.#abort(e));
    }

    // A stream's length, when the script has said it.
    #promised() {
        const said = getField(this.request.headers, "content-length");
        return said !== null && /^\d{1,15}$/.test(said) ? +said : -1;
    }

    #look() {
        const { transfer } = this;
        try {
            const head = native.fetchHead(transfer.id);
            if (head === undefined)
                transfer.wake = () => this.#look();
            else
                this.#head(+head[0], head[1], head.slice(2));
        } catch (e) {
            this.#fail(transfer.failure(e));
        }
    }

    #head(status, reason, flat) {
        const { transfer, request } = this;
        if (isRedirect(status)) {
            if (request.redirect === "error") {
                this.#fail(this.#error(`redirects (${status})`));
                return;
            }
            if (request.redirect === "follow" && this.#redirect(status, flat))
                return;
        }
        if (this.method === "HEAD" || nullBody(status)) {
            this.#respond(status, reason, flat, null);
            drain(transfer);
            return;
        }
        this.#respond(status, reason, this.#decoded(flat),
            new Body(new Download(transfer, () => this.#done())));
    }

    // The body is given decoded: a response that is passed on as it is must
    // not say that it is not.
    #decoded(flat) {
        const has = (name, i) => flat[i].toLowerCase() === name;
        const codings = [];
        for (let i = 0; i < flat.length; i += 2)
            if (has("content-encoding", i))
                codings.push(...flat[i + 1].toLowerCase().split(","));
        if (this.fields.has("accept-encoding") || codings.length === 0 ||
            !codings.every((coding) => DECODED.has(coding.trim())))
            return flat;
        const kept = [];
        for (let i = 0; i < flat.length; i += 2)
            if (!has("content-encoding", i) && !has("content-length", i))
                kept.push(flat[i], flat[i + 1]);
        return kept;
    }

    // 4.4 "HTTP-redirect fetch"; false: there is nowhere to go
    #redirect(status, flat) {
        const to = flat.filter((v, i) => i % 2 === 1 &&
            flat[i - 1].toLowerCase() === "location");
        if (to.length === 0)
            return false;
        try {
            const url = this.#location(to);
            const { body } = this;
            if (++this.redirects > MAX_REDIRECTS)
                throw this.#error(
                    `redirects more than ${MAX_REDIRECTS} times`);
            if (status !== 303 && body !== null &&
                (body.source === null || body.source instanceof Source))
                throw this.#error(`redirects (${status}), and the stream ` +
                    "that is the body cannot be sent again");
            settle(this.transfer);
            this.#change(status, url);
            this.#hop();
        } catch (e) {
            this.#fail(e);
        }
        return true;
    }

    // "location URL"; bytes over 127 are the sender's own, not characters
    #location(values) {
        const text = values[0].replace(/[\x80-\xFF]/g, (c) =>
            `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
        let url;
        try {
            url = new URL(text, this.url.href);
        } catch { /* stays undefined */ }
        if (url === undefined || values.some((v) => v !== values[0]))
            throw this.#error("redirects to what is not a URL");
        if (url.protocol !== "http:" && url.protocol !== "https:")
            throw this.#error(`redirects to the scheme ${
                url.protocol.slice(0, -1)}`);
        if (url.username !== "" || url.password !== "")
            throw this.#error("redirects to a URL with a user name or " +
                "password");
        return url;
    }

    // what the next request has not of the one before
    #change(status, url) {
        const { method } = this;
        if (((status === 301 || status === 302) && method === "POST") ||
            (status === 303 && method !== "GET" && method !== "HEAD")) {
            this.method = "GET";
            this.body = null;
            for (const name of BODY_FIELDS)
                this.fields.delete(name);
        }
        if (url.origin !== this.url.origin)
            for (const name of SECRETS)
                this.fields.delete(name);
        this.url = url;
    }

    // 4.1 "main fetch" from step 19
    #respond(status, reason, flat, body) {
        if (this.method === "HEAD")
            body = null;
        const state = new State("basic", status, reason,
            receivedHeaders(flat), body);
        state.url = this.url.href.replace(/#.*$/, "");
        state.redirected = this.redirects > 0;
        if (body === null || !(body.source instanceof Source))
            this.#done();
        if (this.request.integrity !== "")
            this.#verify(state);
        else
            this.resolve(newResponse(state));
    }

    // step 22: all bytes are seen before the script sees any
    #verify(state) {
        const { body } = state, wanted = this.request.integrity;
        if (body === null) {
            this.#fail(this.#error("no body has that integrity"));
            return;
        }
        readAll(body.getStream(), (bytes) => {
            let same = false;
            try {
                same = matches(bytes, wanted);
            } catch (e) {
                this.reject(this.#error(e.message, e));
                return;
            }
            if (same) {
                state.body = new Body(bytes);
                this.resolve(newResponse(state));
            } else {
                this.reject(this.#error("the body has not that integrity"));
            }
        }, this.reject);
    }
}

// A body nobody may read, for the connection to be used again.
function drain(transfer) {
    try {
        for (;;) {
            const chunk = native.fetchRead(transfer.id);
            if (chunk === undefined) {
                transfer.wake = () => drain(transfer);
                return;
            }
            if (chunk === null)
                break;
        }
    } catch { /* it is over in any case */ }
    transfer.close();
}

// The same of a redirect's body, if all of it is here.
function settle(transfer) {
    try {
        while (native.fetchRead(transfer.id))
            continue;
    } catch { /* as above */ }
    transfer.close();
}

/* ---- integrity: Subresource Integrity 3.3 ------------------------------- */

const normal = (base64) => base64.replace(/-/g, "+").replace(/_/g, "/")
    .replace(/=+$/, "");

function matches(bytes, metadata) {
    let best = 0, values = [];
    for (const item of metadata.split(/[\t\n\f\r ]+/)) {
        const m = /^sha(256|384|512)-([A-Za-z0-9+/_-]+={0,2})(?:\?.*)?$/i
            .exec(item);
        if (m === null || +m[1] < best)
            continue;
        if (+m[1] > best)
            values = [];
        best = +m[1];
        values.push(normal(m[2]));
    }
    if (best === 0)
        return true;
    const digest = native.digest(`SHA-${best}`, bytes);
    return values.includes(normal(native.base64Encode(
        String.fromCharCode(...digest))));
}

/* ---- for C and for scripts ---------------------------------------------- */

function onNews(id) {
    active.get(id)?.news();
}

function onEnd() {
    const all = [...active.values()];
    active.clear(); // those whose bodies nobody wanted are not closed
    for (const transfer of all) {
        transfer.over = true;
        free(transfer.id);
        transfer.news(); // what waits asks for its own, and there is none
    }
}

const operations = {
    fetch(input, init = undefined) {
        return new Promise((resolve, reject) => {
            checkGlobal(this);
            requireArgs(arguments.length, 1, "fetch");
            const request = requestState(new Request(input, init));
            new Fetching(request, resolve, reject).start();
        });
    }
};

return { fetch: operations.fetch, onNews, onEnd };
