/*
 * status_parts.h - what the forms of the status page have in common: figures
 * read once, and a table of what they are called.
 *
 * Private to status*.c.
 */
#ifndef SERVE_STATUS_PARTS_H
#define SERVE_STATUS_PARTS_H

#include "base/line.h"
#include "serve/status.h"

/* All numbers are uint64_t and all texts are ended: the tables point here. */
struct status_process {
    uint64_t number; /* of its slot */
    uint64_t pid, started, since, requests, duration, length;
    uint64_t cpu;    /* of the last request: hundredths of a percent */
    uint64_t memory; /* of the last request */
    uint64_t rss, heap_used, heap_total, buffers;
    char state[12];
    struct slot_request request; /* its uri without the query */
};

struct status_pool {
    char pool[65], listen[128], image[65], pm[12];
    char phase[12]; /* of the state it keeps; "": it keeps none */
    uint64_t started, since;
    uint64_t queue, max_queue, queue_size;
    uint64_t starting, idle, active, stopping, total;
    uint64_t max_children, max_active, reached;
    uint64_t tally[TALLIES];
    uint64_t p50, p90, p99;
    uint64_t shed, spawned, crashed, killed, reloads, draining;
    uint64_t saved_at, saved_bytes, saved_in, saves, save_failures;
    struct histogram latency;
    struct status_process *process; /* owned by status_render() */
    size_t process_count;
};

struct status_view {
    const struct status_pool *pool;
    size_t count;
    uint64_t now; /* real ns */
    bool full;
    bool one; /* that pool was asked for by name, or there is no other */
};

enum status_kind {
    STATUS_WORD,   /* a text, "" for none */
    STATUS_COUNT,  /* how many */
    STATUS_NUMBER, /* a name that is a number */
    STATUS_STAMP,  /* real ns, 0 never */
    STATUS_AGE,    /* ns, of interest in seconds */
    STATUS_TIME,   /* ns, of interest in microseconds */
    STATUS_BYTES,  /* bytes */
    STATUS_PERCENT /* hundredths of a percent */
};

enum status_group {
    STATUS_POOL,
    STATUS_WORKERS,
    STATUS_REQUESTS,
    STATUS_LATENCY,
    STATUS_QUEUE,
    STATUS_LIFE,
    STATUS_STATE, /* of pools that keep one */
    STATUS_GROUPS
};

struct status_field {
    const char *name;
    enum status_kind kind;
    enum status_group group;
    size_t offset;
    const char *metric; /* after "snapcgi_", with its unit; NULL: none */
    bool counter;       /* else a gauge */
    bool alarm;         /* over 0 somebody should look */
    const char *help;   /* one sentence */
};

/* NULL-name ended. */
extern const struct status_field status_pool_table[];
extern const struct status_field status_process_table[];

const char *status_word(const struct status_field *f, const void *figures);
uint64_t status_number(const struct status_field *f, const void *figures);

void status_text(const struct status_view *v, struct buf *out);
void status_json(const struct status_view *v, struct buf *out);
void status_html(const struct status_view *v, struct buf *out);
void status_metrics(const struct status_view *v, struct buf *out);

#endif
