/*
 * decode.h - bytes to UTF-16, by the decoders of the Encoding Standard.
 */
#ifndef BIND_DECODE_H
#define BIND_DECODE_H

#include "base/slice.h"

enum encoding {
    ENCODING_UTF8,
    ENCODING_UTF16LE,
    ENCODING_UTF16BE,
    ENCODING_WINDOWS1252,
    ENCODING_COUNT
};

/*
 * What one piece leaves for the next. Bytes only: JavaScript keeps it in a
 * Uint8Array, so that a decoder may be part of a snapshot. Starts as zeros.
 */
struct decoder {
    uint8_t started; /* a unit was decoded: no byte order mark any more */
    uint8_t held;    /* bytes of a character not yet whole */
    uint8_t pending[3];
};

#define DECODE_FATAL 1u      /* malformed bytes are an error, not U+FFFD */
#define DECODE_IGNORE_BOM 2u /* a byte order mark is kept in the text */
#define DECODE_STREAM 4u     /* more may follow: keep a character cut off */

/* The most units that decode() gives for n bytes. */
size_t decode_room(size_t n);
/*
 * Decodes in to UTF-16 of the machine's order at out, which has room for
 * decode_room(in.n) units, and sets *n to their count. False when flags has
 * DECODE_FATAL and in is malformed; d is then as new.
 */
bool decode(enum encoding e, struct decoder *d, unsigned flags, struct slice in,
            uint16_t *out, size_t *n);
/*
 * Is each byte of in the code unit of its value, nothing held and nothing to
 * drop? Then no decoding is needed; d is set as decode() would.
 */
bool decode_is_latin1(enum encoding e, struct decoder *d, struct slice in);
bool decode_is_ascii(struct slice in);

#endif
