/*
 * worker.c - the loop of a resident process.
 */
#include "serve/worker.h"

#include "base/clock.h"
#include "bind/host.h"
#include "bind/libcrypto.h"
#include "bind/libcurl.h"
#include "cgi/transport_fcgi.h"
#include "engine/engine.h"
#include "engine/image.h"
#include "serve/access.h"
#include "serve/child.h"
#include "serve/handler.h"
#include "serve/image_choose.h"
#include "serve/pool.h"
#include "serve/reply.h"
#include "serve/state.h"
#include "serve/status_page.h"
#include "serve/watchdog.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <unistd.h>

/* One is served at a time; the others are kept ones that say nothing. Of a
 * low rlimit_files they must leave something. */
#define MOST_CONNECTIONS 480u
#define LEAST_CONNECTIONS 4u

struct worker {
    struct pool_config config; /* the pool's, as this process takes it */
    const struct child_place *place;
    struct fcgi *fcgi;
    struct pool *pool;
    struct image_choice choice;
    struct state state; /* where one is kept */
    struct handler handler;
    struct slot *slot;
    struct sink access, slow;
    char *peers; /* FCGI_WEB_SERVER_ADDRS, or NULL */
    int signal_fd;
    int wake_fd; /* readable when a signal or the supervisor has news */
    uint64_t served;
    uint64_t most;    /* requests, 0 endless */
    uint64_t drained; /* when kept connections are waited for no longer */
    bool last;        /* of those who serve this socket */
    bool serving;     /* a request */
    bool stop;
    bool save;  /* the state, and end */
    bool close; /* and let no connection be kept */
    bool saved; /* it is: no JavaScript runs any more */
    bool failed;
};

/* ---- what comes from outside ------------------------------------------- */

/* Blocked before V8 starts, so that its threads inherit the mask. */
static int take_signals(void)
{
    static const int ours[] = {SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        sigaddset(&set, ours[i]);
    /* Nobody else's business here, whatever the supervisor had blocked. */
    sigprocmask(SIG_SETMASK, &set, NULL);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

/* Both in one descriptor, which can be waited for like a third. */
static int wake_by(int signal_fd, int link)
{
    struct epoll_event in = {.events = EPOLLIN};
    int fd = epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0 || epoll_ctl(fd, EPOLL_CTL_ADD, signal_fd, &in) != 0 ||
        (link >= 0 && epoll_ctl(fd, EPOLL_CTL_ADD, link, &in) != 0))
        return -1;
    return fd;
}

static void drain(struct worker *w, bool last)
{
    fcgi_drain(w->fcgi, last);
    w->last = w->last || last;
    if (!w->serving) /* else the log would not know what it ends with */
        slot_set(w->slot, SLOT_STOPPING);
    if (w->drained == 0)
        w->drained = clock_mono() + w->config.request_timeout;
}

static void reopen_log(void)
{
    struct why why = {.text = ""};
    if (log_reopen(&why) != OK)
        log_error("%s", why.text);
}

static void obey_signals(struct worker *w)
{
    struct signalfd_siginfo got;
    while (read(w->signal_fd, &got, sizeof(got)) == sizeof(got)) {
        switch (got.ssi_signo) {
        case SIGTERM:
        case SIGINT:
            w->stop = true;
            break;
        case SIGQUIT:
            drain(w, false);
            break;
        case SIGUSR1:
            reopen_log();
            break;
        case SIGHUP:
            if (w->place == NULL)
                log_notice("SIGHUP reads nothing again here: end this process "
                           "with SIGTERM and start it anew; only a supervisor "
                           "reloads");
            break;
        }
    }
}

static bool keeps_state(const struct worker *w)
{
    return w->place != NULL && w->place->state_out >= 0;
}

static void use_logs(struct worker *w, const struct link_message *m)
{
    if (m->fd[LINK_ERROR_LOG] >= 0)
        log_use(m->fd[LINK_ERROR_LOG]);
    if (m->fd[LINK_ACCESS_LOG] >= 0)
        sink_use(&w->access, m->fd[LINK_ACCESS_LOG]);
    if (m->fd[LINK_SLOW_LOG] >= 0)
        sink_use(&w->slow, m->fd[LINK_SLOW_LOG]);
}

static void obey_save(struct worker *w, const char text[static LINK_TEXT])
{
    struct link_save how;
    memcpy(&how, text, sizeof(how));
    w->save = true;
    w->close = slice_is(slice_of(how.close), LINK_CLOSE);
    if (keeps_state(w))
        state_take_form(&w->state, &how);
    explicit_bzero(&how, sizeof(how));
}

static void obey_supervisor(struct worker *w)
{
    struct link_message m;
    enum log_level level;
    enum err e;
    while ((e = link_receive(w->place->link, &m)) == OK) {
        if (m.word == LINK_LAST)
            drain(w, true);
        else if (m.word == LINK_SAVE)
            obey_save(w, m.text);
        else if (m.word == LINK_LOGS)
            use_logs(w, &m);
        else if (m.word == LINK_LEVEL && log_level_parse(m.text, &level))
            log_set_level(level);
    }
    if (e == ERR_EOF && !w->stop) {
        log_warn("the supervisor has gone: stopping");
        w->stop = true;
    }
}

static void obey(struct worker *w)
{
    obey_signals(w);
    if (w->place != NULL)
        obey_supervisor(w);
}

/* An empty line makes it look at the slot. */
static void call_supervisor(const struct worker *w)
{
    if (w->place != NULL)
        (void)!write(STDOUT_FILENO, "\n", 1);
}

/* Before a reply's end, so that what drains keeps no connection. */
static void end_reply(void *arg)
{
    struct worker *w = arg;
    struct pollfd news = {.fd = w->wake_fd, .events = POLLIN};
    if (poll(&news, 1, 0) > 0)
        obey(w);
    if (w->slot != NULL && pool_changed(w->pool)) {
        atomic_store(&w->slot->outdated, true);
        call_supervisor(w);
    }
    bool worn = w->most != 0 && w->served + 1 >= w->most;
    /* The supervisor replaces us when the next image is there. */
    bool waits = w->place != NULL && strcmp(w->config.image, "auto") == 0;
    if (w->drained != 0 || (!worn && (waits || !pool_outdated(w->pool))))
        return;
    if (!worn)
        log_notice("%s has changed: this process, made from an image of it, is "
                   "replaced",
                   w->config.app);
    drain(w, false);
    if (w->slot != NULL)
        atomic_store(&w->slot->leaves, true);
    call_supervisor(w);
}

/* Before something that takes long: others may be idle, or will be, should
 * it be the end of this process. */
static void give_kept(void *arg)
{
    struct worker *w = arg;
    fcgi_give(w->fcgi);
}

/* ---- serving ------------------------------------------------------------ */

static void say_ready(struct worker *w)
{
    if (w->slot != NULL)
        slot_text(w->slot->image, slice_of(pool_image(w->pool)->id));
    slot_set(w->slot, SLOT_IDLE);
    call_supervisor(w);
}

/* The pool's own pages need no JavaScript. */
static bool answers_itself(struct worker *w, struct transport *t)
{
    const struct pool_config *c = &w->config;
    struct slice name = reply_var(t, "SCRIPT_NAME");
    bool ping = c->ping_path != NULL && slice_is(name, c->ping_path);
    bool status = c->status_path != NULL && slice_is(name, c->status_path);
    if (ping)
        status_page_pong(t, c->ping_response);
    else if (status && w->place != NULL)
        status_page_send(t, &w->place->board, 1);
    return ping || (status && w->place != NULL);
}

/*
 * What makes the next request short, as long as nobody waits. Who is about to
 * ask need not wait for the end of it, when there are others.
 */
static void prepare(struct worker *w)
{
    while (!fcgi_pending(w->fcgi) && pool_due(w->pool)) {
        if (w->config.reset != RESET_NONE)
            give_kept(w);
        pool_prepare(w->pool);
    }
}

/* Just now: who waits is its, then, though it was about to go. */
static bool became_last(struct worker *w)
{
    bool before = w->last;
    obey(w);
    return w->last && !before;
}

/* The next worker goes on from it. ends: this one does in any case. False: it
 * could not be written. */
static bool save_state(struct worker *w, bool ends)
{
    struct slot_state_kept *kept = &w->slot->kept;
    struct why why = {.text = ""};
    uint64_t began = clock_mono(), n = 0;
    w->save = false;
    slot_set(w->slot, SLOT_SAVING);
    enum err e = state_write(&w->state, &w->handler, ends, &n, &why);
    kept->duration = clock_mono() - began;
    w->saved = e == OK;
    if (e == OK) {
        atomic_store(&kept->saved, n);
        return true;
    }
    log_error("the state could not be written: %s", why.text);
    snprintf(kept->refusal, sizeof(kept->refusal), "%s", why.text);
    atomic_store(&kept->asks, false); /* asked for in vain */
    atomic_fetch_add(&kept->refused, 1);
    w->failed = e != ERR_SCRIPT; /* else it can go on */
    slot_set(w->slot, SLOT_IDLE);
    call_supervisor(w);
    return false;
}

/* Is it over, because its state is kept, or has gone? */
static bool state_ends(struct worker *w)
{
    if (!keeps_state(w))
        return false;
    if (pool_lost(w->pool)) {
        log_error("the application was ended: what it kept since its state "
                  "was saved is lost");
        w->failed = true;
        return true;
    }
    if (w->state.kept.wanted) {
        w->state.kept.wanted = false;
        atomic_store(&w->slot->kept.asks, true);
        call_supervisor(w);
    }
    /* A kept connection in the queue would wake the next one at once. */
    if (!w->save || (w->close && fcgi_pending(w->fcgi)))
        return false;
    if (!w->close)
        fcgi_give(w->fcgi);
    if (!save_state(w, false))
        return w->failed;
    if (fcgi_pending(w->fcgi))
        fcgi_give(w->fcgi); /* somebody came meanwhile: for the next one */
    return true;
}

static void serve(struct worker *w)
{
    while (!w->stop && !state_ends(w)) {
        struct transport *t = NULL;
        prepare(w);
        uint64_t until = w->drained != 0 ? w->drained : pool_wake(w->pool);
        enum err e = fcgi_next(w->fcgi, until, w->wake_fd, &t);
        if (e == OK) {
            give_kept(w);
            w->serving = true;
            if (!answers_itself(w, t)) {
                handler_run(&w->handler, t);
                w->served++; /* pages of its own wear nothing out */
            }
            w->serving = false;
            slot_set(w->slot, w->drained != 0 ? SLOT_STOPPING : SLOT_IDLE);
            /* The web server was woken on this processor: let it take the
             * reply away before the next context is made. */
            sched_yield();
        }
        if (e == ERR_EOF && !became_last(w))
            return;
        if (w->drained != 0 && clock_mono() >= w->drained)
            return;
        if (e == ERR_IO) {
            log_error("the listening socket cannot be used: %s",
                      strerror(errno));
            w->failed = true;
            return;
        }
        if (e == ERR_ABORTED)
            obey(w);
    }
}

/* ---- beginning ---------------------------------------------------------- */

/* Half of the descriptors, and not what may come on top (max_conns). */
static size_t most_connections(void)
{
    struct rlimit l = {.rlim_cur = RLIM_INFINITY};
    getrlimit(RLIMIT_NOFILE, &l);
    rlim_t half = l.rlim_cur / 2;
    if (half < 32 + LEAST_CONNECTIONS)
        return LEAST_CONNECTIONS;
    return half - 32 < MOST_CONNECTIONS ? (size_t)half - 32 : MOST_CONNECTIONS;
}

static enum err open_fcgi(struct worker *w, int listen_fd)
{
    const struct pool_config *c = &w->config;
    struct fcgi_options o = {.listen_fd = listen_fd,
                             .max_conns = most_connections(),
                             .header_timeout = c->header_timeout,
                             .write_timeout = c->write_timeout,
                             .no_keep = !c->keep_conn,
                             .queue = w->place != NULL ? w->place->kept : NULL,
                             .max_params = (size_t)c->max_params,
                             .max_param_bytes = (size_t)c->max_param_bytes,
                             .web_server_addrs = w->peers};
    return fcgi_open(&o, &w->fcgi);
}

/* Workers that were started together should not end together. */
static uint64_t life(const struct pool_config *c)
{
    uint32_t noise = 0;
    uint64_t spread = c->max_requests * c->max_requests_jitter / 100;
    if (spread > 0 && spread == c->max_requests)
        spread--; /* 0 would be endless */
    if (getrandom(&noise, sizeof(noise), 0) != sizeof(noise))
        noise = (uint32_t)getpid();
    return c->max_requests - (spread > 0 ? noise % (spread + 1) : 0);
}

/* What a root of its own does not hold, and is opened at first use. */
static void open_libraries(void)
{
    struct why why;
    libcurl_open(&why);
    libcrypto_load(&why);
}

static enum err open_state(struct worker *w, const struct worker_setup *setup,
                           struct why *why)
{
    w->state = (struct state){.config = &w->config,
                              .api = setup->image,
                              .in = w->place->state_in,
                              .out = w->place->state_out,
                              .slot = w->slot,
                              .choice = w->choice};
    w->config.watch = false; /* other code is another state: at a reload */
    return state_open(&w->state, why);
}

static enum err step_down(struct worker *w, int listen_fd, struct why *why)
{
    const struct child_place *p = w->place;
    int keep[] = {listen_fd,
                  p->link,
                  p->kept[0],
                  p->kept[1],
                  log_fd(),
                  p->access->fd,
                  p->slow->fd,
                  w->wake_fd,
                  w->signal_fd,
                  w->choice.place.fd,
                  p->state_in,
                  p->state_out,
                  -1};
    size_t n = 0;
    for (size_t i = 0; i < sizeof(keep) / sizeof(keep[0]); i++)
        if (keep[i] >= 0)
            keep[n++] = keep[i];
    keep[n] = -1;
    w->access = *p->access;
    w->slow = *p->slow;
    if (w->config.chroot != NULL)
        open_libraries();
    if (board_join(p->board, (uint32_t)p->slot, &w->slot) != OK)
        return why_set(why, ERR_IO, "the scoreboard cannot be mapped: %s",
                       strerror(errno));
    return confine(&w->config, p->identity, keep, why);
}

/* Before the way down: this user may see what the pool's may not. */
static void find_image(struct worker *w)
{
    char app[PATH_MAX];
    w->choice = (struct image_choice){
        .config = &w->config, .hold = IMAGE_COPY, .place = {.fd = -1}};
    if (image_app_path(&w->config, app))
        image_find(&w->config, app, w->place != NULL, &w->choice.place);
}

static enum err begin(struct worker *w, const struct worker_setup *setup,
                      struct why *why)
{
    w->signal_fd = take_signals();
    w->wake_fd = wake_by(w->signal_fd, w->place != NULL ? w->place->link : -1);
    if (w->signal_fd < 0 || w->wake_fd < 0)
        return why_set(why, ERR_IO, "no descriptors for signals: %s%s",
                       strerror(errno), confine_shortage(errno));
    const char *peers = getenv("FCGI_WEB_SERVER_ADDRS");
    w->peers = peers != NULL ? xstrdup(peers) : NULL;
    find_image(w);
    if (w->place != NULL) {
        /* A new process is a new isolate, and more. */
        w->most = life(&w->config);
        w->config.max_requests = 0;
        enum err e = OK;
        if (keeps_state(w))
            e = open_state(w, setup, why);
        if (e == OK)
            e = step_down(w, setup->listen_fd, why);
        if (e != OK)
            return e;
        w->state.slot = w->slot;
    }
    enum err e = open_fcgi(w, setup->listen_fd);
    return why_set(why, e, "FastCGI cannot be served: %s", err_name(e));
}

int worker_run(const struct worker_setup *setup)
{
    struct worker w = {.config = *setup->pool,
                       .place = setup->place,
                       .access = {.fd = -1},
                       .slow = {.fd = -1}};
    struct engine_setup engine = {
        .mode = ENGINE_RESIDENT, .tables = natives, .fatal = handler_fatal};
    struct pool_setup pool = {.config = &w.config,
                              .image = setup->image,
                              .find = setup->pool->app != NULL ? image_choose
                                                               : NULL,
                              .arg = &w.choice,
                              .watch_every = setup->watch_every};
    struct why why = {.text = ""};
    struct access *format = NULL;
    log_about(setup->pool->name, NULL, NULL);
    enum err e = begin(&w, setup, &why);
    if (e == OK)
        e = access_parse(w.config.access_format, &format, &why);
    if (e != OK) {
        log_error("%s", why.text);
        return e == ERR_IO ? EX_UNAVAILABLE : EX_CONFIG;
    }
    pool.slot = w.slot;
    if (w.config.state != NULL && !keeps_state(&w))
        log_warn("the state of this pool is not kept, as nobody supervises "
                 "this process: let snapcgi serve start it, or remove "
                 "state = %s",
                 w.config.state);
    if (keeps_state(&w)) {
        state_read(&w.state);
        engine.mode = ENGINE_BUILD;
        engine.seeded = w.state.resumed;
        pool.find = state_find;
        pool.arg = &w.state;
        pool.kept = &w.state.kept;
    }
    die_words(handler_fatal);
    engine_start(&engine);
    watchdog_start();
    w.pool = pool_new(&pool);
    handler_init(&w.handler, &w.config, w.pool, false);
    w.handler.ending = end_reply;
    w.handler.lasting = give_kept;
    w.handler.arg = &w;
    w.handler.slot = w.slot;
    w.handler.access = w.access.kind != SINK_NONE ? format : NULL;
    w.handler.access_sink = &w.access;
    w.handler.slow = w.slow.kind != SINK_NONE ? &w.slow : NULL;
    if (keeps_state(&w) &&
        (e = state_begin(&w.state, &w.handler, &why)) != OK) {
        log_error("%s", why.text);
        return e == ERR_MISMATCH ? EX_DATAERR : EX_SOFTWARE;
    }
    while (pool_prepare(w.pool))
        ;
    say_ready(&w);
    serve(&w);
    if (keeps_state(&w) && !w.saved && !w.failed)
        w.failed = !save_state(&w, true);
    fcgi_close(w.fcgi);
    if (!keeps_state(&w)) { /* else V8 is over, or soon is */
        pool_free(w.pool);
        handler_free(&w.handler);
    }
    log_at(w.place == NULL ? LOG_NOTICE : LOG_INFO, "stopped");
    return w.failed ? EX_UNAVAILABLE : EX_OK;
}
