/*
 * pool.h - applications loaded and realms ready, for one request at a time.
 *
 * A seat is what a request runs in: a realm of an isolate, with the
 * application loaded or loading. How much of it the next request meets again
 * is the setting `reset`:
 *   context  each request has a fresh realm of the application's isolate
 *   isolate  each request has a fresh isolate
 *   none     one realm serves them all
 * Fresh seats are made beforehand by pool_prepare(), off the critical path.
 */
#ifndef SERVE_POOL_H
#define SERVE_POOL_H

#include "base/config.h"
#include "bind/host.h"
#include "cgi/meta.h"
#include "engine/engine.h"
#include "serve/scoreboard.h"
#include "serve/watchdog.h"

struct app;
struct image;
struct image_bundle;
struct kept;
struct pool;
struct row; /* pool.c: one application */

struct pool_setup {
    const struct pool_config *config; /* borrowed, as long as the pool */
    const struct image *image;        /* the same; without an application */
    /*
     * Asked once, before V8 has an isolate: is there an image of the
     * application at path? Lent as long as the pool, which then serves nothing
     * else; so is sources, with which its files are compared from then on, as
     * image_sources.h says, or left empty. NULL: there is none. May be NULL.
     */
    const struct image *(*find)(void *arg, const char *path,
                                struct slice *sources);
    void *arg;
    void (*read)(void);   /* V8 has read what it needs of it; may be NULL */
    uint64_t watch_every; /* ns between two looks at the files, with watch */
    /* Loaded in the place of the application's file; borrowed, may be NULL. */
    const struct image_bundle *bundle;
    struct kept *kept; /* borrowed, for each host; NULL: no state is kept */
    /* Called for each kind of random number or clock that an application draws
     * while it is loaded; may be NULL. */
    void (*drew)(const char *line);
    struct slot *slot; /* borrowed, where it counts; may be NULL */
    bool quiet;        /* who asks for a load tells why it failed */
};

struct seat {
    struct engine *engine; /* the pool's */
    struct realm *realm;   /* the pool's */
    struct host host;      /* the request's, until pool_give() */
    struct row *row;
    struct seat *next;
};

struct pool *pool_new(const struct pool_setup *setup);
void pool_free(struct pool *p);

/*
 * Gives a seat of the application at path, with the watchdog armed by w (its
 * engine is filled in). Its realm may still be loading. On failure fault has
 * the status and a sentence, and with ERR_SCRIPT rep the report; the watchdog
 * is off. A failed load is remembered until a file changes or a second has
 * passed.
 */
enum err pool_take(struct pool *p, const char *path, const struct watch *w,
                   struct seat **out, struct fault *fault, struct report *rep);
/* The load that was going on failed after all: remembers it too. */
void pool_failed(struct pool *p, struct seat *s, int status,
                 const struct report *rep);
/* takes s back. An engine that was stopped, or is old, ends. */
void pool_give(struct pool *p, struct seat *s);

/* The application of a seat; lent as long as it. */
const struct app *seat_app(const struct seat *s);
#define SEAT_LINES_MAX (16u * 1024)
/*
 * realm_write(), and when that cannot be, what stands in the way: its first
 * line in why, others in more. serving: as realm_unkept() has it.
 */
enum err seat_write(struct seat *s, bool serving, void **out, size_t *n,
                    struct buf *more, struct why *why);

/* The image in use, once there was a request or pool_prepare(). */
const struct image *pool_image(const struct pool *p);
/* It is of an application whose files have changed: no other can be loaded in
 * this process. */
bool pool_outdated(const struct pool *p);
/* Files of an application have changed since the last call. */
bool pool_changed(struct pool *p);
/* An engine was ended with all that was in it. */
bool pool_lost(const struct pool *p);
/* Ends all there is, so that applications start afresh: no loss. */
void pool_renew(struct pool *p);

/* One piece of work for requests to come; false when there is none now. */
bool pool_prepare(struct pool *p);
/* Has it work now? */
bool pool_due(const struct pool *p);
/* Monotonic ns when pool_prepare() has work again by itself, 0 for never. */
uint64_t pool_wake(const struct pool *p);

#endif
