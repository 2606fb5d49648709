/*
 * events.js - Event, CustomEvent and EventTarget (DOM 2).
 *
 * There is no tree: an event's path is its target alone. The global object
 * is a target too; its listeners are kept here and not on it, because
 * nothing put on a global proxy is sure to outlive a snapshot.
 *
 * For other files:
 *   fire(target, event, errors)   dispatches a trusted event; what listeners
 *       throw is reported, or collected in the array `errors` when given.
 *       Answers false when the event was canceled. globalThis is a target.
 *   hasListener(target, type)
 *   initEvent(event, type, bubbles, cancelable)   false during a dispatch
 *   makeTarget(object)   for what EventTarget's constructor did not make
 *   defineHandler(Class, type, test)   an event handler attribute
 *   makeGlobalTarget(global)   EventTarget's members, and its handlers
 *   reportException(e)   HTML 8.1.4.6 "report an exception"
 *   late   what files after this one give to it: late.report(e) by console,
 *       late.signal by abort, late.startTimer by timers
 */
const {
    brand, checkGlobal, expose, isObject, requireArgs, toDictionary
} = use("webidl");
const { domError } = use("exception");

const late = { report: undefined, signal: undefined, startTimer: undefined };

// The event is for who listens; else, or not canceled, it goes to the log.
function reportException(e) {
    try {
        if (hasListener(globalThis, "error") &&
            native.use("error_events").fireError(e))
            return;
    } catch {
        // no stack left to tell the script
    }
    late.report(e);
}

const PHASES =
    { NONE: 0, CAPTURING_PHASE: 1, AT_TARGET: 2, BUBBLING_PHASE: 3 };

let eventState; // of an Event: its state object
class Event {
    #s;
    static { eventState = (e) => e.#s; }
    constructor(type, eventInitDict = undefined) {
        requireArgs(arguments.length, 1, "Event");
        type = `${type}`;
        const init = toDictionary(eventInitDict, "Event: eventInitDict");
        this.#s = {
            type,
            bubbles: !!init.bubbles,
            cancelable: !!init.cancelable,
            composed: !!init.composed,
            target: null,
            current: null,
            phase: 0,
            time: native.timerNow(),
            trusted: false,
            initialized: true,
            dispatching: false,
            stop: false,
            stopNow: false,
            canceled: false,
            passive: false
        };
        Object.defineProperty(this, "isTrusted", TRUSTED);
    }
    get type() { return this.#s.type; }
    get target() { return this.#s.target; }
    get srcElement() { return this.#s.target; }
    get currentTarget() { return this.#s.current; }
    composedPath() {
        return this.#s.current === null ? [] : [this.#s.current];
    }
    get eventPhase() { return this.#s.phase; }
    stopPropagation() { this.#s.stop = true; }
    get cancelBubble() { return this.#s.stop; }
    set cancelBubble(v) {
        const s = this.#s;
        if (v)
            s.stop = true;
    }
    stopImmediatePropagation() {
        this.#s.stop = true;
        this.#s.stopNow = true;
    }
    get bubbles() { return this.#s.bubbles; }
    get cancelable() { return this.#s.cancelable; }
    get returnValue() { return !this.#s.canceled; }
    set returnValue(v) {
        const s = this.#s;
        if (!v)
            cancel(s);
    }
    preventDefault() { cancel(this.#s); }
    get defaultPrevented() { return this.#s.canceled; }
    get composed() { return this.#s.composed; }
    get timeStamp() { return this.#s.time; }
    initEvent(type, bubbles = false, cancelable = false) {
        const s = this.#s;
        requireArgs(arguments.length, 1, "Event.initEvent");
        initialize(s, `${type}`, !!bubbles, !!cancelable);
    }
}
expose(Event, "Event", PHASES);

// [LegacyUnforgeable]: one getter, on every instance
const TRUSTED = {
    get: Object.getOwnPropertyDescriptor({
        get isTrusted() { return eventState(this).trusted; }
    }, "isTrusted").get,
    set: undefined,
    enumerable: true,
    configurable: false
};

function cancel(s) {
    if (s.cancelable && !s.passive)
        s.canceled = true;
}

// 2.2 concept-event-initialize; false during a dispatch
function initialize(s, type, bubbles, cancelable) {
    if (s.dispatching)
        return false;
    s.initialized = true;
    s.stop = s.stopNow = s.canceled = s.trusted = false;
    s.target = null;
    s.type = type;
    s.bubbles = bubbles;
    s.cancelable = cancelable;
    return true;
}
const initEvent = (event, ...init) => initialize(eventState(event), ...init);

class CustomEvent extends Event {
    #detail;
    constructor(type, eventInitDict = undefined) {
        requireArgs(arguments.length, 1, "CustomEvent");
        super(type, eventInitDict);
        const { detail } = toDictionary(eventInitDict);
        this.#detail = detail === undefined ? null : detail;
    }
    get detail() { return this.#detail; }
    initCustomEvent(type, bubbles = false, cancelable = false,
                    detail = null) {
        const old = this.#detail;
        requireArgs(arguments.length, 1, "CustomEvent.initCustomEvent");
        this.#detail = initEvent(this, `${type}`, !!bubbles, !!cancelable)
            ? detail : old;
    }
}
expose(CustomEvent);

const newTarget = () => ({ listeners: [], handlers: undefined });
const globalState = newTarget();

let targetState; // of an EventTarget, or of the global
class Slots extends function (o) { return o; } {
    #s = newTarget();
    static {
        targetState = (target) =>
            target === undefined || target === null || target === globalThis
                ? globalState : target.#s;
    }
}
const makeTarget = (object) => { new Slots(object); };

class EventTarget {
    constructor() { new Slots(this); }
    addEventListener(type, callback, options = undefined) {
        const s = targetState(this);
        requireArgs(arguments.length, 2, "EventTarget.addEventListener");
        type = `${type}`;
        checkCallback(callback, "EventTarget.addEventListener: callback");
        const listener = {
            type, callback, capture: false, once: false, passive: false,
            removed: false
        };
        let signal;
        if (isObject(options)) {
            listener.capture = !!options.capture;
            listener.once = !!options.once;
            listener.passive = !!options.passive;
            signal = options.signal;
            if (signal !== undefined)
                brand(signal, late.signal.is, "AbortSignal");
        } else {
            listener.capture = !!options;
        }
        if (signal !== undefined && late.signal.aborted(signal))
            return;
        if (callback === null || callback === undefined)
            return;
        if (find(s, type, callback, listener.capture) === -1)
            s.listeners.push(listener);
        if (signal !== undefined)
            late.signal.add(signal, () => remove(s, listener));
    }
    removeEventListener(type, callback, options = undefined) {
        const s = targetState(this);
        requireArgs(arguments.length, 2, "EventTarget.removeEventListener");
        type = `${type}`;
        checkCallback(callback, "EventTarget.removeEventListener: callback");
        const capture = isObject(options) ? !!options.capture : !!options;
        const i = find(s, type, callback, capture);
        if (i !== -1)
            remove(s, s.listeners[i]);
    }
    dispatchEvent(event) {
        targetState(this);
        requireArgs(arguments.length, 1, "EventTarget.dispatchEvent");
        if (!isEvent(event))
            throw new TypeError(
                "EventTarget.dispatchEvent: event is not an Event");
        const s = eventState(event);
        if (s.dispatching || !s.initialized)
            throw domError("InvalidStateError",
                "The event is already being dispatched");
        s.trusted = false;
        return dispatch(this ?? globalThis, event, undefined);
    }
}
expose(EventTarget);

function isEvent(v) {
    if (!isObject(v))
        return false;
    try {
        return eventState(v) !== undefined;
    } catch {
        return false;
    }
}

function checkCallback(callback, what) {
    if (callback !== null && callback !== undefined && !isObject(callback))
        throw new TypeError(`${what} is not a function or an object`);
}

function find(s, type, callback, capture) {
    return s.listeners.findIndex((l) => l.type === type &&
        l.callback === callback && l.capture === capture);
}

function remove(s, listener) {
    listener.removed = true;
    const i = s.listeners.indexOf(listener);
    if (i !== -1)
        s.listeners.splice(i, 1);
}

// 2.9 concept-event-dispatch for a path of one
function dispatch(target, event, errors) {
    const s = eventState(event);
    s.dispatching = true;
    s.target = s.current = target;
    s.phase = PHASES.AT_TARGET;
    const state = targetState(target);
    invoke(state, event, s, true, errors);
    invoke(state, event, s, false, errors);
    s.phase = PHASES.NONE;
    s.current = null;
    s.dispatching = s.stop = s.stopNow = false;
    return !s.canceled;
}

function invoke(state, event, s, capture, errors) {
    if (s.stop || state.listeners.length === 0)
        return;
    for (const l of state.listeners.slice()) {
        if (l.removed || l.type !== s.type || l.capture !== capture)
            continue;
        if (l.once)
            remove(state, l);
        s.passive = l.passive;
        try {
            callListener(l.callback, s.current, event);
        } catch (e) {
            if (errors === undefined)
                reportException(e);
            else
                errors.push(e);
        }
        s.passive = false;
        if (s.stopNow)
            return;
    }
}

function callListener(callback, current, event) {
    if (typeof callback === "function") {
        callback.call(current, event);
        return;
    }
    const handle = callback.handleEvent;
    if (typeof handle !== "function")
        throw new TypeError("The listener's handleEvent is not a function");
    handle.call(callback, event);
}

function fire(target, event, errors = undefined) {
    eventState(event).trusted = true;
    return dispatch(target, event, errors);
}

const hasListener = (target, type) =>
    targetState(target).listeners.some((l) => l.type === type);

// HTML 8.1.8.1 "the event handler processing algorithm"
function callHandler(handler, target, event) {
    if (typeof handler !== "function")
        return;
    // undefined but for an ErrorEvent "error" at the global
    const args = target !== globalThis ? undefined
        : native.used("error_events")?.errorArgs(event);
    if (args === undefined ? handler.call(target, event) === false
        : handler.apply(target, args) === true)
        cancel(eventState(event));
}

// 8.1.8.1: the listener keeps its place while the handler changes
function handlerAttribute(object, type, check) {
    const key = `on${type}`;
    const { get, set } = Object.getOwnPropertyDescriptor({
        get [key]() {
            check(this);
            return targetState(this).handlers?.[key]?.value ?? null;
        },
        set [key](value) {
            check(this);
            const s = targetState(this);
            let handler = s.handlers?.[key];
            if (!isObject(value)) {
                if (handler !== undefined) {
                    remove(s, handler.listener);
                    s.handlers[key] = undefined;
                }
                return;
            }
            if (handler !== undefined) {
                handler.value = value;
                return;
            }
            handler = { value, listener: undefined };
            handler.listener = {
                type,
                callback(event) { callHandler(handler.value, this, event); },
                capture: false, once: false, passive: false, removed: false
            };
            s.listeners.push(handler.listener);
            s.handlers ??= { __proto__: null };
            s.handlers[key] = handler;
        }
    }, key);
    Object.defineProperty(object, key,
        { get, set, enumerable: true, configurable: true });
}

const defineHandler = (Class, type, test) => handlerAttribute(
    Class.prototype, type, (v) => brand(v, test, Class.name));

function makeGlobalTarget(global) {
    const value = (v) => ({ value: v, writable: true, configurable: true });
    Object.setPrototypeOf(global, Object.create(EventTarget.prototype, {
        constructor: value(Object),
        [Symbol.toStringTag]: value("global")
    }));
    for (const type of ["error", "unhandledrejection", "rejectionhandled"])
        handlerAttribute(global, type, checkGlobal);
}

// made by method syntax, so no constructor
const operations = {
    reportError(e) {
        checkGlobal(this);
        requireArgs(arguments.length, 1, "reportError");
        reportException(e);
    }
};

return {
    Event, CustomEvent, EventTarget, fire, hasListener, defineHandler,
    initEvent, makeTarget, makeGlobalTarget, reportException, late,
    ...operations
};
