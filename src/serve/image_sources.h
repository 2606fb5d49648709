/*
 * image_sources.h - of which files an image's application was made.
 *
 * A text. Its first line says how the application was evaluated, in words of
 * whoever makes images ("main /srv/app.js"). Then a line for each file, with
 * a blank between its columns: SHA-256 in hexadecimal, size in bytes, time of
 * modification in seconds and nanoseconds ("1795224000.000000000"), module,
 * script or json, and the path. What cannot be printed, and %, is %XX. Lines
 * end with \n.
 */
#ifndef SERVE_IMAGE_SOURCES_H
#define SERVE_IMAGE_SOURCES_H

#include "base/buf.h"
#include "base/slice.h"

#include <limits.h>
#include <time.h>

#define IMAGE_SOURCES_MAX (16u * 1024 * 1024) /* bytes of the text */

enum image_source_type { SOURCE_MODULE, SOURCE_SCRIPT, SOURCE_JSON };

struct image_source {
    const char *path; /* absolute; what stat(2) is asked about */
    enum image_source_type type;
    uint64_t size; /* bytes */
    struct timespec mtime;
    struct slice text;        /* to write: what the SHA-256 is of */
    unsigned char sha256[32]; /* read: it */
};

/* "module", "script", "json". */
const char *image_source_type_name(enum image_source_type type);

/* Appends the text. how: what its first line says. */
enum err image_sources_encode(const char *how, const struct image_source *files,
                              size_t count, struct buf *out, struct why *why);

/* Walks over a text; what is found is lent until the next call. */
struct image_sources {
    struct slice rest;
    size_t line;
    char path[PATH_MAX];
};
/* Takes the first line: appends it to how (may be NULL). */
enum err image_sources_open(struct image_sources *s, struct slice text,
                            struct buf *how, struct why *why);
/* OK; ERR_NOTFOUND after the last; ERR_CORRUPT and a sentence. */
enum err image_sources_next(struct image_sources *s, struct image_source *out,
                            struct why *why);

/*
 * Are the files as they were? One stat(2) each, nothing is read. ERR_MISMATCH
 * when one has changed or is gone: why names it.
 */
enum err image_sources_current(struct slice text, struct why *why);

/*
 * Are they by what is in them, whatever became of their times? Reads those
 * that image_sources_current() would not take, or all. ERR_MISMATCH: why names
 * one.
 */
enum err image_sources_unchanged(struct slice text, bool all, struct why *why);
/* May everybody read each of them, folders and all? */
bool image_sources_public(struct slice text);

#endif
