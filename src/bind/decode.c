/* decode.c - Encoding Standard sections 8.1 (UTF-8), 9 and 14 (UTF-16). */
#include "bind/decode.h"

#include <string.h>

#define BAD UINT32_MAX
#define HIGH_BITS UINT64_C(0x8080808080808080)
#define REPLACEMENT 0xfffd
#define BOM 0xfeff

/* Bytes 0x80 to 0x9f of index windows-1252; all others mean themselves. */
static const uint16_t windows1252[32] = {
    0x20ac, 0x0081, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021,
    0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0x008d, 0x017d, 0x008f,
    0x0090, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014,
    0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x009d, 0x017e, 0x0178};

struct output {
    uint16_t *p;
    bool fatal;
};

/*
 * A step reads one character at p, before end. It gives the bytes used, and
 * in *cp the character or BAD; or 0 when end cuts a character off. For UTF-8
 * what is BAD is a maximal subpart.
 */
static inline size_t utf8_step(const uint8_t *p, const uint8_t *end,
                               uint32_t *cp)
{
    uint8_t b = *p, low = 0x80, high = 0xbf;
    size_t more = 1;
    uint32_t v = b & 0x1f;
    *cp = BAD;
    if (b < 0x80) {
        *cp = b;
        return 1;
    }
    if (b < 0xc2 || b > 0xf4)
        return 1;
    if (b >= 0xf0) {
        more = 3;
        v = b & 0x07;
        low = b == 0xf0 ? 0x90 : 0x80;
        high = b == 0xf4 ? 0x8f : 0xbf;
    } else if (b >= 0xe0) {
        more = 2;
        v = b & 0x0f;
        low = b == 0xe0 ? 0xa0 : 0x80;
        high = b == 0xed ? 0x9f : 0xbf;
    }
    for (size_t i = 1; i <= more; i++) {
        if (p + i == end)
            return 0;
        if (p[i] < low || p[i] > high)
            return i;
        v = v << 6 | (p[i] & 0x3fu);
        low = 0x80;
        high = 0xbf;
    }
    *cp = v;
    return more + 1;
}

static inline uint32_t utf16_unit(const uint8_t *p, bool big)
{
    return big ? (uint32_t)p[0] << 8 | p[1] : (uint32_t)p[1] << 8 | p[0];
}

static inline size_t utf16_step(const uint8_t *p, const uint8_t *end,
                                uint32_t *cp, bool big)
{
    if (end - p < 2)
        return 0;
    uint32_t u = utf16_unit(p, big);
    *cp = u;
    if ((u & 0xf800) != 0xd800)
        return 2;
    *cp = BAD;
    if (u >= 0xdc00)
        return 2;
    if (end - p < 4)
        return 0;
    uint32_t trail = utf16_unit(p + 2, big);
    if ((trail & 0xfc00) != 0xdc00)
        return 2;
    *cp = 0x10000 + ((u - 0xd800) << 10) + (trail - 0xdc00);
    return 4;
}

/* False when the error mode is fatal and cp is BAD. */
static inline bool emit(struct output *o, uint32_t cp)
{
    if (cp == BAD) {
        if (o->fatal)
            return false;
        cp = REPLACEMENT;
    }
    if (cp >= 0x10000) {
        *o->p++ = (uint16_t)(0xd7c0 + (cp >> 10));
        cp = 0xdc00 + (cp & 0x3ff);
    }
    *o->p++ = (uint16_t)cp;
    return true;
}

static inline uint64_t load8(const uint8_t *p)
{
    uint64_t w;
    memcpy(&w, p, sizeof(w));
    return w;
}

/* The loops move *at to end, or to a character that end cuts off. */
static bool utf8_run(struct output *o, const uint8_t **at, const uint8_t *end)
{
    const uint8_t *p = *at;
    while (p < end) {
        while (end - p >= 8 && !(load8(p) & HIGH_BITS)) {
            for (int i = 0; i < 8; i++)
                o->p[i] = p[i];
            o->p += 8;
            p += 8;
        }
        /* As likely as not the next are of the same alphabet. */
        while (p < end) {
            uint32_t cp;
            bool ascii = *p < 0x80;
            size_t used = utf8_step(p, end, &cp);
            if (used == 0) {
                *at = p;
                return true;
            }
            if (!emit(o, cp))
                return false;
            p += used;
            if (ascii)
                break;
        }
    }
    *at = p;
    return true;
}

static inline bool utf16_run(struct output *o, const uint8_t **at,
                             const uint8_t *end, bool big)
{
    const uint8_t *p = *at;
    size_t used;
    uint32_t cp;
    while ((used = utf16_step(p, end, &cp, big)) != 0) {
        if (!emit(o, cp))
            return false;
        p += used;
    }
    *at = p;
    return true;
}

static void windows1252_run(struct output *o, const uint8_t **at,
                            const uint8_t *end)
{
    for (; *at < end; ++*at) {
        uint8_t b = **at;
        *o->p++ = b >= 0x80 && b < 0xa0 ? windows1252[b - 0x80] : b;
    }
}

static bool run(enum encoding e, struct output *o, const uint8_t **at,
                const uint8_t *end)
{
    switch (e) {
    case ENCODING_UTF8:
        return utf8_run(o, at, end);
    case ENCODING_UTF16LE:
        return utf16_run(o, at, end, false);
    case ENCODING_UTF16BE:
        return utf16_run(o, at, end, true);
    case ENCODING_WINDOWS1252:
    case ENCODING_COUNT:
        break;
    }
    windows1252_run(o, at, end);
    return true;
}

static size_t step(enum encoding e, const uint8_t *p, const uint8_t *end,
                   uint32_t *cp)
{
    if (e == ENCODING_UTF8)
        return utf8_step(p, end, cp);
    return utf16_step(p, end, cp, e == ENCODING_UTF16BE);
}

static void hold(struct decoder *d, const uint8_t *p, const uint8_t *end)
{
    d->held = (uint8_t)(end - p);
    if (d->held > 0)
        memcpy(d->pending, p, d->held);
}

/* Finishes what is held with the first bytes of the input. */
static bool join(enum encoding e, struct decoder *d, struct output *o,
                 const uint8_t **at, const uint8_t *end)
{
    uint8_t both[sizeof(d->pending) + 4];
    size_t held = d->held, pos = 0, used = 1;
    size_t fresh = end - *at < 4 ? (size_t)(end - *at) : 4;
    memcpy(both, d->pending, held);
    if (fresh > 0)
        memcpy(both + held, *at, fresh);
    d->held = 0;
    while (pos < held) {
        uint32_t cp;
        used = step(e, both + pos, both + held + fresh, &cp);
        if (used == 0)
            break;
        if (!emit(o, cp))
            return false;
        pos += used;
    }
    if (used == 0) { /* four more bytes would have been enough */
        hold(d, both + pos, both + held + fresh);
        *at = end;
    } else {
        *at += pos - held;
    }
    return true;
}

static bool decode_all(enum encoding e, struct decoder *d, unsigned flags,
                       struct slice in, struct output *o)
{
    const uint8_t *p = (const uint8_t *)in.p, *end = p + in.n;
    if (d->held > 0 && !join(e, d, o, &p, end))
        return false;
    if (p < end) {
        if (!run(e, o, &p, end))
            return false;
        hold(d, p, end);
    }
    if (d->held > 0 && !(flags & DECODE_STREAM)) {
        d->held = 0;
        return emit(o, BAD);
    }
    return true;
}

size_t decode_room(size_t n)
{
    return n + sizeof(((struct decoder *)0)->pending) + 1;
}

bool decode(enum encoding e, struct decoder *d, unsigned flags, struct slice in,
            uint16_t *out, size_t *n)
{
    struct output o = {.p = out, .fatal = flags & DECODE_FATAL};
    if (d->held > sizeof(d->pending))
        d->held = 0;
    if (!decode_all(e, d, flags, in, &o)) {
        *d = (struct decoder){0};
        return false;
    }
    *n = (size_t)(o.p - out);
    if (*n > 0 && !d->started) {
        d->started = 1;
        if (out[0] == BOM && !(flags & DECODE_IGNORE_BOM) &&
            e != ENCODING_WINDOWS1252)
            memmove(out, out + 1, --*n * sizeof(*out));
    }
    return true;
}

bool decode_is_ascii(struct slice in)
{
    const uint8_t *p = (const uint8_t *)in.p;
    size_t n = in.n, i = 0;
    for (; n - i >= 32; i += 32)
        if ((load8(p + i) | load8(p + i + 8) | load8(p + i + 16) |
             load8(p + i + 24)) &
            HIGH_BITS)
            return false;
    for (; i < n; i++)
        if (p[i] >= 0x80)
            return false;
    return true;
}

bool decode_is_latin1(enum encoding e, struct decoder *d, struct slice in)
{
    const uint8_t *p = (const uint8_t *)in.p;
    if (d->held > 0)
        return false;
    if (e == ENCODING_WINDOWS1252) {
        for (size_t i = 0; i < in.n; i++)
            if ((p[i] & 0xe0) == 0x80)
                return false;
    } else if (e != ENCODING_UTF8 || !decode_is_ascii(in)) {
        return false;
    }
    if (in.n > 0)
        d->started = 1;
    return true;
}
