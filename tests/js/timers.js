/* setTimeout, setInterval, queueMicrotask: HTML 8.6 and 8.7. */
import { test, eq, ok, throws, sleep, run } from "./tap.js";

// Calls fn at the end of the stack, and on each of the way back.
function atEnd(fn) {
    let times = 2000;
    const deeper = (d) => {
        try {
            return deeper(d + 1);
        } catch (e) {
            if (times-- > 0)
                try {
                    fn();
                } catch { /* it may */ }
            throw e;
        }
    };
    throws(() => deeper(0), RangeError);
}

// first of all: what was never called is compiled, which needs more stack
test("timers set and cleared at the end of the stack keep their order",
    async () => {
        const ran = [], ids = [];
        atEnd(() => setTimeout(() => ran.push(1), 0));
        for (let i = 0; i < 20; i++) {
            setTimeout(() => ran.push(2), 100 + i % 7);
            ids.push(setTimeout(() => ran.push(3), 100 - i % 7));
        }
        atEnd(() => {
            clearTimeout(ids.at(-1));
            ids.pop();
        });
        await sleep(200);
        ok(ran.includes(1) && !ran.includes(3));
        eq(ran, ran.slice().sort());
    });

test("timers run in order of their time, then of their making", async () => {
    const seen = [];
    setTimeout(() => seen.push("c"), 20);
    setTimeout(() => seen.push("a"), 0);
    setTimeout(() => seen.push("b"), 0);
    await sleep(40);
    eq(seen, ["a", "b", "c"]);
});

test("a timer gets its arguments and the global as this", async () => {
    const got = await new Promise((resolve) =>
        setTimeout(function (...args) {
            resolve([this === globalThis, ...args]);
        }, 1, "a", 2));
    eq(got, [true, "a", 2]);
});

test("a timer waits as long as it was told", async () => {
    const from = performance.now();
    await sleep(20);
    ok(performance.now() - from >= 20);
});

test("a cleared timer does not run", async () => {
    let n = 0;
    clearTimeout(setTimeout(() => n++, 1));
    clearInterval(setTimeout(() => n++, 1));
    clearTimeout(undefined);
    clearTimeout(1e9);
    await sleep(10);
    eq(n, 0);
});

test("a timer may clear one that is due with it", async () => {
    let n = 0, second;
    setTimeout(() => clearTimeout(second), 1);
    second = setTimeout(() => n++, 1);
    await sleep(10);
    eq(n, 0);
});

test("an interval repeats until it is cleared", async () => {
    let n = 0;
    await new Promise((resolve) => {
        const id = setInterval(() => {
            if (++n === 3) {
                clearInterval(id);
                resolve();
            }
        }, 1);
    });
    await sleep(10);
    eq(n, 3);
});

test("microtasks run between two timers", async () => {
    const seen = [];
    setTimeout(() => {
        seen.push(1);
        Promise.resolve().then(() => seen.push("promise"));
        queueMicrotask(() => seen.push("microtask"));
    }, 1);
    setTimeout(() => seen.push(2), 1);
    await sleep(20);
    eq(seen, [1, "promise", "microtask", 2]);
});

test("a timer that throws does not stop the others", async () => {
    let n = 0;
    setTimeout(() => {
        throw new Error("reported in the log, on purpose");
    }, 1);
    setTimeout(() => n++, 2);
    queueMicrotask(() => {
        throw new Error("reported in the log, on purpose");
    });
    await sleep(20);
    eq(n, 1);
});

test("deeply nested timers wait 4 ms", async () => {
    let from;
    await new Promise((resolve) => {
        const nest = (n) => setTimeout(() => {
            if (n === 6)
                from = performance.now();
            n === 9 ? resolve() : nest(n + 1);
        }, 0);
        nest(0);
    });
    ok(performance.now() - from >= 11.9);
});

test("a timer's id is a positive integer", () => {
    const a = setTimeout(() => {}, 0), b = setInterval(() => {}, 0);
    clearTimeout(a);
    clearTimeout(b);
    ok(Number.isInteger(a) && a > 0 && b > a);
});

test("text is compiled when the time has come", async () => {
    globalThis.seen = 0;
    setTimeout("var made = 5; seen += made", 0);
    setTimeout({ toString: () => "seen++" }, 0);
    eq(seen, 0);
    await sleep(20);
    eq([seen, globalThis.made], [6, 5]);
});

test("what is no function is refused", () => {
    throws(() => setTimeout(), TypeError);
    throws(() => setTimeout(Symbol()), TypeError);
    throws(() => queueMicrotask(1), TypeError);
    throws(() => queueMicrotask(), TypeError);
});

test("the functions have the lengths of the standard", () => {
    eq([setTimeout.length, setInterval.length, clearTimeout.length,
        clearInterval.length, queueMicrotask.length], [1, 1, 0, 0, 1]);
});

test("many timers keep their order", async () => {
    const seen = [];
    const times = [];
    for (let i = 0; i < 200; i++)
        times.push((i * 7919) % 23);
    for (const ms of times) {
        setTimeout(() => seen.push(ms), ms);
        clearTimeout(setTimeout(() => seen.push("cleared"), ms));
    }
    await sleep(80);
    eq(seen.length, 200);
    ok(!seen.includes("cleared"));
});

export default { fetch: () => run() };
