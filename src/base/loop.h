/*
 * loop.h - waits for descriptors and a moment, on one thread, with poll(2).
 *
 * A request waits for its connection and its subrequests, the supervisor for
 * its children and those who ask it something. The loop holds those watches;
 * timers are the caller's (it passes the next deadline).
 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include "base/err.h"

#include <stdint.h>

#define LOOP_MAX 65536 /* watches at once; more is ERR_TOOBIG */

/* events: POLLIN, POLLOUT, POLLRDHUP as poll(2) reported them. */
typedef void loop_fn(void *arg, int fd, short events);

struct pollfd;
struct loop_watch {
    int fd;
    short events;
    loop_fn *fn;
    void *arg;
};

struct loop {
    struct loop_watch *watches;
    struct pollfd *fds; /* of the wait at hand */
    int count;
    int room; /* in both, grows with what is watched */
};

void loop_init(struct loop *l);
void loop_free(struct loop *l);
void loop_clear(struct loop *l); /* no watch; keeps the memory */
/* Adds a watch for fd, or replaces the one there; events 0 removes it. */
enum err loop_watch(struct loop *l, int fd, short events, loop_fn *fn,
                    void *arg);
bool loop_empty(const struct loop *l);
/*
 * Waits until a watch fires or deadline (monotonic ns, 0 for none) and calls
 * what fired; callbacks may change watches. OK when something was called,
 * ERR_TIMEOUT at the deadline, ERR_ABORTED when a signal came, ERR_IO.
 */
enum err loop_wait(struct loop *l, uint64_t deadline);

#endif
