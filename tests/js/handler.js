/* What the handler is given. */
import { test, eq, throws, run } from "./tap.js";

let request, env, ctx, self;

test("the handler gets the request, the values and a context", () => {
    eq(request instanceof Request, true);
    eq([Object.isFrozen(env), typeof ctx.waitUntil, ctx.props],
        [true, "function", undefined]);
    throws(() => { env.NEW = 1; }, TypeError);
    eq(self, handler);
});

test("the request being served is like any other", () => {
    eq(new URL(request.url).href, request.url);
    eq(request.signal.aborted, false);
    throws(() => request.headers.set("a", "b"), TypeError);
    const copy = new Request(request, { headers: { a: "b" } });
    eq([copy.url, copy.headers.get("a")], [request.url, "b"]);
});

test("its fields can be changed in a copy", () => {
    const copy = new Headers(request.headers);
    copy.set("x-new", "1");
    eq(copy.get("x-new"), "1");
    eq(request.headers.has("x-new"), false);
});

test("waitUntil() takes anything and wants something", () => {
    ctx.waitUntil(7);
    ctx.waitUntil(Promise.resolve());
    throws(() => ctx.waitUntil(), TypeError);
});

const handler = {
    fetch(...given) {
        [request, env, ctx] = given;
        self = this;
        return run();
    }
};
export default handler;
