/*
 * worker.c - the loop of a resident process.
 */
#include "serve/worker.h"

#include "base/clock.h"
#include "bind/host.h"
#include "cgi/transport_fcgi.h"
#include "engine/engine.h"
#include "serve/handler.h"
#include "serve/pool.h"
#include "serve/watchdog.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <unistd.h>

/* One is served at a time; the others are kept ones that say nothing. */
#define MAX_CONNECTIONS 256

struct worker {
    struct fcgi *fcgi;
    struct pool *pool;
    struct handler handler;
    int signal_fd;
    uint64_t drained; /* when kept connections are waited for no longer */
    bool stop;
    bool failed;
};

/* Blocked before V8 starts, so that its threads inherit the mask. */
static int take_signals(void)
{
    static const int ours[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        sigaddset(&set, ours[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static void reopen_log(void)
{
    struct why why = {.text = ""};
    if (log_reopen(&why) != OK)
        log_error("%s", why.text);
}

static void drain(struct worker *w)
{
    fcgi_drain(w->fcgi);
    if (w->drained == 0)
        w->drained = clock_mono() + w->handler.config->request_timeout;
}

static void obey(void *arg)
{
    struct worker *w = arg;
    struct signalfd_siginfo got;
    while (read(w->signal_fd, &got, sizeof(got)) == sizeof(got)) {
        switch (got.ssi_signo) {
        case SIGTERM:
        case SIGINT:
            w->stop = true;
            break;
        case SIGQUIT:
            drain(w);
            break;
        case SIGUSR1:
            reopen_log();
            break;
        case SIGHUP:
            log_notice("nothing is read again on SIGHUP; restart instead");
            break;
        }
    }
}

static void serve(struct worker *w)
{
    while (!w->stop) {
        struct transport *t = NULL;
        while (!fcgi_pending(w->fcgi) && pool_prepare(w->pool))
            ;
        uint64_t until = w->drained != 0 ? w->drained : pool_wake(w->pool);
        enum err e = fcgi_next(w->fcgi, until, w->signal_fd, &t);
        if (e == OK) {
            handler_run(&w->handler, t);
            /* The web server was woken on this processor: let it take the
             * reply away before the next context is made. */
            sched_yield();
        }
        if (e == ERR_EOF || (w->drained != 0 && clock_mono() >= w->drained))
            return;
        if (e == ERR_IO) {
            log_error("the listening socket cannot be used: %s",
                      strerror(errno));
            w->failed = true;
            return;
        }
        obey(w);
    }
}

static enum err open_fcgi(const struct worker_setup *setup, struct fcgi **out)
{
    const struct pool_config *c = setup->pool;
    struct fcgi_options o = {.listen_fd = setup->listen_fd,
                             .max_conns = MAX_CONNECTIONS,
                             .header_timeout = c->header_timeout,
                             .write_timeout = c->write_timeout,
                             .max_params = (size_t)c->max_params,
                             .max_param_bytes = (size_t)c->max_param_bytes,
                             .web_server_addrs =
                                 getenv("FCGI_WEB_SERVER_ADDRS")};
    return fcgi_open(&o, out);
}

int worker_run(const struct worker_setup *setup)
{
    struct worker w = {.signal_fd = take_signals()};
    struct engine_setup engine = {
        .mode = ENGINE_RESIDENT, .tables = natives, .fatal = handler_fatal};
    struct pool_setup pool = {.config = setup->pool,
                              .image = setup->image,
                              .watch_every = setup->watch_every};
    log_about(setup->pool->name, NULL);
    if (w.signal_fd < 0) {
        log_error("signalfd: %s", strerror(errno));
        return EX_OSERR;
    }
    enum err e = open_fcgi(setup, &w.fcgi);
    if (e != OK) {
        log_error("FastCGI cannot be served: %s", err_name(e));
        close(w.signal_fd);
        return e == ERR_IO ? EX_UNAVAILABLE : EX_CONFIG;
    }
    engine_start(&engine);
    watchdog_start();
    w.pool = pool_new(&pool);
    handler_init(&w.handler, setup->pool, w.pool, false);
    w.handler.ending = obey;
    w.handler.arg = &w;
    serve(&w);
    fcgi_close(w.fcgi);
    pool_free(w.pool);
    handler_free(&w.handler);
    close(w.signal_fd);
    log_notice("stopped");
    return w.failed ? EX_UNAVAILABLE : EX_OK;
}
