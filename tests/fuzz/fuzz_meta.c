/*
 * fuzz_meta.c - variables, separated by NUL bytes, to a request.
 */
#include "cgi/meta.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);

#define MAX_VARS 64

static void check(const struct request *r)
{
    must(headers_name_ok(r->method));
    must(slice_starts(r->url, "http://") || slice_starts(r->url, "https://"));
    for (size_t i = 0; i < r->url.n; i++)
        must(r->url.p[i] > 0x20 && r->url.p[i] < 0x7f);
    must(slice_find(r->script, '\0') == r->script.n);
    must(slice_find(r->script, '?') == r->script.n);
    for (size_t i = 0; i < r->headers.count; i++) {
        must(headers_name_ok(r->headers.list[i].name));
        must(headers_value_ok(r->headers.list[i].value));
        must(!headers_hop_by_hop(r->headers.list[i].name));
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
    static const struct meta_limits limits = {.max_params = MAX_VARS,
                                              .max_bytes = 4096,
                                              .max_body = 1000000,
                                              .trust_forwarded = true};
    const char *env[MAX_VARS + 1];
    size_t count = 0;
    char *copy = malloc(n + 1);
    struct arena a;
    struct request r;
    struct fault fault;

    if (copy == NULL)
        return 0;
    if (n > 0)
        memcpy(copy, data, n);
    copy[n] = '\0';
    for (size_t at = 0; at < n && count < MAX_VARS; at += strlen(copy + at) + 1)
        env[count++] = copy + at;
    env[count] = NULL;
    arena_init(&a);
    if (meta_parse(env, &limits, &a, &r, &fault) == OK)
        check(&r);
    else
        must(fault.status >= 400 && fault.status < 600);
    arena_free(&a);
    free(copy);
    return 0;
}
