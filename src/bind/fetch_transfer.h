/*
 * fetch_transfer.h - one HTTP request to another server, and its reply.
 *
 * Redirects, cookies, caches, proxies and passwords in files are left out on
 * purpose: js/fetch.js follows redirects, each hop a transfer of its own. What
 * went wrong is a sentence without the URL, whose query may hold secrets.
 */
#ifndef BIND_FETCH_TRANSFER_H
#define BIND_FETCH_TRANSFER_H

#include "base/buf.h"
#include "bind/fetch.h"
#include "bind/fetch_policy.h"
#include "bind/libcurl.h"

#include <sys/queue.h>

/* What may wait for JavaScript until the server is made to wait. */
#define TRANSFER_DOWN_MAX (256u * 1024)
/* What may wait for the server until JavaScript is told to wait. */
#define TRANSFER_UP_MAX (64u * 1024)
/* Of a request's head, or of all heads and trailers of a reply. */
#define TRANSFER_HEAD_MAX (128u * 1024)

enum transfer_state {
    TRANSFER_WAITING, /* its turn has not come */
    TRANSFER_MOVING,
    TRANSFER_DONE, /* the reply is all here */
    TRANSFER_FAILED
};

enum transfer_body { UP_NONE, UP_BYTES, UP_STREAM };

struct transfer {
    TAILQ_ENTRY(transfer) link;
    struct fetch *fetch; /* borrowed; outlives it */
    int32_t id;
    enum transfer_state state;
    bool news;      /* JavaScript has not looked since something came */
    struct why why; /* why it failed */

    CURL *easy; /* NULL when it is over */
    CURLU *url;
    struct curl_slist *fields;
    char *method;
    char *host; /* of the URL, NUL-terminated */
    struct fetch_host target;
    bool secure;                 /* https */
    char words[CURL_ERROR_SIZE]; /* libcurl's, of an error */

    enum transfer_body body;
    struct buf up;     /* bytes still to send */
    uint64_t promised; /* length of the stream, UINT64_MAX unknown */
    uint64_t given;    /* bytes of it that came */
    bool up_ended;     /* no more will come */
    bool up_wanted;    /* JavaScript was told to wait for room */
    bool up_sent;      /* some left up: it cannot be sent again */
    bool up_paused;    /* libcurl waits for bytes */

    struct buf head;    /* "HTTP/1.1 200 OK" and fields, a line each */
    size_t head_bytes;  /* of all lines, of those that are not kept, too */
    int status;         /* of the final head, 0: not there yet */
    bool decode;        /* encodings are libcurl's business */
    struct buf down;    /* bytes nobody read yet */
    bool down_paused;   /* the server is made to wait */
    struct why refused; /* the first address that is not allowed */
    bool tried;         /* an address that is */
};

/* A request as fetchStart() gets it; all is borrowed for the call. */
struct transfer_ask {
    struct slice method;
    struct slice url;
    struct curl_slist *fields; /* taken */
    bool encoding;             /* the script has set Accept-Encoding */
    bool typed;                /* and Content-Type */
    enum transfer_body body;
    struct slice bytes; /* of UP_BYTES, copied */
    uint64_t length;    /* of UP_STREAM, UINT64_MAX unknown */
};

/* Makes one that waits; the why says what is wrong with the ask. */
enum err transfer_new(struct fetch *f, const struct transfer_ask *ask,
                      struct transfer **out, struct why *why);
void transfer_free(struct transfer *t);

/* Starts it; a failure is its state. */
void transfer_start(struct transfer *t);
/* For fetch_multi_drive(). */
void transfer_done(CURL *easy, CURLcode code);
/* Something can still happen without JavaScript. */
bool transfer_moves(const struct transfer *t);

/* Takes more of the stream's body; false: enough for now. Not when over. */
bool transfer_write(struct transfer *t, struct slice bytes);
void transfer_write_end(struct transfer *t);
/* After bytes came: the server waits when enough of them are here. */
void transfer_hold(struct transfer *t);
/* After bytes of down were taken. */
void transfer_read_on(struct transfer *t);

/* For fetch_ask.c: libcurl can decode that content coding. */
bool transfer_decodes(struct slice coding);
CURLcode transfer_set_callbacks(struct transfer *t);

/* "a connection" and so on, for the log. */
const char *transfer_waits_for(const struct transfer *t);

#endif
