/*
 * image_choose.c - see image_choose.h.
 */
#include "serve/image_choose.h"

#include "base/hash.h"
#include "base/log.h"
#include "base/real.h"
#include "bind/host.h"
#include "engine/image_build.h"
#include "serve/image_guard.h"
#include "serve/image_sources.h"
#include "serve/image_trust.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_word(const struct pool_config *c, const char *word)
{
    return strcmp(c->image, word) == 0;
}

static bool open_place(struct image_place *at)
{
    at->fd = open(at->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    return at->fd >= 0;
}

bool image_beside(const char *app, char out[static PATH_MAX])
{
    const char *slash = strrchr(app, '/');
    const char *base = slash != NULL ? slash + 1 : app;
    const char *dot = strrchr(base, '.');
    size_t n = dot != NULL && dot > base ? (size_t)(dot - app) : strlen(app);
    if (n + sizeof(".img") > PATH_MAX)
        return false;
    memcpy(out, app, n);
    memcpy(out + n, ".img", sizeof(".img"));
    return true;
}

static void mix_word(uint64_t *h, const char *word)
{
    hash_add(h, word != NULL ? word : "", word != NULL ? strlen(word) + 1 : 1);
}

bool image_app_path(const struct pool_config *c, char out[static PATH_MAX])
{
    if (c->app == NULL)
        return false;
    if (c->chroot == NULL && realpath(c->app, out) != NULL)
        return true;
    int n = snprintf(out, PATH_MAX, "%s%s", c->chroot != NULL ? c->chroot : "",
                     c->app);
    return n > 0 && n < PATH_MAX;
}

bool image_cache_path(const struct pool_config *c, const char *app, char *out,
                      size_t n)
{
    struct image_host host = image_host_here(natives);
    const uint64_t program[] = {host.build, host.natives, host.js, host.flags};
    uint64_t h = HASH_START; /* a name: what it stands for is in the file */
    hash_add(&h, host.version, strlen(host.version) + 1);
    hash_add(&h, program, sizeof(program));
    uint32_t by = (uint32_t)(h >> 32); /* see image_cache.h */
    mix_word(&h, c->chroot);
    mix_word(&h, app);
    /* What answered a request may have kept what the pool gave it. */
    for (size_t i = 0; c->image_warm != NULL && c->env[i] != NULL; i++)
        mix_word(&h, c->env[i]);
    if (c->image_warm != NULL) {
        mix_word(&h, c->image_warm);
        mix_word(&h, c->user);
        mix_word(&h, c->group);
    }
    int wrote = snprintf(out, n, "%s/%08" PRIx32 "-%016" PRIx64 ".img",
                         c->image_cache, by, h);
    return wrote > 0 && (size_t)wrote < n;
}

static bool open_cached(const struct pool_config *c, const char *app,
                        struct image_place *out)
{
    return image_cache_path(c, app, out->path, sizeof(out->path)) &&
           open_place(out);
}

static bool open_beside(const char *app, bool careful, struct image_place *out)
{
    if (!image_beside(app, out->path))
        return false;
    if (careful)
        out->fd = real_open(out->path);
    else
        open_place(out);
    if (out->fd < 0 && errno != ENOENT && errno != ENOTDIR)
        log_warn("the source is used, not the image: %s: %s", out->path,
                 errno == ELOOP ? "a link is not followed" : strerror(errno));
    return out->fd >= 0;
}

void image_find(const struct pool_config *c, const char *app, bool careful,
                struct image_place *out)
{
    *out = (struct image_place){.fd = -1};
    if (is_word(c, "off"))
        return;
    out->given = !is_word(c, "auto") && !is_word(c, "beside");
    if (out->given) {
        snprintf(out->path, sizeof(out->path), "%s", c->image);
        if (!open_place(out))
            log_error("the image %s is not used, the source is: %s", out->path,
                      strerror(errno));
        return;
    }
    bool cached = is_word(c, "auto");
    /* A pool's own is the newer one; by CGI the one that was put there is. */
    if (cached && careful && open_cached(c, app, out))
        return;
    if (!open_beside(app, careful, out) && cached && !careful)
        open_cached(c, app, out);
}

void image_place_close(struct image_place *at)
{
    if (at->fd >= 0)
        close(at->fd);
    at->fd = -1;
}

/* An image is native code to who loads it: not of anybody's making. */
static enum err check_owner(const struct image_place *at, struct why *why)
{
    struct stat st;
    if (fstat(at->fd, &st) != 0)
        return why_set(why, ERR_IO, "%s: %s", at->path, strerror(errno));
    if ((st.st_mode & 022) != 0)
        return why_set(why, ERR_ACCESS,
                       "%s may be written by others than its owner (mode "
                       "%04o): chmod go-w, or have it signed and set image_key",
                       at->path, (unsigned)st.st_mode & 07777);
    if (st.st_uid != 0 && st.st_uid != geteuid())
        return why_set(why, ERR_ACCESS,
                       "%s belongs to user %lu, neither to root nor to user "
                       "%lu, who is to run it: chown it, or have it signed and "
                       "set image_key",
                       at->path, (unsigned long)st.st_uid,
                       (unsigned long)geteuid());
    return OK;
}

enum err image_of_app(const struct image *img, const char *path,
                      const char *app, struct why *why)
{
    struct slice text;
    struct image_sources s;
    struct image_source first;
    if (img->kind != IMAGE_APP)
        return why_set(why, ERR_MISMATCH, "%s is an image of kind %s", path,
                       image_kind_name(img->kind));
    enum err e = image_section(img, SECTION_SOURCES, &text, why);
    if (e == OK)
        e = image_sources_open(&s, text, NULL, why);
    if (e == OK)
        e = image_sources_next(&s, &first, why);
    if (e == OK && strcmp(first.path, app) != 0)
        e = why_set(why, ERR_MISMATCH,
                    "%s is an image of %.200s, not of %.200s", path, first.path,
                    app);
    return e;
}

enum err image_take(struct image_place *at, const struct pool_config *c,
                    const char *app, enum image_hold hold, struct image *img,
                    struct why *why)
{
    struct image_host host = image_host_here(natives);
    struct why inner = {.text = ""};
    enum err e = OK;
    if (c->image_key == NULL && !at->given)
        e = check_owner(at, why);
    if (e == OK)
        e = image_open_fd(at->fd, at->path, hold, &host, img, why);
    image_place_close(at);
    if (e != OK)
        return e;
    if (c->image_key != NULL)
        e = image_trust_require(img, c->image_key, &inner);
    if (e != OK)
        why_set(why, e, "%s: %s", at->path, inner.text);
    else
        e = image_of_app(img, at->path, app, why);
    if (e != OK)
        image_close(img);
    return e;
}

const struct image *image_choose(void *choice, const char *path,
                                 struct slice *sources)
{
    struct image_choice *c = choice;
    struct slice text;
    struct why why;
    char real[PATH_MAX];
    const char *app = realpath(path, real) != NULL ? real : path;
    if (c->place.path[0] == '\0')
        image_find(c->config, app, false, &c->place);
    if (c->place.fd < 0)
        return NULL;
    if (c->hold == IMAGE_MAP && !image_guard(c->place.fd)) {
        log_warn("the source is used, not the image: %s was written to while "
                 "it was read; put the next one in its place by mv, not by cp",
                 c->place.path);
        image_place_close(&c->place);
        return NULL;
    }
    bool given = c->place.given;
    enum err e =
        image_take(&c->place, c->config, app, c->hold, &c->image, &why);
    if (e != OK) {
        log_warn("the source is used, not the image: %s", why.text);
        return NULL;
    }
    if (given)
        return &c->image;
    if (image_section(&c->image, SECTION_SOURCES, &text, &why) == OK &&
        image_sources_current(text, &why) == OK) {
        *sources = text;
        return &c->image;
    }
    /* By CGI it would be a line for each request. */
    log_at(config_app_needs_image(app) ? LOG_WARN
           : c->hold == IMAGE_COPY     ? LOG_NOTICE
                                       : LOG_INFO,
           "the source is used, not the image %s: %s", c->place.path, why.text);
    image_close(&c->image);
    return NULL;
}
