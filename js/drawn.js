/*
 * drawn.js - who draws, while an application is evaluated for an image, what
 * should differ in each process made from it.
 *
 * What draws is replaced until watch(false). A script may keep what it found
 * then: that goes on as the original would, and says nothing any more.
 */
let watching = false;
const noted = new Set();
const undo = [];

// of the application's own line
function place() {
    const limit = Object.getOwnPropertyDescriptor(Error, "stackTraceLimit");
    if (limit?.writable)
        Error.stackTraceLimit = 30; // the application may want fewer
    const frames = `${new Error().stack}`.split("\n").slice(1);
    if (limit?.writable)
        Error.stackTraceLimit = limit.value;
    const own = frames.find((line) => !line.includes("snapcgi:"));
    const found = /\(?([^ (]+:\d+):\d+\)?$/.exec(own ?? "");
    return found === null ? "" : ` (${found[1]})`;
}

function note(what) {
    if (!watching)
        return;
    const line = `${what} is used while the application starts${place()}: ` +
        "what comes of it is the same in every process made from the image";
    if (!noted.has(line))
        native.drew(line);
    noted.add(line);
}

function replace(object, name, make) {
    const old = Object.getOwnPropertyDescriptor(object, name);
    const key = "get" in old ? "get" : "value";
    const made = make(old[key]);
    Object.defineProperty(object, name, { ...old, [key]: made });
    undo.push(() => {
        const now = Object.getOwnPropertyDescriptor(object, name);
        if (now !== undefined && now[key] === made && now.configurable)
            Object.defineProperty(object, name, old);
    });
}

const noting = (what) => (original) => {
    const { [original.name]: f } = {
        [original.name](...args) {
            note(what);
            return Reflect.apply(original, this, args);
        }
    };
    Object.defineProperty(f, "length", { value: original.length });
    return f;
};

const clock = (Original) => {
    const made = new Proxy(Original, {
        apply(target, self, args) {
            note("Date()");
            return Reflect.apply(target, self, args);
        },
        construct(target, args, derived) {
            if (args.length === 0)
                note("new Date()");
            return Reflect.construct(target, args,
                derived === made ? target : derived);
        }
    });
    return made;
};

function watch(on) {
    watching = on;
    if (!on) {
        while (undo.length > 0)
            undo.pop()();
        return;
    }
    noted.clear();
    replace(Math, "random", noting("Math.random()"));
    replace(Date, "now", noting("Date.now()"));
    replace(globalThis, "Date", clock);
    replace(Crypto.prototype, "getRandomValues",
        noting("crypto.getRandomValues()"));
    replace(Crypto.prototype, "randomUUID", noting("crypto.randomUUID()"));
    replace(Performance.prototype, "now", noting("performance.now()"));
    replace(Performance.prototype, "timeOrigin",
        (get) => Object.getOwnPropertyDescriptor({
            get timeOrigin() {
                note("performance.timeOrigin");
                return Reflect.apply(get, this, []);
            }
        }, "timeOrigin").get);
}

return { watch };
