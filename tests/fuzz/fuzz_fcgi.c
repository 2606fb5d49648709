/*
 * fuzz_fcgi.c - what a web server may send, to a responder.
 *
 * Input: the bytes of one connection, at most what a socket holds.
 */
#include "base/clock.h"
#include "base/log.h"
#include "cgi/transport_fcgi.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);

static struct fcgi *responder(struct sockaddr_un *name, socklen_t *len)
{
    struct fcgi_options o = {.max_conns = 2,
                             .header_timeout = NS_PER_S,
                             .write_timeout = NS_PER_S,
                             .max_params = 50,
                             .max_param_bytes = 4096};
    struct fcgi *f;
    /* An address of the kernel's choice, without a file. */
    struct sockaddr_un any = {.sun_family = AF_UNIX};
    *len = sizeof *name;
    log_set_level(LOG_ERROR);
    o.listen_fd = socket(AF_UNIX, SOCK_STREAM, 0);
    must(bind(o.listen_fd, (struct sockaddr *)&any, sizeof any.sun_family) ==
         0);
    must(listen(o.listen_fd, 4) == 0);
    must(getsockname(o.listen_fd, (struct sockaddr *)name, len) == 0);
    must(fcgi_open(&o, &f) == OK);
    return f;
}

static void serve(struct transport *t)
{
    char p[256];
    size_t got = 1;
    size_t wrote;
    for (const char *const *v = t->params; *v != NULL; v++)
        must(slice_find(slice_of(*v), '=') > 0);
    while (got > 0 && t->ops->read(t, p, sizeof p, &got) == OK)
        continue;
    t->ops->gone(t);
    t->ops->write(t, "x", 1, &wrote);
    t->ops->end(t, true);
    t->ops->done(t);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
    static struct fcgi *f;
    static struct sockaddr_un name;
    static socklen_t len;
    struct transport *t;

    if (f == NULL)
        f = responder(&name, &len);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    must(connect(fd, (struct sockaddr *)&name, len) == 0);
    if (send(fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
        shutdown(fd, SHUT_WR);
    while (fcgi_next(f, clock_mono() + 1, -1, &t) == OK)
        serve(t);
    close(fd);
    while (fcgi_next(f, clock_mono() + 1, -1, &t) == OK)
        serve(t);
    return 0;
}
