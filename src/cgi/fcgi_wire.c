/*
 * fcgi_wire.c - records and name-value pairs.
 */
#include "cgi/fcgi_wire.h"

#include <string.h>

bool fcgi_header_read(const unsigned char p[static FCGI_HEADER_LEN],
                      struct fcgi_record *out)
{
    *out = (struct fcgi_record){.type = p[1],
                                .id = (uint16_t)(p[2] << 8 | p[3]),
                                .length = (uint16_t)(p[4] << 8 | p[5]),
                                .padding = p[6]};
    return p[0] == FCGI_VERSION_1;
}

void fcgi_header_write(unsigned char p[static FCGI_HEADER_LEN],
                       struct fcgi_record rec)
{
    p[0] = FCGI_VERSION_1;
    p[1] = (unsigned char)rec.type;
    p[2] = (unsigned char)(rec.id >> 8);
    p[3] = (unsigned char)(rec.id & 0xff);
    p[4] = (unsigned char)(rec.length >> 8);
    p[5] = (unsigned char)(rec.length & 0xff);
    p[6] = rec.padding;
    p[7] = 0;
}

uint8_t fcgi_padding(size_t length)
{
    return (uint8_t)((8 - (length & 7)) & 7);
}

void fcgi_put(struct buf *out, int type, uint16_t id, struct slice content)
{
    static const char zeros[8];
    must(content.n <= FCGI_MAX_LENGTH);
    struct fcgi_record rec = {type, id, (uint16_t)content.n,
                              fcgi_padding(content.n)};
    unsigned char header[FCGI_HEADER_LEN];
    fcgi_header_write(header, rec);
    buf_put(out, header, sizeof header);
    buf_slice(out, content);
    buf_put(out, zeros, rec.padding);
}

void fcgi_put_begin(struct buf *out, uint16_t id, int role, int flags)
{
    char body[8] = {(char)(role >> 8), (char)(role & 0xff), (char)flags};
    fcgi_put(out, FCGI_BEGIN_REQUEST, id, (struct slice){body, sizeof body});
}

void fcgi_put_end(struct buf *out, uint16_t id, int protocol_status)
{
    /* appStatus is 0: no web server looks at it. */
    char body[8] = {0, 0, 0, 0, (char)protocol_status};
    fcgi_put(out, FCGI_END_REQUEST, id, (struct slice){body, sizeof body});
}

void fcgi_put_unknown(struct buf *out, int type)
{
    char body[8] = {(char)type};
    fcgi_put(out, FCGI_UNKNOWN_TYPE, FCGI_NULL_REQUEST_ID,
             (struct slice){body, sizeof body});
}

enum err fcgi_put_values(struct buf *out, struct slice query)
{
    /* One connection's requests come one after the other; how many
     * connections may be open is the supervisor's affair, 1 is safe. */
    static const struct {
        const char *name;
        char value;
    } known[] = {
        {FCGI_MAX_CONNS, '1'}, {FCGI_MAX_REQS, '1'}, {FCGI_MPXS_CONNS, '0'}};
    enum { KNOWN = sizeof known / sizeof *known };
    bool asked[KNOWN] = {false};
    struct slice name, value;
    enum err e;

    while ((e = fcgi_pair(&query, &name, &value)) == OK)
        for (size_t i = 0; i < KNOWN; i++)
            asked[i] = asked[i] || slice_is(name, known[i].name);
    if (e != ERR_EOF)
        return e;
    char text[64];
    size_t n = 0;
    for (size_t i = 0; i < KNOWN; i++) {
        if (!asked[i])
            continue;
        size_t len = strlen(known[i].name);
        text[n++] = (char)len;
        text[n++] = 1;
        memcpy(text + n, known[i].name, len);
        n += len;
        text[n++] = known[i].value;
    }
    fcgi_put(out, FCGI_GET_VALUES_RESULT, FCGI_NULL_REQUEST_ID,
             (struct slice){text, n});
    return OK;
}

/* A length of one byte, or of four with the first bit set (section 3.4). */
static bool length(struct slice *s, size_t *out)
{
    const unsigned char *p = (const unsigned char *)s->p;
    if (s->n == 0)
        return false;
    if (p[0] < 0x80) {
        *out = p[0];
        *s = slice_from(*s, 1);
        return true;
    }
    if (s->n < 4)
        return false;
    *out = (size_t)(p[0] & 0x7f) << 24 | (size_t)p[1] << 16 |
           (size_t)p[2] << 8 | p[3];
    *s = slice_from(*s, 4);
    return true;
}

enum err fcgi_pair(struct slice *s, struct slice *name, struct slice *value)
{
    if (s->n == 0)
        return ERR_EOF;
    if (!length(s, &name->n) || !length(s, &value->n) || name->n > s->n ||
        value->n > s->n - name->n)
        return ERR_SYNTAX;
    name->p = s->p;
    *s = slice_from(*s, name->n);
    value->p = s->p;
    *s = slice_from(*s, value->n);
    return OK;
}

enum err fcgi_pairs_check(struct slice s, size_t max_params, size_t max_bytes)
{
    struct slice name, value;
    size_t count = 0;
    size_t bytes = 0;
    enum err e;

    while ((e = fcgi_pair(&s, &name, &value)) == OK) {
        if (name.n == 0 || slice_find(name, '=') < name.n ||
            slice_find(name, '\0') < name.n ||
            slice_find(value, '\0') < value.n)
            return ERR_SYNTAX;
        bytes += name.n + value.n;
        if (++count > max_params || bytes > max_bytes)
            return ERR_TOOBIG;
    }
    return e == ERR_EOF ? OK : e;
}
