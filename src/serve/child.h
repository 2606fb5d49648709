/*
 * child.h - a process that the supervisor started.
 *
 * Its life goes one way: starting, ready, draining, ending, killed. Each
 * step that takes too long is followed by the next.
 */
#ifndef SERVE_CHILD_H
#define SERVE_CHILD_H

#include "base/buf.h"
#include "base/loop.h"
#include "serve/confine.h"
#include "serve/link.h"
#include "serve/scoreboard.h"

#include <sys/types.h>

struct crew;
struct keep;
struct sink;

enum child_kind {
    CHILD_WORKER,
    CHILD_MONITOR,
    CHILD_TEST, /* tries a new configuration */
    CHILD_MAKER /* makes a pool's image */
};

enum child_stage {
    CHILD_STARTING,
    CHILD_READY,
    CHILD_DRAINING, /* SIGQUIT: finishes what it has begun */
    CHILD_ENDING,   /* SIGTERM: only the request in flight */
    CHILD_KILLED    /* SIGKILL */
};

/* From SIGTERM to SIGKILL. */
#define CHILD_END_NS (UINT64_C(1000) * 1000 * 1000)

struct child {
    struct child *next;
    enum child_kind kind;
    enum child_stage stage;
    pid_t pid;
    bool old;            /* of before a reload or restart: to be replaced */
    uint64_t started;    /* monotonic ns */
    uint64_t until;      /* monotonic ns of the next harder signal, 0 none */
    struct crew *crew;   /* NULL: its pool is no more */
    char pool[65];       /* "" when it is no worker */
    struct board *board; /* borrowed; NULL: made by another build */
    int slot;
    ino_t socket;      /* of the listening socket; 0 not known */
    struct keep *keep; /* owned; the files of its state, NULL: it keeps none */
    uint32_t refused;  /* times it could not write it, as far as looked at */
    uint64_t grace;    /* ns from SIGTERM to SIGKILL */
    int link;          /* owned; -1 none */
    int output;        /* read end of its stdout and stderr, owned */
    struct buf said;   /* of its last line, without the end so far */
    struct buf words;  /* all that a test said */
    struct loop *loop; /* that watches both */
};

/* What a worker is given by the supervisor; all borrowed. */
struct child_place {
    const struct pool_config *config;
    const struct identity *identity;
    struct board *board;
    int slot;
    int listen_fd;
    const int *kept; /* the crew's (crew.h) */
    int link;
    struct sink *access; /* open, or of kind SINK_NONE */
    struct sink *slow;   /* the same */
    int state_in;        /* the state to go on from, -1: there is none */
    int state_out;       /* where to write it; -1: none is kept */
    pid_t parent;
};

/* For the child's own process: its life; gives the exit status. */
typedef int child_main(const struct child_place *place);

/* A child that was not forked yet, first in *list. */
struct child *child_new(struct child **list, struct loop *loop,
                        enum child_kind kind, const char *pool);
/*
 * Forks. 0 in the child: its link is then its own end, its stdout and stderr
 * go to the parent, log lines to where the parent's go, and it ends with the
 * parent. stdin is nothing, but to a test, which may find a socket there. -1:
 * errno tells, and the child is still there to be freed.
 */
pid_t child_fork(struct child *c);
/* Watches a child handed over: link and output are set. */
void child_watch(struct child *c);
/* What it has said by now, and nobody has read. */
void child_hear(struct child *c);
/* Takes it out of *list; what it said last is logged. */
void child_free(struct child **list, struct child *c);

/* Has it been told to go? */
bool child_leaves(const struct child *c);
/* Draining: last says to serve first what waits at the socket. */
void child_drain(struct child *c, bool last, uint64_t timeout);
void child_end(struct child *c);
void child_kill(struct child *c);
/* The next step, when this one has lasted too long. */
void child_look(struct child *c, uint64_t now);
/* The log's level has changed. */
void child_tell_level(const struct child *c, const char *level);
/* The log's words for how it ended: wait(2)'s status. */
void child_log_end(const struct child *c, int status);
/* A signal that a defect sends and an administrator does not. */
bool child_crashed(int status);

#endif
