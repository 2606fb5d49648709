/*
 * fcgi_parts.h - the responder's own pieces: its table and its requests.
 *
 * Private to transport_fcgi.c, fcgi_pass.c and fcgi_request.c.
 */
#ifndef CGI_FCGI_PARTS_H
#define CGI_FCGI_PARTS_H

#include "cgi/fcgi_conn.h"
#include "cgi/fcgi_decode.h"
#include "cgi/fcgi_peers.h"
#include "cgi/transport_fcgi.h"

#include <poll.h>

struct fcgi {
    struct fcgi_options o;
    struct fcgi_peers peers;
    struct fcgi_decoder decoder;
    int take_fd; /* of the queue, -1 for none */
    int give_fd;
    struct fcgi_conn **conns; /* NULL where free */
    size_t size;              /* of conns: max_conns and a message's more */
    size_t held;              /* those that are not NULL */
    struct pollfd *poll;      /* room for them and three more */
    size_t *places;           /* whose entry of poll each is */
    size_t polled;            /* entries of both */
    size_t turn;              /* the place looked at first */
    uint64_t accept_after;    /* monotonic ns */
    size_t requests;          /* transports not done with */
    size_t max_head;          /* bytes of PARAMS content */
    bool draining;
    bool last;     /* nobody is left who would take a kept connection */
    bool emptying; /* draining, but who waits is accepted first */
};

/* Is there room for a message of connections, and somebody to serve them? */
bool fcgi_takes(struct fcgi *f);
/* Takes one message of connections out of the queue. False: there is none. */
bool fcgi_take(struct fcgi *f);
/* Will nobody put anything into the queue any more? False without one. */
bool fcgi_queue_ended(const struct fcgi *f);
/*
 * Are there more than max_conns, now that the longest idle ones have made
 * room? Then nobody is accepted, taken, or kept after a reply.
 */
bool fcgi_crowded(struct fcgi *f);
/* A new connection, which takes fd; f is not crowded, or was not when the
 * message was taken that fd is of. */
struct fcgi_conn *fcgi_hold(struct fcgi *f, int fd);
/* Is c a request's, so that nobody else may read from it? */
bool fcgi_in_request(const struct fcgi_conn *c);
/* Closes c and frees its place; cut as in fcgi_conn_free(). */
void fcgi_drop(struct fcgi *f, struct fcgi_conn *c, bool cut);
/*
 * Closing with bytes unread can destroy a reply on its way, so the peer is
 * listened to until it closes too.
 */
void fcgi_linger(struct fcgi *f, struct fcgi_conn *c);
/*
 * The parameters are here. OK gives the request; ERR_AGAIN: it was refused
 * and c is no longer a request's, or freed.
 */
enum err fcgi_start(struct fcgi *f, struct fcgi_conn *c,
                    struct transport **out);
/* Answers 431 (ERR_TOOBIG) or 400; the connection does not live on. */
void fcgi_refuse(struct fcgi *f, struct fcgi_conn *c, enum err e);

#endif
