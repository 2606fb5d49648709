/*
 * line.h - one line of a log, of at most PIPE_BUF bytes, so that it can go out
 * in one write(2) that no other process's line comes into.
 *
 * No input forges a line, a column or a member: what could is escaped. What
 * does not fit is cut between two characters and says so by "...". The result
 * is UTF-8 whatever came in.
 */
#ifndef BASE_LINE_H
#define BASE_LINE_H

#include "base/slice.h"

#include <limits.h>

#define LINE_TAIL 8 /* bytes that only line_end() takes */

struct line {
    char text[PIPE_BUF];
    size_t n;
};

enum line_form {
    LINE_TEXT,   /* a line end is \n, what cannot be shown \xNN */
    LINE_QUOTED, /* what cannot be shown, " and \ are \xNN */
    LINE_COLUMN, /* the same, and a blank is \x20 */
    LINE_JSON    /* in a string (RFC 8259 7); not UTF-8: \ufffd a byte */
};

void line_begin(struct line *l);
/* Words of our own: as they are; what does not fit is left out. */
void line_put(struct line *l, const char *s);
void line_printf(struct line *l, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Words of others, in at most `most` bytes with their mark. */
void line_text(struct line *l, struct slice s, enum line_form form,
               size_t most);
/* A column: `none` for the empty text. */
void line_column(struct line *l, struct slice s, enum line_form form,
                 size_t most, const char *none);
/* A JSON string with its quotes, null for the empty text. */
void line_json(struct line *l, struct slice s, size_t most);
/* What closes the line: at most LINE_TAIL bytes in all. */
void line_end(struct line *l, const char *tail);

#endif
