/*
 * image_build.c - each step in a child, for what V8 cannot do it answers by
 * ending the process, and a process may load one image only.
 */
#include "engine/image_build.h"

#include "engine/js_files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct image_host image_host_here(const struct native *const *tables)
{
    return (struct image_host){.version = engine_version(),
                               .build = engine_build(),
                               .natives = engine_fingerprint(tables),
                               .js = js_hash};
}

struct task {
    const char *path;
    const struct native *const *tables;
    warm_fn *warm;
};

typedef enum err child_fn(const struct task *task, struct why *why);

/* Runs fn in a child; its status and sentence come back through a pipe. */
static enum err in_child(child_fn *fn, const struct task *task, struct why *why)
{
    struct {
        enum err e;
        struct why why;
    } answer = {ERR_FAIL, {.text = ""}};
    int pipe_fd[2];

    if (pipe(pipe_fd) != 0)
        return why_set(why, ERR_IO, "pipe: %s", strerror(errno));
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        return why_set(why, ERR_IO, "fork: %s", strerror(errno));
    if (pid == 0) {
        answer.e = fn(task, &answer.why);
        ssize_t put = write(pipe_fd[1], &answer, sizeof answer);
        _exit(put == (ssize_t)sizeof answer ? 0 : 1);
    }
    close(pipe_fd[1]);
    ssize_t got = read(pipe_fd[0], &answer, sizeof answer);
    close(pipe_fd[0]);
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (got != (ssize_t)sizeof answer) {
        if (WIFSIGNALED(status))
            return why_set(why, ERR_FAIL, "V8 ended the process by signal %d",
                           WTERMSIG(status));
        return why_set(why, ERR_FAIL, "the child process ended with status %d",
                       WEXITSTATUS(status));
    }
    if (answer.e != OK)
        why_set(why, answer.e, "%s", answer.why.text);
    return answer.e;
}

static enum err build(const struct task *task, struct why *why)
{
    struct engine_setup setup = {.mode = ENGINE_BUILD, .tables = task->tables};
    struct image_host host = image_host_here(task->tables);
    void *payload = NULL;
    size_t n = 0;

    engine_start(&setup);
    enum err e = engine_snapshot(task->warm, &payload, &n, why);
    if (e == OK)
        e = image_write(task->path, IMAGE_API, &host, payload, n, why);
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

static enum err try(const struct task *task, struct why *why)
{
    struct engine_setup setup = {.mode = ENGINE_RESIDENT,
                                 .tables = task->tables};
    struct engine_limits limits = {0};
    struct image_host host = image_host_here(task->tables);
    struct loader loader = {.load = tiny_load};
    struct image image;
    struct engine *engine;
    struct realm *realm;
    struct report rep;

    enum err e = image_open_file(task->path, &host, &image, why);
    if (e != OK)
        return e;
    engine_start(&setup);
    report_init(&rep);
    if ((e = engine_new(&image, &limits, &engine)) == OK &&
        (e = realm_new(engine, NULL, &realm)) == OK)
        e = realm_load(realm, &loader, "/self-test.js", &rep);
    if (e == OK && realm_state(realm, &rep) != REALM_READY)
        e = ERR_SCRIPT;
    if (e != OK)
        why_set(why, e, "the self-test failed: %s", buf_str(&rep.head));
    return e;
}

enum err image_try(const char *path, const struct native *const *tables,
                   struct why *why)
{
    const struct task task = {.path = path, .tables = tables};
    return in_child(try, &task, why);
}

enum err image_build_api(const char *path, const struct native *const *tables,
                         warm_fn *warm, struct why *why)
{
    char temporary[4096];

    if ((size_t)snprintf(temporary, sizeof temporary, "%s.new", path) >=
        sizeof temporary)
        return why_set(why, ERR_TOOBIG, "the path is too long");
    const struct task task = {
        .path = temporary, .tables = tables, .warm = warm};
    enum err e = in_child(build, &task, why);
    if (e == OK)
        e = in_child(try, &task, why);
    if (e == OK && rename(temporary, path) != 0)
        e = why_set(why, ERR_IO, "%s: %s", path, strerror(errno));
    if (e != OK)
        unlink(temporary);
    return e;
}
