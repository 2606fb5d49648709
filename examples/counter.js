/*
 * counter.js - counts visits in memory, and forgets none: for a pool that keeps
 * its state.
 *
 *     [pool counter]
 *     listen = /run/snapcgi/counter.sock
 *     app    = /usr/share/doc/snapcgi/examples/counter.js
 *     state  = /var/lib/snapcgi/counter.state
 *     hibernate_after = 10m
 */
const visits = new Map(); // path to how often
let since = null;         // of the first

// Newer code, or another V8, cannot take the heap: it gets this instead.
export const freeze = () => ({ visits, since });

export function thaw(value) {
    for (const [path, count] of value.visits)
        visits.set(path, count);
    since = value.since;
}

export default {
    fetch(request, env, ctx) {
        const { pathname } = new URL(request.url);
        since ??= new Date();
        visits.set(pathname, (visits.get(pathname) ?? 0) + 1);
        if (pathname === "/save")
            ctx.state?.save();
        return Response.json({
            here: visits.get(pathname),
            everywhere: [...visits.values()].reduce((a, b) => a + b),
            since
        });
    }
};
