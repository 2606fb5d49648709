/*
 * fcgi_conn.h - one FastCGI connection: records in, records out.
 *
 * It knows one request at a time. Nothing here waits: reading and sending
 * say ERR_AGAIN. Every byte is checked here before libfcgi sees any.
 */
#ifndef CGI_FCGI_CONN_H
#define CGI_FCGI_CONN_H

#include "cgi/fcgi_wire.h"

enum fcgi_phase {
    CONN_IDLE,   /* between requests: a BEGIN_REQUEST may come */
    CONN_PARAMS, /* parameters are coming */
    CONN_READY,  /* all of them are in head */
    CONN_STDIN,  /* the body is coming */
    CONN_ENDED,  /* it has all come; only an abort can follow */
    CONN_LINGER  /* given up: bytes are thrown away until the peer closes */
};

/* What becomes of the content of the record being read. */
enum fcgi_content {
    CONTENT_SKIP,
    CONTENT_WHOLE,
    CONTENT_PARAMS,
    CONTENT_STDIN
};

struct fcgi_conn {
    int fd; /* owned */
    enum fcgi_phase phase;
    uint64_t deadline; /* monotonic ns of the phase's end, 0 for none */
    uint64_t since;    /* monotonic ns of the last change, for eviction */

    uint16_t id;     /* of the request, outside CONN_IDLE */
    bool keep;       /* FCGI_KEEP_CONN */
    bool aborted;    /* FCGI_ABORT_REQUEST came */
    bool lost;       /* the peer has gone */
    enum err broken; /* OK, or why no more records are read */
    struct buf head; /* content of the PARAMS records */

    struct fcgi_record rec; /* being read */
    enum fcgi_content content;
    size_t left;    /* of its content, bytes */
    size_t padding; /* of its padding */

    struct buf out;     /* framed, to be sent before anything else */
    struct buf control; /* whole records that wait for a record's end */
    size_t owed;        /* content the started STDOUT record still lacks */
    uint8_t owed_padding;

    size_t at, end; /* unread bytes of in */
    unsigned char in[16384];
};

/* takes fd. max_head: bytes of PARAMS content; more is ERR_TOOBIG. */
struct fcgi_conn *fcgi_conn_new(int fd, size_t max_head);
/* Closes and frees. cut: show the peer that its reply is not whole. */
void fcgi_conn_free(struct fcgi_conn *c, bool cut);

/* Receives what is there. ERR_AGAIN, ERR_EOF, ERR_IO. */
enum err fcgi_conn_fill(struct fcgi_conn *c);
/*
 * Reads records out of what was received. OK: the phase became CONN_READY
 * or CONN_ENDED, or body content is next. ERR_AGAIN: more must be received.
 * ERR_ABORTED: the request was. ERR_EOF: refused, close when control is
 * sent. ERR_TOOBIG: parameters. ERR_SYNTAX: not FastCGI.
 */
enum err fcgi_conn_parse(struct fcgi_conn *c);
/* Body content, as transport_ops.read gives it. */
enum err fcgi_conn_read(struct fcgi_conn *c, void *p, size_t max, size_t *got);
/* Throws away what is left of the body and is here, up to max bytes. */
void fcgi_conn_drain(struct fcgi_conn *c, size_t max);
/* Throws received bytes away. False when the peer closed. */
bool fcgi_conn_discard(struct fcgi_conn *c);
/* Has the peer gone, or aborted? Receives what there is room for. */
bool fcgi_conn_gone(struct fcgi_conn *c);
/* Bytes received and not read. */
bool fcgi_conn_buffered(const struct fcgi_conn *c);
/* And as many as there is room for. */
bool fcgi_conn_full(const struct fcgi_conn *c);
/* Forgets the request: CONN_IDLE. */
void fcgi_conn_reset(struct fcgi_conn *c);

/* As transport_ops.write, in STDOUT records; hold: short ones may wait. */
enum err fcgi_conn_write(struct fcgi_conn *c, const void *p, size_t n,
                         bool hold, size_t *wrote);
/* Sends what waits. ERR_AGAIN, ERR_EOF, ERR_IO. */
enum err fcgi_conn_flush(struct fcgi_conn *c);
/* Adds the end of the request; OK once it is queued, ERR_ORDER when a
 * record was begun and not finished. */
enum err fcgi_conn_finish(struct fcgi_conn *c);

#endif
