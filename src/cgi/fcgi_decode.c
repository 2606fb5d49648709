/*
 * fcgi_decode.c - the file, and FCGX_Accept_r reading it.
 */
#include "cgi/fcgi_decode.h"
#include "cgi/fcgi_wire.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

/* Bytes read that may stay in the file. */
#define FEED_KEPT (1 << 20)

/* FCGX_Init takes over signals that the process has given a meaning. */
static enum err init_library(void)
{
    static const int signals[] = {SIGPIPE, SIGUSR1, SIGTERM};
    enum { COUNT = sizeof signals / sizeof *signals };
    struct sigaction old[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        if (sigaction(signals[i], NULL, &old[i]) != 0)
            return ERR_IO;
    int rc = FCGX_Init();
    for (size_t i = 0; i < COUNT; i++)
        if (sigaction(signals[i], &old[i], NULL) != 0)
            return ERR_IO;
    return rc == 0 ? OK : ERR_FAIL;
}

static enum err open_feed(struct fcgi_decoder *d)
{
    d->at = 0;
    d->feed = memfd_create("fcgi-params", MFD_CLOEXEC);
    return d->feed >= 0 ? OK : ERR_IO;
}

enum err fcgi_decoder_open(struct fcgi_decoder *d)
{
    enum err e = init_library();
    return e == OK ? open_feed(d) : e;
}

void fcgi_decoder_close(struct fcgi_decoder *d)
{
    if (d->feed >= 0)
        close(d->feed);
    d->feed = -1;
}

static struct iovec part(const void *p, size_t n)
{
    return (struct iovec){(void *)(uintptr_t)p, n};
}

/* Writes behind what was read, in one call when pairs fit one record. */
static enum err feed(struct fcgi_decoder *d, struct slice pairs)
{
    unsigned char begin[2 * FCGI_HEADER_LEN] = {0};
    unsigned char header[FCGI_HEADER_LEN], end[FCGI_HEADER_LEN];
    off_t to = d->at;

    /* KEEP_CONN, so that libfcgi never closes the file. */
    fcgi_header_write(begin, (struct fcgi_record){FCGI_BEGIN_REQUEST, 1, 8, 0});
    begin[FCGI_HEADER_LEN + 1] = FCGI_RESPONDER;
    begin[FCGI_HEADER_LEN + 2] = FCGI_KEEP_CONN;
    fcgi_header_write(end, (struct fcgi_record){FCGI_PARAMS, 1, 0, 0});
    do {
        size_t n = pairs.n < FCGI_FULL_RECORD ? pairs.n : FCGI_FULL_RECORD;
        struct iovec iov[4] = {part(begin, to == d->at ? sizeof begin : 0),
                               part(header, n > 0 ? sizeof header : 0),
                               part(pairs.p, n),
                               part(end, n == pairs.n ? sizeof end : 0)};
        fcgi_header_write(header,
                          (struct fcgi_record){FCGI_PARAMS, 1, (uint16_t)n, 0});
        size_t total = 0;
        for (size_t i = 0; i < 4; i++)
            total += iov[i].iov_len;
        ssize_t wrote = pwritev(d->feed, iov, 4, to);
        if (wrote < 0 || (size_t)wrote != total)
            return ERR_IO;
        to += wrote;
        pairs = slice_from(pairs, n);
    } while (pairs.n > 0);
    d->at = to;
    return OK;
}

/* What was read is given back once it is worth two calls. */
static void recycle(struct fcgi_decoder *d)
{
    if (d->at < FEED_KEPT)
        return;
    if (ftruncate(d->feed, 0) == 0 && lseek(d->feed, 0, SEEK_SET) == 0)
        d->at = 0;
}

enum err fcgi_decode(struct fcgi_decoder *d, struct slice pairs,
                     FCGX_Request *req, const char *const **params)
{
    if (d->feed < 0 && open_feed(d) != OK)
        return ERR_IO;
    FCGX_InitRequest(req, -1, 0);
    /* FCGX_Accept_r first finishes the request before: keep the file. */
    req->ipcFd = d->feed;
    req->keepConnection = 1;
    if (feed(d, pairs) == OK && FCGX_Accept_r(req) == 0 &&
        FCGX_GetError(req->in) == 0) {
        recycle(d);
        /* The first is FCGI_ROLE, of libfcgi's own making. */
        *params = (const char *const *)req->envp + 1;
        return OK;
    }
    /* Checked pairs are always read, so this is descriptors or memory. What
     * is left in the file is no request's. */
    if (req->ipcFd < 0)
        d->feed = -1; /* libfcgi closed it */
    FCGX_Free(req, 0);
    fcgi_decoder_close(d);
    return ERR_IO;
}
