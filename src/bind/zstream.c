/* zstream.c - see zstream.h. */
#include "bind/zstream.h"

#include <stdlib.h>
#include <zlib.h>

#define WINDOW 15 /* log2 of bytes, the most there is */
#define MEMORY 8  /* zlib's own default */
#define AT_ONCE ((size_t)1 << 30)

struct zstream {
    z_stream z;
    bool decompress;
};

static int start(struct zstream *z, enum zformat format)
{
    static const int bits[] = {[ZFORMAT_DEFLATE] = WINDOW,
                               [ZFORMAT_DEFLATE_RAW] = -WINDOW,
                               [ZFORMAT_GZIP] = WINDOW + 16};
    if (z->decompress)
        return inflateInit2(&z->z, bits[format]);
    return deflateInit2(&z->z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, bits[format],
                        MEMORY, Z_DEFAULT_STRATEGY);
}

enum err zstream_new(enum zformat format, bool decompress, struct zstream **out)
{
    struct zstream *z = calloc(1, sizeof(*z));
    if (z == NULL)
        return ERR_NOMEM;
    z->decompress = decompress;
    if (start(z, format) != Z_OK) {
        free(z);
        return ERR_NOMEM;
    }
    *out = z;
    return OK;
}

void zstream_free(struct zstream *z)
{
    if (z == NULL)
        return;
    if (z->decompress)
        inflateEnd(&z->z);
    else
        deflateEnd(&z->z);
    free(z);
}

enum err zstream_run(struct zstream *z, struct slice in, bool last, void *to,
                     size_t room, size_t *used, size_t *n, enum zstate *state)
{
    static Bytef none;
    size_t give = in.n < AT_ONCE ? in.n : AT_ONCE;
    size_t take = room < AT_ONCE ? room : AT_ONCE;
    bool finish = last && give == in.n;
    int rc;
    z->z.next_in = give > 0 ? (Bytef *)(uintptr_t)in.p : &none;
    z->z.avail_in = (uInt)give;
    z->z.next_out = to;
    z->z.avail_out = (uInt)take;
    if (z->decompress)
        rc = inflate(&z->z, Z_NO_FLUSH);
    else
        rc = deflate(&z->z, finish ? Z_FINISH : Z_NO_FLUSH);
    *used = give - z->z.avail_in;
    *n = take - z->z.avail_out;
    if (rc == Z_STREAM_END)
        *state = ZSTATE_END;
    else if (z->z.avail_out == 0 || *used < in.n || (finish && !z->decompress))
        *state = ZSTATE_FULL;
    else
        *state = ZSTATE_HUNGRY;
    /* Z_BUF_ERROR only says that there was nothing to do. */
    if (rc == Z_OK || rc == Z_STREAM_END || rc == Z_BUF_ERROR)
        return OK;
    return rc == Z_MEM_ERROR ? ERR_NOMEM : ERR_CORRUPT;
}
