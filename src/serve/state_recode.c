/*
 * state_recode.c - see state_recode.h.
 */
#include "serve/state_recode.h"

#include "serve/state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIMIT (UINT64_C(64) << 30) /* bytes, as of state_limit */

struct recode {
    const char *path;
    char name[PATH_MAX]; /* of the new file */
    struct stat st;
    struct state_key key, new_key;
    void *bytes;
    size_t n;
};

static enum err read_old(struct recode *r, const char *key, struct why *why)
{
    struct image image;
    struct why inner = {.text = ""};
    enum err e = key != NULL ? state_key_read(key, &r->key, why) : OK;
    if (e != OK)
        return e;
    int fd = open(r->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &r->st) != 0)
        e = why_set(why, errno == ENOENT ? ERR_NOTFOUND : ERR_IO, "%s: %s",
                    r->path, strerror(errno));
    else
        e = state_file_read(fd, r->path, key != NULL ? &r->key : NULL, LIMIT,
                            &r->bytes, &r->n, why);
    if (fd >= 0)
        close(fd);
    if (e == OK && (e = image_open(r->bytes, r->n, NULL, &image, &inner)) != OK)
        why_set(why, e, "%s: %.400s", r->path, inner.text);
    if (e == OK && image.kind != IMAGE_STATE)
        e = why_set(why, ERR_MISMATCH, "%s is an image of kind %s, not a state",
                    r->path, image_kind_name(image.kind));
    return e;
}

static enum err write_new(struct recode *r, const struct state_form *form,
                          uint64_t *bytes, struct why *why)
{
    const struct slice whole = {r->bytes, r->n};
    struct stat now;
    enum err e = ERR_IO;
    unlink(r->name);
    int fd = open(r->name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return why_set(why, e, "%s: %s", r->name, strerror(errno));
    e = state_file_write(fd, r->name, &whole, 1, form, bytes, why);
    if (e == OK && (fchown(fd, r->st.st_uid, r->st.st_gid) != 0 ||
                    fchmod(fd, r->st.st_mode & 0777) != 0))
        e = why_set(why, ERR_IO, "%s: %s", r->name, strerror(errno));
    close(fd);
    if (e == OK && (stat(r->path, &now) != 0 || now.st_ino != r->st.st_ino))
        e = why_set(why, ERR_BUSY,
                    "%s was saved meanwhile: pause its pool first (snapcgi "
                    "ctl pause)",
                    r->path);
    if (e == OK && rename(r->name, r->path) != 0)
        e = why_set(why, ERR_IO, "%s: %s", r->path, strerror(errno));
    if (e != OK)
        unlink(r->name);
    return e;
}

enum err state_recode(const char *path, const char *key, const char *new_key,
                      bool compress, uint64_t *bytes, struct why *why)
{
    struct recode r = {.path = path};
    enum err e = OK;
    if ((size_t)snprintf(r.name, sizeof(r.name), "%s.recode", path) >=
        sizeof(r.name))
        return why_set(why, ERR_TOOBIG, "the path is too long");
    if (new_key != NULL)
        e = state_key_read(new_key, &r.new_key, why);
    struct state_form form = {.compress = compress,
                              .key = new_key != NULL ? &r.new_key : NULL};
    if (e == OK)
        e = read_old(&r, key, why);
    if (e == OK)
        e = write_new(&r, &form, bytes, why);
    state_file_free(r.bytes, r.n);
    state_key_wipe(&r.key);
    state_key_wipe(&r.new_key);
    return e;
}
