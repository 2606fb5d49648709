/*
 * pattern.js - pattern strings (URL Pattern Standard 2): "/a/:b?" to a list
 * of parts, to a regular expression and back to a string.
 *
 *   tokenize(text, lenient) -> [{ type, index, value }, ...]
 *   compile(text, encode, options) -> Component; encode(text) makes the
 *       fixed text of a component canonical, or throws
 *   options: { delimiter, prefix, ignoreCase }
 *   compareParts(a, b) -> -1, 0 or 1, the more specific is the greater
 */
const isAscii = (c) => c <= "\x7F";
// Does the text start, or go on, as the name of a variable does? V8 takes
// milliseconds to build the Unicode classes: ASCII does without.
const isNameStart = (text) => isAscii(text[0] ?? "") ? /^[$_a-z]/i.test(text)
    : /^\p{ID_Start}/u.test(text);
const isNamePart = (text) => isAscii(text[0] ?? "") ? /^[$\w]/.test(text)
    : /^[\u200C\u200D\p{ID_Continue}]/u.test(text);

const escapePattern = (text) => text.replace(/[+*?:{}()\\]/g, "\\$&");
const escapeRegExp = (text) =>
    text.replace(/[.+*?^${}()[\]|/\\]/g, "\\$&");

function fail(text, why) {
    throw new TypeError(`URLPattern: ${JSON.stringify(text)} ${why}`);
}

/* ---- tokens: 2.1 -------------------------------------------------------- */

const charAt = (text, at) => at < text.length
    ? String.fromCodePoint(text.codePointAt(at)) : "";

// where the name that starts at `at` ends
function nameEnd(text, at) {
    const start = at;
    while (at < text.length) {
        const c = charAt(text, at);
        if (!(at === start ? isNameStart(c) : isNamePart(c)))
            break;
        at += c.length;
    }
    return at;
}

// where the regular expression that starts at `at` has its ")", or a reason
function groupEnd(text, at) {
    const start = at;
    for (let depth = 1; at < text.length; at++) {
        const c = text[at];
        if (!isAscii(c))
            return "has a group with a character that is not ASCII";
        if (at === start && c === "?")
            return 'has a group that starts with "?"';
        if (c === "\\") {
            at++;
            if (at === text.length || !isAscii(text[at]))
                return "has a group with a bad escape";
        } else if (c === ")") {
            if (--depth === 0)
                return at === start ? "has an empty group" : at;
        } else if (c === "(") {
            depth++;
            if (text[at + 1] !== "?")
                return "has a group with a capturing group in it";
        }
    }
    return "has a group without an end";
}

const SIMPLE = {
    __proto__: null, "*": "asterisk", "+": "modifier", "?": "modifier",
    "{": "open", "}": "close"
};

function tokenize(text, lenient) {
    const tokens = [];
    for (let at = 0; at < text.length;) {
        const c = charAt(text, at), next = at + c.length;
        const add = (type, value, end) => {
            tokens.push({ type, index: at, value });
            at = end;
        };
        const bad = (why) => {
            if (!lenient)
                fail(text, why);
            add("invalid", c, next);
        };
        if (c in SIMPLE) {
            add(SIMPLE[c], c, next);
        } else if (c === "\\") {
            const escaped = charAt(text, next);
            if (escaped === "")
                bad("ends in a backslash");
            else
                add("escaped", escaped, next + escaped.length);
        } else if (c === ":") {
            const end = nameEnd(text, next);
            if (end === next)
                bad('has a ":" without a name');
            else
                add("name", text.slice(next, end), end);
        } else if (c === "(") {
            const end = groupEnd(text, next);
            if (typeof end === "string")
                bad(end);
            else
                add("regexp", text.slice(next, end), end + 1);
        } else {
            add("char", c, next);
        }
    }
    tokens.push({ type: "end", index: text.length, value: "" });
    return tokens;
}

/* ---- parts: 2.2 --------------------------------------------------------- */

const FULL = 0, SEGMENT = 1, REGEXP = 2, FIXED = 3; // less to more specific

const segmentOf = (options) => `[^${escapeRegExp(options.delimiter)}]+?`;

class Parser {
    constructor(text, encode, options) {
        this.text = text;
        this.encode = (fixed) => fixed === "" ? "" : encode(fixed);
        this.options = options;
        this.tokens = tokenize(text, false);
        this.at = 0;
        this.pending = ""; // fixed text
        this.parts = [];
        this.number = 0;   // the next name of a group without one
    }
    take(type) {
        if (this.tokens[this.at].type !== type)
            return undefined;
        return this.tokens[this.at++];
    }
    takeRegExp(name) {
        return this.take("regexp") ??
            (name === undefined ? this.take("asterisk") : undefined);
    }
    takeModifier() {
        return (this.take("modifier") ?? this.take("asterisk"))?.value ?? "";
    }
    takeText() {
        let text = "", token;
        while ((token = this.take("char") ?? this.take("escaped")))
            text += token.value;
        return text;
    }
    require(type) {
        if (this.take(type) === undefined)
            fail(this.text, `has an unexpected ${JSON.stringify(
                this.tokens[this.at].value)} at ${this.tokens[this.at].index}`);
    }
    push(type, value, modifier, name, prefix, suffix) {
        this.parts.push({ type, value, modifier, name, prefix, suffix });
    }
    flush() {
        if (this.pending === "")
            return;
        this.push(FIXED, this.encode(this.pending), "", "", "", "");
        this.pending = "";
    }
    // "add a part"
    add(prefix, name, regexp, suffix, modifier) {
        if (name === undefined && regexp === undefined) {
            if (modifier === "") {
                this.pending += prefix;
                return;
            }
            this.flush();
            if (prefix !== "")
                this.push(FIXED, this.encode(prefix), modifier, "", "", "");
            return;
        }
        this.flush();
        const segment = segmentOf(this.options);
        let type = REGEXP;
        let value = regexp === undefined ? segment
            : regexp.type === "asterisk" ? ".*" : regexp.value;
        if (value === segment || value === ".*") {
            type = value === segment ? SEGMENT : FULL;
            value = "";
        }
        name = name === undefined ? `${this.number++}` : name.value;
        if (this.parts.some((part) => part.name === name))
            fail(this.text, `has two groups ${JSON.stringify(name)}`);
        this.push(type, value, modifier, name, this.encode(prefix),
            this.encode(suffix));
    }
    // "parse a pattern string"
    parse() {
        while (this.at < this.tokens.length) {
            const char = this.take("char"), name = this.take("name");
            const regexp = this.takeRegExp(name);
            if (name !== undefined || regexp !== undefined) {
                let prefix = char?.value ?? "";
                if (prefix !== this.options.prefix) {
                    this.pending += prefix;
                    prefix = "";
                }
                this.flush();
                this.add(prefix, name, regexp, "", this.takeModifier());
                continue;
            }
            const fixed = char ?? this.take("escaped");
            if (fixed !== undefined) {
                this.pending += fixed.value;
            } else if (this.take("open") !== undefined) {
                const before = this.takeText(), inner = this.take("name");
                const group = this.takeRegExp(inner), after = this.takeText();
                this.require("close");
                this.add(before, inner, group, after, this.takeModifier());
            } else {
                this.flush();
                this.require("end");
            }
        }
        return this.parts;
    }
}

// "generate a regular expression and name list"
function toRegExp(parts, options) {
    const names = [], segment = segmentOf(options);
    let source = "^";
    for (const { type, value, modifier, name, prefix, suffix } of parts) {
        if (type === FIXED) {
            const text = escapeRegExp(value);
            source += modifier === "" ? text : `(?:${text})${modifier}`;
            continue;
        }
        names.push(name);
        const one = type === SEGMENT ? segment : type === FULL ? ".*" : value;
        const once = modifier === "" || modifier === "?";
        const before = escapeRegExp(prefix), after = escapeRegExp(suffix);
        if (prefix === "" && suffix === "")
            source += once ? `(${one})${modifier}`
                : `((?:${one})${modifier})`;
        else if (once)
            source += `(?:${before}(${one})${after})${modifier}`;
        else
            source += `(?:${before}((?:${one})(?:${after}${before}` +
                `(?:${one}))*)${after})${modifier === "*" ? "?" : ""}`;
    }
    return [`${source}$`, names];
}

const lastOf = (text) => text[text.length - 1];
const isNumber = (name) => /^[0-9]/.test(name);

// whether a part must stand in braces to be read back as it is
function needsBraces(part, previous, next, options) {
    const { type, modifier, name, prefix, suffix } = part;
    if (suffix !== "" || (prefix !== "" && prefix !== options.prefix))
        return true;
    if (!isNumber(name) && type === SEGMENT && modifier === "" &&
        next !== undefined && next.prefix === "" && next.suffix === "" &&
        (next.type === FIXED ? isNamePart(next.value) : isNumber(next.name)))
        return true;
    return prefix === "" && previous?.type === FIXED &&
        options.prefix !== "" && lastOf(previous.value) === options.prefix;
}

// "generate a pattern string"
function toText(parts, options) {
    let text = "";
    parts.forEach((part, i) => {
        const { type, value, modifier, name, prefix, suffix } = part;
        const previous = parts[i - 1], named = !isNumber(name);
        if (type === FIXED) {
            text += modifier === "" ? escapePattern(value)
                : `{${escapePattern(value)}}${modifier}`;
            return;
        }
        const braces = needsBraces(part, previous, parts[i + 1], options);
        let inner = escapePattern(prefix) + (named ? `:${name}` : "");
        if (type === REGEXP)
            inner += `(${value})`;
        else if (type === SEGMENT)
            inner += named ? "" : `(${segmentOf(options)})`;
        else
            inner += !named && (previous === undefined ||
                previous.type === FIXED || previous.modifier !== "" ||
                braces || prefix !== "") ? "*" : "(.*)";
        if (type === SEGMENT && named && isNamePart(suffix))
            inner += "\\";
        inner += escapePattern(suffix);
        text += (braces ? `{${inner}}` : inner) + modifier;
    });
    return text;
}

let flag; // V8 10 has no v

function newRegExp(source, ignoreCase, text) {
    try {
        flag ??= "unicodeSets" in RegExp.prototype ? "v" : "u";
        return new RegExp(source, ignoreCase ? `${flag}i` : flag);
    } catch (e) {
        return fail(text, `is not a pattern: ${e.message}`);
    }
}

class Component {
    constructor(parts, regexp, names, text) {
        this.parts = parts;
        this.regexp = regexp;
        this.names = names;
        this.text = text;
    }
    get hasRegExp() { return this.parts.some((p) => p.type === REGEXP); }
}

function compile(text, encode, options) {
    const parts = new Parser(text, encode, options).parse();
    const [source, names] = toRegExp(parts, options);
    return new Component(parts, newRegExp(source, options.ignoreCase, text),
        names, toText(parts, options));
}

const MODIFIERS = ["*", "?", "+", ""];
const NONE = { type: FIXED, value: "", modifier: "", prefix: "", suffix: "" };
const order = (a, b) => a < b ? -1 : a > b ? 1 : 0;

function compareParts(a, b) {
    for (let i = 0; i < Math.max(a.length, b.length); i++) {
        const x = a[i] ?? NONE, y = b[i] ?? NONE;
        const result = order(x.type, y.type) ||
            order(MODIFIERS.indexOf(x.modifier),
                MODIFIERS.indexOf(y.modifier)) ||
            order(x.prefix, y.prefix) || order(x.value, y.value) ||
            order(x.suffix, y.suffix);
        if (result !== 0)
            return result;
    }
    return 0;
}

return { tokenize, compile, compareParts, escapePattern };
