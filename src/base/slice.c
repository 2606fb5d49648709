/*
 * slice.c - comparing, cutting and reading borrowed bytes.
 */
#include "base/slice.h"

#include <string.h>

struct slice slice_of(const char *s)
{
    return s != NULL ? (struct slice){s, strlen(s)} : (struct slice){NULL, 0};
}

bool slice_eq(struct slice a, struct slice b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool slice_is(struct slice a, const char *s)
{
    return slice_eq(a, slice_of(s));
}

bool slice_ieq(struct slice a, struct slice b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
            return false;
    return true;
}

bool slice_iis(struct slice a, const char *s)
{
    return slice_ieq(a, slice_of(s));
}

bool slice_starts(struct slice a, const char *prefix)
{
    struct slice b = slice_of(prefix);
    return a.n >= b.n && slice_eq((struct slice){a.p, b.n}, b);
}

bool slice_ends(struct slice a, const char *suffix)
{
    struct slice b = slice_of(suffix);
    return a.n >= b.n && slice_eq(slice_from(a, a.n - b.n), b);
}

static bool blank(char c)
{
    return c == ' ' || c == '\t';
}

struct slice slice_trim(struct slice a)
{
    while (a.n > 0 && blank(a.p[0])) {
        a.p++;
        a.n--;
    }
    while (a.n > 0 && blank(a.p[a.n - 1]))
        a.n--;
    return a;
}

struct slice slice_from(struct slice a, size_t offset)
{
    if (offset == 0) /* NULL + 0 is not defined in C */
        return a;
    if (offset >= a.n)
        return (struct slice){a.n > 0 ? a.p + a.n : NULL, 0};
    return (struct slice){a.p + offset, a.n - offset};
}

size_t slice_find(struct slice a, char c)
{
    const char *at = a.n > 0 ? memchr(a.p, c, a.n) : NULL;
    return at != NULL ? (size_t)(at - a.p) : a.n;
}

bool slice_u64(struct slice a, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;
    if (a.n == 0)
        return false;
    for (size_t i = 0; i < a.n; i++) {
        if (!ascii_digit(a.p[i]))
            return false;
        uint64_t digit = (uint64_t)(a.p[i] - '0');
        if (digit > max || v > (max - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    *out = v;
    return true;
}

char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool ascii_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool ascii_alpha(char c)
{
    c = ascii_lower(c);
    return c >= 'a' && c <= 'z';
}
