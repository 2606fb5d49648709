/*
 * pool.c - slots (applications), and in each a few seats made ready.
 */
#include "serve/pool.h"

#include "base/clock.h"
#include "bind/fetch_policy.h"
#include "serve/app.h"
#include "serve/fault.h"
#include "serve/timing.h"
#include "serve/watchdog.h"

#include <stdlib.h>
#include <string.h>

#define FAILURE_KEPT_NS NS_PER_S
#define WINDOW_NS (10 * NS_PER_S) /* what was not needed so long, goes */

struct slot {
    struct slot *next;
    char *path;
    struct app *app;
    uint64_t used;   /* monotonic ns of the last request */
    uint64_t looked; /* and of the last look at the files */

    struct engine *engine; /* of all seats, but with RESET_ISOLATE */
    uint64_t served;       /* requests of that engine */
    bool tidy;             /* nothing was served since engine_idle() */

    struct seat *ready;
    uint64_t count; /* of ready */
    uint64_t want;  /* how many are kept ready */
    uint64_t least; /* how many were ready at least, in this window */
    uint64_t window_end;

    uint64_t failed_at; /* 0: did not fail */
    struct fault fault;
    struct report report;
};

struct pool {
    struct pool_setup setup;
    struct fetch_rules fetch;
    struct slot *slots;
    uint64_t count;
    bool started; /* the configured application was tried */
};

static enum reset_mode mode(const struct pool *p)
{
    return p->setup.config->reset;
}

/* ---- seats ------------------------------------------------------------- */

static enum err engine_make(const struct pool *p, struct engine **out)
{
    const struct pool_config *c = p->setup.config;
    struct engine_limits limits = {.heap = c->heap_limit,
                                   .buffers = c->buffer_limit};
    enum err e = engine_new(p->setup.image, &limits, out);
    timing_mark("isolate");
    return e;
}

static void seat_free(const struct pool *p, struct seat *s)
{
    if (mode(p) == RESET_ISOLATE)
        engine_free(s->engine);
    else
        realm_free(s->realm);
    restab_close(&s->host.resources);
    free(s);
}

/* A seat in the slot's engine, or in one of its own; nothing loaded yet. */
static enum err seat_make(const struct pool *p, struct slot *slot,
                          struct seat **out)
{
    enum err e = OK;
    struct engine *engine = NULL;
    struct seat *s = xalloc(sizeof(*s));
    if (mode(p) == RESET_ISOLATE)
        e = engine_make(p, &engine);
    else if (slot->engine == NULL)
        e = engine_make(p, &slot->engine);
    s->engine = engine != NULL ? engine : slot->engine;
    s->slot = slot;
    restab_init(&s->host.resources);
    fetch_init(&s->host.fetch, &p->fetch);
    s->host.origin = clock_mono();
    s->host.env = p->setup.config->env;
    if (e == OK)
        e = realm_new(s->engine, &s->host, &s->realm);
    if (e != OK) {
        engine_free(engine);
        free(s);
        s = NULL;
    }
    timing_mark("context");
    *out = s;
    return e;
}

static void slot_empty(const struct pool *p, struct slot *slot)
{
    while (slot->ready != NULL) {
        struct seat *s = slot->ready;
        slot->ready = s->next;
        seat_free(p, s);
    }
    slot->count = 0;
    slot->least = 0;
}

/* The seat is over; so is its engine, when it cannot be trusted further. */
static void seat_end(const struct pool *p, struct seat *s)
{
    struct slot *slot = s->slot;
    uint64_t most = p->setup.config->max_requests;
    bool stopped = engine_stopped(s->engine) != STOP_NONE;
    seat_free(p, s);
    if (slot->engine == NULL ||
        (!stopped && (most == 0 || slot->served < most)))
        return;
    slot_empty(p, slot);
    engine_free(slot->engine);
    slot->engine = NULL;
    slot->served = 0;
}

/* ---- failures ---------------------------------------------------------- */

static void report_copy(struct report *to, const struct report *from)
{
    buf_clear(&to->text);
    buf_clear(&to->head);
    buf_clear(&to->file);
    buf_slice(&to->text, buf_view(&from->text));
    buf_slice(&to->head, buf_view(&from->head));
    buf_slice(&to->file, buf_view(&from->file));
    to->line = from->line;
    to->column = from->column;
}

/* Remembered, and said once: requests that meet it again are not logged. */
static void slot_fail(struct slot *slot, int status, const struct report *rep)
{
    report_copy(&slot->report, rep);
    slot->failed_at = clock_mono();
    slot->fault.status = status;
    why_set(&slot->fault.why, ERR_SCRIPT, "%s cannot be loaded", slot->path);
    log_error("%s", slot->fault.why.text);
    log_lines(LOG_ERROR, buf_view(&rep->text));
}

/* A new seat with the application at least started. */
static enum err seat_load(const struct pool *p, struct slot *slot, int fd,
                          uint64_t deadline, struct seat **out)
{
    struct report rep;
    struct seat *s = NULL;
    report_init(&rep);
    enum err e = seat_make(p, slot, &s);
    if (e != OK) {
        buf_puts(&rep.head, "no JavaScript context can be made");
        slot_fail(slot, 500, &rep);
        goto out;
    }
    s->host.deadline = deadline;
    watchdog_arm(s->engine, fd, deadline);
    e = realm_load(s->realm, app_loader(slot->app), app_path(slot->app), &rep);
    timing_mark("load");
    if (e != OK) {
        watchdog_disarm();
        slot_fail(slot, fault_load_status(engine_stopped(s->engine), e), &rep);
        seat_end(p, s);
        s = NULL;
    }
out:
    report_free(&rep);
    *out = s;
    return e;
}

/* ---- slots ------------------------------------------------------------- */

static void slot_free(struct pool *p, struct slot *slot)
{
    struct slot **link = &p->slots;
    while (*link != slot)
        link = &(*link)->next;
    *link = slot->next;
    p->count--;
    slot_empty(p, slot);
    engine_free(slot->engine);
    app_free(slot->app);
    report_free(&slot->report);
    free(slot->path);
    free(slot);
}

/* Is what the slot holds too old to be used? */
static bool slot_stale(const struct pool *p, struct slot *slot, uint64_t now)
{
    if (slot->failed_at != 0)
        return now - slot->failed_at > FAILURE_KEPT_NS ||
               app_changed(slot->app);
    if (!p->setup.config->watch || now - slot->looked < p->setup.watch_every)
        return false;
    slot->looked = now;
    return app_changed(slot->app);
}

static struct slot *slot_find(const struct pool *p, const char *path)
{
    for (struct slot *s = p->slots; s != NULL; s = s->next)
        if (strcmp(s->path, path) == 0)
            return s;
    return NULL;
}

static void evict(struct pool *p)
{
    struct slot *oldest = p->slots;
    for (struct slot *s = p->slots; s != NULL; s = s->next)
        if (s->used < oldest->used)
            oldest = s;
    slot_free(p, oldest);
}

static enum err slot_get(struct pool *p, const char *path, struct slot **out,
                         struct fault *fault)
{
    const struct pool_config *c = p->setup.config;
    struct app *app;
    uint64_t now = clock_mono();
    struct slot *slot = slot_find(p, path);
    if (slot != NULL && slot_stale(p, slot, now)) {
        if (slot->failed_at == 0)
            log_notice("%s has changed and is loaded again", path);
        slot_free(p, slot);
        slot = NULL;
    }
    *out = slot;
    if (slot != NULL)
        return OK;
    enum err e = app_open(path, c->root, &app, fault);
    if (e != OK)
        return e;
    while (p->count > 0 && p->count >= c->max_apps)
        evict(p);
    slot = xalloc(sizeof(*slot));
    slot->path = xstrdup(path);
    slot->app = app;
    slot->looked = slot->used = now;
    slot->want = mode(p) == RESET_NONE ? 1 : c->spare;
    slot->window_end = now + WINDOW_NS;
    report_init(&slot->report);
    slot->next = p->slots;
    p->slots = slot;
    p->count++;
    *out = slot;
    return OK;
}

/* ---- the pool ---------------------------------------------------------- */

struct pool *pool_new(const struct pool_setup *setup)
{
    struct pool *p = xalloc(sizeof(*p));
    p->setup = *setup;
    fetch_rules_init(&p->fetch, setup->config);
    return p;
}

void pool_free(struct pool *p)
{
    while (p->slots != NULL)
        slot_free(p, p->slots);
    fetch_rules_free(&p->fetch);
    free(p);
}

static struct seat *pop(struct slot *slot)
{
    struct seat *s = slot->ready;
    slot->ready = s->next;
    s->next = NULL;
    slot->count--;
    if (slot->count < slot->least)
        slot->least = slot->count;
    return s;
}

static void push(struct slot *slot, struct seat *s)
{
    s->next = slot->ready;
    slot->ready = s;
    slot->count++;
}

enum err pool_take(struct pool *p, const char *path, int fd, uint64_t deadline,
                   struct seat **out, struct fault *fault, struct report *rep)
{
    const struct pool_config *c = p->setup.config;
    struct slot *slot;
    enum err e = slot_get(p, path, &slot, fault);
    *out = NULL;
    if (e != OK)
        return e;
    slot->used = clock_mono();
    slot->tidy = false;
    /* Idle work can reach the heap's limit too. */
    while (slot->ready != NULL &&
           engine_stopped(slot->ready->engine) != STOP_NONE)
        seat_end(p, pop(slot));
    if (slot->failed_at == 0 && slot->ready != NULL) {
        *out = pop(slot);
        (*out)->host.deadline = deadline;
        watchdog_arm((*out)->engine, fd, deadline);
    } else if (slot->failed_at == 0) {
        /* Demand comes faster than it is prepared for: keep more. */
        if (mode(p) != RESET_NONE && slot->want < c->spare_max)
            slot->want++;
        slot->least = 0;
        e = seat_load(p, slot, fd, deadline, out);
    }
    if (slot->failed_at == 0)
        return e;
    *fault = slot->fault;
    report_copy(rep, &slot->report);
    return ERR_SCRIPT;
}

void pool_failed(struct pool *p, struct seat *s, int status,
                 const struct report *rep)
{
    (void)p;
    slot_fail(s->slot, status, rep);
}

void pool_give(struct pool *p, struct seat *s)
{
    struct slot *slot = s->slot;
    uint64_t most = p->setup.config->max_requests;
    slot->served++;
    s->host.exchange = NULL;
    fetch_reset(&s->host);
    if (mode(p) == RESET_NONE && slot->failed_at == 0 &&
        engine_stopped(s->engine) == STOP_NONE &&
        (most == 0 || slot->served < most))
        push(slot, s);
    else
        seat_end(p, s);
}

/* The window has passed: what lay there unused all the time is not wanted. */
static void shrink(const struct pool *p, struct slot *slot, uint64_t now)
{
    uint64_t floor = mode(p) == RESET_NONE ? 1 : p->setup.config->spare;
    uint64_t over = slot->want > floor ? slot->want - floor : 0;
    slot->want -= slot->least < over ? slot->least : over;
    while (slot->count > slot->want)
        seat_free(p, pop(slot));
    slot->least = slot->count;
    slot->window_end = now + WINDOW_NS;
}

static bool slot_prepare(const struct pool *p, struct slot *slot, uint64_t now)
{
    struct seat *s;
    if (now >= slot->window_end)
        shrink(p, slot, now);
    if (slot->failed_at == 0 && slot->count < slot->want) {
        uint64_t deadline = now + p->setup.config->request_timeout;
        if (seat_load(p, slot, -1, deadline, &s) != OK)
            return true;
        watchdog_disarm();
        /* It may have struck after the load. */
        if (engine_stopped(s->engine) == STOP_NONE)
            push(slot, s);
        else
            seat_end(p, s);
        return true;
    }
    if (slot->tidy || slot->engine == NULL)
        return false;
    slot->tidy = true;
    engine_idle(slot->engine);
    return true;
}

bool pool_prepare(struct pool *p)
{
    const struct pool_config *c = p->setup.config;
    uint64_t now = clock_mono();
    if (!p->started) {
        struct slot *slot;
        struct fault fault = {0};
        p->started = true;
        if (c->app != NULL && slot_get(p, c->app, &slot, &fault) != OK)
            log_error("%s", fault.why.text);
        return true;
    }
    for (struct slot *slot = p->slots; slot != NULL; slot = slot->next)
        if (slot_prepare(p, slot, now))
            return true;
    return false;
}

uint64_t pool_wake(const struct pool *p)
{
    uint64_t first = 0;
    if (mode(p) == RESET_NONE)
        return 0;
    for (const struct slot *slot = p->slots; slot != NULL; slot = slot->next)
        if (slot->want > p->setup.config->spare &&
            (first == 0 || slot->window_end < first))
            first = slot->window_end;
    return first;
}
