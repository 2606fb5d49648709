/*
 * meta.c - variables to a request: method, fields, body, identity.
 *
 * Web servers disagree about nearly every variable; what each sends was
 * measured, and the rules here take the reading that no client can bend.
 */
#include "cgi/meta_parts.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* In the order of enum meta_name. */
static const char *const names[VAR_COUNT] = {
    "CONTENT_LENGTH",
    "CONTENT_TYPE",
    "HTTPS",
    "HTTP_HOST",
    "HTTP_TRANSFER_ENCODING",
    "HTTP_X_FORWARDED_HOST",
    "HTTP_X_FORWARDED_PROTO",
    "HTTP_X_REQUEST_ID",
    "PATH_INFO",
    "PATH_TRANSLATED",
    "QUERY_STRING",
    "REDIRECT_HTTP_AUTHORIZATION",
    "REDIRECT_STATUS",
    "REMOTE_ADDR",
    "REMOTE_USER",
    "REQUEST_METHOD",
    "REQUEST_SCHEME",
    "REQUEST_URI",
    "SCRIPT_FILENAME",
    "SCRIPT_NAME",
    "SERVER_NAME",
    "SERVER_PORT",
};

enum err meta_fault(struct meta *m, int status, const char *fmt, ...)
{
    m->fault->status = status;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(m->fault->why.text, sizeof m->fault->why.text, fmt, ap);
    va_end(ap);
    return ERR_SYNTAX;
}

bool meta_plain(char b)
{
    return ascii_alpha(b) || ascii_digit(b) ||
           (b != '\0' && strchr("-._~!$&'()*+,;=", b) != NULL);
}

struct slice meta_join(struct meta *m, struct slice a, struct slice b,
                       struct slice c)
{
    char *p = arena_alloc(m->arena, a.n + b.n + c.n + 1);
    struct slice parts[] = {a, b, c};
    size_t at = 0;
    for (size_t i = 0; i < 3; i++) {
        if (parts[i].n > 0)
            memcpy(p + at, parts[i].p, parts[i].n);
        at += parts[i].n;
    }
    return (struct slice){p, at};
}

const char *meta_var(const char *const *envp, const char *name)
{
    size_t n = strlen(name);
    for (; *envp != NULL; envp++)
        if (strncmp(*envp, name, n) == 0 && (*envp)[n] == '=')
            return *envp + n + 1;
    return NULL;
}

static enum err check_size(struct meta *m, const char *const *envp)
{
    size_t count = 0;
    size_t bytes = 0;
    for (; envp[count] != NULL; count++) {
        bytes += strlen(envp[count]);
        if (count >= m->limits->max_params || bytes > m->limits->max_bytes)
            return meta_fault(m, 431,
                              "the request has over %zu variables or %zu "
                              "bytes of them",
                              m->limits->max_params, m->limits->max_bytes);
    }
    return OK;
}

/* Splits "NAME=value"; false for what is not a variable. */
static bool split(const char *s, struct slice *name, struct slice *value)
{
    struct slice all = slice_of(s);
    size_t eq = slice_find(all, '=');
    if (eq == 0 || eq == all.n)
        return false;
    *name = (struct slice){s, eq};
    *value = slice_from(all, eq + 1);
    return true;
}

/* Rule 6: which of two would count differs from reader to reader. */
static enum err refuse_twice(struct meta *m, const char *const *envp)
{
    struct slice a, b, value;
    for (size_t i = 0; envp[i] != NULL; i++) {
        if (!split(envp[i], &a, &value) || slice_starts(a, "HTTP_"))
            continue;
        for (size_t j = 0; j < i; j++)
            if (envp[j][0] == a.p[0] && split(envp[j], &b, &value) &&
                slice_eq(a, b))
                return meta_fault(m, 400, "the variable %.*s came twice",
                                  (int)(a.n < 64 ? a.n : 64), a.p);
    }
    return OK;
}

/* The known variables; of an HTTP_ one that came twice the first. */
static void take_known(struct meta *m, const char *const *envp)
{
    for (; *envp != NULL; envp++) {
        struct slice name, value;
        if (!split(*envp, &name, &value))
            continue;
        for (size_t i = 0; i < VAR_COUNT; i++)
            if (m->var[i].p == NULL && slice_is(name, names[i]))
                m->var[i] = value;
    }
}

/* ---- method (rule 13) -------------------------------------------------- */

static enum err take_method(struct meta *m)
{
    static const char *const normal[] = {"DELETE",  "GET",  "HEAD",
                                         "OPTIONS", "POST", "PUT"};
    static const char *const forbidden[] = {"CONNECT", "TRACE", "TRACK"};
    struct slice method = m->var[VAR_REQUEST_METHOD];
    if (!headers_name_ok(method))
        return meta_fault(m, 400, "REQUEST_METHOD is missing or no token");
    m->out->method = arena_slice(m->arena, method);
    for (size_t i = 0; i < sizeof normal / sizeof *normal; i++)
        if (slice_iis(method, normal[i]))
            m->out->method = slice_of(normal[i]);
    m->out->head = slice_is(m->out->method, "HEAD");
    /* Fetch knows them and forbids them: 405 rather than 501. */
    for (size_t i = 0; i < sizeof forbidden / sizeof *forbidden; i++)
        if (slice_iis(method, forbidden[i]))
            return meta_fault(m, 405, "the method %s is not allowed",
                              forbidden[i]);
    return OK;
}

/* ---- fields (rules 5, 6, 14, 15) --------------------------------------- */

/* "X_REQUEST_ID" to "x-request-id"; false when it is no field name. */
static bool field_name(struct meta *m, struct slice var, struct slice *out)
{
    char *p = arena_alloc(m->arena, var.n + 1);
    for (size_t i = 0; i < var.n; i++)
        p[i] = var.p[i] == '_' ? '-' : ascii_lower(var.p[i]);
    *out = (struct slice){p, var.n};
    return headers_name_ok(*out);
}

/*
 * Fields of the connection, not the message, and those whose true value is
 * in another variable. Proxy would become the process's own (httpoxy).
 */
static bool unwanted(struct slice name)
{
    static const char *const dropped[] = {"proxy", "content-length",
                                          "content-type", "expect"};
    for (size_t i = 0; i < sizeof dropped / sizeof *dropped; i++)
        if (slice_is(name, dropped[i]))
            return true;
    return headers_hop_by_hop(name);
}

/* A field seen before is joined, a cookie by its own separator. */
static enum err add_field(struct meta *m, struct slice name, struct slice value)
{
    if (!headers_value_ok(value))
        return meta_fault(m, 400,
                          "the field %.*s has a control character in its value",
                          (int)(name.n < 64 ? name.n : 64), name.p);
    value = slice_trim(value);
    struct headers *h = &m->out->headers;
    for (size_t i = 0; i < h->count; i++) {
        if (!slice_eq(h->list[i].name, name))
            continue;
        if (slice_is(name, "host"))
            return meta_fault(m, 400, "the field host came twice");
        bool cookie = slice_is(name, "cookie");
        h->list[i].value = meta_join(m, h->list[i].value,
                                     slice_of(cookie ? "; " : ", "), value);
        return OK;
    }
    headers_add(h, name, arena_slice(m->arena, value));
    return OK;
}

static enum err take_fields(struct meta *m, const char *const *envp)
{
    for (; *envp != NULL; envp++) {
        struct slice var, value, name;
        if (!split(*envp, &var, &value) || !slice_starts(var, "HTTP_"))
            continue;
        if (!field_name(m, slice_from(var, 5), &name) || unwanted(name))
            continue;
        enum err e = add_field(m, name, value);
        if (e != OK)
            return e;
    }
    /* Apache's rewrites put it there and CGI modules leave it out. */
    struct slice auth = m->var[VAR_REDIRECT_HTTP_AUTHORIZATION];
    if (auth.n > 0 && headers_find(&m->out->headers, "authorization") == NULL)
        return add_field(m, SLICE("authorization"), auth);
    return OK;
}

/* ---- body (rules 8 to 12) ---------------------------------------------- */

static enum err take_length(struct meta *m)
{
    struct slice length = m->var[VAR_CONTENT_LENGTH];
    for (size_t i = 0; i < length.n; i++)
        if (!ascii_digit(length.p[i]))
            return meta_fault(m, 400, "CONTENT_LENGTH is not a number");
    if (!slice_u64(length, m->limits->max_body, &m->out->content_length))
        return meta_fault(m, 413, "the body is over %llu bytes",
                          (unsigned long long)m->limits->max_body);
    return OK;
}

/* Does the method's request have a body even if no variable says so? */
static bool expects_body(struct slice method)
{
    return slice_is(method, "POST") || slice_is(method, "PUT") ||
           slice_is(method, "PATCH");
}

static enum err take_body(struct meta *m)
{
    struct request *r = m->out;
    struct slice length = m->var[VAR_CONTENT_LENGTH];
    struct slice coding = slice_trim(m->var[VAR_HTTP_TRANSFER_ENCODING]);
    bool bodiless = r->head || slice_is(r->method, "GET");
    enum err e;

    if (coding.n > 0 && !slice_iis(coding, "chunked"))
        return meta_fault(m, 501, "the transfer coding is not chunked");
    if (length.n > 0 && (e = take_length(m)) != OK)
        return e;
    if (m->var[VAR_CONTENT_TYPE].n > 0 &&
        (e = add_field(m, SLICE("content-type"), m->var[VAR_CONTENT_TYPE])))
        return e;
    if (length.n > 0 && !(bodiless && r->content_length == 0) &&
        (e = add_field(m, SLICE("content-length"), length)))
        return e;
    /* A length beside chunked was computed by the server: it counts. */
    if (!bodiless && length.n > 0)
        r->body = BODY_LENGTH;
    else if (!bodiless && (coding.n > 0 || expects_body(r->method)))
        r->body = BODY_TO_EOF;
    else
        r->content_length = 0;
    return OK;
}

/* ---- the rest ---------------------------------------------------------- */

static bool sane_id(struct slice id)
{
    for (size_t i = 0; i < id.n; i++)
        if (!ascii_alpha(id.p[i]) && !ascii_digit(id.p[i]) &&
            strchr("._-", id.p[i]) == NULL)
            return false;
    return id.n >= 1 && id.n <= 128;
}

static void take_plain(struct meta *m)
{
    struct request *r = m->out;
    r->script_name = arena_slice(m->arena, m->var[VAR_SCRIPT_NAME]);
    r->path_info = arena_slice(m->arena, m->var[VAR_PATH_INFO]);
    r->remote_addr = arena_slice(m->arena, m->var[VAR_REMOTE_ADDR]);
    r->remote_user = arena_slice(m->arena, m->var[VAR_REMOTE_USER]);
    if (sane_id(m->var[VAR_HTTP_X_REQUEST_ID]))
        r->id = arena_slice(m->arena, m->var[VAR_HTTP_X_REQUEST_ID]);
}

enum err meta_parse(const char *const *envp, const struct meta_limits *limits,
                    struct arena *a, struct request *out, struct fault *fault)
{
    struct meta m = {.limits = limits, .arena = a, .out = out, .fault = fault};
    *out = (struct request){.body = BODY_NONE};
    *fault = (struct fault){0};
    headers_init(&out->headers, a);
    /* First, for whoever answers a refusal. */
    out->head = slice_iis(slice_of(meta_var(envp, "REQUEST_METHOD")), "HEAD");

    enum err e = check_size(&m, envp);
    if (e == OK)
        e = refuse_twice(&m, envp);
    if (e != OK)
        return e;
    take_known(&m, envp);
    take_plain(&m);
    if ((e = take_method(&m)) != OK || (e = take_fields(&m, envp)) != OK ||
        (e = take_body(&m)) != OK || (e = meta_url(&m)) != OK)
        return e;
    return limits->no_script ? OK : meta_script(&m);
}
