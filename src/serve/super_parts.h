/*
 * super_parts.h - what the super*.c files share, and nobody else includes.
 */
#ifndef SERVE_SUPER_PARTS_H
#define SERVE_SUPER_PARTS_H

#include "serve/background.h"
#include "serve/control.h"
#include "serve/crew.h"
#include "serve/handover.h"
#include "serve/pidfile.h"
#include "serve/super.h"

enum super_state {
    SUPER_RUNNING,
    SUPER_QUITTING, /* workers finish what they have */
    SUPER_STOPPING  /* and now only the request in flight */
};

/* What control clients wait for. */
enum ask {
    ASK_TEST,  /* a new configuration is tried, or waits for that */
    ASK_RENEW, /* workers are replaced */
    ASK_END,
    ASK_SAVE /* state is saved; the number is known to the next program */
};
struct asker {
    int client;
    enum ask what;
    const struct crew *only; /* whose state; NULL: that of all */
};
#define SUPER_ASKERS 16
/* Boards of earlier programs whose workers still finish. */
#define SUPER_BOARDS 1024

struct super {
    const struct super_setup *setup;
    struct config *config;
    struct crews all;
    struct loop loop;
    enum super_state state;
    int signal_fd;
    uint64_t started; /* monotonic ns */
    bool ready;       /* and everybody was told */

    struct listener status;
    struct control *control;
    bool control_kept; /* a test's, whose file is the supervisor's */
    struct pidfile pid;
    uint64_t monitor_at; /* monotonic ns before which none is started */

    struct handover left; /* what the program before left, and is not taken */
    struct board *old_board[SUPER_BOARDS]; /* of workers it left */
    size_t old_boards;
    uint64_t reloads;
    bool renewing;        /* old workers are being replaced */
    uint64_t renew_until; /* monotonic ns; after it that is said */
    struct child *test;   /* tries the new configuration */
    int tried;            /* its text, as the file may change; or -1 */
    bool again;           /* asked for while one is tried */
    struct asker asker[SUPER_ASKERS];
    size_t askers;

    uint64_t crash_since; /* monotonic ns of the first that counts */
    uint64_t crashes;
    uint64_t beat_at; /* monotonic ns of the next sign of life */
};

/* ---- super_open.c: what can fail ---------------------------------------- */

/* Sockets, names, logs, boards, control socket, pid file. Exit status. */
int super_open(struct super *s);
/* Closes all, and removes the files that are ours. */
void super_close(struct super *s);
/* super_open() failed after a re-execution: lives on with what was left. */
void super_fall_back(struct super *s);

/* ---- super_reload.c: another configuration, another program -------------- */

/* Takes over the workers that the program before left. */
void super_adopt(struct super *s);
/* Closes what was left and is not needed, and removes its files. */
void super_drop(struct super *s);
/* Tries the configuration, then executes the program anew. client: -1. */
void super_reload(struct super *s, int client);
/* The child that tries it has ended. */
void super_tested(struct super *s, struct child *test, int status);
/* Replaces all workers, or those of one pool, without a new program. */
void super_renew(struct super *s, struct crew *only, int client);
/* client waits for the end of that; -1 for nobody. only: see struct asker. */
void super_asked(struct super *s, int client, enum ask what,
                 const struct crew *only);
/* It has ended: who waits for it is told. */
void super_answer(struct super *s, enum ask what, bool ok, struct slice text);
/* Is the replacing over? Then who asked is told. */
void super_look_renewed(struct super *s, uint64_t now);

/* ---- super_control.c: what `snapcgi ctl` asks ---------------------------- */

enum err super_obey(void *arg, const struct control_request *q,
                    struct buf *out);

/* Who waits for a state to be saved, and need not any more, is told. */
void super_look_saved(struct super *s);

/* ---- super.c ------------------------------------------------------------- */

void super_stop(struct super *s);
void super_quit(struct super *s);
/* Opens all logs again; wrong takes a line for each that cannot be. */
enum err super_reopen(struct super *s, struct buf *wrong);
/* Why it cannot start: to the terminal, or the log if workers run already. */
void super_complain(const struct super *s, const char *text);
struct crew *super_crew(struct super *s, const char *name);

#endif
