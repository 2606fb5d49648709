/*
 * transport_fcgi.h - a FastCGI responder: requests off one listening socket.
 *
 * One thread waits for new connections and kept ones together. Records are
 * checked and framed here, without ever blocking on a peer; libfcgi decodes
 * the parameters once they are known to be whole and sound.
 */
#ifndef CGI_TRANSPORT_FCGI_H
#define CGI_TRANSPORT_FCGI_H

#include "cgi/transport.h"

#include <stdint.h>

struct fcgi;

struct fcgi_options {
    int listen_fd;           /* borrowed; O_NONBLOCK is set on it */
    size_t max_conns;        /* held, new and kept, at least 1; for a moment
                              * there may be 32 more */
    uint64_t header_timeout; /* ns, from connect (or, on a kept connection,
                              * its first byte) to the last parameter */
    uint64_t write_timeout;  /* ns, the most end() blocks */
    bool no_keep;            /* close each connection after its reply */
    /* The two ends of a queue of connections between the processes of this
     * socket (SOCK_SEQPACKET): [0] to take from, [1] to give to. Borrowed;
     * NULL for none. */
    const int *queue;
    size_t max_params;            /* count; over it the reply is 431 */
    size_t max_param_bytes;       /* names and values together */
    const char *web_server_addrs; /* FCGI_WEB_SERVER_ADDRS or NULL: peers a
                                   * TCP connection may come from */
};

/*
 * ERR_RANGE for options out of their bounds, ERR_SYNTAX for an address list
 * that is none, ERR_IO. The signal dispositions are left as they were.
 */
enum err fcgi_open(const struct fcgi_options *o, struct fcgi **out);
/*
 * Waits for the next request whose parameters are all here. OK gives *out,
 * to be ended and done with by its ops. ERR_TIMEOUT: deadline (monotonic ns,
 * 0 for none) passed; ERR_ABORTED: wake_fd (-1 for none) is readable or a
 * signal came; ERR_EOF: draining and no connection left; ERR_IO: the
 * listening socket is of no use.
 */
enum err fcgi_next(struct fcgi *f, uint64_t deadline, int wake_fd,
                   struct transport **out);
/* Is somebody waiting now: a connection to accept, or bytes on one held? */
bool fcgi_pending(struct fcgi *f);
/*
 * Before something that takes long: who waits for no reply here is given to
 * the other processes. Those that nobody can take stay.
 */
void fcgi_give(struct fcgi *f);
/*
 * From now on nothing is accepted, and kept connections are given away; those
 * that nobody can take are closed. last: who waits at the listening socket
 * and in the queue by now is served first, and no connection is kept. Of a
 * queue that nobody gives to any more (shutdown(2) of its [1]) the rest is
 * served in either case.
 */
void fcgi_drain(struct fcgi *f, bool last);
/* Closes all connections; every transport is done with before. */
void fcgi_close(struct fcgi *f);

#endif
