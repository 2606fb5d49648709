/*
 * config.h - the INI file as values, checked as a whole before any is used.
 *
 * One table (config_keys) says every key's name, section, type, range,
 * default and meaning; reading, `snapcgi check`, conf/snapcgi.conf and
 * snapcgi.conf(5) follow it, and a test holds them together.
 */
#ifndef BASE_CONFIG_H
#define BASE_CONFIG_H

#include "base/arena.h"
#include "base/err.h"
#include "base/log.h"

#include <stdint.h>
#include <stdio.h>

enum reset_mode { RESET_CONTEXT, RESET_ISOLATE, RESET_NONE };

/* Settings of one [pool NAME], or of [cgi] (one process, one request). */
struct pool_config {
    const char *name; /* "cgi" for [cgi] */
    int line;         /* of its section, 0 when there is none */

    const char *listen; /* "/path", "host:port", "[v6]:port", "port", "fd 0" */
    int listen_backlog;
    const char *listen_owner; /* NULL: the process's own */
    const char *listen_group;
    unsigned listen_mode; /* of a unix socket, octal */

    const char *app;        /* one application's file, or NULL */
    const char *root;       /* where scripts may be, or NULL */
    const char *extensions; /* ".js .mjs" */

    enum reset_mode reset;
    uint64_t spare;        /* contexts or isolates kept ready, at least */
    uint64_t spare_max;    /* and at most, under demand */
    uint64_t max_apps;     /* applications held; the least recently used goes */
    uint64_t max_requests; /* of one isolate, 0 endless */
    bool watch;            /* reload an application whose files changed */

    uint64_t request_timeout;    /* ns; all times here */
    uint64_t wait_until_timeout; /* after the reply */
    uint64_t header_timeout;     /* from connect to the last parameter */
    uint64_t body_timeout;       /* between two pieces of the body */
    uint64_t write_timeout;      /* between two writes that got on */

    uint64_t heap_limit; /* bytes; all sizes here */
    uint64_t buffer_limit;
    uint64_t max_body;
    uint64_t max_params; /* count */
    uint64_t max_param_bytes;
    uint64_t max_response_header;

    const char *fetch_allow; /* as netlist.h reads it */
    const char *fetch_deny;  /* the same, or NULL */
    uint64_t fetch_max;      /* of a request, count */
    uint64_t fetch_concurrent;
    uint64_t fetch_max_bytes; /* of all replies to a request's fetches */
    uint64_t fetch_timeout;   /* to connect */

    bool show_errors;
    bool trust_forwarded;
    bool allow_sendfile;

    const char *env_file;   /* NAME=value lines, read with the rest */
    const char *const *env; /* name, value, ..., NULL; never NULL itself */
};

struct config {
    struct arena arena;
    const char *path; /* of the file, for messages */

    const char *error_log; /* "stderr" or a file */
    enum log_level log_level;

    struct pool_config cgi;
    struct pool_config *pools;
    size_t pool_count;
};

struct buf;

/* All defaults, no pool. Takes no memory. */
void config_init(struct config *c);
/*
 * Reads path into c, which config_init or config_read left. On any error
 * nothing is kept (c is as after config_init) and every mistake found, up to
 * 20, stands in errors as "FILE:LINE: sentence" lines. errors is a buf with
 * its own ceiling. Relative paths in the file start from the file's folder.
 */
enum err config_read(struct config *c, const char *path, struct buf *errors);
/* The same from an open stream (stays open); path names it in messages. */
enum err config_read_stream(struct config *c, FILE *in, const char *path,
                            struct buf *errors);
/* Writes the effective values in the file's own form, env values hidden. */
void config_print(const struct config *c, FILE *out);
/* The pool of that name, the only one when name is NULL, or NULL. */
struct pool_config *config_pool(struct config *c, const char *name);
void config_free(struct config *c);

/* One row of the table. */
struct config_key {
    const char *name;
    const char *section;  /* "global", "pool", or "pool+cgi" for both */
    const char *type;     /* "time", "size", "a|b|c" (one of these), ... */
    const char *fallback; /* default as text; "" when there is none */
    const char *help;     /* one sentence */
    size_t offset, width; /* of the member in its struct */
    uint64_t min, max;    /* of times (ns), sizes (bytes), counts and modes */
};
/* NULL-name ended. */
const struct config_key *config_table(void);
/* One row a line: name, section, type, default, help, with tabs between. */
void config_print_keys(FILE *out);

#endif
