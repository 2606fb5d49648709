/*
 * image_auto.h - the image of a pool with `image = auto`, brought up to date.
 *
 * Runs in a process of its own, with the rights of who started it: it makes
 * the cache's folder and gives the file its name. What knows V8, and what reads
 * the application, runs in children that have walked the pool's way down.
 */
#ifndef SERVE_IMAGE_AUTO_H
#define SERVE_IMAGE_AUTO_H

#include "base/config.h"

struct identity;
struct image;

/* How its process ends. */
enum image_auto {
    IMAGE_AUTO_SAME,  /* nothing to do */
    IMAGE_AUTO_NEW,   /* made anew: workers may be replaced */
    IMAGE_AUTO_NONE,  /* cannot be made, the log says why */
    IMAGE_AUTO_KILLED /* nor this time: what made it was killed */
};

/*
 * base: the API's. The application's path is one in the pool's chroot.
 */
enum image_auto image_auto(const struct pool_config *config,
                           const struct identity *identity,
                           const struct image *base);

#endif
