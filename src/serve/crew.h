/*
 * crew.h - one pool in the supervisor: its socket, its board, its workers.
 */
#ifndef SERVE_CREW_H
#define SERVE_CREW_H

#include "base/buf.h"
#include "base/sink.h"
#include "serve/child.h"
#include "serve/listen.h"
#include "serve/pm.h"

/* What all crews share; owned by the supervisor. */
struct crews {
    struct config *config;
    struct crew *at;
    size_t count;
    struct child *children; /* of all, and the monitor and the test */
    struct loop *loop;
    child_main *work;
    child_main *make; /* a pool's image; gives enum crew_image */
};

/* What became of it. */
enum crew_image {
    CREW_IMAGE_SAME,
    CREW_IMAGE_NEW,
    CREW_IMAGE_NONE, /* the log says why */
    CREW_IMAGE_KILLED
};

/* What the worker of a pool with state has been told to save for. */
enum crew_wish {
    CREW_NOTHING,
    CREW_SAVE, /* and another starts at once */
    CREW_PAUSE,
    CREW_HIBERNATE,
    CREW_RENEW /* a reload or restart */
};

struct crew_state {
    bool paused;
    bool back;   /* one has saved and another is to start at once */
    bool waking; /* that one, or the one after a reload, is not ready */
    bool stays;  /* a reload could not save it: result says why */
    enum crew_wish wish;
    uint64_t told_at;  /* monotonic ns */
    uint64_t again_at; /* monotonic ns before which none is told by itself */
    bool done;         /* how the last wish ended: well? */
    char result[640];  /* and in words, without a line end */
};

struct crew {
    struct crews *all;
    const struct pool_config *config;
    struct listener listener;
    bool handed; /* by who started us, not opened here */
    /* A queue of connections that wait for a request while their worker is
     * busy or ends: taken from [0], given to [1] (cgi/fcgi_pass.c). Nobody
     * looks into it here: what a worker puts there may be anything. */
    int kept[2];
    struct identity identity;
    struct sink access;
    struct sink slow;
    struct board *board;
    struct pm pm;
    unsigned failures; /* starts in a row that came to nothing */
    uint64_t retry_at; /* monotonic ns before which none is started, 0 */
    bool watched;      /* ondemand: who comes to the socket wakes us */
    bool waiting;      /* and somebody came */
    bool last;         /* the last worker has been told, or is not needed */
    struct crew_state state; /* of a pool with state */
    bool image_due;          /* is to be made, or looked at */
    bool image_changed;      /* because workers have seen other code */
    bool image_killed;       /* the last maker was killed: it gets another */
    uint64_t image_at;       /* monotonic ns of the next try, 0 none */
    uint64_t image_pause;    /* ns before it where nothing runs without one;
                              * 0: there is one, or hope */
    uint64_t image_seen;     /* monotonic ns when one was last done, 0 never */
    struct child *maker;     /* does so; borrowed */
};

/*
 * A pool's logs, board and names, its listener being there already. On an
 * error crew_close() is still to be called.
 */
enum err crew_open(struct crew *c, struct crews *all, struct why *why);
/* Frees all but the listener. */
void crew_close(struct crew *c);

struct crew_count {
    struct pm_view view;
    unsigned leaving; /* told to go */
};
struct crew_count crew_count(const struct crew *c);

/*
 * Starts, stops and replaces workers as pm.h says. False in a child just
 * forked, with *status its life's exit status.
 */
bool crew_look(struct crew *c, uint64_t now, int *status);
/* The maker has ended with that wait(2) status. */
void crew_image_made(struct crews *all, const struct child *maker, int status);
/* Are its workers to be started only when its image has been made? */
bool crew_image_waits(const struct crew *c);
/* All its workers become old, to be replaced one by one. */
void crew_renew(struct crew *c);
/* One of its children has ended with that wait(2) status. */
void crew_lost(struct crew *c, const struct child *child, int status);
/* Opens the logs again, and tells the workers; wrong takes a line for each
 * that cannot be. */
void crew_reopen(struct crew *c, struct buf *wrong);
/* So many workers more, or fewer, at most; gives how many that are. */
unsigned crew_more(struct crew *c, int by);
/* Is something about to change, so that it should be looked at soon? */
bool crew_moves(const struct crew *c);
/* The number by which its listening socket is known, whatever its name. */
ino_t crew_socket(const struct crew *c);
/* Its workers serve what waits at the socket, and end. */
void crew_drain(struct crew *c);
/* After that: starts one if there was none to serve it. False in the child. */
bool crew_finish(struct crew *c, uint64_t now, int *status);

/* ---- crew_state.c: a pool with state = FILE ------------------------------ */

/*
 * Each begins what it says; when crew_saves() is false it is over, and
 * state.done and state.result say how. A pause lasts until crew_resume().
 */
void crew_pause(struct crew *c);
void crew_resume(struct crew *c);
void crew_save(struct crew *c);
bool crew_saves(const struct crew *c);
/* Is its worker, without an old one, there as far as there is to be one? */
bool crew_state_settled(const struct crew *c);
/*
 * A worker that keeps its state has ended with that wait(2) status, of a pool
 * or of none any more: what it has written becomes the state, or is gone. To
 * be called before its slot is released.
 */
void crew_state_ended(struct child *w, int status);

#endif
