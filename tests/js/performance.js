/* performance: High Resolution Time 7. */
import { test, eq, ok, throws, run } from "./tap.js";

const atLoad = performance.now();

test("now never goes back", () => {
    let last = atLoad;
    ok(last >= 0);
    for (let i = 0; i < 1000; i++) {
        const now = performance.now();
        ok(now >= last);
        last = now;
    }
});

test("timeOrigin and now make the time of day", () => {
    const now = performance.timeOrigin + performance.now();
    ok(Math.abs(now - Date.now()) < 100, `${now - Date.now()} ms apart`);
    eq(performance.timeOrigin, performance.timeOrigin);
});

test("timeOrigin is this process's and not the image's", () => {
    ok(performance.now() < 60000);
});

test("toJSON gives the origin", () => {
    eq(performance.toJSON(), { timeOrigin: performance.timeOrigin });
    throws(() => Performance.prototype.toJSON.call({}), TypeError);
});

test("Performance is an EventTarget that cannot be constructed", () => {
    ok(performance instanceof EventTarget);
    eq(String(performance), "[object Performance]");
    throws(() => new Performance(), TypeError);
    throws(() => Performance.prototype.now.call({}), TypeError);
});

export default { fetch: () => run() };
