/*
 * messages.js - MessageEvent, MessageChannel, MessagePort (HTML 9.1, 9.4).
 *
 * What a port is moves with a transfer: the state is put on the new port, and
 * tasks that were posted for it find it there. A port alone keeps no request
 * alive; a message on its way to a started port does.
 */
const { brand, expose, illegal, isObject, requireArgs, toDictionary,
    toSequence, toUSVString } = use("webidl");
const { domError } = use("exception");
const { Event, EventTarget, defineHandler, fire, initEvent, makeTarget } =
    use("events");
const { postTask } = use("timers");
const { carriers, cloneWith, toObject, transferOf } = use("clone");

class Slots extends function (o) { return o; } {
    #s;
    constructor(o, s) {
        super(o);
        this.#s = s;
    }
    static has(o) { return isObject(o) && #s in o; }
    static of(o) { return brand(o, Slots.has, "MessagePort").#s; }
    static set(o, s) { o.#s = s; }
}
const isPort = Slots.has;

const toPorts = (v) => toSequence(v, (port) =>
    brand(port, isPort, "MessagePort"), "ports");

function toSource(v) {
    if (v === undefined || v === null)
        return null;
    if (!isPort(v) && v !== globalThis)
        throw new TypeError("MessageEvent: source is not a MessagePort");
    return v;
}

class MessageEvent extends Event {
    #m;
    constructor(type, eventInitDict = undefined) {
        requireArgs(arguments.length, 1, "MessageEvent");
        super(type, eventInitDict);
        const init = toDictionary(eventInitDict);
        const { data = null } = init;
        let { lastEventId = "" } = init;
        lastEventId = `${lastEventId}`;
        let { origin = "" } = init;
        origin = toUSVString(origin);
        const { ports } = init;
        this.#m = {
            data, lastEventId, origin,
            ports: Object.freeze(ports === undefined ? [] : toPorts(ports)),
            source: toSource(init.source)
        };
    }
    get data() { return this.#m.data; }
    get origin() { return this.#m.origin; }
    get lastEventId() { return this.#m.lastEventId; }
    get source() { return this.#m.source; }
    get ports() { return this.#m.ports; }
    initMessageEvent(type, bubbles = false, cancelable = false, data = null,
                     origin = "", lastEventId = "", source = null,
                     ports = []) {
        const old = this.#m;
        requireArgs(arguments.length, 1, "MessageEvent.initMessageEvent");
        type = `${type}`;
        const m = {
            data, origin: toUSVString(origin), lastEventId: `${lastEventId}`,
            source: toSource(source), ports: Object.freeze(toPorts(ports))
        };
        this.#m = initEvent(this, type, !!bubbles, !!cancelable) ? m : old;
    }
}
expose(MessageEvent, "MessageEvent");

/* ---- ports --------------------------------------------------------------- */

// A port's state; `other` is that of the port it is entangled with.
const newState = () => ({
    port: undefined, other: undefined, detached: false, enabled: false,
    queue: [], first: 0 // messages; those before first are delivered
});

function newPort(state) {
    const port = Reflect.construct(native.HostObject, [], MessagePort);
    makeTarget(port);
    new Slots(port, state);
    state.port = port;
    return port;
}

// One message; none when they went with a transfer or a close.
function deliver(s) {
    if (!s.enabled || s.first === s.queue.length)
        return;
    const init = s.queue[s.first];
    s.queue[s.first++] = undefined;
    if (s.first === s.queue.length)
        s.queue.length = s.first = 0;
    fire(s.port, new MessageEvent("message", init));
}

// 9.4.4 "message port post message steps"
function post(s, message, list) {
    if (list.includes(s.port))
        throw domError("DataCloneError", "A port cannot be sent by itself.");
    const { other } = s;
    const doomed = other !== undefined && list.includes(other.port);
    const [data, became] = cloneWith(message, list);
    if (other === undefined || doomed)
        return;
    other.queue.push({ __proto__: null, data, ports: became.filter(isPort) });
    if (other.enabled)
        postTask(() => deliver(other));
}

function start(s) {
    if (s.enabled || s.detached)
        return;
    s.enabled = true;
    for (let i = s.first; i < s.queue.length; i++)
        postTask(() => deliver(s));
}

function close(s) {
    const { other } = s;
    s.detached = true;
    s.enabled = false;
    s.queue.length = s.first = 0;
    if (other === undefined)
        return;
    s.other = other.other = undefined;
    // after the messages that were sent before
    postTask(() => fire(other.port, new Event("close")));
}

// The two overloads of postMessage: a sequence, or a dictionary.
function listOf(v) {
    if (!isObject(v))
        return transferOf(v);
    const method = v[Symbol.iterator];
    return method === undefined || method === null ? transferOf(v)
        : toSequence(v, toObject, "transfer", method);
}

class MessagePort extends EventTarget {
    constructor() { illegal(); }
    postMessage(message, options = undefined) {
        const s = Slots.of(this);
        requireArgs(arguments.length, 1, "MessagePort.postMessage");
        post(s, message, listOf(options));
    }
    start() { start(Slots.of(this)); }
    close() { close(Slots.of(this)); }
}
for (const type of ["close", "message", "messageerror"])
    defineHandler(MessagePort, type, isPort);

// 9.4.4: setting onmessage starts the port
const onmessage =
    Object.getOwnPropertyDescriptor(MessagePort.prototype, "onmessage");
const { set } = Object.getOwnPropertyDescriptor({
    set onmessage(value) {
        onmessage.set.call(this, value);
        start(Slots.of(this));
    }
}, "onmessage");
Object.defineProperty(MessagePort.prototype, "onmessage", { set });
expose(MessagePort, "MessagePort");

carriers.push({
    has: isPort,
    isDetached: (port) => Slots.of(port).detached,
    make: () => newPort(newState()),
    move(from, to) {
        const s = Slots.of(from);
        Slots.set(from, { ...newState(), port: from, detached: true });
        s.port = to;
        s.enabled = false;
        Slots.set(to, s);
    }
});

class MessageChannel {
    #port1;
    #port2;
    constructor() {
        const one = newState(), two = newState();
        one.other = two;
        two.other = one;
        this.#port1 = newPort(one);
        this.#port2 = newPort(two);
    }
    get port1() { return this.#port1; }
    get port2() { return this.#port2; }
}
expose(MessageChannel, "MessageChannel");

return { MessageChannel, MessageEvent, MessagePort };
