/*
 * fcgi_wire.h - FastCGI records as bytes. FastCGI 1.0 sections 3 to 5 and 8.
 *
 * Pure: no descriptor. Constants (FCGI_STDIN and so on) are libfcgi's.
 */
#ifndef CGI_FCGI_WIRE_H
#define CGI_FCGI_WIRE_H

#include "base/buf.h"

#include <fastcgi.h>
#include <stdint.h>

/* Most content in one record that needs no padding to 8 bytes. */
#define FCGI_FULL_RECORD 65528u

struct fcgi_record {
    int type;
    uint16_t id;
    uint16_t length; /* content, bytes */
    uint8_t padding; /* bytes after it */
};

/* Reads a header; false when the version is not 1. */
bool fcgi_header_read(const unsigned char p[static FCGI_HEADER_LEN],
                      struct fcgi_record *out);
void fcgi_header_write(unsigned char p[static FCGI_HEADER_LEN],
                       struct fcgi_record rec);
/* Bytes that bring length to a multiple of 8. */
uint8_t fcgi_padding(size_t length);

/* Whole records, appended; the buffer's error sticks. */
void fcgi_put(struct buf *out, int type, uint16_t id, struct slice content);
void fcgi_put_begin(struct buf *out, uint16_t id, int role, int flags);
void fcgi_put_end(struct buf *out, uint16_t id, int protocol_status);
void fcgi_put_unknown(struct buf *out, int type);
/*
 * The answer to GET_VALUES: of each variable named in query, known, and not
 * named before, its value. ERR_SYNTAX when query is malformed.
 */
enum err fcgi_put_values(struct buf *out, struct slice query);

/*
 * Takes one name-value pair off the front of s. ERR_EOF when s is empty,
 * ERR_SYNTAX when it ends within the pair.
 */
enum err fcgi_pair(struct slice *s, struct slice *name, struct slice *value);
/*
 * Are these parameters fit to become "NAME=value" strings? ERR_SYNTAX for a
 * pair cut short, an empty name, a NUL or a "=" in a name; ERR_TOOBIG over
 * max_params pairs or max_bytes of names and values.
 */
enum err fcgi_pairs_check(struct slice s, size_t max_params, size_t max_bytes);

#endif
