/*
 * loop.c - poll(2) over a small table of watches.
 */
#include "base/loop.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#define ROOM_AT_FIRST 8

void loop_init(struct loop *l)
{
    *l = (struct loop){.count = 0};
}

void loop_free(struct loop *l)
{
    free(l->watches);
    free(l->fds);
    loop_init(l);
}

void loop_clear(struct loop *l)
{
    l->count = 0;
}

static void grow(struct loop *l)
{
    l->room = l->room == 0 ? ROOM_AT_FIRST : 2 * l->room;
    size_t n = (size_t)l->room;
    l->watches = xrealloc(l->watches, n * sizeof(*l->watches));
    l->fds = xrealloc(l->fds, n * sizeof(*l->fds));
}

static struct loop_watch *find(struct loop *l, int fd)
{
    for (int i = 0; i < l->count; i++)
        if (l->watches[i].fd == fd)
            return &l->watches[i];
    return NULL;
}

enum err loop_watch(struct loop *l, int fd, short events, loop_fn *fn,
                    void *arg)
{
    struct loop_watch *w = find(l, fd);
    if (events == 0) {
        if (w != NULL)
            *w = l->watches[--l->count];
        return OK;
    }
    if (w == NULL) {
        if (l->count == LOOP_MAX)
            return ERR_TOOBIG;
        if (l->count == l->room)
            grow(l);
        w = &l->watches[l->count++];
    }
    *w = (struct loop_watch){fd, events, fn, arg};
    return OK;
}

bool loop_empty(const struct loop *l)
{
    return l->count == 0;
}

/*
 * A callback may remove or replace watches, so each one is looked up again by
 * its descriptor before it is called. POLLNVAL is reported like the others:
 * a watch on a closed descriptor must not spin.
 */
static int dispatch(struct loop *l, int n)
{
    int called = 0;
    for (int i = 0; i < n; i++) {
        struct pollfd p = l->fds[i];
        struct loop_watch *w = p.revents != 0 ? find(l, p.fd) : NULL;
        if (w == NULL)
            continue;
        short got =
            (short)(p.revents & (w->events | POLLERR | POLLHUP | POLLNVAL));
        if (got == 0)
            continue;
        w->fn(w->arg, w->fd, got);
        called++;
    }
    return called;
}

enum err loop_wait(struct loop *l, uint64_t deadline)
{
    for (;;) {
        int n = l->count;
        for (int i = 0; i < n; i++)
            l->fds[i] = (struct pollfd){.fd = l->watches[i].fd,
                                        .events = l->watches[i].events};
        int got = poll(l->fds, (nfds_t)n, clock_poll_ms(deadline));
        if (got < 0)
            return errno == EINTR ? ERR_ABORTED : ERR_IO;
        if (got > 0) {
            if (dispatch(l, n) > 0)
                return OK;
        } else if (deadline != 0 && clock_mono() >= deadline) {
            return ERR_TIMEOUT;
        }
    }
}
