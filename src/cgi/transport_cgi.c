/*
 * transport_cgi.c - read(2) and write(2), but only where they cannot block.
 */
#include "cgi/transport_cgi.h"
#include "cgi/meta.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum kind { KIND_FILE, KIND_SOCKET, KIND_PIPE };

struct cgi {
    struct transport t;
    struct cgi_options o;
    enum kind in;
    enum kind out;
    bool bounded;  /* CONTENT_LENGTH is set */
    uint64_t left; /* body bytes not read, when bounded */
    bool ended;
};

static struct cgi *self(struct transport *t)
{
    return (struct cgi *)t; /* t is its first member */
}

static enum kind kind_of(int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return KIND_PIPE; /* poll(2) will tell */
    if (S_ISSOCK(st.st_mode))
        return KIND_SOCKET;
    return S_ISREG(st.st_mode) || S_ISBLK(st.st_mode) ? KIND_FILE : KIND_PIPE;
}

/* What poll(2) says of fd now. */
static short state(int fd, short events)
{
    struct pollfd pfd = {.fd = fd, .events = events};
    return poll(&pfd, 1, 0) > 0 ? pfd.revents : 0;
}

/* One read(2) that does not wait; negative with errno. */
static ssize_t take(struct cgi *x, void *p, size_t n)
{
    if (x->in == KIND_SOCKET)
        return recv(x->o.in, p, n, MSG_DONTWAIT);
    if (x->in == KIND_PIPE && state(x->o.in, POLLIN) == 0) {
        errno = EAGAIN;
        return -1;
    }
    return read(x->o.in, p, n);
}

static enum err op_read(struct transport *t, void *p, size_t max, size_t *got)
{
    struct cgi *x = self(t);
    *got = 0;
    if (x->ended)
        return ERR_ORDER;
    /* RFC 3875 4.2: no more than CONTENT_LENGTH bytes may be read. */
    if (x->bounded && max > x->left)
        max = (size_t)x->left;
    if (max == 0)
        return OK;
    ssize_t n = take(x, p, max);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
        return ERR_AGAIN;
    if (n < 0)
        return errno == ECONNRESET ? ERR_EOF : ERR_IO;
    if (n == 0)
        return x->bounded ? ERR_EOF : OK;
    *got = (size_t)n;
    if (x->bounded)
        x->left -= (size_t)n;
    return OK;
}

/*
 * One write(2) that does not wait. A pipe that is ready has room for
 * PIPE_BUF bytes, more could block.
 */
static ssize_t give(struct cgi *x, const char *p, size_t n)
{
    if (x->out == KIND_SOCKET)
        return send(x->o.out, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (x->out == KIND_PIPE) {
        if (state(x->o.out, POLLOUT) == 0) {
            errno = EAGAIN;
            return -1;
        }
        n = n < PIPE_BUF ? n : PIPE_BUF;
    }
    return write(x->o.out, p, n);
}

static enum err op_write(struct transport *t, const void *p, size_t n,
                         size_t *wrote)
{
    struct cgi *x = self(t);
    const char *bytes = p;
    *wrote = 0;
    if (x->ended)
        return ERR_ORDER;
    while (*wrote < n) {
        ssize_t m = give(x, bytes + *wrote, n - *wrote);
        if (m >= 0) {
            *wrote += (size_t)m;
            continue;
        }
        if (errno == EINTR)
            continue;
        if (errno == EAGAIN || errno == EWOULDBLOCK)
            return *wrote > 0 ? OK : ERR_AGAIN;
        return errno == EPIPE || errno == ECONNRESET ? ERR_EOF : ERR_IO;
    }
    return OK;
}

/*
 * The server has the whole reply once nobody holds the write end; what runs
 * on (waitUntil) must find a descriptor there all the same.
 */
static enum err op_end(struct transport *t, bool complete)
{
    struct cgi *x = self(t);
    enum err e = ERR_IO;
    (void)complete;
    if (x->ended)
        return ERR_ORDER;
    x->ended = true;
    t->read_fd = t->write_fd = t->gone_fd = -1;
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (null >= 0 && dup2(null, x->o.out) == x->o.out)
        e = OK;
    else
        close(x->o.out);
    if (null >= 0)
        close(null);
    return e;
}

static void op_done(struct transport *t)
{
    struct cgi *x = self(t);
    if (!x->ended)
        op_end(t, false);
    free(x);
}

static bool op_gone(struct transport *t)
{
    struct cgi *x = self(t);
    return !x->ended && (state(x->o.out, 0) & (POLLERR | POLLHUP)) != 0;
}

static bool op_last_words(struct transport *t, struct slice page)
{
    struct cgi *x = self(t);
    return !x->ended && give(x, page.p, page.n) == (ssize_t)page.n;
}

static const struct transport_ops ops = {op_read, op_write, op_end,
                                         op_done, op_gone,  op_last_words};

struct transport *cgi_open(const struct cgi_options *o)
{
    struct cgi *x = xalloc(sizeof *x);
    struct slice length = slice_of(meta_var(o->environment, "CONTENT_LENGTH"));
    x->o = *o;
    x->in = kind_of(o->in);
    x->out = kind_of(o->out);
    x->bounded = length.n > 0;
    /* A malformed length leaves 0: meta refuses the request anyway. */
    slice_u64(length, UINT64_MAX, &x->left);
    x->t.ops = &ops;
    x->t.params = o->environment;
    x->t.read_fd = o->in;
    x->t.write_fd = o->out;
    /* A socket may be the body's as well, and then readable for long. */
    x->t.gone_fd = x->out == KIND_PIPE ? o->out : -1;
    x->t.gone_events = POLLRDHUP; /* besides, as ever, POLLERR */
    x->t.name = "CGI";
    return &x->t;
}
