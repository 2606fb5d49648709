/*
 * urlpattern.js - URLPattern (URL Pattern Standard 1, 3).
 */
const { toUSVString, toDictionary, toEnum, isObject, requireArgs, brand,
    expose } = use("webidl");
const { URL } = use("url");
const { tokenize, compile, compareParts, escapePattern } = use("pattern");

const COMPONENTS = ["protocol", "username", "password", "hostname", "port",
    "pathname", "search", "hash"];
// as a dictionary's members are read
const MEMBERS = ["baseURL", ...COMPONENTS].sort();
const DEFAULT_PORTS = {
    __proto__: null, http: "80", https: "443", ws: "80", wss: "443",
    ftp: "21", file: null
};
const isSpecial = (scheme) => scheme in DEFAULT_PORTS;

const PLAIN = { delimiter: "", prefix: "" };
const HOSTNAME = { delimiter: ".", prefix: "" };
const PATHNAME = { delimiter: "/", prefix: "/" };

/* ---- canonical components: 3.2 ------------------------------------------ */

// the setters of bind/url.c
const SET_USERNAME = 1, SET_PASSWORD = 2, SET_HOSTNAME = 4, SET_PATHNAME = 6,
    SET_SEARCH = 7, SET_HASH = 8;
let scratch;

// a dummy URL after one of its parts was set; null when that was refused
function setPart(which, value, dummy = "https://dummy.invalid/") {
    const href = native.urlSet(dummy, which, value,
        scratch ??= new Uint32Array(9));
    return href === null ? null : new URL(href);
}

function refuse(what, value) {
    throw new TypeError(
        `URLPattern: ${JSON.stringify(value)} is not a ${what}`);
}

const withoutLines = (text) => text.replace(/[\t\n\r]/g, "");

function hostname(value, dummy) {
    const url = setPart(SET_HOSTNAME, value, dummy);
    if (url === null)
        refuse("hostname", value);
    return url.hostname;
}

// what is empty stays so, and does not come here
const canonical = {
    protocol(value) {
        const url = URL.parse(`${value}://dummy.invalid/`);
        if (url === null)
            refuse("protocol", value);
        return url.protocol.slice(0, -1);
    },
    username: (value) => setPart(SET_USERNAME, value).username,
    password: (value) => setPart(SET_PASSWORD, value).password,
    hostname: (value) => hostname(value, "x://dummy.invalid/"),
    domain: (value) => hostname(value, undefined),
    ipv6(value) {
        if (/[^0-9a-f:[\]]/i.test(value))
            refuse("hostname", value);
        return value.toLowerCase();
    },
    port(value, protocol = "") {
        const digits = /^[0-9]+/.exec(withoutLines(value));
        if (digits === null || Number(digits[0]) > 65535)
            refuse("port", value);
        const port = `${Number(digits[0])}`;
        return port === DEFAULT_PORTS[protocol] ? "" : port;
    },
    pathname(value) {
        if (value[0] === "/")
            return setPart(SET_PATHNAME, value).pathname;
        return setPart(SET_PATHNAME, `/-${value}`).pathname.slice(2);
    },
    opaquePathname: (value) => withoutLines(value).replace(/[?#][^]*/, "")
        .replace(/[^\x20-\x7E]+/g, encodeURIComponent),
    search: (value) => setPart(SET_SEARCH, `?${value}`).search.slice(1),
    hash: (value) => setPart(SET_HASH, `#${value}`).hash.slice(1)
};

/* ---- a URLPatternInit: 3.1 ---------------------------------------------- */

const without = (text, mark) => text.startsWith(mark)
    ? text.slice(mark.length) : text;

function isAbsolute(pathname, isPattern) {
    return pathname[0] === "/" || (isPattern &&
        (pathname.startsWith("\\/") || pathname.startsWith("{/")));
}

// What init says nothing of, and nothing before it, is as in the base URL.
function inherit(init, isPattern, result) {
    const base = URL.parse(init.baseURL);
    if (base === null)
        refuse("base URL", init.baseURL);
    const parts = {
        protocol: base.protocol.slice(0, -1), username: base.username,
        password: base.password, hostname: base.hostname, port: base.port,
        pathname: base.pathname, search: without(base.search, "?"),
        hash: without(base.hash, "#")
    };
    for (const key in parts)
        if (isPattern)
            parts[key] = escapePattern(parts[key]);
    const none = (...keys) => keys.every((key) => init[key] === undefined);
    const take = (key) => { result[key] = parts[key]; };
    if (none("protocol"))
        take("protocol");
    if (!isPattern && none("protocol", "hostname", "port", "username")) {
        take("username");
        if (none("password"))
            take("password");
    }
    const before = ["protocol"];
    for (const key of ["hostname", "port", "pathname", "search", "hash"]) {
        before.push(key);
        if (none(...before))
            take(key);
    }
    // an opaque path has no segments to be relative to
    if (init.pathname !== undefined && base.pathname[0] === "/" &&
        !isAbsolute(init.pathname, isPattern))
        return parts.pathname.slice(0, parts.pathname.lastIndexOf("/") + 1);
    return "";
}

// "process a URLPatternInit"; result is what holds without init
function processInit(init, isPattern, result) {
    const folder = init.baseURL === undefined ? ""
        : inherit(init, isPattern, result);
    const set = (key, value, encode) => {
        if (init[key] !== undefined)
            result[key] = isPattern || value === "" ? value : encode(value);
    };
    const { protocol = "", pathname, search = "", hash = "" } = init;
    set("protocol", protocol.endsWith(":") ? protocol.slice(0, -1) : protocol,
        canonical.protocol);
    set("username", init.username, canonical.username);
    set("password", init.password, canonical.password);
    const scheme = result.protocol ?? "";
    const ordinary = scheme === "" || isSpecial(scheme);
    set("hostname", init.hostname,
        ordinary ? canonical.domain : canonical.hostname);
    set("port", init.port, (value) => canonical.port(value, scheme));
    set("pathname", folder + pathname,
        ordinary ? canonical.pathname : canonical.opaquePathname);
    set("search", without(search, "?"), canonical.search);
    set("hash", without(hash, "#"), canonical.hash);
    return result;
}

/* ---- a constructor string: 1.6 ------------------------------------------ */

const matchesSpecial = (component) =>
    Object.keys(DEFAULT_PORTS).some((s) => component.regexp.test(s));

const STATES = ["init", "protocol", "authority", "username", "password",
    "hostname", "port", "pathname", "search", "hash", "done"];
const [INIT, PROTOCOL, AUTHORITY, USERNAME, PASSWORD, HOST, PORT, PATH, SEARCH,
    HASH, DONE] = STATES.keys();

class StringParser {
    constructor(text) {
        this.text = text;
        this.tokens = tokenize(text, true);
        this.result = { __proto__: null };
        this.start = 0; // of the component
        this.at = 0;
        this.step = 1;
        this.depth = 0;    // of braces
        this.brackets = 0; // of an IPv6 address
        this.special = false;
        this.state = INIT;
    }
    // the character is itself, no syntax of patterns
    is(value, at = this.at) {
        const token = this.tokens[Math.min(at, this.tokens.length - 1)];
        return token.value === value && (token.type === "char" ||
            token.type === "escaped" || token.type === "invalid");
    }
    // "?" ends a path unless it modifies what is before it
    isSearch() {
        if (this.is("?"))
            return true;
        if (this.tokens[this.at].value !== "?")
            return false;
        const before = this.tokens[this.at - 1]?.type;
        return before !== "name" && before !== "regexp" &&
            before !== "close" && before !== "asterisk";
    }
    component() {
        const { tokens } = this;
        return this.text.slice(tokens[this.start].index,
            tokens[this.at].index);
    }
    change(state, skip) {
        const { result, state: old } = this;
        if (old !== INIT && old !== AUTHORITY && old !== DONE)
            result[STATES[old]] = this.component();
        if (old !== INIT && state !== DONE) {
            if (old < HOST && state > HOST)
                result.hostname ??= "";
            if (old < PATH && state > PATH)
                result.pathname ??= this.special ? "/" : "";
            if (old < SEARCH && state > SEARCH)
                result.search ??= "";
        }
        this.state = state;
        this.at += skip;
        this.start = this.at;
        this.step = 0;
    }
    rewind(state) {
        this.at = this.start;
        this.step = 0;
        this.state = state;
    }
    // what may follow a host, from a state on
    tail(from) {
        if (from <= PORT && this.is("/"))
            this.change(PATH, 0);
        else if (from <= PATH && this.isSearch())
            this.change(SEARCH, 1);
        else if (from <= SEARCH && this.is("#"))
            this.change(HASH, 1);
        else
            return false;
        return true;
    }
    end() {
        if (this.state === INIT) {
            this.rewind(INIT);
            if (this.is("#"))
                this.change(HASH, 1);
            else if (this.isSearch())
                this.change(SEARCH, 1);
            else
                this.change(PATH, 0);
        } else if (this.state === AUTHORITY) {
            this.rewind(HOST);
        } else {
            this.change(DONE, 0);
        }
    }
    protocol() {
        this.special = matchesSpecial(
            compile(this.component(), canonical.protocol, PLAIN));
        if (this.is("/", this.at + 1) && this.is("/", this.at + 2))
            this.change(AUTHORITY, 3);
        else
            this.change(this.special ? AUTHORITY : PATH, 1);
    }
    next() {
        const { state } = this;
        if (state === INIT) {
            if (this.is(":"))
                this.rewind(PROTOCOL);
        } else if (state === PROTOCOL) {
            if (this.is(":"))
                this.protocol();
        } else if (state === AUTHORITY) {
            if (this.is("@"))
                this.rewind(USERNAME);
            else if (this.is("/") || this.isSearch() || this.is("#"))
                this.rewind(HOST);
        } else if (state === USERNAME || state === PASSWORD) {
            if (state === USERNAME && this.is(":"))
                this.change(PASSWORD, 1);
            else if (this.is("@"))
                this.change(HOST, 1);
        } else if (state === HOST) {
            if (this.is("["))
                this.brackets++;
            else if (this.is("]"))
                this.brackets--;
            else if (this.is(":") && this.brackets === 0)
                this.change(PORT, 1);
            else
                this.tail(HOST);
        } else {
            this.tail(state);
        }
    }
    parse() {
        const { result, tokens } = this;
        for (; this.state !== DONE; this.at += this.step) {
            const { type } = tokens[this.at];
            this.step = 1;
            if (type === "end")
                this.end();
            else if (type === "open")
                this.depth++;
            else if (this.depth > 0 && type !== "close")
                continue;
            else if (this.depth > 0 && --this.depth > 0)
                continue;
            else
                this.next();
        }
        if (result.hostname !== undefined)
            result.port ??= "";
        return result;
    }
}

/* ---- the interface ------------------------------------------------------ */

// (USVString or URLPatternInit)
function toInput(v) {
    if (v !== undefined && v !== null && !isObject(v))
        return toUSVString(v);
    v = toDictionary(v);
    const init = {};
    for (const key of MEMBERS) {
        const value = v[key];
        if (value !== undefined)
            init[key] = toUSVString(value);
    }
    return init;
}

function hostnameEncoder(pattern, special) {
    if (/^(?:\[|\{\[|\\\[)/.test(pattern))
        return canonical.ipv6;
    return special ? canonical.domain : canonical.hostname;
}

let anything; // the Component of "*", whatever it is of

// 1.4 "create": components by name
function create(input, baseURL, ignoreCase) {
    let init = input;
    if (typeof input === "string") {
        init = new StringParser(input).parse();
        if (baseURL !== undefined)
            init.baseURL = baseURL;
        else if (init.protocol === undefined)
            throw new TypeError(`URLPattern: ${JSON.stringify(input)} is ` +
                "relative and there is no base URL");
    } else if (baseURL !== undefined) {
        throw new TypeError(
            "URLPattern: a base URL stands beside a string only");
    }
    const texts = processInit(init, true, { __proto__: null });
    for (const key of COMPONENTS)
        texts[key] ??= "*";
    if (DEFAULT_PORTS[texts.protocol] === texts.port)
        texts.port = "";
    const made = { __proto__: null };
    const make = (key, encode, options) => {
        made[key] = texts[key] === "*"
            ? anything ??= compile("*", encode, PLAIN)
            : compile(texts[key], encode, options);
    };
    make("protocol", canonical.protocol, PLAIN);
    make("username", canonical.username, PLAIN);
    make("password", canonical.password, PLAIN);
    const special = matchesSpecial(made.protocol);
    make("hostname", hostnameEncoder(texts.hostname, special), HOSTNAME);
    make("port", (value) => canonical.port(value), PLAIN);
    const plain = { ...PLAIN, ignoreCase };
    make("pathname", special ? canonical.pathname : canonical.opaquePathname,
        special ? { ...PATHNAME, ignoreCase } : plain);
    make("search", canonical.search, plain);
    make("hash", canonical.hash, plain);
    return made;
}

// the components of what is matched, or null
function valuesOf(input, baseURL) {
    if (typeof input !== "string") {
        const empty = { __proto__: null };
        for (const key of COMPONENTS)
            empty[key] = "";
        try {
            return processInit(input, false, empty);
        } catch {
            return null;
        }
    }
    const url = URL.parse(input, baseURL);
    if (url === null)
        return null;
    const { protocol, username, password, port, pathname, search, hash } = url;
    return {
        protocol: protocol.slice(0, -1), username, password,
        hostname: url.hostname, port, pathname, search: without(search, "?"),
        hash: without(hash, "#")
    };
}

// 1.5 "match": one RegExp result for each component, or null
function match(components, input, baseURL) {
    if (typeof input !== "string" && baseURL !== undefined)
        throw new TypeError(
            "URLPattern: a base URL stands beside a string only");
    const values = valuesOf(input, baseURL);
    if (values === null)
        return null;
    const found = [];
    for (const key of COMPONENTS) {
        const one = components[key].regexp.exec(values[key]);
        if (one === null)
            return null;
        found.push(one);
    }
    return found;
}

function groupsOf(names, found) {
    const groups = {};
    names.forEach((name, i) => { groups[name] = found[i + 1]; });
    return groups;
}

let of;

class URLPattern {
    #components;
    constructor(input = undefined, baseURL = undefined, options = undefined) {
        input = toInput(input);
        if (arguments.length < 3 && (baseURL === undefined ||
            baseURL === null || isObject(baseURL))) {
            options = baseURL;
            baseURL = undefined;
        } else {
            baseURL = toUSVString(baseURL);
        }
        const { ignoreCase = false } = toDictionary(options,
            "URLPattern's options");
        this.#components = create(input, baseURL, !!ignoreCase);
    }
    test(input = undefined, baseURL = undefined) {
        const components = of(this);
        input = toInput(input);
        if (baseURL !== undefined)
            baseURL = toUSVString(baseURL);
        return match(components, input, baseURL) !== null;
    }
    exec(input = undefined, baseURL = undefined) {
        const components = of(this);
        input = toInput(input);
        if (baseURL !== undefined)
            baseURL = toUSVString(baseURL);
        const found = match(components, input, baseURL);
        if (found === null)
            return null;
        const result = {
            inputs: baseURL === undefined ? [input] : [input, baseURL]
        };
        COMPONENTS.forEach((key, i) => {
            result[key] = {
                input: found[i][0],
                groups: groupsOf(components[key].names, found[i])
            };
        });
        return result;
    }
    get hasRegExpGroups() {
        const components = of(this);
        return COMPONENTS.some((key) => components[key].hasRegExp);
    }
    // not in the standard yet; what other engines agree on
    static compareComponent(component, left, right) {
        requireArgs(arguments.length, 3, "URLPattern.compareComponent");
        component = toEnum(component, COMPONENTS, "component");
        return compareParts(of(left)[component].parts,
            of(right)[component].parts);
    }
    static {
        of = (v) => brand(v, (o) => isObject(o) && #components in o,
            "URLPattern").#components;
    }
}
for (const key of COMPONENTS)
    Object.defineProperty(URLPattern.prototype, key,
        Object.getOwnPropertyDescriptor(
            { get [key]() { return of(this)[key].text; } }, key));
expose(URLPattern, "URLPattern");

return { URLPattern };
