/*
 * super.h - the supervisor: sockets first, then workers, kept alive, replaced
 * and stopped without losing a request.
 *
 * It never starts V8 and never reads what a client sent: what its children
 * run is handed to it as functions, and the header files it includes show
 * that there is no other way (tests/layers.t).
 */
#ifndef SERVE_SUPER_H
#define SERVE_SUPER_H

#include "base/config.h"
#include "serve/child.h"

struct super_setup {
    char *const *argv;         /* of this program, to execute it again */
    const char *path;          /* of the configuration */
    const char *pool;          /* the only one to serve; NULL: all */
    struct pool_config *given; /* is served at given_fd, no other; or NULL */
    int given_fd;
    bool test; /* open and check everything, then end */
    bool daemonize;
    child_main *work;    /* a worker's life */
    child_main *make;    /* makes a pool's image: enum crew_image */
    bool (*check)(void); /* can a worker start at all? says why not */
};

/* Runs until it is told to stop. Gives the exit status. */
int super_run(struct config *config, const struct super_setup *setup);

#endif
