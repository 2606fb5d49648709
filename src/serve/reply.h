/*
 * reply.h - a whole reply to one request, without JavaScript.
 */
#ifndef SERVE_REPLY_H
#define SERVE_REPLY_H

#include "base/slice.h"
#include "cgi/transport.h"

#define REPLY_FIELDS 1024 /* bytes of fields */

struct reply {
    int status;
    const char *fields; /* whole lines with CRLF */
    struct slice body;  /* not sent for HEAD, but its length is */
};

/* The value of NAME in t's parameters; empty when it is not there. */
struct slice reply_var(const struct transport *t, const char *name);
/* Answers, ends and lets go of t, within a second. False: it broke off. */
bool reply_send(struct transport *t, const struct reply *r);

#endif
