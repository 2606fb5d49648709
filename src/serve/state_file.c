/*
 * state_file.c - state files are written here, and state_file_read.c reads
 * them.
 *
 * Neither compressed nor encrypted, a file is the image. Otherwise,
 * little-endian:
 *     0  magic           8  "snapcgi+"
 *     8  format          4  STATE_FORMAT
 *    12  header length   4  STATE_HEADER_N
 *    16  flags           4  enum state_flag
 *    20  piece length    4  STATE_PIECE_N
 *    24  length          8  of the image
 *    32  salt           32  random when encrypted, else zero
 *    64  key check      16  when encrypted, else zero; state_seal.c
 *    80  header sum      8  over the bytes before it, FNV-1a
 *    88  the image
 *
 * STATE_FILE_ZSTD: as one zstd frame with a checksum (RFC 8878).
 * STATE_FILE_SEALED: that in pieces of STATE_PIECE_N bytes, of which the last
 * may be shorter, each encrypted and with its tag after it.
 */
#include "serve/state_file_parts.h"

#include "base/hash.h"
#include "base/io.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* Of images of 9 and 64 MB, level 1 leaves 28 %, 2 21 % and is no slower, 3 a
 * tenth less at three quarters of the speed. */
#define LEVEL 2

struct out {
    int fd;
    const char *name;
    struct state_seal *seal; /* NULL: not encrypted */
    unsigned char *piece;    /* STATE_PIECE_N, and a tag */
    size_t used;
    uint64_t written;
    uint64_t most; /* the file will not be longer */
    struct why *why;
};

uint64_t state_header_sum(const struct state_header *h)
{
    uint64_t sum = HASH_START;
    hash_add(&sum, h, offsetof(struct state_header, sum));
    return sum;
}

struct slice state_header_bound(const struct state_header *h)
{
    return (struct slice){(const char *)h,
                          offsetof(struct state_header, check)};
}

const struct libzstd *state_zstd(struct why *why)
{
    static const char *const names[] = {LIBZSTD_FUNCTIONS(LIBRARY_NAME) NULL};
    static struct libzstd zstd;
    static bool opened;
    struct why inner = {.text = ""};

    if (!opened && library_open("libzstd.so.1", names, &zstd, &inner) != OK) {
        why_set(why, ERR_FAIL, "a compressed state file needs libzstd: %s",
                inner.text);
        return NULL;
    }
    opened = true;
    return &zstd;
}

enum err state_file_prepare(const struct state_form *form, struct why *why)
{
    struct why inner = {.text = ""};
    if (form->compress && state_zstd(why) == NULL)
        return ERR_FAIL;
    if (form->key != NULL && libcrypto_load(&inner) != OK)
        return why_set(why, ERR_FAIL,
                       "a state file with a key needs OpenSSL 3: %s",
                       inner.text);
    return OK;
}

static enum err out_bytes(struct out *o, const void *p, size_t n)
{
    size_t wrote;
    enum err e = io_write(o->fd, p, n, &wrote);
    o->written += wrote;
    if (e != OK)
        why_set(o->why, e,
                "%s: %s after %" PRIu64 " bytes, and up to %" PRIu64
                " are needed: make room, or allow it more",
                o->name, strerror(errno), o->written, o->most);
    return e;
}

static enum err out_piece(struct out *o, bool last)
{
    size_t n = o->used;
    if (o->seal != NULL) {
        if (!state_seal_close(o->seal, o->piece, n, last))
            return why_set(o->why, ERR_FAIL, "%s: OpenSSL cannot encrypt it",
                           o->name);
        n += SEAL_TAG_N;
    }
    o->used = 0;
    return out_bytes(o, o->piece, n);
}

/* A full piece waits until it is known that it is not the last. */
static enum err out_copy(struct out *o, struct slice s)
{
    enum err e = OK;
    while (s.n > 0 && e == OK) {
        if (o->used == STATE_PIECE_N && (e = out_piece(o, false)) != OK)
            break;
        size_t n = STATE_PIECE_N - o->used;
        if (n > s.n)
            n = s.n;
        memcpy(o->piece + o->used, s.p, n);
        o->used += n;
        s = slice_from(s, n);
    }
    return e;
}

/* After a part the frame's checksum is still to come, so a piece that is full
 * is not the last; nor is one that is full while zstd has more. */
static enum err out_zstd(struct out *o, const struct libzstd *zstd,
                         ZSTD_CCtx *c, struct slice s, enum zstd_end end)
{
    ZSTD_inBuffer in = {s.p, s.n, 0};
    enum err e = OK;
    while (e == OK) {
        ZSTD_outBuffer out = {o->piece, STATE_PIECE_N, o->used};
        size_t left = zstd->ZSTD_compressStream2(c, &out, &in, end);
        if (zstd->ZSTD_isError(left))
            return why_set(o->why, ERR_FAIL, "%s cannot be compressed: %s",
                           o->name, zstd->ZSTD_getErrorName(left));
        o->used = out.pos;
        if (end == ZSTD_END ? left == 0 : in.pos == in.size)
            break;
        if (o->used == STATE_PIECE_N)
            e = out_piece(o, false);
    }
    return e;
}

static enum err compress(struct out *o, const struct slice *parts, size_t count,
                         uint64_t length)
{
    const struct libzstd *zstd = state_zstd(o->why);
    if (zstd == NULL)
        return ERR_FAIL;
    ZSTD_CCtx *c = zstd->ZSTD_createCCtx();
    if (c == NULL)
        return why_set(o->why, ERR_NOMEM, "%s: no memory to compress it",
                       o->name);
    zstd->ZSTD_CCtx_setParameter(c, ZSTD_LEVEL, LEVEL);
    zstd->ZSTD_CCtx_setParameter(c, ZSTD_CHECKSUM, 1);
    zstd->ZSTD_CCtx_setPledgedSrcSize(c, length);
    enum err e = OK;
    for (size_t i = 0; i < count && e == OK; i++)
        e = out_zstd(o, zstd, c, parts[i], ZSTD_CONTINUE);
    if (e == OK)
        e = out_zstd(o, zstd, c, SLICE(""), ZSTD_END);
    zstd->ZSTD_freeCCtx(c);
    return e;
}

static enum err fill_header(struct state_header *h, struct state_seal *seal,
                            const struct state_form *form, uint64_t length,
                            struct why *why)
{
    *h = (struct state_header){.format = STATE_FORMAT,
                               .header_n = STATE_HEADER_N,
                               .piece_n = STATE_PIECE_N,
                               .length = length};
    memcpy(h->magic, STATE_MAGIC, sizeof h->magic);
    h->flags = (form->compress ? STATE_FILE_ZSTD : 0u) |
               (form->key != NULL ? STATE_FILE_SEALED : 0u);
    if (form->key != NULL) {
        if (getrandom(h->salt, sizeof h->salt, 0) != sizeof h->salt)
            return why_set(why, ERR_IO, "getrandom: %s", strerror(errno));
        enum err e =
            state_seal_init(seal, form->key, state_header_bound(h), true, why);
        if (e != OK)
            return e;
        memcpy(h->check, seal->check, sizeof h->check);
    }
    h->sum = state_header_sum(h);
    return OK;
}

/* What follows an outer header. */
static enum err write_wrapped(struct out *o, const struct slice *parts,
                              size_t count, uint64_t length,
                              const struct state_form *form)
{
    struct state_header h;
    struct state_seal seal = {.number = 0};
    enum err e = ERR_NOMEM;

    o->piece = malloc(STATE_PIECE_N + SEAL_TAG_N);
    if (o->piece == NULL)
        return why_set(o->why, e, "%s: no memory to write it", o->name);
    if ((e = fill_header(&h, &seal, form, length, o->why)) != OK)
        goto out;
    if (form->key != NULL)
        o->seal = &seal;
    if ((e = out_bytes(o, &h, sizeof h)) != OK)
        goto out;
    if (form->compress)
        e = compress(o, parts, count, length);
    else
        for (size_t i = 0; i < count && e == OK; i++)
            e = out_copy(o, parts[i]);
    if (e == OK)
        e = out_piece(o, true);
out:
    state_seal_free(&seal);
    explicit_bzero(o->piece, STATE_PIECE_N);
    free(o->piece);
    return e;
}

static enum err sync_file(struct out *o)
{
    while (fsync(o->fd) != 0)
        if (errno != EINTR)
            return why_set(o->why, ERR_IO,
                           "%s: %s when its %" PRIu64
                           " bytes were to reach the disk",
                           o->name, strerror(errno), o->written);
    return OK;
}

/* What zstd and the pieces add at the worst: zstd's ZSTD_COMPRESSBOUND. */
static uint64_t most_bytes(const struct state_form *form, uint64_t length)
{
    if (!form->compress && form->key == NULL)
        return length;
    uint64_t n = length;
    if (form->compress)
        n += (n >> 8) + 64;
    if (form->key != NULL)
        n += (n / STATE_PIECE_N + 1) * SEAL_TAG_N;
    return n + STATE_HEADER_N;
}

enum err state_file_write(int fd, const char *name, const struct slice *parts,
                          size_t count, const struct state_form *form,
                          uint64_t *written, struct why *why)
{
    uint64_t length = 0;
    for (size_t i = 0; i < count; i++)
        length += parts[i].n;
    if (form->limit != 0 && length > form->limit)
        return why_set(why, ERR_TOOBIG,
                       "%s: the state has %" PRIu64
                       " bytes and may have %" PRIu64 " (state_limit)",
                       name, length, form->limit);
    struct out o = {
        .fd = fd, .name = name, .most = most_bytes(form, length), .why = why};
    enum err e = OK;
    if (form->compress || form->key != NULL)
        e = write_wrapped(&o, parts, count, length, form);
    else
        for (size_t i = 0; i < count && e == OK; i++)
            e = out_bytes(&o, parts[i].p, parts[i].n);
    if (e == OK)
        e = sync_file(&o);
    if (e == OK && written != NULL)
        *written = o.written;
    /* a disk that is full has its bytes back */
    if (e != OK && ftruncate(fd, 0) == 0)
        lseek(fd, 0, SEEK_SET);
    return e;
}

enum err state_file_write_image(int fd, const char *name,
                                const struct image_plan *plan,
                                const struct state_form *form,
                                uint64_t *written, struct why *why)
{
    static const char zeros[64];
    struct slice all[2 * IMAGE_PARTS_MAX];
    struct why inner = {.text = ""};
    struct buf head;
    size_t count = 1;

    buf_init(&head, 4096);
    enum err e = image_head(plan, &head, &inner);
    if (e != OK) {
        buf_free(&head);
        return why_set(why, e, "%s: %s", name, inner.text);
    }
    all[0] = buf_view(&head);
    for (size_t i = 0; i < plan->count; i++) {
        struct slice part = plan->parts[i].bytes;
        all[count++] = part;
        if (i + 1 < plan->count)
            all[count++] = (struct slice){zeros, image_gap(part.n)};
    }
    e = state_file_write(fd, name, all, count, form, written, why);
    buf_free(&head);
    return e;
}
