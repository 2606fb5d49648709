/*
 * image_command.c - images for a person at a terminal, or for a program that
 * reads JSON.
 */
#include "serve/image_command.h"

#include "base/json.h"
#include "base/line.h"
#include "bind/host.h"
#include "bind/warm.h"
#include "engine/image_build.h"
#include "serve/image_choose.h"
#include "serve/image_make.h"
#include "serve/image_show.h"
#include "serve/image_trust.h"
#include "serve/state_recode.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define WARM_MAX 64 /* --warm */
#define EX_DIFFER 1

bool image_path(char *path, size_t n)
{
    const char *set = getenv("SNAPCGI_IMAGE");
    if (set != NULL)
        return (size_t)snprintf(path, n, "%s", set) < n;
    ssize_t got = readlink("/proc/self/exe", path, n);
    if (got <= 0 || (size_t)got >= n)
        return false;
    path[got] = '\0';
    char *slash = strrchr(path, '/');
    size_t room = slash != NULL ? n - (size_t)(slash + 1 - path) : 0;
    return room > 0 && (size_t)snprintf(slash + 1, room, "snapcgi.img") < room;
}

/* What the command line says. */
struct asked {
    const char *file[2];
    size_t count;
    const char *out, *root, *from, *key, *new_key, *require;
    const char *warm[WARM_MAX];
    size_t warm_count;
    bool api, bundle, json, zstd, limited;
    image_api_fn *base;
    struct config defaults; /* its [cgi] has the limits, as options set them */
    struct why wrong;       /* with the command line, when there are words */
};

/* ---- what is said ------------------------------------------------------- */

static int status_of(enum err e)
{
    switch (e) {
    case OK:
        return EX_OK;
    case ERR_NOTFOUND:
        return EX_NOINPUT;
    case ERR_BUSY:
        return EX_CANTCREAT;
    case ERR_IO:
        return EX_IOERR;
    case ERR_NOMEM:
        return EX_OSERR;
    case ERR_FAIL:
    case ERR_ABORTED:
    case ERR_TIMEOUT:
        return EX_SOFTWARE;
    default:
        return EX_DATAERR;
    }
}

/* All of a program's answer in one write, or none. */
static int say(struct buf *text, int status)
{
    size_t n = text->n;
    bool good = text->err == OK && fwrite(buf_str(text), 1, n, stdout) == n &&
                fflush(stdout) == 0;
    buf_free(text);
    if (good)
        return status;
    fprintf(stderr, "snapcgi: what there is to say cannot be written\n");
    return EX_IOERR;
}

/* Lines as the elements of an array. */
static void json_lines(struct json *j, const char *name, struct slice lines)
{
    json_begin(j, name, '[');
    while (lines.n > 0) {
        size_t n = slice_find(lines, '\n');
        json_slice(j, NULL, (struct slice){lines.p, n});
        lines = slice_from(lines, n + 1);
    }
    json_end(j, ']');
}

/* For a terminal: applications and esbuild may say anything. */
static void tell(const char *head, struct slice words)
{
    struct line l;
    line_begin(&l);
    line_put(&l, head);
    line_text(&l, words, LINE_TEXT, sizeof(l.text));
    line_end(&l, "\n");
    fwrite(l.text, 1, l.n, stderr);
}

static void tell_lines(struct slice lines)
{
    while (lines.n > 0) {
        size_t n = slice_find(lines, '\n');
        tell("", (struct slice){lines.p, n});
        lines = slice_from(lines, n + 1);
    }
}

/* The sentence comes last, where one looks first. */
static int failed(const struct asked *a, enum err e, const struct why *why,
                  struct slice more)
{
    struct buf text;
    if (!a->json) {
        tell_lines(more);
        tell("snapcgi: ", slice_of(why->text));
        return status_of(e);
    }
    buf_init(&text, IMAGE_SHOW_MAX);
    struct json j = {.out = &text};
    json_begin(&j, NULL, '{');
    json_string(&j, "error", why->text);
    if (more.n > 0)
        json_lines(&j, "more", more);
    json_end(&j, '}');
    buf_putc(&text, '\n');
    return say(&text, status_of(e));
}

/* ---- build -------------------------------------------------------------- */

static int build_said(const struct asked *a, const char *path, const char *id,
                      uint64_t bytes, struct slice warnings)
{
    struct buf text;
    buf_init(&text, IMAGE_SHOW_MAX);
    if (!a->json) {
        tell_lines(warnings);
        buf_printf(&text, "%s\n", path);
        return say(&text, EX_OK);
    }
    struct json j = {.out = &text};
    json_begin(&j, NULL, '{');
    json_string(&j, "file", path);
    json_string(&j, "id", id);
    json_number(&j, "bytes", bytes);
    json_lines(&j, "warnings", warnings);
    json_end(&j, '}');
    buf_putc(&text, '\n');
    return say(&text, EX_OK);
}

static int build_api(const struct asked *a)
{
    char beside[PATH_MAX];
    const char *path = a->out;
    struct why why = {.text = ""};
    const struct slice none = {NULL, 0};
    struct image image;

    if (path == NULL && !image_path(beside, sizeof beside)) {
        why_set(&why, ERR_FAIL,
                "the program's own folder cannot be told; name a file with "
                "-o");
        return failed(a, ERR_FAIL, &why, none);
    }
    path = path != NULL ? path : beside;
    enum err e = image_build_api(path, natives, warm_realm, &why);
    if (e == OK)
        e = image_open_file(path, IMAGE_COPY, NULL, &image, &why);
    if (e != OK)
        return failed(a, e == ERR_SCRIPT ? ERR_FAIL : e, &why, none);
    int status = build_said(a, path, image.id, image.bytes.n, none);
    image_close(&image);
    return status;
}

static int build_app(const struct asked *a)
{
    char beside[PATH_MAX];
    struct why why = {.text = ""};
    struct image_made made;
    struct image_order order = {.app = a->file[0],
                                .out = a->out,
                                .out_fd = -1,
                                .root = a->root,
                                .from = a->from,
                                .warm = a->warm,
                                .warm_count = a->warm_count,
                                .bundle = a->bundle,
                                .timeout = a->defaults.cgi.image_timeout,
                                .heap = a->defaults.cgi.heap_limit};

    if (a->out == NULL) {
        if (!image_beside(a->file[0], beside)) {
            why_set(&why, ERR_TOOBIG, "the path is too long");
            return failed(a, ERR_TOOBIG, &why, (struct slice){NULL, 0});
        }
        order.out = beside;
    }
    order.base = a->base(true);
    if (order.base == NULL)
        return EX_SOFTWARE;
    enum err e = image_make(&order, &made, &why);
    int status = e == OK ? build_said(a, order.out, made.id, made.bytes,
                                      buf_view(&made.warnings))
                         : failed(a, e, &why, buf_view(&made.warnings));
    buf_free(&made.warnings);
    return status;
}

static int build(const struct asked *a)
{
    return a->api ? build_api(a) : build_app(a);
}

/* ---- inspect, verify, diff ---------------------------------------------- */

static int inspect(const struct asked *a)
{
    struct image_host host = image_host_here(natives);
    struct why why = {.text = ""};
    struct image_shown s;
    struct buf text;
    enum err e = image_show_open(a->file[0], a->key, &s, &why);
    if (e != OK)
        return failed(a, e, &why, (struct slice){NULL, 0});
    buf_init(&text, IMAGE_SHOW_MAX);
    e = image_show_inspect(&s, &host, a->json, &text);
    image_show_close(&s);
    return say(&text, status_of(e));
}

/* All that can be known of it without trusting it, then a trial. */
static enum err prove(const struct asked *a, const struct image *img,
                      char finger[static IMAGE_FINGER_N], struct why *why)
{
    struct image_host host = image_host_here(natives);
    unsigned char key[IMAGE_KEY_N];
    enum err e = image_trust_whole(img, why);
    if (e == OK && a->require != NULL)
        e = image_trust_require(img, a->require, why);
    if (e == OK && image_trust_signer(img, key, NULL) == OK)
        e = image_trust_finger(key, finger, why);
    if (e == OK)
        e = image_fits(img, &host, why);
    if (e == OK && img->payload != NULL)
        e = image_try(img, natives, why);
    return e;
}

static void verified(const struct asked *a, const struct image_shown *s,
                     const char *finger, struct buf *text)
{
    const struct image *img = &s->image;
    struct json j = {.out = text};
    if (!a->json) {
        buf_printf(text, "%s: image %s, %s, V8 %s, %zu bytes%s%s\n", s->path,
                   img->id, image_kind_name(img->kind), img->version,
                   img->bytes.n, finger[0] != '\0' ? ", signed by " : "",
                   finger);
        return;
    }
    json_begin(&j, NULL, '{');
    json_string(&j, "file", s->path);
    json_string(&j, "id", img->id);
    json_string(&j, "kind", image_kind_name(img->kind));
    json_string(&j, "v8", img->version);
    json_number(&j, "bytes", img->bytes.n);
    json_maybe(&j, "signed_by", finger);
    json_end(&j, '}');
    buf_putc(text, '\n');
}

static int verify(const struct asked *a)
{
    char finger[IMAGE_FINGER_N] = "";
    struct why why = {.text = ""}, inner = {.text = ""};
    struct image_shown s;
    struct buf text;
    enum err e = image_show_open(a->file[0], a->key, &s, &why);
    if (e != OK)
        return failed(a, e, &why, (struct slice){NULL, 0});
    e = prove(a, &s.image, finger, &inner);
    if (e != OK) {
        image_show_close(&s);
        why_set(&why, e, "%s: %s", a->file[0], inner.text);
        return failed(a, e, &why, (struct slice){NULL, 0});
    }
    buf_init(&text, IMAGE_SHOW_MAX);
    verified(a, &s, finger, &text);
    image_show_close(&s);
    return say(&text, EX_OK);
}

static int diff(const struct asked *a)
{
    struct why why = {.text = ""};
    struct image_shown s[2];
    struct buf text;
    bool same = false;
    enum err e = image_show_open(a->file[0], a->key, &s[0], &why);
    if (e != OK)
        return failed(a, e, &why, (struct slice){NULL, 0});
    e = image_show_open(a->file[1], a->key, &s[1], &why);
    buf_init(&text, IMAGE_SHOW_MAX);
    if (e == OK) {
        e = image_show_diff(&s[0], &s[1], a->json, &text, &same, &why);
        image_show_close(&s[1]);
    }
    image_show_close(&s[0]);
    if (e == OK)
        return say(&text, same ? EX_OK : EX_DIFFER);
    buf_free(&text);
    return failed(a, e, &why, (struct slice){NULL, 0});
}

/* ---- keygen, sign ------------------------------------------------------- */

static int keygen(const struct asked *a)
{
    char finger[IMAGE_FINGER_N], private[PATH_MAX], public[PATH_MAX];
    struct why why = {.text = ""};
    struct buf text;
    enum err e = image_trust_keygen(a->file[0], finger, &why);
    if (e != OK)
        return failed(a, e, &why, (struct slice){NULL, 0});
    snprintf(private, sizeof private, "%s.key", a->file[0]);
    snprintf(public, sizeof public, "%s.pub", a->file[0]);
    buf_init(&text, IMAGE_SHOW_MAX);
    struct json j = {.out = &text};
    if (a->json) {
        json_begin(&j, NULL, '{');
        json_string(&j, "private", private);
        json_string(&j, "public", public);
        json_string(&j, "key", finger);
        json_end(&j, '}');
        buf_putc(&text, '\n');
    } else {
        buf_printf(&text, "%s, %s: key %s\n", private, public, finger);
    }
    return say(&text, EX_OK);
}

static int sign(const struct asked *a)
{
    char finger[IMAGE_FINGER_N];
    struct why why = {.text = ""};
    struct buf text;
    enum err e = ERR_SYNTAX;
    if (a->key == NULL) {
        fprintf(stderr, "snapcgi: image sign needs --key FILE, a private key "
                        "that `snapcgi image keygen` made\n");
        return EX_USAGE;
    }
    e = image_trust_sign(a->file[0], a->key, finger, &why);
    if (e != OK)
        return failed(a, e, &why, (struct slice){NULL, 0});
    buf_init(&text, IMAGE_SHOW_MAX);
    struct json j = {.out = &text};
    if (a->json) {
        json_begin(&j, NULL, '{');
        json_string(&j, "file", a->file[0]);
        json_string(&j, "key", finger);
        json_end(&j, '}');
        buf_putc(&text, '\n');
    } else {
        buf_printf(&text, "%s: signed by %s\n", a->file[0], finger);
    }
    return say(&text, EX_OK);
}

/* ---- recode ------------------------------------------------------------- */

static int recode(const struct asked *a)
{
    struct why why = {.text = ""};
    struct buf text;
    uint64_t bytes = 0;
    enum err e =
        state_recode(a->file[0], a->key, a->new_key, a->zstd, &bytes, &why);
    if (e != OK)
        return failed(a, e, &why, (struct slice){NULL, 0});
    buf_init(&text, IMAGE_SHOW_MAX);
    struct json j = {.out = &text};
    if (a->json) {
        json_begin(&j, NULL, '{');
        json_string(&j, "file", a->file[0]);
        json_number(&j, "bytes", bytes);
        json_end(&j, '}');
        buf_putc(&text, '\n');
    } else {
        buf_printf(&text, "%s: %llu bytes\n", a->file[0],
                   (unsigned long long)bytes);
    }
    return say(&text, EX_OK);
}

/* ---- the command line --------------------------------------------------- */

static const struct verb {
    const char *name;
    const char *takes;
    size_t files;
    int (*run)(const struct asked *a);
    const char *usage;
} verbs[] = {
    {"build", "abfhjortw", 1, build,
     "build APP [-o FILE] [--root DIR] [--warm PATH]... [--from IMAGE] "
     "[--bundle]\n"
     "                           [--timeout SECONDS=60] [--heap SIZE=128m] "
     "[--json]\n"
     "       snapcgi image build --api [-o FILE] [--json]"},
    {"inspect", "kj", 1, inspect, "inspect FILE [--key FILE] [--json]"},
    {"verify", "ksj", 1, verify,
     "verify FILE [--require-signature PUB] [--key FILE] [--json]"},
    {"diff", "kj", 2, diff, "diff FILE FILE [--key FILE] [--json]"},
    {"keygen", "j", 1, keygen, "keygen NAME [--json]"},
    {"sign", "kj", 1, sign, "sign FILE --key FILE [--json]"},
    {"recode", "kjnz", 1, recode,
     "recode FILE [--key FILE] [--new-key FILE] [--zstd] [--json]"},
};
#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

static const struct option {
    const char *name;
    char letter;
    bool value;
} options[] = {
    {"--api", 'a', false},  {"--bundle", 'b', false},
    {"--from", 'f', true},  {"--json", 'j', false},
    {"--key", 'k', true},   {"--require-signature", 's', true},
    {"--root", 'r', true},  {"--warm", 'w', true},
    {"-o", 'o', true},      {"--new-key", 'n', true},
    {"--zstd", 'z', false}, {"--timeout", 't', true},
    {"--heap", 'h', true},
};
#define OPTIONS (sizeof(options) / sizeof(options[0]))

static int usage(FILE *to, int status)
{
    for (size_t i = 0; i < VERBS; i++)
        fprintf(to, "%s snapcgi image %s\n", i == 0 ? "usage:" : "      ",
                verbs[i].usage);
    return status;
}

/* As the pool's key says what may be there. */
static bool set_key(struct asked *a, const char *option, const char *key,
                    const char *value)
{
    struct why why = {.text = ""};
    if (config_set(&a->defaults.cgi, key, value, &why) == OK)
        return true;
    why_set(&a->wrong, ERR_SYNTAX, "%s %.200s %s", option, value, why.text);
    return false;
}

static bool add_warm(struct asked *a, const char *value)
{
    if (a->warm_count == WARM_MAX)
        why_set(&a->wrong, ERR_TOOBIG, "--warm is there more than %d times",
                WARM_MAX);
    else if (strpbrk(value, " \t") != NULL)
        why_set(&a->wrong, ERR_SYNTAX,
                "--warm %.200s is not one path: give --warm for each, and %%20 "
                "for a blank",
                value);
    else
        a->warm[a->warm_count++] = value;
    return a->wrong.text[0] == '\0' &&
           set_key(a, "--warm", "image_warm", value);
}

static bool set(struct asked *a, char letter, const char *value)
{
    switch (letter) {
    case 'a':
        a->api = true;
        break;
    case 'b':
        a->bundle = true;
        break;
    case 'f':
        a->from = value;
        break;
    case 'j':
        a->json = true;
        break;
    case 'k':
        a->key = value;
        break;
    case 'n':
        a->new_key = value;
        break;
    case 'o':
        a->out = value;
        break;
    case 'r':
        a->root = value;
        break;
    case 's':
        a->require = value;
        break;
    case 'z':
        a->zstd = true;
        break;
    case 't':
        a->limited = true;
        return set_key(a, "--timeout", "image_timeout", value);
    case 'h':
        a->limited = true;
        return set_key(a, "--heap", "heap_limit", value);
    case 'w':
        return add_warm(a, value);
    }
    return true;
}

static bool parse(const struct verb *v, char **word, struct asked *a)
{
    for (; *word != NULL; word++) {
        const struct option *o = NULL;
        for (size_t i = 0; i < OPTIONS; i++)
            if (strcmp(options[i].name, *word) == 0 &&
                strchr(v->takes, options[i].letter) != NULL)
                o = &options[i];
        if (o == NULL && ((*word)[0] == '-' || a->count == v->files))
            return false;
        if (o == NULL)
            a->file[a->count++] = *word;
        else if (o->value && *++word == NULL)
            return false;
        else if (!set(a, o->letter, *word))
            return false;
    }
    return a->count == (a->api ? 0 : v->files) &&
           !(a->api && (a->root != NULL || a->from != NULL || a->bundle ||
                        a->limited || a->warm_count > 0));
}

static int misused(const struct asked *a)
{
    if (a->wrong.text[0] == '\0')
        return usage(stderr, EX_USAGE);
    tell("snapcgi: ", slice_of(a->wrong.text));
    return EX_USAGE;
}

int image_command(int argc, char **argv, image_api_fn *api)
{
    struct asked a = {.base = api};
    config_init(&a.defaults);
    if (argc == 2 && strcmp(argv[1], "--help") == 0)
        return usage(stdout, EX_OK);
    for (size_t i = 0; argc > 1 && i < VERBS; i++)
        if (strcmp(verbs[i].name, argv[1]) == 0)
            return parse(&verbs[i], argv + 2, &a) ? verbs[i].run(&a)
                                                  : misused(&a);
    return usage(stderr, EX_USAGE);
}
