/*
 * watchdog.h - ends JavaScript that does not end by itself.
 *
 * One request, or one load, is watched at a time: a worker serves one request
 * at a time. Its moments, in this order or none of them: it is slow, it has
 * used its processor time, its deadline is over; and WATCHDOG_GRACE_NS after
 * JavaScript was told to end, if it has not. Arming costs no system call as
 * long as the moments are about equally far.
 */
#ifndef SERVE_WATCHDOG_H
#define SERVE_WATCHDOG_H

#include "base/err.h"

#include <stdatomic.h>
#include <stdint.h>

struct engine;

/*
 * From engine_terminate() to the last words. V8 ends nearly everything within
 * 20 ms; the few operations that take longer take seconds, and a client need
 * not wait for them: what it gets then is the same 504.
 */
#define WATCHDOG_GRACE_NS (UINT64_C(500) * 1000 * 1000)

struct watch {
    struct engine *engine; /* borrowed until disarmed */
    uint64_t slow;         /* monotonic ns, 0 never */
    uint64_t deadline;     /* monotonic ns */
    uint64_t cpu_limit;    /* ns of the arming thread's processor time, 0 none,
                            * counted from cpu_start (clock_cpu()), which was
                            * read at started (clock_mono()) */
    uint64_t cpu_start;
    uint64_t started;
    /* When another process should kill this one: kill_grace after the
     * deadline, 0 once disarmed. NULL: nobody looks. */
    _Atomic uint64_t *kill_at;
    uint64_t kill_grace; /* ns */
    /*
     * Both run on the watchdog's thread and may not call the watchdog; either
     * may be NULL. last: JavaScript does not end. False: again soon.
     */
    void (*is_slow)(void *arg, struct engine *engine);
    bool (*last)(void *arg, struct engine *engine);
    void *arg;
};

/* By a thread. Inherits the caller's signal mask. */
void watchdog_start(void);
/*
 * By signals instead, for a process without threads and a single request:
 * last_words runs in the handler of SIGALRM at the deadline, and in that of
 * SIGPROF when the process has used cpu_limit; when it returns, again and
 * again. The other moments are not seen.
 */
void watchdog_start_alarm(void (*last_words)(int signal));

/* w is copied, and replaces what was armed. Without a start: nothing. */
void watchdog_arm(const struct watch *w);
/* After it returns nothing of the watch is touched. */
void watchdog_disarm(void);

#endif
