/*
 * image_make.c - see image_make.h.
 */
#include "serve/image_make.h"

#include "base/clock.h"
#include "base/io.h"
#include "base/task.h"
#include "bind/host.h"
#include "cgi/transport_memory.h"
#include "engine/image_build.h"
#include "serve/app.h"
#include "serve/handler.h"
#include "serve/image_bundle.h"
#include "serve/image_choose.h"
#include "serve/image_sources.h"
#include "serve/image_trust.h"
#include "serve/pool.h"
#include "serve/watchdog.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOURCES_MAX (4u * 1024 * 1024) /* bytes of the list */
#define CENSUS_MAX (64u * 1024)
#define REPLY_MAX (1024 * 1024)
#define TRY_NS (10 * NS_PER_S) /* a request, to try it */

struct make {
    const struct image_order *order;
    struct pool_config config;
    char app[PATH_MAX]; /* its real path */
    const char *path;   /* of the file that is made, NULL: order's out_fd */
    struct image_bundle bundle;
    bool bundled;
    int fd; /* of the bundle on its way */
};

/* What a child works with. */
struct bench {
    struct image image; /* opened, or empty */
    struct handler handler;
    struct pool *pool;
    struct seat *seat;
};

static void fatal(const char *what)
{
    char words[300];
    snprintf(words, sizeof(words), "V8 cannot go on: %s", what);
    task_answer(ERR_FAIL, words);
}

/* For pool_setup.find. */
static const struct image *evaluated(void *arg, const char *path,
                                     struct slice *sources)
{
    const struct bench *b = arg;
    (void)path;
    (void)sources;
    return b->image.payload != NULL ? &b->image : NULL;
}

static void bench_open(struct bench *b, const struct make *m,
                       enum engine_mode mode)
{
    const struct engine_setup engine = {
        .mode = mode, .tables = natives, .fatal = fatal};
    const struct pool_setup pool = {.config = &m->config,
                                    .image = m->order->base,
                                    .bundle = m->bundled ? &m->bundle : NULL,
                                    .find = evaluated,
                                    .arg = b,
                                    .drew =
                                        mode == ENGINE_BUILD ? task_say : NULL,
                                    .quiet = m->order->config == NULL};
    engine_start(&engine);
    watchdog_start();
    b->pool = pool_new(&pool);
    handler_init(&b->handler, &m->config, b->pool, true);
}

/* A request without a wire, of a path and maybe a query; gives the reply's
 * status. */
static unsigned ask(struct bench *b, const char *target)
{
    size_t room = sizeof("REQUEST_URI=") + strlen(target);
    char *uri = xalloc(room);
    const char *const params[] = {"REQUEST_METHOD=GET", uri,
                                  "HTTP_HOST=localhost",
                                  "SERVER_PROTOCOL=HTTP/1.1", NULL};
    struct memory wire;
    struct buf reply;
    uint64_t status = 0;
    snprintf(uri, room, "REQUEST_URI=%s", target);
    buf_init(&reply, REPLY_MAX);
    memory_init(&wire, params, (struct slice){NULL, 0}, &reply);
    handler_run(&b->handler, &wire.t);
    struct slice s = buf_view(&reply);
    if (slice_starts(s, "Status: ") && s.n > 11)
        slice_u64((struct slice){s.p + 8, 3}, 999, &status);
    buf_free(&reply);
    free(uri);
    return (unsigned)status;
}

static void say_lines(struct slice all)
{
    char line[512];
    while (all.n > 0) {
        size_t end = slice_find(all, '\n');
        snprintf(line, sizeof(line), "%.*s", (int)end, all.p);
        task_say(line);
        all = slice_from(all, end + 1);
    }
}

/* ---- limits -------------------------------------------------------------- */

/* What raises them: a pool has keys, the command line options. */
static enum err late(const struct make *m, struct why *why)
{
    const struct image_order *o = m->order;
    return why_set(why, ERR_TIMEOUT,
                   "%.300s was not made into an image within %llu ms: raise %s",
                   m->app, (unsigned long long)(o->timeout / NS_PER_MS),
                   o->config != NULL ? "image_timeout" : "--timeout");
}

static enum err heavy(const struct make *m, struct why *why)
{
    uint64_t kb = m->config.heap_limit / 1024;
    bool whole = kb % 1024 == 0;
    return why_set(why, ERR_FAIL,
                   "%.300s needs more than %llu%s of heap to be made into an "
                   "image: raise %s",
                   m->app, (unsigned long long)(whole ? kb / 1024 : kb),
                   whole ? "m" : "k",
                   m->order->config != NULL ? "heap_limit" : "--heap");
}

/* The engine's words for them, which has gone with its limits. */
static enum err explain_limit(const struct make *m, enum err e, struct why *why)
{
    static const struct {
        const char *words;
        enum err (*say)(const struct make *m, struct why *why);
    } limits[] = {{"Error: a top-level await took too long", late},
                  {"Error: the time limit was reached", late},
                  {"Error: the heap limit was reached", heavy},
                  {"V8 cannot go on: out of memory (JavaScript heap, ", heavy}};
    struct slice said = slice_of(why->text);
    size_t n = strlen(m->app);
    if (slice_starts(said, m->app) && slice_starts(slice_from(said, n), ": "))
        said = slice_from(said, n + 2);
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
        if (slice_starts(said, limits[i].words))
            return limits[i].say(m, why);
    return e;
}

/* ---- the first child ----------------------------------------------------- */

/* js/absent.js cannot make these, which V8 leaves out. */
static void explain_absent(struct why *why)
{
    static const struct {
        const char *words;
        int since; /* V8's major version */
    } absent[] = {{"Atomics is not defined", 10},
                  {"Float16Array is not defined", 13},
                  {"SharedArrayBuffer is not defined", 10},
                  {"WebAssembly is not defined", 10}};
    for (size_t i = 0; i < sizeof(absent) / sizeof(absent[0]); i++) {
        char *at = strstr(why->text, absent[i].words);
        if (at == NULL || atoi(engine_version()) < absent[i].since)
            continue;
        at += strlen(absent[i].words);
        snprintf(at, sizeof(why->text) - (size_t)(at - why->text), "%s",
                 " while an image is made: use it in requests only");
    }
}

/* "file:line:column: words" of a bundle: in which file that line is, esbuild
 * alone knows. */
static void hide_line(const struct make *m, struct why *why)
{
    size_t n = strlen(m->app);
    char *place = why->text + n;
    if (strncmp(why->text, m->app, n) != 0 || *place != ':')
        return;
    const char *words = strstr(place, ": ");
    if (words != NULL)
        memmove(place, words, strlen(words) + 1);
}

static enum err take_seat(struct bench *b, const struct make *m,
                          struct why *why)
{
    enum err e = handler_load(&b->handler, m->app, &b->seat, why);
    if (e == OK)
        realm_hook(b->seat->realm, HOOK_WATCH, 0, NULL);
    else
        explain_absent(why);
    if (e != OK && m->bundled)
        hide_line(m, why);
    return e;
}

static enum err warm(struct bench *b, const struct make *m, struct why *why)
{
    const struct image_order *o = m->order;
    char line[512];
    enum err e = take_seat(b, m, why);
    for (size_t i = 0; e == OK && i < o->warm_count; i++) {
        pool_give(b->pool, b->seat);
        unsigned status = ask(b, o->warm[i]);
        if (status >= 400 || status == 0) {
            snprintf(line, sizeof(line),
                     "the request for %.300s before the image was written was "
                     "answered with %u",
                     o->warm[i], status);
            task_say(line);
        }
        e = take_seat(b, m, why);
    }
    return e;
}

static enum err describe(const struct bench *b, struct buf *sources,
                         struct why *why)
{
    struct slice same;
    if (b->image.payload == NULL)
        return app_sources(seat_app(b->seat), realm_is_classic(b->seat->realm),
                           sources, why);
    /* Its application was evaluated before. */
    enum err e = image_section(&b->image, SECTION_SOURCES, &same, why);
    return e == OK ? buf_slice(sources, same) : e;
}

/*
 * Who may read the sources may read what is made of them; but what a pool's
 * settings are, a request may have put into it.
 */
static mode_t mode_of(const struct make *m, struct slice sources)
{
    bool settings = m->order->config != NULL && m->order->warm_count > 0;
    return !settings && image_sources_public(sources) ? 0644 : 0600;
}

static enum err put(const struct make *m, const struct bench *b,
                    struct slice snapshot, struct slice sources,
                    struct slice census, struct why *why)
{
    const struct image_order *o = m->order;
    const struct host *host = &b->seat->host;
    uint64_t now = clock_mono();
    struct image_part parts[] = {
        {.section = SECTION_SNAPSHOT, .bytes = snapshot},
        {.section = SECTION_SOURCES, .bytes = sources},
        {.section = SECTION_CENSUS, .bytes = census}};
    struct image_plan plan = {
        .kind = IMAGE_APP,
        .host = image_host_here(natives),
        .base = o->from != NULL ? b->image.id : o->base->id,
        .clock = now - host->origin,
        .wake = host->wake > now ? host->wake - now : host->wake != 0,
        .parts = parts,
        .count = census.n > 0 ? 3 : 2,
        .mode = mode_of(m, sources)};
    enum err e = image_trust_digest(parts, plan.count, why);
    if (e != OK)
        return e;
    return m->path != NULL ? image_write(m->path, &plan, why)
                           : image_write_fd(o->out_fd, &plan, why);
}

static enum err write_out(const struct make *m, struct bench *b,
                          struct why *why)
{
    struct buf sources, census, more;
    void *snapshot = NULL;
    size_t n = 0;
    buf_init(&sources, SOURCES_MAX);
    buf_init(&census, CENSUS_MAX);
    buf_init(&more, SEAT_LINES_MAX);
    enum err e = describe(b, &sources, why);
    if (e == OK)
        e = realm_census(b->seat->realm, &census, why);
    if (e == OK)
        e = seat_write(b->seat, false, &snapshot, &n, &more, why);
    say_lines(buf_view(&more));
    if (e == OK)
        e = put(m, b, (struct slice){snapshot, n}, buf_view(&sources),
                buf_view(&census), why);
    buf_free(&sources);
    buf_free(&census);
    buf_free(&more);
    return e;
}

static enum err prepare(const struct make *m, struct why *why)
{
    const struct image_order *o = m->order;
    return o->prepare != NULL ? o->prepare(o->arg, why) : OK;
}

static enum err build(void *arg, struct why *why)
{
    struct make *m = arg;
    const struct image_order *o = m->order;
    struct image_host host = image_host_here(natives);
    struct bench b = {.seat = NULL};
    enum err e = prepare(m, why);
    if (e == OK && o->from != NULL)
        e = image_open_file(o->from, IMAGE_COPY, &host, &b.image, why);
    if (e == OK && o->from != NULL)
        e = image_of_app(&b.image, o->from, m->app, why);
    if (e != OK)
        return e;
    log_about(m->config.name, NULL, m->app);
    bench_open(&b, m, ENGINE_BUILD);
    e = warm(&b, m, why);
    if (e == OK && o->from == NULL && !engine_keeps_modules() &&
        !realm_is_classic(b.seat->realm))
        return ERR_ORDER; /* bundled first, it can be */
    return e == OK ? write_out(m, &b, why) : e;
}

/* ---- esbuild's ------------------------------------------------------------
 */

/*
 * In a child, for its rights: what it has made comes through a memory file, as
 * struct sent, the paths with a NUL each, and the text.
 */
struct sent {
    uint64_t module, count, paths_n, text_n;
};

static enum err bundle_child(void *arg, struct why *why)
{
    const struct make *m = arg;
    const struct image_order *o = m->order;
    struct image_bundle b;
    struct sent head = {.module = 0};
    enum err e = OK;
    if (o->prepare_exec != NULL)
        e = o->prepare_exec(o->arg, m->fd, why);
    if (e != OK)
        return e;
    e = image_bundle_make(m->app, engine_keeps_modules(), o->timeout, &b, why);
    say_lines(buf_view(&b.warnings));
    if (e != OK)
        return e;
    head.module = b.module;
    head.count = b.count;
    head.text_n = b.text.n;
    for (size_t i = 0; i < b.count; i++)
        head.paths_n += strlen(b.inputs[i]) + 1;
    e = io_write(m->fd, &head, sizeof(head), NULL);
    for (size_t i = 0; e == OK && i < b.count; i++)
        e = io_write(m->fd, b.inputs[i], strlen(b.inputs[i]) + 1, NULL);
    if (e == OK)
        e = io_write(m->fd, b.text.p, b.text.n, NULL);
    return e == OK ? OK : why_set(why, e, "write: %s", strerror(errno));
}

static bool take(int fd, void *p, size_t n)
{
    return read(fd, p, n) == (ssize_t)n;
}

/* What came is checked: the child may have been anybody by then. */
static enum err receive(struct make *m, struct why *why)
{
    struct image_bundle *b = &m->bundle;
    struct sent head;
    enum err e = why_set(why, ERR_FAIL, "what esbuild made did not come whole");
    if (lseek(m->fd, 0, SEEK_SET) != 0 || !take(m->fd, &head, sizeof(head)) ||
        head.count > IMAGE_BUNDLE_FILES_MAX ||
        head.paths_n > (uint64_t)IMAGE_BUNDLE_FILES_MAX * PATH_MAX ||
        head.text_n > IMAGE_BUNDLE_TEXT_MAX)
        return e;
    *b = (struct image_bundle){.module = head.module != 0};
    buf_init(&b->text, IMAGE_BUNDLE_TEXT_MAX);
    b->inputs = xalloc((head.count + 1) * sizeof(*b->inputs));
    char *paths = xalloc(head.paths_n + 1);
    char *p = paths, *end = paths + head.paths_n;
    if (!take(m->fd, paths, head.paths_n) ||
        buf_reserve(&b->text, head.text_n) != OK ||
        !take(m->fd, b->text.p, head.text_n))
        goto out;
    b->text.n = head.text_n;
    for (; p < end && b->count < head.count; p += strlen(p) + 1)
        b->inputs[b->count++] = xstrdup(p);
    m->bundled = true;
    e = OK;
out:
    free(paths);
    return e;
}

static enum err bundle(struct make *m, struct buf *said, struct why *why)
{
    uint64_t timeout = m->order->timeout + NS_PER_S;
    m->fd = memfd_create("bundle", MFD_CLOEXEC);
    if (m->fd < 0)
        return why_set(why, ERR_IO, "memfd_create: %s", strerror(errno));
    enum err e = task_run(bundle_child, m, timeout, said, why);
    if (e == ERR_TIMEOUT)
        late(m, why);
    if (e == OK)
        e = receive(m, why);
    close(m->fd);
    return e;
}

static enum err evaluate(struct make *m, struct buf *said, struct why *why)
{
    uint64_t timeout = m->order->timeout + NS_PER_S; /* JavaScript ends first */
    enum err e = task_run(build, m, timeout, said, why);
    if (e == ERR_TIMEOUT)
        return late(m, why);
    return e != OK ? explain_limit(m, e, why) : OK;
}

/* Bundled when it must be, or when it turns out that it must. */
static enum err build_all(struct make *m, struct buf *said, struct why *why)
{
    const struct image_order *o = m->order;
    struct why inner = {.text = ""};
    enum err e = OK;
    if (o->bundle || (o->from == NULL && config_app_needs_image(m->app)))
        e = bundle(m, said, why);
    if (e == OK)
        e = evaluate(m, said, why);
    if (e != ERR_ORDER)
        return e;
    e = bundle(m, said, &inner);
    if (e == ERR_TIMEOUT)
        return why_set(why, e, "%s", inner.text);
    if (e != OK)
        return why_set(why, e,
                       "V8 %s cannot keep ES modules in an image, and one "
                       "script cannot be made of them: %.380s",
                       engine_version(), inner.text);
    return evaluate(m, said, why);
}

/* ---- the second child ---------------------------------------------------- */

/* As a worker would, but alone in the world. */
static enum err attempt(void *arg, struct why *why)
{
    struct make *m = arg;
    struct image_host host = image_host_here(natives);
    struct bench b = {.seat = NULL};
    enum err e = prepare(m, why);
    if (e == OK)
        e = m->path != NULL
                ? image_open_file(m->path, IMAGE_COPY, &host, &b.image, why)
                : image_open_fd(m->order->out_fd, "the image", IMAGE_COPY,
                                &host, &b.image, why);
    if (e != OK)
        return e;
    m->config.fetch_max = 0;
    m->config.request_timeout = TRY_NS;
    m->config.wait_until_timeout = 0;
    log_set_level(LOG_ERROR + 1); /* what it says was not meant for anybody */
    bench_open(&b, m, ENGINE_RESIDENT);
    ask(&b, "/"); /* whatever it answers: V8 has not ended the process */
    return OK;
}

/* ---- both ---------------------------------------------------------------- */

static enum err set_up(struct make *m, const struct image_order *o,
                       struct config *defaults, struct why *why)
{
    struct pool_config *c = &m->config;
    m->order = o;
    config_init(defaults);
    *c = o->config != NULL ? *o->config : defaults->cgi;
    c->name = o->config != NULL ? c->name : "build"; /* in the log */
    c->root = o->root != NULL ? o->root : c->root;
    c->reset = RESET_NONE;
    c->max_requests = 0;
    c->heap_limit = o->heap != 0 ? o->heap : c->heap_limit;
    c->max_apps = 1;
    c->watch = false;
    c->request_timeout = o->timeout;
    c->cpu_limit = 0;
    c->slowlog_timeout = 0;
    if (o->prepare != NULL) { /* maybe in another root by then */
        if ((size_t)snprintf(m->app, sizeof(m->app), "%s", o->app) >=
            sizeof(m->app))
            return why_set(why, ERR_TOOBIG, "the path is too long");
    } else if (realpath(o->app, m->app) == NULL) {
        return why_set(why, errno == ENOENT ? ERR_NOTFOUND : ERR_IO, "%s: %s",
                       o->app, strerror(errno));
    }
    c->app = m->app;
    return OK;
}

static enum err describe_made(const struct make *m, struct image_made *made,
                              struct why *why)
{
    struct image image;
    struct slice sources;
    enum err e = m->path != NULL
                     ? image_open_file(m->path, IMAGE_MAP, NULL, &image, why)
                     : image_open_fd(m->order->out_fd, "the image", IMAGE_MAP,
                                     NULL, &image, why);
    if (e != OK)
        return e;
    memcpy(made->id, image.id, sizeof(made->id));
    made->bytes = image.bytes.n;
    made->mode = 0600;
    if (image_section(&image, SECTION_SOURCES, &sources, why) == OK)
        made->mode = mode_of(m, sources);
    image_close(&image);
    return OK;
}

enum err image_make(const struct image_order *order, struct image_made *made,
                    struct why *why)
{
    struct make m = {.fd = -1};
    struct config defaults;
    char temporary[PATH_MAX];

    *made = (struct image_made){.bytes = 0};
    buf_init(&made->warnings, 64 * 1024);
    enum err e = set_up(&m, order, &defaults, why);
    if (e == OK && order->out != NULL &&
        (size_t)snprintf(temporary, sizeof(temporary), "%s.%ld.new", order->out,
                         (long)getpid()) >= sizeof(temporary))
        e = why_set(why, ERR_TOOBIG, "the path is too long");
    if (e != OK)
        return e;
    m.path = order->out != NULL ? temporary : NULL;
    e = build_all(&m, &made->warnings, why);
    if (m.bundled)
        image_bundle_free(&m.bundle);
    if (e == OK)
        e = task_run(attempt, &m, 6 * TRY_NS, NULL, why);
    if (e == OK)
        e = describe_made(&m, made, why);
    if (e == OK && m.path != NULL && image_rename(temporary, order->out) != 0)
        e = why_set(why, ERR_IO, "%s: %s", order->out, strerror(errno));
    if (e != OK && m.path != NULL)
        unlink(temporary);
    return e;
}
