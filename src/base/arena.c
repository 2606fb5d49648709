/*
 * arena.c - a list of blocks, the newest first; each serves from its start.
 */
#include "base/arena.h"

#include "base/err.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 4096

struct arena_block {
    struct arena_block *next;
    size_t cap;  /* bytes behind this head */
    size_t used; /* and of these handed out */
    alignas(max_align_t) char bytes[];
};

void arena_init(struct arena *a)
{
    *a = (struct arena){0};
}

static struct arena_block *block_new(size_t cap)
{
    struct arena_block *b = xalloc(sizeof(*b) + cap);
    b->cap = cap;
    return b;
}

void *arena_alloc(struct arena *a, size_t n)
{
    const size_t align = alignof(max_align_t);
    must(n <= SIZE_MAX - BLOCK_BYTES);
    size_t room = n == 0 ? align : (n + align - 1) / align * align;
    struct arena_block *b = a->head;
    if (b == NULL || b->cap - b->used < room) {
        b = block_new(room > BLOCK_BYTES ? room : BLOCK_BYTES);
        b->next = a->head;
        a->head = b;
    }
    void *p = b->bytes + b->used;
    b->used += room;
    a->used += room;
    return p;
}

char *arena_strdup(struct arena *a, struct slice s)
{
    char *p = arena_alloc(a, s.n + 1);
    if (s.n > 0)
        memcpy(p, s.p, s.n);
    return p;
}

struct slice arena_slice(struct arena *a, struct slice s)
{
    return (struct slice){arena_strdup(a, s), s.n};
}

void arena_free(struct arena *a)
{
    struct arena_block *b = a->head;
    while (b != NULL) {
        struct arena_block *next = b->next;
        free(b);
        b = next;
    }
    arena_init(a);
}

/* Keeps a block of the usual size: a big one would hold memory for good. */
void arena_reset(struct arena *a)
{
    struct arena_block *keep = NULL;
    struct arena_block **at = &a->head;
    while (keep == NULL && *at != NULL) {
        if ((*at)->cap == BLOCK_BYTES) {
            keep = *at;
            *at = keep->next;
        } else {
            at = &(*at)->next;
        }
    }
    arena_free(a);
    if (keep == NULL)
        return;
    memset(keep->bytes, 0, keep->used);
    keep->used = 0;
    keep->next = NULL;
    a->head = keep;
}
