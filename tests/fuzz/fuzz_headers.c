/*
 * fuzz_headers.c - fields in at one end and out at the other.
 *
 * Input: "name:value" lines. They go through meta_parse() as HTTP_
 * variables, and through response_head() as a script's fields; what comes
 * out is taken apart again by other code than went in.
 */
#include "cgi/headers.h"
#include "cgi/meta.h"
#include "cgi/response.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);

#define MAX_FIELDS 32
#define MAX_HEAD 65536

static bool is(struct slice s, const char *text)
{
    return s.n == strlen(text) && strncasecmp(s.p, text, s.n) == 0;
}

static bool begins(struct slice s, const char *text)
{
    return s.n >= strlen(text) && strncasecmp(s.p, text, strlen(text)) == 0;
}

/* RFC 9110 5.6.2, the other way round: delimiters and what is not visible. */
static bool is_token(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c <= 0x20 || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c) != NULL)
            return false;
    }
    return s.n > 0;
}

static bool is_value(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (iscntrl((unsigned char)s.p[i]) && s.p[i] != '\t')
            return false;
    return true;
}

static struct slice line_of(struct slice *rest)
{
    size_t n = slice_find(*rest, '\n');
    struct slice line = {rest->p, n};
    *rest = slice_from(*rest, n + 1);
    return line;
}

static void take_fields(struct slice in, struct headers *h)
{
    while (in.n > 0 && h->count < MAX_FIELDS) {
        struct slice line = line_of(&in);
        size_t colon = slice_find(line, ':');
        headers_add(h, (struct slice){line.p, colon},
                    slice_from(line, colon + 1));
    }
}

static void check_grammar(const struct headers *h)
{
    char name[256];
    for (size_t i = 0; i < h->count; i++) {
        struct slice one = h->list[i].name;
        must(headers_name_ok(one) == is_token(one));
        must(headers_value_ok(h->list[i].value) == is_value(h->list[i].value));
        if (one.n >= sizeof name || !is_token(one))
            continue;
        memcpy(name, one.p, one.n);
        name[one.n] = '\0';
        struct header *found = headers_find(h, name);
        must(found != NULL && found <= &h->list[i] && is(found->name, name));
        for (size_t k = 0; k < one.n; k++)
            name[k] = (char)toupper((unsigned char)name[k]);
        must(headers_hop_by_hop(one) == headers_hop_by_hop(slice_of(name)));
    }
}

/* May a script not say it? As the manual lists them. */
static bool is_reserved(struct slice name)
{
    return headers_hop_by_hop(name) || begins(name, "proxy-") ||
           begins(name, "x-cgi-") || is(name, "status") ||
           is(name, "content-length") || is(name, "location") ||
           begins(name, "x-sendfile") || begins(name, "x-accel-") ||
           begins(name, "x-lighttpd-send-") ||
           begins(name, "x-litespeed-location");
}

/* The head has the fields that may pass, in their order, and no others. */
static void check_head(struct slice head, const struct headers *h)
{
    struct slice line = line_of(&head);
    must(begins(line, "Status: 200 OK\r") && line.n == 15);
    for (size_t i = 0; i < h->count; i++) {
        if (is_reserved(h->list[i].name))
            continue;
        struct slice name = h->list[i].name;
        struct slice value = slice_trim(h->list[i].value);
        line = line_of(&head);
        must(line.n == name.n + 2 + value.n + 1);
        must(memcmp(line.p, name.p, name.n) == 0);
        must(memcmp(line.p + name.n, ": ", 2) == 0);
        must(value.n == 0 ||
             memcmp(line.p + name.n + 2, value.p, value.n) == 0);
        must(line.p[line.n - 1] == '\r');
    }
    line = line_of(&head);
    must(is(line, "Content-Length: 5\r"));
    line = line_of(&head);
    must(is(line, "\r") && head.n == 0);
}

static enum err serialise(const struct headers *h)
{
    static const struct response_rules rules = {.max_bytes = MAX_HEAD};
    struct buf out;
    struct why why;
    bool sound = true;
    size_t types = 0;

    for (size_t i = 0; i < h->count; i++) {
        sound = sound && is_token(h->list[i].name) &&
                is_value(slice_trim(h->list[i].value));
        types += is(h->list[i].name, "content-type");
    }
    buf_init(&out, 2 * MAX_HEAD);
    enum err e = response_head(200, SLICE(""), h, 5, false, &rules, &out, &why);
    must(e == OK || e == ERR_TOOBIG || e == ERR_SYNTAX);
    must((e == ERR_SYNTAX) == !(sound && types < 2) || e == ERR_TOOBIG);
    if (e == OK)
        check_head(buf_view(&out), h);
    else
        must(out.n == 0);
    buf_free(&out);
    return e;
}

/* The fields as a web server hands them over. */
static const char **variables(const struct headers *h, struct arena *a)
{
    static const char *env[MAX_FIELDS + 4];
    size_t count = 0;
    env[count++] = "REQUEST_METHOD=GET";
    env[count++] = "REQUEST_URI=/";
    env[count++] = "SERVER_NAME=localhost";
    for (size_t i = 0; i < h->count; i++) {
        struct slice name = h->list[i].name;
        struct slice value = h->list[i].value;
        char *s = arena_alloc(a, name.n + value.n + 8);
        memcpy(s, "HTTP_", 5);
        for (size_t k = 0; k < name.n; k++)
            s[5 + k] = name.p[k] == '-'
                           ? '_'
                           : (char)toupper((unsigned char)name.p[k]);
        s[5 + name.n] = '=';
        if (value.n > 0)
            memcpy(s + 6 + name.n, value.p, value.n);
        env[count++] = s;
    }
    env[count] = NULL;
    return env;
}

/* What a request's fields became can be sent as a reply's. */
static void echo(const struct headers *in, struct arena *a)
{
    static const struct meta_limits limits = {
        .max_params = 100, .max_bytes = MAX_HEAD, .no_script = true};
    struct request r;
    struct fault fault;

    if (meta_parse(variables(in, a), &limits, a, &r, &fault) != OK) {
        must(fault.status >= 400 && fault.status < 600);
        return;
    }
    for (size_t i = 0; i < r.headers.count; i++) {
        struct slice name = r.headers.list[i].name;
        must(is_token(name) && is_value(r.headers.list[i].value));
        must(!headers_hop_by_hop(name) && !is(name, "proxy"));
        for (size_t k = 0; k < i; k++)
            must(!slice_ieq(name, r.headers.list[k].name));
    }
    must(serialise(&r.headers) != ERR_SYNTAX);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
    struct headers fields;
    struct arena a;

    arena_init(&a);
    headers_init(&fields, &a);
    take_fields((struct slice){(const char *)data, n}, &fields);
    check_grammar(&fields);
    serialise(&fields);
    echo(&fields, &a);
    arena_free(&a);
    return 0;
}
