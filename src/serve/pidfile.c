/*
 * pidfile.c - locked first, written then, removed only by its owner.
 */
#include "serve/pidfile.h"

#include "base/slice.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LONGEST 16 /* bytes of a process id, with room for blanks */

static bool lock(int fd, int command, struct flock *l)
{
    *l = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(fd, command, l) == 0;
}

/* Is path still the file that is open? */
static bool same(const char *path, int fd)
{
    struct stat a, b;
    return fstat(fd, &a) == 0 && lstat(path, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

/* Who else may write to it could name any process to be stopped as root. */
static bool is_ours(int fd, struct stat *st)
{
    return fstat(fd, st) == 0 && (st->st_uid == geteuid() || st->st_uid == 0);
}

/* Empty, or a number: anything else is a file that somebody needs. */
static bool looks_like_one(int fd)
{
    char text[LONGEST + 1];
    struct stat st;
    uint64_t id;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > LONGEST)
        return false;
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    if (n <= 0)
        return n == 0;
    struct slice s = {text, (size_t)n};
    while (s.n > 0 && strchr(" \r\n", s.p[s.n - 1]) != NULL)
        s.n--;
    return slice_u64(slice_trim(s), INT32_MAX, &id);
}

/* The new id over the old one, then an end to it: the first line is whole. */
static bool write_id(int fd)
{
    char text[LONGEST];
    int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());
    return pwrite(fd, text, (size_t)n, 0) == n && ftruncate(fd, n) == 0 &&
           fchmod(fd, 0644) == 0;
}

static enum err held(int fd, const char *path, struct why *why)
{
    struct flock l;
    int failed = errno;
    if (failed != EACCES && failed != EAGAIN)
        return why_set(why, ERR_IO, "cannot lock the pid file %s: %s", path,
                       strerror(failed));
    if (!lock(fd, F_GETLK, &l) || l.l_type == F_UNLCK || l.l_pid <= 0)
        return why_set(why, ERR_BUSY,
                       "the pid file %s is held by another supervisor", path);
    return why_set(why, ERR_BUSY,
                   "the pid file %s is held by process %d, a supervisor that "
                   "runs; stop it first, or give this one another pid",
                   path, (int)l.l_pid);
}

/* One try. ERR_AGAIN: the file was removed before it was locked. */
static enum err claim(struct pidfile *p, const char *path, struct why *why)
{
    struct flock l;
    int fd = open(
        path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY,
        0644);
    if (fd < 0)
        return why_set(why, ERR_IO, "cannot write the pid file %s: %s", path,
                       errno == ELOOP ? "it is a symbolic link"
                                      : strerror(errno));
    enum err e;
    struct stat st;
    if (!is_ours(fd, &st))
        e = why_set(why, ERR_ACCESS,
                    "the pid file %s belongs to another user (%u); remove it, "
                    "and let nobody else write to its folder",
                    path, (unsigned)st.st_uid);
    else if (!looks_like_one(fd))
        e = why_set(why, ERR_BUSY,
                    "%s is there and is no pid file; remove it, or name "
                    "another pid",
                    path);
    else if (!lock(fd, F_SETLK, &l))
        e = held(fd, path, why);
    else if (!same(path, fd))
        e = ERR_AGAIN;
    else if (!write_id(fd))
        e = why_set(why, ERR_IO, "cannot write the pid file %s: %s", path,
                    strerror(errno));
    else
        e = OK;
    if (e != OK) {
        close(fd);
        return e;
    }
    *p = (struct pidfile){fd, xstrdup(path), (int)getpid()};
    return OK;
}

enum err pidfile_open(struct pidfile *p, const char *path, struct why *why)
{
    *p = (struct pidfile){.fd = -1};
    for (int tries = 0; tries < 10; tries++) {
        enum err e = claim(p, path, why);
        if (e != ERR_AGAIN)
            return e;
    }
    return why_set(why, ERR_BUSY,
                   "the pid file %s is removed by another process again and "
                   "again",
                   path);
}

enum err pidfile_take(struct pidfile *p, const char *path, int fd,
                      struct why *why)
{
    struct flock l;
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 || !same(path, fd) ||
        !lock(fd, F_SETLK, &l)) {
        close(fd); /* somebody removed it: no reason to fail */
        return pidfile_open(p, path, why);
    }
    *p = (struct pidfile){fd, xstrdup(path), (int)getpid()};
    return OK;
}

void pidfile_close(struct pidfile *p)
{
    if (p->fd < 0)
        return;
    if (p->owner == (int)getpid() && same(p->path, p->fd))
        unlink(p->path);
    close(p->fd);
    free(p->path);
    *p = (struct pidfile){.fd = -1};
}
