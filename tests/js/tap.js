/*
 * tap.js - tests that run inside snapcgi and answer in TAP.
 *
 * A test file registers with test() and ends in
 *     export default { fetch: () => run() };
 * By itself this file is an application that tests these few functions.
 */
const tests = [];

export function test(name, fn) {
    tests.push({ name, fn });
}

export function ok(value, message = "expected a true value") {
    if (!value)
        throw new Error(message);
}

const show = (v) => {
    try {
        return typeof v === "string" ? JSON.stringify(v)
            : typeof v === "object" && v !== null ? JSON.stringify(v)
            : String(v);
    } catch {
        return Object.prototype.toString.call(v);
    }
};

function same(a, b) {
    if (Object.is(a, b))
        return true;
    if (typeof a !== "object" || typeof b !== "object" || a === null ||
        b === null || Object.getPrototypeOf(a) !== Object.getPrototypeOf(b))
        return false;
    const keys = Object.keys(a);
    return keys.length === Object.keys(b).length && a.length === b.length &&
        keys.every((key) => key in b && same(a[key], b[key]));
}

/* Arrays and plain objects by content, all else by identity. */
export function eq(got, expected, message = "") {
    if (!same(got, expected))
        throw new Error(`${message}${message === "" ? "" : ": "}` +
            `got ${show(got)}, expected ${show(expected)}`);
}

function checkError(e, type) {
    if (typeof type === "string")
        eq(e?.name, type, "name of the exception");
    else if (type !== undefined && !(e instanceof type))
        throw new Error(`got ${show(e?.name ?? e)}, expected ${type.name}`);
    return e;
}

/* type: a class, or the name of a DOMException. Gives the exception. */
export function throws(fn, type = undefined) {
    let value;
    try {
        value = fn();
    } catch (e) {
        return checkError(e, type);
    }
    throw new Error(`nothing was thrown, the value is ${show(value)}`);
}

export async function rejects(promise, type = undefined) {
    let value;
    try {
        value = await (typeof promise === "function" ? promise() : promise);
    } catch (e) {
        return checkError(e, type);
    }
    throw new Error(`nothing was thrown, the value is ${show(value)}`);
}

export const sleep = (ms) =>
    new Promise((resolve) => setTimeout(resolve, ms));

/* A stream of these chunks, and its end. */
export function streamOf(...chunks) {
    return new ReadableStream({
        start(controller) {
            for (const chunk of chunks)
                controller.enqueue(chunk);
            controller.close();
        }
    });
}

const LIMIT = 5000; // ms for one test

async function one(fn) {
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`over ${LIMIT} ms`)),
            LIMIT);
    });
    try {
        await Promise.race([fn(), late]);
    } finally {
        clearTimeout(timer);
    }
}

export async function run() {
    const lines = [];
    for (const [i, { name, fn }] of tests.entries()) {
        try {
            await one(fn);
            lines.push(`ok ${i + 1} - ${name}`);
        } catch (e) {
            lines.push(`not ok ${i + 1} - ${name}`);
            lines.push(...String(e?.stack ?? e).split("\n")
                .map((line) => `# ${line}`));
        }
    }
    lines.push(`1..${tests.length}`, "");
    return new Response(lines.join("\n"),
        { headers: { "content-type": "text/plain" } });
}

function ownTests() {
    test("eq compares arrays and objects by content", () => {
        eq([1, { a: [2] }], [1, { a: [2] }]);
        throws(() => eq([1], [2]), Error);
        throws(() => eq({ a: 1 }, { b: 1 }), Error);
        throws(() => eq(0, -0), Error);
    });
    test("throws is false when nothing is thrown", () => {
        throws(() => throws(() => 1), Error);
    });
    test("throws checks the class", () => {
        throws(() => throws(() => {
            throw new RangeError("x");
        }, TypeError), Error);
    });
    test("rejects takes a promise or a function", async () => {
        await rejects(Promise.reject(new TypeError("x")), TypeError);
        await rejects(async () => {
            throw new TypeError("x");
        }, TypeError);
    });
}

export default {
    fetch() {
        tests.length = 0;
        ownTests();
        return run();
    }
};
