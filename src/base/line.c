/*
 * line.c - characters into a line, escaped, as far as they fit.
 */
#include "base/line.h"

#include "base/err.h"

#include <stdio.h>
#include <string.h>

#define CUT "..."
#define ROOM (sizeof(((struct line *)NULL)->text) - LINE_TAIL)
#define ESCAPED_MAX 8 /* bytes of one character: \xNN twice */

/* The bytes of the character at s, 0 when they are not UTF-8 (RFC 3629 4). */
static size_t character(struct slice s)
{
    const unsigned char *p = (const unsigned char *)s.p;
    unsigned char low = 0x80, high = 0xbf; /* of the second byte */
    size_t n;
    if (p[0] < 0x80)
        return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4)
        return 0;
    n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (p[0] == 0xe0)
        low = 0xa0; /* shorter forms exist */
    if (p[0] == 0xed)
        high = 0x9f; /* surrogates */
    if (p[0] == 0xf0)
        low = 0x90;
    if (p[0] == 0xf4)
        high = 0x8f; /* over U+10FFFF */
    if (s.n < n || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if (p[i] < 0x80 || p[i] > 0xbf)
            return 0;
    return n;
}

/* U+0080 to U+009F, which a terminal may obey. */
static bool is_control(struct slice s, size_t n)
{
    unsigned char c = (unsigned char)s.p[0];
    return n == 1 ? c < 0x20 || c == 0x7f
                  : n == 2 && c == 0xc2 && (unsigned char)s.p[1] < 0xa0;
}

/* The n bytes at p, which stand for nothing else than themselves. */
static size_t escape(const unsigned char *p, size_t n, bool valid,
                     enum line_form form, char out[ESCAPED_MAX + 1])
{
    size_t done = 0;
    if (p[0] == '\n' && form != LINE_QUOTED && form != LINE_COLUMN)
        return (size_t)sprintf(out, "\\n");
    if (form == LINE_JSON && (p[0] == '"' || p[0] == '\\'))
        return (size_t)sprintf(out, "\\%c", p[0]);
    if (form == LINE_JSON) /* U+0080 to U+009F end in their own code */
        return (size_t)sprintf(out, "\\u%04x", valid ? p[n - 1] : 0xfffdu);
    for (size_t i = 0; i < n; i++)
        done += (size_t)sprintf(out + done, "\\x%02x", p[i]);
    return done;
}

/* Takes the next character off s; gives the bytes it has in a line. */
static size_t next(struct slice *s, enum line_form form,
                   char out[ESCAPED_MAX + 1])
{
    const unsigned char *p = (const unsigned char *)s->p;
    size_t n = character(*s);
    bool valid = n > 0;
    bool plain = valid && !is_control(*s, n);
    if (p[0] == ' ')
        plain = form != LINE_COLUMN;
    if (p[0] == '"' || p[0] == '\\')
        plain = form == LINE_TEXT;
    if (!valid)
        n = 1;
    *s = slice_from(*s, n);
    if (!plain)
        return escape(p, n, valid, form, out);
    memcpy(out, p, n);
    return n;
}

void line_begin(struct line *l)
{
    l->n = 0;
}

void line_put(struct line *l, const char *s)
{
    size_t n = strlen(s);
    if (n > ROOM - l->n)
        return;
    memcpy(l->text + l->n, s, n);
    l->n += n;
}

void line_printf(struct line *l, const char *fmt, ...)
{
    char s[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(s, sizeof(s), fmt, ap);
    va_end(ap);
    line_put(l, s);
}

void line_text(struct line *l, struct slice s, enum line_form form, size_t most)
{
    char one[ESCAPED_MAX + 1];
    size_t end = most < ROOM - l->n ? l->n + most : ROOM;
    size_t last = l->n; /* where the mark would still fit */
    while (s.n > 0) {
        size_t n = next(&s, form, one);
        if (n > end - l->n) {
            l->n = last;
            if (end - last >= sizeof(CUT) - 1)
                line_put(l, CUT);
            return;
        }
        memcpy(l->text + l->n, one, n);
        l->n += n;
        if (end - l->n >= sizeof(CUT) - 1)
            last = l->n;
    }
}

void line_column(struct line *l, struct slice s, enum line_form form,
                 size_t most, const char *none)
{
    if (s.n == 0)
        line_put(l, none);
    else
        line_text(l, s, form, most);
}

void line_json(struct line *l, struct slice s, size_t most)
{
    if (s.n == 0) {
        line_put(l, "null");
        return;
    }
    line_put(l, "\"");
    line_text(l, s, LINE_JSON, most);
    line_put(l, "\"");
}

void line_end(struct line *l, const char *tail)
{
    size_t n = strlen(tail);
    must(n <= sizeof(l->text) - l->n);
    memcpy(l->text + l->n, tail, n);
    l->n += n;
}
