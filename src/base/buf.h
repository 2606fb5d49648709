/*
 * buf.h - a growing byte buffer, born with a ceiling.
 *
 * Errors stick: after ERR_TOOBIG or ERR_NOMEM every append is refused with
 * the same status, so a writer may append many times and check once.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/err.h"
#include "base/slice.h"

struct buf {
    char *p;      /* owned by the buffer; moves when it grows */
    size_t n;     /* bytes used */
    size_t cap;   /* bytes allocated */
    size_t max;   /* the ceiling in bytes */
    enum err err; /* OK, or the first failure */
};

void buf_init(struct buf *b, size_t max);
void buf_free(struct buf *b);  /* and ready for use again, same ceiling */
void buf_clear(struct buf *b); /* empties, keeps the memory, forgets err */
enum err buf_put(struct buf *b, const void *p, size_t n);
enum err buf_puts(struct buf *b, const char *s);
enum err buf_putc(struct buf *b, char c);
enum err buf_slice(struct buf *b, struct slice s);
enum err buf_printf(struct buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Room for n more bytes at b->p + b->n; the caller then adds to b->n. */
enum err buf_reserve(struct buf *b, size_t n);
/* Drops the first n bytes. */
void buf_skip(struct buf *b, size_t n);
/* The content as a string, valid until the next call. Never NULL. */
const char *buf_str(struct buf *b);
/* The content; valid until the next change. */
struct slice buf_view(const struct buf *b);

#endif
