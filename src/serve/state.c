/*
 * state.c - see state.h.
 */
#include "serve/state.h"

#include "base/clock.h"
#include "bind/host.h"
#include "engine/image_build.h"
#include "serve/app.h"
#include "serve/handler.h"
#include "serve/image_sources.h"
#include "serve/image_trust.h"
#include "serve/link.h"
#include "serve/pool.h"
#include "serve/scoreboard.h"
#include "serve/state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FROZEN_MAX (256u * 1024 * 1024) /* bytes of what freeze() gives */
/* Beside the heap itself, what the file may take: source list, tables. */
#define RESERVE_MORE (8u * 1024 * 1024)

/*
 * The limit is one of memory, which is known before anything is lost. V8 has
 * up to 5 bytes for a reference of 4, so the image of a heap within the limit
 * is within this, and whatever is written can be read.
 */
static uint64_t image_most(uint64_t limit)
{
    return limit + limit / 4 + RESERVE_MORE;
}

enum err state_open(struct state *s, struct why *why)
{
    const struct pool_config *c = s->config;
    bool sealed = c->state_key != NULL;
    s->limit = c->state_limit;
    s->form = (struct state_form){.compress = c->state_compress == STATE_ZSTD,
                                  .key = sealed ? &s->key : NULL,
                                  .limit = image_most(s->limit)};
    buf_init(&s->kept.failed, KEPT_FAILED_MAX);
    buf_init(&s->kept.frozen, FROZEN_MAX);
    if (c->chroot != NULL) /* a reload may ask for it where it is not */
        state_file_prepare(&(struct state_form){.compress = true}, NULL);
    enum err e = sealed ? state_key_read(c->state_key, &s->key, why) : OK;
    return e == OK ? state_file_prepare(&s->form, why) : e;
}

void state_take_form(struct state *s, const struct link_save *how)
{
    struct why why = {.text = ""};
    struct state_form form = {.compress = how->compress != 0,
                              .key = how->sealed != 0 ? &s->key : NULL,
                              .limit = image_most(how->limit)};
    if (how->formed != LINK_FORMED)
        return;
    if (state_file_prepare(&form, &why) != OK) {
        log_warn("the state is saved in the form it had: %s", why.text);
        return;
    }
    if (how->sealed != 0)
        memcpy(s->key.bytes, how->key, sizeof(s->key.bytes));
    s->form = form;
    s->limit = how->limit;
}

/* ---- from the file --------------------------------------------------------
 */

/* Is it of this application, and the code what it was? */
static enum err same_code(const struct image *img, const char *path,
                          struct why *why)
{
    struct image_sources s;
    struct image_source first;
    struct slice then;
    char real[PATH_MAX];
    const char *app = realpath(path, real) != NULL ? real : path;
    enum err e = image_section(img, SECTION_SOURCES, &then, why);
    if (e == OK)
        e = image_sources_open(&s, then, NULL, why);
    if (e == OK)
        e = image_sources_next(&s, &first, why);
    if (e == OK && strcmp(first.path, app) != 0)
        e = why_set(why, ERR_MISMATCH, "it is of %.200s, and not of %.200s",
                    first.path, app);
    return e == OK ? image_sources_unchanged(then, false, why) : e;
}

/* Can the heap in it go on here? */
static enum err fits(const struct image *img, const char *path, struct why *why)
{
    struct image_host host = image_host_here(natives);
    if (img->kind != IMAGE_STATE)
        return why_set(why, ERR_MISMATCH, "it is an image of kind %s",
                       image_kind_name(img->kind));
    enum err e = image_fits(img, &host, why);
    if (e == OK && img->payload == NULL)
        e = why_set(why, ERR_NOTFOUND, "it has no heap");
    return e == OK ? same_code(img, path, why) : e;
}

static enum err read_file(struct state *s, struct why *why)
{
    const struct pool_config *c = s->config;
    enum err e = state_file_read(s->in, c->state, s->form.key, s->form.limit,
                                 &s->bytes, &s->n, why);
    if (e == OK)
        e = image_open(s->bytes, s->n, NULL, &s->image, why);
    if (e != OK)
        s->image.bytes.n = 0; /* not to be looked into */
    return e;
}

/* The heap cannot: what freeze() gave may, or the state is left aside. That
 * it cannot be read now, for want of a key or of memory, is no such reason. */
static void without_heap(struct state *s, enum err e, const struct why *why)
{
    struct slice frozen;
    const struct pool_config *c = s->config;
    bool other = e == ERR_MISMATCH || e == ERR_CORRUPT || e == ERR_NOTFOUND;
    if (s->image.bytes.n > 0 &&
        image_section(&s->image, SECTION_PORTABLE, &frozen, NULL) == OK &&
        buf_slice(&s->kept.frozen, frozen) == OK) {
        log_notice("the heap in %s cannot go on here, what freeze() gave does: "
                   "%s",
                   c->state, why->text);
        s->thaws = true;
    } else if (other && c->on_mismatch == MISMATCH_FRESH) {
        log_warn("the state %s is not used and kept aside, the application "
                 "starts afresh: %s",
                 c->state, why->text);
        if (s->slot != NULL)
            atomic_store(&s->slot->kept.fresh, true);
    } else {
        s->refused = true;
        why_set(&s->why, ERR_MISMATCH,
                "the state %s cannot be used, and is kept: %.300s%s", c->state,
                why->text,
                other ? "; start without it by on_mismatch = fresh, or move it "
                        "away"
                      : "");
    }
}

void state_read(struct state *s)
{
    struct why why = {.text = ""};
    s->looked = true;
    if (s->in < 0)
        return;
    enum err e = read_file(s, &why);
    close(s->in);
    s->in = -1;
    if (e == OK)
        e = fits(&s->image, s->config->app, &why);
    s->resumed = e == OK;
    if (!s->resumed)
        without_heap(s, e, &why);
}

const struct image *state_find(void *state, const char *path,
                               struct slice *sources)
{
    struct state *s = state;
    must(s->looked);
    return s->resumed ? &s->image : image_choose(&s->choice, path, sources);
}

/* thaw() has failed: with what it has left behind, nobody goes on. */
static enum err without_thaw(struct state *s, struct handler *h,
                             struct why *why)
{
    struct why inner = *why;
    if (s->config->on_mismatch != MISMATCH_FRESH)
        return why_set(why, ERR_MISMATCH,
                       "the state %s cannot be used, and is kept: %.300s; "
                       "start without it by on_mismatch = fresh, or move it "
                       "away",
                       s->config->state, inner.text);
    log_warn("the state %s is not used and kept aside, the application starts "
             "afresh: %s",
             s->config->state, inner.text);
    if (s->slot != NULL)
        atomic_store(&s->slot->kept.fresh, true);
    pool_renew(h->pool);
    return OK;
}

enum err state_begin(struct state *s, struct handler *h, struct why *why)
{
    struct seat *seat;
    if (s->refused) /* and none of its code runs */
        return why_set(why, ERR_MISMATCH, "%s", s->why.text);
    enum err e = handler_load(h, s->config->app, &seat, why);
    if (e != OK)
        return e;
    if (s->resumed)
        e = handler_state(h, seat, HOOK_RESUME, why);
    else if (s->thaws)
        e = handler_state(h, seat, HOOK_THAW, why);
    pool_give(h->pool, seat);
    if (e != OK && s->resumed) {
        log_warn("%s", why->text);
        e = OK; /* its state is there */
    }
    if (e != OK)
        e = without_thaw(s, h, why);
    if (!s->resumed) {
        state_file_free(s->bytes, s->n);
        s->bytes = NULL;
    }
    buf_free(&s->kept.frozen);
    return e;
}

/* ---- to the file ----------------------------------------------------------
 */

/* A full disk is found out while there is still a heap to go on with. One that
 * ends has none, and its file may be smaller than this. */
static enum err reserve(const struct state *s, const struct seat *seat,
                        bool ends, struct why *why)
{
    struct engine_use use;
    engine_use(seat->engine, &use);
    uint64_t most =
        use.heap_used + use.buffers + s->kept.frozen.n + RESERVE_MORE;
    if (most - RESERVE_MORE > s->limit)
        return why_set(why, ERR_SCRIPT,
                       "the state takes about %llu bytes of memory and may "
                       "take %llu (state_limit)",
                       (unsigned long long)(most - RESERVE_MORE),
                       (unsigned long long)s->limit);
    int failed = ends ? 0 : posix_fallocate(s->out, 0, (off_t)most);
    if (ftruncate(s->out, 0) != 0 && failed == 0)
        failed = errno;
    if (failed == 0)
        return OK;
    return why_set(
        why, ERR_SCRIPT, "there is no room for %llu bytes beside %s: %s",
        (unsigned long long)most, s->config->state, strerror(failed));
}

/* What was imported since it came from an image. */
static enum err describe_more(const struct app *app, struct buf *out,
                              struct why *why)
{
    struct buf more;
    buf_init(&more, IMAGE_SOURCES_MAX);
    enum err e = app_sources(app, false, &more, why);
    struct slice all = buf_view(&more);
    if (e == OK) /* without the line of how */
        e = buf_slice(out, slice_from(all, slice_find(all, '\n') + 1));
    buf_free(&more);
    return e;
}

/* The files of the application, from wherever it came. */
static enum err describe(const struct state *s, const struct handler *h,
                         const struct seat *seat, struct buf *out,
                         struct why *why)
{
    const struct image *from = pool_image(h->pool);
    struct slice same;
    if (from == s->api)
        return app_sources(seat_app(seat), realm_is_classic(seat->realm), out,
                           why);
    enum err e = image_section(from, SECTION_SOURCES, &same, why);
    if (e == OK)
        e = buf_slice(out, same);
    return e == OK ? describe_more(seat_app(seat), out, why) : e;
}

/* heap: of no bytes where only what freeze() gave is written. */
static enum err put(struct state *s, struct seat *seat, struct slice heap,
                    struct slice sources, uint64_t *written, struct why *why)
{
    const struct host *host = &seat->host;
    uint64_t now = clock_mono();
    struct image_part all[] = {
        {.section = SECTION_SNAPSHOT, .bytes = heap},
        {.section = SECTION_SOURCES, .bytes = sources},
        {.section = SECTION_PORTABLE, .bytes = buf_view(&s->kept.frozen)}};
    struct image_part *parts = heap.n > 0 ? all : all + 1;
    size_t count = (heap.n > 0 ? 2u : 1u) + (s->kept.frozen.n > 0 ? 1u : 0u);
    struct image_plan plan = {.kind = IMAGE_STATE,
                              .host = image_host_here(natives),
                              .base = s->resumed ? s->image.id : s->api->id,
                              .clock = now - host->origin,
                              .wake = host->wake > now ? host->wake - now
                                                       : host->wake != 0,
                              .parts = parts,
                              .count = count};
    return state_file_write_image(s->out, s->config->state, &plan, &s->form,
                                  written, why);
}

/* Would the next worker take it? It has no code but what is there now. */
static enum err same_files(struct slice sources, struct why *why)
{
    struct why inner;
    if (image_sources_unchanged(sources, false, &inner) == OK)
        return OK;
    return why_set(why, ERR_SCRIPT,
                   "the next worker would refuse it, for the code has changed "
                   "(%.380s): reload to have that taken up",
                   inner.text);
}

static enum err write_heap(struct state *s, struct handler *h,
                           struct seat *seat, bool ends, uint64_t *written,
                           struct why *why)
{
    struct buf sources, more;
    void *heap = NULL;
    size_t n = 0;
    bool frozen = s->kept.frozen.n > 0;
    buf_init(&sources, IMAGE_SOURCES_MAX);
    buf_init(&more, SEAT_LINES_MAX);
    enum err e = describe(s, h, seat, &sources, why);
    if (e == OK && !ends && !frozen)
        e = same_files(buf_view(&sources), why);
    if (e == OK && (e = reserve(s, seat, ends, why)) != OK) {
        realm_collect(seat->realm); /* garbage needs no room */
        e = reserve(s, seat, ends, why);
    }
    bool room = e == OK;
    if (e == OK)
        e = seat_write(seat, true, &heap, &n, &more, why);
    else
        e = ERR_SCRIPT; /* nothing is lost */
    log_lines(LOG_WARN, buf_view(&more));
    /* One that never can be need not be waited for. */
    if (e == ERR_SCRIPT && frozen &&
        (ends || (room && !engine_keeps_modules()))) {
        log_warn("the heap cannot be kept, only what freeze() gave is: %s",
                 why->text);
        e = OK;
    }
    if (e == OK && put(s, seat, (struct slice){heap, n}, buf_view(&sources),
                       written, why) != OK)
        e = n > 0 ? ERR_FAIL : ERR_SCRIPT;
    buf_free(&sources);
    buf_free(&more);
    free(heap);
    return e;
}

enum err state_write(struct state *s, struct handler *h, bool ends,
                     uint64_t *written, struct why *why)
{
    struct seat *seat;
    struct why other;
    if (handler_load(h, s->config->app, &seat, why) != OK)
        return pool_lost(h->pool) ? ERR_FAIL : ERR_SCRIPT;
    buf_clear(&s->kept.frozen);
    enum err e = handler_state(h, seat, HOOK_PAUSE, why);
    if (e == OK)
        e = write_heap(s, h, seat, ends, written, why);
    else
        e = ERR_SCRIPT;
    if (e != ERR_SCRIPT)
        return e;
    if (handler_state(h, seat, HOOK_RESUME, &other) != OK)
        log_warn("%s", other.text);
    pool_give(h->pool, seat);
    return e;
}
