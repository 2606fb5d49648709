/*
 * fuzz_decode.c - any bytes as text: whole, and in two pieces, alike.
 *
 * Input: a byte of encoding and flags, a byte of where to cut, the bytes.
 */
#include "base/err.h"
#include "bind/base64.h"
#include "bind/decode.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);

static void text(enum encoding e, unsigned flags, struct slice in, size_t cut)
{
    struct decoder one = {0}, two = {0};
    struct slice head = {in.p, cut};
    struct slice tail = slice_from(in, cut);
    uint16_t *a = xalloc(decode_room(in.n) * sizeof(*a));
    uint16_t *b =
        xalloc((decode_room(head.n) + decode_room(tail.n)) * sizeof(*b));
    size_t whole = 0, first = 0, second = 0;
    bool good = decode(e, &one, flags, in, a, &whole);
    must(!good || whole <= decode_room(in.n));
    bool pieces = decode(e, &two, flags | DECODE_STREAM, head, b, &first) &&
                  decode(e, &two, flags, tail, b + first, &second);
    must(good == pieces);
    must(!good ||
         (whole == first + second && memcmp(a, b, whole * sizeof(*a)) == 0));
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
    enum encoding e = (enum encoding)(data[0] % ENCODING_COUNT);
    unsigned flags =
        data[0] / ENCODING_COUNT & (DECODE_FATAL | DECODE_IGNORE_BOM);
    struct slice in = {(const char *)data + 2, n - 2};
    text(e, flags, in, data[1] % (in.n + 1));
    base64(in);
    return 0;
}
