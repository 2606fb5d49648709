/*
 * transport_memory.c - see transport_memory.h.
 */
#include "cgi/transport_memory.h"

#include <string.h>

static enum err memory_read(struct transport *t, void *p, size_t max,
                            size_t *got)
{
    struct memory *m = (struct memory *)t;
    *got = m->body.n < max ? m->body.n : max;
    if (*got > 0)
        memcpy(p, m->body.p, *got);
    m->body = slice_from(m->body, *got);
    return OK;
}

static enum err memory_write(struct transport *t, const void *p, size_t n,
                             size_t *wrote)
{
    struct memory *m = (struct memory *)t;
    *wrote = 0;
    if (m->reply != NULL && buf_put(m->reply, p, n) != OK)
        return ERR_EOF;
    *wrote = n;
    return OK;
}

static enum err memory_end(struct transport *t, bool complete)
{
    ((struct memory *)t)->complete = complete;
    return OK;
}

static void memory_done(struct transport *t)
{
    (void)t;
}

static bool memory_gone(struct transport *t)
{
    (void)t;
    return false;
}

static const struct transport_ops memory_ops = {.read = memory_read,
                                                .write = memory_write,
                                                .end = memory_end,
                                                .done = memory_done,
                                                .gone = memory_gone};

void memory_init(struct memory *m, const char *const *params, struct slice body,
                 struct buf *reply)
{
    *m = (struct memory){.t = {.ops = &memory_ops,
                               .params = params,
                               .read_fd = -1,
                               .write_fd = -1,
                               .gone_fd = -1,
                               .name = "memory"},
                         .body = body,
                         .reply = reply};
}
