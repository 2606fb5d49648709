/*
 * response.js - Response (Fetch 5.5).
 *
 *   responseState(v)   { type, status, statusText, headers, body, url,
 *                        redirected }, or TypeError
 *   new State(type, status, statusText, headers, body)  and
 *   newResponse(state)   make one as fetch does
 *   nullBody(status)
 */
const { toByteString, toDictionary, toUnsignedShort, toUSVString,
    requireArgs, brand, expose, isObject } = use("webidl");
const { URL } = use("url");
const { newHeaders, copyHeaders, addIfAbsent } = use("headers");
const { extract, cloneBody, isUnusable, mixinBody } = use("body");

const REDIRECTS = [301, 302, 303, 307, 308];
const nullBody = (status) => status === 101 || status === 103 ||
    status === 204 || status === 205 || status === 304;

class State {
    constructor(type, status, statusText, headers, body) {
        this.type = type;
        this.status = status;
        this.statusText = statusText;
        this.headers = headers;
        this.body = body;
        this.url = "";
        this.redirected = false;
    }
}

// no prototype: a script's Object.prototype.type is not ours
Object.setPrototypeOf(State.prototype, null);

// reason-phrase, RFC 9112 section 4
function checkReason(text) {
    for (let i = 0; i < text.length; i++) {
        const c = text.charCodeAt(i);
        if ((c < 0x20 && c !== 9) || c === 0x7F)
            throw new TypeError("Response: statusText has a control " +
                "character");
    }
    return text;
}

// "initialize a response"; extracted is [Body, type] or null
function initialize(extracted, init) {
    const o = toDictionary(init, "Response: init");
    let { headers, status, statusText } = o;
    status = status === undefined ? 200 : toUnsignedShort(status);
    statusText = statusText === undefined ? "" : toByteString(statusText);
    if (status < 200 || status > 599)
        throw new RangeError(`Response: status ${status} is not within ` +
            "200 to 599");
    checkReason(statusText);
    headers = newHeaders(headers, "response");
    if (extracted === null)
        return new State("default", status, statusText, headers, null);
    if (nullBody(status))
        throw new TypeError(`Response: status ${status} has no body`);
    const [body, type] = extracted;
    if (type !== null)
        addIfAbsent(headers, "content-type", type);
    return new State("default", status, statusText, headers, body);
}

const STATE = {}; // the constructor's mark: init is the state itself
let of, isResponse;

class Response {
    #s;
    static {
        isResponse = (v) => isObject(v) && #s in v;
        of = (v) => brand(v, isResponse, "Response").#s;
    }
    constructor(body = null, init = undefined) {
        this.#s = body === STATE ? init
            : initialize(body === null ? null : extract(body), init);
    }
    static error() {
        return new Response(STATE, new State("error", 0, "",
            newHeaders(undefined, "immutable"), null));
    }
    static redirect(url, status = 302) {
        requireArgs(arguments.length, 1, "Response.redirect");
        url = toUSVString(url);
        status = toUnsignedShort(status);
        const { href } = new URL(url);
        if (!REDIRECTS.includes(status))
            throw new RangeError(`Response.redirect: ${status} is not a ` +
                "redirect's status");
        const headers = newHeaders([["Location", href]], "immutable");
        return new Response(STATE,
            new State("default", status, "", headers, null));
    }
    static json(data, init = undefined) {
        requireArgs(arguments.length, 1, "Response.json");
        const text = JSON.stringify(data);
        if (text === undefined)
            throw new TypeError("Response.json: data has no JSON form");
        const [body] = extract(text);
        return new Response(STATE,
            initialize([body, "application/json"], init));
    }
    get type() { return of(this).type; }
    get url() { return of(this).url; }
    get redirected() { return of(this).redirected; }
    get status() { return of(this).status; }
    get ok() {
        const { status } = of(this);
        return status >= 200 && status <= 299;
    }
    get statusText() { return of(this).statusText; }
    get headers() { return of(this).headers; }
    clone() {
        const s = of(this);
        if (s.body !== null && isUnusable(s.body))
            throw new TypeError(
                "Response.clone: the body was read already or is locked");
        const copy = new State(s.type, s.status, s.statusText,
            copyHeaders(s.headers), s.body === null ? null
                : cloneBody(s.body));
        copy.url = s.url;
        copy.redirected = s.redirected;
        return new Response(STATE, copy);
    }
}
mixinBody(Response, "Response", of);
expose(Response, "Response");

const newResponse = (state) => new Response(STATE, state);

return {
    Response, State, newResponse, nullBody, isResponse, responseState: of
};
