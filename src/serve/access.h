/*
 * access.h - the access log: one line for each request, php-fpm's letters.
 *
 *   %C     processor time in percent of the duration; %{user}C, %{system}C
 *   %d     duration in seconds; %{milliseconds}d, %{microseconds}d
 *   %{N}e  the variable N that the web server sent
 *   %f     the script's file         %l     bytes of the request's body
 *   %m     method                    %M     memory; %{kilobytes}M, %{mega}M
 *   %n     pool                      %{N}o  the field N of the reply's header
 *   %p %P  process id, its parent's  %q     query; %Q: "?" if there is one
 *   %r     URI without the query     %R     the client's address
 *   %s     status                    %u     user
 *   %t %T  when the request came, when it ended; %{%H:%M}t as strftime(3)
 *   %%     a percent sign
 *
 * and three that php-fpm has not:
 *
 *   %i     request id                %b     bytes of the reply's body sent
 *   %X     "+" when the reply went out whole, else "X"
 *
 * What there is none of is "-". In texts control characters, quotes,
 * backslashes and bytes that are not UTF-8 are \xNN; blanks too, but in %f,
 * %e and %o. A text over ACCESS_TEXT bytes is cut and ends with "...".
 *
 * As JSON a line is an object: time (RFC 3339), pool, pid, request, remote,
 * user, method, uri, query, script (null where there is none), status,
 * duration and cpu (seconds), memory, length and sent (bytes), complete.
 */
#ifndef SERVE_ACCESS_H
#define SERVE_ACCESS_H

#include "base/buf.h"
#include "base/config.h"
#include "base/err.h"
#include "base/sink.h"
#include "base/slice.h"

#define ACCESS_TEXT 1024 /* bytes of a text, escaped */

/* What is known of a request that has ended; slices are borrowed. */
struct access_entry {
    const char *pool;
    struct slice method, uri, query, script, remote, user, id;
    uint64_t received;   /* real ns */
    uint64_t duration;   /* ns */
    uint64_t cpu;        /* ns, all */
    uint64_t cpu_system; /* ns, what of it was spent in the kernel */
    uint64_t memory;     /* bytes of JavaScript heap and buffers */
    uint64_t length;     /* of the request's body, as announced */
    uint64_t sent;       /* bytes of the reply's body */
    int status;
    bool complete;       /* the reply went out whole */
    struct slice header; /* of the reply: "Name: value\r\n" lines, for %o */
    const char *const *params; /* "NAME=value", NULL-ended, for %e; or NULL */
};

struct access; /* a format, parsed */

/*
 * "json", or text with letters. ERR_SYNTAX, with a sentence. What names a
 * secret (%{HTTP_AUTHORIZATION}e, HTTP_COOKIE, set-cookie) is refused. Gives
 * *out, NULL on an error.
 */
enum err access_parse(const char *format, struct access **out, struct why *why);
void access_free(struct access *a); /* may be NULL */
/*
 * The line, with its end, into out: at most PIPE_BUF bytes, for log_send().
 */
void access_format(const struct access *a, const struct access_entry *e,
                   struct buf *out);
/* Not to be written: GET or HEAD of one of paths, no query, no body, 2xx.
 * paths has blanks between, and may be NULL. */
bool access_suppressed(const char *paths, const struct access_entry *e);

#endif
