/*
 * image_build.c - each step in a child, for what V8 cannot do it answers by
 * ending the process, and a process may load one image only.
 */
#include "engine/image_build.h"

#include "base/clock.h"
#include "base/task.h"
#include "engine/js_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TRY_NS (120 * NS_PER_S) /* for one of this size, that is hung */

struct image_host image_host_here(const struct native *const *tables)
{
    return (struct image_host){.version = engine_version(),
                               .build = engine_build(),
                               .natives = engine_fingerprint(tables),
                               .js = js_hash,
                               .flags = engine_flags()};
}

struct build {
    const char *path;
    const struct native *const *tables;
    warm_fn *warm;
    const struct image *image; /* to try; NULL: the file at path */
};

static enum err build(void *arg, struct why *why)
{
    const struct build *b = arg;
    struct engine_setup setup = {.mode = ENGINE_BUILD, .tables = b->tables};
    void *payload = NULL;
    size_t n = 0;

    engine_start(&setup);
    enum err e = engine_snapshot(b->warm, &payload, &n, why);
    const struct image_part part = {.section = SECTION_SNAPSHOT,
                                    .bytes = {payload, n}};
    const struct image_plan plan = {.kind = IMAGE_API,
                                    .host = image_host_here(b->tables),
                                    .parts = &part,
                                    .count = 1,
                                    .mode = 0644};
    if (e == OK)
        e = image_write(b->path, &plan, why);
    free(payload);
    return e;
}

static enum err tiny_load(void *arg, const char *specifier,
                          const char *referrer, struct source *out,
                          struct why *why)
{
    static const char text[] =
        "export default { fetch() { return new Response(\"ok\"); } };\n";
    (void)arg;
    (void)referrer;
    (void)why;
    *out = (struct source){.text = xstrdup(text),
                           .n = sizeof text - 1,
                           .path = xstrdup(specifier)};
    return OK;
}

/* Of an image that somebody else made, V8's last words explain nothing. */
static void be_quiet(void)
{
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (fd >= 0)
        dup2(fd, STDERR_FILENO);
}

static enum err try(void *arg, struct why *why)
{
    const struct build *b = arg;
    struct engine_setup setup = {.mode = ENGINE_RESIDENT, .tables = b->tables};
    struct engine_limits limits = {0};
    struct image_host host = image_host_here(b->tables);
    struct loader loader = {.load = tiny_load};
    struct image file;
    struct engine *engine;
    struct realm *realm;
    struct report rep;
    enum err e;

    if (b->image == NULL &&
        (e = image_open_file(b->path, IMAGE_COPY, &host, &file, why)) != OK)
        return e;
    if (b->image != NULL)
        be_quiet();
    engine_start(&setup);
    report_init(&rep);
    if ((e = engine_new(b->image != NULL ? b->image : &file, &limits,
                        &engine)) == OK &&
        (e = realm_new(engine, NULL, &realm)) == OK)
        e = realm_load(realm, &loader, "/self-test.js", &rep);
    if (e == OK && realm_state(realm, &rep) != REALM_READY)
        e = ERR_SCRIPT;
    if (e != OK)
        why_set(why, e, "the self-test failed: %s", buf_str(&rep.head));
    return e;
}

enum err image_try(const struct image *image,
                   const struct native *const *tables, struct why *why)
{
    struct build b = {.tables = tables, .image = image};
    return task_run(try, &b, TRY_NS, NULL, why);
}

enum err image_build_api(const char *path, const struct native *const *tables,
                         warm_fn *warm, struct why *why)
{
    char temporary[4096];

    if ((size_t)snprintf(temporary, sizeof temporary, "%s.new", path) >=
        sizeof temporary)
        return why_set(why, ERR_TOOBIG, "the path is too long");
    struct build b = {.path = temporary, .tables = tables, .warm = warm};
    enum err e = task_run(build, &b, 0, NULL, why);
    if (e == OK)
        e = task_run(try, &b, TRY_NS, NULL, why);
    if (e == OK && rename(temporary, path) != 0)
        e = why_set(why, ERR_IO, "%s: %s", path, strerror(errno));
    if (e != OK)
        unlink(temporary);
    return e;
}
