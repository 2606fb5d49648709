/*
 * console.js - console (Console Standard).
 *
 *   report(e, what)   logs an exception nobody caught
 */
const { isObject, defineOperation } = use("webidl");
const { late } = use("events");
const {
    inspect, KIND, ITEMS, TOTAL, dataOf, descriptorText, firstKeys,
    functionText, keysOf, mapEntries, ownProperty, primitiveText, setValues
} = use("inspect");

// ---- the Formatter (Console 2.2) -----------------------------------------

// Does String(v) say something of its own? Native ones are inspected.
function hasOwnText(v) {
    if (native.kindOf(v) === KIND.PROXY)
        return false;
    const f = dataOf(v, "toString");
    return typeof f === "function" && native.kindOf(f) !== KIND.PROXY &&
        !/\{\s*\[native code\]\s*\}$/.test(functionText(f));
}

function numberText(v, convert) {
    if (typeof v === "bigint")
        return `${v}n`;
    if (isObject(v) || typeof v === "symbol")
        return "NaN";
    return primitiveText(convert(v));
}

function specified(spec, v) {
    switch (spec) {
    case "s":
        if (typeof v === "string")
            return v;
        if (!isObject(v))
            return primitiveText(v);
        return hasOwnText(v) ? String(v) : inspect(v, { depth: 0 });
    case "d":
        return numberText(v, Number);
    case "i":
        return numberText(v, (x) => parseInt(x, 10));
    case "f":
        return typeof v === "bigint" ? numberText(Number(v), Number)
            : numberText(v, parseFloat);
    case "j":
        try {
            return `${JSON.stringify(v)}`;
        } catch {
            return "[Circular]";
        }
    case "o":
        return inspect(v, { depth: 4 });
    case "O":
        return inspect(v);
    case "c":
        return "";
    }
}

const plain = (v) => typeof v === "string" ? v : inspect(v);

function format(args) {
    let next = 0, text = "";
    if (args.length > 0 && typeof args[0] === "string") {
        next = 1;
        text = args.length === 1 ? args[0]
            : args[0].replace(/%([sdifjoOc%])/g, (whole, spec) =>
                spec === "%" ? "%" : next === args.length ? whole
                    : specified(spec, args[next++]));
        if (next < args.length)
            text += " ";
    }
    text += args.slice(next).map(plain).join(" ");
    return text.length > TOTAL ? `${text.slice(0, TOTAL)}...` : text;
}

// ---- the namespace (Console 1) -------------------------------------------

const LEVEL = { DEBUG: 0, LOG: 1, INFO: 2, WARN: 3, ERROR: 4 };
const counts = new Map();
const starts = new Map();
let groups = 0;

function write(level, text) {
    const indent = " ".repeat(Math.min(groups, 40) * 2);
    native.consoleWrite(level, groups === 0 ? text
        : indent + text.replace(/\n/g, `\n${indent}`));
}

function report(e, what = "Uncaught") {
    let text = "an exception that cannot be shown";
    try {
        text = inspect(e);
    } catch {
        // no stack left, or a script broke what this file uses
    }
    write(LEVEL.ERROR, `${what} ${text}`);
}

function duration(label, method) {
    const start = starts.get(label);
    if (start === undefined) {
        write(LEVEL.WARN,
            `No such label '${label}' for console.${method}()`);
        return undefined;
    }
    const ms = native.timerNow() - start;
    return ms < 1000 ? `${label}: ${ms.toFixed(3)}ms`
        : `${label}: ${(ms / 1000).toFixed(3)}s`;
}

// Own enumerable data of a row, as [name, text].
const cells = (row) => keysOf(row).filter((key) => typeof key === "string")
    .map((key) => {
        const d = ownProperty(row, key);
        return [key, "value" in d ? inspect(d.value, { depth: 0 })
            : descriptorText(d)];
    });

function tableRows(data) {
    const kind = native.kindOf(data);
    if (kind === KIND.MAP)
        return ["(iteration index)", [...mapEntries(data)].slice(0, ITEMS)
            .map(([key, value], i) => [`${i}`, value, inspect(key)])];
    if (kind === KIND.SET)
        return ["(iteration index)", [...setValues(data)].slice(0, ITEMS)
            .map((value, i) => [`${i}`, value])];
    return ["(index)", firstKeys(data).map((key) =>
        [String(key), ownProperty(data, key)?.value])];
}

function tableText(data, only) {
    const [first, rows] = tableRows(data);
    const head = [first], lines = [];
    const column = (name) => {
        let i = head.indexOf(name, 1);
        if (i === -1)
            i = head.push(name) - 1;
        return i;
    };
    let values = false;
    for (const [index, row, key] of rows) {
        const line = [index];
        if (key !== undefined)
            line[column("Key")] = key;
        if (isObject(row) && native.kindOf(row) !== KIND.PROXY) {
            for (const [name, text] of cells(row))
                if (only === undefined || only.includes(name))
                    line[column(name)] = text;
        } else {
            values = true;
            line.value = plainCell(row);
        }
        lines.push(line);
    }
    for (const name of only ?? [])
        column(name);
    if (values) {
        const i = head.push("Values") - 1;
        for (const line of lines)
            line[i] = line.value;
    }
    return draw(head, lines);
}

const plainCell = (v) => inspect(v, { depth: 0 });

function draw(head, lines) {
    const widths = head.map((name, i) => lines.reduce(
        (n, line) => Math.max(n, (line[i] ?? "").length), name.length));
    const rule = (left, middle, right) => left +
        widths.map((n) => "\u2500".repeat(n + 2)).join(middle) + right;
    const row = (line) => `\u2502${widths.map((n, i) =>
        ` ${(line[i] ?? "").padEnd(n)} `).join("\u2502")}\u2502`;
    return [rule("\u250c", "\u252c", "\u2510"), row(head),
        rule("\u251c", "\u253c", "\u2524"), ...lines.map(row),
        rule("\u2514", "\u2534", "\u2518")].join("\n");
}

const methods = {
    debug(...data) { write(LEVEL.DEBUG, format(data)); },
    error(...data) { write(LEVEL.ERROR, format(data)); },
    info(...data) { write(LEVEL.INFO, format(data)); },
    log(...data) { write(LEVEL.LOG, format(data)); },
    warn(...data) { write(LEVEL.WARN, format(data)); },
    dir(item = undefined, options = undefined) {
        const depth = isObject(options) ? options.depth : undefined;
        write(LEVEL.LOG, inspect(item,
            { depth: depth === null ? Infinity : depth }));
    },
    dirxml(...data) { write(LEVEL.LOG, data.map(plain).join(" ")); },
    trace(...data) {
        const at = {};
        Error.captureStackTrace(at, methods.trace);
        const stack = `${at.stack}`.replace(/^[^]*?(?=\n {4}at |$)/, "");
        write(LEVEL.LOG, `Trace${data.length === 0 ? ""
            : `: ${format(data)}`}${stack}`);
    },
    assert(condition = false, ...data) {
        if (condition)
            return;
        if (typeof data[0] === "string")
            data[0] = `Assertion failed: ${data[0]}`;
        else
            data.unshift("Assertion failed");
        write(LEVEL.ERROR, format(data));
    },
    clear() { groups = 0; },
    count(label = "default") {
        label = `${label}`;
        const n = (counts.get(label) ?? 0) + 1;
        counts.set(label, n);
        write(LEVEL.LOG, `${label}: ${n}`);
    },
    countReset(label = "default") {
        label = `${label}`;
        if (!counts.delete(label))
            write(LEVEL.WARN, `Count for '${label}' does not exist`);
    },
    group(...data) {
        if (data.length > 0)
            write(LEVEL.LOG, format(data));
        groups++;
    },
    groupCollapsed(...data) { methods.group(...data); },
    groupEnd() { groups = Math.max(groups - 1, 0); },
    table(tabularData = undefined, properties = undefined) {
        if (!isObject(tabularData) ||
            native.kindOf(tabularData) === KIND.PROXY)
            write(LEVEL.LOG, format([tabularData]));
        else
            write(LEVEL.LOG, tableText(tabularData, properties === undefined
                ? undefined : Array.from(properties, String)));
    },
    time(label = "default") {
        label = `${label}`;
        if (starts.has(label))
            write(LEVEL.WARN,
                `Label '${label}' already exists for console.time()`);
        else
            starts.set(label, native.timerNow());
    },
    timeLog(label = "default", ...data) {
        label = `${label}`;
        const text = duration(label, "timeLog");
        if (text !== undefined)
            write(LEVEL.LOG, [text, ...data.map(plain)].join(" "));
    },
    timeEnd(label = "default") {
        label = `${label}`;
        const text = duration(label, "timeEnd");
        if (text !== undefined)
            write(LEVEL.LOG, text);
        starts.delete(label);
    }
};

// 1: its prototype is an empty object of its own
const console = Object.create({});
for (const name of Object.keys(methods))
    defineOperation(console, name, methods[name]);
Object.defineProperty(console, Symbol.toStringTag,
    { value: "console", configurable: true });

late.report = report;

return { console, inspect, report };
