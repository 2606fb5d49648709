/*
 * pool.c - rows (one for each application) of a few seats made ready.
 */
#include "serve/pool.h"

#include "base/clock.h"
#include "bind/fetch_policy.h"
#include "engine/image.h"
#include "serve/app.h"
#include "serve/fault.h"
#include "serve/timing.h"

#include <stdlib.h>
#include <string.h>

#define FAILURE_KEPT_NS NS_PER_S
#define WINDOW_NS (10 * NS_PER_S) /* what was not needed so long, goes */

struct row {
    struct row *next;
    char *path;
    struct app *app;
    uint64_t used;   /* monotonic ns of the last request */
    uint64_t looked; /* and of the last look at the files */

    struct engine *engine; /* of all seats, but with RESET_ISOLATE */
    uint64_t served;       /* requests of that engine */
    bool tidy;             /* nothing was served since engine_idle() */
    bool lost;             /* an engine was ended with what was in it */

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
    struct row *rows;
    uint64_t count;
    bool started; /* the configured application was tried */
    bool asked;   /* whether there is an image of the application */
    bool outdated, changed;
    const struct image *image;
    struct slice sources; /* of the application in it */
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
    enum err e = engine_new(p->image, &limits, out);
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

/* An application in an image goes on where its clock was stopped. */
static void seat_clock(const struct pool *p, struct seat *s)
{
    const struct image *image = p->image;
    uint64_t now = clock_mono();
    s->host.origin = now - image->clock;
    s->host.wake = image->wake != 0 ? now + image->wake : 0;
}

/* A seat in the row's engine, or in one of its own; nothing loaded yet. */
static enum err seat_make(const struct pool *p, struct row *row,
                          struct seat **out)
{
    enum err e = OK;
    struct engine *engine = NULL;
    struct seat *s = xalloc(sizeof(*s));
    if (mode(p) == RESET_ISOLATE)
        e = engine_make(p, &engine);
    else if (row->engine == NULL)
        e = engine_make(p, &row->engine);
    s->engine = engine != NULL ? engine : row->engine;
    s->row = row;
    restab_init(&s->host.resources);
    fetch_init(&s->host.fetch, &p->fetch);
    seat_clock(p, s);
    s->host.drew = p->setup.drew;
    s->host.kept = p->setup.kept;
    s->host.env = p->setup.config->env;
    if (e == OK)
        e = realm_new(s->engine, &s->host, &s->realm);
    if (p->setup.read != NULL)
        p->setup.read();
    slot_count(p->setup.slot, TALLY_RESETS);
    if (e != OK) {
        engine_free(engine);
        free(s);
        s = NULL;
    }
    timing_mark("context");
    *out = s;
    return e;
}

static void row_empty(const struct pool *p, struct row *row)
{
    while (row->ready != NULL) {
        struct seat *s = row->ready;
        row->ready = s->next;
        seat_free(p, s);
    }
    row->count = 0;
    row->least = 0;
}

/* Ends the engine and all that is in it. */
static void row_reset(const struct pool *p, struct row *row)
{
    row_empty(p, row);
    engine_free(row->engine);
    row->engine = NULL;
    row->served = 0;
    row->lost = true;
}

/* The seat is over; so is its engine, when it cannot be trusted further. */
static void seat_end(const struct pool *p, struct seat *s)
{
    struct row *row = s->row;
    uint64_t most = p->setup.config->max_requests;
    bool stopped = engine_stopped(s->engine) != STOP_NONE;
    seat_free(p, s);
    if (row->engine == NULL || (!stopped && (most == 0 || row->served < most)))
        return;
    row_reset(p, row);
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
static void row_fail(const struct pool *p, struct row *row, int status,
                     const struct report *rep)
{
    report_copy(&row->report, rep);
    row->failed_at = clock_mono();
    row->fault.status = status;
    why_set(&row->fault.why, ERR_SCRIPT, "%s cannot be loaded", row->path);
    if (p->setup.quiet)
        return;
    log_error("%s", row->fault.why.text);
    log_lines(LOG_ERROR, buf_view(&rep->text));
}

static void seat_watch(struct seat *s, const struct watch *w)
{
    struct watch own = *w;
    own.engine = s->engine;
    s->host.deadline = w->deadline;
    watchdog_arm(&own);
}

/* A new seat with the application at least started. */
static enum err seat_load(const struct pool *p, struct row *row,
                          const struct watch *w, struct seat **out)
{
    struct report rep;
    struct seat *s = NULL;
    report_init(&rep);
    enum err e = seat_make(p, row, &s);
    if (e != OK) {
        buf_puts(&rep.head, "no JavaScript context can be made");
        row_fail(p, row, 500, &rep);
        goto out;
    }
    seat_watch(s, w);
    if (s->host.drew != NULL)
        realm_hook(s->realm, HOOK_WATCH, 1, NULL);
    e = realm_load(s->realm, app_loader(row->app), app_path(row->app), &rep);
    timing_mark("load");
    if (e != OK) {
        watchdog_disarm();
        row_fail(p, row, fault_load_status(engine_stopped(s->engine), e), &rep);
        seat_end(p, s);
        s = NULL;
    }
out:
    report_free(&rep);
    *out = s;
    return e;
}

/* ---- rows ------------------------------------------------------------- */

static void row_free(struct pool *p, struct row *row)
{
    struct row **link = &p->rows;
    while (*link != row)
        link = &(*link)->next;
    *link = row->next;
    p->count--;
    row_empty(p, row);
    engine_free(row->engine);
    app_free(row->app);
    report_free(&row->report);
    free(row->path);
    free(row);
}

/* Is what the row holds too old to be used? */
static bool row_stale(const struct pool *p, struct row *row, uint64_t now)
{
    if (row->failed_at != 0)
        return now - row->failed_at > FAILURE_KEPT_NS || app_changed(row->app);
    if (!p->setup.config->watch || now - row->looked < p->setup.watch_every)
        return false;
    row->looked = now;
    return app_changed(row->app);
}

static struct row *row_find(const struct pool *p, const char *path)
{
    for (struct row *s = p->rows; s != NULL; s = s->next)
        if (strcmp(s->path, path) == 0)
            return s;
    return NULL;
}

static void evict(struct pool *p)
{
    struct row *oldest = p->rows;
    for (struct row *s = p->rows; s != NULL; s = s->next)
        if (s->used < oldest->used)
            oldest = s;
    row_free(p, oldest);
}

/* With an image that has the application; the first call looks for one. */
static bool is_evaluated(struct pool *p, const char *path)
{
    const struct image *image = NULL;
    if (p->asked)
        return p->image != p->setup.image;
    p->asked = true;
    if (p->setup.find != NULL)
        image = p->setup.find(p->setup.arg, path, &p->sources);
    if (image != NULL)
        p->image = image;
    return image != NULL;
}

static enum err row_get(struct pool *p, const char *path, struct row **out,
                        struct fault *fault)
{
    const struct pool_config *c = p->setup.config;
    struct app *app = NULL;
    uint64_t now = clock_mono();
    struct row *row = row_find(p, path);
    if (row != NULL && row_stale(p, row, now)) {
        p->changed = p->changed || app_changed(row->app);
        p->outdated = row->failed_at == 0 && p->image != p->setup.image;
        if (row->failed_at == 0 && !p->outdated)
            log_notice("%s has changed and is loaded again", path);
        if (!p->outdated) {
            row_free(p, row);
            row = NULL;
        }
    }
    *out = row;
    if (row != NULL)
        return OK;
    enum err e = OK;
    if (is_evaluated(p, path))
        app = app_attach(path, c->root, p->sources);
    else
        e = app_open(path, c->root, &app, fault);
    if (e == OK && p->setup.bundle != NULL)
        e = app_bundle(app, p->setup.bundle, fault);
    if (e != OK) {
        app_free(app);
        return e;
    }
    while (p->count > 0 && p->count >= c->max_apps)
        evict(p);
    row = xalloc(sizeof(*row));
    row->path = xstrdup(path);
    row->app = app;
    row->looked = row->used = now;
    row->want = mode(p) == RESET_NONE ? 1 : c->spare;
    row->window_end = now + WINDOW_NS;
    report_init(&row->report);
    row->next = p->rows;
    p->rows = row;
    p->count++;
    *out = row;
    return OK;
}

/* ---- the pool ---------------------------------------------------------- */

struct pool *pool_new(const struct pool_setup *setup)
{
    struct pool *p = xalloc(sizeof(*p));
    p->setup = *setup;
    p->image = setup->image;
    fetch_rules_init(&p->fetch, setup->config);
    return p;
}

void pool_free(struct pool *p)
{
    while (p->rows != NULL)
        row_free(p, p->rows);
    fetch_rules_free(&p->fetch);
    free(p);
}

const struct image *pool_image(const struct pool *p)
{
    return p->image;
}

bool pool_outdated(const struct pool *p)
{
    return p->outdated;
}

bool pool_changed(struct pool *p)
{
    bool changed = p->changed;
    p->changed = false;
    return changed;
}

bool pool_lost(const struct pool *p)
{
    for (const struct row *row = p->rows; row != NULL; row = row->next)
        if (row->lost)
            return true;
    return false;
}

const struct app *seat_app(const struct seat *s)
{
    return s->row->app;
}

enum err seat_write(struct seat *s, bool serving, void **out, size_t *n,
                    struct buf *more, struct why *why)
{
    const struct restab *held = &s->host.resources;
    struct reskind_count kind;
    enum err e = ERR_SCRIPT;
    if (restab_kinds(held, &kind, 1) > 0)
        realm_collect(s->realm); /* it may be garbage */
    if (restab_kinds(held, &kind, 1) > 0)
        why_set(why, e, "the application holds a %s", kind.kind->name);
    else
        e = realm_write(s->realm, out, n, why);
    if (e != ERR_SCRIPT || realm_unkept(s->realm, held, serving, more) == 0)
        return e;
    size_t end = slice_find(buf_view(more), '\n');
    why_set(why, e, "%.*s", (int)end, more->p);
    buf_skip(more, end < more->n ? end + 1 : end);
    return e;
}

void pool_renew(struct pool *p)
{
    for (struct row *row = p->rows; row != NULL; row = row->next) {
        row_reset(p, row);
        row->lost = false;
    }
}

static struct seat *pop(struct row *row)
{
    struct seat *s = row->ready;
    row->ready = s->next;
    s->next = NULL;
    row->count--;
    if (row->count < row->least)
        row->least = row->count;
    return s;
}

static void push(struct row *row, struct seat *s)
{
    s->next = row->ready;
    row->ready = s;
    row->count++;
}

enum err pool_take(struct pool *p, const char *path, const struct watch *w,
                   struct seat **out, struct fault *fault, struct report *rep)
{
    const struct pool_config *c = p->setup.config;
    struct row *row;
    enum err e = row_get(p, path, &row, fault);
    *out = NULL;
    if (e != OK)
        return e;
    row->used = clock_mono();
    row->tidy = false;
    /* Idle work can reach the heap's limit too. */
    while (row->ready != NULL &&
           engine_stopped(row->ready->engine) != STOP_NONE)
        seat_end(p, pop(row));
    if (row->failed_at == 0 && row->ready != NULL) {
        *out = pop(row);
        seat_watch(*out, w);
        slot_count(p->setup.slot, TALLY_WARM);
    } else if (row->failed_at == 0) {
        /* Demand comes faster than it is prepared for: keep more. */
        if (mode(p) != RESET_NONE && row->want < c->spare_max)
            row->want++;
        row->least = 0;
        slot_count(p->setup.slot, TALLY_COLD);
        e = seat_load(p, row, w, out);
    }
    if (row->failed_at == 0)
        return e;
    *fault = row->fault;
    report_copy(rep, &row->report);
    return ERR_SCRIPT;
}

void pool_failed(struct pool *p, struct seat *s, int status,
                 const struct report *rep)
{
    (void)p;
    row_fail(p, s->row, status, rep);
}

void pool_give(struct pool *p, struct seat *s)
{
    struct row *row = s->row;
    uint64_t most = p->setup.config->max_requests;
    row->served++;
    s->host.exchange = NULL;
    fetch_reset(&s->host);
    if (mode(p) == RESET_NONE && row->failed_at == 0 &&
        engine_stopped(s->engine) == STOP_NONE &&
        (most == 0 || row->served < most)) {
        push(row, s);
        return;
    }
    if (mode(p) == RESET_ISOLATE)
        engine_keep_code(s->engine);
    seat_end(p, s);
}

/* The window has passed: what lay there unused all the time is not wanted. */
static void shrink(const struct pool *p, struct row *row, uint64_t now)
{
    uint64_t floor = mode(p) == RESET_NONE ? 1 : p->setup.config->spare;
    uint64_t over = row->want > floor ? row->want - floor : 0;
    row->want -= row->least < over ? row->least : over;
    while (row->count > row->want)
        seat_free(p, pop(row));
    row->least = row->count;
    row->window_end = now + WINDOW_NS;
}

/* Of work that no request waits for. */
static struct watch idle_watch(const struct pool *p, uint64_t now)
{
    const struct pool_config *c = p->setup.config;
    struct slot *slot = p->setup.slot;
    return (struct watch){.deadline = now + c->request_timeout,
                          .kill_at = slot != NULL ? &slot->kill_at : NULL,
                          .kill_grace = c->kill_grace};
}

/* What V8 has put off may be JavaScript: finalizers. */
static void row_tidy(const struct pool *p, struct row *row, uint64_t now)
{
    struct watch w = idle_watch(p, now);
    w.engine = row->engine;
    row->tidy = true;
    watchdog_arm(&w);
    engine_idle(row->engine);
    watchdog_disarm();
    /* Of many applications one is evicted, and comes back. */
    if (p->setup.config->app == NULL && row->served > 0)
        engine_keep_code(row->engine);
    if (engine_stopped(row->engine) == STOP_NONE)
        return;
    log_warn("%s: what it left to run between requests (finalizers) reached "
             "a limit of time or memory and was ended, with all it kept",
             row->path);
    row_reset(p, row);
}

static bool lacks_seats(const struct row *row)
{
    return row->failed_at == 0 && row->count < row->want;
}

static bool row_due(const struct row *row, uint64_t now)
{
    return now >= row->window_end || lacks_seats(row) ||
           (!row->tidy && row->engine != NULL);
}

static bool row_prepare(const struct pool *p, struct row *row, uint64_t now)
{
    struct seat *s;
    if (now >= row->window_end)
        shrink(p, row, now);
    if (lacks_seats(row)) {
        struct watch w = idle_watch(p, now);
        if (seat_load(p, row, &w, &s) != OK) {
            /* The machine may have been suspended: the next request has a
             * time-out of its own, and finds out. */
            if (row->fault.status == 504) {
                row->failed_at = 0;
                row->want = row->count;
            }
            return true;
        }
        watchdog_disarm();
        /* It may have struck after the load. */
        if (engine_stopped(s->engine) == STOP_NONE)
            push(row, s);
        else
            seat_end(p, s);
        return true;
    }
    if (row->tidy || row->engine == NULL)
        return false;
    row_tidy(p, row, now);
    return true;
}

bool pool_prepare(struct pool *p)
{
    const struct pool_config *c = p->setup.config;
    uint64_t now = clock_mono();
    if (!p->started) {
        struct row *row;
        struct fault fault = {0};
        p->started = true;
        if (c->app != NULL && row_get(p, c->app, &row, &fault) != OK)
            log_error("%s", fault.why.text);
        return true;
    }
    for (struct row *row = p->rows; row != NULL; row = row->next)
        if (row_prepare(p, row, now))
            return true;
    return false;
}

bool pool_due(const struct pool *p)
{
    uint64_t now = clock_mono();
    for (const struct row *row = p->rows; row != NULL; row = row->next)
        if (row_due(row, now))
            return true;
    return !p->started;
}

uint64_t pool_wake(const struct pool *p)
{
    uint64_t first = 0;
    if (mode(p) == RESET_NONE)
        return 0;
    for (const struct row *row = p->rows; row != NULL; row = row->next)
        if (row->want > p->setup.config->spare &&
            (first == 0 || row->window_end < first))
            first = row->window_end;
    return first;
}
