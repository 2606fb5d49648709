/*
 * pidfile.h - a file that holds the supervisor's process id, and a lock.
 *
 * The lock (fcntl(2)) says whether the id is true: it goes when the process
 * does, children do not have it, and a re-execution keeps it as long as the
 * descriptor stays open. Nothing else in the process may open the file: the
 * lock would go with the first descriptor closed.
 */
#ifndef SERVE_PIDFILE_H
#define SERVE_PIDFILE_H

#include "base/err.h"

struct pidfile {
    int fd;     /* -1: none; close-on-exec, to be handed over */
    char *path; /* owned */
    int owner;  /* the process that may remove it */
};

/*
 * Writes the id of this process to path, mode 0644. One left over is
 * replaced. ERR_BUSY when a process that lives holds it, or when what is
 * there is no pid file; ERR_IO. On an error p->fd is -1.
 */
enum err pidfile_open(struct pidfile *p, const char *path, struct why *why);
/*
 * Takes the descriptor of before a re-execution. When the file at path is
 * another by now, or none, fd is closed and path opened as above.
 */
enum err pidfile_take(struct pidfile *p, const char *path, int fd,
                      struct why *why);
/* Removes the file if it is ours, and closes it. Nothing when fd is -1. */
void pidfile_close(struct pidfile *p);

#endif
