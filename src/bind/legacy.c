/* legacy.c - native of js/legacy.js. */
#include "bind/decode.h"
#include "bind/host.h"
#include "bind/legacy_decode.h"

#include <stdlib.h>
#include <string.h>

static void decode_to(struct call *c, enum legacy e, unsigned flags,
                      struct slice in, struct legacy_decoder *d)
{
    size_t n;
    uint16_t *out = malloc(decode_room(in.n) * sizeof(*out));
    if (out == NULL) {
        throw_range(c, "no memory to decode %zu bytes", in.n);
        return;
    }
    if (legacy_decode(e, d, flags, in, out, &n))
        ret_utf16(c, out, n);
    else
        ret_null(c);
    free(out);
}

/*
 * (encoding, bytes, flags, Uint8Array state or undefined) -> string, or null
 * when malformed and fatal: as textDecode, but numbers are of enum legacy.
 */
static void legacy_text(struct call *c)
{
    int32_t e = arg_int(c, 0);
    struct slice in = arg_bytes(c, 1);
    unsigned flags = (unsigned)arg_int(c, 2);
    struct legacy_decoder d = {0};
    void *state = NULL;
    size_t n = sizeof(d);
    if (!arg_is_undefined(c, 3))
        state = arg_bytes_mut(c, 3, &n);
    if (e < 0 || e >= LEGACY_COUNT || n != sizeof(d)) {
        throw_type(c, "no such encoding or state");
        return;
    }
    const char *missing = legacy_decode_open((enum legacy)e);
    if (missing != NULL) {
        throw_error(c, "ICU has no converter %s", missing);
        return;
    }
    if (state != NULL)
        memcpy(&d, state, n);
    if (legacy_decode_is_ascii((enum legacy)e, &d, in))
        ret_latin1(c, in);
    else
        decode_to(c, (enum legacy)e, flags, in, &d);
    if (state != NULL)
        memcpy(state, &d, n);
}

const struct native legacy_natives[] = {{"legacyDecode", 3, legacy_text},
                                        {NULL, 0, NULL}};
