/*
 * fcgi_conn.c - the reading side of a connection, FastCGI 1.0 sections 3-6.
 */
#include "cgi/fcgi_conn.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* Names asked for in one GET_VALUES; three are known. */
#define MAX_QUERY 1024u
/* Answers and complaints a peer may leave unread. */
#define MAX_CONTROL (64u * 1024)
/* A reply held back for its end, and one record around it. */
#define MAX_OUT (FCGI_FULL_RECORD + MAX_CONTROL)

struct fcgi_conn *fcgi_conn_new(int fd, size_t max_head)
{
    struct fcgi_conn *c = xalloc(sizeof *c);
    c->fd = fd;
    buf_init(&c->head, max_head);
    buf_init(&c->out, MAX_OUT);
    buf_init(&c->control, MAX_CONTROL);
    return c;
}

void fcgi_conn_free(struct fcgi_conn *c, bool cut)
{
    /* Some servers take a plain close for a proper end; a reset they do not.
     * AF_UNIX ignores this. */
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    if (cut)
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(c->fd);
    buf_free(&c->head);
    buf_free(&c->out);
    buf_free(&c->control);
    free(c);
}

bool fcgi_conn_buffered(const struct fcgi_conn *c)
{
    return c->at < c->end;
}

bool fcgi_conn_full(const struct fcgi_conn *c)
{
    return c->end - c->at == sizeof c->in;
}

void fcgi_conn_reset(struct fcgi_conn *c)
{
    c->phase = CONN_IDLE;
    c->id = FCGI_NULL_REQUEST_ID;
    c->keep = c->aborted = false;
    c->deadline = 0;
    buf_clear(&c->head);
}

/* One recvmsg(2); *got is over 0 when OK. */
static enum err receive(struct fcgi_conn *c, struct iovec *iov, size_t parts,
                        size_t *got)
{
    struct msghdr msg = {.msg_iov = iov, .msg_iovlen = parts};
    ssize_t n;
    do
        n = recvmsg(c->fd, &msg, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n > 0) {
        *got = (size_t)n;
        return OK;
    }
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return ERR_AGAIN;
    c->lost = true;
    return n == 0 || errno == ECONNRESET ? ERR_EOF : ERR_IO;
}

enum err fcgi_conn_fill(struct fcgi_conn *c)
{
    /* What the parser leaves is a header or a short record at most. */
    if (c->at > 0) {
        memmove(c->in, c->in + c->at, c->end - c->at);
        c->end -= c->at;
        c->at = 0;
    }
    if (fcgi_conn_full(c))
        return OK;
    struct iovec iov = {c->in + c->end, sizeof c->in - c->end};
    size_t got = 0;
    enum err e = receive(c, &iov, 1, &got);
    c->end += got;
    return e;
}

bool fcgi_conn_discard(struct fcgi_conn *c)
{
    c->at = c->end = 0;
    enum err e = fcgi_conn_fill(c);
    c->at = c->end = 0;
    return e == OK || e == ERR_AGAIN;
}

/* ---- records ----------------------------------------------------------- */

static enum err begin(struct fcgi_conn *c, const unsigned char *body)
{
    int role = body[0] << 8 | body[1];
    bool keep = (body[2] & FCGI_KEEP_CONN) != 0;
    if (c->phase != CONN_IDLE) {
        if (c->rec.id == c->id)
            return ERR_SYNTAX;
        fcgi_put_end(&c->control, c->rec.id, FCGI_CANT_MPX_CONN);
        return OK;
    }
    if (role != FCGI_RESPONDER) {
        fcgi_put_end(&c->control, c->rec.id, FCGI_UNKNOWN_ROLE);
        return keep ? OK : ERR_EOF;
    }
    c->phase = CONN_PARAMS;
    c->id = c->rec.id;
    c->keep = keep;
    return OK;
}

/* The content of a management record, or of BEGIN_REQUEST, is here. */
static enum err whole(struct fcgi_conn *c, const unsigned char *p)
{
    if (c->rec.type == FCGI_BEGIN_REQUEST)
        return begin(c, p);
    return fcgi_put_values(&c->control,
                           (struct slice){(const char *)p, c->left});
}

static enum err request_aborted(struct fcgi_conn *c)
{
    if (c->phase != CONN_PARAMS) {
        c->aborted = true;
        return ERR_ABORTED;
    }
    bool keep = c->keep;
    fcgi_put_end(&c->control, c->id, FCGI_REQUEST_COMPLETE);
    fcgi_conn_reset(c);
    return keep ? OK : ERR_EOF;
}

static enum err stream(struct fcgi_conn *c)
{
    bool params = c->rec.type == FCGI_PARAMS;
    if (c->phase != (params ? CONN_PARAMS : CONN_STDIN))
        return ERR_SYNTAX;
    if (c->rec.length == 0)
        c->phase = params ? CONN_READY : CONN_ENDED;
    c->content = params ? CONTENT_PARAMS : CONTENT_STDIN;
    return OK;
}

/* Decides about the record whose header was read. */
static enum err record(struct fcgi_conn *c)
{
    c->content = CONTENT_SKIP;
    c->left = c->rec.length;
    c->padding = c->rec.padding;
    if (c->rec.type == FCGI_BEGIN_REQUEST) {
        c->content = CONTENT_WHOLE;
        return c->rec.id != 0 && c->left == 8 ? OK : ERR_SYNTAX;
    }
    if (c->rec.id == FCGI_NULL_REQUEST_ID) {
        if (c->rec.type != FCGI_GET_VALUES) {
            fcgi_put_unknown(&c->control, c->rec.type);
            return OK;
        }
        /* Without content it is answered at once. */
        if (c->left == 0)
            return fcgi_put_values(&c->control, SLICE(""));
        c->content = CONTENT_WHOLE;
        return c->left <= MAX_QUERY ? OK : ERR_SYNTAX;
    }
    /* Section 3.3: records of inactive requests are ignored. */
    if (c->phase == CONN_IDLE || c->rec.id != c->id)
        return OK;
    switch (c->rec.type) {
    case FCGI_ABORT_REQUEST:
        return request_aborted(c);
    case FCGI_PARAMS:
    case FCGI_STDIN:
        return stream(c);
    default:
        return ERR_SYNTAX;
    }
}

/* Eats content that is here and not the body's; ERR_AGAIN: more to come. */
static enum err content(struct fcgi_conn *c)
{
    const unsigned char *p = c->in + c->at;
    size_t here = c->end - c->at;
    size_t n = here < c->left ? here : c->left;
    enum err e = OK;

    if (c->content == CONTENT_WHOLE && n < c->left)
        return ERR_AGAIN;
    if (c->content == CONTENT_WHOLE)
        e = whole(c, p);
    else if (c->content == CONTENT_PARAMS)
        e = buf_put(&c->head, p, n);
    c->at += n;
    c->left -= n;
    if (e != OK)
        return e;
    return c->left > 0 ? ERR_AGAIN : OK;
}

/* Eats padding and then reads one header. */
static enum err next_header(struct fcgi_conn *c)
{
    size_t here = c->end - c->at;
    size_t n = here < c->padding ? here : c->padding;
    c->at += n;
    c->padding -= n;
    if (here - n < FCGI_HEADER_LEN)
        return ERR_AGAIN;
    if (!fcgi_header_read(c->in + c->at, &c->rec))
        return ERR_SYNTAX;
    c->at += FCGI_HEADER_LEN;
    return record(c);
}

enum err fcgi_conn_parse(struct fcgi_conn *c)
{
    bool over = c->phase == CONN_ENDED;
    while (c->broken == OK) {
        /* What follows the body may be the next request's. */
        if (c->phase == CONN_READY || (c->phase == CONN_ENDED && !over))
            return OK;
        if (c->left > 0 && c->content == CONTENT_STDIN)
            return OK;
        enum err e = c->left > 0 ? content(c) : next_header(c);
        if (e == OK && c->control.err != OK)
            e = ERR_SYNTAX; /* it asks and never reads the answers */
        if (e == ERR_AGAIN)
            return e;
        c->broken = e;
    }
    return c->broken;
}

/* ---- the body ---------------------------------------------------------- */

/* Content that is next, from the buffer or past it off the socket. */
static enum err take(struct fcgi_conn *c, void *p, size_t max, size_t *got)
{
    size_t want = max < c->left ? max : c->left;
    size_t here = c->end - c->at;
    if (here > 0) {
        *got = here < want ? here : want;
        memcpy(p, c->in + c->at, *got);
        c->at += *got;
        c->left -= *got;
        return OK;
    }
    c->at = c->end = 0;
    /* What follows the content may come in the same call. */
    struct iovec iov[2] = {{p, want}, {c->in, sizeof c->in}};
    size_t n = 0;
    enum err e = receive(c, iov, want == c->left ? 2 : 1, &n);
    *got = n < want ? n : want;
    c->left -= *got;
    c->end = n - *got;
    return e;
}

enum err fcgi_conn_read(struct fcgi_conn *c, void *p, size_t max, size_t *got)
{
    *got = 0;
    for (;;) {
        if (c->aborted)
            return ERR_ABORTED;
        if (c->phase == CONN_ENDED || max == 0)
            return OK;
        enum err e = fcgi_conn_parse(c);
        if (c->phase == CONN_ENDED)
            continue;
        if (e == ERR_AGAIN)
            e = fcgi_conn_fill(c);
        else if (e == OK && c->phase == CONN_STDIN)
            return take(c, p, max, got);
        if (e != OK)
            return e;
    }
}

void fcgi_conn_drain(struct fcgi_conn *c, size_t max)
{
    char waste[8192];
    size_t got = 0;
    size_t sum = 0;
    while (sum < max && c->phase == CONN_STDIN &&
           fcgi_conn_read(c, waste, sizeof waste, &got) == OK)
        sum += got;
}

/* Is there an abort behind what was received of the body? */
static bool abort_ahead(const struct fcgi_conn *c)
{
    struct fcgi_record rec;
    size_t at = c->at, skip = c->left + c->padding;
    while (c->end - at >= skip + FCGI_HEADER_LEN) {
        at += skip;
        if (!fcgi_header_read(c->in + at, &rec))
            return false; /* the reader will be told */
        if (rec.type == FCGI_ABORT_REQUEST && rec.id == c->id)
            return true;
        at += FCGI_HEADER_LEN;
        skip = (size_t)rec.length + rec.padding;
    }
    return false;
}

bool fcgi_conn_gone(struct fcgi_conn *c)
{
    struct pollfd pfd = {.fd = c->fd, .events = POLLIN | POLLRDHUP};
    if (c->aborted || c->lost)
        return true;
    if (poll(&pfd, 1, 0) > 0) {
        if ((pfd.revents & (POLLHUP | POLLERR | POLLRDHUP | POLLNVAL)) != 0) {
            c->lost = true;
        } else if (fcgi_conn_fill(c) == OK && c->phase == CONN_ENDED) {
            enum err e = fcgi_conn_parse(c);
            c->lost = e != OK && e != ERR_AGAIN;
        }
    }
    /* It may have come together with the request. */
    if (!c->lost && !c->aborted)
        c->aborted = abort_ahead(c);
    return c->lost || c->aborted;
}
