/*
 * json.h - JSON (RFC 8259): written member by member into a buffer, and read
 * token by token from bytes that may be anything.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/buf.h"
#include "base/slice.h"

/* ---- writing ------------------------------------------------------------ */

struct json {
    struct buf *out; /* borrowed; its err tells */
    bool more;       /* a comma comes before the next */
};

/* A string with its quotes; what is not UTF-8 becomes U+FFFD. */
void json_text(struct buf *out, struct slice s);

/* name: NULL in an array and for the outermost. s: "" is "". */
void json_begin(struct json *j, const char *name, char bracket); /* { or [ */
void json_end(struct json *j, char bracket);                     /* } or ] */
void json_slice(struct json *j, const char *name, struct slice s);
void json_string(struct json *j, const char *name, const char *s);
/* The same, and null for NULL and for "". */
void json_maybe(struct json *j, const char *name, const char *s);
void json_number(struct json *j, const char *name, uint64_t n);
void json_bool(struct json *j, const char *name, bool b);

/* ---- reading ------------------------------------------------------------ */

/* All are false at the first byte that does not fit; then all is over. */
struct json_in {
    struct slice rest;
    unsigned depth;
};

/* Is c next? Takes it, and blanks before it. */
bool json_take(struct json_in *in, char c);
/* A string; out is emptied first. */
bool json_take_string(struct json_in *in, struct buf *out);
/* A whole number from 0 on. */
bool json_take_number(struct json_in *in, uint64_t *out);
/* Any value. */
bool json_skip(struct json_in *in);
/* Only blanks are left. */
bool json_done(struct json_in *in);

#endif
