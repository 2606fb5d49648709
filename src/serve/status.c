/*
 * status.c - the boards' figures, read once for all forms.
 */
#include "serve/status.h"

#include "base/clock.h"
#include "serve/status_parts.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char status_fields[] =
    "Cache-Control: no-store\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'\r\n";

static const struct {
    const char *word;
    const char *media;
    void (*write)(const struct status_view *v, struct buf *out);
} forms[] = {
    [STATUS_TEXT] = {"text", "text/plain; charset=utf-8", status_text},
    [STATUS_JSON] = {"json", "application/json", status_json},
    [STATUS_HTML] = {"html", "text/html; charset=utf-8", status_html},
    [STATUS_OPENMETRICS] = {"openmetrics",
                            "application/openmetrics-text; version=1.0.0; "
                            "charset=utf-8",
                            status_metrics},
};

#define FORMS (sizeof(forms) / sizeof(forms[0]))

struct status_query status_parse(struct slice query)
{
    struct status_query q = {.form = STATUS_TEXT};
    while (query.n > 0) {
        struct slice word = {query.p, slice_find(query, '&')};
        query = slice_from(query, word.n + 1);
        for (size_t i = 0; i < FORMS; i++)
            if (slice_is(word, forms[i].word))
                q.form = (enum status_form)i;
        if (slice_is(word, "full"))
            q.full = true;
        if (slice_starts(word, "pool="))
            q.pool = slice_from(word, strlen("pool="));
    }
    return q;
}

const char *status_media_type(enum status_form form)
{
    return forms[form].media;
}

/* ---- a process --------------------------------------------------------- */

/* Resident memory in bytes, 0 where the system does not tell. */
static uint64_t resident(uint64_t pid)
{
    char path[40], text[128];
    unsigned long long pages = 0;
    snprintf(path, sizeof path, "/proc/%llu/statm", (unsigned long long)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    if (sscanf(text, "%*u %llu", &pages) != 1)
        return 0;
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t after(uint64_t now, uint64_t then)
{
    return now > then ? now - then : 0;
}

/* What is behind the question mark is nobody's business. */
static void cut_query(char *uri, size_t size)
{
    char *query = strchr(uri, '?');
    if (query == NULL)
        return;
    if (query + sizeof "?..." > uri + size)
        *query = '\0';
    else
        strcpy(query, "?...");
}

static void fill_process(struct status_process *p, const struct slot *s,
                         uint32_t number, uint64_t real)
{
    uint32_t state = atomic_load(&s->state);
    const struct slot_request *r = &s->request;
    bool over = r->duration > 0;
    p->number = number;
    p->pid = s->pid > 0 ? (uint64_t)s->pid : 0;
    p->started = s->started;
    p->since = after(real, s->started);
    p->requests = s->tally[TALLY_REQUESTS];
    p->duration = r->duration;
    if (!over && state == SLOT_RUNNING && r->started > 0)
        p->duration = after(clock_mono(), r->started);
    p->length = r->length;
    if (over && r->cpu < UINT64_MAX / 10000)
        p->cpu = r->cpu * 10000 / r->duration;
    p->memory = over ? s->heap_used + s->buffers : 0;
    p->rss = p->pid > 0 ? resident(p->pid) : 0;
    p->heap_used = s->heap_used;
    p->heap_total = s->heap_total;
    p->buffers = s->buffers;
    snprintf(p->state, sizeof p->state, "%s", slot_state_name(state));
    p->request = *r;
    cut_query(p->request.uri, sizeof p->request.uri);
}

/* ---- a pool ------------------------------------------------------------ */

static const char *pm_name(uint32_t pm)
{
    switch (pm) {
    case PM_STATIC:
        return "static";
    case PM_ONDEMAND:
        return "ondemand";
    default:
        return "dynamic";
    }
}

static void count_slot(struct status_pool *p, const struct slot *s)
{
    p->total++;
    switch (atomic_load(&s->state)) {
    case SLOT_STARTING:
        p->starting++;
        break;
    case SLOT_IDLE:
        p->idle++;
        break;
    case SLOT_STOPPING:
    case SLOT_SAVING:
        p->stopping++;
        break;
    default:
        p->active++;
    }
    for (int i = 0; i < TALLIES; i++)
        p->tally[i] += s->tally[i];
    histogram_merge(&p->latency, &s->latency);
}

static uint32_t workers(struct board *b)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < board_slots(b); i++)
        n += atomic_load(&board_slot(b, i)->state) != SLOT_FREE;
    return n;
}

static void fill_slots(struct status_pool *p, struct board *b, uint64_t real,
                       bool full)
{
    struct slot s;
    uint32_t room = full ? workers(b) : 0;
    if (room > 0)
        p->process = xalloc(room * sizeof *p->process);
    for (uint32_t i = 0; i < board_slots(b); i++) {
        const struct slot *there = board_slot(b, i);
        if (atomic_load(&there->state) == SLOT_FREE)
            continue;
        slot_read(there, &s);
        if (atomic_load(&s.state) == SLOT_FREE)
            continue;
        count_slot(p, &s);
        if (p->process_count < room)
            fill_process(&p->process[p->process_count++], &s, i, real);
    }
}

/* The head is the supervisor's: its texts are ended. */
static void fill_pool(struct status_pool *p, struct board *b, uint64_t real,
                      bool full)
{
    const struct board_head *h = board_head(b);
    snprintf(p->pool, sizeof p->pool, "%s", h->pool);
    snprintf(p->listen, sizeof p->listen, "%s", h->listen);
    snprintf(p->image, sizeof p->image, "%s", h->image);
    snprintf(p->pm, sizeof p->pm, "%s", pm_name(h->pm));
    p->started = h->started;
    p->since = after(real, h->started);
    p->queue = h->queue;
    p->max_queue = h->max_queue;
    p->queue_size = h->queue_size;
    p->max_children = h->max_children;
    p->reached = h->max_children_reached;
    p->spawned = h->spawned;
    p->crashed = h->crashed;
    p->killed = h->killed;
    p->reloads = h->reloads;
    p->draining = h->draining;
    snprintf(p->phase, sizeof p->phase, "%s",
             board_phase_name(atomic_load(&h->phase)));
    p->saved_at = h->saved_at;
    p->saved_bytes = h->saved_bytes;
    p->saved_in = h->saved_in;
    p->saves = h->saves;
    p->save_failures = h->save_failures;
    p->shed = atomic_load(&board_shed(b)->count);
    memcpy(p->tally, h->tally, sizeof p->tally);
    p->latency = h->latency;
    fill_slots(p, b, real, full);
    /* The supervisor looks now and then, and this may be between. */
    p->max_active = h->max_active > p->active ? h->max_active : p->active;
    p->p50 = histogram_quantile(&p->latency, 500);
    p->p90 = histogram_quantile(&p->latency, 900);
    p->p99 = histogram_quantile(&p->latency, 990);
}

size_t status_render(struct board *const *boards, size_t count,
                     const struct status_query *q, struct buf *out)
{
    struct status_pool *pools = xalloc((count + 1) * sizeof *pools);
    struct status_view v = {
        .pool = pools, .now = clock_real(), .full = q->full};
    for (size_t i = 0; i < count; i++)
        if (q->pool.n == 0 || slice_is(q->pool, board_head(boards[i])->pool))
            fill_pool(&pools[v.count++], boards[i], v.now, q->full);
    v.one = v.count == 1 && (q->pool.n > 0 || count == 1);
    forms[q->form].write(&v, out);
    for (size_t i = 0; i < v.count; i++)
        free(pools[i].process);
    free(pools);
    return v.count;
}
