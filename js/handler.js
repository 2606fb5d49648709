/*
 * handler.js - from a request to the application's handler, and back.
 *
 * The hooks here are what C calls (enum hook in engine.h). One exchange at a
 * time is C's, `current`; what a script still holds of an earlier one only
 * finds it over.
 */
const { brand, expose, isObject, requireArgs, toDictionary } = use("webidl");
const { domError } = use("exception");
const { Event, fire, hasListener, reportException } = use("events");
const { hookTimers } = use("timers");
const { forgetOrigin } = use("performance");
const { inspect } = use("console");
const { acquire, cancel, cancelReader, discard, isUint8Array, readChunks } =
    use("streams");
const { flatHeaders } = use("headers");
const { isUnusable } = use("body");
const { isRequest, serve } = use("request");
const { isResponse, responseState } = use("response");

const { apply, defineProperty, deleteProperty } = Reflect;
const { then } = Promise.prototype;
const resolved = Promise.resolve.bind(Promise);
const LEVEL_ERROR = 4;

let exported; // the application's namespace, undefined if it is classic
let handler;  // (request, env, ctx) => what the application answers
let env;      // the pool's values, once per realm
let current;  // the Exchange of the request being served

/* ---- what went wrong, as text ------------------------------------------ */

function describe(e) {
    try {
        return inspect(e);
    } catch {
        return "an exception that cannot be shown";
    }
}

const complain = (what, e) =>
    native.consoleWrite(LEVEL_ERROR, `${what} ${describe(e)}`);

const kindOf = (v) => v === null ? "null" : isObject(v)
    ? `an object (${Object.prototype.toString.call(v).slice(8, -1)})`
    : v === undefined ? "undefined" : `a ${typeof v}`;

/* ---- the classic form: Service Workers 4.4 and 4.6 ---------------------- */

// Made when a request asks for it: most applications export a handler.
function makeFetchEvent() {
    let begin, answerOf;

    class ExtendableEvent extends Event {
        #exchange; // undefined when a script made the event
        #open = 0; // promises that keep it alive, and the dispatch itself
        constructor(type, eventInitDict = undefined) {
            requireArgs(arguments.length, 1, "ExtendableEvent");
            super(type, eventInitDict);
        }
        static {
            begin = (event, exchange) => {
                event.#exchange = exchange;
                event.#open = 1;
                return () => { event.#open--; };
            };
        }
        waitUntil(f) {
            this.#open;
            requireArgs(arguments.length, 1, "ExtendableEvent.waitUntil");
            if (this.#open === 0)
                throw domError("InvalidStateError", "The event is over");
            this.#open++;
            const close = () => { this.#open--; };
            apply(then, resolved(f), [close, close]);
            this.#exchange.waitUntil(f);
        }
    }
    expose(ExtendableEvent, "ExtendableEvent");

    class FetchEvent extends ExtendableEvent {
        #request;
        #answer;
        constructor(type, eventInitDict) {
            requireArgs(arguments.length, 2, "FetchEvent");
            super(type, eventInitDict);
            const { request } =
                toDictionary(eventInitDict, "FetchEvent: init");
            this.#request = brand(request, isRequest, "Request");
        }
        static {
            answerOf = (event) => event.#answer;
        }
        get request() { return this.#request; }
        respondWith(r) {
            const answer = this.#answer;
            requireArgs(arguments.length, 1, "FetchEvent.respondWith");
            if (this.eventPhase === 0)
                throw domError("InvalidStateError",
                    "respondWith() was called after the event");
            if (answer !== undefined)
                throw domError("InvalidStateError",
                    "respondWith() was already called");
            this.stopImmediatePropagation();
            this.#answer = resolved(r);
            this.waitUntil(apply(then, this.#answer, [() => {}, () => {}]));
        }
    }
    expose(FetchEvent, "FetchEvent");

    return { FetchEvent, begin, answerOf };
}

let classic;

function dispatch(request, ignored, ctx, exchange) {
    const { FetchEvent, begin, answerOf } = classic ??= makeFetchEvent();
    const event = new FetchEvent("fetch", { request });
    const done = begin(event, exchange);
    const errors = [];
    fire(globalThis, event, errors);
    done();
    const answer = answerOf(event);
    if (errors.length > 0 && answer === undefined)
        throw errors[0];
    for (let i = 0; i < errors.length; i++)
        reportException(errors[i]);
    if (answer === undefined)
        throw new TypeError('No "fetch" listener called ' +
            "event.respondWith()");
    return answer;
}

/* ---- which handler ------------------------------------------------------ */

const EXPECTED = "The application has no handler. It must have " +
    "`export default { fetch(request, env, ctx) { ... } }`, " +
    "`export default function (request, env, ctx) { ... }` or " +
    'addEventListener("fetch", ...). ';

function whatWasFound(namespace) {
    const names = namespace === undefined ? [] : Object.keys(namespace);
    if (!names.includes("default"))
        return names.length === 0 ? "It exports nothing."
            : `It exports ${names.join(", ")}, and no default.`;
    const given = namespace.default;
    if (typeof given === "function")
        return `Its default export is the class ${given.name}: export an ` +
            "instance of it.";
    return isObject(given)
        ? "Its default export is an object without a method fetch."
        : `Its default export is ${kindOf(given)}.`;
}

const isClass = (f) => /^class\b/.test(Function.prototype.toString.call(f));

function findHandler(namespace) {
    exported = namespace;
    const given = namespace === undefined ? undefined : namespace.default;
    if (isObject(given) && typeof given.fetch === "function")
        handler = (request, values, ctx) => given.fetch(request, values, ctx);
    else if (typeof given === "function" && !isClass(given))
        handler = (request, values, ctx) => given(request, values, ctx);
    else if (hasListener(globalThis, "fetch"))
        handler = dispatch;
    else
        throw new TypeError(EXPECTED + whatWasFound(namespace));
}

/* ---- one exchange ------------------------------------------------------- */

function makeEnv() {
    const flat = native.envList(), values = {};
    for (let i = 0; i < flat.length; i += 2)
        Object.defineProperty(values, flat[i],
            { value: flat[i + 1], enumerable: true });
    return Object.freeze(values);
}

class Exchange {
    constructor(rid, served) {
        this.rid = rid;
        this.served = served;
        this.waiting = 0;        // waitUntil promises not settled
        this.reason = undefined; // why nobody wants the reply any more
        this.reader = undefined; // of the reply's stream, while it runs
        this.reading = undefined;
    }

    waitUntil(promise) {
        const settle = () => this.#count(-1);
        this.#count(1);
        apply(then, resolved(promise), [settle, (e) => {
            settle();
            complain("A promise given to waitUntil() was rejected:", e);
        }]);
    }
    #count(step) {
        this.waiting += step;
        if (this === current)
            native.waitCount(this.waiting);
    }

    fail(e) {
        if (this.reason === undefined)
            native.replyError(this.rid, describe(e));
        else if (e !== this.reason)
            complain("The handler failed after the client had gone:", e);
    }

    reply(response) {
        if (!isResponse(response)) {
            this.fail(new TypeError("The handler must give a Response, not " +
                kindOf(response)));
            return;
        }
        const s = responseState(response), { body } = s;
        try {
            if (s.type === "error")
                throw new TypeError("The handler gave Response.error()");
            if (body !== null && isUnusable(body))
                throw new TypeError("The Response's body was read already " +
                    "or is locked");
            this.#send(s, body);
        } catch (e) {
            this.fail(e);
        }
    }

    #send(s, body) {
        const fixed = body === null ? null : body.fixed();
        const streams = body !== null && fixed === null;
        if (this.reason !== undefined) {
            if (streams)
                discard(cancel(body.getStream(), this.reason));
            return;
        }
        const wanted = native.replySend(this.rid, s.status, s.statusText,
            flatHeaders(s.headers), fixed, streams);
        if (wanted)
            this.#pump(acquire(body.getStream()));
        else if (streams)
            discard(cancel(body.getStream()));
        if (body !== null)
            body.used = true;
    }

    #pump(reader) {
        this.reader = reader;
        const stop = (ok, e) => {
            if (this.reader === undefined)
                return;
            this.reader = undefined;
            native.replyEnd(this.rid, ok, ok ? "" : describe(e));
        };
        this.reading = readChunks(reader, (chunk) => {
            if (this.reader === undefined)
                return false;
            try {
                if (!isUint8Array(chunk))
                    throw new TypeError("A Response's stream must give " +
                        `Uint8Array chunks, not ${kindOf(chunk)}`);
                return native.replyWrite(this.rid, chunk);
            } catch (e) {
                stop(false, e);
                discard(cancelReader(reader, e));
                return false;
            }
        }, () => stop(true), (e) => stop(false, e));
    }

    writable() {
        if (this.reader !== undefined)
            this.reading.resume();
    }

    // the client has gone, or C is done with this exchange
    close(reason) {
        const { reader } = this;
        this.reason = reason;
        this.reader = undefined;
        if (reader !== undefined)
            discard(cancelReader(reader, reason));
    }
}

function onRequest(rid) {
    const [request, served] = serve(rid);
    const exchange = current = new Exchange(rid, served);
    const ctx = {
        waitUntil(promise) {
            requireArgs(arguments.length, 1, "waitUntil");
            exchange.waitUntil(promise);
        },
        get state() {
            return native.use("state").handle();
        }
    };
    let answer;
    try {
        answer = handler(request, env ??= makeEnv(), ctx, exchange);
    } catch (e) {
        exchange.fail(e);
        return;
    }
    if (isResponse(answer))
        exchange.reply(answer);
    else
        apply(then, resolved(answer), [(response) => exchange.reply(response),
            (e) => exchange.fail(e)]);
}

// An image has none of what V8 adds to a context: js/absent.js.
let taken;

function putBack({ changes }) {
    for (let i = 0; i < changes.length; i += 3) {
        const object = changes[i], key = changes[i + 1], had = changes[i + 2];
        if (had === undefined)
            deleteProperty(object, key);
        else
            defineProperty(object, key, had);
    }
}

const ofRid = (rid) => current !== undefined && current.rid === rid
    ? current : undefined;

const hooks = {
    app: findHandler,
    request: onRequest,
    timers: hookTimers,
    readable: (rid) => ofRid(rid)?.served.readable(),
    writable: (rid) => ofRid(rid)?.writable(),
    abort(rid) {
        const exchange = ofRid(rid);
        if (exchange === undefined || exchange.reason !== undefined)
            return;
        const reason = domError("AbortError", "The client has gone");
        exchange.close(reason);
        exchange.served.abort(reason);
    },
    end(rid) {
        const exchange = ofRid(rid);
        if (exchange === undefined)
            return;
        current = undefined;
        native.used("fetch")?.onEnd();
        exchange.close(new TypeError("The request is over"));
        exchange.served.end();
    },
    rejected: (promise, reason) =>
        native.use("error_events").rejected(promise, reason),
    handled: (promise, reason) =>
        native.used("error_events")?.handled(promise, reason),
    fetch: (id) => native.use("fetch").onNews(id),
    wasm: (id, source) => native.use("wasm").onSource(id, source),
    watch(on) {
        native.use("drawn").watch(on === 1);
        if (on === 0)
            native.forget("drawn");
    },
    keep() {
        env = undefined; // may be another, and holds secrets
        forgetOrigin();
    },
    pause: () => native.use("state").pause(),
    resume: () => native.use("state").resume(),
    thaw: () => native.use("state").thaw(),
    absent(what) {
        if (what === 0) {
            taken = native.use("absent").take();
            native.forget("absent");
            return;
        }
        if (what > 1)
            native.use("absent").install(what, taken);
        if (taken !== undefined)
            putBack(taken);
    }
};
native.setHooks([hooks.app, hooks.request, hooks.timers, hooks.readable,
    hooks.writable, hooks.abort, hooks.end, hooks.rejected, hooks.handled,
    hooks.fetch, hooks.wasm, hooks.watch, hooks.keep, hooks.pause, hooks.resume,
    hooks.thaw, hooks.absent]);

return { application: () => exported };
