/* text.c - natives of js/text.js: encodings and base64. */
#include "base/err.h"
#include "base/utf8.h"
#include "bind/base64.h"
#include "bind/decode.h"
#include "bind/host.h"

#include <stdlib.h>
#include <string.h>

#define SMALL 2048 /* units or bytes that need no allocation */

static void text_encode(struct call *c)
{
    size_t n;
    char *p = arg_utf8_take(c, 0, &n);
    if (p != NULL)
        ret_bytes_take(c, p, n);
}

/* (string, Uint8Array) -> [UTF-16 units read, bytes written] */
static void text_encode_into(struct call *c)
{
    size_t room;
    struct slice s = arg_utf8(c, 0);
    char *to = arg_bytes_mut(c, 1, &room);
    size_t n = s.n < room ? s.n : room;
    while (n < s.n && n > 0 && (s.p[n] & 0xc0) == 0x80)
        n--; /* no part of a character */
    if (n > 0)
        memcpy(to, s.p, n);
    ret_list(c);
    list_num(c, (double)utf8_units((struct slice){s.p, n}));
    list_num(c, (double)n);
}

/* The state may be absent; it is read and written in place. */
static void decode_to(struct call *c, enum encoding e, unsigned flags,
                      struct slice in, struct decoder *d)
{
    uint16_t small[SMALL], *out = small;
    size_t room = decode_room(in.n), n;
    if (room > SMALL) {
        out = malloc(room * sizeof(*out));
        if (out == NULL) {
            throw_range(c, "no memory to decode %zu bytes", in.n);
            return;
        }
    }
    if (decode(e, d, flags, in, out, &n))
        ret_utf16(c, out, n);
    else
        ret_null(c);
    if (out != small)
        free(out);
}

/*
 * (encoding, bytes, flags, Uint8Array state or undefined) -> string, or null
 * when malformed and fatal. Numbers and flags are those of decode.h.
 */
static void text_decode(struct call *c)
{
    int32_t e = arg_int(c, 0);
    struct slice in = arg_bytes(c, 1);
    unsigned flags = (unsigned)arg_int(c, 2);
    struct decoder d = {0};
    void *state = NULL;
    size_t n = 0;
    if (e < 0 || e >= ENCODING_COUNT) {
        throw_type(c, "textDecode: no encoding %d", (int)e);
        return;
    }
    if (!arg_is_undefined(c, 3)) {
        state = arg_bytes_mut(c, 3, &n);
        if (n != sizeof(d)) {
            throw_type(c, "textDecode: a state has %zu bytes", sizeof(d));
            return;
        }
        memcpy(&d, state, n);
    }
    if (decode_is_latin1((enum encoding)e, &d, in))
        ret_latin1(c, in);
    else
        decode_to(c, (enum encoding)e, flags, in, &d);
    if (state != NULL)
        memcpy(state, &d, n);
}

static void text_base64_encode(struct call *c)
{
    char small[SMALL], *out = small;
    struct slice in = arg_latin1(c, 0);
    size_t n = base64_encoded_size(in.n);
    if (n > SMALL && (out = malloc(n)) == NULL) {
        throw_range(c, "no memory to encode %zu bytes", in.n);
        return;
    }
    base64_encode(in, out);
    ret_latin1(c, (struct slice){out, n});
    if (out != small)
        free(out);
}

static void text_base64_decode(struct call *c)
{
    char small[SMALL], *out = small;
    struct slice in = arg_utf8(c, 0);
    size_t n = base64_decoded_room(in.n);
    if (n > SMALL && (out = malloc(n)) == NULL) {
        throw_range(c, "no memory to decode %zu bytes", in.n);
        return;
    }
    if (base64_decode(in, out, &n))
        ret_latin1(c, (struct slice){out, n});
    else
        ret_null(c);
    if (out != small)
        free(out);
}

const struct native text_natives[] = {{"textEncode", 1, text_encode},
                                      {"textEncodeInto", 2, text_encode_into},
                                      {"textDecode", 3, text_decode},
                                      {"base64Encode", 1, text_base64_encode},
                                      {"base64Decode", 1, text_base64_decode},
                                      {NULL, 0, NULL}};
