/*
 * image_parts.h - what image.c and image_write.c share: the container's form.
 */
#ifndef ENGINE_IMAGE_PARTS_H
#define ENGINE_IMAGE_PARTS_H

#include "base/image_magic.h"
#include "engine/image.h"

#define IMAGE_FORMAT 2u
#define HEADER_N 256u
#define ENTRY_N 64u
#define HEAD_MAX (HEADER_N + ENTRY_N * IMAGE_PARTS_MAX)
#define ALIGN 64u

struct image_header {
    char magic[8];
    uint32_t format;
    uint32_t header_n;
    uint32_t kind;
    uint32_t pointer_n;
    char version[64];
    uint64_t build;
    uint64_t natives;
    uint64_t js;
    uint64_t flags;
    uint64_t created;
    uint64_t file_n;
    uint32_t count;
    uint32_t zero;
    char machine[16];
    uint64_t base;
    uint64_t clock;
    uint64_t wake;
    char zeros[64];
    uint64_t header_sum;
} __attribute__((packed));
_Static_assert(sizeof(struct image_header) == HEADER_N, "the header");
_Static_assert(offsetof(struct image_header, header_sum) == 248, "its sum");

struct image_entry {
    uint32_t section;
    uint32_t zero;
    uint64_t offset;
    uint64_t n;
    uint64_t sum;
    unsigned char sha256[IMAGE_SHA256_N];
} __attribute__((packed));
_Static_assert(sizeof(struct image_entry) == ENTRY_N, "an entry");

extern const char image_machine[16]; /* this one's, NUL-padded */

/*
 * A checksum against accidents, four lanes wide so that a megabyte costs
 * tens of microseconds. Not against intent: that is a signature's work.
 */
uint64_t image_sum(const void *p, size_t n);
/* Of header and table, as if the header's own were 0. */
uint64_t image_head_sum(const void *head, uint32_t count);

#endif
