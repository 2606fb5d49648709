/*
 * request.h - one HTTP request as values, whatever brought it.
 *
 * Made by meta_parse() from CGI variables; every slice is lent by the arena
 * given there and lives until that arena is reset.
 */
#ifndef CGI_REQUEST_H
#define CGI_REQUEST_H

#include "cgi/headers.h"

#include <stdint.h>

enum body_kind {
    BODY_NONE,   /* the Request has a null body (what comes is drained) */
    BODY_LENGTH, /* exactly content_length bytes; fewer is an error */
    BODY_TO_EOF  /* until the transport says the end, under the limit */
};

struct request {
    struct slice method; /* normalised as Fetch does, else as sent */
    struct slice url;    /* scheme://host/path?query, as bytes (Latin-1) */
    struct headers headers;
    enum body_kind body;
    uint64_t content_length; /* bytes; 0 unless BODY_LENGTH */
    bool head;               /* method is HEAD: the reply has no body */

    struct slice script; /* SCRIPT_FILENAME cleaned, empty when none */
    /*
     * The script when SCRIPT_FILENAME is this program itself: PATH_TRANSLATED
     * of a request that an Action sent on (REDIRECT_STATUS is set; a client
     * cannot set it, so the server has checked that path).
     */
    struct slice action_script;
    struct slice script_name; /* SCRIPT_NAME */
    struct slice path_info;   /* PATH_INFO */
    struct slice remote_addr; /* REMOTE_ADDR, empty when none */
    struct slice remote_user; /* REMOTE_USER: only as true as the server */
    struct slice id;          /* X-Request-Id when sane, else empty */
};

#endif
