/*
 * keep.c - opens the files of a kept state, and moves them in whole steps.
 */
#include "serve/keep.h"

#include "base/clock.h"
#include "base/image_magic.h"
#include "base/log.h"
#include "serve/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEW ".new"
/* In sentences of a file that cannot have come from the worker. */
#define MADE_ANEW                                                              \
    "somebody else has made it anew: does another pool or supervisor use it?"

/* A whole path, for sentences. */
struct name {
    char text[CONFIG_STATE_PATH + 40];
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

/* What path, one beside k's, is called in its folder; paths are absolute. */
static const char *last(const struct keep *k, const char *path)
{
    return path + (strrchr(k->path, '/') + 1 - k->path);
}

void keep_init(struct keep *k, const struct pool_config *config,
               const struct identity *id)
{
    *k = (struct keep){.older = (unsigned)config->state_keep,
                       .change = id->change,
                       .uid = id->uid,
                       .gid = id->gid,
                       .lock = -1};
    snprintf(k->path, sizeof(k->path), "%s", config->state);
}

/* ---- the folder ---------------------------------------------------------- */

/* One step down to that folder. Closes from. */
static int step(int from, const char *name)
{
    struct stat st;
    int fd = openat(from, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int failed = errno;
    if (fd < 0 && failed == ENOTDIR &&
        fstatat(from, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISLNK(st.st_mode))
        failed = ELOOP;
    close(from);
    errno = failed;
    return fd;
}

/*
 * *fd is the caller's, and only a place for names. Step by step, since who may
 * rename one of the parents could lead us elsewhere by a link; openat2(2) is
 * not known everywhere. why may be NULL.
 */
static enum err open_folder(const struct keep *k, int *fd, struct why *why)
{
    struct name n = beside(k, "");
    char *slash, *at = n.text;
    *fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (; *fd >= 0 && (slash = strchr(at, '/')) != NULL; at = slash + 1) {
        *slash = '\0';
        if (slash > at)
            *fd = step(*fd, at);
    }
    if (*fd >= 0)
        return OK;
    if (errno == ELOOP)
        return why_set(why, ERR_ACCESS,
                       "the folder of the state file %s is reached by a "
                       "symbolic link: name it without",
                       k->path);
    if (errno == ENOENT || errno == ENOTDIR)
        return why_set(why, ERR_NOTFOUND,
                       "the folder of the state file %s is not there: make it "
                       "(mkdir), for root or the pool's user alone",
                       k->path);
    return why_set(why, ERR_IO,
                   "the folder of the state file %s cannot be opened: %s%s",
                   k->path, strerror(errno), confine_shortage(errno));
}

static bool look(const struct keep *k, int folder, const char *path,
                 struct stat *st)
{
    return fstatat(folder, last(k, path), st, AT_SYMLINK_NOFOLLOW) == 0;
}

static bool is_there(const struct keep *k, int folder, const char *path)
{
    struct stat st;
    return look(k, folder, path, &st);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* Is that name still the one of fd? */
static bool is_still(const struct keep *k, int folder, const char *path, int fd)
{
    struct stat named, open;
    return look(k, folder, path, &named) && fstat(fd, &open) == 0 &&
           same_file(&named, &open);
}

static int move(const struct keep *k, int folder, const char *from,
                const char *to)
{
    return renameat(folder, last(k, from), folder, last(k, to));
}

/* A second name. */
static int name_too(const struct keep *k, int folder, const char *path,
                    const char *too)
{
    return linkat(folder, last(k, path), folder, last(k, too), 0);
}

/* ---- opening ------------------------------------------------------------ */

/*
 * The worker is given what the supervisor can read and its user perhaps not:
 * of root's, only a state that has no other name, where it may be a secret.
 */
static bool is_state_of_root(int fd, const struct stat *st)
{
    char magic[IMAGE_MAGIC_N];
    return st->st_uid == 0 && st->st_nlink == 1 &&
           pread(fd, magic, sizeof(magic), 0) == (ssize_t)sizeof(magic) &&
           (memcmp(magic, IMAGE_MAGIC, sizeof(magic)) == 0 ||
            memcmp(magic, STATE_MAGIC, sizeof(magic)) == 0);
}

/* A state is as good as code: it must come from root or the pool's own user. */
static enum err check_owner(const struct keep *k, int fd, const struct stat *st,
                            struct why *why)
{
    uid_t want = k->change ? k->uid : geteuid();
    if (st->st_uid != want && st->st_uid != 0)
        return why_set(why, ERR_ACCESS,
                       "the state file %s belongs to user %u and not to user "
                       "%u, as whom the pool runs: give it to that one "
                       "(chown)",
                       k->path, (unsigned)st->st_uid, (unsigned)want);
    if (st->st_uid != want && !is_state_of_root(fd, st))
        return why_set(why, ERR_ACCESS,
                       "the state file %s belongs to root, and is no state or "
                       "has a second name, so user %u, as whom the pool runs, "
                       "is not given it: take it away",
                       k->path, (unsigned)want);
    if ((st->st_mode & 022) != 0)
        return why_set(why, ERR_ACCESS,
                       "others may write the state file %s, and so run what "
                       "they like in it: chmod 600, if you trust what it is",
                       k->path);
    return OK;
}

/* ERR_NOTFOUND without a sentence: there is none. */
static enum err open_file(const struct keep *k, int folder, int *fd,
                          struct why *why)
{
    struct stat st;
    int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    const char *name = last(k, k->path);
    *fd = openat(folder, name[0] != '\0' ? name : ".", flags);
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
        e = check_owner(k, *fd, &st, why);
    if (e != OK) {
        close(*fd);
        *fd = -1;
    }
    return e;
}

enum err keep_check(const struct keep *k, struct why *why)
{
    int folder, fd;
    enum err e = open_folder(k, &folder, why);
    if (e != OK)
        return e;
    if (faccessat(folder, ".", R_OK | W_OK | X_OK, AT_EACCESS) != 0) {
        e = why_set(why, ERR_ACCESS,
                    "no file can be made in the folder of the state file "
                    "%s: %s; the supervisor's user must be able to",
                    k->path, strerror(errno));
    } else {
        e = open_file(k, folder, &fd, why);
        if (e == OK)
            close(fd);
        if (e == ERR_NOTFOUND)
            e = OK;
    }
    close(folder);
    return e;
}

/* False when somebody else has it; a file system without locks lets all. */
static bool lock_file(const struct keep *k, int folder, const char *path,
                      int fd)
{
    if (flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return false;
    return is_still(k, folder, path, fd); /* or it was replaced before */
}

static enum err make_new(const struct keep *k, int folder, int *out,
                         struct why *why)
{
    struct name new = beside(k, NEW);
    const char *name = last(k, new.text);
    int stale = openat(folder, name,
                       O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    bool gone = stale < 0 && errno == ENOENT;
    enum err e = ERR_BUSY;
    if (stale >= 0 && !lock_file(k, folder, new.text, stale))
        goto out;
    e = ERR_IO;
    if (gone || unlinkat(folder, name, 0) == 0)
        *out = openat(folder, name,
                      O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (*out >= 0 && (!k->change || fchown(*out, k->uid, k->gid) == 0))
        e = lock_file(k, folder, new.text, *out) ? OK : ERR_BUSY;
    if (e == ERR_IO)
        why_set(why, e,
                "the file %s, in which the state is saved, cannot be "
                "made: %s%s",
                new.text, strerror(errno), confine_shortage(errno));
out:
    if (e == ERR_BUSY)
        why_set(why, e,
                "another worker keeps its state in %s: of another pool, or "
                "another supervisor; end that one, or give each a file of its "
                "own",
                k->path);
    if (stale >= 0)
        close(stale);
    return e;
}

enum err keep_open(struct keep *k, int *in, int *out, struct why *why)
{
    int folder;
    *in = *out = -1;
    enum err e = open_folder(k, &folder, why);
    if (e != OK)
        return e;
    e = open_file(k, folder, in, why);
    if (e == OK || e == ERR_NOTFOUND)
        e = make_new(k, folder, out, why);
    close(folder);
    if (e == OK && (k->lock = fcntl(*out, F_DUPFD_CLOEXEC, 3)) < 0)
        e = why_set(why, ERR_IO, "no descriptor to lock %s%s: %s%s", k->path,
                    NEW, strerror(errno), confine_shortage(errno));
    if (e == OK)
        return OK;
    if (*in >= 0)
        close(*in);
    if (*out >= 0)
        close(*out);
    *in = *out = -1;
    return e;
}

void keep_close(struct keep *k)
{
    if (k->lock >= 0)
        close(k->lock);
    k->lock = -1;
}

/* ---- moving ------------------------------------------------------------- */

/* Makes FILE.1 free: all before the first gap move, the last one goes. */
static void make_room(const struct keep *k, int folder)
{
    unsigned gap = 1;
    while (gap < k->older && is_there(k, folder, older(k, gap).text))
        gap++;
    for (; gap > 1; gap--)
        move(k, folder, older(k, gap - 1).text, older(k, gap).text);
}

/* A second name for FILE, so that it is there until it is replaced. */
static void keep_old(const struct keep *k, int folder)
{
    struct name first = older(k, 1);
    struct stat a, b;
    if (k->older == 0 || !look(k, folder, k->path, &a))
        return;
    if (look(k, folder, first.text, &b) && same_file(&a, &b))
        return; /* it was interrupted here before */
    make_room(k, folder);
    if (name_too(k, folder, k->path, first.text) != 0 &&
        (errno != EEXIST || unlinkat(folder, last(k, first.text), 0) != 0 ||
         name_too(k, folder, k->path, first.text) != 0))
        log_warn("the state before cannot be kept as %s: %s", first.text,
                 strerror(errno));
}

/* A name that nothing has. */
static struct name aside_name(const struct keep *k, int folder)
{
    char suffix[40], stamp[25];
    struct name n;
    clock_stamp(clock_real(), stamp);
    snprintf(suffix, sizeof(suffix), ".aside-%.19sZ", stamp);
    n = beside(k, suffix);
    for (unsigned i = 2; i < 100 && is_there(k, folder, n.text); i++) {
        snprintf(suffix, sizeof(suffix), ".aside-%.19sZ.%u", stamp, i);
        n = beside(k, suffix);
    }
    return n;
}

/* Where there are no second names, FILE is not there for a moment. */
static enum err put_aside(const struct keep *k, int folder, struct why *why)
{
    struct name aside = aside_name(k, folder);
    if (!is_there(k, folder, k->path))
        return OK;
    if (name_too(k, folder, k->path, aside.text) != 0 &&
        move(k, folder, k->path, aside.text) != 0)
        return why_set(why, ERR_IO,
                       "the one of other code cannot be kept aside as %s: %s",
                       aside.text, strerror(errno));
    log_notice("the state of other code is kept aside as %s", aside.text);
    return OK;
}

/* Without it the names may be the old ones after a loss of power. */
static void sync_folder(const struct keep *k, int folder)
{
    int fd = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool done = fd >= 0 && (fsync(fd) == 0 || errno == EINVAL);
    int failed = errno;
    if (fd >= 0)
        close(fd);
    if (!done)
        log_warn("the folder of the state file %s cannot be synced: %s; a loss "
                 "of power may bring the state before back",
                 k->path, strerror(failed));
}

static enum err check_new(const struct keep *k, int folder, uint64_t claimed,
                          uint64_t *size, struct why *why)
{
    struct name new = beside(k, NEW);
    struct stat st;
    if (!look(k, folder, new.text, &st))
        return why_set(why, ERR_IO, "%s cannot be looked at: %s", new.text,
                       strerror(errno));
    *size = (uint64_t)st.st_size;
    bool ours = k->lock < 0 || is_still(k, folder, new.text, k->lock);
    if (!S_ISREG(st.st_mode) || *size == 0 || !ours)
        return why_set(why, ERR_CORRUPT, "%s is no file with a state in it%s",
                       new.text, claimed != 0 || !ours ? "; " MADE_ANEW : "");
    if (claimed != 0 && claimed != *size)
        return why_set(why, ERR_CORRUPT,
                       "%s has %llu bytes and not the %llu that were written",
                       new.text, (unsigned long long)*size,
                       (unsigned long long)claimed);
    return OK;
}

/* It is the only copy there is, and the next worker would make it anew. */
static enum err rescue(const struct keep *k, int folder, const char *reason,
                       struct why *why)
{
    struct name new = beside(k, NEW), aside = aside_name(k, folder);
    struct why said = {.text = ""};
    snprintf(said.text, sizeof(said.text), "%s", reason);
    bool moved = move(k, folder, new.text, aside.text) == 0;
    if (moved)
        sync_folder(k, folder);
    return why_set(why, ERR_IO,
                   "what was written is whole and kept as %s, as it cannot be "
                   "made %s: %s",
                   moved ? aside.text : new.text, k->path, said.text);
}

enum err keep_commit(const struct keep *k, uint64_t claimed, bool aside,
                     uint64_t *size, struct why *why)
{
    struct why reason = {.text = ""};
    int folder;
    enum err e = open_folder(k, &folder, why);
    if (e != OK)
        return ERR_IO;
    e = check_new(k, folder, claimed, size, why);
    if (e != OK)
        goto out;
    if (aside)
        e = put_aside(k, folder, &reason);
    else
        keep_old(k, folder);
    if (e == OK && move(k, folder, beside(k, NEW).text, k->path) != 0)
        e = why_set(&reason, ERR_IO, "%s", strerror(errno));
    if (e == OK)
        sync_folder(k, folder);
    else
        e = rescue(k, folder, reason.text, why);
out:
    close(folder);
    return e;
}

void keep_discard(const struct keep *k)
{
    struct name new = beside(k, NEW);
    int folder;
    if (open_folder(k, &folder, NULL) != OK)
        return;
    if (k->lock < 0 || is_still(k, folder, new.text, k->lock))
        unlinkat(folder, last(k, new.text), 0);
    close(folder);
}

uint64_t keep_saved_at(const struct keep *k, uint64_t *size)
{
    struct stat st;
    int folder;
    if (open_folder(k, &folder, NULL) != OK)
        return 0;
    bool there = look(k, folder, k->path, &st) && S_ISREG(st.st_mode);
    close(folder);
    if (!there)
        return 0;
    if (size != NULL)
        *size = (uint64_t)st.st_size;
    return (uint64_t)st.st_mtim.tv_sec * NS_PER_S +
           (uint64_t)st.st_mtim.tv_nsec;
}
