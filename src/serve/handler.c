/*
 * handler.c - the sequence of one request.
 */
#include "serve/handler_parts.h"

#include "base/clock.h"
#include "bind/state.h"
#include "serve/app.h"
#include "serve/timing.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

/* The request in progress and its thread, for handler_fatal(). */
static struct run *current;
static pthread_t current_thread;

static bool is_loaded(struct run *r)
{
    return realm_state(r->seat->realm, &r->rep) != REALM_LOADING;
}

/* Nothing more is said to a client that has gone: waitUntil() is for that. */
static bool is_replied(struct run *r)
{
    return r->x.reply == REPLY_WHOLE || r->x.reply == REPLY_FAILED || r->told;
}

static bool is_settled(struct run *r)
{
    return r->seat->host.pending <= 0;
}

/* ---- the watchdog's moments -------------------------------------------- */

/* One that was asked for in vain before may come with it, for this one. */
static void on_stack(struct slice text)
{
    if (current != NULL)
        run_report_stack(current, text);
}

/* On the watchdog's thread, as the next. */
static void on_slow(void *arg, struct engine *engine)
{
    struct run *r = arg;
    int none = SLOW_NOT;
    if (atomic_compare_exchange_strong(&r->slow, &none, SLOW_ASKED))
        engine_stack(engine, (unsigned)r->h->config->slowlog_trace_depth,
                     on_stack);
}

/*
 * JavaScript cannot be ended, and its thread with it: what the client should
 * hear is said here, of memory that does not change meanwhile.
 */
static bool on_last(void *arg, struct engine *engine)
{
    struct run *r = arg;
    char page[FAULT_PAGE_MAX];
    int status = fault_load_status(engine_stopped(engine), OK);
    fault_page(status, r->req.id, SLICE(""), page);
    if (spool_last_words(&r->spool, slice_of(page)) == ERR_AGAIN)
        return false;
    shutdown(r->t->write_fd, SHUT_RDWR);
    return true;
}

static void set_watch(struct run *r)
{
    const struct pool_config *c = r->h->config;
    struct slot *slot = r->h->slot;
    r->watch = (struct watch){
        .slow = run_slow_at(r),
        .deadline = r->deadline,
        .cpu_limit = c->cpu_limit,
        .cpu_start = r->cpu_start,
        .started = r->started,
        .kill_at = slot != NULL ? &slot->kill_at : NULL,
        .kill_grace = c->kill_grace,
        .is_slow = on_slow,
        .last = on_last,
        .arg = r,
    };
}

/* ---- the steps --------------------------------------------------------- */

/* A top-level await may still be on its way. *status: when it fails. */
static enum err load_to_end(struct run *r, int *status)
{
    enum err e = is_loaded(r) ? OK : run_pump(r, is_loaded);
    if (e == OK && realm_state(r->seat->realm, NULL) == REALM_READY)
        return OK;
    if (e == ERR_EOF || e == ERR_TIMEOUT) {
        const char *words = e == ERR_EOF
                                ? "Error: a top-level await can never settle"
                                : "Error: a top-level await took too long";
        buf_puts(&r->rep.head, words);
        buf_printf(&r->rep.text, "%s\n", words);
    }
    r->ended = e == ERR_TIMEOUT;
    *status = fault_load_status(engine_stopped(r->seat->engine), e);
    pool_failed(r->h->pool, r->seat, *status, &r->rep);
    return ERR_SCRIPT;
}

/* False: the fault is replied. */
static bool finish_loading(struct run *r)
{
    int status;
    if (load_to_end(r, &status) == OK)
        return true;
    exchange_fail(&r->x, status, buf_view(&r->rep.text));
    return false;
}

/* Before there is a watch, too: a file system can hang. */
static void set_kill(const struct run *r, uint64_t at)
{
    if (r->h->slot != NULL)
        atomic_store(&r->h->slot->kill_at, at);
}

/* function: the application's file, NULL until it is known. */
static void log_request(const struct run *r, const char *function)
{
    char id[129];
    snprintf(id, sizeof(id), "%.*s", (int)r->req.id.n, r->req.id.p);
    log_about(r->h->config->name, id, function);
}

static bool find_app(struct run *r)
{
    struct fault why = {0};
    if (app_find(r->h->config, &r->req, r->path, &why) == OK) {
        log_request(r, r->path);
        return true;
    }
    r->path[0] = '\0';
    fault_say(&r->x, LOG_WARN, why.status, why.why.text);
    return false;
}

static bool obtain_seat(struct run *r)
{
    struct fault why = {0};
    r->deadline = r->started + r->h->config->request_timeout;
    set_watch(r);
    enum err e =
        pool_take(r->h->pool, r->path, &r->watch, &r->seat, &why, &r->rep);
    r->ended = e == ERR_SCRIPT && why.status == 504;
    if (e == ERR_SCRIPT)
        exchange_fail(&r->x, why.status, buf_view(&r->rep.text));
    else if (e != OK)
        fault_say(&r->x, LOG_WARN, why.status, why.why.text);
    return e == OK;
}

static void respond(struct run *r)
{
    r->seat->host.exchange = &r->x;
    r->seat->host.pending = 0;
    if (!finish_loading(r))
        return;
    r->asked = true;
    enum err e = run_hook(r, HOOK_REQUEST, r->x.rid);
    if (e == OK)
        e = run_pump(r, is_replied);
    timing_mark("handler");
    r->ended = e == ERR_TIMEOUT || !run_can_go_on(r);
    fault_step(&r->x, r->h->config, engine_stopped(r->seat->engine), e,
               &r->rep);
    /* Nobody waits for its reply any more: too late, or a write said so. */
    if (!r->told && run_can_go_on(r) &&
        (e == ERR_TIMEOUT ||
         (r->x.reply == REPLY_FAILED && r->t->ops->gone(r->t)))) {
        r->told = true;
        run_hook(r, HOOK_ABORT, r->x.rid);
    }
}

/*
 * By CGI a body that no script will read is read here: mod_cgid would take
 * the broken pipe for a broken script, and never look at the reply.
 */
static void discard_body(struct run *r)
{
    char trash[16 * 1024];
    size_t got = 1;
    uint64_t until = clock_mono() + r->h->config->body_timeout;
    const char *length = meta_var(r->t->params, "CONTENT_LENGTH");
    if (!r->h->alone || length == NULL || length[0] == '\0')
        return;
    while (got > 0 && clock_mono() < until) {
        enum err e = r->t->ops->read(r->t, trash, sizeof(trash), &got);
        if (e == ERR_AGAIN) {
            struct pollfd p = {.fd = r->t->read_fd, .events = POLLIN};
            poll(&p, 1, clock_poll_ms(until));
            got = 1;
        } else if (e != OK) {
            return;
        }
    }
}

static void end_reply(struct run *r)
{
    struct exchange *x = &r->x;
    bool complete = run_drain(r);
    if (spool_silent(&r->spool))
        log_info("the client was answered, or left, while JavaScript ran on");
    else if (!complete && (r->gone || r->t->ops->gone(r->t)))
        r->gone = true;
    if (r->gone)
        log_info("the client has gone");
    else if (!complete && x->why.text[0] != '\0')
        log_warn("the reply is not complete: %s", x->why.text);
    if (r->h->ending != NULL)
        r->h->ending(r->h->arg);
    enum err e = r->t->ops->end(r->t, complete);
    r->open = false;
    if (e != OK)
        log_info("the reply could not be ended: %s", err_name(e));
    timing_mark("reply");
    run_report_end(r, complete && e == OK);
}

static void log_ended(const struct run *r, enum err e)
{
    const struct pool_config *c = r->h->config;
    bool cpu = engine_stopped(r->seat->engine) == STOP_CPU;
    uint64_t limit = cpu ? c->cpu_limit : c->wait_until_timeout;
    if (e == ERR_EOF)
        log_warn("a promise given to waitUntil() can never settle");
    else
        log_warn("work given to waitUntil() was ended after %llu ms%s",
                 (unsigned long long)(limit / NS_PER_MS),
                 cpu ? " of processor time (cpu_limit)" : "");
}

/* waitUntil(): what the application still has to do without a client. */
static void finish_work(struct run *r)
{
    struct exchange *x = &r->x;
    r->deadline = clock_mono() + r->h->config->wait_until_timeout;
    r->seat->host.deadline = r->deadline;
    slot_set(r->h->slot, SLOT_FINISHING);
    if (r->h->lasting != NULL && !is_settled(r))
        r->h->lasting(r->h->arg);
    /* Nobody is there to be told. */
    r->watch.slow = 0;
    r->watch.last = NULL;
    r->watch.deadline = r->deadline;
    r->watch.engine = r->seat->engine;
    watchdog_arm(&r->watch);
    if (!x->body_done && x->body_err == OK)
        x->body_err = ERR_ORDER; /* the transport gives nothing after end */
    if (x->want_read) {
        x->want_read = false;
        run_hook(r, HOOK_READABLE, x->rid);
    }
    if (run_can_go_on(r) && !is_settled(r)) {
        enum err e = run_pump(r, is_settled);
        if (e != OK)
            log_ended(r, e);
    }
    r->seat->host.fetch.over = true;
    if (run_can_go_on(r))
        run_hook(r, HOOK_END, x->rid);
    watchdog_disarm();
}

static void name_request(struct run *r)
{
    unsigned char noise[8] = {0};
    if (r->req.id.n == 0) {
        if (getrandom(noise, sizeof(noise), 0) != sizeof(noise))
            memcpy(noise, &r->started, sizeof(noise));
        for (size_t i = 0; i < sizeof(noise); i++)
            snprintf(r->id + 2 * i, 3, "%02x", noise[i]);
        r->req.id = slice_of(r->id);
    }
    log_request(r, NULL);
    if (!r->h->alone)
        return;
    fault_page(504, r->req.id, SLICE(""), r->late);
    if (r->h->config->cpu_limit != 0)
        fault_page(500, r->req.id, SLICE(""), r->costly);
}

static void serve(struct run *r, const struct meta_limits *limits)
{
    struct fault why = {0};
    enum err e = meta_parse(r->t->params, limits, &r->h->arena, &r->req, &why);
    name_request(r);
    spool_init(&r->spool, r->t, &r->req, r->h->config->max_body, !r->h->alone);
    set_kill(r, r->started + r->h->config->request_timeout +
                    r->h->config->kill_grace);
    timing_mark("request");
    if (e != OK)
        fault_say(&r->x, LOG_WARN, why.status, why.why.text);
    bool found = e == OK && find_app(r);
    run_report_begin(r);
    if (found && obtain_seat(r))
        respond(r);
    if (r->seat != NULL)
        watchdog_disarm();
    set_kill(r, 0);
    if (!r->asked)
        discard_body(r);
    end_reply(r);
    if (r->seat != NULL && run_can_go_on(r) && r->asked)
        finish_work(r);
}

void handler_run(struct handler *h, struct transport *t)
{
    const struct pool_config *c = h->config;
    struct meta_limits limits = {.max_params = c->max_params,
                                 .max_bytes = c->max_param_bytes,
                                 .max_body = c->max_body,
                                 .trust_forwarded = c->trust_forwarded,
                                 .no_script = c->app != NULL};
    struct run r = {
        .h = h, .t = t, .started = clock_mono(), .open = true, .stirred = true};
    report_init(&r.rep);
    h->rid = h->rid == INT32_MAX ? 1 : h->rid + 1;
    exchange_init(&r.x, &r.spool.t, &r.req, &h->rules, h->rid, c->max_body);
    r.x.show_errors = c->show_errors;
    r.x.max_reply = c->max_response;
    r.x.head = h->access != NULL ? &h->head : NULL;
    buf_clear(&h->head);
    /* Not the one before, should this process end before it is known. */
    slot_begin(h->slot, &(struct slot_request){.started = r.started});
    slot_set(h->slot, SLOT_RUNNING);
    run_report_clocks(&r);
    current = &r;
    current_thread = pthread_self();

    serve(&r, &limits);

    current = NULL;
    if (r.seat != NULL)
        pool_give(h->pool, r.seat);
    t->ops->done(t);
    exchange_free(&r.x);
    spool_free(&r.spool);
    report_free(&r.rep);
    arena_reset(&h->arena);
    log_about(c->name, NULL, NULL);
}

static bool is_quiet(struct run *r)
{
    return !fetch_pending(&r->seat->host.fetch);
}

/* A run without a request. */
static void run_alone(struct run *r, struct handler *h)
{
    *r =
        (struct run){.h = h, .started = clock_mono(), .cpu_start = clock_cpu()};
    report_init(&r->rep);
    r->deadline = r->started + h->config->request_timeout;
    set_watch(r);
    r->watch.slow = 0;
    r->watch.is_slow = NULL;
    r->watch.last = NULL;
    /* What only waits is left to itself, and need not be ended. */
    r->watch.deadline += WATCHDOG_GRACE_NS;
}

/* As a compiler does: "file:line:column: words", or "path: words". */
static enum err say_load(struct report *rep, const struct fault *fault,
                         const char *path, enum err e, struct why *why)
{
    const char *words = rep->head.n > 0              ? buf_str(&rep->head)
                        : fault->why.text[0] != '\0' ? fault->why.text
                                                     : err_name(e);
    if (rep->head.n > 0 && rep->file.n > 0 && rep->line > 0)
        return why_set(why, e, "%.*s:%d:%d: %s", (int)rep->file.n, rep->file.p,
                       rep->line, rep->column, words);
    if (rep->head.n > 0)
        return why_set(why, e, "%s: %s", path, words);
    return why_set(why, e, "%s", words);
}

enum err handler_load(struct handler *h, const char *path, struct seat **out,
                      struct why *why)
{
    struct run r;
    struct fault fault = {.why.text = ""};
    int status;
    *out = NULL;
    run_alone(&r, h);
    enum err e = pool_take(h->pool, path, &r.watch, &r.seat, &fault, &r.rep);
    if (e == OK)
        e = load_to_end(&r, &status);
    if (e == OK) {
        e = run_pump(&r, is_quiet);
        e = e == ERR_EOF ? OK : e;
    }
    watchdog_disarm();
    if (e == OK)
        *out = r.seat;
    else if (r.seat != NULL)
        pool_give(h->pool, r.seat);
    if (e != OK)
        say_load(&r.rep, &fault, path, e, why);
    report_free(&r.rep);
    return e;
}

static bool is_over(struct run *r)
{
    return r->seat->host.kept->done;
}

enum err handler_state(struct handler *h, struct seat *s, enum hook which,
                       struct why *why)
{
    static const char *const what[] = {
        [HOOK_PAUSE] = "pause", [HOOK_RESUME] = "resume", [HOOK_THAW] = "thaw"};
    struct run r;
    run_alone(&r, h);
    r.seat = s;
    r.watch.engine = s->engine;
    watchdog_arm(&r.watch);
    s->host.deadline = r.deadline;
    s->host.kept->done = s->host.kept->well = false;
    buf_clear(&s->host.kept->failed);
    enum err e = run_hook(&r, which, 0);
    if (e == OK)
        e = run_pump(&r, is_over);
    watchdog_disarm();
    if (e == ERR_EOF)
        why_set(why, e, "a promise of %s can never settle", what[which]);
    else if (e == ERR_TIMEOUT)
        why_set(why, e, "%s took longer than request_timeout", what[which]);
    else if (e != OK)
        why_set(why, e, "%s: %s", what[which], buf_str(&r.rep.head));
    else if (!s->host.kept->well)
        e = why_set(why, ERR_SCRIPT, "%s: %s", what[which],
                    buf_str(&s->host.kept->failed));
    report_free(&r.rep);
    return e;
}

void handler_init(struct handler *h, const struct pool_config *config,
                  struct pool *pool, bool alone)
{
    *h = (struct handler){.config = config, .pool = pool, .alone = alone};
    h->lost = log_lost(); /* the supervisor's, before the fork */
    h->rules =
        (struct response_rules){.max_bytes = config->max_response_header,
                                .allow_sendfile = config->allow_sendfile};
    const char *format = config->access_format;
    h->splits_cpu = format != NULL && (strstr(format, "{system}C") != NULL ||
                                       strstr(format, "{user}C") != NULL);
    buf_init(&h->head, config->max_response_header);
    arena_init(&h->arena);
    loop_init(&h->loop);
}

void handler_free(struct handler *h)
{
    arena_free(&h->arena);
    buf_free(&h->head);
    loop_free(&h->loop);
}

void handler_fatal(const char *what)
{
    char page[FAULT_PAGE_MAX];
    struct run *r = current;
    bool mine = r != NULL && r->open && r->spool.inner != NULL &&
                pthread_equal(current_thread, pthread_self());
    if (mine) {
        current = NULL; /* a second fault ends without words */
        r->seat = NULL; /* V8 is asked nothing more */
        fault_page(500, r->req.id, slice_of(r->x.show_errors ? what : ""),
                   page);
        if (spool_last_words(&r->spool, slice_of(page)) == OK)
            r->x.status = 500;
        else
            r->t->ops->end(r->t, false);
    }
    log_error("the process cannot go on: %s", what);
    if (mine)
        run_report_end(r, false);
}

bool handler_rest(bool cpu, struct slice *out)
{
    const struct run *r = current;
    *out = SLICE("");
    if (r == NULL || !r->open)
        return true;
    if (r->x.moving)
        return false;
    if (r->x.reply == REPLY_WHOLE)
        *out = buf_view(&r->x.out);
    else if (r->x.written == 0)
        *out = slice_of(cpu ? r->costly : r->late);
    return true;
}
