/*
 * transport_memory.h - a request and its reply without a wire.
 */
#ifndef CGI_TRANSPORT_MEMORY_H
#define CGI_TRANSPORT_MEMORY_H

#include "base/buf.h"
#include "cgi/transport.h"

struct memory {
    struct transport t;
    struct slice body; /* borrowed: what is left to read */
    struct buf *reply; /* borrowed; NULL: the reply is dropped */
    bool complete;     /* the whole reply was written */
};

/*
 * Fills m: params as in transport.h, borrowed. More of a reply than its buffer
 * may hold ends it, as if nobody read on.
 */
void memory_init(struct memory *m, const char *const *params, struct slice body,
                 struct buf *reply);

#endif
