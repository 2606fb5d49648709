/*
 * image_auto.c - see image_auto.h.
 */
#include "serve/image_auto.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/task.h"
#include "bind/host.h"
#include "bind/libcrypto.h"
#include "engine/image_build.h"
#include "serve/confine.h"
#include "serve/image_cache.h"
#include "serve/image_choose.h"
#include "serve/image_make.h"
#include "serve/image_sources.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOOK_NS (10 * NS_PER_S) /* to compare the sources */
#define WARM_MAX 64
#define RECENT_S 2 /* workers may have started before it was there */

struct auto_job {
    const struct pool_config *config;
    const struct identity *identity;
    int fd; /* the image's, there or to be */
};

/* ---- in a child ---------------------------------------------------------- */

static enum err step_down_as(const struct auto_job *job,
                             const struct pool_config *config, int fd,
                             struct why *why)
{
    const int keep[] = {fd, task_fd(), log_fd() >= 0 ? log_fd() : -1, -1};
    return confine(config, job->identity, keep, why);
}

static enum err step_down(void *arg, struct why *why)
{
    const struct auto_job *job = arg;
    libcrypto_load(why); /* a root of its own may not hold it */
    return step_down_as(job, job->config, job->fd, why);
}

/* A filter of system calls would not let esbuild start, nor would a limit of
 * memory; in a chroot it is hardly to be found. */
static enum err step_down_exec(void *arg, int fd, struct why *why)
{
    const struct auto_job *job = arg;
    struct pool_config config = *job->config;
    char keep_env[512];
    config.seccomp = SECCOMP_OFF;
    config.rlimit_as = 0;
    snprintf(keep_env, sizeof(keep_env), "PATH SNAPCGI_ESBUILD TMPDIR %s",
             config.keep_env != NULL ? config.keep_env : "");
    config.keep_env = keep_env;
    return step_down_as(job, &config, fd, why);
}

/* As its workers would see it, and by what is in the files. */
static enum err compare(void *arg, struct why *why)
{
    const struct auto_job *job = arg;
    struct image_host host = image_host_here(natives);
    struct image image;
    struct slice sources;
    char real[PATH_MAX];
    enum err e = step_down(arg, why);
    const char *app =
        realpath(job->config->app, real) != NULL ? real : job->config->app;
    if (e == OK)
        e = image_open_fd(job->fd, "it", IMAGE_COPY, &host, &image, why);
    if (e == OK)
        e = image_of_app(&image, "it", app, why);
    if (e == OK)
        e = image_section(&image, SECTION_SOURCES, &sources, why);
    if (e == OK)
        e = image_sources_current(sources, why);
    return e == OK ? image_sources_unchanged(sources, true, why) : e;
}

/* ---- the files ------------------------------------------------------------
 */

/* began: when it was first asked for, in seconds since 1970. */
static bool is_current(struct auto_job *job, const char *path, time_t began,
                       enum image_auto *how)
{
    struct why why = {.text = ""};
    struct stat st, other;
    job->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (job->fd < 0)
        return false;
    /* Used: nobody takes it away as one that is not (image_cache.h). */
    const struct timespec now[2] = {{.tv_nsec = UTIME_NOW},
                                    {.tv_nsec = UTIME_OMIT}};
    bool known = fstat(job->fd, &st) == 0;
    bool recent = known && st.st_ctim.tv_sec >= began - RECENT_S;
    futimens(job->fd, now);
    enum err e = task_run(compare, job, LOOK_NS, NULL, &why);
    bool there = known && stat(path, &other) == 0 && other.st_ino == st.st_ino;
    close(job->fd);
    *how = recent ? IMAGE_AUTO_NEW : IMAGE_AUTO_SAME;
    if (e != OK)
        log_info("the image %s is made anew: %s", path, why.text);
    return e == OK && there;
}

static enum err make_folder(const char *path, struct why *why)
{
    struct stat st;
    if (mkdir(path, 0755) != 0 && errno != EEXIST)
        return why_set(why, ERR_IO,
                       "image_cache = %s: the folder cannot be made: %s", path,
                       strerror(errno));
    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
        return why_set(why, ERR_IO, "image_cache = %s: this is no folder",
                       path);
    if ((st.st_uid != 0 && st.st_uid != geteuid()) || (st.st_mode & 022) != 0)
        return why_set(why, ERR_ACCESS,
                       "image_cache = %s: others than root can write there "
                       "(owner %lu, mode %04o), and an image is native code",
                       path, (unsigned long)st.st_uid,
                       (unsigned)st.st_mode & 07777);
    return OK;
}

/* One maker at a time, and the next looks at what the first has made: ERR_BUSY.
 * What one that was killed has left is written over. */
static enum err open_new(const char *path, char *name, size_t n, int *fd,
                         struct why *why)
{
    struct stat ours, there;
    if ((size_t)snprintf(name, n, "%s.new", path) >= n)
        return why_set(why, ERR_TOOBIG, "image_cache is too long");
    *fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*fd < 0)
        return why_set(why, ERR_IO, "%s: %s", name, strerror(errno));
    bool held = flock(*fd, LOCK_EX) == 0 && fstat(*fd, &ours) == 0;
    /* Who had it has renamed it meanwhile, or taken it away. */
    if (held && (stat(name, &there) != 0 || ours.st_ino != there.st_ino)) {
        close(*fd);
        return ERR_BUSY;
    }
    if (held && ftruncate(*fd, 0) == 0)
        return OK;
    enum err e = why_set(why, ERR_IO, "%s: %s", name, strerror(errno));
    close(*fd);
    return e;
}

/* ---- all of it ------------------------------------------------------------
 */

/* Words of a text, which is changed. */
static size_t split(char *text, const char *out[static WARM_MAX])
{
    size_t count = 0;
    char *rest;
    for (char *w = strtok_r(text, " \t", &rest); w != NULL && count < WARM_MAX;
         w = strtok_r(NULL, " \t", &rest))
        out[count++] = w;
    return count;
}

static enum err make(struct auto_job *job, const char *path,
                     const struct image *base, struct image_made *made,
                     struct why *why)
{
    const struct pool_config *c = job->config;
    const char *warm[WARM_MAX];
    char name[PATH_MAX];
    char *words = xstrdup(c->image_warm != NULL ? c->image_warm : "");
    struct image_order order = {.app = c->app,
                                .root = c->root,
                                .base = base,
                                .config = c,
                                .warm = warm,
                                .warm_count = split(words, warm),
                                .timeout = c->image_timeout,
                                .prepare = step_down,
                                .prepare_exec = step_down_exec,
                                .arg = job};
    *made = (struct image_made){.bytes = 0};
    enum err e = open_new(path, name, sizeof(name), &job->fd, why);
    if (e == OK) {
        order.out_fd = job->fd;
        e = image_make(&order, made, why);
        if (e == OK &&
            (fchmod(job->fd, made->mode) != 0 || rename(name, path) != 0))
            e = why_set(why, ERR_IO, "%s: %s", path, strerror(errno));
        if (e != OK)
            unlink(name);
        close(job->fd); /* and the lock: under that name it is nobody's */
    }
    free(words);
    return e;
}

enum image_auto image_auto(const struct pool_config *config,
                           const struct identity *identity,
                           const struct image *base)
{
    struct auto_job job = {.config = config, .identity = identity, .fd = -1};
    struct image_made made;
    struct why why = {.text = ""};
    char app[PATH_MAX], path[PATH_MAX];
    uint64_t began = clock_mono();
    time_t asked = time(NULL);
    enum image_auto how;
    if (!image_app_path(config, app) ||
        !image_cache_path(config, app, path, sizeof(path))) {
        log_error("no image is made: a path is too long");
        return IMAGE_AUTO_NONE;
    }
    enum err e = make_folder(config->image_cache, &why);
    if (e == OK) {
        bool current;
        do {
            current = is_current(&job, path, asked, &how);
            e = current ? OK : make(&job, path, base, &made, &why);
        } while (e == ERR_BUSY);
        image_cache_tend(path, app);
        if (current)
            return how;
        if (e != OK)
            log_warn("no image of %s can be made, %s: %s", config->app,
                     config_app_needs_image(config->app)
                         ? "without which it cannot run"
                         : "its source is used",
                     why.text);
        log_lines(LOG_WARN, buf_view(&made.warnings));
        buf_free(&made.warnings);
    } else {
        log_error("no image is made: %s", why.text);
    }
    if (e != OK)
        return e == ERR_ABORTED ? IMAGE_AUTO_KILLED : IMAGE_AUTO_NONE;
    log_notice("the image %s of %s was made: %llu bytes, in %llu ms", path,
               config->app, (unsigned long long)made.bytes,
               (unsigned long long)((clock_mono() - began) / NS_PER_MS));
    return IMAGE_AUTO_NEW;
}
