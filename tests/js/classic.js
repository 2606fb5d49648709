/* The classic form: the event of addEventListener("fetch"). */
import { test, eq, ok, throws, run } from "./tap.js";

let event;
let self;

test("the listener's this is the global object", () => {
    eq(self, globalThis);
});

test("the event is trusted and has the request", () => {
    eq([event.type, event.isTrusted], ["fetch", true]);
    ok(event instanceof Event);
    ok(event.request instanceof Request);
    eq(Object.prototype.toString.call(event), "[object FetchEvent]");
});

test("one answer is taken, and none after the event", () => {
    throws(() => event.respondWith(new Response()), "InvalidStateError");
});

test("waitUntil() takes promises until the answer is settled", () => {
    event.waitUntil(Promise.resolve());
    throws(() => event.waitUntil(), TypeError);
});

test("an event of the script's own takes no answer", () => {
    const { request, constructor: FetchEvent } = event;
    const own = new FetchEvent("fetch", { request });
    eq(own.request, request);
    throws(() => own.respondWith(new Response()), "InvalidStateError");
    throws(() => own.waitUntil(1), "InvalidStateError");
    throws(() => new FetchEvent("fetch"), TypeError);
    throws(() => new FetchEvent("fetch", {}), TypeError);
});

test("the event's class is not a global name", () => {
    eq([typeof FetchEvent, typeof ExtendableEvent],
        ["undefined", "undefined"]);
});

addEventListener("fetch", function (e) {
    event = e;
    self = this;
    e.respondWith(Promise.resolve().then(run));
});
