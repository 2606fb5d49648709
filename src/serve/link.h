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

#define LINK_TEXT 64

enum link_word {
    LINK_LAST = 'L',  /* serve what waits at the socket, and end */
    LINK_LOGS = 'G',  /* write to these descriptors from now on */
    LINK_LEVEL = 'V', /* text is the least level of the log */
    /* Write the state that is kept, and end; text LINK_CLOSE: as LINK_LAST
     * does, and leave no connection to others. What becomes of it stands in
     * the slot (scoreboard.h). */
    LINK_SAVE = 'S'
};
#define LINK_CLOSE "close"

/* The places of the descriptors of LINK_LOGS. */
enum link_log {
    LINK_ERROR_LOG,
    LINK_ACCESS_LOG,
    LINK_SLOW_LOG,
    LINK_LOG_COUNT
};

struct link_message {
    enum link_word word;
    char text[LINK_TEXT];   /* NUL-ended, may be empty */
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
