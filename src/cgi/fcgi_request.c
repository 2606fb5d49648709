/*
 * fcgi_request.c - one request off a connection, and its end.
 */
#include "base/clock.h"
#include "base/log.h"
#include "cgi/fcgi_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Of an unread body, what is thrown away to keep the connection. */
#define DRAIN_MAX (64u * 1024)
#define LAST_WORDS_MAX 1000u

/* One request; the connection may end or go on before it is done with. */
struct exchange_fcgi {
    struct transport t;
    struct fcgi *f;
    struct fcgi_conn *c; /* NULL after the end */
    bool midway;         /* a record of before was not all sent */
    FCGX_Request req;    /* holds the parameters */
};

/* The request is over: keep the connection where that is sound. */
static void settle(struct fcgi *f, struct fcgi_conn *c)
{
    bool stays =
        !f->draining || (f->give_fd >= 0 && !f->last && !fcgi_queue_ended(f));
    bool keep = c->keep && stays && !f->o.no_keep && !fcgi_crowded(f);
    if (keep)
        fcgi_conn_drain(c, DRAIN_MAX);
    bool ended = c->phase == CONN_ENDED;
    if (keep && ended && c->broken == OK && !c->lost) {
        fcgi_conn_reset(c);
        c->since = clock_mono();
    } else if (ended || c->lost) {
        fcgi_drop(f, c, false);
    } else {
        fcgi_linger(f, c);
    }
}

/* Sends what waits, up to the write time-out. */
static enum err flush_all(struct fcgi *f, struct fcgi_conn *c)
{
    enum err e = fcgi_conn_flush(c);
    if (e != ERR_AGAIN)
        return e;
    uint64_t deadline = clock_mono() + f->o.write_timeout;
    while (e == ERR_AGAIN) {
        struct pollfd pfd = {.fd = c->fd, .events = POLLOUT};
        int ms = clock_poll_ms(deadline);
        if (ms == 0)
            return ERR_TIMEOUT;
        if (poll(&pfd, 1, ms) < 0 && errno != EINTR)
            return ERR_IO;
        e = fcgi_conn_flush(c);
    }
    return e;
}

/* ---- one request ------------------------------------------------------- */

static struct exchange_fcgi *self(struct transport *t)
{
    return (struct exchange_fcgi *)t; /* t is its first member */
}

/* Bytes show an abort as long as gone() has room for them. */
static void watch_gone(struct exchange_fcgi *x)
{
    x->t.gone_fd = x->c->fd;
    x->t.gone_events =
        fcgi_conn_full(x->c) ? POLLRDHUP : (short)(POLLIN | POLLRDHUP);
}

static enum err op_read(struct transport *t, void *p, size_t max, size_t *got)
{
    struct exchange_fcgi *x = self(t);
    *got = 0;
    if (x->c == NULL)
        return ERR_ORDER;
    enum err e = fcgi_conn_read(x->c, p, max, got);
    /* The end is often here already; a bad record is told by the next. */
    if (e == OK && x->c->phase == CONN_STDIN)
        fcgi_conn_parse(x->c);
    watch_gone(x);
    return e;
}

static enum err op_write(struct transport *t, const void *p, size_t n,
                         size_t *wrote)
{
    struct exchange_fcgi *x = self(t);
    *wrote = 0;
    if (x->c == NULL)
        return ERR_ORDER;
    return fcgi_conn_write(x->c, p, n, t->last, wrote);
}

static enum err op_end(struct transport *t, bool complete)
{
    struct exchange_fcgi *x = self(t);
    struct fcgi_conn *c = x->c;
    if (c == NULL)
        return ERR_ORDER;
    enum err e = complete ? fcgi_conn_finish(c) : OK;
    if (e == OK && complete)
        e = flush_all(x->f, c);
    /* Only a missing END_REQUEST tells the peer that bytes are missing. */
    if (!complete || e != OK)
        fcgi_drop(x->f, c, true);
    else
        settle(x->f, c);
    x->c = NULL;
    t->read_fd = t->write_fd = t->gone_fd = -1;
    return e;
}

static void op_done(struct transport *t)
{
    struct exchange_fcgi *x = self(t);
    if (x->c != NULL)
        op_end(t, false);
    FCGX_Free(&x->req, 0);
    x->f->requests--;
    free(x);
}

static bool op_gone(struct transport *t)
{
    struct exchange_fcgi *x = self(t);
    if (x->c == NULL)
        return false;
    bool gone = fcgi_conn_gone(x->c);
    watch_gone(x);
    return gone;
}

/* Only what never changes in a request is looked at: see transport.h. */
static bool op_last_words(struct transport *t, struct slice page)
{
    struct exchange_fcgi *x = self(t);
    unsigned char bytes[LAST_WORDS_MAX + 4 * FCGI_HEADER_LEN] = {0};
    if (x->c == NULL || x->midway || page.n > LAST_WORDS_MAX)
        return false;
    uint16_t id = x->c->id;
    unsigned char *p = bytes;
    fcgi_header_write(
        p, (struct fcgi_record){FCGI_STDOUT, id, (uint16_t)page.n, 0});
    memcpy(p + FCGI_HEADER_LEN, page.p, page.n);
    p += FCGI_HEADER_LEN + page.n;
    fcgi_header_write(p, (struct fcgi_record){FCGI_STDOUT, id, 0, 0});
    p += FCGI_HEADER_LEN;
    /* Its body, all zero, is FCGI_REQUEST_COMPLETE. */
    fcgi_header_write(
        p, (struct fcgi_record){FCGI_END_REQUEST, id, FCGI_HEADER_LEN, 0});
    p += 2 * FCGI_HEADER_LEN;
    ssize_t n = p - bytes;
    return send(x->c->fd, bytes, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) == n;
}

static const struct transport_ops ops = {op_read, op_write, op_end,
                                         op_done, op_gone,  op_last_words};

/* ---- from head to request ---------------------------------------------- */

void fcgi_refuse(struct fcgi *f, struct fcgi_conn *c, enum err e)
{
    struct slice text =
        e == ERR_TOOBIG
            ? SLICE("Status: 431 Request Header Fields Too Large\r\n"
                    "Content-Type: text/plain\r\n\r\n"
                    "Request Header Fields Too Large\n")
            : SLICE("Status: 400 Bad Request\r\n"
                    "Content-Type: text/plain\r\n\r\nBad Request\n");
    log_warn("FastCGI: parameters refused: %s", err_name(e));
    fcgi_put(&c->out, FCGI_STDOUT, c->id, text);
    fcgi_conn_finish(c);
    fcgi_linger(f, c);
}

enum err fcgi_start(struct fcgi *f, struct fcgi_conn *c, struct transport **out)
{
    enum err e = fcgi_pairs_check(buf_view(&c->head), f->o.max_params,
                                  f->o.max_param_bytes);
    if (e != OK) {
        fcgi_refuse(f, c, e);
        return ERR_AGAIN;
    }
    struct exchange_fcgi *x = xalloc(sizeof *x);
    e = fcgi_decode(&f->decoder, buf_view(&c->head), &x->req, &x->t.params);
    if (e != OK) {
        log_error("FastCGI: libfcgi failed on sound parameters");
        free(x);
        fcgi_drop(f, c, true);
        return ERR_AGAIN;
    }
    buf_clear(&c->head);
    c->phase = CONN_STDIN;
    c->deadline = 0;
    x->f = f;
    x->c = c;
    x->midway = c->out.n > 0;
    x->t.ops = &ops;
    x->t.name = "FastCGI";
    x->t.read_fd = x->t.write_fd = c->fd;
    /* The end of an absent body comes with the parameters. */
    fcgi_conn_parse(c);
    watch_gone(x);
    f->requests++;
    *out = &x->t;
    return OK;
}
