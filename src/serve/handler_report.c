/*
 * handler_report.c - what others are told of a request: the slow log, the
 * scoreboard, the access log and the log.
 */
#include "serve/handler_parts.h"

#include "base/clock.h"
#include "base/line.h"
#include "base/sink.h"
#include "bind/fetch_transfer.h"
#include "serve/access.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#define SLOW_MAX (64u * 1024) /* bytes of one entry of the slow log */
#define URI_MAX 1024
#define FETCHES 5 /* that one entry names */

/* ---- words -------------------------------------------------------------- */

/* What follows the host in the URL, up to the query or from there on. */
static struct slice url_part(const struct run *r, bool query)
{
    struct slice s = r->req.url;
    size_t host = 0;
    while (host < s.n && !slice_starts(slice_from(s, host), "://"))
        host++;
    s = slice_from(s, host + 3);
    s = slice_from(s, slice_find(s, '/'));
    size_t mark = slice_find(s, '?');
    return query ? slice_from(s, mark + 1) : (struct slice){s.p, mark};
}

/* The variable, for what a malformed request left empty. */
static struct slice or_var(const struct run *r, struct slice s,
                           const char *name)
{
    return s.n > 0 ? s : slice_of(meta_var(r->t->params, name));
}

static struct slice script(const struct run *r)
{
    return r->path[0] != '\0' ? slice_of(r->path) : r->req.script;
}

/* ---- lines that a log could not take ------------------------------------- */

static void count_lost(struct handler *h)
{
    uint64_t lost = log_lost();
    if (h->access != NULL)
        lost += h->access_sink->lost;
    if (h->slow != NULL)
        lost += h->slow->lost;
    slot_add(h->slot, TALLY_LOG_LOST, lost - h->lost);
    h->lost = lost;
}

/* The sink takes lines again. Its own form has no place for this. */
static void tell_lost(const struct sink *s, const char *which, uint64_t *told)
{
    uint64_t lost = s->lost - *told;
    if (lost > 0)
        log_warn("%llu line%s of the %s log %s lost: %s",
                 (unsigned long long)lost, lost == 1 ? "" : "s", which,
                 lost == 1 ? "was" : "were", sink_trouble(s));
    *told = s->lost;
}

/* ---- the slow log -------------------------------------------------------- */

uint64_t run_slow_at(const struct run *r)
{
    uint64_t after = r->h->config->slowlog_timeout;
    return after != 0 && atomic_load(&r->slow) != SLOW_WRITTEN
               ? r->started + after
               : 0;
}

static void slow_head(const struct run *r, struct line *l)
{
    char stamp[25];
    line_begin(l);
    if (r->h->slow != NULL) {
        clock_stamp(clock_real(), stamp);
        line_printf(l, "%s pool %s pid %d request ", stamp, r->h->config->name,
                    (int)getpid());
        line_text(l, r->req.id, LINE_COLUMN, URI_MAX);
        line_put(l, " ");
    }
    line_printf(l, "slow after %llu ms: ",
                (unsigned long long)((clock_mono() - r->started) / NS_PER_MS));
    line_text(l, r->req.method, LINE_COLUMN, URI_MAX);
    line_put(l, " ");
    line_text(l, url_part(r, false), LINE_COLUMN, URI_MAX);
    line_put(l, " ");
    line_text(l, script(r), LINE_TEXT, URI_MAX);
    line_end(l, "\n");
}

/* A daemon takes a line at a time, and makes fields of lines without a head. */
static bool slow_send(struct sink *to, struct slice all)
{
    bool sent = true;
    if (to->kind != SINK_SYSLOG && to->kind != SINK_JOURNAL)
        return sink_write(to, all.p, all.n);
    while (all.n > 1) {
        size_t n = slice_find(all, '\n') + 1;
        sent = log_send(to, LOG_WARN, (struct slice){all.p, n}) && sent;
        all = slice_from(all, n);
    }
    return sent;
}

/* lines: each with its end. */
static void slow_write(struct run *r, struct slice lines)
{
    struct line head;
    struct buf all;
    if (atomic_exchange(&r->slow, SLOW_WRITTEN) == SLOW_WRITTEN)
        return;
    slow_head(r, &head);
    buf_init(&all, SLOW_MAX);
    buf_put(&all, head.text, head.n);
    size_t room = SLOW_MAX - head.n - 1;
    buf_put(&all, lines.p, lines.n < room ? lines.n : room);
    if (r->h->slow == NULL) {
        log_lines(LOG_WARN, buf_view(&all));
    } else {
        buf_putc(&all, '\n');
        if (slow_send(r->h->slow, buf_view(&all)))
            tell_lost(r->h->slow, "slow", &r->h->slow_told);
    }
    buf_free(&all);
}

void run_report_stack(struct run *r, struct slice stack)
{
    if (atomic_load(&r->slow) == SLOW_ASKED)
        slow_write(r, stack);
}

static void put_fetches(const struct fetch *f, struct buf *out)
{
    const struct transfer *t;
    unsigned n = 0;
    TAILQ_FOREACH(t, &f->all, link)
    {
        if (t->state != TRANSFER_WAITING && t->state != TRANSFER_MOVING)
            continue;
        if (n++ < FETCHES)
            buf_printf(out, "    waits for %s of %s, by fetch\n",
                       transfer_waits_for(t), t->host);
    }
    if (n > FETCHES)
        buf_printf(out, "    waits for %u fetches more\n", n - FETCHES);
}

/* Of a script that does not run: all that could make it go on. */
static void put_waits(const struct run *r, uint64_t now, struct buf *out)
{
    const struct host *host = r->seat != NULL ? &r->seat->host : NULL;
    if (host != NULL && realm_state(r->seat->realm, NULL) == REALM_LOADING)
        buf_puts(out, "    waits for the application's top-level await\n");
    if (r->x.want_read || spool_holds(&r->spool))
        buf_puts(out, "    waits for the request's body\n");
    if (r->x.out.n > 0 && !spool_holds(&r->spool))
        buf_puts(out, "    waits for the client to take the reply\n");
    if (host == NULL)
        return;
    put_fetches(&host->fetch, out);
    if (host->wake > now)
        buf_printf(out, "    waits for a timer, due in %llu ms\n",
                   (unsigned long long)((host->wake - now) / NS_PER_MS + 1));
    if (!r->h->alone && engine_busy(r->seat->engine))
        buf_puts(out, "    waits for V8 to compile WebAssembly\n");
}

void run_report_wait(struct run *r, uint64_t now)
{
    struct buf waits;
    uint64_t at = run_slow_at(r);
    if (!r->open || at == 0 || now < at)
        return;
    buf_init(&waits, SLOW_MAX);
    put_waits(r, now, &waits);
    slow_write(r, buf_view(&waits));
    buf_free(&waits);
}

void run_report_no_stack(struct run *r)
{
    run_report_stack(r, SLICE("    no stack: V8 was in a long operation of "
                              "its own\n"));
}

/* ---- the scoreboard and the access log ----------------------------------- */

static uint64_t micro(struct timeval t)
{
    return ((uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_usec) * 1000;
}

/* Of this thread. 16 us in a process with V8, where clock_cpu() is 0.7. */
static uint64_t cpu_system(const struct handler *h)
{
    struct rusage u;
    return h->access != NULL && h->splits_cpu &&
                   getrusage(RUSAGE_THREAD, &u) == 0
               ? micro(u.ru_stime)
               : 0;
}

static bool wants_cpu(const struct handler *h)
{
    return h->slot != NULL || h->access != NULL || h->config->cpu_limit != 0;
}

void run_report_clocks(struct run *r)
{
    if (r->h->access != NULL)
        r->received = clock_real();
    r->system_start = cpu_system(r->h);
    if (wants_cpu(r->h))
        r->cpu_start = clock_cpu();
}

void run_report_begin(struct run *r)
{
    struct slot_request q = {.started = r->started,
                             .length = r->req.content_length};
    if (r->h->slot == NULL)
        return;
    slot_cut(q.id, sizeof(q.id), r->req.id);
    slot_cut(q.method, sizeof(q.method),
             or_var(r, r->req.method, "REQUEST_METHOD"));
    slot_cut(q.script, sizeof(q.script), script(r));
    slot_cut(q.user, sizeof(q.user), r->req.remote_user);
    struct slice path = url_part(r, false), query = url_part(r, true);
    char uri[sizeof(q.uri)];
    int n = snprintf(uri, sizeof(uri), "%.*s%s%.*s", (int)path.n,
                     path.n > 0 ? path.p : "", query.n > 0 ? "?" : "",
                     (int)query.n, query.n > 0 ? query.p : "");
    slot_cut(q.uri, sizeof(q.uri),
             (struct slice){uri, (size_t)n < sizeof(uri) ? (size_t)n
                                                         : sizeof(uri) - 1});
    slot_begin(r->h->slot, &q);
}

/* The status that the client saw, as far as it saw one. */
static int status(const struct run *r)
{
    if (spool_silent(&r->spool) && r->x.written == 0 && r->seat != NULL)
        return fault_load_status(engine_stopped(r->seat->engine), OK);
    return r->x.status;
}

static void write_access(const struct run *r, struct access_entry *e)
{
    struct handler *h = r->h;
    struct buf line;
    e->pool = h->config->name;
    e->method = or_var(r, r->req.method, "REQUEST_METHOD");
    e->uri = url_part(r, false);
    e->query = url_part(r, true);
    e->script = script(r);
    e->remote = or_var(r, r->req.remote_addr, "REMOTE_ADDR");
    e->user = r->req.remote_user;
    e->id = r->req.id;
    e->received = r->received;
    e->cpu_system = cpu_system(h) - r->system_start;
    e->length = r->req.content_length;
    e->sent = r->x.null_body ? 0 : r->x.sent;
    e->header = buf_view(&h->head);
    e->params = r->t->params;
    if (access_suppressed(h->config->access_suppress, e))
        return;
    buf_init(&line, PIPE_BUF);
    access_format(h->access, e, &line);
    if (log_send(h->access_sink, LOG_NOTICE, buf_view(&line)))
        tell_lost(h->access_sink, "access", &h->access_told);
    buf_free(&line);
}

static void count(const struct run *r, int said)
{
    struct slot *slot = r->h->slot;
    slot_count(slot, TALLY_REQUESTS);
    if (said >= 500)
        slot_count(slot, TALLY_ERRORS);
    if (r->ended)
        slot_count(slot, TALLY_TERMINATED);
    if (atomic_load(&r->slow) == SLOW_WRITTEN)
        slot_count(slot, TALLY_SLOW);
    if (r->gone)
        slot_count(slot, TALLY_ABORTED);
}

static void look_at_heap(const struct run *r, struct access_entry *e)
{
    struct engine_use use;
    struct slot *slot = r->h->slot;
    if (r->seat == NULL || (slot == NULL && r->h->access == NULL))
        return;
    engine_use(r->seat->engine, &use);
    e->memory = use.heap_used + use.buffers;
    if (slot == NULL)
        return;
    slot->heap_used = use.heap_used;
    slot->heap_total = use.heap_total;
    slot->buffers = use.buffers;
}

void run_report_end(struct run *r, bool complete)
{
    struct access_entry e = {.status = status(r),
                             .complete = complete,
                             .duration = clock_mono() - r->started};
    run_report_no_stack(r);
    if (wants_cpu(r->h))
        e.cpu = clock_cpu() - r->cpu_start;
    look_at_heap(r, &e);
    slot_end(r->h->slot, e.duration, e.cpu);
    count(r, e.status);
    if (r->h->access != NULL)
        write_access(r, &e);
    count_lost(r->h);
    if (log_wants(LOG_INFO))
        /* A query may hold secrets. */
        log_info("%.*s %.*s %d %.1f ms", (int)r->req.method.n, r->req.method.p,
                 (int)slice_find(r->req.url, '?'), r->req.url.p, e.status,
                 (double)e.duration / (double)NS_PER_MS);
}
