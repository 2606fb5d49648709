/*
 * fuzz_legacy.c - any bytes as text of a legacy encoding: whole, and in
 * pieces, alike.
 *
 * Input: a byte of encoding, one of flags, one of the pieces' sizes, the
 * bytes.
 */
#include "base/err.h"
#include "bind/decode.h"
#include "bind/legacy_decode.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);

/* In pieces of size bytes. */
static bool in_pieces(enum legacy e, unsigned flags, struct slice in,
                      size_t size, uint16_t *out, size_t *n)
{
    struct legacy_decoder d = {0};
    *n = 0;
    for (;;) {
        bool last = size >= in.n;
        struct slice piece = {in.p, last ? in.n : size};
        uint16_t *units = xalloc(decode_room(piece.n) * sizeof(*units));
        size_t got = 0;
        bool good = legacy_decode(e, &d, flags | (last ? 0 : DECODE_STREAM),
                                  piece, units, &got);
        must(got <= decode_room(piece.n));
        if (good)
            memcpy(out + *n, units, got * sizeof(*units));
        *n += good ? got : 0;
        free(units);
        if (!good || last)
            return good;
        in = slice_from(in, size);
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
    if (n < 4)
        return 0;
    enum legacy e = (enum legacy)(data[0] % LEGACY_COUNT);
    unsigned flags = data[1] & DECODE_FATAL;
    struct slice in = {(const char *)data + 3, n - 3};
    struct legacy_decoder one = {0};
    uint16_t *a = xalloc(decode_room(in.n) * sizeof(*a));
    uint16_t *b = xalloc(2 * (decode_room(in.n) + 8) * sizeof(*b));
    size_t whole = 0, pieces = 0;
    must(legacy_decode_open(e) == NULL);
    bool good = legacy_decode(e, &one, flags, in, a, &whole);
    must(whole <= decode_room(in.n));
    must(good ==
         in_pieces(e, flags, in, 1 + (size_t)data[2] % in.n, b, &pieces));
    must(!good || (whole == pieces && memcmp(a, b, whole * sizeof(*a)) == 0));
    free(a);
    free(b);
    return 0;
}
