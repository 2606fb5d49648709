/* legacy_decode.c - see legacy_decode.h. */
#include "bind/legacy_decode.h"

#include "bind/decode.h"

#include <string.h>

#define BAD UINT32_MAX
#define NOTHING (UINT32_MAX - 1) /* an escape sequence that only switches */
#define REPLACEMENT 0xfffd

/* Modes of ISO-2022-JP, 12.2: the output state, and the output flag. */
enum { ASCII, ROMAN, KATAKANA, JIS0208, STATES, SWITCHED = STATES };

/* What is left of the input. */
struct input {
    const uint8_t *p, *end;
    bool final; /* nothing follows */
};

/* One or two characters, the second 0 mostly. */
struct chars {
    uint32_t first, second;
};

/*
 * A step reads one character and gives the bytes used; or 0 when the input
 * cuts one off and more follows. In *c is what it means, BAD at first.
 */
static inline size_t left(const struct input *in)
{
    return (size_t)(in->end - in->p);
}

/* The end within a character is one error for all of its bytes. */
static inline size_t cut(const struct input *in)
{
    return in->final ? left(in) : 0;
}

static inline bool between(uint8_t b, uint8_t low, uint8_t high)
{
    return b >= low && b <= high;
}

/* A trail byte of a pair that means nothing may be a character itself. */
static inline size_t pair(struct chars *c, uint32_t got, uint8_t trail)
{
    if (got != 0)
        c->first = got;
    return got == 0 && trail < 0x80 ? 1 : 2;
}

/* 5 "index gb18030 ranges code point", for all 1,587,600 pointers */
static uint32_t gb18030_four(const uint8_t *p)
{
    uint32_t pointer = p[0] - 0x81u;
    pointer = pointer * 10 + (p[1] - 0x30u);
    pointer = pointer * 126 + (p[2] - 0x81u);
    pointer = pointer * 10 + (p[3] - 0x30u);
    if (pointer <= 39419)
        return legacy_index_four(p);
    if (pointer >= 189000 && pointer <= 1237575)
        return 0x10000 + pointer - 189000;
    return 0;
}

static size_t gb18030_step(const struct input *in, struct chars *c)
{
    const uint8_t *p = in->p;
    if (p[0] == 0x80) {
        c->first = 0x20ac;
        return 1;
    }
    if (p[0] == 0xff)
        return 1;
    if (left(in) < 2)
        return cut(in);
    if (!between(p[1], 0x30, 0x39)) {
        uint32_t got = 0;
        if (p[1] >= 0x40 && p[1] != 0x7f && p[1] != 0xff)
            got = legacy_index_pair(INDEX_GB18030, p[0], p[1]);
        return pair(c, got, p[1]);
    }
    if (left(in) < 3)
        return cut(in);
    if (!between(p[2], 0x81, 0xfe))
        return 1;
    if (left(in) < 4)
        return cut(in);
    if (!between(p[3], 0x30, 0x39))
        return 1;
    uint32_t got = gb18030_four(p);
    if (got != 0)
        c->first = got;
    return 4;
}

/* Four pairs are a letter and a mark that no one character joins. */
static uint32_t big5_two(const uint8_t *p, struct chars *c)
{
    bool small = p[0] == 0x88 && (p[1] == 0xa3 || p[1] == 0xa5);
    if (!small && !(p[0] == 0x88 && (p[1] == 0x62 || p[1] == 0x64)))
        return 0;
    c->second = p[1] == 0x62 || p[1] == 0xa3 ? 0x0304 : 0x030c;
    return small ? 0xea : 0xca;
}

static size_t big5_step(const struct input *in, struct chars *c)
{
    const uint8_t *p = in->p;
    if (!between(p[0], 0x81, 0xfe))
        return 1;
    if (left(in) < 2)
        return cut(in);
    uint32_t got = 0;
    if (between(p[1], 0x40, 0x7e) || between(p[1], 0xa1, 0xfe)) {
        got = big5_two(p, c);
        if (got == 0)
            got = legacy_index_pair(INDEX_BIG5, p[0], p[1]);
    }
    return pair(c, got, p[1]);
}

/* Row and place from 0; the index is asked as Shift_JIS has them. */
static uint32_t jis0208(unsigned row, unsigned place)
{
    unsigned pointer = row * 94 + place, lead = pointer / 188;
    unsigned trail = pointer % 188;
    lead += lead < 0x1f ? 0x81 : 0xc1;
    trail += trail < 0x3f ? 0x40 : 0x41;
    return legacy_index_pair(INDEX_JIS0208, (uint8_t)lead, (uint8_t)trail);
}

static size_t euc_jp_step(const struct input *in, struct chars *c)
{
    const uint8_t *p = in->p;
    if (!between(p[0], 0xa1, 0xfe) && !between(p[0], 0x8e, 0x8f))
        return 1;
    if (left(in) < 2)
        return cut(in);
    uint32_t got = 0;
    if (p[0] == 0x8e) {
        if (between(p[1], 0xa1, 0xdf))
            got = 0xff61 - 0xa1u + p[1];
    } else if (!between(p[1], 0xa1, 0xfe)) {
        got = 0;
    } else if (p[0] != 0x8f) {
        got = jis0208(p[0] - 0xa1u, p[1] - 0xa1u);
    } else {
        if (left(in) < 3)
            return cut(in);
        if (between(p[2], 0xa1, 0xfe))
            got = legacy_index_pair(INDEX_JIS0212, p[1], p[2]);
        return 1 + pair(c, got, p[2]);
    }
    return pair(c, got, p[1]);
}

/* 12.2: rows 94 to 113 are for private use */
static uint32_t shift_jis_pair(uint8_t lead, uint8_t trail)
{
    if (!between(trail, 0x40, 0xfc) || trail == 0x7f)
        return 0;
    if (between(lead, 0xf0, 0xf9))
        return 0xe000 + (lead - 0xf0u) * 188 + trail -
               (trail < 0x7f ? 0x40u : 0x41u);
    return legacy_index_pair(INDEX_JIS0208, lead, trail);
}

static size_t shift_jis_step(const struct input *in, struct chars *c)
{
    const uint8_t *p = in->p;
    if (p[0] == 0x80 || between(p[0], 0xa1, 0xdf)) {
        c->first = p[0] == 0x80 ? 0x80 : 0xff61 - 0xa1u + p[0];
        return 1;
    }
    if (p[0] == 0xa0 || p[0] > 0xfc)
        return 1;
    if (left(in) < 2)
        return cut(in);
    return pair(c, shift_jis_pair(p[0], p[1]), p[1]);
}

static size_t euc_kr_step(const struct input *in, struct chars *c)
{
    const uint8_t *p = in->p;
    if (!between(p[0], 0x81, 0xfe))
        return 1;
    if (left(in) < 2)
        return cut(in);
    uint32_t got = 0;
    if (between(p[1], 0x41, 0xfe))
        got = legacy_index_pair(INDEX_EUC_KR, p[0], p[1]);
    return pair(c, got, p[1]);
}

/*
 * "Escape start" and "escape": a sequence that is none is an error for its
 * first byte alone, the end within one too. One right after another is too.
 */
static size_t escape(const struct input *in, uint8_t *mode, struct chars *c)
{
    static const struct {
        uint8_t second, third, state;
    } known[] = {{'(', 'B', ASCII},
                 {'(', 'J', ROMAN},
                 {'(', 'I', KATAKANA},
                 {'$', '@', JIS0208},
                 {'$', 'B', JIS0208}};
    const uint8_t *p = in->p;
    size_t n = left(in);
    bool starts = n < 2 || p[1] == '(' || p[1] == '$';
    if (n < 3 && starts && !in->final)
        return 0;
    for (size_t i = 0; n >= 3 && i < sizeof(known) / sizeof(*known); i++) {
        if (p[1] != known[i].second || p[2] != known[i].third)
            continue;
        if (!(*mode & SWITCHED))
            c->first = NOTHING;
        *mode = known[i].state | SWITCHED;
        return 3;
    }
    *mode %= STATES;
    return 1;
}

static size_t iso_2022_jp_step(const struct input *in, uint8_t *mode,
                               struct chars *c)
{
    const uint8_t *p = in->p;
    uint8_t b = p[0], state = *mode % STATES;
    if (b == 0x1b)
        return escape(in, mode, c);
    *mode = state;
    if (state == JIS0208) {
        if (!between(b, 0x21, 0x7e))
            return 1;
        if (left(in) < 2)
            return cut(in);
        if (!between(p[1], 0x21, 0x7e))
            return p[1] == 0x1b ? 1 : 2;
        uint32_t got = jis0208(b - 0x21u, p[1] - 0x21u);
        if (got != 0)
            c->first = got;
        return 2;
    }
    if (state == KATAKANA) {
        if (between(b, 0x21, 0x5f))
            c->first = 0xff61 - 0x21u + b;
    } else if (b < 0x80 && b != 0x0e && b != 0x0f) {
        c->first = b;
        if (state == ROMAN && (b == 0x5c || b == 0x7e))
            c->first = b == 0x5c ? 0xa5 : 0x203e;
    }
    return 1;
}

static size_t step(enum legacy e, uint8_t *mode, const struct input *in,
                   struct chars *c)
{
    *c = (struct chars){BAD, 0};
    if (e == LEGACY_ISO_2022_JP)
        return iso_2022_jp_step(in, mode, c);
    if (*in->p < 0x80) {
        c->first = *in->p;
        return 1;
    }
    switch (e) {
    case LEGACY_BIG5:
        return big5_step(in, c);
    case LEGACY_EUC_JP:
        return euc_jp_step(in, c);
    case LEGACY_SHIFT_JIS:
        return shift_jis_step(in, c);
    case LEGACY_EUC_KR:
        return euc_kr_step(in, c);
    default:
        return gb18030_step(in, c);
    }
}

/* ---- output ------------------------------------------------------------ */

struct output {
    uint16_t *p;
    bool fatal;
};

/* False when the error mode is fatal and c is BAD. */
static inline bool emit(struct output *o, struct chars c)
{
    uint32_t v = c.first;
    if (v == NOTHING)
        return true;
    if (v == BAD) {
        if (o->fatal)
            return false;
        v = REPLACEMENT;
    }
    if (v >= 0x10000) {
        *o->p++ = (uint16_t)(0xd7c0 + (v >> 10));
        v = 0xdc00 + (v & 0x3ff);
    }
    *o->p++ = (uint16_t)v;
    if (c.second != 0)
        *o->p++ = (uint16_t)c.second;
    return true;
}

static void hold(struct legacy_decoder *d, const uint8_t *p, const uint8_t *end)
{
    d->held = (uint8_t)(end - p);
    if (d->held > 0)
        memcpy(d->pending, p, d->held);
}

/* Finishes what is held with the first bytes of the input. */
static bool join(enum legacy e, struct legacy_decoder *d, struct output *o,
                 struct input *in)
{
    uint8_t both[sizeof(d->pending) + 4];
    size_t held = d->held, fresh = left(in) < 4 ? left(in) : 4, used = 1;
    struct input at = {both, both + held + fresh,
                       in->final && fresh == left(in)};
    memcpy(both, d->pending, held);
    if (fresh > 0)
        memcpy(both + held, in->p, fresh);
    d->held = 0;
    while (at.p < both + held) {
        struct chars c;
        used = step(e, &d->mode, &at, &c);
        if (used == 0)
            break;
        if (!emit(o, c))
            return false;
        at.p += used;
    }
    if (used == 0) { /* four more bytes would have been enough */
        hold(d, at.p, at.end);
        in->p = in->end;
    } else {
        in->p += (size_t)(at.p - both) - held;
    }
    return true;
}

static bool decode_pairs(enum legacy e, struct legacy_decoder *d,
                         struct output *o, struct input *in)
{
    if (d->held > 0 && !join(e, d, o, in))
        return false;
    while (in->p < in->end) {
        struct chars c;
        size_t used = step(e, &d->mode, in, &c);
        if (used == 0) {
            hold(d, in->p, in->end);
            break;
        }
        if (!emit(o, c))
            return false;
        in->p += used;
    }
    return true;
}

static bool decode_single(const uint16_t *index, struct output *o,
                          const struct input *in)
{
    for (const uint8_t *p = in->p; p < in->end; p++) {
        uint16_t u = *p < 0x80 ? *p : index[*p - 0x80];
        if (u == 0 && *p != 0) {
            if (o->fatal)
                return false;
            u = REPLACEMENT;
        }
        *o->p++ = u;
    }
    return true;
}

/* 14.5: bytes from 0x80 on are private use from U+F780 on */
static void decode_user_defined(struct output *o, const struct input *in)
{
    for (const uint8_t *p = in->p; p < in->end; p++)
        *o->p++ = (uint16_t)(*p < 0x80 ? *p : 0xf700 + *p);
}

static enum legacy_index index_of(enum legacy e)
{
    switch (e) {
    case LEGACY_ISO_8859_8_I:
        return INDEX_ISO_8859_8;
    case LEGACY_GBK:
    case LEGACY_GB18030:
        return INDEX_GB18030;
    case LEGACY_BIG5:
        return INDEX_BIG5;
    case LEGACY_EUC_JP:
    case LEGACY_ISO_2022_JP:
    case LEGACY_SHIFT_JIS:
        return INDEX_JIS0208;
    case LEGACY_EUC_KR:
        return INDEX_EUC_KR;
    case LEGACY_USER_DEFINED:
    case LEGACY_COUNT:
        break;
    }
    return (enum legacy_index)e;
}

const char *legacy_decode_open(enum legacy e)
{
    const char *missing = NULL;
    if (e != LEGACY_USER_DEFINED)
        missing = legacy_index_open(index_of(e));
    if (missing == NULL && e == LEGACY_EUC_JP)
        missing = legacy_index_open(INDEX_JIS0212);
    return missing;
}

bool legacy_decode(enum legacy e, struct legacy_decoder *d, unsigned flags,
                   struct slice in, uint16_t *out, size_t *n)
{
    const uint8_t *p = (const uint8_t *)in.p;
    struct output o = {out, flags & DECODE_FATAL};
    struct input all = {p, in.n > 0 ? p + in.n : p, !(flags & DECODE_STREAM)};
    bool ok = true;
    if (d->held > sizeof(d->pending))
        d->held = 0;
    if (e == LEGACY_USER_DEFINED)
        decode_user_defined(&o, &all);
    else if (e <= LEGACY_ISO_8859_8_I)
        ok = decode_single(legacy_index_single(index_of(e)), &o, &all);
    else
        ok = decode_pairs(e, d, &o, &all);
    if (!ok)
        *d = (struct legacy_decoder){0};
    *n = (size_t)(o.p - out);
    return ok;
}

bool legacy_decode_is_ascii(enum legacy e, const struct legacy_decoder *d,
                            struct slice in)
{
    return e != LEGACY_ISO_2022_JP && d->held == 0 && decode_is_ascii(in);
}
