/*
 * response.h - one reply's head, from values to the bytes of RFC 3875 6.
 *
 * Order is a state: head once, then body, then end. A call out of order is
 * ERR_ORDER. Pure: writes into a buffer only.
 */
#ifndef CGI_RESPONSE_H
#define CGI_RESPONSE_H

#include "base/buf.h"
#include "cgi/headers.h"

#include <stdint.h>

#define RESPONSE_LENGTH_UNKNOWN UINT64_MAX

struct response_rules {
    size_t max_bytes;    /* of the whole head; over it ERR_TOOBIG */
    bool allow_sendfile; /* X-Sendfile, X-Accel-* pass */
};

/* True where the status or a HEAD request allows no body. */
bool response_null_body(int status);
/* The standard phrase, "" when the status has none. */
const char *response_reason(int status);

/*
 * Appends the head to out: "Status: NNN reason", the fields that may pass,
 * Content-Length when length is known and a body is allowed (a HEAD reply
 * keeps the length of what GET would send, unless 0), an empty line; CRLF
 * throughout. status is 200 to 599. reason may be empty: the standard one is
 * used. Fields a script may not set (hop-by-hop, Status, X-CGI-*) are dropped.
 * A malformed field is ERR_SYNTAX with a sentence in why: nothing of it
 * ever reaches the wire.
 */
enum err response_head(int status, struct slice reason,
                       const struct headers *fields, uint64_t length,
                       bool head_request, const struct response_rules *rules,
                       struct buf *out, struct why *why);

#endif
