#include "bind/form.h"

static int hex(char c)
{
    if (ascii_digit(c))
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static struct slice unescape(struct slice s, char **scratch)
{
    size_t i = 0;
    while (i < s.n && s.p[i] != '%' && s.p[i] != '+')
        i++;
    if (i == s.n)
        return s;
    char *start = *scratch, *to = start;
    for (i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '+') {
            c = ' ';
        } else if (c == '%' && s.n - i > 2 && hex(s.p[i + 1]) >= 0 &&
                   hex(s.p[i + 2]) >= 0) {
            c = (char)(hex(s.p[i + 1]) << 4 | hex(s.p[i + 2]));
            i += 2;
        }
        *to++ = c;
    }
    *scratch = to;
    return (struct slice){start, (size_t)(to - start)};
}

bool form_next(struct slice *rest, char **scratch, struct slice *name,
               struct slice *value)
{
    while (rest->n > 0) {
        size_t end = slice_find(*rest, '&');
        struct slice pair = {rest->p, end};
        *rest = slice_from(*rest, end + 1);
        if (pair.n == 0)
            continue;
        size_t eq = slice_find(pair, '=');
        *name = unescape((struct slice){pair.p, eq}, scratch);
        *value = unescape(slice_from(pair, eq + 1), scratch);
        return true;
    }
    return false;
}

/* The complement of the application/x-www-form-urlencoded percent-encode set */
static bool plain(char c)
{
    return ascii_alpha(c) || ascii_digit(c) || c == '*' || c == '-' ||
           c == '.' || c == '_';
}

static void escape(struct buf *out, struct slice s)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t i = 0;
    while (i < s.n) {
        size_t start = i;
        while (i < s.n && plain(s.p[i]))
            i++;
        if (i > start)
            buf_put(out, s.p + start, i - start);
        if (i == s.n)
            break;
        uint8_t b = (uint8_t)s.p[i++];
        char code[3] = {'%', digits[b >> 4], digits[b & 15]};
        if (b == ' ')
            buf_putc(out, '+');
        else
            buf_put(out, code, sizeof(code));
    }
}

void form_put(struct buf *out, struct slice name, struct slice value)
{
    if (out->n > 0)
        buf_putc(out, '&');
    escape(out, name);
    buf_putc(out, '=');
    escape(out, value);
}
