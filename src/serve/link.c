/*
 * link.c - SOCK_SEQPACKET with descriptors beside the bytes, unix(7).
 */
#include "serve/link.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What goes over: the word, which descriptors come along, the text. */
struct frame {
    unsigned char word;
    unsigned char mask;
    char text[LINK_TEXT];
};

union ancillary {
    char bytes[CMSG_SPACE(LINK_LOG_COUNT * sizeof(int))];
    struct cmsghdr align;
};

enum err link_open(int *supervisor, int *worker)
{
    int pair[2];
    int type = SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK;
    if (socketpair(AF_UNIX, type, 0, pair) != 0)
        return ERR_IO;
    if (shutdown(pair[0], SHUT_RD) != 0) {
        close(pair[0]);
        close(pair[1]);
        return ERR_IO;
    }
    *supervisor = pair[0];
    *worker = pair[1];
    return OK;
}

static enum err failed(void)
{
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ||
        errno == ENOBUFS)
        return ERR_AGAIN;
    return errno == EPIPE || errno == ECONNRESET ? ERR_EOF : ERR_IO;
}

enum err link_send(int fd, const struct link_message *m)
{
    struct frame f = {.word = (unsigned char)m->word};
    union ancillary a;
    struct iovec iov = {&f, sizeof(f)};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    int fds[LINK_LOG_COUNT];
    size_t n = 0;
    memset(&a, 0, sizeof(a));
    memcpy(f.text, m->text, sizeof(f.text) - 1);
    for (unsigned i = 0; m->word == LINK_LOGS && i < LINK_LOG_COUNT; i++) {
        if (m->fd[i] < 0)
            continue;
        f.mask |= (unsigned char)(1u << i);
        fds[n++] = m->fd[i];
    }
    if (n > 0) {
        msg.msg_control = a.bytes;
        msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(n * sizeof(int));
        memcpy(CMSG_DATA(c), fds, n * sizeof(int));
    }
    return sendmsg(fd, &msg, MSG_NOSIGNAL) < 0 ? failed() : OK;
}

/* Sorts the descriptors that came along; those nobody asked for are closed. */
static void take_fds(struct msghdr *msg, unsigned mask, struct link_message *m)
{
    unsigned next = 0;
    struct cmsghdr *c = CMSG_FIRSTHDR(msg);
    if (c == NULL || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
        return;
    size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < n; i++) {
        int fd;
        memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
        while (next < LINK_LOG_COUNT && (mask & 1u << next) == 0)
            next++;
        if (next < LINK_LOG_COUNT)
            m->fd[next++] = fd;
        else
            close(fd);
    }
}

enum err link_receive(int fd, struct link_message *m)
{
    struct frame f;
    union ancillary a;
    struct iovec iov = {&f, sizeof(f)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = a.bytes,
                         .msg_controllen = sizeof(a.bytes)};
    *m = (struct link_message){.fd = {-1, -1, -1}};
    ssize_t got = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
    if (got < 0)
        return failed();
    if (got == 0)
        return ERR_EOF;
    unsigned mask = got == sizeof(f) && f.word == LINK_LOGS ? f.mask : 0;
    take_fds(&msg, mask, m);
    if (got != sizeof(f))
        return ERR_SYNTAX;
    m->word = (enum link_word)f.word;
    memcpy(m->text, f.text, sizeof(m->text) - 1);
    return OK;
}
