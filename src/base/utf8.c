/* utf8.c - see utf8.h. */
#include "base/utf8.h"

#include <string.h>

#define ONES UINT64_C(0x0101010101010101)

static uint64_t load(const char *p)
{
    uint64_t w;
    memcpy(&w, p, sizeof(w));
    return w;
}

/* The sum of eight bytes that are 0 or 1. */
static size_t sum(uint64_t w)
{
    return (size_t)(w * ONES >> 56);
}

/* Bytes in memory before the first whose high bit is in odd. */
static size_t ascii_before(uint64_t odd)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    return (size_t)__builtin_ctzll(odd) / 8;
#else
    return (size_t)__builtin_clzll(odd) / 8;
#endif
}

size_t utf8_count_high(struct slice s)
{
    size_t count = 0, i = 0;
    for (; s.n - i >= 8; i += 8)
        count += sum(load(s.p + i) >> 7 & ONES);
    for (; i < s.n; i++)
        count += (uint8_t)s.p[i] >> 7;
    return count;
}

/*
 * From front to back: what is written ends where what is to be read begins
 * only when all high bytes are behind, and then the rest is in its place.
 */
void utf8_from_latin1(char *p, size_t n, size_t high)
{
    const char *from = p + high, *end = from + n;
    char *to = p;
    while (to < from) {
        if (end - from >= 8) {
            uint64_t w = load(from), odd = w & ONES << 7;
            if (odd == 0 || from - to >= 8)
                memcpy(to, &w, 8);
            if (odd == 0) {
                from += 8;
                to += 8;
                continue;
            }
            if (from - to >= 8) {
                size_t plain = ascii_before(odd);
                from += plain;
                to += plain;
            }
        }
        uint8_t b = (uint8_t)*from++;
        if (b >= 0x80)
            *to++ = (char)(0xc0 | b >> 6);
        *to++ = (char)(b < 0x80 ? b : 0x80 | (b & 0x3f));
    }
}

/* All bytes but 10xxxxxx begin a character; 1111xxxx begins one of two. */
size_t utf8_units(struct slice s)
{
    size_t units = s.n, i = 0;
    for (; s.n - i >= 8; i += 8) {
        uint64_t w = load(s.p + i);
        if ((w >> 7 & ONES) == 0)
            continue;
        units -= sum(w >> 7 & ~w >> 6 & ONES);
        units += sum(w >> 7 & w >> 6 & w >> 5 & w >> 4 & ONES);
    }
    for (; i < s.n; i++) {
        uint8_t b = (uint8_t)s.p[i];
        units -= (size_t)((b & 0xc0) == 0x80);
        units += (size_t)(b >= 0xf0);
    }
    return units;
}
