/*
 * body.h - the only door between cgi/ and engine/: one exchange as natives.
 *
 * handler.c fills an exchange, hangs it on the host and drives it; the
 * natives read the request and fill the reply. rid tells requests of one
 * realm apart, so that a Request kept from an earlier one cannot read this
 * one's body (the native then answers as at an aborted body).
 */
#ifndef BIND_BODY_H
#define BIND_BODY_H

#include "base/buf.h"
#include "cgi/request.h"
#include "cgi/response.h"
#include "cgi/transport.h"

enum reply_state {
    REPLY_NONE,  /* nothing said yet */
    REPLY_HEAD,  /* head given, body still coming */
    REPLY_WHOLE, /* all bytes are in out; what is there is still to send */
    REPLY_FAILED /* the body's stream failed after the head was given */
};

struct exchange {
    struct transport *transport;   /* borrowed */
    const struct request *request; /* borrowed */
    const struct response_rules *rules;
    int32_t rid;
    uint64_t max_body;

    uint64_t body_read; /* bytes given to JavaScript so far */
    bool body_done;     /* its end was seen */
    bool want_read;     /* JavaScript waits for HOOK_READABLE */
    enum err body_err;  /* OK, or why the body failed */

    enum reply_state reply;
    int status;         /* of the reply, 0 before the head */
    bool null_body;     /* what JavaScript sends as body is dropped */
    uint64_t promised;  /* Content-Length said, RESPONSE_LENGTH_UNKNOWN */
    uint64_t sent;      /* body bytes accepted */
    uint64_t written;   /* bytes of head and body the transport took */
    struct buf out;     /* head and body bytes not yet written */
    bool want_write;    /* JavaScript waits for HOOK_WRITABLE */
    struct why why;     /* why the reply failed, for the log */
    bool show_errors;   /* a page of ours says what went wrong */
    uint64_t max_reply; /* bytes of body, 0 without limit */
    struct buf *head;   /* gets a copy of the reply's head; borrowed, or NULL */
    /* Bytes are on the move between out and the transport: out and written
     * do not agree. For a signal handler. */
    volatile bool moving;
};

/* The most that waits in `out` before JavaScript is told to wait. */
#define EXCHANGE_HIGH_WATER (64u * 1024)

/*
 * Fills x for a new exchange; all pointers are borrowed until
 * exchange_free(). The caller may change the fields above it owns (body_err,
 * want_read, want_write, and show_errors, max_reply and head at first) but
 * never reply and its companions.
 */
void exchange_init(struct exchange *x, struct transport *transport,
                   const struct request *request,
                   const struct response_rules *rules, int32_t rid,
                   uint64_t max_body);
void exchange_free(struct exchange *x);

/*
 * Writes what waits in out, as far as it goes. The natives collect and leave
 * most of the writing to it, so call it after every hook and turn. OK when
 * out is empty, ERR_AGAIN when the transport must be waited for; anything
 * else ended the reply (REPLY_FAILED, why says how).
 */
enum err exchange_flush(struct exchange *x);
/*
 * A page of ours, in plain text: the status, the request's id, and with
 * show_errors the detail (borrowed for the call). A head that the transport
 * has had nothing of is taken back for it. Otherwise the reply is
 * REPLY_FAILED, or stays whole.
 */
void exchange_fail(struct exchange *x, int status, struct slice detail);
/* Nobody takes the reply: REPLY_FAILED, and nothing is left to write. */
void exchange_give_up(struct exchange *x, const char *why);
/* HOOK_WRITABLE is due (and no longer, once this said so); ask after it. */
bool exchange_writable(struct exchange *x);
/* The reply was written to its last byte. */
bool exchange_done(const struct exchange *x);

#endif
