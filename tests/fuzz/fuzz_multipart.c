/*
 * fuzz_multipart.c - any bytes as a multipart/form-data body, read by
 * js/multipart.js whole and in pieces: both give the same form, or the same
 * TypeError.
 *
 * Input: two bytes of the pieces' sizes, the body; its boundary is "x".
 *
 * V8 runs here and is not instrumented, so what guides the fuzzer is the
 * house's own C: the seeds and the dictionary must do the rest.
 */
#include "base/clock.h"
#include "bind/body.h"
#include "bind/host.h"
#include "cgi/meta.h"
#include "cgi/transport_memory.h"
#include "engine/engine.h"
#include "engine/image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);
const char *__asan_default_options(void);

/* V8 keeps what it takes: the search would run after each input. */
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

#define MAX_BODY (1u << 20)

static const char app[] =
    "const headers = { 'content-type': 'multipart/form-data; boundary=x' };\n"
    "async function read(body) {\n"
    "  try {\n"
    "    const form = await new Response(body, { headers }).formData();\n"
    "    const list = [];\n"
    "    for (const [name, value] of form)\n"
    "      list.push(name, typeof value === 'string' ? value : [value.name,\n"
    "        value.type, ...new Uint8Array(await value.arrayBuffer())]);\n"
    "    return JSON.stringify(list);\n"
    "  } catch (e) {\n"
    "    if (!(e instanceof TypeError))\n"
    "      throw e;\n"
    "    return e.message;\n"
    "  }\n"
    "}\n"
    "function pieces(bytes, sizes) {\n"
    "  return new ReadableStream({ start(c) {\n"
    "    let i = 0;\n"
    "    for (let at = 0, n; at < bytes.length; at += n) {\n"
    "      n = Math.max(sizes[i++ % sizes.length], 1);\n"
    "      c.enqueue(bytes.slice(at, at + n));\n"
    "    }\n"
    "    c.close();\n"
    "  } });\n"
    "}\n"
    "export default { async fetch(request) {\n"
    "  const input = new Uint8Array(await request.arrayBuffer());\n"
    "  const bytes = input.slice(2);\n"
    "  const whole = await read(bytes);\n"
    "  const split = await read(pieces(bytes, input.subarray(0, 2)));\n"
    "  return new Response(`${whole}\\n${split}\\n`,\n"
    "    { status: whole === split ? 200 : 500 });\n"
    "} };\n";

static enum err load(void *arg, const char *specifier, const char *referrer,
                     struct source *out, struct why *why)
{
    (void)arg;
    (void)referrer;
    (void)why;
    *out = (struct source){
        .text = xstrdup(app), .n = sizeof app - 1, .path = xstrdup(specifier)};
    return OK;
}

/* Without an image: one realm is all there is. */
static struct realm *start(struct host *host, struct report *rep)
{
    static struct image none;
    static const struct engine_setup setup = {.mode = ENGINE_RESIDENT,
                                              .tables = natives};
    static const struct loader loader = {.load = load};
    static const char *const env[] = {NULL};
    static const struct engine_limits limits;
    struct engine *engine;
    struct realm *realm;

    *host = (struct host){.origin = clock_mono(), .env = env};
    restab_init(&host->resources);
    fetch_init(&host->fetch, NULL);
    report_init(rep);
    none.id[0] = '-';
    engine_start(&setup);
    must(engine_new(&none, &limits, &engine) == OK);
    must(realm_new(engine, host, &realm) == OK);
    if (realm_load(realm, &loader, "/fuzz.js", rep) != OK ||
        realm_state(realm, rep) != REALM_READY)
        die("the application: %s", buf_str(&rep->text));
    return realm;
}

/* From the request to the end of its reply. */
static void drive(struct realm *realm, struct exchange *x, struct report *rep)
{
    enum err e = realm_hook(realm, HOOK_REQUEST, x->rid, rep);
    for (int turns = 0; e == OK && x->reply != REPLY_WHOLE; turns++) {
        must(turns < 1000 && x->reply != REPLY_FAILED);
        if (x->want_read) {
            x->want_read = false;
            e = realm_hook(realm, HOOK_READABLE, x->rid, rep);
        }
        if (e == OK)
            e = realm_turn(realm, rep);
        exchange_flush(x);
    }
    exchange_flush(x);
    if (e != OK || realm_hook(realm, HOOK_END, x->rid, rep) != OK)
        die("JavaScript: %s", buf_str(&rep->text));
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
    static const struct meta_limits limits = {
        .max_params = 10, .max_bytes = 1000, .max_body = MAX_BODY};
    static const struct response_rules rules = {.max_bytes = 4096};
    static const char *const params[] = {"REQUEST_METHOD=POST", "REQUEST_URI=/",
                                         "HTTP_HOST=localhost", NULL};
    static struct realm *realm;
    static struct host host;
    static struct report rep;
    static int32_t rid;
    struct memory m;
    struct buf reply;
    struct request request;
    struct exchange x;
    struct fault fault;
    struct arena arena;

    if (n < 2 || n > MAX_BODY)
        return 0;
    if (realm == NULL)
        realm = start(&host, &rep);
    buf_init(&reply, 64 * MAX_BODY);
    memory_init(&m, params, (struct slice){(const char *)data, n}, &reply);
    arena_init(&arena);
    must(meta_parse(params, &limits, &arena, &request, &fault) == OK);
    exchange_init(&x, &m.t, &request, &rules, ++rid, limits.max_body);
    host.exchange = &x;
    host.pending = 0;
    drive(realm, &x, &rep);
    if (x.status != 200)
        die("whole and in pieces differ: %s", buf_str(&reply));
    host.exchange = NULL;
    exchange_free(&x);
    arena_free(&arena);
    buf_free(&reply);
    return 0;
}
