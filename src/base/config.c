/*
 * config.c - reads the file into a scratch config, checks it, hands it over.
 *
 * inih splits lines into key and value. It cuts long lines and section names
 * without a word, is silent on empty sections, takes an indented line for
 * more of the value before, and gives its handler no line number. So the
 * reader here counts, bounds and trims lines and keeps the sections itself.
 */
#include "base/config_parts.h"

#include <errno.h>
#include <ini.h>
#include <malloc.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES 4096
#define FILE_BYTES (1024 * 1024)
#define MOST_ERRORS 20
#define MOST_POOLS 256

/* Debian's inih lets the size of its line buffer be set, others may not. */
extern int ini_max_line __attribute__((weak));

struct reader {
    struct config *c;
    const char *path;
    const char *folder; /* of path, absolute */
    struct config_lines lines;
    struct config_errors errors;
    struct config_section *sections, *current; /* current is the last */
    size_t pools;
    bool open; /* the last line should have come back as key and value */
};

void config_error(struct config_errors *e, const char *path, int line,
                  const char *fmt, ...)
{
    char text[1024];
    if (e->count++ >= MOST_ERRORS)
        return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (line > 0)
        buf_printf(e->out, "%s:%d: %s\n", path, line, text);
    else
        buf_printf(e->out, "%s: %s\n", path, text);
}

#define mistake(r, ...)                                                        \
    config_error(&(r)->errors, (r)->path, (r)->lines.line, __VA_ARGS__)

static const char *control_byte(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char b = (unsigned char)s.p[i];
        if (b == 0)
            return "a NUL byte";
        if ((b < 0x20 && b != '\t') || b == 0x7f)
            return "a control character";
    }
    return NULL;
}

enum err config_line(struct config_lines *l, struct slice *out, struct why *why)
{
    int c;
    buf_clear(&l->one);
    l->line++;
    while ((c = getc_unlocked(l->in)) != EOF && c != '\n') {
        if (++l->bytes > FILE_BYTES)
            return why_set(why, ERR_IO, "the file is longer than %d bytes",
                           FILE_BYTES);
        buf_putc(&l->one, (char)c);
    }
    if (ferror(l->in))
        return why_set(why, ERR_IO, "cannot read on: %s", strerror(errno));
    if (c == EOF && l->one.n == 0)
        return ERR_EOF;
    if (l->one.err != OK)
        return why_set(why, ERR_SYNTAX, "this line is longer than %zu bytes",
                       l->one.max);
    struct slice s = buf_view(&l->one);
    if (l->line == 1 && slice_starts(s, "\xef\xbb\xbf"))
        s = slice_from(s, 3);
    if (slice_ends(s, "\r"))
        s.n--;
    const char *bad = control_byte(s);
    if (bad != NULL)
        return why_set(why, ERR_SYNTAX, "this line holds %s", bad);
    *out = slice_trim(s);
    return OK;
}

static void pool_defaults(struct pool_config *p, const char *name)
{
    static const char *const no_env[] = {NULL};
    *p = (struct pool_config){.name = name, .env = no_env};
    for (const struct config_key *k = config_table(); k->name != NULL; k++)
        if (k->fallback[0] != '\0' && config_takes(k, "pool"))
            must(config_value_parse(k, k->fallback, p, NULL, NULL, NULL) == OK);
}

void config_init(struct config *c)
{
    *c = (struct config){.path = NULL};
    arena_init(&c->arena);
    for (const struct config_key *k = config_table(); k->name != NULL; k++)
        if (k->fallback[0] != '\0' && config_takes(k, "global"))
            must(config_value_parse(k, k->fallback, c, NULL, NULL, NULL) == OK);
    pool_defaults(&c->cgi, "cgi");
}

enum err config_set(struct pool_config *p, const char *name, const char *text,
                    struct why *why)
{
    const struct config_key *k = config_find(name);
    must(k != NULL && config_takes(k, "pool"));
    if (*text == '\0')
        return why_set(why, ERR_SYNTAX, "is empty");
    return config_value_parse(k, text, p, NULL, NULL, why);
}

bool config_app_needs_image(const char *app)
{
    static const char *const ends[] = {".ts", ".tsx", ".mts", ".cts", ".jsx"};
    for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
        if (slice_ends(slice_of(app), ends[i]))
            return true;
    return false;
}

void config_free(struct config *c)
{
    arena_free(&c->arena);
    config_init(c);
}

static bool is_pool_name(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]) &&
            strchr("_.-", s.p[i]) == NULL)
            return false;
    return s.n > 0 && s.n <= 64;
}

/* A section of that kind and, for pools, that name; NULL when it is new. */
static struct config_section *section_find(struct reader *r, const char *kind,
                                           struct slice name)
{
    struct config_section *s = r->sections;
    for (; s != NULL; s = s->next) {
        if (s->kind == NULL || strcmp(s->kind, kind) != 0)
            continue;
        if (strcmp(kind, "pool") != 0 ||
            slice_is(name, ((struct pool_config *)s->base)->name))
            return s;
    }
    return NULL;
}

static void section_fill(struct reader *r, struct config_section *s,
                         const char *kind, struct slice pool)
{
    struct arena *a = &r->c->arena;
    struct config_section *first = section_find(r, kind, pool);
    if (first != NULL) {
        mistake(r, "this section began on line %d already", first->line);
        return;
    }
    if (strcmp(kind, "global") == 0) {
        s->base = r->c;
    } else if (strcmp(kind, "cgi") == 0) {
        s->base = &r->c->cgi;
        r->c->cgi.line = s->line;
    } else {
        if (r->pools == MOST_POOLS) {
            mistake(r, "more than %d pools", MOST_POOLS);
            return;
        }
        struct pool_config *p = arena_alloc(a, sizeof(*p));
        pool_defaults(p, arena_strdup(a, pool));
        p->line = s->line;
        s->base = p;
        r->pools++;
    }
    s->kind = kind;
}

static void section_open(struct reader *r, struct slice line)
{
    struct arena *a = &r->c->arena;
    struct config_section *s = arena_alloc(a, sizeof(*s));
    size_t rows = 0;
    while (config_table()[rows].name != NULL)
        rows++;
    s->seen = arena_alloc(a, rows * sizeof(*s->seen));
    s->line = r->lines.line;

    size_t end = slice_find(line, ']');
    struct slice rest = slice_trim(slice_from(line, end + 1));
    struct slice name = slice_trim((struct slice){line.p + 1, end - 1});
    struct slice pool = slice_trim(slice_from(name, 4));
    if (end == line.n || (rest.n > 0 && rest.p[0] != ';'))
        mistake(r, "a section is written [name] on a line of its own");
    else if (slice_is(name, "global"))
        section_fill(r, s, "global", pool);
    else if (slice_is(name, "cgi"))
        section_fill(r, s, "cgi", pool);
    else if (!slice_starts(name, "pool"))
        mistake(r,
                "unknown section [%.*s]; there are [global], [cgi] and "
                "[pool NAME]",
                (int)(name.n < 64 ? name.n : 64), name.p);
    else if (!is_pool_name(pool) || pool.p == name.p + 4)
        mistake(r, "a pool's section is [pool NAME], with 1 to 64 letters, "
                   "digits, '_', '.' or '-' in NAME");
    else
        section_fill(r, s, "pool", pool);
    *(r->current != NULL ? &r->current->next : &r->sections) = s;
    r->current = s;
}

/* inih tells of the first bad line only, and by its return value. */
static void close_line(struct reader *r)
{
    if (r->open)
        mistake(r, "this line is neither [section] nor key = value");
    r->open = false;
}

/* fgets(3) for inih: always one of our lines, a blank one for those kept. */
static char *next_line(char *out, int room, void *stream)
{
    struct reader *r = stream;
    struct slice s = {NULL, 0};
    struct why why;
    close_line(r);
    enum err e = config_line(&r->lines, &s, &why);
    if (e == ERR_EOF)
        return NULL;
    if (e != OK)
        mistake(r, "%s", why.text);
    if (e == ERR_IO)
        return NULL;
    if (s.n > 0 && s.p[0] == '[') {
        section_open(r, s);
        s.n = 0;
    }
    if (s.n + 3 > (size_t)room) {
        mistake(r, "this line is longer than %d bytes", room - 3);
        s.n = 0;
    }
    r->open = s.n > 0 && s.p[0] != ';' && s.p[0] != '#';
    if (s.n > 0)
        memcpy(out, s.p, s.n);
    memcpy(out + s.n, "\n", 2);
    return out;
}

static void unknown_key(struct reader *r, const char *name)
{
    const char *kind = r->current->kind;
    const struct config_key *k = config_find(name);
    const char *near = config_nearest(name, kind);
    if (k != NULL)
        mistake(r, "%s is not a key of this section but of [%s]", name,
                strcmp(k->section, "global") == 0 ? "global" : "pool NAME");
    else if (near != NULL)
        mistake(r, "unknown key %.64s; did you mean %s?", name, near);
    else
        mistake(r, "unknown key %.64s", name);
}

static void take_env(struct reader *r, const char *key, const char *value)
{
    struct arena *a = &r->c->arena;
    struct config_section *s = r->current;
    struct slice name = slice_from(slice_of(key), strlen("env["));
    struct why why;
    if (strcmp(s->kind, "global") == 0) {
        mistake(r, "env[NAME] is not a key of this section but of [pool NAME]");
        return;
    }
    if (!slice_ends(name, "]")) {
        mistake(r, "an env value is written env[NAME] = value");
        return;
    }
    name.n--;
    if (config_env_add(&s->env, a, arena_strdup(a, name),
                       arena_strdup(a, slice_of(value)), r->lines.line,
                       &why) != OK)
        mistake(r, "%s", why.text);
}

static int take(void *user, const char *section, const char *name,
                const char *value)
{
    struct reader *r = user;
    struct config_section *s = r->current;
    (void)section;
    r->open = false;
    if (s == NULL) {
        mistake(r, "a key must stand in a section, such as [global]");
        return 1;
    }
    if (s->kind == NULL)
        return 1;
    if (strncmp(name, "env[", 4) == 0) {
        take_env(r, name, value);
        return 1;
    }
    const struct config_key *k = config_find(name);
    if (k == NULL || !config_takes(k, s->kind)) {
        unknown_key(r, name);
        return 1;
    }
    int *seen = &s->seen[k - config_table()];
    if (*seen != 0) {
        mistake(r, "%s is set on line %d already", name, *seen);
        return 1;
    }
    *seen = r->lines.line;
    if (value[0] == '\0') {
        mistake(r, "%s has no value", name);
        return 1;
    }
    struct why why;
    struct arena *a = &r->c->arena;
    const char *text = arena_strdup(a, slice_of(value));
    if (config_value_parse(k, text, s->base, a, r->folder, &why) != OK)
        mistake(r, "%s = %.64s %s", name, text, why.text);
    return 1;
}

static void finish(struct reader *r)
{
    struct config *c = r->c;
    struct arena *a = &c->arena;
    c->pools = arena_alloc(a, r->pools * sizeof(*c->pools));
    c->pool_count = r->pools;
    size_t at = 0;
    config_check(r->sections, &r->errors, r->path);
    for (struct config_section *s = r->sections; s != NULL; s = s->next) {
        if (s->kind == NULL || strcmp(s->kind, "global") == 0)
            continue;
        struct pool_config *p = s->base;
        struct config_env_list file = {NULL, 0};
        if (p->env_file != NULL)
            config_env_read(&file, a, p->env_file, &r->errors);
        p->env = config_env_merge(a, &file, &s->env);
        if (strcmp(s->kind, "pool") == 0)
            c->pools[at++] = *p;
    }
}

/* The folder of path, absolute, so that a later chdir(2) changes nothing. */
static const char *folder_of(struct arena *a, const char *path)
{
    char cwd[4096];
    struct slice s = slice_of(path);
    while (s.n > 0 && s.p[s.n - 1] != '/')
        s.n--;
    const char *part = s.n > 0 ? arena_strdup(a, s) : ".";
    if (part[0] != '/' && getcwd(cwd, sizeof(cwd)) == NULL)
        return part;
    return config_path(a, cwd, part);
}

enum err config_read_stream(struct config *c, FILE *in, const char *path,
                            struct buf *errors)
{
    struct config fresh;
    config_init(&fresh);
    struct reader r = {
        .c = &fresh, .lines = {.in = in}, .errors = {.out = errors}};
    r.path = fresh.path = arena_strdup(&fresh.arena, slice_of(path));
    r.folder = folder_of(&fresh.arena, path);
    config_free(c); /* after path was copied: it may be c's own */
    buf_init(&r.lines.one, LINE_BYTES);
    if (&ini_max_line != NULL)
        ini_max_line = LINE_BYTES + 3; /* a line end, as in inih's ini.h */
    if (ini_parse_stream(next_line, &r, take, &r) < 0)
        mistake(&r, "out of memory");
    close_line(&r);
    finish(&r);
    buf_free(&r.lines.one);
    if (r.errors.count > 0) {
        config_free(&fresh);
        return ERR_SYNTAX;
    }
    *c = fresh;
    return OK;
}

enum err config_read(struct config *c, const char *path, struct buf *errors)
{
    FILE *in = fopen(path, "re");
    if (in == NULL) {
        enum err e = errno == ENOENT ? ERR_NOTFOUND : ERR_IO;
        buf_printf(errors, "%s: cannot open it: %s\n", path, strerror(errno));
        config_free(c);
        return e;
    }
    /* What is freed on the way has had secrets in it. */
    mallopt(M_PERTURB, 0xff);
    enum err e = config_read_stream(c, in, path, errors);
    fclose(in);
    mallopt(M_PERTURB, 0);
    return e;
}

/* stateless: without the keys that would mean nothing, and be refused. */
static void print_section(const char *kind, const void *base, bool stateless,
                          FILE *out)
{
    for (const struct config_key *k = config_table(); k->name != NULL; k++)
        if (config_takes(k, kind) && strcmp(k->type, "text") != 0 &&
            !(stateless && config_of_state(k)))
            config_value_print(k, base, out);
}

static void print_pool(const char *kind, const struct pool_config *p, FILE *out)
{
    print_section(kind, p, p->state == NULL, out);
    for (size_t i = 0; p->env[i] != NULL; i += 2)
        fprintf(out, "env[%s] = (set)\n", p->env[i]);
}

void config_print(const struct config *c, FILE *out)
{
    fputs("[global]\n", out);
    print_section("global", c, false, out);
    fputs("\n[cgi]\n", out);
    print_pool("cgi", &c->cgi, out);
    for (size_t i = 0; i < c->pool_count; i++) {
        fprintf(out, "\n[pool %s]\n", c->pools[i].name);
        print_pool("pool", &c->pools[i], out);
    }
}

static void forget(const struct pool_config *p, const struct pool_config *keep)
{
    for (size_t i = 0; p != keep && p->env[i] != NULL; i += 2)
        config_env_wipe(p->env[i + 1]);
}

void config_forget(struct config *c, const struct pool_config *keep)
{
    forget(&c->cgi, keep);
    for (size_t i = 0; i < c->pool_count; i++)
        forget(&c->pools[i], keep);
}

struct pool_config *config_pool(struct config *c, const char *name)
{
    if (name == NULL)
        return c->pool_count == 1 ? &c->pools[0] : NULL;
    for (size_t i = 0; i < c->pool_count; i++)
        if (strcmp(c->pools[i].name, name) == 0)
            return &c->pools[i];
    return NULL;
}
