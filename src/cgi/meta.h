/*
 * meta.h - what CGI variables mean: RFC 3875 section 4.1 to a request.
 *
 * Pure: no descriptor, no clock, no global. The variables may be hostile.
 */
#ifndef CGI_META_H
#define CGI_META_H

#include "base/arena.h"
#include "cgi/request.h"

struct meta_limits {
    size_t max_params;    /* variables, count */
    size_t max_bytes;     /* names and values together */
    uint64_t max_body;    /* CONTENT_LENGTH over it is 413 */
    bool trust_forwarded; /* X-Forwarded-Proto and -Host are the proxy's own */
    bool no_script;       /* nobody asks which script: it is not looked at */
};

/* Why a request is refused: an HTTP status and one sentence. */
struct fault {
    int status; /* 400, 405 (CONNECT, TRACE, TRACK), 413, 431, 501 */
    struct why why;
};

/*
 * Reads envp ("NAME=value" strings, ended by NULL, borrowed for the call).
 * Everything out holds lives in a. OK, or ERR_SYNTAX with *fault filled; out
 * then still holds what is needed to answer (head).
 */
enum err meta_parse(const char *const *envp, const struct meta_limits *limits,
                    struct arena *a, struct request *out, struct fault *fault);

/* The value of one variable in envp, NULL when absent; lent by envp. */
const char *meta_var(const char *const *envp, const char *name);

#endif
