/*
 * abort.js - AbortController and AbortSignal (DOM 3).
 *
 * For other files: isAbortSignal(v), newSignal(), signalAbort(signal,
 * reason), createDependentSignal(list).
 */
const {
    brand, expose, illegal, requireArgs, toSequence, toUnsignedLongLong
} = use("webidl");
const { domError } = use("exception");
const { Event, EventTarget, defineHandler, fire, late } = use("events");

const KEY = {};

let stateOf;
let isAbortSignal;
class AbortSignal extends EventTarget {
    #s;
    static {
        stateOf = (signal) => signal.#s;
        isAbortSignal = (v) =>
            typeof v === "object" && v !== null && #s in v;
    }
    constructor() {
        if (arguments[0] !== KEY)
            illegal();
        super();
        this.#s = {
            aborted: false,
            reason: undefined,
            dependent: false,
            algorithms: [],
            sources: [],
            dependents: []
        };
    }
    static abort(reason = undefined) {
        const signal = newSignal();
        mark(stateOf(signal), reason);
        return signal;
    }
    static timeout(milliseconds) {
        requireArgs(arguments.length, 1, "AbortSignal.timeout");
        const ms = toUnsignedLongLong(milliseconds, { enforceRange: true });
        const signal = newSignal();
        late.startTimer(ms, () => signalAbort(signal,
            domError("TimeoutError", "The operation timed out")));
        return signal;
    }
    static any(signals) {
        requireArgs(arguments.length, 1, "AbortSignal.any");
        return createDependentSignal(toSequence(signals,
            (v) => brand(v, isAbortSignal, "AbortSignal"),
            "AbortSignal.any: signals"));
    }
    get aborted() { return this.#s.aborted; }
    get reason() { return this.#s.reason; }
    throwIfAborted() {
        const s = this.#s;
        if (s.aborted)
            throw s.reason;
    }
}
defineHandler(AbortSignal, "abort", isAbortSignal);
expose(AbortSignal);

const newSignal = () => new AbortSignal(KEY);

function mark(s, reason) {
    s.aborted = true;
    s.reason = reason !== undefined ? reason
        : domError("AbortError", "The operation was aborted");
}

// 3.2 abortsignal-signal-abort
function signalAbort(signal, reason) {
    const s = stateOf(signal);
    if (s.aborted)
        return;
    mark(s, reason);
    const also = s.dependents.filter((d) => !stateOf(d).aborted);
    for (const d of also)
        mark(stateOf(d), s.reason);
    runAbortSteps(signal);
    for (const d of also)
        runAbortSteps(d);
}

function runAbortSteps(signal) {
    const s = stateOf(signal);
    const algorithms = s.algorithms;
    // nothing can abort twice: let go of all that hangs on it
    for (const source of s.sources) {
        const list = stateOf(source).dependents, i = list.indexOf(signal);
        if (i !== -1)
            list.splice(i, 1);
    }
    s.algorithms = s.sources = s.dependents = [];
    for (const fn of algorithms)
        fn();
    fire(signal, new Event("abort"));
}

function addAbortAlgorithm(signal, fn) {
    const s = stateOf(signal);
    if (!s.aborted)
        s.algorithms.push(fn);
}

// 3.2 create-a-dependent-abort-signal
function createDependentSignal(signals) {
    const result = newSignal(), s = stateOf(result);
    for (const signal of signals)
        if (stateOf(signal).aborted) {
            mark(s, stateOf(signal).reason);
            return result;
        }
    s.dependent = true;
    for (const signal of signals) {
        const from = stateOf(signal);
        for (const source of from.dependent ? from.sources : [signal])
            if (!s.sources.includes(source)) {
                s.sources.push(source);
                stateOf(source).dependents.push(result);
            }
    }
    return result;
}

class AbortController {
    #signal = newSignal();
    constructor() {}
    get signal() { return this.#signal; }
    abort(reason = undefined) { signalAbort(this.#signal, reason); }
}
expose(AbortController);

late.signal = {
    is: isAbortSignal,
    aborted: (signal) => stateOf(signal).aborted,
    add: addAbortAlgorithm
};

return {
    AbortController, AbortSignal, isAbortSignal, newSignal, signalAbort,
    createDependentSignal
};
