/*
 * headers.h - a list of HTTP fields and the grammar they must have.
 *
 * RFC 9110 section 5. Names and values are slices lent by whoever filled the
 * list (an arena, the environment); the list owns only its array.
 */
#ifndef CGI_HEADERS_H
#define CGI_HEADERS_H

#include "base/arena.h"
#include "base/err.h"
#include "base/slice.h"

struct header {
    struct slice name;  /* lower case in a request, as given in a response */
    struct slice value; /* bytes, no NUL, CR or LF */
};

struct headers {
    struct arena *arena; /* borrowed: the array grows in it */
    struct header *list;
    size_t count;
    size_t cap;
};

void headers_init(struct headers *h, struct arena *a);
void headers_add(struct headers *h, struct slice name, struct slice value);
/* The first field of that name (ASCII case folded), or NULL. */
struct header *headers_find(const struct headers *h, const char *name);

/* token, RFC 9110 section 5.6.2. */
bool headers_name_ok(struct slice name);
/* No NUL, CR, LF, no other control character but HTAB (RFC 9110 5.5). */
bool headers_value_ok(struct slice value);
/* Connection, Keep-Alive, Transfer-Encoding and the like (9110 7.6.1). */
bool headers_hop_by_hop(struct slice name);

#endif
