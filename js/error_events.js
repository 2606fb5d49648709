/*
 * error_events.js - ErrorEvent, PromiseRejectionEvent (HTML 8.1.4.6, 8.1.4.7)
 * and the events "error", "unhandledrejection" and "rejectionhandled" of the
 * global.
 *
 *   fireError(e)   true when the script took it upon itself
 *   errorArgs(event)   what onerror is called with, undefined for others
 *   rejected(promise, reason) handled(promise, reason)   hooks
 */
const { expose, isObject, requireArgs, toDictionary, toUSVString } =
    use("webidl");
const { Event, fire, hasListener } = use("events");
const { report } = use("console");
const { KIND, errorHead, inspect, stackOf } = use("inspect");
const { DOMExceptionSlots } = use("exception");

let errorArgs;
class ErrorEvent extends Event {
    #e;
    static {
        errorArgs = (event) => {
            if (!(#e in event) || event.type !== "error")
                return undefined;
            const { message, filename, lineno, colno, error } = event.#e;
            return [message, filename, lineno, colno, error];
        };
    }
    constructor(type, eventInitDict = undefined) {
        requireArgs(arguments.length, 1, "ErrorEvent");
        super(type, eventInitDict);
        const init = toDictionary(eventInitDict);
        let { colno = 0 } = init;
        colno >>>= 0;
        const { error } = init;
        let { filename = "" } = init;
        filename = toUSVString(filename);
        let { lineno = 0 } = init;
        lineno >>>= 0;
        const { message = "" } = init;
        this.#e = { message: `${message}`, filename, lineno, colno, error };
    }
    get message() { return this.#e.message; }
    get filename() { return this.#e.filename; }
    get lineno() { return this.#e.lineno; }
    get colno() { return this.#e.colno; }
    get error() { return this.#e.error; }
}
expose(ErrorEvent, "ErrorEvent");

class PromiseRejectionEvent extends Event {
    #promise;
    #reason;
    constructor(type, eventInitDict) {
        requireArgs(arguments.length, 2, "PromiseRejectionEvent");
        super(type, eventInitDict);
        const init = toDictionary(eventInitDict);
        this.#promise = init.promise;
        if (!isObject(this.#promise))
            throw new TypeError(
                "PromiseRejectionEvent: promise is not an object");
        this.#reason = init.reason;
    }
    get promise() { return this.#promise; }
    get reason() { return this.#reason; }
}
expose(PromiseRejectionEvent, "PromiseRejectionEvent");

function headline(v) {
    if (!isObject(v))
        return String(v);
    if (native.kindOf(v) === KIND.ERROR || DOMExceptionSlots.has(v))
        return errorHead(v)[1];
    return inspect(v, { depth: 0 });
}

const AT = "    at ";

// Where it was made, as its stack tells: [file, line, column].
function placeOf(e) {
    const stack = isObject(e) ? stackOf(e) : undefined;
    if (typeof stack !== "string")
        return ["", 0, 0];
    // lines of a long message look alike: no more than one look at each place
    for (const line of stack.split("\n")) {
        const end = line.startsWith(AT) ? /:(\d+):(\d+)\)?$/.exec(line) : null;
        if (end === null)
            continue;
        const paren = line.lastIndexOf("(", end.index);
        const file =
            line.slice(paren < 0 ? AT.length : paren + 1, end.index);
        if (file !== "" && !file.startsWith("snapcgi:"))
            return [file, +end[1], +end[2]];
    }
    return ["", 0, 0];
}

let reporting = false; // 8.1.4.6 "in error reporting mode"

function fireError(error) {
    if (reporting)
        return false;
    reporting = true;
    try {
        const [filename, lineno, colno] = placeOf(error);
        return !fire(globalThis, new ErrorEvent("error", {
            __proto__: null, cancelable: true, filename, lineno, colno, error,
            message: `Uncaught ${headline(error)}`
        }));
    } finally {
        reporting = false;
    }
}

// 8.1.4.7: reported, and not handled yet
const outstanding = new WeakSet();

const isHandled = (promise) => native.promiseState(promise)[2];

function fireRejection(type, cancelable, promise, reason) {
    return !hasListener(globalThis, type) || fire(globalThis,
        new PromiseRejectionEvent(type,
            { __proto__: null, cancelable, promise, reason }));
}

function rejected(promise, reason) {
    if (isHandled(promise))
        return;
    if (fireRejection("unhandledrejection", true, promise, reason))
        report(reason, "Uncaught (in promise)");
    if (!isHandled(promise))
        outstanding.add(promise);
}

function handled(promise, reason) {
    if (outstanding.delete(promise))
        fireRejection("rejectionhandled", false, promise, reason);
}

return {
    ErrorEvent, PromiseRejectionEvent, fireError, errorArgs, rejected, handled
};
