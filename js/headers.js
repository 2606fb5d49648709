/*
 * headers.js - Headers (Fetch 5.1).
 *
 * Guards: "immutable" refuses changes; "none", "request" and "response" are
 * alike here, because a server script may set any field (the forbidden names
 * protect a browser's user). The fields of the incoming request are read at
 * first use.
 *
 *   newHeaders(init, guard)    filled as the constructor does
 *   incomingHeaders(rid)       immutable, of the request being served
 *   receivedHeaders(flat)      immutable, of a response; name, value, ...
 *   copyHeaders(headers, guard)   guard: that of headers when absent
 *   addIfAbsent(headers, name, value)   name in lower case, value normal
 *   getField(headers, name)    combined value or null; name in lower case
 *   flatHeaders(headers)       [name, value, ...] as given, for native.reply
 */
const { toByteString, toRecord, toSequence, isObject, requireArgs, brand,
    expose, mixinIterable } = use("webidl");

// 1 for a tchar, RFC 9110 section 5.6.2
const TCHAR = new Uint8Array(128);
for (const c of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz" +
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    TCHAR[c.charCodeAt(0)] = 1;

const isToken = (s) => {
    for (let i = 0; i < s.length; i++)
        if (TCHAR[s.charCodeAt(i)] !== 1)
            return false;
    return s.length > 0;
};

const show = (s) => JSON.stringify(s.length > 60 ? `${s.slice(0, 60)}...` : s);

function checkName(name) {
    if (!isToken(name))
        throw new TypeError(`${show(name)} is not a header name`);
    return name.toLowerCase();
}

// 2.2.2 "normalize", then what a value may not have
function checkValue(value) {
    let from = 0, to = value.length;
    const blank = (c) => c === 32 || c === 9 || c === 13 || c === 10;
    while (from < to && blank(value.charCodeAt(from)))
        from++;
    while (to > from && blank(value.charCodeAt(to - 1)))
        to--;
    for (let i = 0; i < value.length; i++) {
        const c = value.charCodeAt(i);
        if (c > 255 || (i >= from && i < to && (c === 0 || c === 10 ||
            c === 13)))
            throw new TypeError(`${show(value)} is not a header value`);
    }
    return from === 0 && to === value.length ? value : value.slice(from, to);
}

const toPair = (v) => toSequence(v, toByteString, "A header");

let of, bare;

class Headers {
    // three a field: name in lower case, value, name as given
    #list;
    #guard = "none";
    #rid;
    #sorted;
    constructor(init = undefined) {
        this.#list = [];
        if (init !== undefined)
            this.#fill(init);
    }

    static {
        of = (v) => brand(v, (o) => isObject(o) && #list in o, "Headers");
        bare = {
            list: (h) => h.#fields(),
            guard: (h) => h.#guard,
            setGuard: (h, guard) => { h.#guard = guard; },
            setRid(h, rid) {
                h.#list = undefined;
                h.#rid = rid;
                h.#guard = "immutable";
            },
            setList: (h, list) => { h.#list = list; },
            copy(to, from) { to.#list = from.#fields().slice(); },
            sorted: (h) => h.#sorted ??= sortAndCombine(h.#fields()),
            push: (h, lower, value, name) => h.#push(lower, value, name)
        };
    }

    #fields() {
        if (this.#list !== undefined)
            return this.#list;
        return this.#list = listOf(native.requestHeaders(this.#rid));
    }

    #push(lower, value, name) {
        this.#sorted = undefined;
        this.#list.push(lower, value, name);
    }

    // 5.1 "fill"
    #fill(init) {
        if (!isObject(init))
            throw new TypeError("Headers: init is not an object");
        if (#list in init && init[Symbol.iterator] === entries) {
            bare.copy(this, init);
            return;
        }
        const method = init[Symbol.iterator];
        if (method === undefined || method === null) {
            for (const [name, value] of toRecord(init, toByteString,
                toByteString))
                this.#append(name, value);
            return;
        }
        const pairs = toSequence(init, toPair, "Headers: init", method);
        for (let i = 0; i < pairs.length; i++) {
            if (pairs[i].length !== 2)
                throw new TypeError("Headers: each pair needs two items");
            this.#append(pairs[i][0], pairs[i][1]);
        }
    }

    #change() {
        if (this.#guard === "immutable")
            throw new TypeError("These headers cannot be changed");
        this.#sorted = undefined;
    }

    #append(name, value) {
        value = checkValue(value);
        const lower = checkName(name);
        this.#change();
        this.#list.push(lower, value, name);
    }

    append(name, value) {
        of(this);
        requireArgs(arguments.length, 2, "Headers.append");
        name = toByteString(name);
        this.#append(name, `${value}`);
    }

    delete(name) {
        of(this);
        requireArgs(arguments.length, 1, "Headers.delete");
        const lower = checkName(`${name}`);
        this.#change();
        this.#remove(lower, 0);
    }

    // every field of that name from index on
    #remove(lower, from) {
        const list = this.#list;
        for (let i = from; i < list.length;)
            if (list[i] === lower)
                list.splice(i, 3);
            else
                i += 3;
    }

    get(name) {
        of(this);
        requireArgs(arguments.length, 1, "Headers.get");
        return combined(this.#fields(), checkName(`${name}`));
    }

    getSetCookie() {
        of(this);
        const list = this.#fields(), values = [];
        for (let i = 0; i < list.length; i += 3)
            if (list[i] === "set-cookie")
                values.push(list[i + 1]);
        return values;
    }

    has(name) {
        of(this);
        requireArgs(arguments.length, 1, "Headers.has");
        const lower = checkName(`${name}`);
        return find(this.#fields(), lower) >= 0;
    }

    set(name, value) {
        of(this);
        requireArgs(arguments.length, 2, "Headers.set");
        name = toByteString(name);
        value = checkValue(`${value}`);
        const lower = checkName(name);
        this.#change();
        const at = find(this.#list, lower);
        if (at < 0) {
            this.#list.push(lower, value, name);
            return;
        }
        this.#list[at + 1] = value;
        this.#remove(lower, at + 3);
    }
}
mixinIterable(Headers, "Headers", (h) => bare.sorted(of(h)));
expose(Headers, "Headers");
const { entries } = Headers.prototype;

// flat: name, value, ...
function listOf(flat) {
    const list = [];
    for (let i = 0; i < flat.length; i += 2)
        list.push(flat[i].toLowerCase(), flat[i + 1], flat[i]);
    return list;
}

function find(list, lower) {
    for (let i = 0; i < list.length; i += 3)
        if (list[i] === lower)
            return i;
    return -1;
}

function combined(list, lower) {
    let at = find(list, lower);
    if (at < 0)
        return null;
    let value = list[at + 1];
    for (at += 3; at < list.length; at += 3)
        if (list[at] === lower)
            value += `, ${list[at + 1]}`;
    return value;
}

// 2.2.2 "sort and combine"
function sortAndCombine(list) {
    const names = [], pairs = [];
    for (let i = 0; i < list.length; i += 3)
        if (!names.includes(list[i]))
            names.push(list[i]);
    names.sort();
    for (const name of names) {
        if (name !== "set-cookie") {
            pairs.push([name, combined(list, name)]);
            continue;
        }
        for (let i = 0; i < list.length; i += 3)
            if (list[i] === name)
                pairs.push([name, list[i + 1]]);
    }
    return pairs;
}

function newHeaders(init, guard) {
    const h = new Headers(init);
    bare.setGuard(h, guard);
    return h;
}

function incomingHeaders(rid) {
    const h = new Headers();
    bare.setRid(h, rid);
    return h;
}

function receivedHeaders(flat) {
    const h = new Headers();
    bare.setList(h, listOf(flat));
    bare.setGuard(h, "immutable");
    return h;
}

function copyHeaders(from, guard = bare.guard(from)) {
    const h = new Headers();
    bare.copy(h, from);
    bare.setGuard(h, guard);
    return h;
}

function addIfAbsent(h, name, value) {
    if (find(bare.list(h), name) < 0)
        bare.push(h, name, value, name);
}

function flatHeaders(h) {
    const list = bare.list(h), flat = [];
    for (let i = 0; i < list.length; i += 3)
        flat.push(list[i + 2], list[i + 1]);
    return flat;
}

return {
    Headers, newHeaders, incomingHeaders, copyHeaders, addIfAbsent,
    flatHeaders, receivedHeaders, isToken,
    getField: (h, lower) => combined(bare.list(h), lower)
};
