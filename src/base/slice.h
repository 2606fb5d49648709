/*
 * slice.h - bytes that belong to someone else: a pointer and a length.
 *
 * Not NUL-terminated. A slice borrows; whoever made it says how long it lives.
 */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct slice {
    const char *p; /* NULL only when n is 0 */
    size_t n;
};

#define SLICE(literal) ((struct slice){("" literal), sizeof(literal) - 1})

struct slice slice_of(const char *s); /* s may be NULL: the empty slice */
bool slice_eq(struct slice a, struct slice b);
bool slice_is(struct slice a, const char *s);
bool slice_ieq(struct slice a, struct slice b); /* ASCII case folded */
bool slice_iis(struct slice a, const char *s);
bool slice_starts(struct slice a, const char *prefix);
bool slice_ends(struct slice a, const char *suffix);
struct slice slice_trim(struct slice a); /* SP and HTAB off both ends */
/* The part from offset on; empty past the end. */
struct slice slice_from(struct slice a, size_t offset);
/* Index of c, or a.n. */
size_t slice_find(struct slice a, char c);
/*
 * Decimal digits only (no sign, no space, at least one) into *out.
 * False when malformed or over max.
 */
bool slice_u64(struct slice a, uint64_t max, uint64_t *out);

/* ASCII only, whatever the locale. */
char ascii_lower(char c);
bool ascii_digit(char c);
bool ascii_alpha(char c);

#endif
