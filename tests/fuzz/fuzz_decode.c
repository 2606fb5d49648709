/*
 * fuzz_decode.c - any bytes as text: whole, and in pieces, alike.
 *
 * Input: a byte of encoding and flags, two of the pieces' sizes, the bytes.
 */
#include "base/err.h"
#include "bind/base64.h"
#include "bind/decode.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);

/* In pieces of the sizes that sizes has, over and over. */
static bool in_pieces(enum encoding e, unsigned flags, struct slice in,
                      struct slice sizes, uint16_t *out, size_t *n)
{
    struct decoder d = {0};
    *n = 0;
    for (size_t i = 0;; i++) {
        size_t size = (unsigned char)sizes.p[i % sizes.n] % 8;
        bool last = size >= in.n || i > in.n;
        struct slice piece = {in.p, last ? in.n : size};
        uint16_t *units = xalloc(decode_room(piece.n) * sizeof(*units));
        size_t got = 0;
        bool good = decode(e, &d, flags | (last ? 0 : DECODE_STREAM), piece,
                           units, &got);
        must(!good || got <= decode_room(piece.n));
        if (good)
            memcpy(out + *n, units, got * sizeof(*units));
        *n += good ? got : 0;
        free(units);
        if (!good || last)
            return good;
        in = slice_from(in, size);
    }
}

static void text(enum encoding e, unsigned flags, struct slice in,
                 struct slice sizes)
{
    struct decoder one = {0}, ask = {0};
    /* Each piece may give its room for what was held. */
    size_t room = decode_room(in.n) + 8;
    uint16_t *a = xalloc(room * sizeof(*a));
    uint16_t *b = xalloc(2 * room * sizeof(*b));
    size_t whole = 0, pieces = 0;
    bool good = decode(e, &one, flags, in, a, &whole);
    must(!good || whole <= decode_room(in.n));
    must(good == in_pieces(e, flags, in, sizes, b, &pieces));
    must(!good || (whole == pieces && memcmp(a, b, whole * sizeof(*a)) == 0));
    if (decode_is_latin1(e, &ask, in)) {
        must(good && whole == in.n);
        for (size_t i = 0; i < in.n; i++)
            must(a[i] == (unsigned char)in.p[i]);
    }
    free(a);
    free(b);
}

static void base64(struct slice in)
{
    size_t n = base64_encoded_size(in.n);
    size_t back = 0;
    char *coded = xalloc(n + 1);
    char *out = xalloc(base64_decoded_room(n > in.n ? n : in.n));
    base64_encode(in, coded);
    must(base64_decode((struct slice){coded, n}, out, &back));
    must(back == in.n && memcmp(out, in.p, back) == 0);
    if (base64_decode(in, out, &back))
        must(back <= base64_decoded_room(in.n));
    free(coded);
    free(out);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
    if (n < 3)
        return 0;
    struct slice sizes = {(const char *)data + 1, 2};
    enum encoding e = (enum encoding)(data[0] % ENCODING_COUNT);
    unsigned flags =
        data[0] / ENCODING_COUNT & (DECODE_FATAL | DECODE_IGNORE_BOM);
    struct slice in = {(const char *)data + 3, n - 3};
    text(e, flags, in, sizes);
    base64(in);
    return 0;
}
