/*
 * status_metrics.c - the status for a monitoring system: OpenMetrics 1.0.
 *
 * Samples of a family stand together, so families go round the pools. Labels
 * are few and bounded: a pool's name, and a worker's place in it.
 */
#include "base/clock.h"
#include "serve/status_parts.h"

#include <inttypes.h>
#include <string.h>

/* Upper edges: 2^8 us, and twice that 17 times. All are edges of buckets of
 * histogram.h, so the counts are exact. */
#define LEAST_NS (UINT64_C(256) * 1000)
#define EDGES 18

/*
 * A label's value (5.1 of the specification): \ and " are escaped. Control
 * characters and what is no UTF-8 are \xNN: a reader refuses all of it else.
 */
static void put_label(struct buf *out, const char *name, const char *value)
{
    struct line l;
    line_begin(&l);
    line_text(&l, slice_of(value), LINE_TEXT, sizeof l.text);
    buf_printf(out, "%s=\"", name);
    for (size_t i = 0; i < l.n; i++) {
        if (l.text[i] == '\\' || l.text[i] == '"')
            buf_putc(out, '\\');
        buf_putc(out, l.text[i]);
    }
    buf_putc(out, '"');
}

static void put_seconds(struct buf *out, uint64_t ns)
{
    buf_printf(out, "%" PRIu64 ".%09" PRIu64, ns / NS_PER_S, ns % NS_PER_S);
}

static const char *unit_of(enum status_kind kind)
{
    switch (kind) {
    case STATUS_STAMP:
    case STATUS_AGE:
    case STATUS_TIME:
        return "seconds";
    case STATUS_BYTES:
        return "bytes";
    default:
        return NULL;
    }
}

static void put_head(struct buf *out, const char *name, const char *type,
                     const char *unit, const char *help)
{
    buf_printf(out, "# TYPE snapcgi_%s %s\n", name, type);
    if (unit != NULL)
        buf_printf(out, "# UNIT snapcgi_%s %s\n", name, unit);
    buf_printf(out, "# HELP snapcgi_%s %s\n", name, help);
}

/* slot: that of a worker, NULL for its pool. */
static void put_sample(const struct status_field *f, const void *figures,
                       const char *pool, const uint64_t *slot, struct buf *out)
{
    uint64_t n = status_number(f, figures);
    const char *unit = unit_of(f->kind);
    buf_printf(out, "snapcgi_%s%s{", f->metric, f->counter ? "_total" : "");
    put_label(out, "pool", pool);
    if (slot != NULL)
        buf_printf(out, ",slot=\"%" PRIu64 "\"", *slot);
    buf_puts(out, "} ");
    if (unit != NULL && strcmp(unit, "seconds") == 0)
        put_seconds(out, n);
    else
        buf_printf(out, "%" PRIu64, n);
    buf_putc(out, '\n');
}

static void put_family_head(const struct status_field *f, struct buf *out)
{
    put_head(out, f->metric, f->counter ? "counter" : "gauge", unit_of(f->kind),
             f->help);
}

static void put_pools(const struct status_view *v, struct buf *out)
{
    for (const struct status_field *f = status_pool_table; f->name; f++) {
        if (f->metric == NULL)
            continue;
        put_family_head(f, out);
        for (size_t i = 0; i < v->count; i++)
            put_sample(f, &v->pool[i], v->pool[i].pool, NULL, out);
    }
}

static void put_processes(const struct status_view *v, struct buf *out)
{
    for (const struct status_field *f = status_process_table; f->name; f++) {
        if (f->metric == NULL)
            continue;
        put_family_head(f, out);
        for (size_t i = 0; i < v->count; i++)
            for (size_t k = 0; k < v->pool[i].process_count; k++)
                put_sample(f, &v->pool[i].process[k], v->pool[i].pool,
                           &v->pool[i].process[k].number, out);
    }
}

static void put_info(const struct status_view *v, struct buf *out)
{
    put_head(out, "pool", "info", NULL, "What the pool is.");
    for (size_t i = 0; i < v->count; i++) {
        const struct status_pool *p = &v->pool[i];
        buf_puts(out, "snapcgi_pool_info{");
        put_label(out, "pool", p->pool);
        put_label(out, ",pm", p->pm);
        put_label(out, ",listen", p->listen);
        put_label(out, ",image", p->image);
        buf_puts(out, "} 1\n");
    }
}

/* One of a known set of words is a state set (5.4 of the specification). */
static void put_phases(const struct status_view *v, struct buf *out)
{
    put_head(out, "state", "stateset", NULL,
             "What becomes of the application's state that the pool keeps.");
    for (size_t i = 0; i < v->count; i++) {
        const struct status_pool *p = &v->pool[i];
        for (uint32_t k = BOARD_RUNNING;
             p->phase[0] != '\0' && k <= BOARD_PAUSED; k++) {
            const char *name = board_phase_name(k);
            buf_puts(out, "snapcgi_state{");
            put_label(out, "pool", p->pool);
            put_label(out, ",snapcgi_state", name);
            buf_printf(out, "} %d\n", strcmp(name, p->phase) == 0);
        }
    }
}

#define LATENCY "request_duration_seconds"

static void put_latency(const struct status_pool *p, struct buf *out)
{
    const struct histogram *h = &p->latency;
    uint64_t all = histogram_until(h, UINT64_MAX);
    for (unsigned i = 0; i < EDGES; i++) {
        buf_puts(out, "snapcgi_" LATENCY "_bucket{");
        put_label(out, "pool", p->pool);
        uint64_t us = (LEAST_NS << i) / 1000;
        buf_printf(out, ",le=\"%" PRIu64 ".%06" PRIu64 "\"} %" PRIu64 "\n",
                   us / 1000000, us % 1000000,
                   histogram_until(h, LEAST_NS << i));
    }
    buf_puts(out, "snapcgi_" LATENCY "_bucket{");
    put_label(out, "pool", p->pool);
    buf_printf(out, ",le=\"+Inf\"} %" PRIu64 "\nsnapcgi_" LATENCY "_count{",
               all);
    put_label(out, "pool", p->pool);
    buf_printf(out, "} %" PRIu64 "\nsnapcgi_" LATENCY "_sum{", all);
    put_label(out, "pool", p->pool);
    buf_puts(out, "} ");
    put_seconds(out, h->sum);
    buf_putc(out, '\n');
}

void status_metrics(const struct status_view *v, struct buf *out)
{
    put_info(v, out);
    put_phases(v, out);
    put_pools(v, out);
    put_head(out, LATENCY, "histogram", "seconds",
             "From the last parameter to the end of the reply.");
    for (size_t i = 0; i < v->count; i++)
        put_latency(&v->pool[i], out);
    if (v->full)
        put_processes(v, out);
    buf_puts(out, "# EOF\n");
}
