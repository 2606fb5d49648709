/*
 * url.js - URL and URLSearchParams (URL Standard 6).
 *
 * A URL is its href and the offsets of its parts in it, as struct url_parts
 * of bind/url.c gives them; there is no native object behind it.
 */
const { toUSVString, isObject, toSequence, toRecord, requireArgs, expose,
    mixinIterable } = use("webidl");

// struct url_parts; an offset of a part that is not there is -1 here
const PROTOCOL_END = 0, USERNAME_END = 1, HOST_START = 2, HOST_END = 3,
    PORT = 4, PATHNAME_START = 5, SEARCH_START = 6, HASH_START = 7, SCHEME = 8;
const HTTP = 0, NOT_SPECIAL = 1, HTTPS = 2, FILE = 6;
// the order of the setters in bind/url.c
const SET_PROTOCOL = 0, SET_USERNAME = 1, SET_PASSWORD = 2, SET_HOST = 3,
    SET_HOSTNAME = 4, SET_PORT = 5, SET_PATHNAME = 6, SET_SEARCH = 7,
    SET_HASH = 8;

const PARSED = {};
let out;
const scratch = () => out ??= new Uint32Array(9);

function parseQuery(text) {
    const flat = native.urlParams("?" + text), list = [];
    for (let i = 0; i < flat.length; i += 2)
        list.push([flat[i], flat[i + 1]]);
    return list;
}

function serialize(list) {
    const flat = [];
    for (let i = 0; i < list.length; i++)
        flat.push(list[i][0], list[i][1]);
    // Ada leaves a reverse solidus as it is, against URL Standard 1.3
    return native.urlParamsString(flat).replace(/\\/g, "%5C");
}

const withoutMark = (text) => text[0] === "?" ? text.slice(1) : text;

// not private methods: those cost each new object a brand
let bindParams, resetParams, update, pairsOf, take, setPart, hostStart,
    searchStart, hashStart;

class URLSearchParams {
    #list = [];
    #url = null;
    constructor(init = "") {
        if (init === PARSED)
            return;
        if (!isObject(init)) {
            this.#list = parseQuery(withoutMark(`${init}`));
            return;
        }
        const method = init[Symbol.iterator];
        if (method === undefined || method === null) {
            this.#list = toRecord(init, toUSVString, toUSVString,
                "URLSearchParams: init");
            return;
        }
        const list = toSequence(init, (pair) => toSequence(pair, toUSVString,
            "URLSearchParams: a pair"), "URLSearchParams: init", method);
        for (const pair of list)
            if (pair.length !== 2)
                throw new TypeError(
                    "URLSearchParams: a pair is not a name and a value");
        this.#list = list;
    }
    get size() { return this.#list.length; }
    append(name, value) {
        const list = this.#list;
        requireArgs(arguments.length, 2, "URLSearchParams.append");
        name = toUSVString(name);
        list.push([name, toUSVString(value)]);
        update(this);
    }
    delete(name, value = undefined) {
        this.#list;
        requireArgs(arguments.length, 1, "URLSearchParams.delete");
        name = toUSVString(name);
        if (value !== undefined)
            value = toUSVString(value);
        this.#list = this.#list.filter((pair) => pair[0] !== name ||
            (value !== undefined && pair[1] !== value));
        update(this);
    }
    get(name) {
        const list = this.#list;
        requireArgs(arguments.length, 1, "URLSearchParams.get");
        name = toUSVString(name);
        for (let i = 0; i < list.length; i++)
            if (list[i][0] === name)
                return list[i][1];
        return null;
    }
    getAll(name) {
        const list = this.#list, values = [];
        requireArgs(arguments.length, 1, "URLSearchParams.getAll");
        name = toUSVString(name);
        for (let i = 0; i < list.length; i++)
            if (list[i][0] === name)
                values.push(list[i][1]);
        return values;
    }
    has(name, value = undefined) {
        const list = this.#list;
        requireArgs(arguments.length, 1, "URLSearchParams.has");
        name = toUSVString(name);
        if (value !== undefined)
            value = toUSVString(value);
        return list.some((pair) => pair[0] === name &&
            (value === undefined || pair[1] === value));
    }
    set(name, value) {
        this.#list;
        requireArgs(arguments.length, 2, "URLSearchParams.set");
        name = toUSVString(name);
        value = toUSVString(value);
        let done = false;
        this.#list = this.#list.filter((pair) => {
            if (pair[0] !== name)
                return true;
            if (done)
                return false;
            pair[1] = value;
            return done = true;
        });
        if (!done)
            this.#list.push([name, value]);
        update(this);
    }
    sort() {
        this.#list.sort((a, b) => a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0);
        update(this);
    }
    toString() { return serialize(this.#list); }
    static {
        // 6.2 concept-urlsearchparams-update
        update = (params) => {
            if (params.#url !== null)
                setPart(params.#url, SET_SEARCH, serialize(params.#list));
        };
        pairsOf = (params) => params.#list;
        resetParams = (params, text) => {
            params.#list = parseQuery(withoutMark(text));
        };
        bindParams = (url, text) => {
            const params = new URLSearchParams(PARSED);
            params.#url = url;
            resetParams(params, text);
            return params;
        };
    }
}
expose(URLSearchParams, "URLSearchParams");
mixinIterable(URLSearchParams, "URLSearchParams", (params) => pairsOf(params));

// 6.1 api-url-parser: the parts stay in the scratch array
function parse(url, base) {
    url = `${url}`;
    return native.urlParse(url, base === undefined ? base : `${base}`,
        scratch());
}

class URL {
    #href;
    #parts;
    #params = null;
    constructor(url, base = undefined) {
        if (url === PARSED) {
            take(this, base);
            return;
        }
        requireArgs(arguments.length, 1, "URL");
        const href = parse(url, base);
        if (href === null)
            throw new TypeError("Invalid URL");
        take(this, href);
    }
    static parse(url, base = undefined) {
        requireArgs(arguments.length, 1, "URL.parse");
        const href = parse(url, base);
        return href === null ? null : new URL(PARSED, href);
    }
    static canParse(url, base = undefined) {
        requireArgs(arguments.length, 1, "URL.canParse");
        url = `${url}`;
        return native.urlCanParse(url,
            base === undefined ? base : `${base}`);
    }
    get href() { return this.#href; }
    set href(value) {
        this.#href;
        const href = parse(value, undefined);
        if (href === null)
            throw new TypeError("Invalid URL");
        take(this, href);
        if (this.#params !== null)
            resetParams(this.#params, this.search);
    }
    // 4.7 concept-url-origin
    get origin() {
        const scheme = this.#parts[SCHEME];
        if (scheme === NOT_SPECIAL) {
            if (this.protocol !== "blob:")
                return "null";
            const inner = URL.parse(this.pathname);
            if (inner === null || (inner.#parts[SCHEME] !== HTTP &&
                inner.#parts[SCHEME] !== HTTPS))
                return "null";
            return inner.origin;
        }
        return scheme === FILE ? "null" : `${this.protocol}//${this.host}`;
    }
    get protocol() { return this.#href.slice(0, this.#parts[PROTOCOL_END]); }
    set protocol(value) { setPart(this, SET_PROTOCOL, value); }
    get username() {
        const at = this.#parts;
        return this.#href.slice(at[PROTOCOL_END] + 2, at[USERNAME_END]);
    }
    set username(value) { setPart(this, SET_USERNAME, value); }
    get password() {
        const at = this.#parts;
        return this.#href.slice(at[USERNAME_END] + 1, at[HOST_START]);
    }
    set password(value) { setPart(this, SET_PASSWORD, value); }
    get host() {
        const at = this.#parts;
        // not up to the path: "/." may stand between when the host is empty
        const end = at[PORT] < 0 ? at[HOST_END] : at[PATHNAME_START];
        return this.#href.slice(hostStart(this), end);
    }
    set host(value) { setPart(this, SET_HOST, value); }
    get hostname() {
        return this.#href.slice(hostStart(this), this.#parts[HOST_END]);
    }
    set hostname(value) { setPart(this, SET_HOSTNAME, value); }
    get port() {
        const port = this.#parts[PORT];
        return port < 0 ? "" : `${port}`;
    }
    set port(value) { setPart(this, SET_PORT, value); }
    get pathname() {
        return this.#href.slice(this.#parts[PATHNAME_START],
            searchStart(this));
    }
    set pathname(value) { setPart(this, SET_PATHNAME, value); }
    get search() {
        const start = searchStart(this), end = hashStart(this);
        return end - start > 1 ? this.#href.slice(start, end) : "";
    }
    set search(value) {
        this.#href;
        value = toUSVString(value);
        setPart(this, SET_SEARCH, value);
        if (this.#params !== null)
            resetParams(this.#params, value);
    }
    get searchParams() {
        return this.#params ??= bindParams(this, this.search);
    }
    get hash() {
        const start = hashStart(this);
        return this.#href.length - start > 1 ? this.#href.slice(start) : "";
    }
    set hash(value) { setPart(this, SET_HASH, value); }
    toString() { return this.#href; }
    toJSON() { return this.#href; }
    static {
        take = (url, href) => {
            const o = out;
            url.#href = href;
            url.#parts = [o[0] | 0, o[1] | 0, o[2] | 0, o[3] | 0, o[4] | 0,
                o[5] | 0, o[6] | 0, o[7] | 0, o[8] | 0];
        };
        setPart = (url, which, value) => {
            const old = url.#href;
            const href = native.urlSet(old, which, `${value}`, scratch());
            if (href !== null)
                take(url, href);
        };
        hostStart = (url) => {
            const start = url.#parts[HOST_START];
            return url.#href[start] === "@" ? start + 1 : start;
        };
        hashStart = (url) => {
            const start = url.#parts[HASH_START];
            return start < 0 ? url.#href.length : start;
        };
        searchStart = (url) => {
            const start = url.#parts[SEARCH_START];
            return start < 0 ? hashStart(url) : start;
        };
    }
}
expose(URL, "URL");

return { URL, URLSearchParams };
