/*
 * timers.js - setTimeout, setInterval, queueMicrotask (HTML 8.6, 8.7).
 *
 * Timers wait in a binary heap by due time, then by when they were set. C
 * holds one moment only, the next; it calls hookTimers() then, which runs
 * one timer and asks again, so that microtasks run between two of them.
 *
 * postTask(fn) has fn called in a turn of its own (HTML 8.1.7.2 "queue a
 * task"), in the order of posting; timers that are due have every second turn.
 */
const { toCallback, requireArgs, toLong, checkGlobal } = use("webidl");
const { late, reportException } = use("events");

const heap = [];
const byId = new Map();
let lastId = 0;
let lastOrder = 0;
let nesting = 0; // of the timer whose callback runs
let armed = -1; // due time C was told: -1 none, NaN used up
const tasks = [];
let firstTask = 0; // of tasks; those before it are done
let tasked = false; // a task had the last turn

/*
 * Both of these put t at i or where it belongs instead, and call nothing: at
 * the end of the stack they fail before they have changed anything.
 */
function rise(t, i) {
    while (i > 0) {
        const up = (i - 1) >> 1, other = heap[up];
        if ((other.due - t.due || other.order - t.order) < 0)
            break;
        heap[i] = other;
        other.at = i;
        i = up;
    }
    heap[i] = t;
    t.at = i;
}

// n: how many there are
function sink(t, i, n) {
    for (let down; (down = 2 * i + 1) < n;) {
        let other = heap[down];
        if (down + 1 < n) {
            const next = heap[down + 1];
            if ((next.due - other.due || next.order - other.order) < 0) {
                other = next;
                down++;
            }
        }
        if ((t.due - other.due || t.order - other.order) < 0)
            break;
        heap[i] = other;
        other.at = i;
        i = down;
    }
    heap[i] = t;
    t.at = i;
}

function push(t, ms) {
    t.due = native.timerNow() + ms;
    t.order = ++lastOrder;
    rise(t, heap.length);
}

function take(t) {
    const n = heap.length - 1, last = heap[n], i = t.at;
    if (last !== t) {
        const up = i > 0 ? heap[(i - 1) >> 1] : last;
        if ((last.due - up.due || last.order - up.order) < 0)
            rise(last, i);
        else
            sink(last, i, n);
    }
    heap.length = n;
    t.at = -1;
}

function arm() {
    const due = tasks.length > 0 ? 0 : heap.length === 0 ? -1 : heap[0].due;
    if (due === armed)
        return;
    native.timerWake(due === -1 ? -1 : Math.max(0, due - native.timerNow()));
    armed = due; // once C knows
}

// 8.6 timer-initialisation-steps
function start(ms, repeat, run) {
    if (ms < 0)
        ms = 0;
    if (nesting > 5 && ms < 4)
        ms = 4;
    const t = {
        id: ++lastId, run, ms, repeat, nesting: nesting + 1,
        due: 0, order: 0, at: -1
    };
    push(t, ms);
    byId.set(t.id, t);
    arm();
    return t.id;
}

function clear(id) {
    const t = byId.get(id);
    if (t === undefined)
        return;
    if (t.at !== -1)
        take(t);
    byId.delete(id);
    arm();
}

function guarded(run) {
    try {
        run();
    } catch (e) {
        reportException(e);
    }
}

function runTimer(t) {
    take(t);
    if (!t.repeat)
        byId.delete(t.id);
    nesting = t.nesting;
    guarded(t.run);
    if (t.repeat && byId.get(t.id) === t) {
        if (nesting > 5 && t.ms < 4)
            t.ms = 4;
        t.nesting++;
        push(t, t.ms);
    }
    nesting = 0;
}

function runTask() {
    const run = tasks[firstTask];
    tasks[firstTask++] = undefined;
    if (firstTask === tasks.length)
        tasks.length = firstTask = 0;
    guarded(run);
}

function hookTimers() {
    armed = NaN;
    const t = heap[0];
    const due = t !== undefined && t.due <= native.timerNow();
    tasked = tasks.length > 0 && !(due && tasked);
    if (tasked)
        runTask();
    else if (due)
        runTimer(t);
    arm();
}

function postTask(run) {
    tasks.push(run);
    arm();
}

// 8.6: text is compiled when its time has come, as a script of its own
const evaluate = eval;

function setTimer(handler, timeout, args, repeat) {
    if (typeof handler === "function")
        return start(toLong(timeout), repeat,
            () => handler.apply(globalThis, args));
    const text = `${handler}`;
    return start(toLong(timeout), repeat, () => evaluate(text));
}

// Functions of the global object: made by method syntax, so no constructors.
const operations = {
    setTimeout(handler, timeout = 0, ...args) {
        checkGlobal(this);
        requireArgs(arguments.length, 1, "setTimeout");
        return setTimer(handler, timeout, args, false);
    },
    setInterval(handler, timeout = 0, ...args) {
        checkGlobal(this);
        requireArgs(arguments.length, 1, "setInterval");
        return setTimer(handler, timeout, args, true);
    },
    clearTimeout(id = 0) {
        checkGlobal(this);
        clear(toLong(id));
    },
    clearInterval(id = 0) {
        checkGlobal(this);
        clear(toLong(id));
    },
    queueMicrotask(callback) {
        checkGlobal(this);
        requireArgs(arguments.length, 1, "queueMicrotask");
        toCallback(callback, "queueMicrotask: callback");
        native.microtask(() => guarded(callback));
    }
};

// for AbortSignal.timeout: its time may be over 32 bits
late.startTimer = (ms, run) => start(ms, false, run);

return { ...operations, hookTimers, postTask };
