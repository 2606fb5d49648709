/*
 * spool.h - a transport that takes the whole body before it gives a reply.
 *
 * Apache's mod_cgid and mod_fcgid read nothing before all of the request is
 * written, and nginx sends no more of it once the reply has begun. A function
 * that answers while it reads would wait for them, and they for it. So: from
 * the first read on, what is written waits until the rest of the body has
 * come, in memory, and JavaScript goes on reading there.
 *
 * And there is one who may speak at a time: the watchdog's thread says the
 * last words of a request that does not end, and from then on no write of
 * the request's own gets through.
 */
#ifndef SERVE_SPOOL_H
#define SERVE_SPOOL_H

#include "base/buf.h"
#include "cgi/request.h"
#include "cgi/transport.h"

#include <stdatomic.h>

/* Who writes, and whether anything may be out. */
enum turn {
    TURN_FRESH,  /* nobody, and nothing is */
    TURN_WRITES, /* the request's thread is about it */
    TURN_BEGUN,  /* nobody, and something may be */
    TURN_OVER    /* nobody ever again: the last words were said */
};

struct spool {
    struct transport t;      /* what the exchange reads and writes */
    struct transport *inner; /* borrowed */
    struct buf body;         /* come, and not read yet */
    uint64_t left;           /* bytes still to come, when that is known */
    bool reading;            /* JavaScript has begun to */
    bool blocked;            /* a write is waiting */
    bool over;               /* nothing more comes */
    enum err err;            /* and why not, when it broke off */
    _Atomic int turn;        /* enum turn */
};

/*
 * max: bytes of a body. early: a reply to a body that was never read may go
 * out at once, since ending the exchange deals with the body; not so by CGI.
 */
void spool_init(struct spool *s, struct transport *inner,
                const struct request *request, uint64_t max, bool early);
void spool_free(struct spool *s);

/* A write waits for the body: poll inner->read_fd, then spool_fill(). */
bool spool_holds(const struct spool *s);
/* Reads what has come. True when that was something, or the end. */
bool spool_fill(struct spool *s);
/* The rest is waited for no longer: the reader gets e, the reply may go. */
void spool_stop(struct spool *s, enum err e);

/*
 * Any thread, while the exchange is not ended: page as the reply, when
 * nothing of one is out. Writes give ERR_EOF from now on. OK: it was sent;
 * ERR_ORDER: something was out, or the last words were said before; ERR_IO;
 * ERR_AGAIN: a write is on its way, nothing was done, try again soon.
 */
enum err spool_last_words(struct spool *s, struct slice page);
/* Have they been said? */
bool spool_silent(const struct spool *s);

#endif
