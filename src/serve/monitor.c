/*
 * monitor.c - the loop: looks at the pools, and between that the status page.
 */
#include "serve/monitor.h"

#include "base/clock.h"
#include "base/log.h"
#include "serve/monitor_parts.h"
#include "serve/reply.h"
#include "serve/status_page.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>

#define LOOK_SOON (100 * NS_PER_MS)
#define LOOK_LATER (500 * NS_PER_MS)

#define STATUS_CONNS 64
#define STATUS_TIME NS_PER_S /* a request's head, a reply's rest */
#define STATUS_PARAMS 256
#define STATUS_PARAM_BYTES (64u * 1024)

struct monitor {
    const struct monitor_setup *setup;
    struct shed *shed;     /* one a pool */
    struct board **boards; /* the same */
    struct fcgi *status;   /* NULL: no status page */
};

/* ---- the status page --------------------------------------------------- */

/* Web servers differ in which of these has the path. */
static bool asks_ping(const struct transport *t)
{
    struct slice uri = reply_var(t, "REQUEST_URI");
    uri.n = slice_find(uri, '?');
    return slice_ends(uri, "/ping") ||
           slice_ends(reply_var(t, "SCRIPT_NAME"), "/ping") ||
           slice_ends(reply_var(t, "PATH_INFO"), "/ping");
}

static void answer(struct monitor *m, struct transport *t)
{
    if (asks_ping(t))
        status_page_pong(t, "pong");
    else
        status_page_send(t, m->boards, m->setup->count);
}

static void open_status(struct monitor *m)
{
    struct fcgi_options o = {.listen_fd = m->setup->status_fd,
                             .max_conns = STATUS_CONNS,
                             .header_timeout = STATUS_TIME,
                             .write_timeout = STATUS_TIME,
                             .no_keep = true,
                             .max_params = STATUS_PARAMS,
                             .max_param_bytes = STATUS_PARAM_BYTES,
                             .web_server_addrs =
                                 getenv("FCGI_WEB_SERVER_ADDRS")};
    if (o.listen_fd >= 0 && fcgi_open(&o, &m->status) != OK)
        log_error("the status page cannot be served: %s", strerror(errno));
}

/* ---- the loop ---------------------------------------------------------- */

/* The supervisor wants it, or is no more. */
static bool told_to_end(const struct monitor *m, uint64_t until)
{
    struct pollfd p = {.fd = m->setup->link_fd, .events = POLLIN};
    return poll(&p, 1, clock_poll_ms(until)) > 0;
}

/* Answers one that asks, or waits. False: the end. */
static bool serve(struct monitor *m, uint64_t until)
{
    struct transport *t;
    if (m->status == NULL)
        return !told_to_end(m, until);
    enum err e = fcgi_next(m->status, until, m->setup->link_fd, &t);
    if (e == OK)
        answer(m, t);
    if (e == ERR_IO) {
        log_error("the status socket cannot be used: %s", strerror(errno));
        fcgi_close(m->status);
        m->status = NULL;
    }
    return e != ERR_ABORTED || !told_to_end(m, 1);
}

/* Gives when to look again. */
static uint64_t look(struct monitor *m)
{
    bool soon = false;
    for (size_t i = 0; i < m->setup->count; i++)
        soon = shed_look(&m->shed[i]) || soon;
    return clock_mono() + (soon ? LOOK_SOON : LOOK_LATER);
}

/* Those who are turned away come in great numbers. */
static void want_descriptors(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0)
        return;
    r.rlim_cur = r.rlim_max;
    setrlimit(RLIMIT_NOFILE, &r);
}

int monitor_run(const struct monitor_setup *setup)
{
    struct monitor m = {.setup = setup};
    m.shed = xalloc((setup->count + 1) * sizeof *m.shed);
    m.boards = xalloc((setup->count + 1) * sizeof *m.boards);
    for (size_t i = 0; i < setup->count; i++) {
        m.shed[i].pool = &setup->pools[i];
        m.boards[i] = setup->pools[i].board;
    }
    want_descriptors();
    open_status(&m);
    uint64_t next = look(&m);
    while (serve(&m, next))
        if (clock_mono() >= next)
            next = look(&m);
    for (size_t i = 0; i < setup->count; i++)
        shed_close(&m.shed[i]);
    if (m.status != NULL)
        fcgi_close(m.status);
    free(m.shed);
    free(m.boards);
    return EX_OK;
}
