/*
 * worker.h - many requests, one after the other, from one listening socket.
 */
#ifndef SERVE_WORKER_H
#define SERVE_WORKER_H

#include "base/config.h"

struct child_place;
struct image;

struct worker_setup {
    const struct pool_config *pool; /* borrowed, like all here */
    const struct image *image;
    int listen_fd;
    uint64_t watch_every;            /* ns, see pool.h */
    const struct child_place *place; /* NULL: nobody supervises this process */
};

#define WORKER_WATCH_EVERY (UINT64_C(1000) * 1000 * 1000)

/*
 * Gives up what the pool's code need not have (confine.h), starts V8, and
 * serves until a signal says stop: TERM and INT after the request in flight,
 * QUIT when kept connections are done too. USR1 opens the log again. With a
 * supervisor the end of the link is a TERM, and max_requests is the worker's
 * life. Gives the exit status.
 */
int worker_run(const struct worker_setup *setup);

#endif
