/*
 * image.h - a snapshot in a container that is checked before V8 sees it.
 *
 * V8 verifies nothing in a release build and ends the process on a mismatch,
 * so every byte V8 would trust is covered by this header: who made the
 * snapshot, for which engine, flags and natives, and a checksum over it.
 * Little-endian. Layout in image.c.
 */
#ifndef ENGINE_IMAGE_H
#define ENGINE_IMAGE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum image_kind {
    IMAGE_API = 1,  /* js/ evaluated: what every program carries */
    IMAGE_APP = 2,  /* an application evaluated */
    IMAGE_STATE = 3 /* one that has run */
};

/* In a file they stand in this order, each at most once. */
enum image_section {
    SECTION_SNAPSHOT = 1, /* V8's blob; may be absent in a state only */
    SECTION_SOURCES = 2,  /* text: serve/image_sources.h */
    SECTION_CENSUS = 3,   /* JSON: what the heap holds */
    SECTION_PORTABLE = 4, /* what freeze() gave: js/portable.js */
    SECTION_SIGNATURE = 5 /* serve/image_trust.h */
};

#define IMAGE_PARTS_MAX 16
#define IMAGE_SHA256_N 32
#define IMAGE_ID_N 17 /* with the NUL */
/* Of one section: V8 counts a blob's bytes in an int. */
#define IMAGE_SECTION_MAX ((UINT64_C(1) << 31) - 1)

/* "API", "application", "state"; "snapshot", "sources" ... Never NULL. */
const char *image_kind_name(enum image_kind kind);
const char *image_section_name(enum image_section section);

struct image {
    enum image_kind kind;
    const void *payload; /* the snapshot, lent until image_close(); or NULL */
    size_t payload_n;
    char id[IMAGE_ID_N];   /* 16 hex digits: of the first section's bytes */
    char base[IMAGE_ID_N]; /* of the image it was made from, "" none */
    char version[65];      /* of V8 */
    char machine[17];      /* "x86-64" */
    uint32_t pointer_n;    /* bytes of a pointer there */
    uint64_t build, natives, js, flags; /* see struct image_host */
    uint64_t created;                   /* seconds since 1970 */
    uint64_t clock;     /* ns: what the realm's clock said, 0 unknown */
    uint64_t wake;      /* ns until its next timer, 0 none */
    struct slice bytes; /* the whole file, lent until image_close() */
    void *map;          /* owned, NULL when the bytes are the caller's */
    size_t map_n;
};

/* What a program can load; all of it is compared. */
struct image_host {
    const char *version; /* engine_version() */
    uint64_t build;      /* engine_build(): which V8 library */
    uint64_t natives;    /* engine_fingerprint() */
    uint64_t js;         /* hash of the js/ texts this build carries */
    uint64_t flags;      /* hash of V8's flags that matter */
};

/* ---- reading ------------------------------------------------------------ */

/*
 * Checks n bytes (borrowed, must outlive img) and fills img: header, table
 * and the checksum of the snapshot. Any other outcome than OK has one
 * sentence in why, naming both sides of a mismatch; img is not to be used
 * then. host NULL: whole it must be, but it may be another program's.
 */
enum err image_open(const void *p, size_t n, const struct image_host *host,
                    struct image *img, struct why *why);
/* The same without the checksum, for bytes of the program's own file. */
enum err image_open_embedded(const void *p, size_t n,
                             const struct image_host *host, struct image *img,
                             struct why *why);

enum image_hold {
    /* A copy: nothing that happens to the file is felt. */
    IMAGE_COPY,
    /* Mapped: saves 0.3 ms for 0.65 MB, 1 to 2 ms for 2.7 MB. Who writes to the
     * file in its place (nothing here does) changes what V8 reads, or ends the
     * process: for who can begin anew (serve/image_guard.h), and for the
     * installation's own, which is replaced by rename(2). */
    IMAGE_MAP
};

/* From a file. ERR_NOTFOUND when absent; the sentence begins with path. */
enum err image_open_file(const char *path, enum image_hold hold,
                         const struct image_host *host, struct image *img,
                         struct why *why);
/* From a descriptor of a regular file, whatever its offset; fd stays the
 * caller's and may be closed. name is for the sentence. */
enum err image_open_fd(int fd, const char *name, enum image_hold hold,
                       const struct image_host *host, struct image *img,
                       struct why *why);
void image_close(struct image *img);

/* Is it made for this program? ERR_MISMATCH and a sentence if not. */
enum err image_fits(const struct image *img, const struct image_host *host,
                    struct why *why);

/*
 * One section's bytes, lent until image_close(), its checksum verified.
 * ERR_NOTFOUND when there is none.
 */
enum err image_section(const struct image *img, enum image_section section,
                       struct slice *out, struct why *why);

/* One section, of a file or for one. */
struct image_part {
    enum image_section section;
    struct slice bytes;                   /* borrowed */
    unsigned char sha256[IMAGE_SHA256_N]; /* all zero: unknown */
};

/* What is in the table, nothing verified; gives how many. */
size_t image_parts(const struct image *img,
                   struct image_part parts[IMAGE_PARTS_MAX]);
/* Verifies every checksum there is, and that gaps are empty. SHA-256 is left
 * to serve/image_trust.h. */
enum err image_whole(const struct image *img, struct why *why);

/* ---- writing ------------------------------------------------------------ */

struct image_plan {
    enum image_kind kind;
    struct image_host host;
    const char *machine; /* NULL: this one, and its pointers */
    uint32_t pointer_n;
    const char *base; /* id, NULL or "" none */
    uint64_t created; /* seconds since 1970, 0 now */
    uint64_t clock, wake;
    const struct image_part *parts; /* borrowed, in their order */
    size_t count;
    mode_t mode; /* of the file: 0600 or 0644 */
};

/* A plan of the same header; its parts are left to the caller. Borrows img. */
void image_plan_of(const struct image *img, struct image_plan *plan);

/*
 * Appends header and table. After them in the file come the parts, and
 * image_gap() zeros between two of them (none after the last). ERR_TOOBIG
 * when a section is too long.
 */
enum err image_head(const struct image_plan *plan, struct buf *head,
                    struct why *why);
/* Zeros after a part of n bytes that another part follows: 0 to 63. */
size_t image_gap(size_t n);

/*
 * Appends what a signature is over, of the bytes that image_head() gave or
 * that a checked image begins with: header and table, in which the header's
 * checksum, and the checksum and SHA-256 of the signature, are zeros.
 */
void image_signed(struct slice head, struct buf *out);

/* Writes all of it at fd's offset, and has it on the disk when it is OK. */
enum err image_write_fd(int fd, const struct image_plan *plan, struct why *why);
/* Writes a file; path is replaced in one step (rename), and that is on the
 * disk, too. The sentence begins with path. */
enum err image_write(const char *path, const struct image_plan *plan,
                     struct why *why);

/* As rename(2), but a device or a FIFO that is at path stays there (EINVAL). */
int image_rename(const char *temporary, const char *path);

#endif
