/*
 * base64.h - forgiving-base64 of the Infra Standard, section 7.
 */
#ifndef BIND_BASE64_H
#define BIND_BASE64_H

#include "base/slice.h"

/* Bytes that base64_encode() writes for n, and decode at most for n. */
size_t base64_encoded_size(size_t n);
size_t base64_decoded_room(size_t n);

/* out has room for base64_encoded_size(in.n); no terminator is written. */
void base64_encode(struct slice in, char *out);
/*
 * ASCII white space is skipped and the padding may be absent. Sets *n to the
 * bytes written to out, which has room for base64_decoded_room(in.n). False
 * when malformed.
 */
bool base64_decode(struct slice in, char *out, size_t *n);

#endif
