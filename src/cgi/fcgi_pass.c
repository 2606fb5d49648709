/*
 * fcgi_pass.c - connections that wait for a request change the process.
 *
 * A kept connection is anybody's who serves its socket. Who cannot serve it
 * for some time sends it, by unix(7) SCM_RIGHTS, into a queue that all of
 * them read: with one of them idle it is served at once, and no connection
 * that the web server counts on has to be closed.
 */
#include "base/clock.h"
#include "base/log.h"
#include "cgi/fcgi_parts.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What goes over beside each descriptor. */
struct passed {
    uint64_t since;
    uint64_t deadline;
};

union ancillary {
    char bytes[CMSG_SPACE(FCGI_PASSED_AT_ONCE * sizeof(int))];
    struct cmsghdr align;
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
    struct passed what[FCGI_PASSED_AT_ONCE];
    union ancillary a;
    struct iovec iov = {what, n * sizeof(what[0])};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = a.bytes,
                         .msg_controllen = CMSG_SPACE(n * sizeof(int))};
    memset(&a, 0, sizeof a);
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(n * sizeof(int));
    for (size_t i = 0; i < n; i++) {
        what[i] = (struct passed){conns[i]->since, conns[i]->deadline};
        memcpy(CMSG_DATA(c) + i * sizeof(int), &conns[i]->fd, sizeof(int));
    }
    return sendmsg(to, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

void fcgi_give(struct fcgi *f)
{
    struct fcgi_conn *some[FCGI_PASSED_AT_ONCE];
    size_t i = 0;
    while (f->give_fd >= 0 && i < f->size) {
        size_t n = 0;
        for (; i < f->size && n < FCGI_PASSED_AT_ONCE; i++)
            if (f->conns[i] != NULL && movable(f->conns[i]))
                some[n++] = f->conns[i];
        /* The queue is full, or nobody reads it any more: they stay. */
        if (n == 0 || !give(f->give_fd, some, n))
            return;
        for (size_t k = 0; k < n; k++)
            fcgi_drop(f, some[k], false);
    }
}

/* Of descriptors that nothing was told about none stays open. */
static void adopt(struct fcgi *f, struct msghdr *msg, const struct passed *what,
                  size_t told)
{
    size_t at = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL;
         c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++, at++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
            if (at >= told) {
                close(fd);
                continue;
            }
            struct fcgi_conn *conn = fcgi_hold(f, fd);
            conn->since = what[at].since;
            conn->deadline = what[at].deadline;
        }
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
    struct passed what[FCGI_PASSED_AT_ONCE];
    union ancillary a;
    struct iovec iov = {what, sizeof what};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = a.bytes,
                         .msg_controllen = sizeof a.bytes};
    ssize_t got = recvmsg(f->take_fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0)
        return false;
    /* Without a byte it is the end, or a message that no worker of sound
     * mind has sent. */
    if (got == 0 && fcgi_queue_ended(f))
        f->take_fd = -1;
    if ((msg.msg_flags & MSG_CTRUNC) != 0)
        log_warn("FastCGI: no descriptor for a kept connection, which is "
                 "closed: raise rlimit_files");
    adopt(f, &msg, what, (size_t)got / sizeof what[0]);
    return f->take_fd >= 0;
}
