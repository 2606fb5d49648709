/*
 * monitor_shed.c - who is turned away, and how that is told.
 */
#include "base/clock.h"
#include "base/log.h"
#include "serve/monitor_parts.h"
#include "serve/reply.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* From connect to the last parameter: it has waited, so all of it is here. */
#define HEADER_TIME NS_PER_S
#define WRITE_TIME (100 * NS_PER_MS)
/* A pool without workers keeps who waits for this long. */
#define ALONE_TIME NS_PER_S
/* Without descriptors nothing is tried again before. */
#define REST_TIME NS_PER_S
#define SAY_EVERY NS_PER_S
/* A moment that is over: fcgi_next() looks and does not wait. */
#define AT_ONCE 1

/* ---- is it overloaded? ------------------------------------------------- */

struct crowd {
    uint64_t alive, starting, idle, busy;
};

static struct crowd crowd_of(struct board *b)
{
    struct crowd c = {0};
    for (uint32_t i = 0; i < board_slots(b); i++) {
        switch (atomic_load(&board_slot(b, i)->state)) {
        case SLOT_FREE:
            continue;
        case SLOT_STARTING:
            c.starting++;
            break;
        case SLOT_IDLE:
            c.idle++;
            break;
        case SLOT_RUNNING:
        case SLOT_FINISHING:
            c.busy++;
            break;
        default:
            break; /* it accepts no more, and another may start for it */
        }
        c.alive++;
    }
    return c;
}

/* Its state is being saved, or it is paused, or it cannot run before an image
 * has been made: who comes waits for the next worker. */
static bool rests(const struct shed *s)
{
    struct board_head *h = board_head(s->pool->board);
    uint32_t phase = atomic_load(&h->phase);
    return phase == BOARD_SAVING || phase == BOARD_PAUSED ||
           atomic_load(&h->makes);
}

/*
 * Somebody has waited for ALONE_TIME, no worker was ready in that time, and
 * none is on its way either: there is none, or one ended as it started.
 */
static bool deserted(struct shed *s, const struct crowd *c, uint64_t waiting)
{
    const struct board_head *h = board_head(s->pool->board);
    uint64_t now = clock_mono();
    uint64_t ended = h->spawned > c->alive ? h->spawned - c->alive : 0;
    if (c->idle + c->busy > 0 || waiting == 0 || rests(s)) {
        s->alone_since = 0;
        return false;
    }
    if (s->alone_since == 0) {
        s->alone_since = now;
        s->alone_ended = ended;
    }
    return now - s->alone_since >= ALONE_TIME &&
           (c->alive == 0 || ended > s->alone_ended);
}

/* How many of those that wait must go. */
static uint64_t surplus(struct shed *s, const struct crowd *c, uint64_t waiting,
                        uint64_t most)
{
    const struct pool_config *p = s->pool->config;
    uint64_t limit = p->queue_limit != 0 ? p->queue_limit : most * 3 / 4;
    if (deserted(s, c, waiting))
        limit = 0;
    else if (c->alive > 0 && !rests(s) &&
             (c->idle > 0 ||
              c->busy + c->starting < board_head(s->pool->board)->max_children))
        return 0;
    return waiting > limit ? waiting - limit : 0;
}

/* ---- turning away ------------------------------------------------------ */

static void turn_away(struct shed *s, struct transport *t)
{
    static const char text[] = "This service is busy. Try again soon.\n";
    char fields[REPLY_FIELDS / 2];
    uint64_t seconds = (s->pool->config->retry_after + NS_PER_S - 1) / NS_PER_S;
    snprintf(fields, sizeof fields,
             "Retry-After: %" PRIu64 "\r\nContent-Type: text/plain\r\n"
             "Cache-Control: no-store\r\n",
             seconds);
    struct reply r = {.status = 503, .fields = fields, .body = slice_of(text)};
    /* Who has read the reply finds it counted. */
    atomic_fetch_add(&board_shed(s->pool->board)->count, 1);
    s->unsaid++;
    reply_send(t, &r);
}

/* Hears what has come of a batch that accepts no more. False: it is over. */
static bool carry_on(struct shed *s, struct fcgi *f)
{
    struct transport *t;
    enum err e;
    while ((e = fcgi_next(f, AT_ONCE, -1, &t)) == OK)
        turn_away(s, t);
    return e != ERR_EOF && e != ERR_IO;
}

/* Takes up to n connections and turns them away; true when there was one. */
static bool take(struct shed *s, struct fcgi *f, uint64_t n)
{
    struct transport *t;
    enum err e = OK;
    bool any = false;
    for (uint64_t i = 0; i < n && i < SHED_BATCH && e != ERR_IO; i++) {
        e = fcgi_next(f, AT_ONCE, -1, &t);
        if (e == OK) {
            turn_away(s, t);
            any = true;
        }
    }
    /* What is left is in a connection taken, and of those there is no more. */
    fcgi_drain(f, false);
    return carry_on(s, f) || any;
}

static struct fcgi *new_batch(const struct shed *s)
{
    const struct pool_config *c = s->pool->config;
    struct fcgi *f;
    struct fcgi_options o = {.listen_fd = s->pool->listen_fd,
                             .max_conns = SHED_BATCH,
                             .header_timeout = HEADER_TIME,
                             .write_timeout = WRITE_TIME,
                             .no_keep = true,
                             .max_params = (size_t)c->max_params,
                             .max_param_bytes = (size_t)c->max_param_bytes,
                             .web_server_addrs =
                                 getenv("FCGI_WEB_SERVER_ADDRS")};
    return fcgi_open(&o, &f) == OK ? f : NULL;
}

static void turn_away_some(struct shed *s, uint64_t n)
{
    for (size_t i = 0; i < SHED_BATCHES && n > 0; i++) {
        if (s->batch[i] != NULL)
            continue;
        struct fcgi *f = s->batch[i] = new_batch(s);
        if (f == NULL || !take(s, f, n)) {
            s->rest_until = clock_mono() + REST_TIME;
            return;
        }
        n -= n < SHED_BATCH ? n : SHED_BATCH;
    }
}

/* True when some are not over yet. */
static bool carry_on_all(struct shed *s)
{
    bool more = false;
    for (size_t i = 0; i < SHED_BATCHES; i++) {
        if (s->batch[i] == NULL)
            continue;
        if (carry_on(s, s->batch[i])) {
            more = true;
        } else {
            fcgi_close(s->batch[i]);
            s->batch[i] = NULL;
        }
    }
    return more;
}

static void say(struct shed *s, const struct crowd *c)
{
    uint64_t now = clock_mono();
    if (s->unsaid == 0 || (s->said_at != 0 && now - s->said_at < SAY_EVERY))
        return;
    log_warn("pool %s is overloaded: %" PRIu64 " requests were turned away "
             "with 503; %" PRIu64 " of %u workers are busy. Raise "
             "max_children or look why requests take so long",
             s->pool->config->name, s->unsaid, c->busy,
             board_head(s->pool->board)->max_children);
    s->unsaid = 0;
    s->said_at = now;
}

/* How many wait; where that is not known the log has it, once. */
static bool sees(struct shed *s, uint64_t *waiting, uint64_t *most)
{
    if (monitor_queue(s->pool->listen_fd, waiting, most) == OK)
        return true;
    if (!s->blind)
        log_warn("pool %s: the kernel does not tell how many connections wait "
                 "(%s), so none is turned away when the pool is overloaded",
                 s->pool->config->name, strerror(errno));
    s->blind = true;
    return false;
}

bool shed_look(struct shed *s)
{
    struct crowd c = crowd_of(s->pool->board);
    uint64_t waiting = 0, most = 0;
    bool soon = c.idle == 0;
    if (!soon)
        s->alone_since = 0;
    else if (clock_mono() >= s->rest_until && sees(s, &waiting, &most))
        turn_away_some(s, surplus(s, &c, waiting, most));
    bool more = carry_on_all(s);
    say(s, &c);
    return soon || more || s->unsaid > 0;
}

void shed_close(struct shed *s)
{
    for (size_t i = 0; i < SHED_BATCHES; i++)
        if (s->batch[i] != NULL)
            fcgi_close(s->batch[i]);
}
