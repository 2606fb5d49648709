/*
 * spool.c - the order of body and reply.
 */
#include "serve/spool.h"

#include <string.h>

#define PIECE (64u * 1024) /* bytes asked for at once */

static void came(struct spool *s, size_t got)
{
    s->left -= got < s->left ? got : s->left;
    if (got == 0 || s->left == 0)
        s->over = true;
}

static enum err op_read(struct transport *t, void *p, size_t max, size_t *got)
{
    struct spool *s = (struct spool *)t; /* t is its first member */
    *got = 0;
    s->reading = true;
    if (s->body.n > 0) {
        *got = s->body.n < max ? s->body.n : max;
        memcpy(p, s->body.p, *got);
        buf_skip(&s->body, *got);
        return OK;
    }
    if (s->over)
        return s->err;
    enum err e = s->inner->ops->read(s->inner, p, max, got);
    if (e == OK)
        came(s, *got);
    else if (e != ERR_AGAIN)
        spool_stop(s, e);
    return e;
}

static enum err op_write(struct transport *t, const void *p, size_t n,
                         size_t *wrote)
{
    struct spool *s = (struct spool *)t;
    *wrote = 0;
    s->blocked = s->reading && !s->over;
    if (s->blocked)
        return ERR_AGAIN;
    int was = atomic_load(&s->turn);
    if (was == TURN_OVER ||
        !atomic_compare_exchange_strong(&s->turn, &was, TURN_WRITES))
        return ERR_EOF; /* nobody but the last words would have taken it */
    enum err e = s->inner->ops->write(s->inner, p, n, wrote);
    atomic_store(&s->turn, TURN_BEGUN);
    return e;
}

enum err spool_last_words(struct spool *s, struct slice page)
{
    int was = atomic_load(&s->turn);
    if (was == TURN_OVER)
        return ERR_ORDER;
    if (was == TURN_WRITES ||
        !atomic_compare_exchange_strong(&s->turn, &was, TURN_OVER))
        return ERR_AGAIN;
    if (was != TURN_FRESH || s->inner->ops->last_words == NULL)
        return ERR_ORDER;
    return s->inner->ops->last_words(s->inner, page) ? OK : ERR_IO;
}

bool spool_silent(const struct spool *s)
{
    return atomic_load(&s->turn) == TURN_OVER;
}

/* Ending, and all else, is the handler's with the inner one. */
static const struct transport_ops ops = {.read = op_read, .write = op_write};

void spool_init(struct spool *s, struct transport *inner,
                const struct request *request, uint64_t max, bool early)
{
    *s = (struct spool){
        .t = *inner, .inner = inner, .left = UINT64_MAX, .reading = !early};
    s->t.ops = &ops;
    if (request->body == BODY_LENGTH)
        s->left = request->content_length;
    s->over = request->body == BODY_NONE || s->left == 0;
    buf_init(&s->body, max < SIZE_MAX - PIECE ? (size_t)max + PIECE : SIZE_MAX);
}

void spool_free(struct spool *s)
{
    buf_free(&s->body);
}

bool spool_holds(const struct spool *s)
{
    return s->blocked && !s->over;
}

bool spool_fill(struct spool *s)
{
    size_t before = s->body.n;
    while (!s->over) {
        size_t got = 0;
        enum err e = buf_reserve(&s->body, PIECE);
        if (e == OK)
            e = s->inner->ops->read(s->inner, s->body.p + s->body.n, PIECE,
                                    &got);
        if (e == ERR_AGAIN)
            break;
        if (e != OK) {
            spool_stop(s, e);
            break;
        }
        s->body.n += got;
        came(s, got);
    }
    return s->over || s->body.n > before;
}

void spool_stop(struct spool *s, enum err e)
{
    s->over = true;
    s->err = e;
}
