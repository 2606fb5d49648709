/*
 * pm.h - how many workers a pool should have: php-fpm's process manager.
 *
 * Only arithmetic: the supervisor counts, asks, and does what it is told.
 */
#ifndef SERVE_PM_H
#define SERVE_PM_H

#include "base/config.h"

/* A pool's workers; leaving ones do not count, old ones only as said. */
struct pm_view {
    unsigned starting;
    unsigned idle;
    unsigned busy;
    uint64_t idle_longest; /* ns the longest idle one has been so */
    bool waiting;          /* somebody waits at the socket */
    bool full;             /* none may be started (process.max) */
    unsigned old;          /* to be replaced by as many as are needed now */
    unsigned old_busy;     /* those of them that serve a request */
};

struct pm {
    const struct pool_config *config; /* borrowed */
    int extra;     /* asked for by hand (TTIN, TTOU), added to max_children */
    unsigned rate; /* workers that may be started at the next lack */
    bool fresh;    /* nothing was started yet */
    bool reached;  /* max_children is reached, and was said */
};

struct pm_step {
    unsigned start; /* so many more */
    bool stop_one;  /* the longest idle one */
    bool retire;    /* the old ones: there are enough others now */
    bool reached;   /* max_children has just been reached */
};

void pm_init(struct pm *p, const struct pool_config *config);
/* Workers at most, extra counted; at least 1. */
unsigned pm_most(const struct pm *p);
/* What to do now. A lack that lasts is met by 1, 2, 4, ... new ones a call. */
struct pm_step pm_next(struct pm *p, const struct pm_view *v);

#endif
