/*
 * state.h - the worker's side of a kept state: an application that goes on
 * from its file, and is written to the next one.
 *
 * The supervisor's side is crew_state.c. One state a process, since V8 can
 * write an isolate once, and loads one image.
 */
#ifndef SERVE_STATE_H
#define SERVE_STATE_H

#include "base/config.h"
#include "bind/state.h"
#include "engine/image.h"
#include "serve/image_choose.h"
#include "serve/state_file.h"

struct handler;
struct link_save;
struct seat;
struct slot;

struct state {
    const struct pool_config *config; /* borrowed */
    const struct image *api;          /* the same */
    int in, out;                /* as child_place has them; closed by this */
    struct slot *slot;          /* borrowed */
    struct image_choice choice; /* of an image of the application */
    struct state_key key;       /* when form.key is it */
    struct state_form form;     /* in which it is written, and read */
    uint64_t limit;             /* bytes of memory it may take: state_limit */
    struct kept kept;           /* for the realm's host */
    void *bytes;                /* of the file, owned */
    size_t n;
    struct image image; /* in them */
    bool resumed;       /* the heap came from the file */
    bool thaws;         /* kept.frozen is to be given to thaw() */
    bool looked;        /* into the file */
    bool refused;       /* the file cannot be used, and is not to be lost */
    struct why why;     /* then: why */
};

/*
 * config, api, in, out and choice being set: reads the key and opens libraries,
 * before the way down.
 */
enum err state_open(struct state *s, struct why *why);
/*
 * After the way down, and once: reads the file. Before engine_start(), which
 * wants to know what came of it (engine_setup.seeded: s->resumed).
 */
void state_read(struct state *s);
/* For pool_setup.find: the state, or else an image of the application. */
const struct image *state_find(void *state, const char *path,
                               struct slice *sources);
/*
 * Once, before the first request: takes the application from wherever it comes
 * and tells it of its past. ERR_MISMATCH: refused, and why says what differs.
 */
enum err state_begin(struct state *s, struct handler *h, struct why *why);
/* The supervisor wants it to be written so from now on. */
void state_take_form(struct state *s, const struct link_save *how);
/*
 * Between two requests. OK: *written bytes are on the disk, and no JavaScript
 * can run any more in this process. ERR_SCRIPT: not now, and it can go on;
 * anything else: neither. ends: it cannot go on, so what freeze() gave is
 * better than nothing.
 */
enum err state_write(struct state *s, struct handler *h, bool ends,
                     uint64_t *written, struct why *why);

#endif
