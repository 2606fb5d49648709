/*
 * transport.h - one exchange's bytes, in and out, by CGI or FastCGI.
 *
 * Nothing here blocks for long: read and write say ERR_AGAIN, and the caller
 * waits with poll(2) on the descriptor named. A transport knows records and
 * descriptors, never what a variable means (that is meta.h).
 */
#ifndef CGI_TRANSPORT_H
#define CGI_TRANSPORT_H

#include "base/err.h"
#include "base/slice.h"

struct transport;

struct transport_ops {
    /*
     * Up to max bytes of the request's body into p. OK with *got 0 is the
     * end as the transport knows it; ERR_AGAIN: wait for read_fd; ERR_EOF:
     * the peer went away; ERR_ABORTED: it said so; ERR_IO.
     */
    enum err (*read)(struct transport *t, void *p, size_t max, size_t *got);
    /*
     * Sends up to n bytes, *wrote says how many (may be fewer). ERR_AGAIN
     * with *wrote 0: wait for write_fd. ERR_EOF: nobody reads any more.
     */
    enum err (*write)(struct transport *t, const void *p, size_t n,
                      size_t *wrote);
    /*
     * The reply is over. complete false shows the peer, as far as the
     * protocol can, that it was cut. Blocks for at most the write time-out.
     * After it only the memory of params is still valid, until done().
     */
    enum err (*end)(struct transport *t, bool complete);
    /* Lets go of everything, params too. */
    void (*done)(struct transport *t);
    /* True when the peer is seen to have gone; cheap, called after poll. */
    bool (*gone)(struct transport *t);
    /*
     * page (under 1000 bytes) as a whole reply and its end, when nothing of
     * one was written, by one send that does not wait and takes no memory.
     * From another thread than the others' too, while none of them but
     * read() is called; what is left then is end(), not complete. May be
     * NULL. False: it could not be sent.
     */
    bool (*last_words)(struct transport *t, struct slice page);
};

struct transport {
    const struct transport_ops *ops;
    const char *const *params; /* "NAME=value", NULL-ended; lent until done */
    int read_fd;  /* poll POLLIN before read; -1 when never needed */
    int write_fd; /* poll POLLOUT before write */
    /* poll(2) of it for gone_events shows an abort, ask gone() then; -1 when
     * none can. Not while it is waited for as read_fd: read() tells then. Both
     * are set by read() and gone(): look before each wait. */
    int gone_fd;
    short gone_events;
    const char *name; /* "CGI" or "FastCGI" */
    /* Set by the caller before the write that end() follows at once: a short
     * one may then wait and leave together with the end. */
    bool last;
};

#endif
