/*
 * handler_wait.c - JavaScript, and what it waits for, in turns.
 */
#include "serve/handler_parts.h"

#include "base/clock.h"

#include <poll.h>

/* How often to look whether V8's own threads are done (engine_busy). */
#define BUSY_STEP_NS (2 * NS_PER_MS)

/* ---- waiting ----------------------------------------------------------- */

/* Somebody waits for the body: who reads it is told of an abort. */
static bool awaits_body(const struct run *r)
{
    return r->x.want_read || spool_holds(&r->spool);
}

static void on_ready(void *arg, int fd, short events)
{
    struct run *r = arg;
    if (fd == r->t->read_fd && awaits_body(r) &&
        (events & ~(POLLOUT | POLLRDHUP)) != 0)
        r->readable = true;
    else if (fd == r->t->gone_fd && (events & ~POLLOUT) != 0)
        r->stirred = true;
}

static void watch(struct run *r, int fd)
{
    short events = 0;
    if (fd < 0)
        return;
    if (fd == r->t->read_fd && awaits_body(r))
        events |= POLLIN;
    else if (fd == r->t->gone_fd && !r->gone)
        events = r->t->gone_events;
    if (fd == r->t->write_fd && r->x.out.n > 0 && !spool_holds(&r->spool))
        events |= POLLOUT;
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

/* Before it waits for long: the watchdog looks now and then only. */
static bool over_cpu(struct run *r)
{
    uint64_t limit = r->h->config->cpu_limit;
    if (limit == 0 || r->h->alone || clock_cpu() - r->cpu_start < limit)
        return false;
    engine_terminate(r->seat->engine, STOP_CPU);
    return true;
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
    if (over_cpu(r))
        return ERR_SCRIPT;
    run_report_wait(r, now);
    until = sooner(until, fetch_wake(f));
    if (r->open)
        until = sooner(until, run_slow_at(r));
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

enum err run_hook(struct run *r, enum hook which, int32_t arg)
{
    return realm_hook(r->seat->realm, which, arg, &r->rep);
}

/*
 * Looking may take in what has come of the body, and nothing would show that
 * to who waits for it: so not while somebody does, who is told by reading.
 */
static void look_if_gone(struct run *r)
{
    enum err e = r->spool.err;
    bool broken = e == ERR_EOF || e == ERR_ABORTED;
    if (r->gone || (!broken && (!r->stirred || awaits_body(r))))
        return;
    r->gone = r->t->ops->gone(r->t);
    r->stirred = false;
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
        return run_hook(r, HOOK_ABORT, x->rid);
    }
    if (x->want_read && (r->readable || r->gone || body_is_late(r, now))) {
        if (!r->readable)
            x->body_err = r->gone ? ERR_ABORTED : ERR_TIMEOUT;
        r->readable = false;
        r->read_since = 0;
        x->want_read = false;
        return run_hook(r, HOOK_READABLE, x->rid);
    }
    if (exchange_writable(x))
        return run_hook(r, HOOK_WRITABLE, x->rid);
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
        return run_hook(r, HOOK_TIMERS, 0);
    }
    news = r->newsed ? 0 : fetch_news(&r->seat->host.fetch);
    r->newsed = *did = news != 0;
    if (*did)
        return run_hook(r, HOOK_FETCH, news);
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

enum err run_pump(struct run *r, over_fn *over)
{
    enum err e = run_until(r, over);
    if (e == ERR_TIMEOUT || engine_stopped(r->seat->engine) == STOP_TIME)
        fetch_log(&r->seat->host.fetch);
    return e;
}

/* ---- the rest of the reply ---------------------------------------------- */

/* Waits until more of the reply can go, or until limit. */
static void wait_to_send(struct run *r, uint64_t limit)
{
    bool holds = spool_holds(&r->spool);
    struct pollfd p = {.fd = holds ? r->t->read_fd : r->t->write_fd,
                       .events = holds ? POLLIN : POLLOUT};
    uint64_t until = clock_mono() + (holds ? r->h->config->body_timeout
                                           : r->h->config->write_timeout);
    uint64_t next = until < limit ? until : limit;
    run_report_wait(r, clock_mono());
    poll(&p, 1, clock_poll_ms(sooner(next, run_slow_at(r))));
    if (!holds && clock_mono() >= until)
        exchange_give_up(&r->x, "the client does not take the reply");
}

bool run_drain(struct run *r)
{
    uint64_t limit = clock_mono() + r->h->config->write_timeout;
    if (limit < r->deadline)
        limit = r->deadline;
    /* The body is waited for no longer than the request has time. */
    uint64_t hold = r->deadline != 0 ? r->deadline : limit;
    r->t->last = true;
    while (r->x.out.n > 0) {
        size_t before = r->x.out.n;
        if (send_some(r) != ERR_AGAIN)
            break;
        if (clock_mono() >= hold && spool_holds(&r->spool)) {
            spool_stop(&r->spool, ERR_TIMEOUT);
            limit = clock_mono() + r->h->config->write_timeout;
        } else if (clock_mono() >= limit) {
            exchange_give_up(&r->x, "the client takes the reply too slowly");
        } else if (r->x.out.n == before) {
            wait_to_send(r, spool_holds(&r->spool) ? hold : limit);
        }
    }
    return exchange_done(&r->x);
}
