/*
 * reply.c - a whole reply to one request, in bounded time.
 */
#include "serve/reply.h"

#include "base/buf.h"
#include "base/clock.h"
#include "cgi/response.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

/* A reader that is slower holds up all the others. */
#define SEND_TIME NS_PER_S

struct slice reply_var(const struct transport *t, const char *name)
{
    size_t n = strlen(name);
    for (const char *const *p = t->params; *p != NULL; p++)
        if (strncmp(*p, name, n) == 0 && (*p)[n] == '=')
            return slice_of(*p + n + 1);
    return slice_of(NULL);
}

static bool send_all(struct transport *t, struct slice rest)
{
    uint64_t deadline = clock_mono() + SEND_TIME;
    t->last = true;
    while (rest.n > 0) {
        size_t wrote = 0;
        enum err e = t->ops->write(t, rest.p, rest.n, &wrote);
        rest = slice_from(rest, wrote);
        if (e == OK)
            continue;
        struct pollfd p = {.fd = t->write_fd, .events = POLLOUT};
        int ms = clock_poll_ms(deadline);
        if (e != ERR_AGAIN || ms == 0)
            return false;
        if (poll(&p, 1, ms) < 0 && errno != EINTR)
            return false;
    }
    return true;
}

bool reply_send(struct transport *t, const struct reply *r)
{
    struct buf out;
    buf_init(&out, REPLY_FIELDS + r->body.n);
    buf_printf(&out, "Status: %d %s\r\n%sContent-Length: %zu\r\n\r\n",
               r->status, response_reason(r->status), r->fields, r->body.n);
    if (!slice_is(reply_var(t, "REQUEST_METHOD"), "HEAD"))
        buf_slice(&out, r->body);
    must(out.err == OK);
    bool sent = send_all(t, buf_view(&out));
    sent = t->ops->end(t, sent) == OK && sent;
    t->ops->done(t);
    buf_free(&out);
    return sent;
}
