/*
 * utf8.h - UTF-8 out of Latin-1, and how long it is in UTF-16; a word at a
 * time, for long texts.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/slice.h"

/* How many bytes of s are over 0x7f. */
size_t utf8_count_high(struct slice s);
/*
 * Makes the n bytes of Latin-1 at p + high, of which `high` are over 0x7f, to
 * the n + high bytes of UTF-8 at p.
 */
void utf8_from_latin1(char *p, size_t n, size_t high);
/* The UTF-16 code units of s, which is UTF-8. */
size_t utf8_units(struct slice s);

#endif
