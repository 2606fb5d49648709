/*
 * json.c - commas and escapes; and the other way, with a limit to depth.
 */
#include "base/json.h"

#include "base/line.h"

#include <inttypes.h>
#include <string.h>

#define PIECE 512     /* bytes that line_text() makes at most 6 each of */
#define DEPTH_MAX 64u /* of what is skipped */

/* ---- writing ------------------------------------------------------------ */

static bool continues(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

void json_text(struct buf *out, struct slice s)
{
    struct line l;
    buf_putc(out, '"');
    while (s.n > 0) {
        size_t n = s.n < PIECE ? s.n : PIECE;
        for (int i = 0; i < 3 && n < s.n && continues(s.p[n]); i++)
            n--; /* not through a character */
        line_begin(&l);
        line_text(&l, (struct slice){s.p, n}, LINE_JSON, sizeof l.text);
        buf_put(out, l.text, l.n);
        s = slice_from(s, n);
    }
    buf_putc(out, '"');
}

static void put_name(struct json *j, const char *name)
{
    if (j->more)
        buf_putc(j->out, ',');
    j->more = true;
    if (name == NULL)
        return;
    json_text(j->out, slice_of(name));
    buf_putc(j->out, ':');
}

void json_begin(struct json *j, const char *name, char bracket)
{
    put_name(j, name);
    buf_putc(j->out, bracket);
    j->more = false;
}

void json_end(struct json *j, char bracket)
{
    buf_putc(j->out, bracket);
    j->more = true;
}

void json_slice(struct json *j, const char *name, struct slice s)
{
    put_name(j, name);
    json_text(j->out, s);
}

void json_string(struct json *j, const char *name, const char *s)
{
    json_slice(j, name, slice_of(s));
}

void json_maybe(struct json *j, const char *name, const char *s)
{
    put_name(j, name);
    if (s == NULL || s[0] == '\0')
        buf_puts(j->out, "null");
    else
        json_text(j->out, slice_of(s));
}

void json_number(struct json *j, const char *name, uint64_t n)
{
    put_name(j, name);
    buf_printf(j->out, "%" PRIu64, n);
}

void json_bool(struct json *j, const char *name, bool b)
{
    put_name(j, name);
    buf_puts(j->out, b ? "true" : "false");
}

/* ---- reading ------------------------------------------------------------ */

static void blanks(struct json_in *in)
{
    while (in->rest.n > 0 && strchr(" \t\r\n", in->rest.p[0]) != NULL &&
           in->rest.p[0] != '\0')
        in->rest = slice_from(in->rest, 1);
}

bool json_take(struct json_in *in, char c)
{
    blanks(in);
    if (in->rest.n == 0 || in->rest.p[0] != c)
        return false;
    in->rest = slice_from(in->rest, 1);
    return true;
}

static bool hex4(struct json_in *in, uint32_t *out)
{
    if (in->rest.n < 4)
        return false;
    *out = 0;
    for (int i = 0; i < 4; i++) {
        char c = ascii_lower(in->rest.p[i]);
        if (!ascii_digit(c) && (c < 'a' || c > 'f'))
            return false;
        *out = *out * 16 + (uint32_t)(ascii_digit(c) ? c - '0' : c - 'a' + 10);
    }
    in->rest = slice_from(in->rest, 4);
    return true;
}

static void put_utf8(struct buf *out, uint32_t c)
{
    if (c >= 0xd800 && c <= 0xdfff)
        c = 0xfffd; /* half of a pair */
    if (c < 0x80) {
        buf_putc(out, (char)c);
        return;
    }
    if (c >= 0x10000) {
        buf_putc(out, (char)(0xf0 | c >> 18));
        buf_putc(out, (char)(0x80 | (c >> 12 & 0x3f)));
    } else if (c >= 0x800) {
        buf_putc(out, (char)(0xe0 | c >> 12));
    }
    if (c >= 0x800)
        buf_putc(out, (char)(0x80 | (c >> 6 & 0x3f)));
    else
        buf_putc(out, (char)(0xc0 | c >> 6));
    buf_putc(out, (char)(0x80 | (c & 0x3f)));
}

/* After the backslash. */
static bool escape(struct json_in *in, struct buf *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    uint32_t c, low;
    if (in->rest.n == 0)
        return false;
    char kind = in->rest.p[0];
    in->rest = slice_from(in->rest, 1);
    const char *at = kind != '\0' ? strchr(from, kind) : NULL;
    if (at != NULL) {
        buf_putc(out, to[at - from]);
        return true;
    }
    if (kind != 'u' || !hex4(in, &c))
        return false;
    if (c >= 0xd800 && c <= 0xdbff && slice_starts(in->rest, "\\u")) {
        struct json_in ahead = {slice_from(in->rest, 2), 0};
        if (hex4(&ahead, &low) && low >= 0xdc00 && low <= 0xdfff) {
            c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
            in->rest = ahead.rest;
        }
    }
    put_utf8(out, c);
    return true;
}

bool json_take_string(struct json_in *in, struct buf *out)
{
    buf_clear(out);
    if (!json_take(in, '"'))
        return false;
    while (in->rest.n > 0) {
        char c = in->rest.p[0];
        in->rest = slice_from(in->rest, 1);
        if (c == '"')
            return out->err == OK;
        if ((unsigned char)c < 0x20 || (c == '\\' && !escape(in, out)))
            return false;
        if (c != '\\')
            buf_putc(out, c);
    }
    return false;
}

bool json_take_number(struct json_in *in, uint64_t *out)
{
    size_t n = 0;
    blanks(in);
    while (n < in->rest.n && ascii_digit(in->rest.p[n]))
        n++;
    if (!slice_u64((struct slice){in->rest.p, n}, UINT64_MAX, out))
        return false;
    in->rest = slice_from(in->rest, n);
    return true;
}

static bool skip_string(struct json_in *in)
{
    struct buf any;
    buf_init(&any, in->rest.n);
    bool good = json_take_string(in, &any);
    buf_free(&any);
    return good;
}

/* A number, true, false or null: what is wrong with it is not looked at. */
static bool skip_word(struct json_in *in)
{
    size_t n = 0;
    while (n < in->rest.n &&
           (ascii_digit(in->rest.p[n]) || ascii_alpha(in->rest.p[n]) ||
            in->rest.p[n] == '-' || in->rest.p[n] == '+' ||
            in->rest.p[n] == '.'))
        n++;
    in->rest = slice_from(in->rest, n);
    return n > 0;
}

/* Members or elements up to the bracket that closes them. */
static bool skip_all(struct json_in *in, char close)
{
    if (json_take(in, close))
        return true;
    do {
        if (close == '}' && (!skip_string(in) || !json_take(in, ':')))
            return false;
        if (!json_skip(in))
            return false;
    } while (json_take(in, ','));
    return json_take(in, close);
}

bool json_skip(struct json_in *in)
{
    blanks(in);
    if (in->rest.n == 0)
        return false;
    char c = in->rest.p[0];
    if (c == '"')
        return skip_string(in);
    if (c != '{' && c != '[')
        return skip_word(in);
    if (in->depth >= DEPTH_MAX)
        return false;
    in->rest = slice_from(in->rest, 1);
    in->depth++;
    bool good = skip_all(in, c == '{' ? '}' : ']');
    in->depth--;
    return good;
}

bool json_done(struct json_in *in)
{
    blanks(in);
    return in->rest.n == 0;
}
