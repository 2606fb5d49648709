/*
 * fuzz_legacy.c - any bytes as text of a legacy encoding: whole, and in two
 * pieces, alike.
 *
 * Input: a byte of encoding, one of flags, one of where to cut, the bytes.
 */
#include "base/err.h"
#include "bind/decode.h"
#include "bind/legacy_decode.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
    if (n < 4)
        return 0;
    enum legacy e = (enum legacy)(data[0] % LEGACY_COUNT);
    unsigned flags = data[1] & DECODE_FATAL;
    struct slice in = {(const char *)data + 3, n - 3};
    size_t cut = data[2] % (in.n + 1);
    struct legacy_decoder one = {0}, two = {0};
    struct slice head = {in.p, cut}, tail = slice_from(in, cut);
    uint16_t *a = xalloc(decode_room(in.n) * sizeof(*a));
    uint16_t *b =
        xalloc((decode_room(head.n) + decode_room(tail.n)) * sizeof(*b));
    size_t whole = 0, first = 0, second = 0;
    must(legacy_decode_open(e) == NULL);
    bool good = legacy_decode(e, &one, flags, in, a, &whole);
    must(whole <= decode_room(in.n));
    bool pieces =
        legacy_decode(e, &two, flags | DECODE_STREAM, head, b, &first) &&
        legacy_decode(e, &two, flags, tail, b + first, &second);
    must(good == pieces);
    must(!good ||
         (whole == first + second && memcmp(a, b, whole * sizeof(*a)) == 0));
    free(a);
    free(b);
    return 0;
}
