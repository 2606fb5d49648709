/*
 * status.h - the scoreboards as a page, for a person or a program.
 *
 * Names are php-fpm's where it has them, in text and JSON with its units:
 * seconds since 1970, seconds, and microseconds of a request. A URI is shown
 * without its query, which may hold secrets; metrics have no URI at all.
 */
#ifndef SERVE_STATUS_H
#define SERVE_STATUS_H

#include "base/buf.h"
#include "serve/scoreboard.h"

enum status_form { STATUS_TEXT, STATUS_JSON, STATUS_HTML, STATUS_OPENMETRICS };

struct status_query {
    enum status_form form;
    bool full;         /* each process, too */
    struct slice pool; /* only this one; empty: all */
};

/*
 * Of a query string: "json&full", "pool=www". Words: text, json, html,
 * openmetrics, full. Others are ignored.
 */
struct status_query status_parse(struct slice query);
const char *status_media_type(enum status_form form);
/* Fields that every such reply has beside Content-Type, with CRLF: no copy
 * is kept, and the page may load and run nothing. */
extern const char status_fields[];
/*
 * Renders count boards into out (with its own ceiling; look at out->err).
 * Gives how many pools are shown: 0 when none has the name asked for.
 * JSON is php-fpm's flat object when one pool is there or asked for, else
 * {"pools":[...]}. What is allocated is in proportion to the workers alive.
 */
size_t status_render(struct board *const *boards, size_t count,
                     const struct status_query *q, struct buf *out);

#endif
