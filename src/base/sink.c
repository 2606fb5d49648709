/*
 * sink.c - writes that do not wait, to four kinds of places.
 */
#include "base/sink.h"

#include "base/clock.h"
#include "base/sink_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define RETRY_EVERY NS_PER_S

struct sink_paths sink_paths = {
    .syslog = "/dev/log",
    .journal = "/run/systemd/journal/socket",
};

/* ---- opening ----------------------------------------------------------- */

/* Non-blocking: the path may be a FIFO whose reader is slow. */
#define FILE_FLAGS                                                             \
    (O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

/* A link by which somebody else chose where to write. */
static bool is_strange_link(const char *path, struct stat *st)
{
    return lstat(path, st) == 0 && S_ISLNK(st->st_mode) && st->st_uid != 0 &&
           st->st_uid != geteuid();
}

/*
 * Who owns the folder of a log could have root write to any file by a link.
 * One of root's own, as /dev/stderr is, is followed.
 */
static int open_file(const char *path)
{
    struct stat st;
    int fd = open(path, FILE_FLAGS | O_NOFOLLOW, 0640);
    if (fd >= 0 || errno != ELOOP)
        return fd;
    if (!is_strange_link(path, &st))
        return open(path, FILE_FLAGS, 0640);
    errno = ELOOP;
    return -1;
}

static enum err file_failed(const char *path, struct why *why)
{
    struct stat st;
    if (errno == ELOOP && is_strange_link(path, &st))
        return why_set(why, ERR_IO,
                       "cannot open the log %s: it is a symbolic link that "
                       "belongs to another user (%u); remove it, and let "
                       "nobody else write to its folder",
                       path, (unsigned)st.st_uid);
    return why_set(why, ERR_IO, "cannot open the log %s: %s", path,
                   strerror(errno));
}

/*
 * A pipe that several processes share cannot be asked first: between poll(2)
 * and write(2) another may take the last room, and a reader that hangs would
 * hold this process up for good. Its flags are not ours to change either, so
 * the same pipe is opened anew. Where that is not allowed (the pipe is
 * another user's) stderr is used as it is.
 */
static void open_stderr(struct sink *s)
{
    struct stat st = {.st_mode = 0};
    int fd = -1;
    if (fstat(STDERR_FILENO, &st) == 0 && S_ISFIFO(st.st_mode))
        fd = open("/proc/self/fd/2",
                  O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    s->socket = S_ISSOCK(st.st_mode);
    s->fd = fd >= 0 ? fd : STDERR_FILENO;
    s->blocking = fd < 0;
}

static const char *daemon_path(const struct sink *s)
{
    return s->kind == SINK_SYSLOG ? sink_paths.syslog : sink_paths.journal;
}

/* A connected datagram socket may be connected again, to the daemon's new. */
static bool reconnect(const struct sink *s)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int n = snprintf(to.sun_path, sizeof(to.sun_path), "%s", daemon_path(s));
    if (n < 0 || (size_t)n >= sizeof(to.sun_path)) {
        errno = ENAMETOOLONG;
        return false;
    }
    return connect(s->fd, (const struct sockaddr *)&to, sizeof(to)) == 0;
}

static enum err connect_failed(const struct sink *s, struct why *why)
{
    return why_set(why, ERR_IO, "cannot reach the log daemon at %s: %s%s",
                   daemon_path(s), strerror(errno),
                   errno == ENOENT || errno == ECONNREFUSED
                       ? "; start it or set another log"
                       : "");
}

static enum err open_socket(struct sink *s, struct why *why)
{
    s->socket = true;
    s->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->fd >= 0 && reconnect(s))
        return OK;
    return connect_failed(s, why);
}

static enum sink_kind kind_of(const char *name)
{
    if (strcmp(name, "stderr") == 0)
        return SINK_STDERR;
    if (strcmp(name, "syslog") == 0)
        return SINK_SYSLOG;
    return strcmp(name, "journal") == 0 ? SINK_JOURNAL : SINK_FILE;
}

enum err sink_open(struct sink *s, const char *name, struct why *why)
{
    enum err e = OK;
    *s = (struct sink){.kind = kind_of(name), .fd = -1};
    if (s->kind == SINK_STDERR) {
        open_stderr(s);
    } else if (s->kind == SINK_FILE) {
        s->path = name;
        s->fd = open_file(name);
        if (s->fd < 0)
            e = file_failed(name, why);
    } else {
        e = open_socket(s, why);
    }
    if (e != OK)
        sink_close(s);
    return e;
}

enum err sink_reopen(struct sink *s, struct why *why)
{
    if (s->kind == SINK_FILE) {
        int fd = open_file(s->path);
        if (fd < 0)
            return file_failed(s->path, why);
        sink_use(s, fd);
    } else if (s->kind == SINK_SYSLOG || s->kind == SINK_JOURNAL) {
        if (!reconnect(s))
            return connect_failed(s, why);
    }
    return OK;
}

static bool is_ours(const struct sink *s)
{
    return s->fd >= 0 && s->fd != STDERR_FILENO;
}

void sink_use(struct sink *s, int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (is_ours(s))
        close(s->fd);
    s->fd = fd;
    s->blocking = flags >= 0 && (flags & O_NONBLOCK) == 0;
    s->torn = false;
}

void sink_close(struct sink *s)
{
    if (is_ours(s))
        close(s->fd);
    *s = (struct sink){.kind = SINK_NONE, .fd = -1, .lost = s->lost};
}

/* ---- writing ----------------------------------------------------------- */

static bool is_gone(int error)
{
    return error == ECONNREFUSED || error == ECONNRESET || error == ENOTCONN ||
           error == EDESTADDRREQ || error == EPIPE;
}

static ssize_t send_once(const struct sink *s, const char *p, size_t n)
{
    ssize_t got;
    do
        got = send(s->fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (got < 0 && errno == EINTR);
    return got;
}

/* The daemon may have been started again, with a socket of its own. */
static ssize_t send_datagram(struct sink *s, const char *p, size_t n)
{
    ssize_t got = send_once(s, p, n);
    if (got >= 0 || !is_gone(errno))
        return got;
    int error = errno;
    uint64_t now = clock_mono();
    if (now >= s->retry) {
        s->retry = now + RETRY_EVERY;
        if (reconnect(s))
            return send_once(s, p, n);
    }
    errno = error;
    return -1;
}

/*
 * The flags of stderr are shared with others, so poll(2) is asked instead. A
 * writable pipe takes PIPE_BUF bytes at once, see pipe(7).
 */
static bool is_ready(const struct sink *s)
{
    struct pollfd pfd = {.fd = s->fd, .events = POLLOUT};
    if (!s->blocking)
        return true;
    if (poll(&pfd, 1, 0) == 1 && (pfd.revents & POLLOUT) != 0)
        return true;
    errno = (pfd.revents & POLLNVAL) != 0  ? EBADF
            : (pfd.revents & POLLERR) != 0 ? EPIPE
                                           : EAGAIN;
    return false;
}

/* Gives how much of p went out. */
static ssize_t write_once(struct sink *s, const char *p, size_t n)
{
    struct iovec parts[] = {{(void *)(uintptr_t) "\n", 1},
                            {(void *)(uintptr_t)p, n}};
    int first = s->torn ? 0 : 1;
    ssize_t got;
    if (!is_ready(s))
        return -1;
    do
        got = writev(s->fd, parts + first, 2 - first);
    while (got < 0 && errno == EINTR);
    if (got > 0 && s->torn) {
        s->torn = false;
        got--;
    }
    return got;
}

bool sink_write(struct sink *s, const char *p, size_t n)
{
    ssize_t got = s->kind == SINK_SYSLOG || s->kind == SINK_JOURNAL
                      ? send_datagram(s, p, n)
                  : s->socket ? send_once(s, p, n)
                              : write_once(s, p, n);
    if (got == (ssize_t)n)
        return true;
    if (got > 0)
        s->torn = true;
    s->error = got < 0 ? errno : ENOSPC;
    s->lost++;
    return false;
}

const char *sink_trouble(const struct sink *s)
{
    return s->error == EAGAIN ? "its reader was too slow" : strerror(s->error);
}
