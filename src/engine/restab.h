/*
 * restab.h - what JavaScript holds in C, as small integers.
 *
 * A native that makes something adds it and returns its number; JavaScript
 * gives the number back. A number is never used for two things, so an old one
 * finds nothing, and none is of two kinds. What is left when the realm ends is
 * closed then; what a script lets go of, js/resource.js drops.
 */
#ifndef ENGINE_RESTAB_H
#define ENGINE_RESTAB_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define RESTAB_MAX 65536 /* things at once */

struct reskind {
    const char *name;
    void (*close)(void *p); /* its end; may be called at any time */
};

struct resource {
    const struct reskind *kind; /* NULL: free */
    void *p;
    int32_t turn; /* how often this place was used */
    int32_t next; /* free place after this one, -1 none */
};

struct restab {
    struct resource *all; /* malloc'd, grows */
    int32_t count, room;
    int32_t free; /* first free place, -1 none */
};

/* A zeroed struct is not ready: free must be -1. */
void restab_init(struct restab *t);
/* Closes all there is, the newest first; t is as after restab_init(). */
void restab_close(struct restab *t);
/* takes p. Its number, above 0; 0 when the table is full, and p is closed. */
int32_t restab_add(struct restab *t, const struct reskind *kind, void *p);
/* Lends what has that number and kind, or NULL. */
void *restab_get(const struct restab *t, const struct reskind *kind,
                 int32_t id);
/* Closes what has that number; nothing when there is none. */
void restab_drop(struct restab *t, int32_t id);
/* The kind of what has that number, or NULL. */
const struct reskind *restab_kind(const struct restab *t, int32_t id);

struct reskind_count {
    const struct reskind *kind;
    size_t count;
};
/*
 * What there is, by kind: fills at most max of out, and returns how many it
 * filled. 0: the table is empty.
 */
size_t restab_kinds(const struct restab *t, struct reskind_count *out,
                    size_t max);

#endif
