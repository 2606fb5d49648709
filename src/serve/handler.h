/*
 * handler.h - one request from its first variable to its last byte.
 *
 * Only the sequence is here: what variables mean is meta.h, which file is
 * app.h, JavaScript is engine.h, bytes of the reply are body.h. What the
 * user sees on failure is decided here.
 */
#ifndef SERVE_HANDLER_H
#define SERVE_HANDLER_H

#include "base/arena.h"
#include "base/config.h"
#include "base/loop.h"
#include "cgi/response.h"
#include "cgi/transport.h"

struct pool;

struct handler {
    const struct pool_config *config; /* borrowed */
    struct pool *pool;                /* borrowed */
    struct response_rules rules;
    struct arena arena; /* of the request at hand */
    struct loop loop;   /* the same */
    int32_t rid;        /* of the last request */
    bool alone;         /* no thread of V8 works beside this one */
    /* Called before a reply is ended, the last moment to have its
     * connection closed after it; may be NULL. */
    void (*ending)(void *arg);
    void *arg;
};

/* alone: the engine runs in ENGINE_ONESHOT. */
void handler_init(struct handler *h, const struct pool_config *config,
                  struct pool *pool, bool alone);
void handler_free(struct handler *h);

/* Answers, ends and lets go of t; waits for waitUntil() promises after. */
void handler_run(struct handler *h, struct transport *t);

/* For engine_setup: a last 500 to the client whose request ended V8. */
void handler_fatal(const char *what);
/*
 * For the signal handler of a process that runs alone and out of time: the
 * bytes its client should still get, which are those left of a reply that is
 * whole, or a 504 when nothing is out. False: not now, ask again soon.
 */
bool handler_rest(struct slice *out);

#endif
