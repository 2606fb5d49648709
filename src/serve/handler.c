/*
 * handler.c - the sequence of one request.
 */
#include "serve/handler.h"

#include "base/clock.h"
#include "base/log.h"
#include "bind/body.h"
#include "cgi/meta.h"
#include "serve/app.h"
#include "serve/fault.h"
#include "serve/pool.h"
#include "serve/spool.h"
#include "serve/timing.h"
#include "serve/watchdog.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

/* How often to look whether V8's own threads are done (engine_busy). */
#define BUSY_STEP_NS (2 * NS_PER_MS)

struct run {
    struct handler *h;
    struct transport *t;
    struct request req;
    struct spool spool; /* between the exchange and t */
    struct exchange x;
    struct seat *seat; /* NULL until the application is there */
    struct report rep;
    char id[17];
    char late[FAULT_LATE_MAX]; /* the reply of handler_rest() */

    uint64_t started;
    uint64_t deadline;    /* of the step at hand */
    uint64_t read_since;  /* waiting for the body since, 0 not */
    uint64_t write_since; /* the client takes nothing since, 0 not */
    bool open;            /* the transport was not ended */
    bool asked;           /* JavaScript knows of the request */
    bool gone;            /* the client has gone */
    bool told;            /* and JavaScript knows */
    bool readable;        /* read_fd was ready */
    bool stirred;         /* gone_fd was ready */
    bool timed;           /* a timer had the last turn, others are next */
    bool newsed;          /* and so had a fetch */
    short gone_events;    /* what is watched on gone_fd */
};

/* The request in progress and its thread, for handler_fatal(). */
static struct run *current;
static pthread_t current_thread;

static bool can_run(const struct run *r)
{
    return engine_stopped(r->seat->engine) == STOP_NONE;
}

/* ---- waiting ----------------------------------------------------------- */

static void on_ready(void *arg, int fd, short events)
{
    struct run *r = arg;
    if (fd == r->t->read_fd && (events & ~(POLLOUT | POLLRDHUP)) != 0)
        r->readable = true;
    if (fd == r->t->gone_fd && (events & ~POLLOUT) != 0)
        r->stirred = true;
}

static void watch(struct run *r, int fd)
{
    short events = 0;
    if (fd < 0)
        return;
    bool holds = spool_holds(&r->spool);
    if (fd == r->t->read_fd && (r->x.want_read || holds))
        events |= POLLIN;
    if (fd == r->t->write_fd && r->x.out.n > 0 && !holds)
        events |= POLLOUT;
    if (fd == r->t->gone_fd && !r->gone)
        events = (short)(events | r->gone_events);
    loop_watch(&r->h->loop, fd, events, on_ready, r);
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

/* Nothing that JavaScript asked for can happen any more. */
static bool nothing_pending(const struct run *r)
{
    return r->seat->host.wake == 0 && !fetch_pending(&r->seat->host.fetch) &&
           (!r->open || (!r->x.want_read && r->x.out.n == 0));
}

/* Waits once for anything; ERR_EOF when there is nothing to wait for. */
static enum err wait_once(struct run *r, uint64_t now)
{
    const struct fetch *f = &r->seat->host.fetch;
    uint64_t until = sooner(r->deadline, r->seat->host.wake);
    if (!r->h->alone && engine_busy(r->seat->engine))
        until = sooner(until, now + BUSY_STEP_NS);
    else if (nothing_pending(r))
        return ERR_EOF;
    until = sooner(until, fetch_wake(f));
    loop_clear(&r->h->loop);
    if (fetch_fd(f) >= 0)
        loop_watch(&r->h->loop, fetch_fd(f), POLLIN, on_ready, r);
    /* Before JavaScript knows of the request nobody would look. */
    if (r->open && r->asked) {
        watch(r, r->t->read_fd);
        watch(r, r->t->write_fd);
        watch(r, r->t->gone_fd);
        if (r->read_since != 0)
            until = sooner(until, r->read_since + r->h->config->body_timeout);
        if (r->write_since != 0)
            until = sooner(until, r->write_since + r->h->config->write_timeout);
    }
    enum err e = loop_wait(&r->h->loop, until);
    return e == ERR_IO ? e : OK;
}

/* ---- JavaScript -------------------------------------------------------- */

static enum err hook(struct run *r, enum hook which, int32_t arg)
{
    return realm_hook(r->seat->realm, which, arg, &r->rep);
}

static void look_if_gone(struct run *r)
{
    if (!r->stirred)
        return;
    r->stirred = false;
    if (r->t->ops->gone(r->t))
        r->gone = true;
    else /* bytes nobody wants yet: they would wake us for ever */
        r->gone_events = POLLRDHUP;
}

/* While the reply waits for the body (spool.h): takes in what has come. */
static void absorb(struct run *r, uint64_t now)
{
    if (!spool_holds(&r->spool))
        return;
    if (spool_fill(&r->spool)) {
        r->readable = true;
        r->read_since = 0;
    } else if (r->read_since == 0) {
        r->read_since = now;
    } else if (now >= r->read_since + r->h->config->body_timeout) {
        spool_stop(&r->spool, ERR_TIMEOUT);
        r->readable = true;
        r->read_since = 0;
    }
}

static bool body_is_late(const struct run *r, uint64_t now)
{
    return r->read_since != 0 &&
           now >= r->read_since + r->h->config->body_timeout;
}

/* Calls one hook whose moment has come; *did says whether there was one. */
static enum err fire_io(struct run *r, uint64_t now, bool *did)
{
    struct exchange *x = &r->x;
    *did = true;
    if (x->want_read && r->read_since == 0)
        r->read_since = now;
    look_if_gone(r);
    if (r->gone && !r->told) {
        r->told = true;
        return hook(r, HOOK_ABORT, x->rid);
    }
    if (x->want_read && (r->readable || r->gone || body_is_late(r, now))) {
        if (!r->readable)
            x->body_err = r->gone ? ERR_ABORTED : ERR_TIMEOUT;
        r->readable = false;
        r->read_since = 0;
        x->want_read = false;
        return hook(r, HOOK_READABLE, x->rid);
    }
    if (exchange_writable(x))
        return hook(r, HOOK_WRITABLE, x->rid);
    *did = false;
    return OK;
}

/*
 * Timers that are always due must leave a turn to fetches, and both to the
 * body and the client.
 */
static enum err fire(struct run *r, uint64_t now, bool *did)
{
    uint64_t wake = r->seat->host.wake;
    int32_t news;
    *did = !r->timed && wake != 0 && now >= wake;
    r->timed = *did;
    if (*did) {
        r->seat->host.wake = 0;
        return hook(r, HOOK_TIMERS, 0);
    }
    news = r->newsed ? 0 : fetch_news(&r->seat->host.fetch);
    r->newsed = *did = news != 0;
    if (*did)
        return hook(r, HOOK_FETCH, news);
    if (r->open && r->asked)
        return fire_io(r, now, did);
    return OK;
}

/* What holds the reply back may be here already, unseen by poll(2). */
static enum err send_some(struct run *r)
{
    enum err e = exchange_flush(&r->x);
    if (e != ERR_AGAIN || !spool_holds(&r->spool))
        return e;
    absorb(r, clock_mono());
    return exchange_flush(&r->x);
}

/* A failure is in x.reply; so is a client that has stopped reading. */
static void flush(struct run *r)
{
    struct exchange *x = &r->x;
    size_t before = x->out.n;
    r->t->last = x->reply == REPLY_WHOLE;
    if (send_some(r) != ERR_AGAIN || spool_holds(&r->spool)) {
        r->write_since = 0;
        return;
    }
    uint64_t now = clock_mono();
    if (x->out.n < before || r->write_since == 0)
        r->write_since = now;
    if (now < r->write_since + r->h->config->write_timeout)
        return;
    exchange_give_up(x, "the client does not take the reply");
}

typedef bool over_fn(struct run *r);

/*
 * Lets JavaScript run and wait until over() is true. ERR_TIMEOUT at the
 * deadline, ERR_EOF when nothing is left to wait for, ERR_SCRIPT when it was
 * stopped.
 */
static enum err run_until(struct run *r, over_fn *over)
{
    for (;;) {
        bool did = false;
        enum err e = realm_turn(r->seat->realm, &r->rep);
        if (e != OK)
            return e;
        if (r->open)
            flush(r);
        if (over(r))
            return OK;
        uint64_t now = clock_mono();
        if (now >= r->deadline)
            return ERR_TIMEOUT;
        fetch_drive(&r->seat->host.fetch);
        e = fire(r, now, &did);
        if (e == OK && !did)
            e = wait_once(r, now);
        if (e != OK)
            return e;
    }
}

/* The same, and the log says which fetches were waited for at the deadline. */
static enum err pump(struct run *r, over_fn *over)
{
    enum err e = run_until(r, over);
    if (e == ERR_TIMEOUT || engine_stopped(r->seat->engine) == STOP_TERMINATED)
        fetch_log(&r->seat->host.fetch);
    return e;
}

static bool is_loaded(struct run *r)
{
    return realm_state(r->seat->realm, &r->rep) != REALM_LOADING;
}

/* Nothing more is said to a client that has gone: waitUntil() is for that. */
static bool is_replied(struct run *r)
{
    return r->x.reply == REPLY_WHOLE || r->x.reply == REPLY_FAILED || r->told;
}

static bool is_settled(struct run *r)
{
    return r->seat->host.pending <= 0;
}

/* ---- the steps --------------------------------------------------------- */

/* A top-level await may still be on its way. False: the fault is replied. */
static bool finish_loading(struct run *r)
{
    enum err e = is_loaded(r) ? OK : pump(r, is_loaded);
    if (e == OK && realm_state(r->seat->realm, NULL) == REALM_READY)
        return true;
    if (e == ERR_EOF || e == ERR_TIMEOUT) {
        const char *words = e == ERR_EOF
                                ? "Error: a top-level await can never settle"
                                : "Error: a top-level await took too long";
        buf_puts(&r->rep.head, words);
        buf_printf(&r->rep.text, "%s\n", words);
    }
    int status = fault_load_status(engine_stopped(r->seat->engine), e);
    pool_failed(r->h->pool, r->seat, status, &r->rep);
    exchange_fail(&r->x, status, buf_view(&r->rep.text));
    return false;
}

static bool obtain_seat(struct run *r)
{
    char path[PATH_MAX];
    struct fault why = {0};
    r->deadline = r->started + r->h->config->request_timeout;
    if (app_find(r->h->config, &r->req, path, &why) != OK) {
        fault_say(&r->x, LOG_WARN, why.status, why.why.text);
        return false;
    }
    enum err e = pool_take(r->h->pool, path, r->t->write_fd, r->deadline,
                           &r->seat, &why, &r->rep);
    if (e == ERR_SCRIPT)
        exchange_fail(&r->x, why.status, buf_view(&r->rep.text));
    else if (e != OK)
        fault_say(&r->x, LOG_WARN, why.status, why.why.text);
    return e == OK;
}

static void respond(struct run *r)
{
    r->seat->host.exchange = &r->x;
    r->seat->host.pending = 0;
    if (!finish_loading(r))
        return;
    r->asked = true;
    enum err e = hook(r, HOOK_REQUEST, r->x.rid);
    if (e == OK)
        e = pump(r, is_replied);
    timing_mark("handler");
    fault_step(&r->x, r->h->config, engine_stopped(r->seat->engine), e,
               &r->rep);
    /* Nobody waits for its reply any more: too late, or a write said so. */
    if (!r->told && can_run(r) &&
        (e == ERR_TIMEOUT ||
         (r->x.reply == REPLY_FAILED && r->t->ops->gone(r->t)))) {
        r->told = true;
        hook(r, HOOK_ABORT, r->x.rid);
    }
}

/* Waits until more of the reply can go, or until limit. */
static void wait_to_send(struct run *r, uint64_t limit)
{
    bool holds = spool_holds(&r->spool);
    struct pollfd p = {.fd = holds ? r->t->read_fd : r->t->write_fd,
                       .events = holds ? POLLIN : POLLOUT};
    uint64_t until = clock_mono() + (holds ? r->h->config->body_timeout
                                           : r->h->config->write_timeout);
    poll(&p, 1, clock_poll_ms(until < limit ? until : limit));
    if (!holds && clock_mono() >= until)
        exchange_give_up(&r->x, "the client does not take the reply");
}

/*
 * Sends what is ready, as long as the client takes some now and then and the
 * request has time; a fault that comes late has a write time-out. True when
 * the whole reply is out.
 */
static bool drain(struct run *r)
{
    uint64_t limit = clock_mono() + r->h->config->write_timeout;
    if (limit < r->deadline)
        limit = r->deadline;
    r->t->last = true;
    while (r->x.out.n > 0) {
        size_t before = r->x.out.n;
        if (send_some(r) != ERR_AGAIN)
            break;
        if (clock_mono() >= limit && spool_holds(&r->spool)) {
            spool_stop(&r->spool, ERR_TIMEOUT);
            limit += r->h->config->write_timeout;
        } else if (clock_mono() >= limit) {
            exchange_give_up(&r->x, "the client takes the reply too slowly");
        } else if (r->x.out.n == before) {
            wait_to_send(r, limit);
        }
    }
    return exchange_done(&r->x);
}

/*
 * By CGI a body that no script will read is read here: mod_cgid would take
 * the broken pipe for a broken script, and never look at the reply.
 */
static void discard_body(struct run *r)
{
    char trash[16 * 1024];
    size_t got = 1;
    uint64_t until = clock_mono() + r->h->config->body_timeout;
    const char *length = meta_var(r->t->params, "CONTENT_LENGTH");
    if (!r->h->alone || length == NULL || length[0] == '\0')
        return;
    while (got > 0 && clock_mono() < until) {
        enum err e = r->t->ops->read(r->t, trash, sizeof(trash), &got);
        if (e == ERR_AGAIN) {
            struct pollfd p = {.fd = r->t->read_fd, .events = POLLIN};
            poll(&p, 1, clock_poll_ms(until));
            got = 1;
        } else if (e != OK) {
            return;
        }
    }
}

static void end_reply(struct run *r)
{
    struct exchange *x = &r->x;
    bool complete = drain(r);
    if (!complete && (r->gone || r->t->ops->gone(r->t)))
        log_info("the client has gone");
    else if (!complete && x->why.text[0] != '\0')
        log_warn("the reply is not complete: %s", x->why.text);
    if (r->h->ending != NULL)
        r->h->ending(r->h->arg);
    enum err e = r->t->ops->end(r->t, complete);
    r->open = false;
    if (e != OK)
        log_info("the reply could not be ended: %s", err_name(e));
    timing_mark("reply");
}

/* waitUntil(): what the application still has to do without a client. */
static void finish_work(struct run *r)
{
    struct exchange *x = &r->x;
    uint64_t most = r->h->config->wait_until_timeout;
    r->deadline = clock_mono() + most;
    r->seat->host.deadline = r->deadline;
    watchdog_arm(r->seat->engine, -1, r->deadline);
    if (!x->body_done && x->body_err == OK)
        x->body_err = ERR_ORDER; /* the transport gives nothing after end */
    if (x->want_read) {
        x->want_read = false;
        hook(r, HOOK_READABLE, x->rid);
    }
    if (can_run(r) && !is_settled(r)) {
        enum err e = pump(r, is_settled);
        if (e == ERR_EOF)
            log_warn("a promise given to waitUntil() can never settle");
        else if (e != OK)
            log_warn("work given to waitUntil() was ended after %llu ms",
                     (unsigned long long)(most / NS_PER_MS));
    }
    r->seat->host.fetch.over = true;
    if (can_run(r))
        hook(r, HOOK_END, x->rid);
    watchdog_disarm();
}

static void name_request(struct run *r)
{
    unsigned char noise[8] = {0};
    if (r->req.id.n == 0) {
        if (getrandom(noise, sizeof(noise), 0) != sizeof(noise))
            memcpy(noise, &r->started, sizeof(noise));
        for (size_t i = 0; i < sizeof(noise); i++)
            snprintf(r->id + 2 * i, 3, "%02x", noise[i]);
        r->req.id = slice_of(r->id);
    }
    char id[129];
    snprintf(id, sizeof(id), "%.*s", (int)r->req.id.n, r->req.id.p);
    log_about(r->h->config->name, id);
    if (r->h->alone)
        fault_late_page(r->req.id, r->late);
}

static void log_done(const struct run *r)
{
    if (!log_wants(LOG_INFO))
        return;
    log_info("%.*s %.*s %d %.1f ms", (int)r->req.method.n, r->req.method.p,
             (int)r->req.url.n, r->req.url.p, r->x.status,
             (double)(clock_mono() - r->started) / (double)NS_PER_MS);
}

static void serve(struct run *r, const struct meta_limits *limits)
{
    struct fault why = {0};
    enum err e = meta_parse(r->t->params, limits, &r->h->arena, &r->req, &why);
    name_request(r);
    spool_init(&r->spool, r->t, &r->req, r->h->config->max_body, !r->h->alone);
    timing_mark("request");
    if (e != OK)
        fault_say(&r->x, LOG_WARN, why.status, why.why.text);
    else if (obtain_seat(r))
        respond(r);
    if (r->seat != NULL)
        watchdog_disarm();
    if (!r->asked)
        discard_body(r);
    end_reply(r);
    log_done(r);
    if (r->seat != NULL && can_run(r) && r->asked)
        finish_work(r);
}

void handler_run(struct handler *h, struct transport *t)
{
    const struct pool_config *c = h->config;
    struct meta_limits limits = {.max_params = c->max_params,
                                 .max_bytes = c->max_param_bytes,
                                 .max_body = c->max_body,
                                 .trust_forwarded = c->trust_forwarded,
                                 .no_script = c->app != NULL};
    struct run r = {.h = h,
                    .t = t,
                    .started = clock_mono(),
                    .open = true,
                    .gone_events = POLLIN | POLLRDHUP};
    report_init(&r.rep);
    h->rid = h->rid == INT32_MAX ? 1 : h->rid + 1;
    exchange_init(&r.x, &r.spool.t, &r.req, &h->rules, h->rid, c->max_body);
    r.x.show_errors = c->show_errors;
    current = &r;
    current_thread = pthread_self();

    serve(&r, &limits);

    current = NULL;
    if (r.seat != NULL)
        pool_give(h->pool, r.seat);
    t->ops->done(t);
    exchange_free(&r.x);
    spool_free(&r.spool);
    report_free(&r.rep);
    arena_reset(&h->arena);
    log_about(c->name, NULL);
}

void handler_init(struct handler *h, const struct pool_config *config,
                  struct pool *pool, bool alone)
{
    *h = (struct handler){.config = config, .pool = pool, .alone = alone};
    h->rules =
        (struct response_rules){.max_bytes = config->max_response_header,
                                .allow_sendfile = config->allow_sendfile};
    arena_init(&h->arena);
    loop_init(&h->loop);
}

void handler_free(struct handler *h)
{
    arena_free(&h->arena);
    loop_free(&h->loop);
}

void handler_fatal(const char *what)
{
    struct run *r = current;
    log_error("V8 cannot go on: %s", what);
    if (r == NULL || !r->open || !pthread_equal(current_thread, pthread_self()))
        return;
    current = NULL; /* a second fault ends without words */
    exchange_fail(&r->x, 500, slice_of(what));
    end_reply(r);
}

bool handler_rest(struct slice *out)
{
    const struct run *r = current;
    *out = SLICE("");
    if (r == NULL || !r->open)
        return true;
    if (r->x.moving)
        return false;
    if (r->x.reply == REPLY_WHOLE)
        *out = buf_view(&r->x.out);
    else if (r->x.written == 0)
        *out = slice_of(r->late);
    return true;
}
