/*
 * application.js - one file of tests as an application: a GET runs them and
 * answers with their results. The runner puts `const wpt = {...};` before it.
 *
 *   location   the URL of the page that a browser would load
 *   title      META_TITLE
 *   harness    the text of testharness.js
 *   script     the text of the scripts that are asked for, and of the tests
 *   timeout    milliseconds for all of it
 */

globalThis.GLOBAL = {
    isWindow: () => false,
    isWorker: () => false,
    isShadowRealm: () => false,
};
globalThis.META_TITLE = wpt.title;
// idlharness.js takes a global object for a window's when it is missing.
Object.defineProperty(globalThis, "Window", { value: class Window {} });

const page = new URL(wpt.location);
globalThis.location = { toString: () => wpt.location };
for (const part of ["href", "origin", "protocol", "host", "hostname", "port",
    "pathname", "search", "hash"]) {
    location[part] = page[part];
}

// A function on a server has no base URL; the tests are written for pages.

function absolute(url) {
    try {
        return new URL(`${url}`, wpt.location).href;
    } catch {
        return url;
    }
}

function withBase(args) {
    const [input, init] = args;
    if (args.length > 0 && !(input instanceof Request)) {
        args[0] = absolute(input);
    }
    if (typeof init?.referrer === "string" && init.referrer !== "") {
        args[1] = Object.create(init,
            { referrer: { value: absolute(init.referrer) } });
    }
    return args;
}

function giveBase() {
    const plain = Request;
    globalThis.Request = new Proxy(plain, {
        construct: (target, args, newTarget) =>
            Reflect.construct(target, withBase(args),
                newTarget === globalThis.Request ? target : newTarget),
    });
    plain.prototype.constructor = globalThis.Request;
    globalThis.fetch = new Proxy(fetch, {
        apply: (target, self, args) =>
            Reflect.apply(target, self, withBase(args)),
    });
    Response.redirect = new Proxy(Response.redirect, {
        apply: (target, self, args) =>
            Reflect.apply(target, self, withBase(args)),
    });
}

// Settles when all tests have, or their time is over.
function completed() {
    const late = setTimeout(() => timeout(), wpt.timeout);
    return new Promise((resolve) => {
        add_completion_callback((tests, { status, message }) => {
            clearTimeout(late);
            const results = tests.map(({ name, status, message }) =>
                ({ name, status, message }));
            resolve({ status, message, results });
        });
    });
}

// Runs the tests. One that throws where no test has begun has no results.
async function run() {
    const done = completed();
    let begun = false;
    add_start_callback(() => begun = true);
    try {
        (0, eval)(`${wpt.script}\n//# sourceURL=test.js`);
    } catch (error) {
        reportError(error);
        if (!begun) {
            return { status: 1, message: String(error), results: [] };
        }
    }
    return done;
}

export default {
    async fetch() {
        giveBase();
        (0, eval)(`${wpt.harness}\n//# sourceURL=testharness.js`);
        return new Response(JSON.stringify(await run()));
    },
};
