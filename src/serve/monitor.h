/*
 * monitor.h - a process that answers when no worker can.
 *
 * It serves the status page at [global] status_listen, and it turns away with
 * 503 and Retry-After what waits at an overloaded pool's socket. Overloaded
 * is a pool whose workers allowed are all busy, or that has none, while more
 * connections wait than queue_limit; and one at which somebody has waited for
 * a second while no worker is there, or they end before they serve. It has no
 * V8, no privileges, and holds nothing but the sockets and the boards; the
 * supervisor starts it again when it dies.
 */
#ifndef SERVE_MONITOR_H
#define SERVE_MONITOR_H

#include "base/config.h"
#include "serve/scoreboard.h"

struct monitor_pool {
    const struct pool_config *config;
    struct board *board; /* board_watch() has been called */
    int listen_fd;
};

struct monitor_setup {
    const struct config *config;
    const struct monitor_pool *pools; /* borrowed, like all here */
    size_t count;
    int status_fd; /* -1: no status page */
    int link_fd;   /* readable or closed: the supervisor wants it to end */
};

/*
 * Runs until the supervisor ends it. Gives the exit status. At the status
 * socket GET and HEAD are answered with status_render() of the query string,
 * and with "pong" where the path ends in /ping.
 */
int monitor_run(const struct monitor_setup *setup);

/*
 * Connections that wait at a listening socket, and how many may; ERR_IO when
 * the kernel does not tell. TCP_INFO for TCP, sock_diag(7) for unix sockets.
 */
enum err monitor_queue(int listen_fd, uint64_t *waiting, uint64_t *most);
/*
 * Opens this process's own line to the kernel for that and gives the
 * descriptor, which stays the line's; -1: errno. A process that confine()s
 * itself must do so before and keep it: after it no netlink socket can be
 * opened. Others need not, but a child shares its parent's line until then.
 */
int monitor_queue_open(void);

#endif
