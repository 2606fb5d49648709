/*
 * random.c - bytes nobody can guess, from getrandom(2) and not from OpenSSL:
 * a hello need not load that.
 */
#include "bind/host.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

static void random_fill(struct call *c)
{
    size_t n = 0;
    char *p = arg_bytes_mut(c, 0, &n);

    while (n > 0) {
        ssize_t got = getrandom(p, n, 0);
        if (got < 0) {
            if (errno == EINTR)
                continue;
            throw_error(c, "getrandom: %s", strerror(errno));
            return;
        }
        p += got;
        n -= (size_t)got;
    }
}

/* (line): what js/drawn.js has seen. */
static void drew(struct call *c)
{
    const struct host *host = call_host(c);
    if (host->drew != NULL)
        host->drew(arg_utf8(c, 0).p);
}

const struct native random_natives[] = {
    {"drew", 1, drew},
    {"randomFill", 1, random_fill},
    {NULL, 0, NULL},
};
