/*
 * dev.h - `snapcgi dev FILE`: a function on this machine's own port, now.
 */
#ifndef SERVE_DEV_H
#define SERVE_DEV_H

struct image;

#define DEV_PORT 8080

/*
 * Serves the application at path on 127.0.0.1:port (0: a free one) through
 * lighttpd until a signal comes. Gives the exit status.
 */
int dev_run(const char *path, unsigned port, const struct image *image);

#endif
