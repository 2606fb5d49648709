/*
 * fcgi_send.c - the sending side of a connection.
 *
 * Records go out by one sendmsg(2) each, header, content and padding; what
 * the socket did not take of a record is owed, and nothing may come between.
 */
#include "cgi/fcgi_conn.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

/* A reply up to this waits for its end, when the caller says it is near. */
#define HOLD (16u * 1024)

static enum err send_parts(struct fcgi_conn *c, struct iovec *iov, size_t parts,
                           size_t *sent)
{
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = parts};
    ssize_t n;
    do
        n = sendmsg(c->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n >= 0) {
        *sent = (size_t)n;
        return OK;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)
        return ERR_AGAIN;
    c->lost = true;
    return errno == EPIPE || errno == ECONNRESET ? ERR_EOF : ERR_IO;
}

/* Sends out, then n bytes that the record is owed; *took of those went. */
static enum err push(struct fcgi_conn *c, const char *p, size_t n, size_t *took)
{
    static char zeros[8];
    size_t padding = n > 0 && n == c->owed ? c->owed_padding : 0;
    struct iovec iov[3] = {
        {c->out.p, c->out.n}, {(void *)(uintptr_t)p, n}, {zeros, padding}};
    size_t sent = 0;

    *took = 0;
    if (c->out.n + n == 0)
        return OK;
    enum err e = send_parts(c, iov, 3, &sent);
    if (e != OK)
        return e;
    size_t first = sent < c->out.n ? sent : c->out.n;
    buf_skip(&c->out, first);
    sent -= first;
    *took = sent < n ? sent : n;
    sent -= *took;
    c->owed -= *took;
    if (n > 0 && c->owed == 0)
        return buf_put(&c->out, zeros, padding - sent);
    return OK;
}

/* Between two records: what had to wait goes first. */
static void boundary(struct fcgi_conn *c)
{
    buf_slice(&c->out, buf_view(&c->control));
    buf_clear(&c->control);
}

static void start_record(struct fcgi_conn *c, size_t n)
{
    n = n < FCGI_FULL_RECORD ? n : FCGI_FULL_RECORD;
    struct fcgi_record rec = {FCGI_STDOUT, c->id, (uint16_t)n, fcgi_padding(n)};
    unsigned char header[FCGI_HEADER_LEN];
    fcgi_header_write(header, rec);
    buf_put(&c->out, header, sizeof header);
    c->owed = n;
    c->owed_padding = rec.padding;
}

enum err fcgi_conn_write(struct fcgi_conn *c, const void *p, size_t n,
                         bool hold, size_t *wrote)
{
    const char *bytes = p;
    *wrote = 0;
    if (c->owed == 0)
        boundary(c);
    if (hold && c->owed == 0 && c->out.n + n <= HOLD) {
        if (n > 0)
            fcgi_put(&c->out, FCGI_STDOUT, c->id, (struct slice){p, n});
        *wrote = n;
        return c->out.err;
    }
    while (*wrote < n) {
        bool fresh = c->owed == 0;
        if (fresh)
            start_record(c, n - *wrote);
        if (c->out.err != OK)
            return c->out.err;
        size_t left = n - *wrote;
        size_t took = 0;
        enum err e =
            push(c, bytes + *wrote, left < c->owed ? left : c->owed, &took);
        *wrote += took;
        if (e == OK)
            continue;
        /* Nothing of the record went: the caller is bound to nothing. */
        if (e == ERR_AGAIN && fresh) {
            c->out.n -= FCGI_HEADER_LEN;
            c->owed = 0;
        }
        return e == ERR_AGAIN && *wrote > 0 ? OK : e;
    }
    return OK;
}

enum err fcgi_conn_flush(struct fcgi_conn *c)
{
    size_t none;
    if (c->owed == 0)
        boundary(c);
    /* Full: a peer that asks and never reads. Records were lost. */
    while (c->out.err == OK && c->out.n > 0) {
        enum err e = push(c, NULL, 0, &none);
        if (e != OK)
            return e;
    }
    return c->out.err;
}

enum err fcgi_conn_finish(struct fcgi_conn *c)
{
    if (c->owed > 0)
        return ERR_ORDER;
    boundary(c);
    fcgi_put(&c->out, FCGI_STDOUT, c->id, SLICE(""));
    fcgi_put_end(&c->out, c->id, FCGI_REQUEST_COMPLETE);
    return c->out.err;
}
