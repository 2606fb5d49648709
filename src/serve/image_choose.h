/*
 * image_choose.h - where an image of an application may be, and whether it is
 * to be used.
 */
#ifndef SERVE_IMAGE_CHOOSE_H
#define SERVE_IMAGE_CHOOSE_H

#include "base/config.h"
#include "engine/image.h"

#include <limits.h>

/* A file that may be one; opened by a process that may look there. */
struct image_place {
    int fd; /* owned; -1: there is none */
    char path[PATH_MAX];
    bool given; /* by name: `image = FILE` */
};

/*
 * The first there is of those that `image` allows: FILE; or, beside app.js,
 * app.img, and with auto the cache's, for a pool before that. app: the
 * application's file, as this process sees it. careful: a pool's, and no link
 * is followed to one beside it, since this process may do more than who could
 * have made the link. A FILE that cannot be opened is told in the log.
 */
void image_find(const struct pool_config *c, const char *app, bool careful,
                struct image_place *out);
void image_place_close(struct image_place *at);

/*
 * Reads it and closes at. OK: img is an image of the application at app (its
 * real path), made for this program, whole, and of whom it may be of: signed
 * with image_key where that is set; otherwise one that was not given by name
 * belongs to root or this process's user, and others cannot write it.
 * Else why has a sentence. Whether its sources are as they were is not looked
 * at.
 */
enum err image_take(struct image_place *at, const struct pool_config *c,
                    const char *app, enum image_hold hold, struct image *img,
                    struct why *why);

/* Is img, read from path, an image of the application at app? If not,
 * ERR_MISMATCH and a sentence. */
enum err image_of_app(const struct image *img, const char *path,
                      const char *app, struct why *why);

/*
 * For pool_setup.find: the image taken, or NULL, and then the log says why.
 * A given one is used whatever became of its sources.
 */
struct image_choice {
    const struct pool_config *config; /* borrowed */
    enum image_hold hold;
    struct image_place place; /* opened before; or of fd -1 and no path: it is
                               * looked for */
    struct image image;
};
const struct image *image_choose(void *choice, const char *path,
                                 struct slice *sources);

/* The image beside app.js is app.img; .x has no suffix. False when its path is
 * too long. */
bool image_beside(const char *app, char out[static PATH_MAX]);
/* The pool's application as a process outside of its chroot sees it, links
 * resolved where there is none. False when it has none, or that is too long. */
bool image_app_path(const struct pool_config *c, char out[static PATH_MAX]);
/* Where the cache has the image of that application: a file of this program's
 * own. False when the path is too long. */
bool image_cache_path(const struct pool_config *c, const char *app, char *out,
                      size_t n);

#endif
