/*
 * link.c - SOCK_SEQPACKET with descriptors beside the bytes, unix(7).
 */
#include "serve/link.h"

#include "base/pass.h"

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
    int fds[LINK_LOG_COUNT];
    size_t n = 0;
    memcpy(f.text, m->text, sizeof(f.text) - 1);
    for (unsigned i = 0; m->word == LINK_LOGS && i < LINK_LOG_COUNT; i++) {
        if (m->fd[i] < 0)
            continue;
        f.mask |= (unsigned char)(1u << i);
        fds[n++] = m->fd[i];
    }
    bool sent = pass_send(fd, &f, sizeof(f), fds, n) >= 0;
    explicit_bzero(f.text, sizeof(f.text)); /* a key, perhaps; keeps errno */
    return sent ? OK : failed();
}

/* Sorts the descriptors that came along; those nobody asked for are closed. */
static void take_fds(const int *fds, size_t n, unsigned mask,
                     struct link_message *m)
{
    unsigned next = 0;
    for (size_t i = 0; i < n; i++) {
        while (next < LINK_LOG_COUNT && (mask & 1u << next) == 0)
            next++;
        if (next < LINK_LOG_COUNT)
            m->fd[next++] = fds[i];
        else
            close(fds[i]);
    }
}

enum err link_receive(int fd, struct link_message *m)
{
    struct frame f;
    int fds[PASS_MOST];
    size_t n;
    bool cut;
    *m = (struct link_message){.fd = {-1, -1, -1}};
    ssize_t got = pass_receive(fd, &f, sizeof(f), fds, &n, &cut);
    if (got < 0)
        return failed();
    unsigned mask = got == sizeof(f) && f.word == LINK_LOGS ? f.mask : 0;
    take_fds(fds, n, mask, m);
    if (got == 0)
        return ERR_EOF;
    if (got != sizeof(f))
        return ERR_SYNTAX;
    m->word = (enum link_word)f.word;
    memcpy(m->text, f.text, sizeof(m->text) - 1);
    return OK;
}
