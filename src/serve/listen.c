/*
 * listen.c - bind(2) with the care a restart needs.
 */
#include "serve/listen.h"

#include "serve/confine.h"
#include "serve/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

bool listen_is(int fd)
{
    int yes = 0;
    socklen_t n = sizeof(yes);
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &n) == 0 && yes != 0;
}

int listen_fds(void)
{
    uint64_t pid, count;
    if (!slice_u64(slice_of(getenv("LISTEN_PID")), INT32_MAX, &pid) ||
        !slice_u64(slice_of(getenv("LISTEN_FDS")), 1024, &count))
        return 0;
    return pid == (uint64_t)getpid() ? (int)count : 0;
}

int listen_named(const char *name)
{
    struct slice names = slice_of(getenv("LISTEN_FDNAMES"));
    int count = listen_fds();
    for (int i = 0; i < count; i++) {
        size_t n = slice_find(names, ':');
        if (slice_is((struct slice){names.p, n}, name))
            return LISTEN_FDS_START + i;
        names = slice_from(names, n + 1);
    }
    return -1;
}

enum err listen_take(struct listener *l, int fd, struct why *why)
{
    *l = (struct listener){.fd = -1};
    if (!listen_is(fd))
        return why_set(why, ERR_FAIL, "descriptor %d is not a listening socket",
                       fd);
    l->fd = fd;
    return OK;
}

static enum err no_socket(const char *name, struct why *why)
{
    return why_set(why, ERR_IO, "cannot make a socket for %s: %s%s", name,
                   strerror(errno), confine_shortage(errno));
}

/* ---- unix sockets ------------------------------------------------------ */

static enum err set_owner(const char *path, const struct pool_config *config,
                          struct why *why)
{
    uid_t uid = (uid_t)-1;
    gid_t gid = (gid_t)-1;
    if (config->listen_owner != NULL &&
        !identity_user(config->listen_owner, &uid))
        return why_set(why, ERR_NOTFOUND, "there is no user %s",
                       config->listen_owner);
    if (config->listen_group != NULL &&
        !identity_group(config->listen_group, &gid))
        return why_set(why, ERR_NOTFOUND, "there is no group %s",
                       config->listen_group);
    if ((uid != (uid_t)-1 || gid != (gid_t)-1) && lchown(path, uid, gid) != 0)
        return why_set(why, ERR_IO, "cannot change the owner of %s: %s", path,
                       strerror(errno));
    return OK;
}

/* Removes what a dead process left; refuses what is alive or no socket. */
static enum err clear_way(const struct sockaddr_un *at, struct why *why)
{
    struct stat st;
    if (lstat(at->sun_path, &st) != 0)
        return OK; /* bind will say what else is wrong */
    if (!S_ISSOCK(st.st_mode))
        return why_set(why, ERR_BUSY, "%s is there and is not a socket",
                       at->sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return no_socket(at->sun_path, why);
    int failed =
        connect(fd, (const struct sockaddr *)at, sizeof(*at)) == 0 ? 0 : errno;
    close(fd);
    if (failed == 0 || failed == EAGAIN) /* EAGAIN: its queue is full */
        return why_set(why, ERR_BUSY, "another process listens on %s",
                       at->sun_path);
    if (failed == EACCES || failed == EPERM)
        return why_set(why, ERR_ACCESS, "%s belongs to another user",
                       at->sun_path);
    if (unlink(at->sun_path) != 0 && errno != ENOENT)
        return why_set(why, ERR_IO, "cannot remove the old socket %s: %s",
                       at->sun_path, strerror(errno));
    return OK;
}

static enum err open_unix(struct listener *l, const struct pool_config *config,
                          struct why *why)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct stat st;
    size_t n = strlen(config->listen);
    if (n >= sizeof(at.sun_path))
        return why_set(why, ERR_TOOBIG,
                       "the path of a unix socket has at most %zu bytes: %s",
                       sizeof(at.sun_path) - 1, config->listen);
    memcpy(at.sun_path, config->listen, n + 1);
    enum err e = clear_way(&at, why);
    if (e != OK)
        return e;
    l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (l->fd < 0)
        return no_socket(config->listen, why);
    /* The mode holds from the first moment: the umask makes it so. */
    mode_t was = umask((mode_t)(~config->listen_mode & 0777));
    int failed =
        bind(l->fd, (struct sockaddr *)&at, sizeof(at)) == 0 ? 0 : errno;
    umask(was);
    if (failed != 0)
        return why_set(why, failed == EADDRINUSE ? ERR_BUSY : ERR_IO,
                       "cannot listen on %s: %s", config->listen,
                       strerror(failed));
    if (lstat(at.sun_path, &st) == 0) {
        memcpy(l->path, at.sun_path, n + 1);
        l->dev = st.st_dev;
        l->inode = st.st_ino;
    }
    return set_owner(at.sun_path, config, why);
}

/* ---- TCP --------------------------------------------------------------- */

/* Splits "[v6]:port", "host:port" or "port"; host may become NULL (all). */
static enum err split(const char *listen, char *host, size_t max,
                      const char **port)
{
    const char *colon = strrchr(listen, ':');
    const char *from = listen;
    if (colon == NULL) {
        snprintf(host, max, "127.0.0.1");
        *port = listen;
        return OK;
    }
    size_t n = (size_t)(colon - listen);
    if (from[0] == '[' && n >= 2 && from[n - 1] == ']') {
        from++;
        n -= 2;
    } else if (memchr(from, ':', n) != NULL) {
        return ERR_SYNTAX; /* which colon is the port's? */
    }
    if (n == 0 || n >= max)
        return ERR_SYNTAX;
    memcpy(host, from, n);
    host[n] = '\0';
    *port = colon + 1;
    return OK;
}

static enum err open_address(struct listener *l, const struct addrinfo *at,
                             const char *name, struct why *why)
{
    int on = 1;
    l->fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (l->fd < 0)
        return no_socket(name, why);
    setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (at->ai_family == AF_INET6) /* [::] and 0.0.0.0 stay apart */
        setsockopt(l->fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
    if (bind(l->fd, at->ai_addr, at->ai_addrlen) != 0)
        return why_set(why, errno == EADDRINUSE ? ERR_BUSY : ERR_IO,
                       "cannot listen on %s: %s", name, strerror(errno));
    return OK;
}

static enum err open_tcp(struct listener *l, const struct pool_config *config,
                         struct why *why)
{
    char host[256];
    const char *port;
    uint64_t number;
    struct addrinfo *found = NULL;
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    if (split(config->listen, host, sizeof(host), &port) != OK ||
        !slice_u64(slice_of(port), 65535, &number))
        return why_set(why, ERR_SYNTAX,
                       "%s is not /path, host:port, [v6]:port, port or fd N",
                       config->listen);
    const char *name = strcmp(host, "*") == 0 ? "0.0.0.0" : host;
    int failed = getaddrinfo(name, port, &hints, &found);
    if (failed != 0)
        return why_set(why, ERR_NOTFOUND, "cannot listen on %s: %s",
                       config->listen, gai_strerror(failed));
    enum err e = open_address(l, found, config->listen, why);
    freeaddrinfo(found);
    return e;
}

/* ---- either ------------------------------------------------------------ */

enum err listen_open(struct listener *l, const struct pool_config *config,
                     struct why *why)
{
    uint64_t fd;
    enum err e;
    *l = (struct listener){.fd = -1};
    if (config->listen == NULL)
        return why_set(why, ERR_NOTFOUND, "the pool %s has no listen",
                       config->name);
    struct slice s = slice_of(config->listen);
    if (slice_starts(s, "fd ")) {
        if (!slice_u64(slice_trim(slice_from(s, 3)), 65535, &fd))
            return why_set(why, ERR_SYNTAX, "%s is not \"fd N\"",
                           config->listen);
        return listen_take(l, (int)fd, why);
    }
    if (slice_starts(s, "/"))
        e = open_unix(l, config, why);
    else
        e = open_tcp(l, config, why);
    if (e == OK && listen(l->fd, config->listen_backlog) != 0)
        e = why_set(why, errno == EADDRINUSE ? ERR_BUSY : ERR_IO,
                    "cannot listen on %s: %s", config->listen, strerror(errno));
    if (e != OK)
        listen_close(l);
    return e;
}

static bool is_there(const struct listener *l, struct stat *st)
{
    return l->path[0] != '\0' && lstat(l->path, st) == 0 &&
           st->st_dev == l->dev && st->st_ino == l->inode;
}

enum err listen_adjust(const struct listener *l,
                       const struct pool_config *config, struct why *why)
{
    struct stat st;
    mode_t mode = (mode_t)(config->listen_mode & 0777);
    if (listen(l->fd, config->listen_backlog) != 0)
        return why_set(why, ERR_IO, "cannot listen on %s: %s", config->listen,
                       strerror(errno));
    if (!is_there(l, &st))
        return OK;
    if ((st.st_mode & 0777) != mode && chmod(l->path, mode) != 0)
        return why_set(why, ERR_IO, "cannot change the mode of %s: %s", l->path,
                       strerror(errno));
    return set_owner(l->path, config, why);
}

void listen_unlink(struct listener *l)
{
    struct stat st;
    if (is_there(l, &st))
        unlink(l->path);
    l->path[0] = '\0';
}

void listen_close(struct listener *l)
{
    listen_unlink(l);
    if (l->fd >= 0)
        close(l->fd);
    *l = (struct listener){.fd = -1};
}
