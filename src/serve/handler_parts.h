/*
 * handler_parts.h - what the files of the handler share: one run of a request.
 *
 * Private to handler.c (the steps), handler_wait.c (JavaScript and what it
 * waits for) and handler_report.c (what others are told of it).
 */
#ifndef SERVE_HANDLER_PARTS_H
#define SERVE_HANDLER_PARTS_H

#include "serve/fault.h"
#include "serve/handler.h"
#include "serve/pool.h"
#include "serve/spool.h"

#include <limits.h>
#include <stdatomic.h>

enum slow {
    SLOW_NOT,   /* it is not, or nobody looked */
    SLOW_ASKED, /* its stack was asked for: engine_stack() */
    SLOW_WRITTEN
};

struct run {
    struct handler *h;
    struct transport *t;
    struct request req;
    struct spool spool; /* between the exchange and t */
    struct exchange x;
    struct seat *seat; /* NULL until the application is there */
    struct report rep;
    struct watch watch; /* as it is armed for the request */
    char id[17];
    char path[PATH_MAX]; /* the application's file, "" until it is known */
    char late[FAULT_PAGE_MAX]; /* replies of handler_rest() */
    char costly[FAULT_PAGE_MAX];

    uint64_t received;     /* real ns */
    uint64_t started;      /* monotonic ns */
    uint64_t cpu_start;    /* clock_cpu(), with cpu_limit or a slot */
    uint64_t system_start; /* ns of it in the kernel, for an access log */
    uint64_t deadline;     /* of the step at hand */
    uint64_t read_since;   /* waiting for the body since, 0 not */
    uint64_t write_since;  /* the client takes nothing since, 0 not */
    _Atomic int slow;      /* enum slow */
    bool open;             /* the transport was not ended */
    bool asked;            /* JavaScript knows of the request */
    bool gone;             /* the client has gone */
    bool told;             /* and JavaScript knows */
    bool readable;         /* read_fd was ready */
    bool stirred;          /* gone_fd was ready */
    bool timed;            /* a timer had the last turn, others are next */
    bool newsed;           /* and so had a fetch */
    bool ended;            /* at a limit of time or memory */
};

/* Can JavaScript still run? */
static inline bool run_can_go_on(const struct run *r)
{
    return engine_stopped(r->seat->engine) == STOP_NONE;
}

/* handler_wait.c */

enum err run_hook(struct run *r, enum hook which, int32_t arg);
typedef bool over_fn(struct run *r);
/*
 * Lets JavaScript run and wait until over() is true. ERR_TIMEOUT at the
 * deadline, and then the log says which fetches were waited for; ERR_EOF when
 * nothing is left to wait for; ERR_SCRIPT when it was stopped.
 */
enum err run_pump(struct run *r, over_fn *over);
/*
 * Sends what is ready, as long as the client takes some now and then and the
 * request has time; a fault that comes late has a write time-out. True when
 * the whole reply is out.
 */
bool run_drain(struct run *r);

/* handler_report.c */

/* Reads the clocks that the reports need; the request begins. */
void run_report_clocks(struct run *r);
/* The request is known as far as it will be: the scoreboard gets it. */
void run_report_begin(struct run *r);
/* Its reply is over: for the scoreboard, the access log and the log. */
void run_report_end(struct run *r, bool complete);
/* For the slow log, once a request: where JavaScript is, if that was asked. */
void run_report_stack(struct run *r, struct slice stack);
/* The same, when the request waits; now: monotonic ns. */
void run_report_wait(struct run *r, uint64_t now);
/* The stack that was asked for did not come. */
void run_report_no_stack(struct run *r);
/* When run_report_wait() has something to say, 0 never. */
uint64_t run_slow_at(const struct run *r);

#endif
