/*
 * keep.c - opens the files of a kept state, and moves them in whole steps.
 */
#include "serve/keep.h"

#include "base/clock.h"
#include "base/log.h"
#include "serve/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEW ".new"

struct name {
    char text[CONFIG_STATE_PATH + 32];
};

static struct name beside(const struct keep *k, const char *suffix)
{
    struct name n;
    snprintf(n.text, sizeof(n.text), "%s%s", k->path, suffix);
    return n;
}

static struct name older(const struct keep *k, unsigned i)
{
    char suffix[16];
    snprintf(suffix, sizeof(suffix), ".%u", i);
    return beside(k, suffix);
}

static struct name folder_of(const struct keep *k)
{
    struct name n = beside(k, "");
    char *slash = strrchr(n.text, '/');
    slash[slash == n.text ? 1 : 0] = '\0'; /* paths here are absolute */
    return n;
}

void keep_init(struct keep *k, const struct pool_config *config,
               const struct identity *id)
{
    *k = (struct keep){.older = (unsigned)config->state_keep,
                       .change = id->change,
                       .uid = id->uid,
                       .gid = id->gid};
    snprintf(k->path, sizeof(k->path), "%s", config->state);
}

/* ---- opening ------------------------------------------------------------ */

/*
 * A state is as good as code: it must come from root or the pool's own user.
 * One that root has brought becomes that user's, unless it has another name
 * somewhere, whose file would be given away.
 */
static enum err check_owner(const struct keep *k, int fd, const struct stat *st,
                            bool adopt, struct why *why)
{
    uid_t want = k->change ? k->uid : geteuid();
    if (st->st_uid != want && (st->st_uid != 0 || st->st_nlink != 1))
        return why_set(why, ERR_ACCESS,
                       "the state file %s belongs to user %u and not to user "
                       "%u, as whom the pool runs: give it to that one "
                       "(chown)",
                       k->path, (unsigned)st->st_uid, (unsigned)want);
    if ((st->st_mode & 022) != 0)
        return why_set(why, ERR_ACCESS,
                       "others may write the state file %s, and so run what "
                       "they like in it: chmod 600, if you trust what it is",
                       k->path);
    if (adopt && k->change && st->st_uid != want &&
        (fchown(fd, k->uid, k->gid) != 0 || fchmod(fd, 0600) != 0))
        return why_set(why, ERR_ACCESS,
                       "the state file %s cannot be given to "
                       "user %u: %s",
                       k->path, (unsigned)want, strerror(errno));
    return OK;
}

/* ERR_NOTFOUND without a sentence: there is none. */
static enum err open_file(const struct keep *k, bool adopt, int *fd,
                          struct why *why)
{
    struct stat st;
    int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    *fd = open(k->path, flags);
    if (*fd < 0 && errno == ENOENT)
        return ERR_NOTFOUND;
    if (*fd < 0)
        return why_set(why, ERR_ACCESS,
                       "the state file %s cannot be opened: %s%s", k->path,
                       errno == ELOOP ? "it is a symbolic link, name the file "
                                        "itself"
                                      : strerror(errno),
                       confine_shortage(errno));
    enum err e = ERR_IO;
    if (fstat(*fd, &st) != 0)
        why_set(why, e, "the state file %s cannot be looked at: %s", k->path,
                strerror(errno));
    else if (!S_ISREG(st.st_mode))
        e = why_set(why, ERR_ACCESS, "the state file %s is no regular file",
                    k->path);
    else
        e = check_owner(k, *fd, &st, adopt, why);
    if (e != OK) {
        close(*fd);
        *fd = -1;
    }
    return e;
}

enum err keep_check(const struct keep *k, struct why *why)
{
    struct stat st;
    int fd;
    struct name folder = folder_of(k);
    if (stat(folder.text, &st) != 0 || !S_ISDIR(st.st_mode))
        return why_set(why, ERR_NOTFOUND,
                       "the folder of the state file %s is not there: make it "
                       "(mkdir), for root or the pool's user alone",
                       k->path);
    if (faccessat(AT_FDCWD, folder.text, R_OK | W_OK | X_OK, AT_EACCESS) != 0)
        return why_set(why, ERR_ACCESS,
                       "no file can be made in the folder of the state file "
                       "%s: %s; the supervisor's user must be able to",
                       k->path, strerror(errno));
    enum err e = open_file(k, false, &fd, why);
    if (e == OK)
        close(fd);
    return e == ERR_NOTFOUND ? OK : e;
}

enum err keep_open(const struct keep *k, int *in, int *out, struct why *why)
{
    struct name new = beside(k, NEW);
    *out = -1;
    enum err e = open_file(k, true, in, why);
    if (e != OK && e != ERR_NOTFOUND)
        return e;
    if (unlink(new.text) == 0 || errno == ENOENT)
        *out = open(new.text,
                    O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (*out >= 0 && (!k->change || fchown(*out, k->uid, k->gid) == 0))
        return OK;
    why_set(why, ERR_IO,
            "the file %s, in which the state is saved, cannot be "
            "made: %s%s",
            new.text, strerror(errno), confine_shortage(errno));
    if (*in >= 0)
        close(*in);
    if (*out >= 0)
        close(*out);
    *in = *out = -1;
    return ERR_IO;
}

/* ---- moving ------------------------------------------------------------- */

static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    return lstat(a, &x) == 0 && lstat(b, &y) == 0 && x.st_dev == y.st_dev &&
           x.st_ino == y.st_ino;
}

static bool is_there(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

/* Makes FILE.1 free: all before the first gap move, the last one goes. */
static void make_room(const struct keep *k)
{
    unsigned gap = 1;
    while (gap < k->older && is_there(older(k, gap).text))
        gap++;
    for (; gap > 1; gap--)
        rename(older(k, gap - 1).text, older(k, gap).text);
}

/* A second name for FILE, so that it is there until it is replaced. */
static void keep_old(const struct keep *k, bool aside)
{
    char suffix[32] = ".1", stamp[25];
    if (!is_there(k->path) || (!aside && k->older == 0))
        return;
    if (aside) {
        clock_stamp(clock_real(), stamp);
        snprintf(suffix, sizeof(suffix), ".aside-%.19sZ", stamp);
    }
    struct name name = beside(k, suffix);
    if (same_file(k->path, name.text))
        return; /* it was interrupted here before */
    if (!aside)
        make_room(k);
    if (link(k->path, name.text) != 0 &&
        (errno != EEXIST || unlink(name.text) != 0 ||
         link(k->path, name.text) != 0))
        log_warn("the state before cannot be kept as %s: %s", name.text,
                 strerror(errno));
    else if (aside)
        log_notice("the state of other code is kept aside as %s", name.text);
}

/* Without it the names may be the old ones after a loss of power. */
static void sync_folder(const struct keep *k)
{
    int fd = open(folder_of(k).text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool done = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL);
    int failed = errno;
    if (fd >= 0)
        close(fd);
    if (!done)
        log_warn("the folder of the state file %s cannot be synced: %s; a loss "
                 "of power may bring the state before back",
                 k->path, strerror(failed));
}

static enum err check_new(const char *path, uint64_t claimed, uint64_t *size,
                          struct why *why)
{
    struct stat st;
    if (lstat(path, &st) != 0)
        return why_set(why, ERR_IO, "%s cannot be looked at: %s", path,
                       strerror(errno));
    *size = (uint64_t)st.st_size;
    if (!S_ISREG(st.st_mode) || *size == 0)
        return why_set(why, ERR_CORRUPT, "%s is no file with a state in it",
                       path);
    if (claimed != 0 && claimed != *size)
        return why_set(why, ERR_CORRUPT,
                       "%s has %llu bytes and not the %llu that were written",
                       path, (unsigned long long)*size,
                       (unsigned long long)claimed);
    return OK;
}

enum err keep_commit(const struct keep *k, uint64_t claimed, bool aside,
                     uint64_t *size, struct why *why)
{
    struct name new = beside(k, NEW);
    enum err e = check_new(new.text, claimed, size, why);
    if (e != OK)
        return e;
    keep_old(k, aside);
    if (rename(new.text, k->path) != 0)
        return why_set(why, ERR_IO, "%s cannot be made %s: %s", new.text,
                       k->path, strerror(errno));
    sync_folder(k);
    return OK;
}

void keep_discard(const struct keep *k)
{
    unlink(beside(k, NEW).text);
}

uint64_t keep_saved_at(const struct keep *k, uint64_t *size)
{
    struct stat st;
    if (lstat(k->path, &st) != 0 || !S_ISREG(st.st_mode))
        return 0;
    if (size != NULL)
        *size = (uint64_t)st.st_size;
    return (uint64_t)st.st_mtim.tv_sec * NS_PER_S +
           (uint64_t)st.st_mtim.tv_nsec;
}
