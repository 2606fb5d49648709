/*
 * app.c - paths to source texts, and the fence around them.
 */
#include "serve/app.h"

#include "base/io.h"
#include "base/real.h"
#include "serve/image_bundle.h"
#include "serve/image_sources.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One source file as it was when it was read. */
struct file {
    char *name; /* absolute, as asked for: what stat(2) is asked about */
    char *path; /* real path: what the module is called */
    char *text;
    size_t n;
    dev_t dev;
    ino_t inode;
    off_t size;
    struct timespec mtime;
};

struct app {
    char *jail;           /* real path of the folder sources come from */
    char *attached;       /* app_attach()'s path, or NULL */
    struct slice sources; /* and its sources */
    const struct image_bundle *bundle; /* app_bundle()'s, or NULL */
    struct file *files;
    size_t count;
    struct loader loader;
};

static enum err refuse(struct fault *fault, int status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static enum err refuse(struct fault *fault, int status, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(fault->why.text, sizeof(fault->why.text), fmt, ap);
    va_end(ap);
    fault->status = status;
    return status == 404 ? ERR_NOTFOUND : ERR_ACCESS;
}

/* 404 for what is not there, 403 for what may not be seen. */
static int status_of(int error)
{
    return error == ENOENT || error == ENOTDIR || error == ENAMETOOLONG ? 404
                                                                        : 403;
}

static bool is_under(const char *path, const char *folder)
{
    size_t n = strlen(folder);
    while (n > 0 && folder[n - 1] == '/') /* "/" holds everything */
        n--;
    return strncmp(path, folder, n) == 0 && path[n] == '/';
}

/* ---- which file -------------------------------------------------------- */

/* Is the end of path one of the words of list, with a name before it? */
static bool suffix_ok(const char *path, const char *list)
{
    const char *base = strrchr(path, '/');
    struct slice name = slice_of(base != NULL ? base + 1 : path);
    char word[32];
    while (*list != '\0') {
        size_t n = strcspn(list, " \t,");
        if (n > 0 && n < sizeof(word) && n < name.n) {
            memcpy(word, list, n);
            word[n] = '\0';
            if (slice_ends(name, word))
                return true;
        }
        list += n;
        list += strspn(list, " \t,");
    }
    return false;
}

static enum err find_script(const struct pool_config *config, const char *asked,
                            char *path, struct fault *fault)
{
    char root[PATH_MAX];
    struct stat st;
    if (!suffix_ok(asked, config->extensions))
        return refuse(fault, 403, "%s has none of the allowed extensions (%s)",
                      asked, config->extensions);
    if (config->root != NULL && realpath(config->root, root) == NULL)
        return refuse(fault, 500, "the root %s cannot be used: %s",
                      config->root, strerror(errno));
    if (realpath(asked, path) == NULL)
        return refuse(fault, status_of(errno), "cannot find %s: %s", asked,
                      strerror(errno));
    if (config->root != NULL && !is_under(path, root))
        return refuse(fault, 403, "%s is %s, outside the root %s", asked, path,
                      root);
    if (!suffix_ok(path, config->extensions))
        return refuse(fault, 403,
                      "%s is %s, which has none of the allowed extensions (%s)",
                      asked, path, config->extensions);
    if (stat(path, &st) != 0)
        return refuse(fault, status_of(errno), "cannot find %s: %s", path,
                      strerror(errno));
    if (!S_ISREG(st.st_mode))
        return refuse(fault, 403, "%s is not a regular file", path);
    return OK;
}

/* Apache's Action and ScriptAlias name the program as the script. */
static bool is_this_program(const char *path)
{
    struct stat a, b;
    return stat(path, &a) == 0 && stat("/proc/self/exe", &b) == 0 &&
           a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static bool copy_name(struct slice s, char out[static PATH_MAX])
{
    if (s.n >= PATH_MAX || memchr(s.p, '\0', s.n) != NULL)
        return false;
    memcpy(out, s.p, s.n);
    out[s.n] = '\0';
    return true;
}

enum err app_find(const struct pool_config *config,
                  const struct request *request, char path[static PATH_MAX],
                  struct fault *fault)
{
    char asked[PATH_MAX];
    if (config->app != NULL) {
        size_t n = strlen(config->app);
        if (n >= PATH_MAX)
            return refuse(fault, 500, "the path of the app is too long");
        memcpy(path, config->app, n + 1);
        return OK;
    }
    if (request->script.n == 0)
        return refuse(fault, 404,
                      "the web server sent no SCRIPT_FILENAME, and the pool "
                      "has no app");
    if (!copy_name(request->script, asked))
        return refuse(fault, 404, "SCRIPT_FILENAME is too long");
    if (!suffix_ok(asked, config->extensions) && is_this_program(asked)) {
        if (request->action_script.n == 0)
            return refuse(fault, 404,
                          "the web server names this program as the script, "
                          "and sends no PATH_TRANSLATED with REDIRECT_STATUS "
                          "(an Action does)");
        if (!copy_name(request->action_script, asked))
            return refuse(fault, 404, "PATH_TRANSLATED is too long");
    }
    return find_script(config, asked, path, fault);
}

/* ---- reading ----------------------------------------------------------- */

/* A file may grow while it is read. */
static enum err read_all(int fd, size_t expected, struct file *f)
{
    struct buf text;
    buf_init(&text, APP_SOURCE_MAX);
    enum err e = buf_reserve(&text, expected);
    if (e == OK)
        e = io_read_all(fd, &text);
    if (e != OK) {
        buf_free(&text);
        return e;
    }
    if (slice_starts(buf_view(&text), "\xef\xbb\xbf"))
        buf_skip(&text, 3); /* a byte order mark is not part of the text */
    f->text = text.p;
    f->n = text.n;
    return OK;
}

static enum err read_file(const char *path, struct file *f, struct fault *fault)
{
    struct stat st;
    enum err e = OK;
    int fd = real_open(path);
    if (fd < 0)
        return refuse(fault, status_of(errno), "cannot read %s: %s", path,
                      strerror(errno));
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        e = refuse(fault, 403, "%s is not a regular file", path);
    else if (st.st_size > APP_SOURCE_MAX ||
             (e = read_all(fd, (size_t)st.st_size, f)) == ERR_TOOBIG)
        e = refuse(fault, 500, "%s is larger than %u bytes", path,
                   APP_SOURCE_MAX);
    else if (e != OK)
        e = refuse(fault, 500, "cannot read %s: %s", path, strerror(errno));
    if (e == OK) {
        f->dev = st.st_dev;
        f->inode = st.st_ino;
        f->size = st.st_size;
        f->mtime = st.st_mtim;
    }
    close(fd);
    return e;
}

static struct file *file_named(const struct app *a, const char *name)
{
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->files[i].name, name) == 0)
            return &a->files[i];
    return NULL;
}

/* Reads the file called name, whose real path that is. */
static enum err file_add(struct app *a, const char *name, const char *path,
                         struct file **out, struct fault *fault)
{
    struct file f = {0};
    if (a->count == APP_FILES_MAX)
        return refuse(fault, 500, "an application may have %d source files",
                      APP_FILES_MAX);
    enum err e = read_file(path, &f, fault);
    if (e != OK)
        return e;
    f.name = xstrdup(name);
    f.path = xstrdup(path);
    if ((a->count & (a->count - 1)) == 0) /* grows at powers of two */
        a->files = xrealloc(a->files, (a->count > 0 ? a->count * 2 : 1) *
                                          sizeof(*a->files));
    a->files[a->count] = f;
    *out = &a->files[a->count++];
    return OK;
}

/* The file called name, read now or before. */
static enum err file_get(struct app *a, const char *name, struct file **out,
                         struct fault *fault)
{
    char path[PATH_MAX];
    *out = file_named(a, name);
    if (*out != NULL)
        return OK;
    if (realpath(name, path) == NULL)
        return refuse(fault, status_of(errno), "cannot find %s: %s", name,
                      strerror(errno));
    if (!is_under(path, a->jail))
        return refuse(fault, 403,
                      "%s is %s, outside the application's folder %s", name,
                      path, a->jail);
    return file_add(a, name, path, out, fault);
}

/* ---- imports ----------------------------------------------------------- */

static enum err refuse_specifier(const char *specifier, struct why *why)
{
    struct slice s = slice_of(specifier);
    if (slice_starts(s, "node:"))
        return why_set(why, ERR_ACCESS,
                       "cannot import \"%s\": modules of Node.js are not "
                       "available here",
                       specifier);
    if (slice_starts(s, "http:") || slice_starts(s, "https:"))
        return why_set(why, ERR_ACCESS,
                       "cannot import \"%s\": modules are not loaded over the "
                       "network; bundle the application into one file, for "
                       "example with esbuild --bundle --format=esm",
                       specifier);
    if (s.n > 0 && (s.p[0] == '/' || slice_starts(s, "file:")))
        return why_set(why, ERR_ACCESS,
                       "cannot import \"%s\": the path of an import begins "
                       "with ./ or ../",
                       specifier);
    return why_set(why, ERR_ACCESS,
                   "cannot import \"%s\": a bare specifier means a package; "
                   "bundle the application into one file, for example with "
                   "esbuild --bundle --format=esm",
                   specifier);
}

/* specifier seen from the folder of referrer, dots resolved as in a URL. */
static bool join(const char *referrer, const char *specifier,
                 char out[static PATH_MAX])
{
    size_t n = (size_t)(strrchr(referrer, '/') - referrer);
    if (n >= PATH_MAX)
        return false;
    memcpy(out, referrer, n);
    while (*specifier != '\0') {
        size_t step = strcspn(specifier, "/");
        if (step == 2 && specifier[0] == '.' && specifier[1] == '.') {
            while (n > 0 && out[--n] != '/')
                ;
        } else if (step > 0 && !(step == 1 && specifier[0] == '.')) {
            if (n + 1 + step >= PATH_MAX)
                return false;
            out[n++] = '/';
            memcpy(out + n, specifier, step);
            n += step;
        }
        specifier += step;
        specifier += strspn(specifier, "/");
    }
    out[n] = '\0';
    return true;
}

static enum err load(void *arg, const char *specifier, const char *referrer,
                     struct source *out, struct why *why)
{
    struct app *a = arg;
    char name[PATH_MAX];
    struct slice s = slice_of(specifier);
    struct file *f = NULL;
    struct fault fault = {0};
    if (referrer == NULL) {
        f = &a->files[0];
    } else if (!slice_starts(s, "./") && !slice_starts(s, "../")) {
        return refuse_specifier(specifier, why);
    } else if (referrer[0] != '/' || !join(referrer, specifier, name)) {
        return why_set(why, ERR_NOTFOUND, "cannot import \"%s\": %s", specifier,
                       "its path is too long");
    } else if (file_get(a, name, &f, &fault) != OK) {
        return why_set(why, ERR_NOTFOUND, "cannot import \"%.100s\": %.400s",
                       specifier, fault.why.text);
    }
    const struct image_bundle *b = referrer == NULL ? a->bundle : NULL;
    struct slice words = {f->text, f->n};
    if (b != NULL)
        words = buf_view(&b->text);
    char *text = malloc(words.n + 1);
    if (text == NULL)
        return why_set(why, ERR_NOMEM, "no memory for %s", f->path);
    memcpy(text, words.p, words.n);
    text[words.n] = '\0';
    *out = (struct source){.text = text,
                           .n = words.n,
                           .path = xstrdup(f->path),
                           .json = slice_ends(slice_of(f->path), ".json"),
                           .bundle = b != NULL && !b->module};
    return OK;
}

/* ---- the application --------------------------------------------------- */

/* The fence: imports stay under root, or in path's own folder. */
static enum err fence(struct app *a, const char *path, const char *root,
                      struct fault *fault)
{
    char real[PATH_MAX];
    const char *from = root != NULL ? root : path;
    bool found = realpath(from, real) != NULL;
    if (!found && a->attached == NULL)
        return refuse(fault, root != NULL ? 500 : status_of(errno),
                      "cannot find %s: %s", from, strerror(errno));
    if (!found) /* an image needs no source to be there */
        snprintf(real, sizeof(real), "%s", from);
    if (root == NULL) {
        char *slash = strrchr(real, '/');
        slash[slash == real ? 1 : 0] = '\0';
    }
    a->jail = xstrdup(real);
    return OK;
}

static struct app *app_new(void)
{
    struct app *a = xalloc(sizeof(*a));
    a->loader = (struct loader){load, a};
    return a;
}

enum err app_open(const char *path, const char *root, struct app **out,
                  struct fault *fault)
{
    struct app *a = app_new();
    struct file *f;
    enum err e = fence(a, path, root, fault);
    if (e == OK)
        e = file_get(a, path, &f, fault);
    if (e != OK) {
        app_free(a);
        a = NULL;
    }
    *out = a;
    return e;
}

struct app *app_attach(const char *path, const char *root, struct slice sources)
{
    struct app *a = app_new();
    a->attached = xstrdup(path);
    a->sources = sources;
    must(fence(a, path, root, NULL) == OK);
    return a;
}

enum err app_bundle(struct app *a, const struct image_bundle *bundle,
                    struct fault *fault)
{
    struct file *f;
    a->bundle = bundle;
    for (size_t i = 0; i < bundle->count; i++) {
        const char *path = bundle->inputs[i];
        enum err e =
            file_named(a, path) != NULL || strcmp(path, a->files[0].path) == 0
                ? OK
                : file_add(a, path, path, &f, fault);
        if (e != OK)
            return e;
    }
    return OK;
}

void app_free(struct app *a)
{
    if (a == NULL)
        return;
    for (size_t i = 0; i < a->count; i++) {
        free(a->files[i].name);
        free(a->files[i].path);
        free(a->files[i].text);
    }
    free(a->files);
    free(a->attached);
    free(a->jail);
    free(a);
}

const char *app_path(const struct app *a)
{
    return a->attached != NULL ? a->attached : a->files[0].path;
}

const struct loader *app_loader(const struct app *a)
{
    return &a->loader;
}

enum err app_sources(const struct app *a, bool classic, struct buf *out,
                     struct why *why)
{
    struct image_source *list = xalloc(a->count * sizeof(*list));
    for (size_t i = 0; i < a->count; i++) {
        const struct file *f = &a->files[i];
        list[i] = (struct image_source){
            .path = f->path,
            .size = (uint64_t)f->size,
            .mtime = f->mtime,
            .type = slice_ends(slice_of(f->path), ".json") ? SOURCE_JSON
                    : classic && i == 0                    ? SOURCE_SCRIPT
                                                           : SOURCE_MODULE,
            .text = {f->text, f->n}};
    }
    enum err e = image_sources_encode("main", list, a->count, out, why);
    free(list);
    return e;
}

bool app_changed(const struct app *a)
{
    if (a->sources.n > 0 && image_sources_current(a->sources, NULL) != OK)
        return true;
    for (size_t i = 0; i < a->count; i++) {
        const struct file *f = &a->files[i];
        struct stat st;
        if (stat(f->name, &st) != 0 || st.st_dev != f->dev ||
            st.st_ino != f->inode || st.st_size != f->size ||
            st.st_mtim.tv_sec != f->mtime.tv_sec ||
            st.st_mtim.tv_nsec != f->mtime.tv_nsec)
            return true;
    }
    return false;
}
