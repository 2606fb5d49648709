/*
 * fetch.h - the fetches of one realm: their number, their turns, their news.
 *
 * serve/ drives them while a request is served: a transfer that a script
 * starts waits in its queue until fetch_drive(), so one started by a prepared
 * application begins with the request that gets it.
 */
#ifndef BIND_FETCH_H
#define BIND_FETCH_H

#include "base/err.h"

#include <stdint.h>
#include <sys/queue.h>

struct fetch_rules; /* fetch_policy.h */
struct transfer;    /* fetch_transfer.h */

TAILQ_HEAD(transfer_list, transfer);

struct fetch {
    const struct fetch_rules *rules; /* borrowed; NULL: none is allowed */
    struct transfer_list all;        /* in host.resources, too */
    uint64_t count;                  /* started for this request */
    uint64_t bytes;                  /* of replies to this request's */
    bool over;                       /* the request is: no new ones */
};

void fetch_init(struct fetch *f, const struct fetch_rules *rules);

struct host;
/* The request is over: ends its transfers and counts from zero. */
void fetch_reset(struct host *h);

/* Starts those whose turn it is and moves bytes; never blocks. */
void fetch_drive(struct fetch *f);
/* The number of one that JavaScript must hear of, 0 none; it was told then. */
int32_t fetch_news(struct fetch *f);
/* There is news, or some can still come by itself. */
bool fetch_pending(const struct fetch *f);
/* What to wait for, by POLLIN, and until when; -1, and 0, for nothing. */
int fetch_fd(const struct fetch *f);
uint64_t fetch_wake(const struct fetch *f);
/* Says in the log which hosts were waited for. */
void fetch_log(const struct fetch *f);

#endif
