/*
 * image_cache.c - see image_cache.h.
 */
#include "serve/image_cache.h"

#include "base/log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define UNUSED_DAYS 7
#define PROGRAM_N 8                 /* digits of the program */
#define STEM_N (PROGRAM_N + 1 + 16) /* and a hyphen, and all the rest */
#define NAME_MAX_N (STEM_N + 16)

struct cache {
    const char *path; /* of the folder, for sentences */
    const char *own;  /* the name of the image that is used now */
    const char *app;  /* its application */
    int dir;
};

/* What follows the stem of a name of ours; NULL: it is none. */
static const char *suffix_of(const char *name)
{
    static const char digits[] = "0123456789abcdef";
    if (strspn(name, digits) != PROGRAM_N || name[PROGRAM_N] != '-' ||
        strspn(name + PROGRAM_N + 1, digits) != STEM_N - PROGRAM_N - 1)
        return NULL;
    return name + STEM_N;
}

/* The name of the same stem. */
static void beside(const char *name, const char *suffix, char out[NAME_MAX_N])
{
    snprintf(out, NAME_MAX_N, "%.*s%s", STEM_N, name, suffix);
}

static bool is_unused(const struct cache *c, const char *name, mode_t type)
{
    struct stat st;
    if (fstatat(c->dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
        (st.st_mode & S_IFMT) != type || st.st_uid != geteuid())
        return false;
    time_t used = st.st_atime > st.st_mtime ? st.st_atime : st.st_mtime;
    return used < time(NULL) - UNUSED_DAYS * 24 * 60 * 60;
}

static bool take_away(const struct cache *c, const char *name, const char *why)
{
    if (unlinkat(c->dir, name, 0) != 0) {
        if (errno != ENOENT) /* another maker was faster */
            log_info("%s/%s cannot be removed: %s", c->path, name,
                     strerror(errno));
        return false;
    }
    log_info("%s/%s is removed: nobody has used it for %d days, and %s",
             c->path, name, UNUSED_DAYS, why);
    return true;
}

/* The application, by the link; false when nobody knows. */
static bool app_of(const struct cache *c, const char *name, char app[PATH_MAX])
{
    char link[NAME_MAX_N];
    beside(name, ".img.app", link);
    ssize_t n = readlinkat(c->dir, link, app, PATH_MAX - 1);
    if (n > 0)
        app[n] = '\0';
    return n > 0;
}

/* False where nobody can tell from here: a link on the way may lead elsewhere
 * in another root. */
static bool is_gone(const char *path)
{
    char part[PATH_MAX];
    struct stat st;
    for (const char *s = strchr(path + 1, '/'); s != NULL;
         s = strchr(s + 1, '/')) {
        snprintf(part, sizeof(part), "%.*s", (int)(s - path), path);
        if (lstat(part, &st) == 0 && S_ISLNK(st.st_mode))
            return false;
    }
    return lstat(path, &st) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

static void look_at_image(const struct cache *c, const char *name)
{
    char app[PATH_MAX], link[NAME_MAX_N], why[PATH_MAX + 64];
    bool known = app_of(c, name, app);
    if (strcmp(name, c->own) == 0 || !is_unused(c, name, S_IFREG))
        return;
    if (strncmp(name, c->own, PROGRAM_N) != 0)
        snprintf(why, sizeof(why), "another build of snapcgi has made it");
    else if (known && is_gone(app))
        snprintf(why, sizeof(why), "its application %s is gone", app);
    else if (known && strcmp(app, c->app) == 0)
        snprintf(why, sizeof(why), "%s is used with other settings", app);
    else
        return;
    beside(name, ".img.app", link);
    if (take_away(c, name, why))
        unlinkat(c->dir, link, 0);
}

/* A maker that lives has it locked. */
static void look_at_new(const struct cache *c, const char *name)
{
    int fd = -1;
    if (is_unused(c, name, S_IFREG))
        fd = openat(c->dir, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        take_away(c, name, "it was never finished");
    close(fd);
}

static void look_at_link(const struct cache *c, const char *name)
{
    char image[NAME_MAX_N];
    beside(name, ".img", image);
    if (is_unused(c, name, S_IFLNK) && faccessat(c->dir, image, F_OK, 0) != 0)
        unlinkat(c->dir, name, 0);
}

static void tidy(const struct cache *c, DIR *d)
{
    const struct dirent *e;
    while ((e = readdir(d)) != NULL) {
        const char *suffix = suffix_of(e->d_name);
        if (suffix == NULL)
            continue;
        if (strcmp(suffix, ".img") == 0)
            look_at_image(c, e->d_name);
        else if (strcmp(suffix, ".img.new") == 0)
            look_at_new(c, e->d_name);
        else if (strcmp(suffix, ".img.app") == 0)
            look_at_link(c, e->d_name);
    }
}

void image_cache_tend(const char *path, const char *app)
{
    char folder[PATH_MAX], link[NAME_MAX_N];
    const char *own = strrchr(path, '/') + 1;
    snprintf(folder, sizeof(folder), "%.*s", (int)(own - path - 1), path);
    DIR *d = opendir(folder);
    if (d == NULL)
        return; /* who makes an image there says why */
    struct cache c = {.path = folder, .own = own, .app = app, .dir = dirfd(d)};
    beside(own, ".img.app", link);
    if (symlinkat(app, c.dir, link) != 0 && errno != EEXIST)
        log_info("%s/%s, a link to its application, cannot be made: %s; the "
                 "image will not go with it",
                 folder, link, strerror(errno));
    tidy(&c, d);
    closedir(d);
}
