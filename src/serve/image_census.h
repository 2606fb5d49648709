/*
 * image_census.h - the section "census": what the heap of an image holds.
 *
 * JSON: {"objects":[{"name","count","bytes"}],
 *        "holders":[{"name","where","line","bytes"}],
 *        "total":{"count","bytes"}}, other members are passed over.
 */
#ifndef SERVE_IMAGE_CENSUS_H
#define SERVE_IMAGE_CENSUS_H

#include "base/buf.h"
#include "base/slice.h"

#define IMAGE_CENSUS_ROWS 64

struct image_census_row {
    char *name;  /* of a constructor, a variable or a global */
    char *where; /* a holder's module, "" unknown */
    uint64_t line, count, bytes;
};

struct image_census_rows {
    struct image_census_row row[IMAGE_CENSUS_ROWS];
    size_t count;
};

struct image_census {
    struct image_census_rows objects, holders;
    uint64_t count, bytes; /* of all */
};

/* gives *out, which is freed in any case. ERR_CORRUPT: not of that form. */
enum err image_census_read(struct slice json, struct image_census *out,
                           struct why *why);
void image_census_free(struct image_census *c);

#endif
