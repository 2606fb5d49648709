/* state_file_read.c - the way back; the form is described in state_file.c. */
#include "serve/state_file_parts.h"

#include "base/io.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ALIGNMENT 64u
/* 8 MB of memory; no level below 10 asks for more. */
#define WINDOW_LOG 23

struct in {
    int fd;
    const char *name;
    uint64_t at;
    uint64_t size;
    struct state_seal *seal; /* NULL: not encrypted */
    unsigned char *piece;    /* STATE_PIECE_N, and a tag */
    bool ended;
    struct why *why;

    char *image; /* grows to length */
    size_t used;
    size_t length;
};

/* Exactly n bytes, from in->at on. */
static enum err in_bytes(struct in *in, void *p, size_t n)
{
    size_t got;
    enum err e = io_read_at(in->fd, p, n, in->at, &got);
    in->at += got;
    if (e == ERR_EOF)
        return why_set(in->why, ERR_CORRUPT,
                       "%s was cut short while it was read", in->name);
    if (e != OK)
        why_set(in->why, e, "%s: %s at byte %" PRIu64, in->name,
                strerror(errno), in->at);
    return e;
}

/* The next piece as it was before it was encrypted, until in->ended. */
static enum err in_piece(struct in *in, size_t *n)
{
    uint64_t left = in->size - in->at;
    size_t tag = in->seal != NULL ? SEAL_TAG_N : 0;
    size_t whole = STATE_PIECE_N + tag;
    enum err e;

    in->ended = left <= whole;
    *n = in->ended ? (size_t)left : whole;
    if (*n < tag)
        return why_set(in->why, ERR_CORRUPT, "%s is cut short", in->name);
    if ((e = in_bytes(in, in->piece, *n)) != OK)
        return e;
    *n -= tag;
    if (in->seal != NULL &&
        !state_seal_open(in->seal, in->piece, *n, in->ended))
        return why_set(in->why, ERR_CORRUPT,
                       "%s is damaged or cut short: its %zu bytes before byte "
                       "%" PRIu64 " are not what was written",
                       in->name, *n + tag, in->at);
    return OK;
}

static enum err wrong_length(struct in *in)
{
    return why_set(in->why, ERR_CORRUPT,
                   "%s is damaged or cut short: it does not hold the %zu bytes "
                   "that its header says",
                   in->name, in->length);
}

static enum err copy_all(struct in *in)
{
    enum err e = OK;
    while (!in->ended) {
        size_t n;
        if ((e = in_piece(in, &n)) != OK)
            return e;
        if (n > in->length - in->used)
            return wrong_length(in);
        memcpy(in->image + in->used, in->piece, n);
        in->used += n;
    }
    return in->used == in->length ? OK : wrong_length(in);
}

/* n bytes of the piece; *whole: the frame is complete. */
static enum err inflate_piece(struct in *in, const struct libzstd *zstd,
                              ZSTD_DCtx *d, size_t n, bool *whole)
{
    ZSTD_inBuffer from = {in->piece, n, 0};
    while (from.pos < from.size) {
        if (*whole)
            return wrong_length(in);
        ZSTD_outBuffer to = {in->image, in->length, in->used};
        size_t before = from.pos;
        size_t left = zstd->ZSTD_decompressStream(d, &to, &from);
        bool moved = to.pos > in->used || from.pos > before;
        in->used = to.pos;
        if (zstd->ZSTD_isError(left))
            return why_set(in->why, ERR_CORRUPT,
                           "%s is damaged: zstd says \"%s\"", in->name,
                           zstd->ZSTD_getErrorName(left));
        *whole = left == 0;
        if (!*whole && !moved)
            return wrong_length(in); /* it would be longer */
    }
    return OK;
}

static enum err inflate_all(struct in *in)
{
    const struct libzstd *zstd = state_zstd(in->why);
    bool whole = false;
    if (zstd == NULL)
        return ERR_FAIL;
    ZSTD_DCtx *d = zstd->ZSTD_createDCtx();
    if (d == NULL)
        return why_set(in->why, ERR_NOMEM, "%s: no memory to decompress it",
                       in->name);
    zstd->ZSTD_DCtx_setParameter(d, ZSTD_WINDOW_LOG_MAX, WINDOW_LOG);
    enum err e = OK;
    while (e == OK && !in->ended) {
        size_t n;
        if ((e = in_piece(in, &n)) == OK)
            e = inflate_piece(in, zstd, d, n, &whole);
    }
    if (e == OK && (!whole || in->used != in->length))
        e = wrong_length(in);
    zstd->ZSTD_freeDCtx(d);
    return e;
}

static enum err check_header(const struct in *in, const struct state_header *h)
{
    if (h->format != STATE_FORMAT)
        return why_set(in->why, ERR_MISMATCH,
                       "%s has format %u, this program reads %u", in->name,
                       h->format, STATE_FORMAT);
    if (h->sum != state_header_sum(h))
        return why_set(in->why, ERR_CORRUPT, "the header of %s is damaged",
                       in->name);
    if (h->header_n != STATE_HEADER_N || h->piece_n != STATE_PIECE_N ||
        (h->flags & ~(uint32_t)STATE_FILE_FLAGS) != 0)
        return why_set(in->why, ERR_MISMATCH,
                       "%s is of a form that this program does not know",
                       in->name);
    return OK;
}

static enum err open_seal(struct in *in, struct state_seal *seal,
                          const struct state_header *h,
                          const struct state_key *key)
{
    if (key == NULL)
        return why_set(in->why, ERR_ACCESS,
                       "%s is encrypted, and no key file was given: "
                       "state_key, or --key, must name it",
                       in->name);
    enum err e =
        state_seal_init(seal, key, state_header_bound(h), false, in->why);
    if (e != OK)
        return e;
    if (memcmp(seal->check, h->check, sizeof h->check) != 0)
        return why_set(in->why, ERR_ACCESS,
                       "%s was encrypted with another key than the one given; "
                       "who has both can give it this one (snapcgi image "
                       "recode)",
                       in->name);
    in->seal = seal;
    return OK;
}

static enum err make_room(struct in *in, uint64_t length, uint64_t limit)
{
    if (limit == 0 || limit > SIZE_MAX / 2)
        limit = SIZE_MAX / 2;
    if (length > limit)
        return why_set(in->why, ERR_TOOBIG,
                       "%s holds %" PRIu64 " bytes, and with this state_limit "
                       "up to %" PRIu64 " are read: raise it",
                       in->name, length, limit);
    in->length = (size_t)length;
    in->image =
        aligned_alloc(ALIGNMENT, (in->length / ALIGNMENT + 1) * ALIGNMENT);
    if (in->image == NULL)
        return why_set(in->why, ERR_NOMEM,
                       "%s: no memory for the %zu bytes it holds", in->name,
                       in->length);
    return OK;
}

static enum err not_encrypted(const struct in *in)
{
    return why_set(in->why, ERR_ACCESS,
                   "%s is not encrypted, and a key was given: if it is to be "
                   "trusted, snapcgi image recode encrypts it",
                   in->name);
}

static enum err read_wrapped(struct in *in, const struct state_key *key,
                             uint64_t limit)
{
    struct state_header h;
    struct state_seal seal = {.number = 0};
    enum err e = ERR_CORRUPT;

    if (in->size < sizeof h)
        return why_set(in->why, e,
                       "%s is cut short: %" PRIu64
                       " bytes, its header alone has %u",
                       in->name, in->size, STATE_HEADER_N);
    if ((e = in_bytes(in, &h, sizeof h)) != OK ||
        (e = check_header(in, &h)) != OK)
        return e;
    if ((h.flags & STATE_FILE_SEALED) == 0 && key != NULL)
        return not_encrypted(in);
    if ((h.flags & STATE_FILE_SEALED) != 0 &&
        (e = open_seal(in, &seal, &h, key)) != OK)
        goto out;
    if ((e = make_room(in, h.length, limit)) != OK)
        goto out;
    e = ERR_NOMEM;
    in->piece = malloc(STATE_PIECE_N + SEAL_TAG_N);
    if (in->piece == NULL) {
        why_set(in->why, e, "%s: no memory to read it", in->name);
        goto out;
    }
    e = (h.flags & STATE_FILE_ZSTD) != 0 ? inflate_all(in) : copy_all(in);
    explicit_bzero(in->piece, STATE_PIECE_N);
    free(in->piece);
out:
    state_seal_free(&seal);
    return e;
}

static enum err read_plain(struct in *in, const struct state_key *key,
                           uint64_t limit)
{
    if (key != NULL)
        return not_encrypted(in);
    enum err e = make_room(in, in->size, limit);
    if (e == OK)
        e = in_bytes(in, in->image, in->length);
    return e;
}

enum err state_file_read(int fd, const char *name, const struct state_key *key,
                         uint64_t limit, void **bytes, size_t *n,
                         struct why *why)
{
    struct stat st;
    char magic[sizeof STATE_MAGIC - 1];

    if (fstat(fd, &st) != 0)
        return why_set(why, ERR_IO, "%s: %s", name, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return why_set(why, ERR_IO, "%s is not a regular file", name);
    struct in in = {
        .fd = fd, .name = name, .size = (uint64_t)st.st_size, .why = why};
    enum err e = OK;
    bool wrapped = false;
    if (in.size >= sizeof magic &&
        (e = in_bytes(&in, magic, sizeof magic)) == OK)
        wrapped = memcmp(magic, STATE_MAGIC, sizeof magic) == 0;
    in.at = 0;
    if (e == OK)
        e = wrapped ? read_wrapped(&in, key, limit)
                    : read_plain(&in, key, limit);
    if (e != OK) {
        /* what was not written is not touched: it may be a gigabyte */
        state_file_free(in.image, in.used);
        return e;
    }
    *bytes = in.image;
    *n = in.length;
    return OK;
}

void state_file_free(void *bytes, size_t n)
{
    if (bytes != NULL)
        explicit_bzero(bytes, n);
    free(bytes);
}
