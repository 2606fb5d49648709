/*
 * image_bundle.c - what esbuild is asked for, and what becomes of it.
 */
#include "serve/image_bundle.h"

#include "base/clock.h"
#include "base/io.h"
#include "engine/engine.h"
#include "serve/image_bundle_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_MAX (16 * 1024)            /* bytes of what esbuild says */
#define FILES_MAX (32u * 1024 * 1024)    /* bytes of its list of files */
#define ARGUMENT_MAX (4 * PATH_MAX + 64) /* a path, each byte as %XX */

/*
 * The script is one expression, whose value is what the application exports:
 * a namespace, nothing at all, or what CommonJS exports, which is the default
 * then as in an import of it. A function of its own keeps everything out of
 * the global scope; modules are strict, and their `this` is undefined.
 */
#define BANNER "--banner:js=(function () { \"use strict\";"
#define FOOTER                                                                 \
    "--footer:js=return snapcgi_bundle === undefined || "                      \
    "snapcgi_bundle?.__esModule ? snapcgi_bundle : "                           \
    "{ default: snapcgi_bundle }; })();"

struct work {
    char app[PATH_MAX];    /* its real path */
    char folder[PATH_MAX]; /* where that is */
    char temp[PATH_MAX];   /* our own, "" before it is made */
    char *name;            /* in app: the last part */
    struct buf path;       /* PATH= */
    struct buf said;
    struct bundle_run run;
};

/* ---- files --------------------------------------------------------------- */

static const char *temp_file(const struct work *w, const char *name,
                             char path[static PATH_MAX])
{
    int n = snprintf(path, PATH_MAX, "%s/%s", w->temp, name);
    must(n > 0 && n < PATH_MAX);
    return path;
}

static enum err temp_make(struct work *w, struct why *why)
{
    const char *root = getenv("TMPDIR");
    if (root == NULL || *root != '/' || strlen(root) > PATH_MAX - 64)
        root = "/tmp";
    snprintf(w->temp, sizeof(w->temp), "%s/snapcgi-bundle-XXXXXX", root);
    if (mkdtemp(w->temp) != NULL)
        return OK;
    w->temp[0] = '\0';
    return why_set(why, ERR_IO, "cannot make a folder in %.300s: %s", root,
                   strerror(errno));
}

static int drop(const char *path, const struct stat *st, int type,
                struct FTW *at)
{
    (void)st, (void)type, (void)at;
    remove(path);
    return 0;
}

static enum err read_file(const char *path, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    enum err e = fd >= 0 ? io_read_all(fd, out) : ERR_IO;
    if (fd >= 0)
        close(fd);
    return e;
}

/* ---- one run of esbuild -------------------------------------------------- */

/* The same as the engine's import.meta.url. */
static void put_url(const char *path, struct buf *out)
{
    buf_puts(out, "file://");
    for (; *path != '\0'; path++) {
        if (ascii_alpha(*path) || ascii_digit(*path) ||
            strchr("-._~/!$&'()*+,;=:@", *path) != NULL)
            buf_putc(out, *path);
        else
            buf_printf(out, "%%%02X", (unsigned char)*path);
    }
}

/*
 * platform and conditions: a package that has several builds should give the
 * one for a runtime with the web's interfaces and no document. That is "worker"
 * where it has one; else "browser", as what it has besides is for Node.js, and
 * so do other such runtimes. "module" is a default that conditions replace;
 * "import" and "require" stay, by how a package is asked for.
 *
 * NODE_ENV: there is no process here, and it selects the smaller half.
 * target: what both V8s know. name: "m=" since a name may have a "=".
 *
 * Not keep-names: it adds a call for each function, each time one is made.
 */
static enum err ask(struct work *w, bool module, int *status, struct why *why)
{
    char path[2][PATH_MAX];
    char name[PATH_MAX], outfile[PATH_MAX + 32], metafile[PATH_MAX + 32];
    char tmpdir[PATH_MAX + 32];
    struct buf url;
    snprintf(name, sizeof(name), "m=./%.4000s", w->name);
    snprintf(outfile, sizeof(outfile), "--outfile=%s",
             temp_file(w, "out.js", path[0]));
    snprintf(metafile, sizeof(metafile), "--metafile=%s",
             temp_file(w, "files.json", path[1]));
    snprintf(tmpdir, sizeof(tmpdir), "TMPDIR=%s", w->temp);
    buf_init(&url, ARGUMENT_MAX);
    buf_puts(&url, "--define:import.meta.url=\"");
    put_url(w->app, &url);
    buf_puts(&url, "\"");
    const char *const argv[] = {
        "esbuild", name, outfile, metafile, buf_str(&url), "--bundle",
        "--platform=browser", "--conditions=worker,module",
        "--define:process.env.NODE_ENV=\"production\"", "--target=es2022",
        "--charset=utf8", "--color=false", "--log-level=warning",
        "--log-limit=10", module ? "--format=esm" : "--format=iife",
        /* An ES module needs none of these. */
        module ? NULL : "--global-name=snapcgi_bundle", BANNER, FOOTER, NULL};
    const char *const envp[] = {buf_str(&w->path), "HOME=/nonexistent", tmpdir,
                                NULL};
    w->run.argv = argv;
    w->run.envp = envp;
    w->run.folder = w->folder;
    buf_clear(&w->said);
    enum err e = image_bundle_run(&w->run, &w->said, status, why);
    buf_free(&url);
    return e;
}

/* It failed and has no message about the code. */
static enum err broke_down(const struct work *w, int status, struct why *why)
{
    struct slice s = buf_view(&w->said);
    size_t n = slice_find(s, '\n');
    if (n > 0)
        return why_set(why, ERR_FAIL, "%.200s failed: %.*s", w->run.program,
                       (int)(n < 250 ? n : 250), s.p);
    return why_set(why, ERR_FAIL, "%.200s ended with %s %d and said nothing",
                   w->run.program, WIFSIGNALED(status) ? "signal" : "status",
                   WIFSIGNALED(status) ? WTERMSIG(status)
                                       : WEXITSTATUS(status));
}

/* A line with the note's place in it; true when it is of top-level await. */
static bool put_note(const struct work *w, const struct bundle_note *note,
                     struct buf *line)
{
    struct slice words = note->words;
    bool await = note->error && slice_starts(words, "Top-level await") &&
                 memmem(words.p, words.n, "\"iife\"", 6) != NULL;
    struct bundle_note own = *note;
    buf_clear(line);
    if (await)
        own.words = SLICE("a module with top-level await cannot be kept in "
                          "an image by V8 ");
    image_bundle_line(&own, w->folder, line);
    if (await)
        buf_puts(line, engine_version());
    return await;
}

/*
 * The first error's line becomes why, all others' go to warnings. *await: the
 * one thing that is wrong may be that it is to be a script.
 */
static enum err judge(const struct work *w, int status, bool *await,
                      struct buf *warnings, struct why *why)
{
    bool good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    struct slice rest = buf_view(&w->said);
    struct bundle_note note;
    struct buf line;
    enum err e = OK;
    buf_init(&line, WORDS_MAX);
    while (image_bundle_note(&rest, &note)) {
        if (put_note(w, &note, &line))
            *await = true;
        if (note.error && e == OK)
            e = why_set(why, ERR_SCRIPT, "%s", buf_str(&line));
        else
            buf_printf(warnings, "%s\n", buf_str(&line));
    }
    buf_free(&line);
    return good ? OK : e != OK ? e : broke_down(w, status, why);
}

static enum err bundle(struct work *w, bool module, bool *await,
                       struct image_bundle *out, struct why *why)
{
    char path[PATH_MAX];
    int status = 0;
    *await = false;
    buf_clear(&out->warnings);
    enum err e = ask(w, module, &status, why);
    if (e == OK)
        e = judge(w, status, await, &out->warnings, why);
    if (e != OK)
        return e;
    out->module = module;
    e = read_file(temp_file(w, "out.js", path), &out->text);
    if (e == ERR_TOOBIG)
        why_set(why, e, "the script made of %.400s is larger than %u bytes",
                w->app, IMAGE_BUNDLE_TEXT_MAX);
    else if (e != OK)
        why_set(why, e, "%.200s made no script of %.250s: %s", w->run.program,
                w->app, strerror(errno));
    return e;
}

/* ---- the files in it ----------------------------------------------------- */

static bool real(const struct work *w, const char *name,
                 char path[static PATH_MAX])
{
    char asked[PATH_MAX];
    int n =
        snprintf(asked, sizeof(asked), "%s%s%s", *name == '/' ? "" : w->folder,
                 *name == '/' ? "" : "/", name);
    return n > 0 && n < PATH_MAX && realpath(asked, path) != NULL;
}

/*
 * A name may have something behind it: an import's attributes, and what
 * comes after "?" or "#" in a specifier.
 */
static bool find_input(const struct work *w, char *name,
                       char path[static PATH_MAX])
{
    static const char *const ends[] = {" with {", "?", "#"};
    if (real(w, name, path))
        return true;
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        char *end = strstr(name, ends[i]);
        if (end == NULL)
            continue;
        *end = '\0';
        if (real(w, name, path))
            return true;
    }
    return false;
}

static bool has_input(const struct image_bundle *b, const char *path)
{
    for (size_t i = 0; i < b->count; i++)
        if (strcmp(b->inputs[i], path) == 0)
            return true;
    return false;
}

static enum err add_input(struct image_bundle *b, const char *path,
                          struct why *why)
{
    if (has_input(b, path))
        return OK;
    if (b->count == IMAGE_BUNDLE_FILES_MAX)
        return why_set(why, ERR_TOOBIG, "%.400s is made of more than %d files",
                       b->inputs[0], IMAGE_BUNDLE_FILES_MAX);
    if ((b->count & (b->count - 1)) == 0) /* grows at powers of two */
        b->inputs = xrealloc(b->inputs, (b->count > 0 ? b->count * 2 : 1) *
                                            sizeof(*b->inputs));
    b->inputs[b->count++] = xstrdup(path);
    return OK;
}

static enum err list_inputs(const struct work *w, struct image_bundle *b,
                            struct why *why)
{
    char path[PATH_MAX];
    struct buf list, name;
    struct bundle_files files = {.depth = 0};
    buf_init(&list, FILES_MAX);
    buf_init(&name, PATH_MAX);
    enum err e = add_input(b, w->app, why);
    if (e == OK && read_file(temp_file(w, "files.json", path), &list) != OK)
        e = why_set(why, ERR_IO, "cannot read the list of files that %s wrote",
                    w->run.program);
    files.rest = buf_view(&list);
    while (e == OK && image_bundle_file(&files, &name)) {
        struct slice s = buf_view(&name);
        if (s.n == 0 || slice_starts(s, "<") || slice_starts(s, "(disabled):"))
            continue; /* data: in an import; what a package leaves out */
        buf_putc(&name, '\0');
        if (name.err == OK && find_input(w, name.p, path))
            e = add_input(b, path, why);
        else
            buf_printf(&b->warnings,
                       "%.200s: changes of it will not be noticed\n",
                       buf_str(&name));
    }
    if (e == OK && files.depth != 0)
        e = why_set(why, ERR_FAIL, "the list of files that %s wrote is cut",
                    w->run.program);
    buf_free(&list);
    buf_free(&name);
    return e;
}

/* ---- all of it ----------------------------------------------------------- */

static enum err find_app(struct work *w, const char *app, struct why *why)
{
    struct stat st;
    if (realpath(app, w->app) == NULL || stat(w->app, &st) != 0)
        return why_set(why, ERR_NOTFOUND, "cannot find %.400s: %s", app,
                       strerror(errno));
    if (!S_ISREG(st.st_mode))
        return why_set(why, ERR_ACCESS, "%.400s is not a regular file", w->app);
    w->name = strrchr(w->app, '/') + 1;
    size_t n = (size_t)(w->name - w->app);
    memcpy(w->folder, w->app, n);
    w->folder[n > 1 ? n - 1 : n] = '\0';
    return OK;
}

static enum err make(struct work *w, bool may_be_module,
                     struct image_bundle *out, struct why *why)
{
    bool await;
    enum err e = bundle(w, false, &await, out, why);
    if (e != OK && await && may_be_module)
        e = bundle(w, true, &await, out, why);
    return e == OK ? list_inputs(w, out, why) : e;
}

enum err image_bundle_make(const char *app, bool may_be_module,
                           uint64_t timeout, struct image_bundle *out,
                           struct why *why)
{
    struct work *w = xalloc(sizeof(*w));
    *out = (struct image_bundle){.module = false};
    buf_init(&out->text, IMAGE_BUNDLE_TEXT_MAX);
    buf_init(&out->warnings, WORDS_MAX);
    buf_init(&w->path, 64 * 1024);
    buf_init(&w->said, WORDS_MAX);
    w->run.until = timeout != 0 ? clock_mono() + timeout : 0;
    image_bundle_path(&w->path);
    enum err e = find_app(w, app, why);
    if (e == OK)
        e = image_bundle_find(buf_str(&w->path), w->run.program, why);
    if (e == OK)
        e = temp_make(w, why);
    if (e == OK)
        e = make(w, may_be_module, out, why);
    if (e == ERR_TIMEOUT)
        why_set(why, e,
                "%.200s took longer than %llu ms for %.200s and was "
                "ended",
                w->run.program, (unsigned long long)(timeout / NS_PER_MS),
                w->app);
    if (w->temp[0] != '\0')
        nftw(w->temp, drop, 8, FTW_DEPTH | FTW_PHYS);
    buf_free(&w->path);
    buf_free(&w->said);
    free(w);
    return e;
}

void image_bundle_free(struct image_bundle *b)
{
    for (size_t i = 0; i < b->count; i++)
        free(b->inputs[i]);
    free(b->inputs);
    buf_free(&b->text);
    buf_free(&b->warnings);
    *b = (struct image_bundle){.module = false};
}
