/*
 * state.js - an application that is stopped, kept in a file and goes on in
 * another process: ctx.state, the events pause and resume, and what the module
 * exports for a process that cannot take the heap: freeze() and thaw(value).
 */
const { domError } = use("exception");
const { Event, fire, reportException } = use("events");
const { inspect } = use("console");
const { application } = use("handler");
const { encode, decode } = use("portable");

class StateEvent extends Event {
    #waiting;
    constructor(type, waiting) {
        super(type);
        this.#waiting = waiting;
    }
    waitUntil(promise) {
        if (this.#waiting.over)
            throw domError("InvalidStateError", "The event is over");
        this.#waiting.push(promise);
    }
}

// Listeners, then what they gave to waitUntil(), one after the other.
async function dispatch(type) {
    const waiting = [], errors = [];
    fire(globalThis, new StateEvent(type, waiting), errors);
    for (let i = 0; i < errors.length; i++)
        reportException(errors[i]);
    for (let i = 0; i < waiting.length; i++) {
        try {
            await waiting[i];
        } catch (e) {
            reportException(e);
        }
    }
    waiting.over = true;
}

function exported(name) {
    const f = application()?.[name];
    return typeof f === "function" ? f : undefined;
}

function describe(e) {
    try {
        return inspect(e).split("\n")[0];
    } catch {
        return "an exception that cannot be shown";
    }
}

// C hears how it ended, and gets bytes if there are some
async function told(work) {
    let bytes;
    try {
        bytes = await work();
    } catch (e) {
        native.stateDone(describe(e), null);
        return;
    }
    native.stateDone("", bytes ?? null);
}

const handle = Object.freeze({
    save() {
        native.stateSave();
    }
});

return {
    handle: () => native.stateKept() ? handle : undefined,
    pause: () => told(async () => {
        await dispatch("pause");
        const freeze = exported("freeze");
        return freeze === undefined ? null : encode(await freeze());
    }),
    resume: () => told(async () => {
        await dispatch("resume");
    }),
    thaw: () => told(async () => {
        const thaw = exported("thaw");
        if (thaw === undefined)
            throw new TypeError("the application exports no function thaw");
        await thaw(decode(native.stateFrozen()));
    })
};
