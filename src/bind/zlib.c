/* zlib.c - natives of js/compression.js. */
#include "bind/host.h"
#include "bind/zstream.h"

#define PIECE (64 * 1024) /* bytes a script gets at once, at most */
#define MAX_OPEN 512      /* streams in a process: 270 KB each, at most */

static int open_streams;

static void close_stream(void *p)
{
    open_streams--;
    zstream_free(p);
}

static const struct reskind zlib_kind = {"compression", close_stream};

/* (format of enum zformat, decompress) -> id */
static void zlib_open(struct call *c)
{
    struct host *host = call_host(c);
    struct zstream *z = NULL;
    int32_t format = arg_int(c, 0), id;
    if (format < ZFORMAT_DEFLATE || format > ZFORMAT_GZIP) {
        throw_type(c, "no format %d", (int)format);
        return;
    }
    if (open_streams >= MAX_OPEN) {
        throw_range(c, "more than %d compression streams at once", MAX_OPEN);
        return;
    }
    if (zstream_new((enum zformat)format, arg_bool(c, 1), &z) != OK) {
        throw_range(c, "no memory for a compression stream");
        return;
    }
    open_streams++;
    id = restab_add(&host->resources, &zlib_kind, z);
    if (id == 0)
        throw_range(c, "too many things are open");
    else
        ret_int(c, id);
}

/*
 * (id, bytes, offset, last) -> [used, state of enum zstate, piece if any].
 * A TypeError when the input is not compressed data.
 */
static void zlib_run(struct call *c)
{
    static char piece[PIECE];
    struct host *host = call_host(c);
    struct zstream *z = restab_get(&host->resources, &zlib_kind, arg_int(c, 0));
    struct slice in = slice_from(arg_bytes(c, 1), (size_t)arg_num(c, 2));
    size_t used, n;
    enum zstate state;
    if (z == NULL) {
        throw_type(c, "the stream has ended");
        return;
    }
    enum err rc = zstream_run(z, in, arg_bool(c, 3), piece, sizeof(piece),
                              &used, &n, &state);
    if (rc == ERR_NOMEM) {
        throw_range(c, "no memory to decompress");
    } else if (rc != OK) {
        throw_type(c, "the compressed data is malformed");
    } else {
        ret_list(c);
        list_num(c, (double)used);
        list_num(c, state);
        if (n > 0)
            list_bytes(c, (struct slice){piece, n});
    }
}

const struct native zlib_natives[] = {
    {"zlibOpen", 2, zlib_open}, {"zlibRun", 4, zlib_run}, {NULL, 0, NULL}};
