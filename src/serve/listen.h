/*
 * listen.h - listening sockets: our own, or those handed to us.
 */
#ifndef SERVE_LISTEN_H
#define SERVE_LISTEN_H

#include "base/config.h"

#include <sys/types.h>

struct listener {
    int fd;
    char path[108]; /* of a unix socket we made, "" otherwise */
    dev_t dev;      /* of that socket's file */
    ino_t inode;
};

/*
 * Opens what config->listen names:
 *   /path          a unix socket, with listen_mode, _owner and _group; one
 *                  left over by a dead process is replaced
 *   host:port, [v6]:port, *:port
 *   port           the same on 127.0.0.1 only
 *   fd N           a listening socket this process was started with
 * ERR_BUSY when another process answers there. The caller closes it.
 */
enum err listen_open(struct listener *l, const struct pool_config *config,
                     struct why *why);
/*
 * For one that was open before the configuration changed: the queue's length,
 * and the mode and owner of the file at l->path, if there is one.
 */
enum err listen_adjust(const struct listener *l,
                       const struct pool_config *config, struct why *why);
/* Removes the unix socket's file too, unless it is another's by now. */
void listen_close(struct listener *l);
/* Removes the file only: nobody new comes, and who waits can be served. */
void listen_unlink(struct listener *l);
/* Takes a descriptor as it is; ERR_FAIL when it is no listening socket. */
enum err listen_take(struct listener *l, int fd, struct why *why);

/* Is fd a listening socket? */
bool listen_is(int fd);
/* How many sockets LISTEN_FDS hands to this process, from LISTEN_FDS_START. */
int listen_fds(void);
/* The one of them with that name in LISTEN_FDNAMES, or -1. */
int listen_named(const char *name);
#define LISTEN_FDS_START 3

#endif
