/*
 * pass.c - control messages of unix sockets.
 */
#include "base/pass.h"

#include <string.h>
#include <sys/socket.h>

union ancillary {
    char bytes[CMSG_SPACE(PASS_MOST * sizeof(int))];
    struct cmsghdr align;
};

ssize_t pass_send(int to, const void *p, size_t n, const int *fds, size_t count)
{
    union ancillary a;
    struct iovec iov = {(void *)p, n};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    must(count <= PASS_MOST);
    memset(&a, 0, sizeof a);
    if (count > 0) {
        msg.msg_control = a.bytes;
        msg.msg_controllen = CMSG_SPACE(count * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(count * sizeof(int));
        memcpy(CMSG_DATA(c), fds, count * sizeof(int));
    }
    return sendmsg(to, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

ssize_t pass_receive(int from, void *p, size_t max, int *fds, size_t *count,
                     bool *cut)
{
    union ancillary a;
    struct iovec iov = {p, max};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = a.bytes,
                         .msg_controllen = sizeof a.bytes};
    *count = 0;
    ssize_t got = recvmsg(from, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (got < 0)
        return got;
    *cut = (msg.msg_flags & MSG_CTRUNC) != 0;
    /* Who sends may have the kernel put others in front. */
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c != NULL;
         c = CMSG_NXTHDR(&msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        must(*count + n <= PASS_MOST);
        memcpy(fds + *count, CMSG_DATA(c), n * sizeof(int));
        *count += n;
    }
    return got;
}
