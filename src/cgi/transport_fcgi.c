/*
 * transport_fcgi.c - the table of connections, and the waiting for it.
 */
#include "cgi/transport_fcgi.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/pass.h"
#include "cgi/fcgi_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A rejected or unread peer gets this long to read its reply. */
#define LINGER_TIME (2 * NS_PER_S)
/* Without descriptors accept(2) is tried again after this. */
#define BACK_OFF (100 * NS_PER_MS)
/* Who was served so short a time ago may be asking just now. */
#define IDLE_LEAST (200 * NS_PER_MS)

/* ---- connections ------------------------------------------------------- */

bool fcgi_in_request(const struct fcgi_conn *c)
{
    return c->phase == CONN_READY || c->phase == CONN_STDIN ||
           c->phase == CONN_ENDED;
}

void fcgi_drop(struct fcgi *f, struct fcgi_conn *c, bool cut)
{
    for (size_t i = 0; i < f->size; i++)
        if (f->conns[i] == c)
            f->conns[i] = NULL;
    f->held--;
    fcgi_conn_free(c, cut);
}

struct fcgi_conn *fcgi_hold(struct fcgi *f, int fd)
{
    size_t i = 0;
    must(f->held < f->size);
    while (f->conns[i] != NULL)
        i++;
    f->held++;
    return f->conns[i] = fcgi_conn_new(fd, f->max_head);
}

void fcgi_linger(struct fcgi *f, struct fcgi_conn *c)
{
    fcgi_conn_flush(c);
    if (c->lost || shutdown(c->fd, SHUT_WR) != 0) {
        fcgi_drop(f, c, false);
        return;
    }
    c->phase = CONN_LINGER;
    c->since = clock_mono();
    c->deadline = c->since + LINGER_TIME;
}

/* Reads on in what was received. OK: *out is a request. */
static enum err advance(struct fcgi *f, struct fcgi_conn *c,
                        struct transport **out)
{
    enum err e = fcgi_conn_parse(c);
    if (e == OK)
        return fcgi_start(f, c, out);
    if (e == ERR_TOOBIG) {
        fcgi_refuse(f, c, e);
        return ERR_AGAIN;
    }
    if (e == ERR_AGAIN) {
        enum err sent = fcgi_conn_flush(c);
        bool begun = c->phase == CONN_PARAMS || fcgi_conn_buffered(c);
        if (begun && c->deadline == 0)
            c->deadline = clock_mono() + f->o.header_timeout;
        if (sent == OK || sent == ERR_AGAIN)
            return ERR_AGAIN;
    }
    if (e == ERR_SYNTAX)
        log_warn("FastCGI: malformed record, connection closed");
    fcgi_linger(f, c);
    return ERR_AGAIN;
}

/* Bytes, or the end, are at a connection outside a request. */
static enum err receive(struct fcgi *f, struct fcgi_conn *c,
                        struct transport **out)
{
    if (c->phase == CONN_LINGER) {
        if (!fcgi_conn_discard(c))
            fcgi_drop(f, c, false);
        return ERR_AGAIN;
    }
    enum err e = fcgi_conn_fill(c);
    if (e == OK || e == ERR_AGAIN)
        return advance(f, c, out);
    fcgi_drop(f, c, false);
    return ERR_AGAIN;
}

/* ---- accepting --------------------------------------------------------- */

/* Nothing has been heard of it for long, nor is it asking now. */
static bool silent(const struct fcgi_conn *c, uint64_t now)
{
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    return c->phase == CONN_LINGER ||
           (!fcgi_in_request(c) && !fcgi_conn_buffered(c) &&
            c->since + IDLE_LEAST <= now && poll(&p, 1, 0) == 0);
}

bool fcgi_crowded(struct fcgi *f)
{
    while (f->held > f->o.max_conns) {
        struct fcgi_conn *oldest = NULL;
        uint64_t now = clock_mono();
        for (size_t i = 0; i < f->size; i++) {
            struct fcgi_conn *c = f->conns[i];
            if (c != NULL && (oldest == NULL || c->since < oldest->since) &&
                silent(c, now))
                oldest = c;
        }
        if (oldest == NULL)
            return true;
        fcgi_drop(f, oldest, false);
    }
    return false;
}

/* Is the failure of accept4(2) the connection's, or passing? */
static enum err accept_failed(struct fcgi *f)
{
    switch (errno) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        log_warn("FastCGI: no descriptor or memory for a new connection: %s; "
                 "see rlimit_files, and LimitNOFILE= of the systemd unit",
                 strerror(errno));
        f->accept_after = clock_mono() + BACK_OFF;
        return ERR_AGAIN;
    case EBADF:
    case EINVAL:
    case ENOTSOCK:
    case EOPNOTSUPP:
        return ERR_IO;
    default:
        /* accept(2): pending network errors come out here. */
        return ERR_AGAIN;
    }
}

static enum err accept_one(struct fcgi *f, struct transport **out)
{
    struct sockaddr_storage from = {0};
    socklen_t len = sizeof from;
    int one = 1;
    if (fcgi_crowded(f))
        return ERR_AGAIN; /* by what was taken out of the queue just now */
    int fd =
        accept4(f->o.listen_fd, (struct sockaddr *)&from, &len, SOCK_CLOEXEC);
    if (fd < 0)
        return accept_failed(f);
    if (!fcgi_peers_allow(&f->peers, &from)) {
        log_warn("FastCGI: a peer not in FCGI_WEB_SERVER_ADDRS was refused");
        close(fd);
        return ERR_AGAIN;
    }
    if (from.ss_family == AF_INET || from.ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct fcgi_conn *c = fcgi_hold(f, fd);
    c->since = clock_mono();
    c->deadline = c->since + f->o.header_timeout;
    return receive(f, c, out);
}

/* ---- waiting ----------------------------------------------------------- */

/* When something is due without a word of c, monotonic ns; 0 for never. */
static uint64_t due(const struct fcgi *f, const struct fcgi_conn *c,
                    uint64_t now)
{
    uint64_t ripe = c->since + IDLE_LEAST;
    bool ripens = f->held > f->o.max_conns && ripe > now;
    return ripens && (c->deadline == 0 || ripe < c->deadline) ? ripe
                                                              : c->deadline;
}

/* Closes what is past its deadline; gives the next moment to look, or 0. */
static uint64_t expire(struct fcgi *f, uint64_t earliest)
{
    uint64_t now = clock_mono();
    for (size_t i = 0; i < f->size; i++) {
        struct fcgi_conn *c = f->conns[i];
        if (c == NULL || fcgi_in_request(c))
            continue;
        uint64_t then = due(f, c, now);
        if (c->deadline != 0 && c->deadline <= now)
            fcgi_drop(f, c, false);
        else if (then != 0 && (earliest == 0 || then < earliest))
            earliest = then;
    }
    if (f->accept_after > now && (earliest == 0 || f->accept_after < earliest))
        earliest = f->accept_after;
    return earliest;
}

static void add_poll(struct fcgi *f, size_t place, int fd, short events)
{
    f->places[f->polled] = place;
    f->poll[f->polled++] = (struct pollfd){.fd = fd, .events = events};
}

/*
 * Who is waited for, in the order of places from the one whose turn it is;
 * the listening socket has the place after all others. No more entries than
 * descriptors: poll(2) refuses more than RLIMIT_NOFILE.
 */
static void fill_poll(struct fcgi *f)
{
    size_t places = f->size + 1;
    bool accepting = (!f->draining || f->emptying) &&
                     f->accept_after <= clock_mono() && !fcgi_crowded(f);
    f->polled = 0;
    for (size_t k = 0; k < places; k++) {
        size_t i = (f->turn + k) % places;
        if (i == f->size) {
            if (accepting)
                add_poll(f, i, f->o.listen_fd, POLLIN);
            continue;
        }
        struct fcgi_conn *c = f->conns[i];
        if (c == NULL || fcgi_in_request(c))
            continue;
        bool sends = c->phase != CONN_LINGER && c->out.n > 0;
        add_poll(f, i, c->fd, sends ? POLLIN | POLLOUT : POLLIN);
    }
}

static struct pollfd queue_poll(struct fcgi *f)
{
    return (struct pollfd){.fd = fcgi_takes(f) ? f->take_fd : -1,
                           .events = POLLIN};
}

/* Serves what poll(2) showed at a connection, or the listening socket. */
static enum err serve_place(struct fcgi *f, size_t k, struct transport **out)
{
    size_t i = f->places[k];
    if (i < f->size)
        return f->conns[i] != NULL ? receive(f, f->conns[i], out) : ERR_AGAIN;
    return (f->poll[k].revents & POLLNVAL) != 0 ? ERR_IO : accept_one(f, out);
}

/*
 * Each place has its turn after the last's, and new connections have theirs:
 * busy kept ones must not keep them out.
 */
static enum err serve_ready(struct fcgi *f, struct transport **out)
{
    for (size_t k = 0; k < f->polled; k++) {
        if (f->poll[k].revents == 0)
            continue;
        f->turn = (f->places[k] + 1) % (f->size + 1);
        enum err e = serve_place(f, k, out);
        if (e != ERR_AGAIN)
            return e;
    }
    return ERR_AGAIN;
}

/* Requests that came whole behind the one before, on a kept connection. */
static enum err serve_buffered(struct fcgi *f, struct transport **out)
{
    for (size_t i = 0; i < f->size; i++) {
        struct fcgi_conn *c = f->conns[i];
        if (c != NULL && c->phase == CONN_IDLE && fcgi_conn_buffered(c) &&
            advance(f, c, out) == OK)
            return OK;
    }
    return ERR_AGAIN;
}

/* Kept ones that say nothing now, nor will find anybody later. */
static void close_kept(struct fcgi *f)
{
    for (size_t i = 0; i < f->size; i++) {
        struct fcgi_conn *c = f->conns[i];
        /* One with a deadline is new: its first request is on its way. */
        if (c == NULL || c->phase != CONN_IDLE || c->deadline != 0)
            continue;
        struct pollfd p = {.fd = c->fd, .events = POLLIN};
        if (!fcgi_conn_buffered(c) && poll(&p, 1, 0) == 0)
            fcgi_drop(f, c, false);
    }
}

/* Draining, and nobody is left who could be served. */
static bool drained(struct fcgi *f)
{
    struct pollfd p[2] = {{.fd = f->o.listen_fd, .events = POLLIN},
                          {.fd = f->take_fd, .events = POLLIN}};
    if (!f->draining)
        return false;
    if (!f->last)
        fcgi_give(f);
    close_kept(f);
    if (f->emptying && poll(p, 2, 0) <= 0)
        f->emptying = false;
    return !f->emptying && !fcgi_queue_ended(f) && f->held == 0;
}

enum err fcgi_next(struct fcgi *f, uint64_t deadline, int wake_fd,
                   struct transport **out)
{
    *out = NULL;
    enum err e = serve_buffered(f, out);
    while (e == ERR_AGAIN) {
        uint64_t until = expire(f, deadline);
        if (drained(f))
            return ERR_EOF;
        fill_poll(f);
        struct pollfd *more = f->poll + f->polled;
        more[0] = (struct pollfd){.fd = wake_fd, .events = POLLIN};
        more[1] = queue_poll(f);
        int ready = poll(f->poll, f->polled + 2, clock_poll_ms(until));
        if (ready < 0)
            return errno == EINTR ? ERR_ABORTED : ERR_IO;
        if (more[0].revents != 0)
            return ERR_ABORTED;
        if (more[1].revents != 0)
            fcgi_take(f);
        if (ready > 0)
            e = serve_ready(f, out);
        if (e == ERR_AGAIN && deadline != 0 && clock_mono() >= deadline)
            return ERR_TIMEOUT;
    }
    return e;
}

/* Leaves out who is only listened to; true when a request is here already. */
static bool fill_pending(struct fcgi *f)
{
    fill_poll(f);
    for (size_t k = 0; k < f->polled; k++) {
        size_t i = f->places[k];
        struct fcgi_conn *c = i < f->size ? f->conns[i] : NULL;
        f->poll[k].events = POLLIN;
        if (c != NULL && c->phase == CONN_LINGER)
            f->poll[k].fd = -1;
        if (c != NULL && c->phase == CONN_IDLE && fcgi_conn_buffered(c))
            return true;
    }
    return false;
}

bool fcgi_pending(struct fcgi *f)
{
    struct pollfd *queue;
    do {
        if (fill_pending(f))
            return true;
        queue = f->poll + f->polled;
        *queue = queue_poll(f);
        if (poll(f->poll, f->polled + 1, 0) <= 0)
            return false;
    } while (queue->revents != 0 && fcgi_take(f));
    return true;
}

/* ---- beginning and end ------------------------------------------------- */

enum err fcgi_open(const struct fcgi_options *o, struct fcgi **out)
{
    struct fcgi_peers peers;
    *out = NULL;
    if (o->max_conns < 1)
        return ERR_RANGE;
    enum err e = fcgi_peers_parse(o->web_server_addrs, &peers);
    if (e != OK)
        return e;
    /* Another worker may accept first what poll(2) showed to both. */
    int flags = fcntl(o->listen_fd, F_GETFL);
    if (flags < 0 || fcntl(o->listen_fd, F_SETFL, flags | O_NONBLOCK) != 0)
        return ERR_IO;
    struct fcgi *f = xalloc(sizeof *f);
    e = fcgi_decoder_open(&f->decoder);
    if (e != OK) {
        free(f);
        return e;
    }
    f->o = *o;
    f->take_fd = o->queue != NULL ? o->queue[0] : -1;
    f->give_fd = o->queue != NULL ? o->queue[1] : -1;
    f->peers = peers;
    /* A pair's two lengths are 8 bytes at most. */
    f->max_head = o->max_param_bytes + 8 * o->max_params;
    f->size = o->max_conns + PASS_MOST;
    f->conns = xalloc(f->size * sizeof *f->conns);
    f->poll = xalloc((f->size + 3) * sizeof *f->poll);
    f->places = xalloc((f->size + 1) * sizeof *f->places);
    *out = f;
    return OK;
}

void fcgi_drain(struct fcgi *f, bool last)
{
    f->emptying = f->emptying || (last && !f->last);
    f->last = f->last || last;
    f->draining = true;
}

void fcgi_close(struct fcgi *f)
{
    must(f->requests == 0);
    for (size_t i = 0; i < f->size; i++)
        if (f->conns[i] != NULL)
            fcgi_drop(f, f->conns[i], false);
    fcgi_decoder_close(&f->decoder);
    free(f->conns);
    free(f->poll);
    free(f->places);
    free(f);
}
