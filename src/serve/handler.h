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
#include "base/buf.h"
#include "base/config.h"
#include "base/loop.h"
#include "cgi/response.h"
#include "cgi/transport.h"
#include "engine/engine.h"

struct access;
struct pool;
struct seat;
struct sink;
struct slot;

struct handler {
    const struct pool_config *config; /* borrowed, as are the next five */
    struct pool *pool;
    struct slot *slot;           /* on the scoreboard, or NULL */
    const struct access *access; /* its form, or NULL: no access log */
    struct sink *access_sink;
    struct sink *slow;               /* the slow log, or NULL: the error log */
    uint64_t access_told, slow_told; /* of their lost lines, in the log */
    uint64_t lost;                   /* of all logs, counted in the slot */
    bool splits_cpu; /* the access log tells user from system time */
    struct response_rules rules;
    struct arena arena; /* of the request at hand */
    struct buf head;    /* of the reply at hand, for the access log */
    struct loop loop;   /* of the request at hand */
    int32_t rid;        /* of the last request */
    bool alone;         /* no thread of V8 works beside this one */
    /* Called before a reply is ended, the last moment to have its
     * connection closed after it; may be NULL. */
    void (*ending)(void *arg);
    /* Called after it, when work goes on without a client; may be NULL. */
    void (*lasting)(void *arg);
    void *arg;
};

/* alone: the engine runs in ENGINE_ONESHOT. What may be NULL is. */
void handler_init(struct handler *h, const struct pool_config *config,
                  struct pool *pool, bool alone);
void handler_free(struct handler *h);

/*
 * Answers, ends and lets go of t; waits for waitUntil() promises after. The
 * slot is SLOT_RUNNING, then SLOT_FINISHING, and is left so.
 */
void handler_run(struct handler *h, struct transport *t);

/*
 * Loads the application at path without a request, within request_timeout,
 * and waits for the fetches it has begun. Gives its seat, which is to go back
 * by pool_give(). On failure the report is in the log, and its first line in
 * why.
 */
enum err handler_load(struct handler *h, const char *path, struct seat **out,
                      struct why *why);

/*
 * Calls HOOK_PAUSE, HOOK_RESUME or HOOK_THAW in a seat whose host has `kept`,
 * and waits until it is over, at most request_timeout. Its sentence is in why.
 */
enum err handler_state(struct handler *h, struct seat *s, enum hook which,
                       struct why *why);

/* For engine_setup, and who else must end the process: a last 500 to the
 * client whose request is in progress on this thread. Takes no memory. */
void handler_fatal(const char *what);
/*
 * For the signal handler of a process that runs alone and out of time: the
 * bytes its client should still get, which are those left of a reply that is
 * whole, or a page when nothing is out: 500 if it was processor time, else
 * 504. False: not now, ask again soon.
 */
bool handler_rest(bool cpu, struct slice *out);

#endif
