/*
 * image.h - a snapshot in a container that is checked before V8 sees it.
 *
 * V8 verifies nothing in a release build and ends the process on a mismatch,
 * so every byte V8 would trust is covered by this header: who made the
 * payload, for which engine, flags and natives, and a checksum over it.
 * Little-endian. Layout in image.c.
 */
#ifndef ENGINE_IMAGE_H
#define ENGINE_IMAGE_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

enum image_kind { IMAGE_API = 1, IMAGE_APP = 2, IMAGE_STATE = 3 };

struct image {
    enum image_kind kind;
    const void *payload; /* borrowed from the bytes given, or the mapping */
    size_t payload_n;
    char id[17];      /* 16 hex digits: the payload's identity */
    char version[64]; /* of V8 */
    uint64_t created; /* seconds since 1970 */
    void *map;        /* owned mapping, NULL for embedded bytes */
    size_t map_n;
};

/* What this program can load; all of it is compared. */
struct image_host {
    const char *version; /* engine_version() */
    uint64_t build;      /* engine_build(): which V8 library */
    uint64_t natives;    /* engine_fingerprint() */
    uint64_t js;         /* hash of the js/ texts this build carries */
};

/*
 * Checks n bytes (borrowed, must outlive img) and fills img. Any other
 * outcome than OK has one sentence in why, naming both sides of a mismatch.
 */
enum err image_open(const void *p, size_t n, const struct image_host *host,
                    struct image *img, struct why *why);
/* The same from a file, mapped read-only. ERR_NOTFOUND when absent. */
enum err image_open_file(const char *path, const struct image_host *host,
                         struct image *img, struct why *why);
void image_close(struct image *img);

/* Writes a container; path is replaced in one step (rename). */
enum err image_write(const char *path, enum image_kind kind,
                     const struct image_host *host, const void *payload,
                     size_t n, struct why *why);

#endif
