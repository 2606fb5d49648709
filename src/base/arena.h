/*
 * arena.h - memory that ends all at once: one request's, one configuration's.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/slice.h"

struct arena_block;
struct arena {
    struct arena_block *head;
    size_t used; /* bytes handed out, all blocks */
};

/* No memory is taken before the first allocation. */
void arena_init(struct arena *a);
/* Aligned for any object, zeroed. Dies when memory is out (small sizes). */
void *arena_alloc(struct arena *a, size_t n);
/* A NUL-terminated copy. */
char *arena_strdup(struct arena *a, struct slice s);
struct slice arena_slice(struct arena *a, struct slice s);
/* Ends everything allocated; one block is kept for the next use. */
void arena_reset(struct arena *a);
void arena_free(struct arena *a);

#endif
