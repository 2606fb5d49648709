/*
 * zstream.h - zlib's streams in the formats of the Compression Standard.
 *
 * Output comes in pieces that the caller has room for: what a few bytes
 * unfold to is never in one buffer.
 */
#ifndef BIND_ZSTREAM_H
#define BIND_ZSTREAM_H

#include "base/err.h"
#include "base/slice.h"

enum zformat { ZFORMAT_DEFLATE, ZFORMAT_DEFLATE_RAW, ZFORMAT_GZIP };

struct zstream;

/* gives a stream: zstream_free(). ERR_NOMEM when there is no memory. */
enum err zstream_new(enum zformat format, bool decompress,
                     struct zstream **out);
void zstream_free(struct zstream *z);

enum zstate {
    ZSTATE_HUNGRY, /* used all of the input */
    ZSTATE_FULL,   /* more output is there: call again with what is left */
    ZSTATE_END     /* the format's end was written, or was read */
};

/*
 * Turns some of in into up to room bytes at to. Sets *used and *n, and where
 * it stands. last: nothing follows in. ERR_CORRUPT when what is to be
 * decompressed is no such thing; the stream is of no use then.
 */
enum err zstream_run(struct zstream *z, struct slice in, bool last, void *to,
                     size_t room, size_t *used, size_t *n, enum zstate *state);

#endif
