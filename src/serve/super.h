/*
 * super.h - `snapcgi serve`: sockets first, then one process per pool.
 *
 * This process never starts V8 when it has children: V8 does not survive a
 * fork.
 */
#ifndef SERVE_SUPER_H
#define SERVE_SUPER_H

#include "base/config.h"

struct image;

/*
 * Serves the pool of that name, or all when name is NULL, in the foreground.
 * Gives the exit status. With several pools the end of one child ends all.
 */
int super_run(struct config *config, const char *name,
              const struct image *image);

#endif
