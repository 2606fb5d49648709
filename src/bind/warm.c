#include "bind/warm.h"

#include "base/clock.h"
#include "bind/body.h"
#include "bind/host.h"
#include "cgi/meta.h"
#include "cgi/transport_memory.h"

/*
 * What an ordinary function does in its first request. More here makes a
 * larger image, which every process pays for: see bench/cold.
 */
static const char app[] =
    "export default {\n"
    "  async fetch(request, env, ctx) {\n"
    "    const { pathname, searchParams } = new URL(request.url);\n"
    "    searchParams.get('name');\n"
    "    request.headers.get('accept');\n"
    "    ctx.waitUntil(Promise.resolve());\n"
    "    if (request.method === 'POST')\n"
    "      return Response.json(await request.json());\n"
    "    return new Response(`Hello, ${pathname}\\n`,\n"
    "      { status: 200, headers: { 'content-type': 'text/plain' } });\n"
    "  },\n"
    "};\n";

static const char post_body[] = "{\"name\":\"snapcgi\"}";

static const char *const get_params[] = {
    "REQUEST_METHOD=GET", "REQUEST_URI=/hello?name=you", "HTTP_HOST=localhost",
    "HTTP_ACCEPT=*/*", NULL};

static const char *const post_params[] = {"REQUEST_METHOD=POST",
                                          "REQUEST_URI=/hello",
                                          "HTTP_HOST=localhost",
                                          "HTTP_ACCEPT=*/*",
                                          "CONTENT_TYPE=application/json",
                                          "CONTENT_LENGTH=18",
                                          NULL};

_Static_assert(sizeof(post_body) - 1 == 18, "CONTENT_LENGTH above");

static enum err ask(struct realm *r, struct host *host, int32_t rid,
                    const char *const *params, struct slice body,
                    struct report *rep)
{
    const struct meta_limits limits = {
        .max_params = 100, .max_bytes = 4096, .max_body = 4096};
    const struct response_rules rules = {.max_bytes = 4096};
    struct memory m;
    struct request request;
    struct exchange x;
    struct fault fault;
    struct arena arena;

    arena_init(&arena);
    memory_init(&m, params, body, NULL);
    must(meta_parse(params, &limits, &arena, &request, &fault) == OK);
    exchange_init(&x, &m.t, &request, &rules, rid, limits.max_body);
    host->exchange = &x;
    host->pending = 0;
    enum err e = realm_hook(r, HOOK_REQUEST, rid, rep);
    if (e == OK && x.want_read)
        e = realm_hook(r, HOOK_READABLE, rid, rep);
    if (e == OK)
        e = realm_turn(r, rep);
    exchange_flush(&x);
    if (e == OK && (!exchange_done(&x) || x.status != 200))
        e = ERR_SCRIPT;
    if (e == OK)
        e = realm_hook(r, HOOK_END, rid, rep);
    host->exchange = NULL;
    exchange_free(&x);
    arena_free(&arena);
    return e;
}

static enum err load(void *arg, const char *specifier, const char *referrer,
                     struct source *out, struct why *why)
{
    (void)arg;
    (void)referrer;
    (void)why;
    *out = (struct source){
        .text = xstrdup(app), .n = sizeof(app) - 1, .path = xstrdup(specifier)};
    return OK;
}

enum err warm_realm(struct realm *r, struct report *rep)
{
    static const char *const env[] = {"NAME", "value", NULL};
    const struct loader loader = {.load = load};
    struct host host = {.origin = clock_mono(), .env = env};

    restab_init(&host.resources);
    fetch_init(&host.fetch, NULL);
    realm_set_host(r, &host);
    enum err e = realm_load(r, &loader, "/warm.js", rep);
    if (e == OK && realm_state(r, rep) != REALM_READY)
        e = ERR_SCRIPT;
    if (e == OK)
        e = ask(r, &host, 1, get_params, (struct slice){NULL, 0}, rep);
    if (e == OK)
        e = ask(r, &host, 2, post_params, slice_of(post_body), rep);
    realm_set_host(r, NULL);
    restab_close(&host.resources);
    return e;
}
