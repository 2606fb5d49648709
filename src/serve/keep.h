/*
 * keep.h - the files of a kept state: FILE, FILE.new, and FILE.1 to FILE.N.
 *
 * A worker writes FILE.new; the supervisor makes FILE of it once that worker
 * has ended and said that all of it is on disk. FILE is only ever replaced in
 * one step, so it is whole whenever anything stops, and of the last save that
 * was finished. Older ones become FILE.1, FILE.2, ...
 *
 * What a worker says about its file is a claim, and its user may be able to
 * write in the folder: nothing here follows a link or trusts what it finds.
 *
 * FILE.new is locked (flock(2)) as long as the worker or the supervisor has it
 * open: whatever the path is called elsewhere, and whoever has started it,
 * there is one worker with the state.
 */
#ifndef SERVE_KEEP_H
#define SERVE_KEEP_H

#include "base/config.h"
#include "serve/identity.h"

struct keep {
    char path[CONFIG_STATE_PATH + 1]; /* FILE */
    unsigned older;                   /* FILE.1 to this one stay */
    bool change;                      /* files belong to uid, not to us */
    uid_t uid;
    gid_t gid;
    int lock; /* owned, of the FILE.new that is being written; -1 none */
};

/* Of a pool with state; id is that of its workers. */
void keep_init(struct keep *k, const struct pool_config *config,
               const struct identity *id);
/*
 * Can files be made beside FILE, and can FILE be used if it is there? Changes
 * nothing. ERR_NOTFOUND, ERR_ACCESS, ERR_IO, with a sentence.
 */
enum err keep_check(const struct keep *k, struct why *why);
/*
 * in: FILE to be read, -1 when there is none yet. out: FILE.new, empty, to be
 * written and read; a stale one is gone. Both are close-on-exec and the
 * caller's; -1 on an error. ERR_BUSY: another worker has it.
 */
enum err keep_open(struct keep *k, int *in, int *out, struct why *why);
/*
 * FILE.new becomes FILE and is *size bytes long. claimed: how many its writer
 * has told, 0 not known. aside: FILE is of other code, so it gets a name with
 * the time in it, and not FILE.1.
 *
 * ERR_CORRUPT: FILE.new is not what was written. ERR_IO: it is, and keeps the
 * name that is in the sentence. FILE is then as it was, or aside.
 */
enum err keep_commit(const struct keep *k, uint64_t claimed, bool aside,
                     uint64_t *size, struct why *why);
/* Removes FILE.new, if it is the one that keep_open() made. */
void keep_discard(const struct keep *k);
/* After either: another may have it. */
void keep_close(struct keep *k);
/* When FILE was written, real ns; 0: there is none. size (bytes) may be NULL.
 */
uint64_t keep_saved_at(const struct keep *k, uint64_t *size);

#endif
