/*
 * restab.c - places in one array; a number is a place and how often it was
 * used.
 */
#include "engine/restab.h"

#include <stdlib.h>

#define PLACE_BITS 16
#define PLACE_MASK (RESTAB_MAX - 1)
#define TURNS 0x7fff /* of a place; it is then left alone */

void restab_init(struct restab *t)
{
    *t = (struct restab){.free = -1};
}

void restab_close(struct restab *t)
{
    for (int32_t i = t->count; i-- > 0;)
        if (t->all[i].kind != NULL)
            t->all[i].kind->close(t->all[i].p);
    free(t->all);
    restab_init(t);
}

static bool grow(struct restab *t)
{
    int32_t room = t->room == 0 ? 16 : t->room * 2;
    if (room > RESTAB_MAX)
        return false;
    struct resource *all = realloc(t->all, (size_t)room * sizeof(*all));
    if (all == NULL)
        return false;
    t->all = all;
    t->room = room;
    return true;
}

int32_t restab_add(struct restab *t, const struct reskind *kind, void *p)
{
    int32_t i = t->free;
    if (i >= 0) {
        t->free = t->all[i].next;
    } else if (t->count < t->room || grow(t)) {
        i = t->count++;
        t->all[i].turn = 0;
    } else {
        kind->close(p);
        return 0;
    }
    struct resource *r = &t->all[i];
    r->kind = kind;
    r->p = p;
    r->turn++;
    return r->turn << PLACE_BITS | i;
}

static struct resource *find(const struct restab *t, int32_t id)
{
    int32_t i = id & PLACE_MASK;
    if (id <= 0 || i >= t->count)
        return NULL;
    struct resource *r = &t->all[i];
    return r->kind != NULL && r->turn == id >> PLACE_BITS ? r : NULL;
}

void *restab_get(const struct restab *t, const struct reskind *kind, int32_t id)
{
    struct resource *r = find(t, id);
    return r != NULL && r->kind == kind ? r->p : NULL;
}

void restab_drop(struct restab *t, int32_t id)
{
    struct resource *r = find(t, id);
    if (r == NULL)
        return;
    const struct reskind *kind = r->kind;
    void *p = r->p;
    r->kind = NULL;
    r->p = NULL;
    if (r->turn < TURNS) {
        r->next = t->free;
        t->free = id & PLACE_MASK;
    }
    kind->close(p);
}

const struct reskind *restab_kind(const struct restab *t, int32_t id)
{
    struct resource *r = find(t, id);
    return r != NULL ? r->kind : NULL;
}

size_t restab_kinds(const struct restab *t, struct reskind_count *out,
                    size_t max)
{
    size_t n = 0;
    for (int32_t i = 0; i < t->count; i++) {
        const struct reskind *kind = t->all[i].kind;
        size_t k = 0;
        while (k < n && out[k].kind != kind)
            k++;
        if (kind == NULL || k == max)
            continue;
        if (k == n)
            out[n++] = (struct reskind_count){.kind = kind};
        out[k].count++;
    }
    return n;
}
