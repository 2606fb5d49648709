/*
 * sink.h - where log lines go: stderr, a file, syslog or the journal.
 *
 * A write never waits and never ends a request: what cannot be taken at once
 * is lost and counted. SIGPIPE and SIGXFSZ must be ignored.
 */
#ifndef BASE_SINK_H
#define BASE_SINK_H

#include "base/err.h"
#include "base/slice.h"

#include <stdint.h>

enum sink_kind { SINK_NONE, SINK_STDERR, SINK_FILE, SINK_SYSLOG, SINK_JOURNAL };

struct sink {
    enum sink_kind kind;
    int fd;           /* -1 when there is none */
    const char *path; /* of a file; borrowed */
    uint64_t lost;    /* lines */
    int error;        /* errno of the last one lost */

    bool socket;    /* the rest is sink.c's own */
    bool blocking;  /* the descriptor's flags are not ours to change */
    bool torn;      /* the last line is there in part */
    uint64_t retry; /* monotonic ns before which no connection is tried */
};

/* Before anything is opened: the process's stderr as it is. */
#define SINK_UNOPENED                                                          \
    {                                                                          \
        .kind = SINK_STDERR, .fd = 2, .blocking = true                         \
    }

/*
 * name: "stderr", "syslog", "journal" or a path, borrowed until sink_close.
 * ERR_IO with a sentence, and s is SINK_NONE. After it chroot(2) and a change
 * of user do no harm; but in a chroot a syslog that was started again is only
 * reached by a descriptor from outside: sink_use().
 */
enum err sink_open(struct sink *s, const char *name, struct why *why);
/* After logrotate: the old file stays in use when the new one fails. */
enum err sink_reopen(struct sink *s, struct why *why);
/*
 * Takes fd in place of the one it has: the same file or daemon's socket,
 * opened by another process's sink_open(), or a copy of stderr's descriptor.
 */
void sink_use(struct sink *s, int fd);
/* Leaves SINK_NONE. The process's own stderr stays open. */
void sink_close(struct sink *s);

/*
 * One write of the whole, or it is lost and false. Knows nothing of its form,
 * but that it is a line: what is left of one that a full disk cut is ended
 * before the next.
 */
bool sink_write(struct sink *s, const char *p, size_t n);

/* Why the last line was lost, in words. */
const char *sink_trouble(const struct sink *s);

#endif
