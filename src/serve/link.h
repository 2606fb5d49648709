/*
 * link.h - the line from the supervisor to one of its workers.
 *
 * A pair of sockets whose messages are whole or not there. Its end tells the
 * worker that the supervisor has gone; signals do the rest (worker.h). What a
 * worker has to say stands in its slot (scoreboard.h).
 */
#ifndef SERVE_LINK_H
#define SERVE_LINK_H

#include "base/err.h"
#include "serve/state_key.h"

#include <stdint.h>

#define LINK_TEXT 64

enum link_word {
    LINK_LAST = 'L',  /* serve what waits at the socket, and end */
    LINK_LOGS = 'G',  /* write to these descriptors from now on */
    LINK_LEVEL = 'V', /* text is the least level of the log */
    /* Write the state that is kept, and end; text is a struct link_save. What
     * becomes of it stands in the slot (scoreboard.h). */
    LINK_SAVE = 'S'
};
#define LINK_CLOSE "close"

/*
 * How the next worker is to find it: the configuration may be another than
 * the one this worker has begun with. formed: 0, as this worker has always
 * done, for the key cannot be read or the pool has another file now; else
 * LINK_FORMED, and a program of another version that means something else by
 * it has another number.
 */
#define LINK_FORMED 1
struct link_save {
    char close[8];  /* LINK_CLOSE: as LINK_LAST does, and leave no connection
                     * to others; or empty */
    uint64_t limit; /* state_limit */
    uint8_t formed;
    uint8_t compress; /* 0, 1: zstd */
    uint8_t sealed;   /* 0, 1: with key */
    unsigned char key[STATE_KEY_N];
};
_Static_assert(sizeof(struct link_save) < LINK_TEXT, "it goes as a text");

/* The places of the descriptors of LINK_LOGS. */
enum link_log {
    LINK_ERROR_LOG,
    LINK_ACCESS_LOG,
    LINK_SLOW_LOG,
    LINK_LOG_COUNT
};

struct link_message {
    enum link_word word;
    char text[LINK_TEXT];   /* NUL-ended, may be empty; see LINK_SAVE */
    int fd[LINK_LOG_COUNT]; /* -1 for none; borrowed when sent, the
                             * receiver's own when received */
};

/*
 * Both ends are close-on-exec and do not block. The worker's only receives: a
 * descriptor that a hostile one sent would have to be closed by the
 * supervisor, and a socket's close(2) takes as long as its SO_LINGER says.
 */
enum err link_open(int *supervisor, int *worker);
/* ERR_AGAIN: the other side does not read; ERR_EOF: it has gone. */
enum err link_send(int fd, const struct link_message *m);
/* ERR_AGAIN: nothing there; ERR_EOF; ERR_SYNTAX: not a message of ours. */
enum err link_receive(int fd, struct link_message *m);

#endif
