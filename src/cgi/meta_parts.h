/*
 * meta_parts.h - meta.c's own pieces: its variables, its URL, its script.
 *
 * Private to meta*.c.
 */
#ifndef CGI_META_PARTS_H
#define CGI_META_PARTS_H

#include "cgi/meta.h"

/* The variables meta reads; HTTP_ ones are kept aside as well as listed. */
enum meta_name {
    VAR_CONTENT_LENGTH,
    VAR_CONTENT_TYPE,
    VAR_HTTPS,
    VAR_HTTP_HOST,
    VAR_HTTP_TRANSFER_ENCODING,
    VAR_HTTP_X_FORWARDED_HOST,
    VAR_HTTP_X_FORWARDED_PROTO,
    VAR_HTTP_X_REQUEST_ID,
    VAR_PATH_INFO,
    VAR_PATH_TRANSLATED,
    VAR_QUERY_STRING,
    VAR_REDIRECT_HTTP_AUTHORIZATION,
    VAR_REDIRECT_STATUS,
    VAR_REMOTE_ADDR,
    VAR_REMOTE_USER,
    VAR_REQUEST_METHOD,
    VAR_REQUEST_SCHEME,
    VAR_REQUEST_URI,
    VAR_SCRIPT_FILENAME,
    VAR_SCRIPT_NAME,
    VAR_SERVER_NAME,
    VAR_SERVER_PORT,
    VAR_COUNT
};

struct meta {
    struct slice var[VAR_COUNT]; /* lent by envp; empty when unset or "" */
    const struct meta_limits *limits;
    struct arena *arena;
    struct request *out;
    struct fault *fault;
};

/* Fills the fault and returns ERR_SYNTAX. */
enum err meta_fault(struct meta *m, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Is b a byte of unreserved or sub-delims, RFC 3986 section 2? */
bool meta_plain(char b);
/* a, b and c in one, in the arena. */
struct slice meta_join(struct meta *m, struct slice a, struct slice b,
                       struct slice c);
/* out->url from the variables (meta_url.c). */
enum err meta_url(struct meta *m);
/* out->script from SCRIPT_FILENAME or PATH_TRANSLATED (meta_script.c). */
enum err meta_script(struct meta *m);

#endif
