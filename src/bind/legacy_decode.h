/*
 * legacy_decode.h - bytes of the Encoding Standard's legacy encodings
 * (sections 9 to 13, and x-user-defined of 14) to UTF-16.
 */
#ifndef BIND_LEGACY_DECODE_H
#define BIND_LEGACY_DECODE_H

#include "base/slice.h"
#include "bind/legacy_index.h"

/* After the single-byte ones, which are numbered as their indexes. */
enum legacy {
    LEGACY_ISO_8859_8_I = INDEX_SINGLE_COUNT,
    LEGACY_USER_DEFINED,
    LEGACY_GBK,
    LEGACY_GB18030,
    LEGACY_BIG5,
    LEGACY_EUC_JP,
    LEGACY_ISO_2022_JP,
    LEGACY_SHIFT_JIS,
    LEGACY_EUC_KR,
    LEGACY_COUNT
};

/* As struct decoder of decode.h, whose flags are used here too. */
struct legacy_decoder {
    uint8_t mode; /* of ISO-2022-JP: its state, and its output flag */
    uint8_t held;
    uint8_t pending[3];
};

/* Makes an encoding ready; NULL, or the name of the converter ICU lacks. */
const char *legacy_decode_open(enum legacy e);
/* As decode(), for an open encoding; out has room for decode_room(in.n). */
bool legacy_decode(enum legacy e, struct legacy_decoder *d, unsigned flags,
                   struct slice in, uint16_t *out, size_t *n);
/* Is in ASCII, which means itself here, and nothing held? */
bool legacy_decode_is_ascii(enum legacy e, const struct legacy_decoder *d,
                            struct slice in);

#endif
