/*
 * monitor_parts.h - the monitor's shedding.
 *
 * Private to monitor*.c.
 */
#ifndef SERVE_MONITOR_PARTS_H
#define SERVE_MONITOR_PARTS_H

#include "base/buf.h"
#include "cgi/transport_fcgi.h"
#include "serve/monitor.h"

#define SHED_BATCH 64   /* connections taken at once */
#define SHED_BATCHES 16 /* of a pool that are not over yet */

struct shed {
    const struct monitor_pool *pool; /* borrowed */
    /*
     * Each takes some connections and then accepts no more, so that a slow
     * one is heard to its end while nobody else is kept from a worker.
     */
    struct fcgi *batch[SHED_BATCHES];
    uint64_t alone_since; /* monotonic ns: waited for, no worker ready; or 0 */
    uint64_t alone_ended; /* workers that had ended by then */
    uint64_t rest_until;  /* monotonic ns: it could not accept; or 0 */
    uint64_t said_at;     /* monotonic ns of the last line in the log */
    uint64_t unsaid;      /* turned away since */
    bool blind;           /* the queue is not known, and the log has it */
};

/*
 * One look at a pool, which turns away what must be. True when the next look
 * should be soon.
 */
bool shed_look(struct shed *s);
void shed_close(struct shed *s);

#endif
