/*
 * inspect.js - values as text, as Node's util.inspect prints them.
 *
 *   inspect(v, { depth, width })   never runs a getter or a proxy's trap of
 *       the script's; those of our own interfaces are read
 *
 * Bounded: 100 items of a list, 10,000 characters of a string, about 64K in
 * all. The further exports are for console.js.
 */
const { exposed, isObject } = use("webidl");
const { DOMExceptionSlots } = use("exception");

const ITEMS = 100;
const CHARACTERS = 10000;
const TOTAL = 64 * 1024;
const COMPACT = 3; // inner levels that may share one line

const KIND = {
    PROMISE: 1, MAP: 2, SET: 3, DATE: 4, REGEXP: 5, ERROR: 6, BUFFER: 7,
    SHARED: 8, TYPED: 9, DATAVIEW: 10, PROXY: 11, WEAKMAP: 12, WEAKSET: 13,
    WEAKREF: 14, SYMBOL: 15, BOXED: 16, ARGUMENTS: 17, MAPITERATOR: 18,
    SETITERATOR: 19, GENERATOR: 20, NAMESPACE: 21, EXTERNAL: 24
};

const uncurry = (f) => Function.prototype.call.bind(f);
const getterOf = (proto, key) =>
    uncurry(Object.getOwnPropertyDescriptor(proto, key).get);
const typedProto = Object.getPrototypeOf(Uint8Array.prototype);
const typedLength = getterOf(typedProto, "length");
const typedTag = getterOf(typedProto, Symbol.toStringTag);
const viewBuffer = getterOf(DataView.prototype, "buffer");
const viewOffset = getterOf(DataView.prototype, "byteOffset");
const viewLength = getterOf(DataView.prototype, "byteLength");
const mapSize = getterOf(Map.prototype, "size");
const setSize = getterOf(Set.prototype, "size");
const mapEntries = uncurry(Map.prototype.entries);
const setValues = uncurry(Set.prototype.values);
const dateTime = uncurry(Date.prototype.getTime);
const dateText = uncurry(Date.prototype.toISOString);
const regexpSource = getterOf(RegExp.prototype, "source");
const regexpFlags = [["hasIndices", "d"], ["global", "g"],
    ["ignoreCase", "i"], ["multiline", "m"], ["dotAll", "s"],
    ["unicode", "u"], ["unicodeSets", "v"], ["sticky", "y"]]
    .filter(([name]) => name in RegExp.prototype)
    .map(([name, flag]) => [getterOf(RegExp.prototype, name), flag]);
const functionText = uncurry(Function.prototype.toString);
const unboxed = [Number, String, Boolean, BigInt, Symbol]
    .map((C) => uncurry(C.prototype.valueOf));
const isEnumerable = uncurry(Object.prototype.propertyIsEnumerable);
const ownProperty = Reflect.getOwnPropertyDescriptor;

// ---- what a value is, without asking it ---------------------------------

// The prototypes of v, up to one that would run a trap.
function* chainOf(v) {
    for (let o = v, n = 0; o !== null && n < 100; n++) {
        if (native.kindOf(o) === KIND.PROXY)
            return;
        yield o;
        o = Reflect.getPrototypeOf(o);
    }
}

// A data property's value on the chain, or undefined.
function dataOf(v, key) {
    for (const o of chainOf(v)) {
        const d = ownProperty(o, key);
        if (d !== undefined)
            return d.value;
    }
}

// The name of the class; null for an object without a prototype.
function classOf(v) {
    for (const o of chainOf(v)) {
        const f = ownProperty(o, "constructor")?.value;
        if (typeof f !== "function" || native.kindOf(f) === KIND.PROXY)
            continue;
        const name = ownProperty(f, "name")?.value;
        if (typeof name === "string" && name !== "")
            return name;
    }
    return null;
}

// What webidl.js knows of the interface v implements, or undefined.
function interfaceOf(v) {
    for (const o of chainOf(v)) {
        const record = exposed.find((r) => r.proto === o);
        if (record !== undefined)
            return record;
    }
}

// The first ITEMS of keysOf(v), which is no proxy.
function firstKeys(v) {
    const length = Array.isArray(v) ? v.length
        : native.kindOf(v) === KIND.TYPED ? typedLength(v) : 0;
    return length > MANY
        ? Array.from({ length: ITEMS }, (_, i) => `${i}`)
        : keysOf(v).slice(0, ITEMS);
}

const symbolsOf = (v) => Object.getOwnPropertySymbols(v)
    .filter((key) => isEnumerable(v, key));

function keysOf(v) {
    const symbols = symbolsOf(v);
    let names;
    try {
        names = Object.keys(v);
    } catch {
        names = Object.getOwnPropertyNames(v); // module not yet evaluated
    }
    return symbols.length === 0 ? names : names.concat(symbols);
}

const MANY = 10000;

// Own keys but the indices. In a long list they are not looked for: each
// index would become a string.
const namesOf = (v, length) => length > MANY ? symbolsOf(v)
    : keysOf(v).filter((key) => !isIndex(key));

const isIndex = (key) =>
    typeof key === "string" && /^(0|[1-9][0-9]{0,9})$/.test(key);

// ---- primitives ----------------------------------------------------------

const ESCAPES =
    { "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r" };

function quote(s) {
    let q = "'";
    if (s.includes("'"))
        q = !s.includes('"') ? '"'
            : !s.includes("`") && !s.includes("${") ? "`" : "'";
    const body = s.replace(/[\0-\x1F\x7F-\x9F\\'\uD800-\uDFFF]/gu, (c) => {
        if (c === "'")
            return q === "'" ? "\\'" : c;
        if (c === "\\")
            return "\\\\";
        const n = c.charCodeAt(0), hex = n.toString(16);
        return ESCAPES[c] ?? (n > 255 ? `\\u${hex}`
            : `\\x${hex.toUpperCase().padStart(2, "0")}`);
    });
    return q + body + q;
}

const more = (n, what) => `... ${n} more ${what}${n === 1 ? "" : "s"}`;

function stringText(s, c, nested) {
    let rest = "";
    if (s.length > CHARACTERS) {
        rest = more(s.length - CHARACTERS, "character");
        s = s.slice(0, CHARACTERS);
    }
    if (nested && s.length > 16 && s.length > c.width - c.indent - 4)
        return s.split(/(?<=\n)/).map(quote)
            .join(` +\n${" ".repeat(c.indent + 2)}`) + rest;
    return quote(s) + rest;
}

function primitiveText(v, c, nested) {
    switch (typeof v) {
    case "string":
        return stringText(v, c, nested);
    case "number":
        return Object.is(v, -0) ? "-0" : `${v}`;
    case "bigint":
        return `${v}n`;
    case "symbol":
        return Symbol.prototype.toString.call(v);
    default:
        return `${v}`;
    }
}

function keyText(key) {
    if (typeof key === "symbol")
        return `[${primitiveText(key)}]`;
    if (key === "__proto__")
        return "['__proto__']";
    return /^[a-zA-Z_][a-zA-Z_0-9]*$/.test(key) ? key : quote(key);
}

// ---- values --------------------------------------------------------------

function inspect(v, { depth = 2, width = 80 } = {}) {
    return valueText(v, {
        depth, width, indent: 0, deepest: 0, left: TOTAL, seen: [],
        circular: undefined
    }, 0, false);
}

function valueText(v, c, level, nested = true) {
    if (!isObject(v)) {
        const text = primitiveText(v, c, nested);
        c.left -= text.length;
        return text;
    }
    for (let n = 0; native.kindOf(v) === KIND.PROXY; n++) {
        v = native.proxyTarget(v)[0];
        if (v === null || n === 100)
            return "<Revoked Proxy>";
    }
    if (c.seen.includes(v)) {
        c.circular ??= new Map();
        if (!c.circular.has(v))
            c.circular.set(v, c.circular.size + 1);
        return `[Circular *${c.circular.get(v)}]`;
    }
    if (c.left < 0)
        return "...";
    return objectText(v, c, level);
}

/*
 * What is printed of an object: `base` before the braces, `items` of a list,
 * then properties. leaf: only a base when there are no properties.
 */
function objectText(v, c, level) {
    const shape = shapeOf(v, c);
    const keys = shape.keys ?? keysOf(v);
    if (keys.length === 0 && shape.items === undefined) {
        if (shape.leaf)
            return note(c, shape.base);
        return note(c, `${shape.prefix}${shape.open}${shape.close}`);
    }
    if (level > c.depth)
        return note(c, `[${shape.short}]`);
    c.seen.push(v);
    c.deepest = level;
    const items = shape.items === undefined ? []
        : shape.items(c, level + 1);
    for (const key of keys) {
        if (c.left < 0) {
            items.push(more(keys.length - keys.indexOf(key), "property"));
            break;
        }
        items.push(propertyText(v, key, c, level + 1));
    }
    c.seen.pop();
    let base = shape.leaf ? shape.base : "";
    let open = shape.leaf ? shape.open : shape.prefix + shape.open;
    const index = c.circular?.get(v);
    if (index !== undefined) {
        if (base === "")
            open = `<ref *${index}> ${open}`;
        else
            base = `<ref *${index}> ${base}`;
    }
    return lay(items, base, open, shape, c, level);
}

function note(c, text) {
    c.left -= text.length;
    return text;
}

function propertyText(v, key, c, level) {
    let d;
    try {
        d = ownProperty(v, key);
    } catch {
        return `${keyText(key)}: <uninitialized>`;
    }
    if (d === undefined)
        return `${keyText(key)}: undefined`;
    const name = d.enumerable ? keyText(key) : `[${key}]`;
    return `${name}: ${descriptorText(d, c, level)}`;
}

function descriptorText(d, c, level) {
    if ("value" in d)
        return indented(d.value, c, level, 2);
    if (d.get === undefined)
        return d.set === undefined ? "undefined" : "[Setter]";
    return d.set === undefined ? "[Getter]" : "[Getter/Setter]";
}

function indented(v, c, level, by) {
    c.indent += by;
    const text = valueText(v, c, level);
    c.indent -= by;
    return text;
}

// One line when it is short and holds few levels, else a line an item.
function lay(items, base, open, shape, c, level) {
    const count = items.length;
    if (count === 0)
        return open + shape.close;
    if (shape.list && count > 6)
        items = columns(items, c, shape.numbers);
    const start = base === "" ? open : `${base} ${open}`;
    const indent = `\n${" ".repeat(c.indent)}`;
    if (c.deepest - level < COMPACT && count === items.length) {
        const length = items.reduce((n, s) => n + s.length, items.length) +
            items.length + c.indent + open.length + base.length + 10;
        const text = items.join(", ");
        if (length <= c.width && !base.includes("\n") &&
            !text.includes("\n"))
            return `${start} ${text} ${shape.close}`;
    }
    return `${start}${indent}  ${items.join(`,${indent}  `)}${indent}` +
        shape.close;
}

// Short items of a long list stand in columns, as many as look square.
function columns(items, c, numbers) {
    const last = items.length - 1;
    const count = /^\.\.\. \d+ more item/.test(items[last]) ? last : last + 1;
    const widths = items.slice(0, count).map((s) => s.length + 2);
    const total = widths.reduce((n, w) => n + w, 0);
    const widest = Math.max(...widths);
    if (widest * 3 + c.indent >= c.width ||
        (total / widest <= 5 && widest > 8))
        return items;
    const bias = Math.max(
        widest - 3 - Math.sqrt(widest - total / items.length), 1);
    const across = Math.min(
        Math.round(Math.sqrt(2.5 * bias * count) / bias),
        Math.floor((c.width - c.indent) / widest), COMPACT * 4, 15);
    if (across <= 1)
        return items;
    const column = [];
    for (let i = 0; i < count; i++)
        column[i % across] = Math.max(column[i % across] ?? 0, widths[i]);
    const rows = [];
    for (let i = 0; i < count; i += across) {
        const row = items.slice(i, Math.min(i + across, count));
        rows.push(row.map((s, j) => {
            const end = j === row.length - 1;
            if (numbers)
                return end ? s.padStart(column[j] - 2)
                    : `${s}, `.padStart(column[j]);
            return end ? s : `${s}, `.padEnd(column[j]);
        }).join(""));
    }
    return rows.concat(items.slice(count));
}

// ---- kinds of objects ----------------------------------------------------

function prefixOf(v, fallback, size = "") {
    const name = classOf(v);
    const tag = dataOf(v, Symbol.toStringTag);
    const prefix = name === null ? `[${fallback}${size}: null prototype] `
        : `${name}${size} `;
    return typeof tag === "string" && tag !== "" &&
        tag !== (name ?? fallback) && !isEnumerable(v, Symbol.toStringTag)
        ? `${prefix}[${tag}] ` : prefix;
}

const braces = (prefix, items = undefined) => ({
    prefix, open: "{", close: "}", items,
    short: prefix.slice(0, -1).replace(/\(\d+\)$/, "")
});
const leaf = (v, base) => ({ ...braces(`${classOf(v)} `), leaf: true, base });

// The first ITEMS of an iterator, each as text(step value).
function take(iterator, count, c, text, by = 2) {
    const out = [];
    c.indent += by;
    for (const item of iterator) {
        if (out.length === ITEMS || c.left < 0) {
            out.push(more(count - out.length, "item"));
            break;
        }
        out.push(text(item));
    }
    c.indent -= by;
    return out;
}

function arrayShape(v) {
    const length = v.length, name = classOf(v);
    return {
        prefix: name === "Array" ? "" : prefixOf(v, "Array", `(${length})`),
        open: "[", close: "]", short: name ?? "Array", list: true,
        numbers: false, keys: namesOf(v, length),
        items: length === 0 ? undefined : function (c, level) {
            this.numbers = true;
            return arrayItems(v, length, c, level, this);
        }
    };
}

function arrayItems(v, length, c, level, shape) {
    const out = [];
    let i = 0;
    while (i < length && out.length < ITEMS && c.left >= 0) {
        const d = ownProperty(v, i);
        if (d !== undefined) {
            const type = typeof d.value;
            if (type !== "number" && type !== "bigint")
                shape.numbers = false;
            out.push(descriptorText(d, c, level));
            i++;
            continue;
        }
        shape.numbers = false;
        const next = nextIndex(v, i, length);
        out.push(`<${next - i} empty item${next - i === 1 ? "" : "s"}>`);
        i = next;
    }
    if (i < length)
        out.push(more(length - i, "item"));
    return out;
}

// A long hole is not walked: 2 ** 32 steps would be.
function nextIndex(v, from, length) {
    for (let i = from; i < Math.min(length, from + 1000); i++)
        if (ownProperty(v, i) !== undefined)
            return i;
    const key = Object.keys(v).find((k) => isIndex(k) && +k > from);
    return key === undefined ? length : +key;
}

function typedShape(v) {
    const length = typedLength(v);
    return {
        prefix: prefixOf(v, typedTag(v), `(${length})`),
        open: "[", close: "]", short: classOf(v) ?? typedTag(v), list: true,
        numbers: true, keys: namesOf(v, length),
        items: length === 0 ? undefined : (c) => {
            const out = [];
            for (let i = 0; i < length && i < ITEMS; i++)
                out.push(note(c, primitiveText(v[i])));
            if (length > ITEMS)
                out.push(more(length - ITEMS, "item"));
            return out;
        }
    };
}

function bufferShape(v, kind) {
    return braces(prefixOf(v, kind === KIND.BUFFER ? "ArrayBuffer"
        : "SharedArrayBuffer"), (c) => {
        if (native.isDetached(v))
            return [note(c, "(detached)"), "byteLength: 0"];
        const bytes = new Uint8Array(v);
        const hex = [];
        for (let i = 0; i < bytes.length && i < 50; i++)
            hex.push(bytes[i].toString(16).padStart(2, "0"));
        if (bytes.length > 50)
            hex.push(more(bytes.length - 50, "byte"));
        return [note(c, `[Uint8Contents]: <${hex.join(" ")}>`),
            `byteLength: ${bytes.length}`];
    });
}

function dataViewShape(v) {
    return braces(prefixOf(v, "DataView"), (c, level) => {
        const out = [];
        for (const [name, get] of [["byteLength", viewLength],
            ["byteOffset", viewOffset], ["buffer", viewBuffer]])
            try {
                out.push(`${name}: ${indented(get(v), c, level, 2)}`);
            } catch {
                out.push(`${name}: <detached>`);
            }
        return out;
    });
}

function promiseShape(v) {
    return braces(prefixOf(v, "Promise"), (c, level) => {
        const [state, value] = native.promiseState(v);
        if (state === 0)
            return ["<pending>"];
        const text = indented(value, c, level, 2);
        return [state === 2 ? `<rejected> ${text}` : text];
    });
}

function mapShape(v) {
    const n = mapSize(v);
    return braces(prefixOf(v, "Map", `(${n})`), n === 0 ? undefined
        : (c, level) => take(mapEntries(v), n, c, ([key, value]) =>
            `${valueText(key, c, level)} => ${valueText(value, c, level)}`));
}

function setShape(v) {
    const n = setSize(v);
    return braces(prefixOf(v, "Set", `(${n})`), n === 0 ? undefined
        : (c, level) => take(setValues(v), n, c,
            (value) => valueText(value, c, level)));
}

function iteratorShape(v, name) {
    const [list, pairs] = native.entries(v);
    const type = pairs ? "Entries" : "Iterator";
    return braces(`[${name} ${type}] `, (c, level) => {
        const items = [];
        for (let i = 0; i < list.length; i += pairs ? 2 : 1)
            items.push(pairs ? [list[i], list[i + 1]] : list[i]);
        return take(items, items.length, c,
            (item) => valueText(item, c, level));
    });
}

function weakRefShape(v) {
    return braces(prefixOf(v, "WeakRef"), (c, level) =>
        [indented(WeakRef.prototype.deref.call(v), c, level, 2)]);
}

function boxedText(v) {
    for (const valueOf of unboxed)
        try {
            const p = valueOf(v), type = typeof p;
            const name = type[0].toUpperCase() + type.slice(1);
            const text = type === "string" ? quote(p) : primitiveText(p);
            return `[${type === "bigint" ? "BigInt" : name}: ${text}]`;
        } catch {
            // another kind
        }
}

function boxedShape(v) {
    const shape = leaf(v, boxedText(v));
    if (shape.base.startsWith("[String"))
        shape.keys = namesOf(v, v.length);
    return shape;
}

const ownName = (f) => {
    const name = ownProperty(f, "name")?.value;
    return typeof name === "string" ? name : "";
};

function functionShape(v) {
    const name = ownName(v), type = classOf(v);
    if (/^class[\s{]/.test(functionText(v)) && type !== null) {
        const up = Reflect.getPrototypeOf(v);
        const from = up === Function.prototype ? ""
            : ` extends ${up === null ? "null" : ownName(up)}`;
        return leaf(v, `[class ${name === "" ? "(anonymous)" : name}${from}]`);
    }
    return leaf(v, `[${type ?? "Function (null prototype)"}` +
        `${name === "" ? " (anonymous)" : `: ${name}`}]`);
}

// Own `stack` of an error: data, or V8's accessor and no other.
function stackOf(v) {
    const d = ownProperty(v, "stack");
    if (d === undefined || "value" in d)
        return d?.value;
    const holder = {};
    Error.captureStackTrace(holder);
    for (const e of [new Error(), holder])
        if (d.get !== undefined && ownProperty(e, "stack").get === d.get)
            return Reflect.apply(d.get, v, []);
}

// An error's name, and its first line.
function errorHead(v) {
    const [name, message] = DOMExceptionSlots.has(v)
        ? DOMExceptionSlots.serialize(v)
        : [dataOf(v, "name"), dataOf(v, "message")];
    const type = typeof name === "string" ? name : "Error";
    return [type, typeof message === "string" && message !== ""
        ? `${type}: ${message}` : type];
}

function errorText(v, c) {
    const dom = DOMExceptionSlots.has(v);
    const [type, head] = errorHead(v);
    let stack = stackOf(v);
    if (typeof stack !== "string" || stack === "")
        return `[${head}]`;
    const own = dom ? type : classOf(v);
    // class E extends Error: "Error" begins its stack
    if (own !== null && type === "Error" && own !== "Error" &&
        /^Error(?![A-Za-z0-9])/.test(stack))
        stack = own + stack.slice(5);
    if (!/\n {4}at /.test(stack))
        stack = `[${stack}]`;
    return stack.slice(0, CHARACTERS)
        .replace(/\n/g, `\n${" ".repeat(c.indent)}`);
}

function errorShape(v, c) {
    const shape = leaf(v, errorText(v, c));
    shape.keys = keysOf(v).filter((key) => key !== "stack" &&
        key !== "message" && !(key === "name" &&
            shape.base.includes(ownProperty(v, key).value)));
    for (const key of ["cause", "errors"])
        if (ownProperty(v, key)?.enumerable === false)
            shape.keys.push(key);
    return shape;
}

// body and signal are made when first read: looking must not make them
const UNREAD = /^(?:body|signal|on.*|srcElement|returnValue|cancelBubble)$/;

// Own keys a script has put there; the streams polyfill has its own, too.
const addedKeys = (v, record) => keysOf(v).filter((key) =>
    typeof key === "symbol" || !(key === "isTrusted" ||
        (record.underscored && key.startsWith("_"))));

function interfaceShape(v, record) {
    const name = classOf(v) ?? "Object";
    return { keys: addedKeys(v, record), ...braces(`${name} `, (c, level) => {
        if (record.entriesOf !== undefined)
            try {
                const pairs = record.entriesOf(v);
                return take(pairs, pairs.length, c, ([key, value]) =>
                    `${keyText(key)}: ${valueText(value, c, level)}`);
            } catch {
                return []; // the prototype itself
            }
        const out = [];
        for (const o of chainOf(v)) {
            if (!exposed.some((r) => r.proto === o))
                continue;
            for (const key of Object.keys(o)) {
                const get = ownProperty(o, key).get;
                if (get === undefined || UNREAD.test(key))
                    continue;
                try {
                    out.push(`${key}: ` + indented(Reflect.apply(get, v, []),
                        c, level, 2));
                } catch {
                    // of another interface, or the prototype itself
                }
            }
        }
        return out;
    }) };
}

function shapeOf(v, c) {
    if (Array.isArray(v))
        return arrayShape(v);
    if (typeof v === "function")
        return functionShape(v);
    const kind = native.kindOf(v);
    switch (kind) {
    case KIND.PROMISE:
        return promiseShape(v);
    case KIND.MAP:
        return mapShape(v);
    case KIND.SET:
        return setShape(v);
    case KIND.DATE:
        return leaf(v, Number.isNaN(dateTime(v)) ? "Invalid Date"
            : dateText(v));
    case KIND.REGEXP:
        return leaf(v, `/${regexpSource(v)}/${regexpFlags.map(
            ([get, flag]) => get(v) ? flag : "").join("")}`);
    case KIND.ERROR:
        return errorShape(v, c);
    case KIND.BUFFER:
    case KIND.SHARED:
        return bufferShape(v, kind);
    case KIND.TYPED:
        return typedShape(v);
    case KIND.DATAVIEW:
        return dataViewShape(v);
    case KIND.WEAKMAP:
        return braces(prefixOf(v, "WeakMap"), () => ["<items unknown>"]);
    case KIND.WEAKSET:
        return braces(prefixOf(v, "WeakSet"), () => ["<items unknown>"]);
    case KIND.WEAKREF:
        return weakRefShape(v);
    case KIND.SYMBOL:
    case KIND.BOXED:
        return boxedShape(v);
    case KIND.ARGUMENTS:
        return braces("[Arguments] ");
    case KIND.MAPITERATOR:
        return iteratorShape(v, "Map");
    case KIND.SETITERATOR:
        return iteratorShape(v, "Set");
    case KIND.NAMESPACE:
        return braces("[Module: null prototype] ");
    case KIND.EXTERNAL:
        return leaf(v, "[External]");
    }
    if (DOMExceptionSlots.has(v))
        return errorShape(v, c);
    const record = v === globalThis ? undefined : interfaceOf(v);
    if (record !== undefined)
        return interfaceShape(v, record);
    const prefix = prefixOf(v, "Object");
    const shape = braces(prefix);
    if (prefix === "Object ")
        shape.prefix = "";
    return shape;
}

return {
    inspect, KIND, ITEMS, TOTAL, dataOf, descriptorText, errorHead, firstKeys,
    functionText, keysOf, mapEntries, ownProperty, primitiveText, setValues,
    stackOf
};
