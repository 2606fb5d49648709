/*
 * Tests of js/portable.js: suite(encode, decode) registers them. The files of
 * js/ are nobody's modules; portable.t puts them into an application.
 */
import { test, eq, ok, throws } from "./tap.js";

const HEAD = 8; // bytes before the value
const hex = (bytes) => [...bytes].map((n) => n.toString(16).padStart(2, "0"))
    .join("");

// Small numbers that are the same in every run.
function random(seed) {
    let state = seed;
    return (below) => {
        state = Math.imul(state, 1664525) + 1013904223 >>> 0;
        return Math.floor(state / 2 ** 32 * below);
    };
}

// A value with something of each kind.
function everything() {
    const buffer = new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]).buffer;
    const shared = { deep: [1, [2, [3]]] };
    const error = new RangeError("range", { cause: shared });
    error.stack = "RangeError: range\n    at nowhere";
    const value = {
        none: [undefined, null, true, false],
        numbers: [0, -0, 1, -1, 2 ** 31 - 1, -(2 ** 31), 2 ** 31, 1.5, NaN,
            Infinity, -Infinity, 5e-324, Number.MAX_SAFE_INTEGER],
        bigints: [0n, 1n, -1n, 255n, 256n, -(2n ** 64n), 3n ** 300n],
        strings: ["", "a", "\xE9", "\u20AC\u{1F600}", "\uFEFFx", "a\uD800",
            "\uDC00", "x".repeat(200)],
        boxes: [Object(true), Object(-0), Object("s"), Object(7n)],
        dates: [new Date(5), new Date(NaN)],
        expressions: [/a\/b/gi, new RegExp("")],
        map: new Map([[shared, 1], ["k", shared], [NaN, { x: 1 }]]),
        set: new Set([1, "1", shared]),
        list: [1, , "x", , ,],
        sparse: Object.assign([], { 70000: "far", 3: 1 }),
        buffer,
        views: [new Uint8Array(buffer, 1, 3), new DataView(buffer, 2),
            new Float64Array(buffer), new BigInt64Array(1)],
        error,
        shared,
        "__proto__x": 1, "": "empty", 7: "seven", "\uD800": "lone"
    };
    value.list.extra = "named";
    value.self = value;
    value.map.set("map", value.map);
    value.set.add(value.set);
    return value;
}

// The bytes of a value, given as hexadecimal digits after the head.
function bytesOf(digits, encode) {
    const list = digits.replace(/ /g, "").match(/../g) ?? [];
    return new Uint8Array([...encode(0).subarray(0, HEAD),
        ...list.map((byte) => Number.parseInt(byte, 16))]);
}

export function suite(encode, decode) {
    const there = (v) => decode(encode(v));
    const file = (digits) => bytesOf(digits, encode);

    roundTrips(there);
    sharing(there);
    classes(there);
    buffers(there);
    order(there);
    format(encode);
    refusals(encode);
    depth(encode, decode);
    damage(encode, decode, file);
    hostile(decode, file);
    fuzz(encode, decode);
}

function roundTrips(there) {
    test("primitive values come back as they were", () => {
        const { none, numbers, bigints, strings } = everything();
        for (const v of [...none, ...numbers, ...bigints, ...strings]) {
            const back = there(v);
            ok(Object.is(back, v), `${String(v)} came back as ` +
                String(back));
        }
    });

    test("boxes, dates and expressions come back as they were", () => {
        const { boxes, dates, expressions } = there(everything());
        eq(boxes.map((v) => [typeof v, Object.is(v.valueOf(), -0)]),
            [["object", false], ["object", true], ["object", false],
                ["object", false]]);
        eq(boxes.map((v) => v.valueOf()), [true, -0, "s", 7n]);
        eq(dates.map((d) => d.getTime()), [5, NaN]);
        ok(dates.every((d) => d instanceof Date));
        eq(expressions.map((r) => [r.source, r.flags, r.lastIndex]),
            [["a\\/b", "gi", 0], ["(?:)", "", 0]]);
        const used = /a/g;
        used.test("a");
        eq(there(used).lastIndex, 0);
    });

    test("collections keep their order and what is in them", () => {
        const { map, set, shared } = there(everything());
        const keys = [...map.keys()];
        ok(map instanceof Map && set instanceof Set);
        ok(keys[0] === shared && Number.isNaN(keys[2]));
        ok(map.get("k") === shared && map.get(NaN).x === 1);
        eq([...set].slice(0, 2), [1, "1"]);
        ok([...set][2] === shared);
    });

    test("lists keep holes, length and properties of their own", () => {
        const { list, sparse } = there(everything());
        eq([list.length, 0 in list, 1 in list, list[2], 3 in list,
            list.extra], [5, true, false, "x", false, "named"]);
        eq([sparse.length, Object.keys(sparse), sparse[70000]],
            [70001, ["3", "70000"], "far"]);
        const wide = there(new Array(2 ** 32 - 1));
        eq([wide.length, Object.keys(wide).length], [2 ** 32 - 1, 0]);
        eq(there(new Array(3)).length, 3);
        eq(there([1, 2, , ,]).length, 4);
        eq(there([]), []);
    });
}

function sharing(there) {
    test("what is shared is shared again, and cycles are closed", () => {
        const v = there(everything());
        ok(v.self === v);
        ok(v.map.get("map") === v.map && v.set.has(v.set));
        ok(v.error.cause === v.shared && v.map.get("k") === v.shared);
        const list = [];
        list.push(list, { list });
        const back = there(list);
        ok(back[0] === back && back[1].list === back);
        const key = new Map();
        key.set(key, key);
        const map = there(key);
        ok(map.get(map) === map);
    });

    test("views share their buffer, in any order", () => {
        const { buffer, views } = there(everything());
        ok(views.slice(0, 3).every((v) => v.buffer === buffer));
        eq([...views[0]], [2, 3, 4]);
        eq([views[1].byteOffset, views[1].byteLength], [2, 6]);
        const two = new Uint8Array(4);
        const [a, b, again, c] =
            there([two.subarray(1), two, two, two.buffer]);
        ok(a.buffer === c && b.buffer === c && b === again);
        eq([a.byteOffset, a.length], [1, 3]);
    });
}

function classes(there) {
    test("errors keep class, message, stack, cause and name", () => {
        const { error, shared } = there(everything());
        ok(error instanceof RangeError && error.cause === shared);
        eq([error.name, error.message, error.stack],
            ["RangeError", "range", "RangeError: range\n    at nowhere"]);
        eq(Object.keys(error), []);
        class Mine extends TypeError {
            name = "Mine";
        }
        const mine = there(new Mine("x"));
        ok(mine.constructor === TypeError);
        eq([mine.name, mine.message], ["Mine", "x"]);
        const bare = new Error();
        delete bare.stack;
        eq(Object.getOwnPropertyNames(there(bare)), []);
        const all = there(new AggregateError([new SyntaxError("y")], "z"));
        ok(all instanceof AggregateError &&
            all.errors[0] instanceof SyntaxError);
        const own = new Error("x");
        own.cause = own;
        const back = there(own);
        ok(back.cause === back);
    });

    test("an instance of a class becomes a plain object", () => {
        class A {
            #hidden = 1;
            a = 1;
            get b() { return this.#hidden; }
        }
        class Empty {}
        class List extends Array {}
        class Names extends Map {
            get size() { throw new Error("asked"); }
            entries() { throw new Error("asked"); }
        }
        eq(there([new A(), new Empty()]), [{ a: 1 }, {}]);
        ok(there(List.of(1)).constructor === Array);
        eq(there(new Names([[1, 2]])).get(1), 2);
        eq(there(Object.assign(Object.create(null), { x: 1 })), { x: 1 });
        eq(there(Object.create({ inherited: 1 }, {
            hidden: { value: 1 }, shown: { value: 2, enumerable: true }
        })), { shown: 2 });
        eq(there({ [Symbol.iterator]: 1, x: 1 }), { x: 1 });
    });

    test("getters run, in order, and may change the object", () => {
        const seen = [];
        const value = {
            get a() {
                seen.push("a");
                delete this.b;
                return 1;
            },
            b: 2,
            get c() {
                seen.push("c");
                return 3;
            }
        };
        eq(there(value), { a: 1, c: 3 });
        eq(seen, ["a", "c"]);
        const e = new Error("x");
        ok(throws(() => there({ get x() { throw e; } })) === e);
    });
}

function buffers(there) {
    test("each kind of view comes back", () => {
        for (const name of ["Int8Array", "Uint8Array", "Uint8ClampedArray",
            "Int16Array", "Uint16Array", "Int32Array", "Uint32Array",
            "Float32Array", "Float64Array", "Float16Array"]) {
            const View = globalThis[name];
            if (View !== undefined)
                eq([...there(View.of(1, 2, 3))], [1, 2, 3], name);
        }
        eq([...there(BigUint64Array.of(2n ** 64n - 1n))], [2n ** 64n - 1n]);
        eq(there(new Uint8Array(0)).length, 0);
        eq(there(new ArrayBuffer(0)).byteLength, 0);
    });

    test("a large buffer comes back", () => {
        const large = new Uint8Array(3000000).map((_, i) => i * 7);
        const back = there([large, "after"]);
        ok(back[0].every((n, i) => n === large[i]) && back[1] === "after");
    });

    if (!("resizable" in ArrayBuffer.prototype))
        return;
    test("a buffer that can be resized still can be", () => {
        const buffer = new ArrayBuffer(16, { maxByteLength: 64 });
        const full = new ArrayBuffer(8, { maxByteLength: 8 });
        const [all, some, rest, fixed] = there([new Uint8Array(buffer),
            new Uint8Array(buffer, 4, 12), new Uint16Array(buffer, 4),
            new Uint8Array(full, 2)]);
        const none = new ArrayBuffer(0, { maxByteLength: 0 });
        const { buffer: made } = all;
        eq([made.resizable, made.maxByteLength, made.byteLength],
            [true, 64, 16]);
        made.resize(32);
        eq([all.length, some.length, rest.length], [32, 12, 14]);
        fixed.buffer.resize(4);
        eq(fixed.length, 2);
        eq(there(new Float64Array(none)).length, 0);
        ok(buffer.byteLength === 16);
    });
}

function order(there) {
    test("properties keep their order", () => {
        const value = { z: 1, 2: 1, a: 1, 1: 1, __proto__: null };
        Object.defineProperty(value, "__proto__",
            { value: 5, enumerable: true });
        eq(Object.keys(there(value)), ["1", "2", "z", "a", "__proto__"]);
    });

    test("__proto__ is a property like others", () => {
        const value = JSON.parse('{"__proto__": {"polluted": 1}, "a": 1}');
        const back = there(value);
        ok(Object.getPrototypeOf(back) === Object.prototype);
        ok(Object.hasOwn(back, "__proto__"));
        ok(back.polluted === undefined && {}.polluted === undefined);
        ok(Object.getOwnPropertyDescriptor(back, "__proto__").writable);
    });

    test("setters of prototypes are not asked", () => {
        let asked = 0;
        const trap = { set() { asked++; }, configurable: true };
        Object.defineProperty(Object.prototype, "trapped", trap);
        Object.defineProperty(Array.prototype, 5, trap);
        let back;
        try {
            back = there({ trapped: [0, 1, 2, 3, 4, 5, 6], toString: 1 });
        } finally {
            delete Object.prototype.trapped;
            delete Array.prototype[5];
        }
        eq([asked, back.trapped, back.toString],
            [0, [0, 1, 2, 3, 4, 5, 6], 1]);
    });
}

function format(encode) {
    // A format that is written down: these bytes may not change.
    test("the bytes are those of the description", () => {
        const is = (v, digits) => eq(hex(encode(v)),
            `736e617076616c01${digits.replace(/ /g, "")}`);
        is(undefined, "00");
        is(true, "03");
        is(1, "05 02");
        is(-1, "05 01");
        is(64, "05 80 01");
        is(-(2 ** 31), "05 ff ff ff ff 0f");
        is(-0, "06 0000000000000080");
        is(NaN, "06 000000000000f87f");
        is(-258n, "08 02 02 01");
        is(0n, "07 01 00");
        is("a\xE9", "09 03 61 c3 a9");
        is("\uD800", "0a 01 00 d8");
        is({ a: 1, b: "x" }, "10 02 00 09 01 61 05 02 00 09 01 62 09 01 78");
        is([{ a: 1 }, { a: 2 }],
            "11 02 10 01 00 09 01 61 05 02 10 01 01 05 04 00");
        is([1, , 2], "11 03 05 02 04 05 04 00");
        is(Object.assign([], { 9: 0 }), "12 0a 01 09 05 00 00");
        is(new Map([[1, 2]]), "13 01 05 02 05 04");
        is(new Set([1]), "14 01 05 02");
        is(new Date(1), "15 000000000000f03f");
        is(/a/g, "16 09 01 61 09 01 67");
        is(Object(true), "17 03");
        is(new Uint8Array([1, 2]).buffer, "18 02 01 02");
        const two = new Uint8Array([7, 8]);
        is([two, two.subarray(1), two],
            "11 03 1a 18 02 07 08 02 00 02 1a 0b 01 02 01 01 0b 02 00");
        const list = [];
        list.push(list);
        is(list, "11 01 0b 00 00");
        const e = new TypeError("m");
        e.stack = "s";
        is(e, "1b 05 02 00 09 07 6d657373616765 09 01 6d " +
            "00 09 05 737461636b 09 01 73");
    });
}

function refusals(encode) {
    const refused = (value, message) => {
        const e = throws(() => encode(value), TypeError);
        eq(e.message, `${message}, which cannot be frozen`);
    };

    test("what cannot be frozen is named by its path", () => {
        const handler = () => {};
        refused(handler, "value is a function");
        refused({ routes: [1, 2, 3, { handler }] },
            "value.routes[3].handler is a function");
        refused({ "a b": { "": Symbol() } }, 'value["a b"][""] is a symbol');
        refused([[], new Map([[1, 2], ["k", handler]])],
            'value[1].get("k") is a function');
        refused(new Map([[1, 2], [2, handler]]),
            "value.values()[1] is a function");
        refused(new Map([[1, 2], [handler, 1]]),
            "value.keys()[1] is a function");
        refused({ set: new Set([1, handler]) },
            "value.set.values()[1] is a function");
        refused(Object.assign([1], { more: handler }),
            "value.more is a function");
        refused(Object.assign([], { 70000: handler }),
            "value[70000] is a function");
        refused(new Error("x", { cause: handler }),
            "value.cause is a function");
    });

    test("neither can what only the engine can hold", () => {
        for (const [v, what] of [[Promise.resolve(), "a Promise"],
            [new WeakMap(), "a WeakMap"], [new WeakSet(), "a WeakSet"],
            [new WeakRef({}), "a WeakRef"], [new Proxy([], {}), "a Proxy"],
            [new Proxy({}, {}), "a Proxy"], [Object(Symbol()), "a symbol"],
            [[].values(), "an Array Iterator"],
            [new Map().entries(), "a Map Iterator"],
            [(function* () {})(), "a Generator"],
            [(function () { return arguments; })(), "an Arguments"],
            [new Intl.Collator(), "an Intl.Collator"]])
            refused({ v }, `value.v is ${what}`);
    });

    test("neither can a buffer that is detached", () => {
        const view = new Uint8Array(4);
        structuredClone(view, { transfer: [view.buffer] });
        refused([view], "value[0] is an ArrayBuffer that is detached");
    });

    test("a long path is shortened", () => {
        let v = Symbol();
        for (let i = 0; i < 1000; i++)
            v = [v];
        const { message } = throws(() => encode(v), TypeError);
        ok(message.length < 200, message);
    });
}

function depth(encode, decode) {
    test("100,000 lists within each other are no trouble", () => {
        let v = [];
        for (let i = 0; i < 100000; i++)
            v = i % 2 === 0 ? [v] : { v };
        let n = 0;
        for (let o = decode(encode(v)); o !== undefined; n++)
            o = Array.isArray(o) ? o[0] : o.v;
        eq(n, 100001);
        let map = new Map();
        for (let i = 0; i < 50000; i++)
            map = new Map([[1, new Set([map])]]);
        n = 0;
        for (let o = decode(encode(map)); o !== undefined; n++)
            [o] = o.get(1) ?? [];
        eq(n, 50001);
    });

    test("many values and many references are no trouble", () => {
        const one = { name: "one", list: [1, 2] };
        const many = Array.from({ length: 50000 },
            (_, i) => i % 2 === 0 ? one : { i, name: `n${i}` });
        const back = decode(encode(many));
        ok(back[0] === back[49998] && back[49999].name === "n49999");
    });
}

function damage(encode, decode, file) {
    test("every cut is seen", () => {
        const bytes = encode(everything());
        for (let n = 0; n < bytes.length; n++)
            throws(() => decode(bytes.subarray(0, n)), SyntaxError);
    });

    test("the message says what is wrong, and at which byte", () => {
        const says = (bytes, text) => {
            const { message } = throws(() => decode(bytes), SyntaxError);
            ok(message.includes(text), message);
        };
        says(new Uint8Array(0), "no frozen value");
        says(encode("x").map((n, i) => i === 3 ? n + 1 : n),
            "no frozen value");
        says(encode("x").map((n, i) => i === 7 ? 9 : n),
            "of format 9, and this program reads format 1");
        says(file("ff"), "there is no value 0xff, at byte 8");
        says(file("00 00"), "it goes on after its end, at byte 9");
        says(file("11 03 00 00"), "3 values do not fit into what is left");
        says(file("19 02 01 00 00"), "longer than it may be, at byte 8");
        says(file("05"), "ends where 1 more bytes are needed, at byte 9");
        says(file("09 05 61"), "ends where 5 more bytes");
        says(file("04"), "a hole is where it cannot be, at byte 8");
        says(file("09 01 ff"), "a string is not UTF-8, at byte 8");
        says(file("0b 00"), "there is no object 0 yet");
        says(file("11 01 0b 01 00"), "there is no object 1 yet, at byte 10");
        says(file("10 01 03 00"), "there is no key 3 yet, at byte 10");
        says(file("10 01 00 05 02"), "a string is expected");
        says(file("05 ff ff ff ff 10"), "over 2^32 - 1");
        says(file("05 ff ff ff ff ff 01"), "over 2^32 - 1");
        says(file("16 09 01 28 09 00"), "the regular expression /(/");
        says(file("16 09 01 61 09 01 5a"), "the regular expression /a/Z");
    });

    test("all of it is in a larger buffer", () => {
        const bytes = encode({ x: "y" });
        const larger = new Uint8Array(bytes.length + 20).fill(255);
        larger.set(bytes, 11);
        eq(decode(larger.subarray(11, 11 + bytes.length)), { x: "y" });
    });
}

function hostile(decode, file) {
    const bad = (digits) => throws(() => decode(file(digits)), SyntaxError);

    test("lengths are checked before anything is made", () => {
        const most = "ff ff ff ff 0f";
        for (const tag of ["07", "08", "09", "0a", "10", "11", "13", "14",
            "18"])
            bad(`${tag} ${most}`);
        bad(`12 ${most} ${most}`);
        bad(`19 ${most} ${most}`);
        bad(`1a 18 ${most}`);
        bad(`1d 09 00 ${most}`);
        const list = decode(file(`12 ${most} 00 00`));
        eq(list.length, 2 ** 32 - 1);
        // within what an engine would make room for
        eq(decode(file("12 80 80 80 0f 00 00")).length, 15 * 2 ** 21);
    });

    test("views have to be within their buffer", () => {
        bad("1a 18 04 00000000 02 00 05");      // too long
        bad("1a 18 04 00000000 02 05 00");      // begins after it
        bad("1a 18 04 00000000 04 01 01");      // not at a whole place
        bad("1a 18 04 00000000 0d 00 00");      // no such view
        bad("1a 18 04 00000000 09 00 01");      // 8 bytes of 4
        bad("1a 18 04 00000000 02 ffffffff0f ffffffff0f");
        bad("1a 05 02 02 00 00");               // of a number
        bad("1a 10 00 02 00 00");               // of an object
        bad("11 01 1a 0b 00 02 00 00 00");      // of the list it is in
        eq(decode(file("1a 18 04 01020304 82 01")).length, 3);
    });

    test("lists have each element once, and a length of their own", () => {
        bad("12 05 02 03 05 02 03 05 02 00");   // an index again
        bad("12 05 02 03 05 02 01 05 02 00");   // backwards
        bad("12 05 01 05 05 02 00");            // at the length
        bad("11 00 01 00 09 01 30 05 02");      // an element as property
        bad("11 00 01 00 09 06 6c656e677468 05 02");
        eq(decode(file("12 05 00 00")).length, 5);
    });

    test("nothing reaches a prototype or a method", () => {
        const names = ["5f5f70726f746f5f5f", "636f6e7374727563746f72",
            "746f537472696e67"];
        for (const name of names) {
            const n = (name.length / 2).toString(16).padStart(2, "0");
            const v = decode(file(`10 01 00 09 ${n} ${name} 10 01 00 09 01 ` +
                "78 05 02"));
            ok(Object.keys(v).length === 1 && {}.x === undefined);
            bad(`1b 00 01 00 09 ${n} ${name} 05 02`);
        }
        bad("1b 08 00"); // no such class
        bad("17 01");
        bad("17 09 ff");
        bad("17 10 00");
    });

    test("a key that comes twice is one property", () => {
        eq(decode(file("10 02 00 09 01 61 05 02 01 05 04")), { a: 2 });
    });
}

function fuzz(encode, decode) {
    // the only thing that may be thrown
    const survives = (bytes) => {
        let value;
        try {
            value = decode(bytes);
        } catch (e) {
            if (e instanceof SyntaxError)
                return 0;
            throw new Error(`${e} with ${hex(bytes)}`);
        }
        try {
            encode(value);
        } catch (e) {
            throw new Error(`${e} of what came of ${hex(bytes)}`);
        }
        return 1;
    };
    const unpolluted = () => ok(Object.keys(Object.prototype).length === 0 &&
        Object.keys(Array.prototype).length === 0);

    test("changed bytes are a value or a SyntaxError", () => {
        const below = random(1), whole = encode(everything());
        let good = 0;
        for (let i = 0; i < 3000; i++) {
            const bytes = whole.slice();
            for (let n = below(3); n >= 0; n--)
                bytes[HEAD + below(bytes.length - HEAD)] = below(4) === 0
                    ? below(256) : below(32);
            good += survives(bytes);
        }
        ok(good > 100, `${good} were values`);
        unpolluted();
    });

    test("so are bytes by chance", () => {
        const below = random(2), head = encode(0).subarray(0, HEAD);
        for (let i = 0; i < 5000; i++) {
            const bytes = new Uint8Array(HEAD + 1 + below(40));
            bytes.set(head);
            for (let n = HEAD; n < bytes.length; n++)
                bytes[n] = below(3) === 0 ? below(256) : below(31);
            survives(bytes);
        }
        unpolluted();
    });
}
