/*
 * fcgi_pass.c - connections that wait for a request change the process.
 *
 * A kept connection is anybody's who serves its socket. Who cannot serve it
 * for some time sends it, by unix(7) SCM_RIGHTS, into a queue that all of
 * them read: with one of them idle it is served at once, and no connection
 * that the web server counts on has to be closed.
 */
#include "base/log.h"
#include "base/pass.h"
#include "cgi/fcgi_parts.h"

#include <unistd.h>

/* What goes over beside each descriptor. */
struct passed {
    uint64_t since;
    uint64_t deadline;
};

/* Nothing of it is here but its descriptor. */
static bool movable(const struct fcgi_conn *c)
{
    return c->phase == CONN_IDLE && !fcgi_conn_buffered(c) && c->left == 0 &&
           c->padding == 0 && c->out.n == 0 && c->control.n == 0 &&
           c->broken == OK && !c->lost;
}

static bool give(int to, struct fcgi_conn *const *conns, size_t n)
{
    struct passed what[PASS_MOST];
    int fds[PASS_MOST];
    for (size_t i = 0; i < n; i++) {
        what[i] = (struct passed){conns[i]->since, conns[i]->deadline};
        fds[i] = conns[i]->fd;
    }
    return pass_send(to, what, n * sizeof what[0], fds, n) >= 0;
}

void fcgi_give(struct fcgi *f)
{
    struct fcgi_conn *some[PASS_MOST];
    size_t i = 0;
    while (f->give_fd >= 0 && i < f->size) {
        size_t n = 0;
        for (; i < f->size && n < PASS_MOST; i++)
            if (f->conns[i] != NULL && movable(f->conns[i]))
                some[n++] = f->conns[i];
        /* The queue is full, or nobody reads it any more: they stay. */
        if (n == 0 || !give(f->give_fd, some, n))
            return;
        for (size_t k = 0; k < n; k++)
            fcgi_drop(f, some[k], false);
    }
}

bool fcgi_queue_ended(const struct fcgi *f)
{
    struct pollfd p = {.fd = f->take_fd, .events = POLLRDHUP};
    return poll(&p, 1, 0) > 0;
}

bool fcgi_takes(struct fcgi *f)
{
    if (f->take_fd < 0 || fcgi_crowded(f))
        return false;
    /* Of an ended queue the rest is for who is there still. */
    return !f->draining || f->emptying || fcgi_queue_ended(f);
}

bool fcgi_take(struct fcgi *f)
{
    struct passed what[PASS_MOST];
    int fds[PASS_MOST];
    size_t count;
    bool cut;
    ssize_t got =
        pass_receive(f->take_fd, what, sizeof what, fds, &count, &cut);
    if (got < 0)
        return false;
    /* Without a byte it is the end, or a message that no worker of sound
     * mind has sent. */
    if (got == 0 && fcgi_queue_ended(f))
        f->take_fd = -1;
    if (cut)
        log_warn("FastCGI: no descriptor for a kept connection, which is "
                 "closed: raise rlimit_files");
    for (size_t i = 0; i < count; i++) {
        if (i >= (size_t)got / sizeof what[0]) {
            close(fds[i]); /* nothing was told about it */
            continue;
        }
        struct fcgi_conn *c = fcgi_hold(f, fds[i]);
        c->since = what[i].since;
        c->deadline = what[i].deadline;
    }
    return f->take_fd >= 0;
}
