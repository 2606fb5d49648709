/*
 * scoreboard.h - what the processes of one pool are doing, in shared memory.
 *
 * A board is a memfd: a head that the supervisor writes, a page that the
 * monitor writes, and a page (struct slot) for each worker, which that worker
 * alone writes. It outlives every worker, and by its descriptor the
 * supervisor's own re-execution. A worker sees the rest read-only; but native
 * code in it can make its page grow over later slots of its pool (mremap(2)).
 * What a reader finds in another process's page is a claim and not a fact:
 * texts are bounded and ended here (slot_read) before anybody prints them, and
 * no process is signalled, nor a slot given away, because a page says so.
 *
 * The supervisor has one thread. A child inherits its mappings, so a worker
 * that joins one board loses all others.
 */
#ifndef SERVE_SCOREBOARD_H
#define SERVE_SCOREBOARD_H

#include "base/config.h"
#include "base/err.h"
#include "base/histogram.h"
#include "base/slice.h"

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

enum slot_state {
    SLOT_FREE,
    SLOT_STARTING,  /* not yet ready to accept */
    SLOT_IDLE,      /* waits for a request */
    SLOT_RUNNING,   /* has one */
    SLOT_FINISHING, /* the reply is out, waitUntil() goes on */
    SLOT_STOPPING,  /* accepts no more */
    SLOT_SAVING     /* the same, and writes its state */
};
/* "Idle", as php-fpm writes it where it has the state. */
const char *slot_state_name(enum slot_state s);

/* Counters of a worker, added up for its pool. The order is that of names. */
enum tally {
    TALLY_REQUESTS,
    TALLY_ERRORS,     /* replies of 500 to 599 */
    TALLY_COLD,       /* requests that waited for the application to load */
    TALLY_WARM,       /* requests that found it ready */
    TALLY_RESETS,     /* contexts and isolates made */
    TALLY_TERMINATED, /* requests ended at a limit */
    TALLY_SLOW,       /* written to the slow log */
    TALLY_ABORTED,    /* the client had gone */
    TALLY_LOG_LOST,   /* lines of any log that could not be written */
    TALLIES
};
/* "requests", ...: the end of OpenMetrics and JSON names. */
extern const char *const tally_names[TALLIES];

/* The request at hand, or the last one. Texts are cut, and NUL-ended. */
struct slot_request {
    uint64_t started;  /* monotonic ns */
    uint64_t duration; /* ns, once it has ended; 0 while it runs */
    uint64_t cpu;      /* the same, processor time */
    uint64_t length;   /* Content-Length, 0 unknown */
    char id[65];
    char method[16];
    char uri[512];
    char script[256];
    char user[65];
};

/*
 * Of a worker that keeps its state (child_place.state_out). It writes that
 * before it ends, whoever told it to: LINK_SAVE, LINK_LAST, a signal, or
 * max_requests. When all of it is synced, saved is set and it ends with
 * status 0; it ends so only then, or when nothing is in the file. Where the
 * state cannot be written, refusal and then refused are set; after LINK_SAVE
 * it serves on, else it ends with another status. An empty line on its stdout
 * makes the supervisor look.
 */
struct slot_state_kept {
    _Atomic uint64_t saved;   /* bytes; 0 not yet */
    _Atomic uint32_t refused; /* times */
    _Atomic bool asks;        /* the application wants it saved */
    _Atomic bool fresh;       /* what was read is of other code, and is not
                               * used: it is to be kept aside */
    uint64_t duration;        /* ns that saving took, there before saved */
    char refusal[512];        /* why, one sentence, there before refused */
};

struct slot {
    _Atomic uint32_t state;   /* enum slot_state */
    _Atomic uint32_t turn;    /* odd while request is being written */
    _Atomic uint64_t kill_at; /* monotonic ns when it hangs, 0 never */
    int32_t pid;
    uint64_t started;      /* real ns */
    uint64_t idle_since;   /* monotonic ns, of the last change to SLOT_IDLE */
    char image[65];        /* id of its image, there before SLOT_IDLE */
    _Atomic bool leaves;   /* takes no new connection from now on */
    _Atomic bool outdated; /* the application's files have changed */
    struct slot_request request;
    struct slot_state_kept kept;
    uint64_t tally[TALLIES];
    uint64_t heap_used, heap_total, buffers; /* bytes, of the last look */
    struct histogram latency; /* ns from the last parameter to the end */
};

/* What a pool with state does; the order is that of names. */
enum board_phase {
    BOARD_STATELESS,
    BOARD_RUNNING,
    BOARD_SAVING,      /* until the next worker is ready, if there is one */
    BOARD_HIBERNATING, /* until somebody comes */
    BOARD_PAUSED       /* until it is resumed */
};
/* "running", ...; "" of a pool without state. */
const char *board_phase_name(uint32_t phase);

/* Written by the supervisor only. */
struct board_head {
    char pool[65];
    char listen[128];
    char image[65]; /* id of the image, "" until a worker told */
    uint32_t pm;    /* enum pm_mode */
    uint32_t slots;
    uint32_t max_children;
    uint64_t started;                  /* real ns */
    uint64_t spawned, crashed, killed; /* workers, since started */
    uint64_t reloads;
    uint64_t max_active;           /* workers at once */
    uint64_t max_children_reached; /* times */
    uint64_t queue, max_queue;     /* connections that wait */
    uint64_t queue_size;           /* the backlog */
    uint64_t draining;             /* workers of before a reload */
    _Atomic uint32_t phase;        /* enum board_phase */
    _Atomic bool makes;            /* an image, and no worker starts before */
    uint64_t saved_at;             /* real ns of the state file, 0 none */
    uint64_t saved_bytes;          /* its size */
    uint64_t saved_in;             /* ns, 0 not known */
    uint64_t saves, save_failures; /* since started */
    uint64_t tally[TALLIES];       /* of workers that have ended */
    struct histogram latency;      /* the same */
};

/* Written by the monitor only. */
struct board_shed {
    _Atomic uint64_t count; /* connections answered with 503 */
};

struct board; /* a mapping of it in this process */

#define BOARD_SLOTS_MAX 65536

/*
 * A new board, all zero but the head's pool (cut to fit), slots and started.
 * ERR_RANGE: no slots, or over BOARD_SLOTS_MAX. ERR_IO, ERR_NOMEM: errno.
 */
enum err board_new(const char *pool, uint32_t slots, struct board **out);
/*
 * Maps the board of that descriptor and takes it; close-on-exec is set.
 * ERR_MISMATCH when it is none, or one of a build with other structures;
 * ERR_IO. On any error the descriptor is closed.
 */
enum err board_adopt(int fd, struct board **out);
/* Unmaps and closes; may be NULL. */
void board_free(struct board *b);
/* Close-on-exec is set; -1 after board_join() and board_watch(). */
int board_fd(const struct board *b);

/* Read-only after board_join() and board_watch(), but for what these give. */
struct board_head *board_head(struct board *b);
struct board_shed *board_shed(struct board *b);
uint32_t board_slots(const struct board *b);
struct slot *board_slot(struct board *b, uint32_t i); /* i < board_slots() */

/* The number of a slot that nobody has, now SLOT_STARTING with nothing in it;
 * -1: none. */
int board_claim(struct board *b);
/* The worker has ended: its tallies are added to the head, the slot freed. */
void board_release(struct board *b, uint32_t i);
/*
 * Moves what one board's head has counted to another's; what the workers of
 * from still do is added when they are released and it is called again.
 */
void board_carry(struct board *to, struct board *from);

/*
 * For a worker just forked: from now on b is read-only but for slot i, which
 * has this process's pid now and is lent until board_free(). The descriptor
 * is closed, and of all other boards of this process nothing is left but to
 * free them. To be called before chroot(2): where /proc is missing, the
 * other pages cannot be written by mistake, but by intent. ERR_IO; then b is
 * as it was.
 */
enum err board_join(struct board *b, uint32_t i, struct slot **out);
/* For the monitor: the same, with board_shed() in place of a slot. */
enum err board_watch(struct board *b);

/*
 * The worker's side, of its own slot and on one thread; s may be NULL for
 * all. Each does what its line says: no state and no tally changes with
 * another call. A turn of them all for a request costs about 0.2 us.
 */
void slot_set(struct slot *s, enum slot_state state); /* and idle_since */
void slot_begin(struct slot *s, const struct slot_request *r); /* copies r */
/* The request ended: its duration and cpu (ns), and the histogram. */
void slot_end(struct slot *s, uint64_t duration, uint64_t cpu);
void slot_count(struct slot *s, enum tally t);
void slot_add(struct slot *s, enum tally t, uint64_t n);
/* text into the member of a struct slot_request, cut; the rest is zero. */
#define slot_text(member, text) slot_cut((member), sizeof(member), (text))
void slot_cut(char *to, size_t size, struct slice text);

/*
 * A reader's: a copy with its texts ended and its state a known one. False
 * when the request was being written all the time: then request is blank,
 * and the rest is as good as ever.
 */
bool slot_read(const struct slot *s, struct slot *out);

#endif
