/* Event, CustomEvent, EventTarget: DOM 2. */
import { test, eq, ok, throws, run } from "./tap.js";

function heard(type, ...listeners) {
    const target = new EventTarget();
    for (const [fn, options] of listeners)
        target.addEventListener(type, fn, options);
    return target;
}

test("an Event keeps what it was made with", () => {
    const e = new Event("x", { bubbles: true, cancelable: 1 });
    eq([e.type, e.bubbles, e.cancelable, e.composed],
        ["x", true, true, false]);
    eq([e.target, e.currentTarget, e.eventPhase], [null, null, 0]);
    eq(e.isTrusted, false);
    ok(e.timeStamp > 0 && e.timeStamp <= performance.now());
});

test("an Event needs a type and a dictionary", () => {
    throws(() => new Event(), TypeError);
    throws(() => new Event("x", 1), TypeError);
    throws(() => Event("x"), TypeError);
    eq(new Event(undefined).type, "undefined");
});

test("isTrusted cannot be forged", () => {
    const own = (e) => Object.getOwnPropertyDescriptor(e, "isTrusted");
    const a = own(new Event("a")), b = own(new Event("b"));
    ok(a.get === b.get && a.set === undefined);
    eq([a.enumerable, a.configurable], [true, false]);
});

test("members of Event are enumerable, constants are fixed", () => {
    ok(Object.keys(Event.prototype).includes("preventDefault"));
    eq(Object.getOwnPropertyDescriptor(Event, "AT_TARGET"), {
        value: 2, writable: false, enumerable: true, configurable: false
    });
    eq(Event.prototype.AT_TARGET, 2);
    eq(String(new Event("x")), "[object Event]");
    eq([Event.length, Event.prototype.initEvent.length], [1, 1]);
});

test("listeners run in order, capturing ones first", () => {
    const order = [];
    const target = heard("x", [() => order.push(1)],
        [() => order.push(2)], [() => order.push(0), true]);
    target.dispatchEvent(new Event("x"));
    eq(order, [0, 1, 2]);
});

test("during a dispatch the event shows its target", () => {
    let seen;
    const target = heard("x", [function (e) {
        seen = [this === target, e.target === target,
            e.currentTarget === target, e.srcElement === target,
            e.eventPhase, e.composedPath().length];
    }]);
    const e = new Event("x");
    target.dispatchEvent(e);
    eq(seen, [true, true, true, true, 2, 1]);
    eq([e.currentTarget, e.eventPhase, e.composedPath()], [null, 0, []]);
    ok(e.target === target);
});

test("the same listener is added once", () => {
    let n = 0;
    const fn = () => n++;
    const target = heard("x", [fn], [fn, false], [fn, { once: true }]);
    target.dispatchEvent(new Event("x"));
    eq(n, 1);
    target.removeEventListener("x", fn, { capture: false });
    target.dispatchEvent(new Event("x"));
    eq(n, 1);
});

test("a once listener runs once", () => {
    let n = 0;
    const target = heard("x", [() => n++, { once: true }]);
    target.dispatchEvent(new Event("x"));
    target.dispatchEvent(new Event("x"));
    eq(n, 1);
});

test("dispatchEvent is false when the event was canceled", () => {
    const target = heard("x", [(e) => e.preventDefault()]);
    eq(target.dispatchEvent(new Event("x")), true);
    const e = new Event("x", { cancelable: true });
    eq(target.dispatchEvent(e), false);
    eq([e.defaultPrevented, e.returnValue], [true, false]);
});

test("a passive listener cannot cancel", () => {
    const target = heard("x", [(e) => e.preventDefault(),
        { passive: true }]);
    eq(target.dispatchEvent(new Event("x", { cancelable: true })), true);
});

test("stopImmediatePropagation stops the listeners after it", () => {
    let n = 0;
    const target = heard("x", [(e) => e.stopImmediatePropagation()],
        [() => n++]);
    target.dispatchEvent(new Event("x"));
    eq(n, 0);
});

test("a listener that throws does not stop the others", () => {
    let n = 0;
    const target = heard("x", [() => {
        throw new Error("reported in the log, on purpose");
    }], [() => n++]);
    eq(target.dispatchEvent(new Event("x")), true);
    eq(n, 1);
});

test("an object's handleEvent is looked up at each dispatch", () => {
    const seen = [];
    const listener = { handleEvent() { seen.push(this === listener); } };
    const target = heard("x", [listener]);
    target.dispatchEvent(new Event("x"));
    listener.handleEvent = () => seen.push("new");
    target.dispatchEvent(new Event("x"));
    eq(seen, [true, "new"]);
});

test("a listener removed during a dispatch does not run", () => {
    let n = 0;
    const second = () => n++;
    const target = heard("x",
        [() => target.removeEventListener("x", second)], [second]);
    target.dispatchEvent(new Event("x"));
    eq(n, 0);
});

test("a listener added during a dispatch waits for the next", () => {
    let n = 0;
    const target = heard("x", [() =>
        target.addEventListener("x", () => n++), { once: true }]);
    target.dispatchEvent(new Event("x"));
    eq(n, 0);
    target.dispatchEvent(new Event("x"));
    eq(n, 1);
});

test("a listener's signal removes it", () => {
    let n = 0;
    const control = new AbortController();
    const target = heard("x", [() => n++, { signal: control.signal }]);
    target.dispatchEvent(new Event("x"));
    control.abort();
    target.dispatchEvent(new Event("x"));
    target.addEventListener("x", () => n++, { signal: control.signal });
    target.dispatchEvent(new Event("x"));
    eq(n, 1);
    throws(() => target.addEventListener("x", () => {}, { signal: null }),
        TypeError);
});

test("a null listener is ignored, another primitive refused", () => {
    const target = new EventTarget();
    target.addEventListener("x", null);
    target.removeEventListener("x", undefined);
    throws(() => target.addEventListener("x", 1), TypeError);
    throws(() => target.addEventListener("x"), TypeError);
});

test("an event cannot be dispatched twice at a time", () => {
    let name;
    const target = heard("x", [(e) => {
        name = throws(() => target.dispatchEvent(e)).name;
    }]);
    target.dispatchEvent(new Event("x"));
    eq(name, "InvalidStateError");
    throws(() => target.dispatchEvent({ type: "x" }), TypeError);
    throws(() => target.dispatchEvent(null), TypeError);
});

test("initEvent starts an event anew", () => {
    const e = new Event("x");
    e.initEvent("y", true, true);
    eq([e.type, e.bubbles, e.cancelable], ["y", true, true]);
});

test("a CustomEvent carries its detail", () => {
    const detail = {};
    eq(new CustomEvent("x", { detail }).detail, detail);
    eq(new CustomEvent("x").detail, null);
    const e = new CustomEvent("x");
    e.initCustomEvent("y", false, false, 3);
    eq([e.type, e.detail], ["y", 3]);
    const { get } = Object.getOwnPropertyDescriptor(CustomEvent.prototype,
        "detail");
    throws(() => get.call(new Event("x")), TypeError);
});

test("EventTarget can be extended", () => {
    class Bus extends EventTarget {}
    let n = 0;
    const bus = new Bus();
    bus.addEventListener("x", () => n++);
    bus.dispatchEvent(new Event("x"));
    eq([n, bus instanceof EventTarget], [1, true]);
    throws(() => EventTarget.prototype.addEventListener.call({}, "x", null),
        TypeError);
});

test("the global object is an event target", () => {
    const seen = [];
    const fn = (e) => seen.push(e.target === globalThis);
    addEventListener("own", fn);
    globalThis.dispatchEvent(new Event("own"));
    const { dispatchEvent } = globalThis;
    dispatchEvent(new Event("own"));
    removeEventListener("own", fn);
    dispatchEvent(new Event("own"));
    eq(seen, [true, true]);
});

export default { fetch: () => run() };
