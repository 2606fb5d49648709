// Passes requests on to another server, and its replies back, as they come:
//   app = /path/of/proxy.js
//   env[UPSTREAM] = http://127.0.0.1:3000/base
//   fetch_allow = 127.0.0.1:3000
// An UPSTREAM on the internet needs no fetch_allow.
export default {
    async fetch(request, env) {
        const { pathname, search } = new URL(request.url);
        const target = new URL(env.UPSTREAM);
        target.pathname = target.pathname.replace(/\/$/, "") + pathname;
        target.search = search;
        try {
            // a redirect is for the client to follow
            return await fetch(new Request(target, request),
                { redirect: "manual" });
        } catch (error) {
            console.error("%s: %s", target.host, error.message);
            return new Response("The server behind this one does not answer.\n",
                { status: 502 });
        }
    },
};
