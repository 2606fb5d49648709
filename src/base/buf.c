/*
 * buf.c - grows by doubling up to the ceiling.
 */
#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 256

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_free(struct buf *b)
{
    free(b->p);
    buf_init(b, b->max);
}

void buf_clear(struct buf *b)
{
    b->n = 0;
    b->err = OK;
}

enum err buf_reserve(struct buf *b, size_t n)
{
    if (b->err != OK)
        return b->err;
    if (n > b->max - b->n)
        return b->err = ERR_TOOBIG;
    size_t need = b->n + n;
    if (need <= b->cap && b->p != NULL)
        return OK;
    size_t cap = b->cap > 0 ? b->cap : FIRST_CAP;
    while (cap < need)
        cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    if (cap > b->max) /* need fits, so the ceiling does */
        cap = b->max;
    char *p = realloc(b->p, cap > 0 ? cap : 1);
    if (p == NULL)
        return b->err = ERR_NOMEM;
    b->p = p;
    b->cap = cap;
    return OK;
}

enum err buf_put(struct buf *b, const void *p, size_t n)
{
    enum err e = buf_reserve(b, n);
    if (e != OK)
        return e;
    if (n > 0)
        memcpy(b->p + b->n, p, n);
    b->n += n;
    return OK;
}

enum err buf_puts(struct buf *b, const char *s)
{
    return buf_put(b, s, strlen(s));
}

enum err buf_putc(struct buf *b, char c)
{
    return buf_put(b, &c, 1);
}

enum err buf_slice(struct buf *b, struct slice s)
{
    return buf_put(b, s.p, s.n);
}

enum err buf_printf(struct buf *b, const char *fmt, ...)
{
    if (b->err != OK)
        return b->err;
    char small[512];
    char *text = small;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(small, sizeof(small), fmt, ap);
    va_end(ap);
    must(n >= 0);
    if ((size_t)n > b->max - b->n)
        return b->err = ERR_TOOBIG;
    if ((size_t)n >= sizeof(small)) {
        /* vsnprintf wants a place for its NUL, which the ceiling may lack. */
        text = malloc((size_t)n + 1);
        if (text == NULL)
            return b->err = ERR_NOMEM;
        va_start(ap, fmt);
        vsnprintf(text, (size_t)n + 1, fmt, ap);
        va_end(ap);
    }
    enum err e = buf_put(b, text, (size_t)n);
    if (text != small)
        free(text);
    return e;
}

void buf_skip(struct buf *b, size_t n)
{
    if (n >= b->n) {
        b->n = 0;
        return;
    }
    memmove(b->p, b->p + n, b->n - n);
    b->n -= n;
}

/* The NUL is no content and may stand one byte past the ceiling. */
const char *buf_str(struct buf *b)
{
    if (b->n == 0)
        return "";
    if (b->n == b->cap) {
        b->p = xrealloc(b->p, b->cap + 1);
        b->cap++;
    }
    b->p[b->n] = '\0';
    return b->p;
}

struct slice buf_view(const struct buf *b)
{
    return (struct slice){b->n > 0 ? b->p : NULL, b->n};
}
