/*
 * transport_cgi.h - one CGI exchange: the environment, fd 0, fd 1, fd 2.
 *
 * RFC 3875. The descriptors may be pipes, sockets or files, and are shared
 * with the web server and others: their O_NONBLOCK is never touched.
 * SIGPIPE must be ignored.
 */
#ifndef CGI_TRANSPORT_CGI_H
#define CGI_TRANSPORT_CGI_H

#include "cgi/transport.h"

struct cgi_options {
    const char *const *environment; /* borrowed until done() */
    int in;                         /* the request's body; read, never closed */
    int out; /* the reply; end() puts /dev/null in its place */
};

/*
 * Gives the exchange. Its read() stops at CONTENT_LENGTH bytes (ERR_EOF when
 * there are fewer), or at the end of file when the variable is not set.
 * Nothing is held back by write(), so end() never waits. An incomplete reply
 * cannot be told in CGI but by the exit status, and few servers look at it.
 */
struct transport *cgi_open(const struct cgi_options *o);

#endif
