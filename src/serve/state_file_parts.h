/*
 * state_file_parts.h - what state_file.c and state_file_read.c share, and
 * nobody else but their test includes.
 */
#ifndef SERVE_STATE_FILE_PARTS_H
#define SERVE_STATE_FILE_PARTS_H

#include "base/image_magic.h"
#include "serve/libzstd.h"
#include "serve/state_file.h"
#include "serve/state_seal.h"

#define STATE_FORMAT 1u
#define STATE_HEADER_N 88u
#define STATE_PIECE_N ((size_t)1 << 20)

enum state_flag {
    STATE_FILE_ZSTD = 1,
    STATE_FILE_SEALED = 2,
    STATE_FILE_FLAGS = 3
};

/* See state_file.c. */
struct state_header {
    char magic[8];
    uint32_t format;
    uint32_t header_n;
    uint32_t flags;
    uint32_t piece_n;
    uint64_t length;
    unsigned char salt[32];
    unsigned char check[SEAL_CHECK_N];
    uint64_t sum;
};
_Static_assert(sizeof(struct state_header) == STATE_HEADER_N, "no padding");

/* Of the bytes before it. */
uint64_t state_header_sum(const struct state_header *h);
/* What the file's key is made from; lends h. */
struct slice state_header_bound(const struct state_header *h);

/* Opens it; NULL with the why. */
const struct libzstd *state_zstd(struct why *why);

#endif
