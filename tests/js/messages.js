/* MessageChannel, MessagePort, MessageEvent: HTML 9.1 and 9.4. */
import { test, eq, ok, throws, sleep, run } from "./tap.js";

const next = (port) => new Promise((resolve) => {
    port.onmessage = resolve;
});

test("a message is copied to the other port", async () => {
    const { port1, port2 } = new MessageChannel();
    const data = { list: [1] };
    port1.postMessage(data);
    data.list.push(2);
    const e = await next(port2);
    eq(e.data, { list: [1] });
    ok(e instanceof MessageEvent && e.target === port2);
    eq([e.type, e.ports.length, e.origin, e.source, e.lastEventId,
        e.isTrusted], ["message", 0, "", null, "", true]);
    ok(Object.isFrozen(e.ports) && e.ports === e.ports);
});

test("messages keep their order, and microtasks run between", async () => {
    const { port1, port2 } = new MessageChannel();
    const seen = [];
    await new Promise((resolve) => {
        port2.onmessage = (e) => {
            seen.push(e.data);
            queueMicrotask(() => seen.push(-e.data));
            if (e.data === 3)
                setTimeout(resolve, 0);
        };
        for (const n of [1, 2, 3])
            port1.postMessage(n);
        seen.push("posted");
    });
    eq(seen, ["posted", 1, -1, 2, -2, 3, -3]);
});

test("a port waits to be started", async () => {
    const { port1, port2 } = new MessageChannel();
    const seen = [];
    port2.addEventListener("message", (e) => seen.push(e.data));
    port1.postMessage(1);
    await sleep(5);
    eq(seen, []);
    port2.start();
    port2.start();
    port1.postMessage(2);
    await sleep(5);
    eq(seen, [1, 2]);
});

test("messages starve no timers, and timers no messages", async () => {
    const { port1, port2 } = new MessageChannel();
    let messages = 0, timers = 0, on = true;
    port1.onmessage = () => {
        messages++;
        if (on)
            port2.postMessage(0);
    };
    port2.postMessage(0);
    const tick = () => {
        timers++;
        if (on)
            setTimeout(tick, 0);
    };
    tick();
    while (messages < 6 || timers < 3) // or the test takes too long
        await sleep(1);
    on = false;
});

test("a buffer is moved with a message", async () => {
    const { port1, port2 } = new MessageChannel();
    const a = new ArrayBuffer(3), b = new ArrayBuffer(4);
    port1.postMessage({ a }, [a]);
    port1.postMessage(b, { transfer: [b] });
    eq([a.byteLength, b.byteLength], [0, 0]);
    eq((await next(port2)).data.a.byteLength, 3);
    eq((await next(port2)).data.byteLength, 4);
});

test("a port is moved, with the messages that wait for it", async () => {
    const one = new MessageChannel(), two = new MessageChannel();
    two.port1.postMessage("early");
    one.port1.postMessage({ port: two.port2 }, [two.port2]);
    two.port1.postMessage("late");
    const { data, ports } = await next(one.port2);
    ok(ports.length === 1 && ports[0] === data.port);
    ok(data.port instanceof MessagePort && data.port !== two.port2);
    eq((await next(data.port)).data, "early");
    eq((await next(data.port)).data, "late");
    data.port.postMessage("back");
    eq((await next(two.port1)).data, "back");
    throws(() => one.port1.postMessage(0, [two.port2]), "DataCloneError");
});

test("a started port that is moved has to be started again", async () => {
    const one = new MessageChannel();
    const seen = [];
    one.port2.onmessage = (e) => seen.push(e.data);
    one.port1.postMessage(1);
    const moved = structuredClone(one.port2, { transfer: [one.port2] });
    await sleep(5);
    eq(seen, []);
    eq((await next(moved)).data, 1);
});

test("a port cannot be copied, nor sent by itself", () => {
    const { port1, port2 } = new MessageChannel();
    throws(() => port1.postMessage(port2), "DataCloneError");
    throws(() => port1.postMessage(0, [port1]), "DataCloneError");
    throws(() => structuredClone({ port1 }), "DataCloneError");
    throws(() => port1.postMessage(), TypeError);
    throws(() => port1.postMessage(0, 1), TypeError);
    throws(() => port1.postMessage(0, [1]), TypeError);
});

test("a message with the other port is lost", async () => {
    const { port1, port2 } = new MessageChannel();
    port1.postMessage(0, [port2]);
    let n = 0;
    port2.onmessage = () => n++;
    await sleep(5);
    eq(n, 0);
});

test("close tells the other port, after the messages", async () => {
    const { port1, port2 } = new MessageChannel();
    const seen = [];
    port2.onmessage = (e) => seen.push(e.data);
    port2.onclose = (e) => seen.push(e.type);
    port1.onclose = () => seen.push("own");
    port1.postMessage(1);
    port1.close();
    port1.close();
    port1.postMessage(2);
    port2.postMessage(3);
    await sleep(5);
    eq(seen, [1, "close"]);
});

test("a closed port gets nothing more", async () => {
    const { port1, port2 } = new MessageChannel();
    let n = 0;
    port2.onmessage = () => n++;
    port1.postMessage(1);
    port2.close();
    await sleep(5);
    eq(n, 0);
    throws(() => structuredClone(0, { transfer: [port2] }),
        "DataCloneError");
});

test("a listener that throws does not stop the messages", async () => {
    const { port1, port2 } = new MessageChannel();
    port2.addEventListener("message", (e) => {
        if (e.data === 1)
            throw new Error("reported in the log, on purpose");
    });
    port1.postMessage(1);
    port1.postMessage(2);
    eq((await next(port2)).data, 1);
    eq((await next(port2)).data, 2);
});

test("many messages go through", async () => {
    const { port1, port2 } = new MessageChannel();
    const COUNT = 20000;
    let n = 0, sum = 0;
    await new Promise((resolve) => {
        port2.onmessage = (e) => {
            sum += e.data;
            if (++n === COUNT)
                resolve();
        };
        for (let i = 0; i < COUNT; i++)
            port1.postMessage(i);
    });
    eq(sum, COUNT * (COUNT - 1) / 2);
});

test("ports are made by a channel only", () => {
    throws(() => new MessagePort(), TypeError);
    throws(() => MessagePort.prototype.start.call(new EventTarget()),
        TypeError);
    const channel = new MessageChannel();
    ok(channel.port1 === channel.port1);
    ok(channel.port1 instanceof EventTarget);
    eq(String(channel.port1), "[object MessagePort]");
});

test("a MessageEvent keeps what it was made with", () => {
    const { port1 } = new MessageChannel();
    const e = new MessageEvent("x", {
        data: 1, origin: "o\ud800", lastEventId: 2, source: port1,
        ports: [port1]
    });
    eq([e.data, e.origin, e.lastEventId, e.source === port1,
        e.ports[0] === port1], [1, "o\ufffd", "2", true, true]);
    const plain = new MessageEvent("x");
    eq([plain.data, plain.ports.length], [null, 0]);
    throws(() => new MessageEvent("x", { ports: [1] }), TypeError);
    throws(() => new MessageEvent("x", { source: {} }), TypeError);
    e.initMessageEvent("y", true, false, 5, "p");
    eq([e.type, e.bubbles, e.data, e.origin, e.ports.length],
        ["y", true, 5, "p", 0]);
});

test("streams are moved and copy their chunks", async () => {
    const { port1, port2 } = new MessageChannel();
    const chunk = { n: 1 };
    const stream = new ReadableStream({
        start(c) {
            c.enqueue(chunk);
            c.close();
        }
    });
    port1.postMessage(stream, [stream]);
    ok(stream.locked);
    const { data, ports } = await next(port2);
    eq(ports.length, 0);
    ok(data instanceof ReadableStream);
    const reader = data.getReader();
    const { value } = await reader.read();
    ok(value !== chunk);
    eq(value, chunk);
    eq((await reader.read()).done, true);
});

export default { fetch: () => run() };
