/*
 * image_bundle_parts.h - what the files of the bundle share: a program that
 * is run, and what it said.
 *
 * Private to image_bundle.c (the order and the result), image_bundle_run.c
 * (the process) and image_bundle_said.c (its words and its list of files).
 */
#ifndef SERVE_IMAGE_BUNDLE_PARTS_H
#define SERVE_IMAGE_BUNDLE_PARTS_H

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

#include <limits.h>
#include <stdint.h>

/* ---- image_bundle_run.c -------------------------------------------------- */

struct bundle_run {
    char program[PATH_MAX];  /* absolute */
    const char *const *argv; /* borrowed, NULL at its end */
    const char *const *envp; /* the same */
    const char *folder;      /* where it runs; borrowed */
    uint64_t until;          /* monotonic ns, 0 without limit */
};

/* The absolute folders of PATH, as "PATH=/a:/b". */
void image_bundle_path(struct buf *out);
/* Which esbuild: fills program. path: from image_bundle_path(). */
enum err image_bundle_find(const char *path, char program[static PATH_MAX],
                           struct why *why);
/*
 * Runs it, with all that it started in a process group. Appends what it said
 * on stdout and stderr to said, up to its ceiling. OK: *status is as of
 * wait(2). ERR_TIMEOUT without a sentence, ERR_IO with one.
 */
enum err image_bundle_run(const struct bundle_run *run, struct buf *said,
                          int *status, struct why *why);

/* ---- image_bundle_said.c ------------------------------------------------- */

/* One of esbuild's messages; borrows of what it said. */
struct bundle_note {
    bool error; /* else a warning */
    bool node;  /* it is about a module of Node.js */
    struct slice words;
    struct slice file; /* as esbuild names it; empty when it is about none */
    uint64_t line;     /* 1-based */
    uint64_t column;   /* bytes, 1-based */
};

/* The first message of *rest, and *rest is what comes after it. */
bool image_bundle_note(struct slice *rest, struct bundle_note *out);
/* "file:line:column: words" into line; file is made absolute by folder. */
void image_bundle_line(const struct bundle_note *note, const char *folder,
                       struct buf *line);

/* Walks the files in a --metafile. Zeroed at first, but rest. */
struct bundle_files {
    struct slice rest;
    unsigned depth;
    bool inputs; /* within that object */
};

/* The next one's name in name, false at the end. ERR_TOOBIG in name->err when
 * it is longer than that. */
bool image_bundle_file(struct bundle_files *files, struct buf *name);

#endif
