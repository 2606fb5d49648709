/*
 * access.c - a format to pieces, a request to its line.
 */
#include "serve/access.h"

#include "base/clock.h"
#include "base/line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define FORMAT_MAX 2048 /* bytes */
#define NAME_MAX_BYTES 128
#define TIME_MAX 128 /* bytes that a strftime(3) format may give */
#define TIME_DEFAULT "%d/%b/%Y:%H:%M:%S %z"
#define SCRIPT_MAX 512 /* bytes of texts that few fill, in JSON */
#define WORD_MAX 128

struct piece;
typedef void put_fn(struct line *l, const struct piece *p,
                    const struct access_entry *e);

/* Words that may stand in braces before a letter, first its default. */
struct unit {
    const char *name;
    uint64_t size;
};

enum braces { BRACES_NONE, BRACES_UNIT, BRACES_NAME, BRACES_TIME };

struct letter {
    char letter;
    enum braces braces;
    const struct unit *units; /* of BRACES_UNIT; NULL-name ended */
    put_fn *put;
};

/* A letter, or with letter NULL words of the format itself. */
struct piece {
    const struct letter *letter;
    const char *text; /* the words, or what stood in braces, or NULL */
    uint64_t size;    /* of the unit */
};

struct access {
    bool json;
    char *text; /* the format, cut into strings */
    size_t count;
    struct piece pieces[];
};

/* ---- what each letter puts --------------------------------------------- */

enum { CPU_ALL, CPU_USER, CPU_SYSTEM };

static const struct unit cpus[] = {
    {"total", CPU_ALL}, {"user", CPU_USER}, {"system", CPU_SYSTEM}, {NULL, 0}};
/* php-fpm of old wrote "mili". */
static const struct unit times[] = {
    {"seconds", NS_PER_S}, {"milliseconds", NS_PER_MS},
    {"milli", NS_PER_MS},  {"miliseconds", NS_PER_MS},
    {"mili", NS_PER_MS},   {"microseconds", 1000},
    {"micro", 1000},       {NULL, 0}};
static const struct unit sizes[] = {{"bytes", 1},           {"kilobytes", 1024},
                                    {"kilo", 1024},         {"mega", 1048576},
                                    {"megabytes", 1048576}, {NULL, 0}};

static void put_slice(struct line *l, struct slice s, enum line_form form)
{
    line_column(l, s, form, ACCESS_TEXT, "-");
}

static void put_u64(struct line *l, uint64_t n)
{
    line_printf(l, "%llu", (unsigned long long)n);
}

static void put_cpu(struct line *l, const struct piece *p,
                    const struct access_entry *e)
{
    uint64_t system = e->cpu_system < e->cpu ? e->cpu_system : e->cpu;
    uint64_t ns = p->size == CPU_USER     ? e->cpu - system
                  : p->size == CPU_SYSTEM ? system
                                          : e->cpu;
    line_printf(l, "%.2f",
                e->duration > 0 ? 100.0 * (double)ns / (double)e->duration
                                : 0.0);
}

static void put_duration(struct line *l, const struct piece *p,
                         const struct access_entry *e)
{
    if (p->size == 1000)
        put_u64(l, e->duration / p->size);
    else
        line_printf(l, "%.3f", (double)e->duration / (double)p->size);
}

static void put_param(struct line *l, const struct piece *p,
                      const struct access_entry *e)
{
    struct slice value = SLICE("");
    size_t n = strlen(p->text);
    for (const char *const *v = e->params; v != NULL && *v != NULL; v++)
        if (strncmp(*v, p->text, n) == 0 && (*v)[n] == '=')
            value = slice_of(*v + n + 1);
    put_slice(l, value, LINE_QUOTED);
}

static void put_field(struct line *l, const struct piece *p,
                      const struct access_entry *e)
{
    struct slice rest = e->header, value = SLICE("");
    while (rest.n > 0) {
        size_t end = slice_find(rest, '\n');
        struct slice field = {rest.p, end};
        size_t colon = slice_find(field, ':');
        if (slice_iis((struct slice){field.p, colon}, p->text)) {
            value = slice_from(field, colon + 1);
            if (slice_ends(value, "\r"))
                value.n--;
            break;
        }
        rest = slice_from(rest, end + 1);
    }
    put_slice(l, slice_trim(value), LINE_QUOTED);
}

static void put_time(struct line *l, const struct piece *p, uint64_t ns)
{
    char text[TIME_MAX];
    time_t s = (time_t)(ns / NS_PER_S);
    struct tm t = {.tm_mday = 1};
    localtime_r(&s, &t);
    text[strftime(text, sizeof(text), p->text != NULL ? p->text : TIME_DEFAULT,
                  &t)] = '\0';
    put_slice(l, slice_of(text), LINE_QUOTED);
}

#define PUT(name, statement)                                                   \
    static void put_##name(struct line *l, const struct piece *p,              \
                           const struct access_entry *e)                       \
    {                                                                          \
        (void)p;                                                               \
        (void)e;                                                               \
        statement;                                                             \
    }
PUT(percent, line_put(l, "%"))
PUT(sent, put_u64(l, e->sent))
PUT(script, put_slice(l, e->script, LINE_QUOTED))
PUT(id, put_slice(l, e->id, LINE_COLUMN))
PUT(length, put_u64(l, e->length))
PUT(method, put_slice(l, e->method, LINE_COLUMN))
PUT(memory, put_u64(l, e->memory / p->size))
PUT(pool, put_slice(l, slice_of(e->pool), LINE_COLUMN))
PUT(pid, line_printf(l, "%ld", (long)getpid()))
PUT(parent, line_printf(l, "%ld", (long)getppid()))
PUT(query, line_text(l, e->query, LINE_COLUMN, ACCESS_TEXT))
PUT(mark, line_put(l, e->query.n > 0 ? "?" : ""))
PUT(uri, put_slice(l, e->uri, LINE_COLUMN))
PUT(remote, put_slice(l, e->remote, LINE_COLUMN))
PUT(status, line_printf(l, "%d", e->status))
PUT(begun, put_time(l, p, e->received))
PUT(ended, put_time(l, p, e->received + e->duration))
PUT(user, put_slice(l, e->user, LINE_COLUMN))
PUT(complete, line_put(l, e->complete ? "+" : "X"))

static const struct letter letters[] = {
    {'%', BRACES_NONE, NULL, put_percent},
    {'C', BRACES_UNIT, cpus, put_cpu},
    {'M', BRACES_UNIT, sizes, put_memory},
    {'P', BRACES_NONE, NULL, put_parent},
    {'Q', BRACES_NONE, NULL, put_mark},
    {'R', BRACES_NONE, NULL, put_remote},
    {'T', BRACES_TIME, NULL, put_ended},
    {'X', BRACES_NONE, NULL, put_complete},
    {'b', BRACES_NONE, NULL, put_sent},
    {'d', BRACES_UNIT, times, put_duration},
    {'e', BRACES_NAME, NULL, put_param},
    {'f', BRACES_NONE, NULL, put_script},
    {'i', BRACES_NONE, NULL, put_id},
    {'l', BRACES_NONE, NULL, put_length},
    {'m', BRACES_NONE, NULL, put_method},
    {'n', BRACES_NONE, NULL, put_pool},
    {'o', BRACES_NAME, NULL, put_field},
    {'p', BRACES_NONE, NULL, put_pid},
    {'q', BRACES_NONE, NULL, put_query},
    {'r', BRACES_NONE, NULL, put_uri},
    {'s', BRACES_NONE, NULL, put_status},
    {'t', BRACES_TIME, NULL, put_begun},
    {'u', BRACES_NONE, NULL, put_user},
};

/* ---- the format -------------------------------------------------------- */

/* Whether word is in name, whatever its case, "-" being "_". */
static bool names(const char *name, const char *word)
{
    size_t n = strlen(word);
    for (; *name != '\0'; name++) {
        size_t i = 0;
        while (i < n && name[i] != '\0' &&
               (name[i] == '-' ? '_' : ascii_lower(name[i])) == word[i])
            i++;
        if (i == n)
            return true;
    }
    return false;
}

/* What lets somebody act as somebody else must not be in a log. */
static bool is_secret(const char *name)
{
    static const char *const words[] = {
        "authorization", "cookie", "passw",   "secret",   "token",
        "api_key",       "apikey", "auth_pw", "auth_key", "session_id"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (names(name, words[i]))
            return true;
    return false;
}

static enum err set_unit(struct piece *p, struct why *why)
{
    const struct unit *u = p->letter->units;
    p->size = u->size;
    if (p->text == NULL)
        return OK;
    for (; u->name != NULL; u++) {
        if (strcmp(u->name, p->text) == 0) {
            p->size = u->size;
            return OK;
        }
    }
    return why_set(why, ERR_SYNTAX, "%%{%s}%c has an unknown unit", p->text,
                   p->letter->letter);
}

static enum err check_name(const struct piece *p, struct why *why)
{
    char c = p->letter->letter;
    if (p->text == NULL || p->text[0] == '\0')
        return why_set(why, ERR_SYNTAX,
                       "%%%c needs a name before the letter, as in %%{NAME}%c",
                       c, c);
    if (strlen(p->text) > NAME_MAX_BYTES)
        return why_set(why, ERR_SYNTAX, "the name before %c is too long", c);
    if (is_secret(p->text))
        return why_set(why, ERR_SYNTAX,
                       "%%{%s}%c may hold a secret, and a log is no place "
                       "for one",
                       p->text, c);
    return OK;
}

/* One that gives nothing or too much would leave a hole in each line. */
static enum err check_time(const struct piece *p, struct why *why)
{
    char text[TIME_MAX];
    struct tm t = {.tm_mday = 1, .tm_year = 126};
    if (p->text == NULL || strftime(text, sizeof(text), p->text, &t) > 0)
        return OK;
    return why_set(why, ERR_SYNTAX,
                   "%%{%s}%c gives no text, or more than %d bytes", p->text,
                   p->letter->letter, TIME_MAX - 1);
}

static enum err check_piece(struct piece *p, struct why *why)
{
    switch (p->letter->braces) {
    case BRACES_UNIT:
        return set_unit(p, why);
    case BRACES_NAME:
        return check_name(p, why);
    case BRACES_TIME:
        return check_time(p, why);
    case BRACES_NONE:
        break;
    }
    if (p->text != NULL)
        return why_set(why, ERR_SYNTAX, "%%%c takes nothing in braces",
                       p->letter->letter);
    return OK;
}

/* *at is behind a percent sign, and then behind its letter. */
static enum err parse_letter(char **at, struct piece *p, struct why *why)
{
    char *s = *at;
    *p = (struct piece){.letter = NULL};
    if (*s == '{') {
        char *end = strchr(s, '}');
        if (end == NULL)
            return why_set(why, ERR_SYNTAX, "a brace is not closed: %%%s", s);
        *end = '\0';
        p->text = s + 1;
        s = end + 1;
    }
    for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
        if (letters[i].letter == *s)
            p->letter = &letters[i];
    if (*s == '\0')
        return why_set(why, ERR_SYNTAX, "a letter must follow the last %%");
    if (p->letter == NULL)
        return why_set(why, ERR_SYNTAX, "%%%c is not known", *s);
    *at = s + 1;
    return check_piece(p, why);
}

static enum err parse_text(struct access *a, struct why *why)
{
    char *s = a->text;
    while (*s != '\0') {
        size_t n = strcspn(s, "%");
        char *sign = s + n;
        bool more = *sign == '%';
        if (n > 0)
            a->pieces[a->count++] = (struct piece){.text = s};
        if (!more)
            break;
        *sign = '\0';
        s = sign + 1;
        enum err e = parse_letter(&s, &a->pieces[a->count++], why);
        if (e != OK)
            return e;
    }
    return OK;
}

static enum err check_format(const char *format, struct why *why)
{
    size_t n = strlen(format);
    if (n == 0 || n > FORMAT_MAX)
        return why_set(why, ERR_SYNTAX,
                       "access.format has %zu bytes; "
                       "1 to %d are possible",
                       n, FORMAT_MAX);
    for (size_t i = 0; i < n; i++)
        if (((unsigned char)format[i] < 0x20 && format[i] != '\t') ||
            format[i] == 0x7f)
            return why_set(why, ERR_SYNTAX,
                           "access.format has a control character");
    return OK;
}

enum err access_parse(const char *format, struct access **out, struct why *why)
{
    struct why inner = {.text = ""};
    size_t signs = 0;
    *out = NULL;
    enum err e = check_format(format, why);
    if (e != OK)
        return e;
    for (const char *s = format; *s != '\0'; s++)
        signs += *s == '%';
    struct access *a =
        xalloc(sizeof(*a) + (2 * signs + 1) * sizeof(a->pieces[0]));
    a->json = strcmp(format, "json") == 0;
    a->text = xstrdup(format);
    e = a->json ? OK : parse_text(a, &inner);
    if (e == OK) {
        tzset(); /* a chroot has no zones */
        *out = a;
        return OK;
    }
    why_set(why, e, "access.format: %s", inner.text);
    access_free(a);
    return e;
}

void access_free(struct access *a)
{
    if (a == NULL)
        return;
    free(a->text);
    free(a);
}

/* ---- the line ---------------------------------------------------------- */

static void member(struct line *l, const char *name, struct slice s,
                   size_t most)
{
    line_printf(l, ",\"%s\":", name);
    line_json(l, s, most);
}

/* The ceilings add up to less than a line, so that it is whole. */
static void put_object(struct line *l, const struct access_entry *e)
{
    char stamp[25];
    clock_stamp(e->received, stamp);
    line_printf(l, "{\"time\":\"%s\"", stamp);
    member(l, "pool", slice_of(e->pool), WORD_MAX);
    line_printf(l, ",\"pid\":%ld", (long)getpid());
    member(l, "request", e->id, WORD_MAX);
    member(l, "remote", e->remote, WORD_MAX);
    member(l, "user", e->user, WORD_MAX);
    member(l, "method", e->method, WORD_MAX);
    member(l, "uri", e->uri, ACCESS_TEXT);
    member(l, "query", e->query, ACCESS_TEXT);
    member(l, "script", e->script, SCRIPT_MAX);
    line_printf(l, ",\"status\":%d,\"duration\":%.6f,\"cpu\":%.6f", e->status,
                (double)e->duration / (double)NS_PER_S,
                (double)e->cpu / (double)NS_PER_S);
    line_printf(l, ",\"memory\":%llu,\"length\":%llu,\"sent\":%llu",
                (unsigned long long)e->memory, (unsigned long long)e->length,
                (unsigned long long)e->sent);
    line_printf(l, ",\"complete\":%s", e->complete ? "true" : "false");
}

void access_format(const struct access *a, const struct access_entry *e,
                   struct buf *out)
{
    struct line l;
    line_begin(&l);
    if (a->json)
        put_object(&l, e);
    for (size_t i = 0; i < a->count; i++) {
        const struct piece *p = &a->pieces[i];
        if (p->letter == NULL)
            line_put(&l, p->text);
        else
            p->letter->put(&l, p, e);
    }
    line_end(&l, a->json ? "}\n" : "\n");
    buf_put(out, l.text, l.n);
}

bool access_suppressed(const char *paths, const struct access_entry *e)
{
    struct slice rest = slice_of(paths);
    if (!slice_is(e->method, "GET") && !slice_is(e->method, "HEAD"))
        return false;
    if (e->query.n > 0 || e->length > 0 || e->status < 200 || e->status > 299)
        return false;
    while (rest.n > 0) {
        size_t n = slice_find(rest, ' ');
        if (n > 0 && slice_eq((struct slice){rest.p, n}, e->uri))
            return true;
        rest = slice_from(rest, n + 1);
    }
    return false;
}
