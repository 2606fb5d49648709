/*
 * request.js - Request (Fetch 5.4).
 *
 * The request being served is a Request whose state, a Served, asks C for
 * what a script reads, when it reads it. There is no origin here and no
 * base URL: a relative URL is refused, and the members that steer a browser
 * (mode, credentials, cache and so on) only keep what they were given.
 *
 *   serve(rid) -> [Request, Served]
 *   requestState(v)     Made or Served, or TypeError
 */
const { toUSVString, toByteString, toEnum, toDictionary, requireArgs, brand,
    expose, isObject } = use("webidl");
const { isAbortSignal, newSignal, signalAbort, createDependentSignal } =
    use("abort");
const { URL } = use("url");
const { newHeaders, incomingHeaders, copyHeaders, addIfAbsent, isToken } =
    use("headers");
const { Body, Incoming, extract, cloneBody, moveBody, isUnusable,
    mixinBody } = use("body");

const DEFAULTS = {
    __proto__: null,
    cache: "default",
    credentials: "same-origin",
    destination: "",
    duplex: "half",
    integrity: "",
    isHistoryNavigation: false,
    isReloadNavigation: false,
    keepalive: false,
    mode: "cors",
    redirect: "follow",
    referrer: "about:client",
    referrerPolicy: ""
};

// In the order a dictionary is read: [name, conversion, what it takes].
// Made when it is first used, so that it is not in the image.
let members;
const makeMembers = () => [
    ["body"],
    ["cache", toEnum, ["default", "no-store", "reload", "no-cache",
        "force-cache", "only-if-cached"]],
    ["credentials", toEnum, ["omit", "same-origin", "include"]],
    ["duplex", toEnum, ["half"]],
    ["headers"],
    ["integrity", (v) => `${v}`],
    ["keepalive", Boolean],
    ["method", toByteString],
    ["mode", toEnum, ["navigate", "same-origin", "no-cors", "cors"]],
    ["priority", toEnum, ["high", "low", "auto"]],
    ["redirect", toEnum, ["follow", "error", "manual"]],
    ["referrer", toUSVString],
    ["referrerPolicy", toEnum, ["", "no-referrer",
        "no-referrer-when-downgrade", "same-origin", "origin",
        "strict-origin", "origin-when-cross-origin",
        "strict-origin-when-cross-origin", "unsafe-url"]],
    ["signal"],
    ["window"]
];

const NORMAL = ["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"];
const SIMPLE = ["GET", "HEAD", "POST"];
const FORBIDDEN = ["CONNECT", "TRACE", "TRACK"];

const percent = (c) =>
    `%${c.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;

class Served {
    #rid;
    #head;
    #url;
    #headers;
    #body;
    #signal;
    #reason; // of the abort, undefined before it
    constructor(rid) {
        this.#rid = rid;
    }
    #read() {
        return this.#head ??= native.requestHead(this.#rid);
    }
    get method() { return this.#read()[0]; }
    get url() {
        if (this.#url === undefined) {
            // bytes over 127 are the sender's own, not characters
            const raw = this.#read()[1].replace(/[\x80-\xFF]/g, percent);
            try {
                this.#url = new URL(raw).href;
            } catch {
                this.#url = raw;
            }
        }
        return this.#url;
    }
    get headers() {
        return this.#headers ??= incomingHeaders(this.#rid);
    }
    get body() {
        if (this.#body === undefined)
            this.#body = this.#read()[2] === 0 ? null
                : new Body(new Incoming(this.#rid));
        return this.#body;
    }
    get signal() {
        if (this.#signal === undefined) {
            this.#signal = newSignal();
            if (this.#reason !== undefined)
                signalAbort(this.#signal, this.#reason);
        }
        return this.#signal;
    }
    // the three hooks
    readable() {
        this.#body?.source.readable();
    }
    abort(reason) {
        this.#reason = reason;
        if (this.#signal !== undefined)
            signalAbort(this.#signal, reason);
    }
    end() {
        this.#body?.source.end();
    }
}
Object.assign(Served.prototype, DEFAULTS);

// What a script made; its signal follows others only when it is asked for.
class Made {
    constructor(parts, follows) {
        Object.assign(this, parts);
        this.follows = follows;
        this.own = undefined;
    }
    get signal() {
        return this.own ??= createDependentSignal(
            this.follows === undefined ? [] : [this.follows.signal]);
    }
}
// no prototype: a script's Object.prototype.mode is not ours
Object.setPrototypeOf(Made.prototype, null);

function readInit(init) {
    init = toDictionary(init, "Request: init");
    const out = { __proto__: null };
    for (const [key, convert, values] of members ??= makeMembers()) {
        const v = init[key];
        if (v !== undefined)
            out[key] = convert === undefined ? v : convert(v, values, key);
    }
    const { signal } = out;
    if (signal !== undefined && signal !== null &&
        !isAbortSignal(signal))
        throw new TypeError("Request: signal is not an AbortSignal");
    return out;
}

function parseUrl(text) {
    const url = new URL(text);
    if (url.username !== "" || url.password !== "")
        throw new TypeError("Request: the URL has a user name or password");
    return url.href;
}

function checkMethod(method) {
    if (!isToken(method))
        throw new TypeError(`Request: ${JSON.stringify(method)} is not a ` +
            "method");
    const upper = method.toUpperCase();
    if (FORBIDDEN.includes(upper))
        throw new TypeError(`Request: method ${method} is forbidden`);
    return NORMAL.includes(upper) ? upper : method;
}

function checkReferrer(referrer) {
    if (referrer === "")
        return "";
    new URL(referrer);
    return "about:client"; // nothing is of the same origin as no origin
}

// What init says, over what it is based on; step 12 on.
function applyInit(base, o) {
    const made = { __proto__: null };
    for (const key in DEFAULTS)
        made[key] = o[key] ?? base[key];
    if (o.mode === "navigate")
        throw new TypeError("Request: mode cannot be navigate");
    if (base.mode === "navigate" && Object.keys(o).length > 0)
        made.mode = "same-origin";
    if (o.window !== undefined && o.window !== null)
        throw new TypeError("Request: window can only be null");
    if (o.referrer !== undefined)
        made.referrer = checkReferrer(o.referrer);
    if (made.cache === "only-if-cached" && made.mode !== "same-origin")
        throw new TypeError(
            "Request: only-if-cached needs mode same-origin");
    made.method = o.method === undefined ? base.method
        : checkMethod(o.method);
    if (made.mode === "no-cors" && !SIMPLE.includes(made.method))
        throw new TypeError("Request: mode no-cors allows " +
            SIMPLE.join(", ") + " only");
    return made;
}

// Steps 34 to 43: the body that init gives, or that of the other request.
function giveBody(made, o, from) {
    const theirs = from === undefined ? null : from.body;
    const given = o.body !== undefined && o.body !== null;
    if ((given || theirs !== null) &&
        (made.method === "GET" || made.method === "HEAD"))
        throw new TypeError(`Request: a ${made.method} request has no body`);
    made.body = null;
    if (given) {
        const [body, type] = extract(o.body);
        if (body.stream !== undefined && o.duplex === undefined)
            throw new TypeError(
                'Request: a stream as body needs duplex: "half"');
        if (body.stream !== undefined && made.keepalive)
            throw new TypeError("Request: a stream cannot be kept alive");
        if (type !== null)
            addIfAbsent(made.headers, "content-type", type);
        made.body = body;
    } else if (theirs !== null) {
        if (isUnusable(theirs))
            throw new TypeError(
                "Request: the body was read already or is locked");
        made.body = moveBody(theirs);
    }
}

const STATE = {}; // the constructor's mark: init is the state itself
let of, isRequest;

class Request {
    #s;
    static {
        isRequest = (v) => isObject(v) && #s in v;
        of = (v) => brand(v, isRequest, "Request").#s;
    }
    constructor(input, init = undefined) {
        if (input === STATE) {
            this.#s = init;
            return;
        }
        requireArgs(arguments.length, 1, "Request");
        const from = isRequest(input) ? input.#s : undefined;
        const text = from === undefined ? toUSVString(input) : undefined;
        const o = readInit(init);
        const base = from ?? { ...DEFAULTS, method: "GET" };
        const url = from === undefined ? parseUrl(text) : from.url;
        const made = applyInit(base, o);
        made.url = url;
        made.headers = o.headers !== undefined
            ? newHeaders(o.headers, "request")
            : from === undefined ? newHeaders(undefined, "request")
                : copyHeaders(from.headers, "request");
        giveBody(made, o, from);
        const follows = o.signal === undefined ? from
            : o.signal === null ? undefined : { signal: o.signal };
        this.#s = new Made(made, follows);
    }
    get method() { return of(this).method; }
    get url() { return of(this).url; }
    get headers() { return of(this).headers; }
    get signal() { return of(this).signal; }
    clone() {
        const s = of(this);
        if (s.body !== null && isUnusable(s.body))
            throw new TypeError(
                "Request.clone: the body was read already or is locked");
        const made = { __proto__: null, method: s.method, url: s.url };
        for (const key in DEFAULTS)
            made[key] = s[key];
        made.headers = copyHeaders(s.headers);
        made.body = s.body === null ? null : cloneBody(s.body);
        return new Request(STATE, new Made(made, s));
    }
}
for (const key of Object.keys(DEFAULTS))
    Object.defineProperty(Request.prototype, key,
        Object.getOwnPropertyDescriptor(
            { get [key]() { return of(this)[key]; } }, key));
mixinBody(Request, "Request", of);
expose(Request, "Request");

function serve(rid) {
    const served = new Served(rid);
    return [new Request(STATE, served), served];
}

return { Request, isRequest, requestState: of, serve };
