/*
 * image_show_parts.h - what image_show.c and image_show_diff.c share.
 */
#ifndef SERVE_IMAGE_SHOW_PARTS_H
#define SERVE_IMAGE_SHOW_PARTS_H

#include "serve/image_census.h"
#include "serve/image_show.h"
#include "serve/image_sources.h"

/* One value of a header. */
enum image_fact_kind {
    FACT_KIND,  /* enum image_kind */
    FACT_WORD,  /* char[] */
    FACT_COUNT, /* uint32_t */
    FACT_HEX,   /* uint64_t */
    FACT_STAMP, /* uint64_t, seconds since 1970 */
    FACT_TIME   /* uint64_t, ns */
};

struct image_fact {
    const char *name; /* NULL ends the table */
    enum image_fact_kind kind;
    size_t offset; /* in struct image */
};

extern const struct image_fact image_facts[];
/* As text; "-" for none. */
void image_fact_text(const struct image_fact *f, const struct image *img,
                     char out[static 80]);
/* Words of others, so that no terminal obeys them. */
void image_show_word(struct buf *out, const char *s);

/* All files of the section "sources"; none without one. */
struct image_files {
    struct image_source *file; /* their paths are owned */
    size_t count;
    struct buf how;
};
enum err image_files_read(const struct image *img, struct image_files *out,
                          struct why *why);
void image_files_free(struct image_files *f);
/* The section "census"; empty without one. */
enum err image_show_census(const struct image *img, struct image_census *out,
                           struct why *why);

#endif
