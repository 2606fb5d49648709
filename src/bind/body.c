/*
 * body.c - the natives of one exchange: its request in, its reply out.
 */
#include "bind/body.h"

#include "base/log.h"
#include "bind/host.h"

#include <stdlib.h>
#include <string.h>

/* One read for JavaScript: no more than a FastCGI record carries. */
#define READ_MAX (64u * 1024)
/* Of what went wrong, the most that is shown to a client. */
#define DETAIL_MAX (64u * 1024)

/* ---- the exchange ------------------------------------------------------ */

void exchange_init(struct exchange *x, struct transport *transport,
                   const struct request *request,
                   const struct response_rules *rules, int32_t rid,
                   uint64_t max_body)
{
    *x = (struct exchange){.transport = transport,
                           .request = request,
                           .rules = rules,
                           .rid = rid,
                           .max_body = max_body,
                           .promised = RESPONSE_LENGTH_UNKNOWN};
    buf_init(&x->out, EXCHANGE_HIGH_WATER);
}

void exchange_free(struct exchange *x)
{
    buf_free(&x->out);
}

bool exchange_done(const struct exchange *x)
{
    return x->reply == REPLY_WHOLE && x->out.n == 0;
}

bool exchange_writable(struct exchange *x)
{
    if (!x->want_write || x->out.n >= EXCHANGE_HIGH_WATER)
        return false;
    x->want_write = false;
    return true;
}

static enum err lost(struct exchange *x, enum err e)
{
    x->reply = REPLY_FAILED;
    x->want_write = false;
    buf_clear(&x->out);
    if (e == ERR_EOF || e == ERR_ABORTED)
        return why_set(&x->why, e, "the client has gone");
    return why_set(&x->why, e, "the reply cannot be written: %s", err_name(e));
}

void exchange_give_up(struct exchange *x, const char *why)
{
    lost(x, ERR_TIMEOUT);
    why_set(&x->why, ERR_TIMEOUT, "%s", why);
}

/* Writes s to the transport; *done says how far it came. */
static enum err push(struct exchange *x, struct slice s, size_t *done)
{
    const struct transport_ops *ops = x->transport->ops;
    *done = 0;
    while (*done < s.n) {
        size_t wrote = 0;
        enum err e = ops->write(x->transport, s.p + *done, s.n - *done, &wrote);
        *done += wrote;
        x->written += wrote;
        if (e != OK)
            return e;
    }
    return OK;
}

enum err exchange_flush(struct exchange *x)
{
    if (x->out.n == 0)
        return OK;
    size_t done;
    x->moving = true;
    enum err e = push(x, buf_view(&x->out), &done);
    if (e == OK)
        buf_clear(&x->out);
    else if (e == ERR_AGAIN)
        buf_skip(&x->out, done);
    else
        lost(x, e);
    x->moving = false;
    return e;
}

/* Appends s. The ceiling moves with it: one piece past what waits already. */
static enum err collect(struct exchange *x, struct slice s)
{
    x->out.max = x->out.n + s.n;
    enum err e = buf_slice(&x->out, s);
    return e == OK ? OK : lost(x, e);
}

static enum err put_head(struct exchange *x, int status, struct slice reason,
                         const struct headers *fields, uint64_t length,
                         struct why *why)
{
    x->out.max = x->rules->max_bytes;
    enum err e = response_head(status, reason, fields, length, x->request->head,
                               x->rules, &x->out, why);
    if (e != OK) {
        buf_clear(&x->out);
        return e;
    }
    if (x->head != NULL) {
        buf_clear(x->head);
        buf_slice(x->head, buf_view(&x->out));
    }
    x->reply = REPLY_HEAD;
    x->status = status;
    x->null_body = x->request->head || response_null_body(status);
    return OK;
}

/* Takes body bytes: what is large goes out past the buffer. */
static enum err accept_bytes(struct exchange *x, struct slice s)
{
    x->sent += s.n;
    if (s.n >= EXCHANGE_HIGH_WATER) {
        size_t done = 0;
        enum err e = exchange_flush(x);
        x->moving = true;
        if (e == OK)
            e = push(x, s, &done);
        x->moving = false;
        if (e != OK && e != ERR_AGAIN)
            return x->reply == REPLY_FAILED ? e : lost(x, e);
        s = slice_from(s, done);
    }
    return collect(x, s);
}

/* Whole only when all is there: a signal handler may look (moving). */
static void put_whole(struct exchange *x, struct slice body)
{
    if (x->null_body || accept_bytes(x, body) == OK)
        x->reply = REPLY_WHOLE;
}

/* A head of which nothing is out is as good as none. */
static void take_back(struct exchange *x)
{
    if (x->reply != REPLY_HEAD || x->written > 0)
        return;
    buf_clear(&x->out);
    x->reply = REPLY_NONE;
    x->want_write = false;
    x->sent = 0;
}

static void page_text(const struct exchange *x, int status, struct slice detail,
                      struct buf *text)
{
    buf_printf(text, "%d %s\n", status, response_reason(status));
    if (x->show_errors && detail.n > 0) {
        detail.n = detail.n < DETAIL_MAX ? detail.n : DETAIL_MAX;
        buf_putc(text, '\n');
        buf_slice(text, detail);
        if (detail.p[detail.n - 1] != '\n')
            buf_putc(text, '\n');
    }
    if (x->request->id.n > 0) {
        buf_puts(text, "\nRequest ");
        buf_slice(text, x->request->id);
        buf_putc(text, '\n');
    }
}

void exchange_fail(struct exchange *x, int status, struct slice detail)
{
    struct header list[4] = {
        {SLICE("Content-Type"), SLICE("text/plain; charset=utf-8")},
        {SLICE("Cache-Control"), SLICE("no-store")}};
    struct headers fields = {.list = list, .count = 2};
    struct buf text;
    take_back(x);
    if (x->reply == REPLY_HEAD) {
        x->reply = REPLY_FAILED;
        if (x->why.text[0] == '\0')
            why_set(&x->why, ERR_FAIL, "failed after the head was sent");
    }
    if (x->reply != REPLY_NONE)
        return;
    if (x->request->id.n > 0)
        list[fields.count++] =
            (struct header){SLICE("X-Request-Id"), x->request->id};
    /* RFC 9110 15.5.6. Others than these are the function's own. */
    if (status == 405)
        list[fields.count++] = (struct header){
            SLICE("Allow"), SLICE("GET, HEAD, POST, PUT, PATCH, DELETE, "
                                  "OPTIONS")};
    buf_init(&text, DETAIL_MAX + 1024);
    page_text(x, status, detail, &text);
    enum err e = put_head(x, status, SLICE(""), &fields, text.n, &x->why);
    must(e == OK);
    put_whole(x, buf_view(&text));
    buf_free(&text);
}

/* The body cannot be what its length said; why is set. */
static void break_off(struct exchange *x)
{
    struct why why = x->why;
    exchange_fail(x, 500, slice_of(why.text));
    if (x->reply == REPLY_WHOLE)
        log_error("%s", why.text);
}

/* ---- the request ------------------------------------------------------- */

/* The exchange this call means; NULL after throwing. Argument 0 is the rid. */
static struct exchange *exchange_of(struct call *c)
{
    struct host *host = call_host(c);
    struct exchange *x = host != NULL ? host->exchange : NULL;
    if (x != NULL && x->rid == arg_int(c, 0))
        return x;
    throw_type(c, "The request is over");
    return NULL;
}

static void request_head(struct call *c)
{
    struct exchange *x = exchange_of(c);
    if (x == NULL)
        return;
    ret_list(c);
    list_latin1(c, x->request->method);
    list_latin1(c, x->request->url);
    list_num(c, (double)x->request->body);
    list_num(c, (double)x->request->content_length);
}

static void request_headers(struct call *c)
{
    struct exchange *x = exchange_of(c);
    if (x == NULL)
        return;
    const struct headers *h = &x->request->headers;
    ret_list(c);
    for (size_t i = 0; i < h->count; i++) {
        list_latin1(c, h->list[i].name);
        list_latin1(c, h->list[i].value);
    }
}

static void throw_body(struct call *c, const struct exchange *x)
{
    switch (x->body_err) {
    case ERR_TOOBIG:
        throw_type(c, "The request body is larger than %llu bytes",
                   (unsigned long long)x->max_body);
        return;
    case ERR_TIMEOUT:
        throw_type(c, "The request body did not arrive in time");
        return;
    case ERR_EOF:
    case ERR_ABORTED:
        if (x->request->body == BODY_LENGTH) {
            throw_type(c, "The request body ended after %llu of %llu bytes",
                       (unsigned long long)x->body_read,
                       (unsigned long long)x->request->content_length);
            return;
        }
        throw_type(c, "The client went away during the request body");
        return;
    default:
        throw_type(c, "The request body cannot be read: %s",
                   err_name(x->body_err));
    }
}

/* How much of want may be read now; sets body_done at the end. */
static size_t allowed(struct exchange *x, size_t want)
{
    if (x->request->body == BODY_NONE)
        x->body_done = true;
    if (x->request->body == BODY_LENGTH) {
        uint64_t left = x->request->content_length - x->body_read;
        x->body_done = left == 0;
        return left < want ? (size_t)left : want;
    }
    return want;
}

/* Judges one read of the transport; OK with got 0 is the proper end. */
static enum err received(struct exchange *x, enum err e, size_t got)
{
    if (e != OK)
        return e;
    x->body_read += got;
    if (got == 0 && x->request->body == BODY_LENGTH)
        return ERR_EOF;
    if (x->request->body == BODY_TO_EOF && x->body_read > x->max_body)
        return ERR_TOOBIG;
    x->body_done = got == 0 || (x->request->body == BODY_LENGTH &&
                                x->body_read == x->request->content_length);
    return OK;
}

/* bodyRead(rid, max): bytes, null at the end, undefined: HOOK_READABLE. */
static void body_read(struct call *c)
{
    struct exchange *x = exchange_of(c);
    double max = arg_num(c, 1);
    if (x == NULL)
        return;
    if (x->body_err != OK) {
        throw_body(c, x);
        return;
    }
    size_t n = max >= 1 && max < READ_MAX ? (size_t)max : READ_MAX;
    n = allowed(x, n);
    if (x->body_done) {
        ret_null(c);
        return;
    }
    char *p = malloc(n);
    if (p == NULL) {
        throw_range(c, "No memory for the request body");
        return;
    }
    size_t got = 0;
    enum err e = x->transport->ops->read(x->transport, p, n, &got);
    if (e == ERR_AGAIN) {
        free(p);
        x->want_read = true;
        return;
    }
    e = received(x, e, got);
    if (e != OK || got == 0) {
        free(p);
        x->body_err = e;
        if (e != OK)
            throw_body(c, x);
        else
            ret_null(c);
        return;
    }
    char *fit = realloc(p, got);
    ret_bytes_take(c, fit != NULL ? fit : p, got);
}

/* ---- the reply --------------------------------------------------------- */

/*
 * The fields of a flat Array of names and values, without Content-Length,
 * whose value goes to *length. The slices are lent by the call.
 */
static bool take_fields(struct call *c, int i, struct headers *fields,
                        struct slice *length)
{
    uint32_t n = arg_list_count(c, i) / 2;
    fields->list = calloc(n + 1u, sizeof *fields->list);
    if (fields->list == NULL) {
        throw_range(c, "No memory for the response's fields");
        return false;
    }
    for (uint32_t k = 0; k < n; k++) {
        struct header h = {arg_list_latin1(c, i, 2 * k),
                           arg_list_latin1(c, i, 2 * k + 1)};
        if (slice_iis(h.name, "content-length"))
            *length = h.value;
        else
            fields->list[fields->count++] = h;
    }
    return true;
}

/* The body that is told of will not fit. */
static bool too_long(const struct exchange *x, int status, uint64_t length)
{
    return x->max_reply != 0 && length != RESPONSE_LENGTH_UNKNOWN &&
           length > x->max_reply && !x->request->head &&
           !response_null_body(status);
}

static void throw_head(struct call *c, enum err e, const struct exchange *x,
                       const struct why *why)
{
    if (e == ERR_TOOBIG)
        throw_type(c, "The response's header is larger than %zu bytes",
                   x->rules->max_bytes);
    else
        throw_type(c, "%s", why->text[0] ? why->text : err_name(e));
}

/*
 * replySend(rid, status, statusText, fields, body, isStream): true when the
 * stream's chunks are wanted. A body that is given has its own length; for a
 * stream, or to a HEAD request without a body, the script's word counts.
 */
static void reply_send(struct call *c)
{
    struct exchange *x = exchange_of(c);
    if (x == NULL)
        return;
    if (x->reply != REPLY_NONE) {
        throw_type(c, "The reply was already sent");
        return;
    }
    int status = arg_int(c, 1);
    struct slice reason = arg_latin1(c, 2), said = {NULL, 0}, body = {NULL, 0};
    struct headers fields = {0};
    struct why why = {{0}};
    bool stream = arg_bool(c, 5), none = arg_is_undefined(c, 4);
    if (!take_fields(c, 3, &fields, &said))
        return;
    if (!none)
        body = arg_is_string(c, 4) ? arg_utf8(c, 4) : arg_bytes(c, 4);

    uint64_t length = stream ? RESPONSE_LENGTH_UNKNOWN : body.n;
    if (said.p != NULL && (stream || (none && x->request->head)) &&
        !slice_u64(said, INT64_MAX, &length)) {
        throw_type(c, "The response's Content-Length is not a number");
        goto out;
    }
    if (too_long(x, status, length)) {
        throw_type(c,
                   "The response's body is larger than %llu bytes "
                   "(max_response)",
                   (unsigned long long)x->max_reply);
        goto out;
    }
    enum err e = put_head(x, status, reason, &fields, length, &why);
    if (e != OK) {
        throw_head(c, e, x, &why);
        goto out;
    }
    if (stream && !x->null_body)
        x->promised = length;
    else
        put_whole(x, body);
    ret_bool(c, stream && x->reply == REPLY_HEAD);
out:
    free(fields.list);
}

/*
 * replyWrite(rid, chunk): true to go on, false to wait for HOOK_WRITABLE. A
 * stream that never waits must still let the loop see timers and the client,
 * so one turn takes no more than the high water, even if all of it was sent.
 */
static void reply_write(struct call *c)
{
    struct exchange *x = exchange_of(c);
    if (x == NULL)
        return;
    struct slice chunk = arg_bytes(c, 1);
    if (x->reply != REPLY_HEAD || x->want_write) {
        throw_type(c, "%s",
                   x->why.text[0] ? x->why.text : "No chunk is wanted now");
        return;
    }
    bool limited = x->max_reply != 0 && x->max_reply < x->promised;
    uint64_t most = limited ? x->max_reply : x->promised;
    bool over = chunk.n > most - x->sent;
    if (over)
        chunk.n = (size_t)(most - x->sent);
    enum err e = accept_bytes(x, chunk);
    if (e == OK && over) {
        e = why_set(&x->why, ERR_TOOBIG,
                    limited ? "the reply's body is longer than the limit of "
                              "%llu bytes (max_response)"
                            : "the body is longer than its Content-Length of "
                              "%llu bytes",
                    (unsigned long long)most);
        break_off(x);
    }
    if (e != OK) {
        throw_type(c, "%s", x->why.text);
        return;
    }
    x->want_write =
        chunk.n >= EXCHANGE_HIGH_WATER || x->out.n >= EXCHANGE_HIGH_WATER;
    ret_bool(c, !x->want_write);
}

/* replyEnd(rid, ok, report): the stream ended, or failed with a report. */
static void reply_end(struct call *c)
{
    struct exchange *x = exchange_of(c);
    if (x == NULL || x->reply != REPLY_HEAD)
        return;
    x->want_write = false;
    if (!arg_bool(c, 1)) {
        struct slice report = arg_utf8(c, 2);
        why_set(&x->why, ERR_SCRIPT, "the body's stream failed");
        log_lines(LOG_ERROR, report);
        exchange_fail(x, 500, report);
    } else if (x->promised != RESPONSE_LENGTH_UNKNOWN &&
               x->sent < x->promised) {
        why_set(&x->why, ERR_EOF,
                "the body ended after %llu of the %llu bytes its "
                "Content-Length says",
                (unsigned long long)x->sent, (unsigned long long)x->promised);
        break_off(x);
    } else {
        x->reply = REPLY_WHOLE;
    }
}

/* replyError(rid, report): the handler failed. */
static void reply_error(struct call *c)
{
    struct exchange *x = exchange_of(c);
    if (x == NULL)
        return;
    struct slice report = arg_utf8(c, 1);
    log_lines(LOG_ERROR, report);
    exchange_fail(x, 500, report);
}

/* ---- the realm --------------------------------------------------------- */

static void env_list(struct call *c)
{
    struct host *host = call_host(c);
    ret_list(c);
    for (const char *const *p = host->env; p != NULL && *p != NULL; p++)
        list_utf8(c, slice_of(*p));
}

/* waitCount(n): work of JavaScript that is not settled. */
static void wait_count(struct call *c)
{
    struct host *host = call_host(c);
    host->pending = arg_int(c, 0);
}

const struct native body_natives[] = {
    {"requestHead", 1, request_head}, {"requestHeaders", 1, request_headers},
    {"bodyRead", 2, body_read},       {"replySend", 6, reply_send},
    {"replyWrite", 2, reply_write},   {"replyEnd", 3, reply_end},
    {"replyError", 2, reply_error},   {"envList", 0, env_list},
    {"waitCount", 1, wait_count},     {NULL, 0, NULL}};
