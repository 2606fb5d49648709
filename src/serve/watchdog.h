/*
 * watchdog.h - ends JavaScript that does not end by itself.
 *
 * One deadline is armed at a time: a worker serves one request at a time.
 * Arming costs no system call as long as deadlines are about equally far.
 */
#ifndef SERVE_WATCHDOG_H
#define SERVE_WATCHDOG_H

#include "base/err.h"

#include <stdint.h>

struct engine;

/* From engine_terminate() to the moment the connection is shut down. */
#define WATCHDOG_GRACE_NS (UINT64_C(2) * 1000 * 1000 * 1000)

/*
 * By a thread: at the deadline engine_terminate(), and WATCHDOG_GRACE_NS
 * later, when it was not disarmed, shutdown(2) of the connection, so that
 * the client is not kept waiting. Inherits the caller's signal mask.
 */
void watchdog_start(void);
/*
 * By SIGALRM instead, for a process without threads: last_words runs in the
 * signal handler at the deadline, and when it returns again and again.
 */
void watchdog_start_alarm(void (*last_words)(int signal));

/*
 * deadline: monotonic ns, replaces the one armed. engine: borrowed until
 * disarmed; fd may be -1. Without a start they do nothing.
 */
void watchdog_arm(struct engine *engine, int fd, uint64_t deadline);
/* After it returns neither engine nor fd is touched. */
void watchdog_disarm(void);

#endif
