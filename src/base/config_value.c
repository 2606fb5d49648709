/*
 * config_value.c - values as text: each type reads and prints its own.
 */
#include "base/config_parts.h"

#include "base/clock.h"
#include "base/netlist.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <string.h>
#include <sys/un.h>

/* What a type's parser is given. */
struct input {
    const struct config_key *key;
    struct slice text;
    const char *string; /* the same, NUL-terminated, lives with the config */
    void *at;           /* the member */
    struct arena *arena;
    const char *folder;
    struct why *why;
};

struct type {
    const char *name;
    enum err (*parse)(const struct input *in);
    void (*print)(const struct config_key *k, const void *at, FILE *out);
};

/* Smallest first; the end has no factor. */
struct unit {
    char suffix[3];
    uint64_t factor;
};
static const struct unit times[] = {{"ms", NS_PER_MS},
                                    {"s", NS_PER_S},
                                    {"m", 60 * NS_PER_S},
                                    {"h", 3600 * NS_PER_S},
                                    {"", 0}};
static const struct unit sizes[] = {{"", 1},
                                    {"k", UINT64_C(1) << 10},
                                    {"m", UINT64_C(1) << 20},
                                    {"g", UINT64_C(1) << 30},
                                    {"", 0}};
static const struct unit plain[] = {{"", 1}, {"", 0}};

struct number {
    char text[32];
};

/* In the largest unit that leaves no fraction. */
static struct number number_text(uint64_t v, const struct unit *units)
{
    struct number out = {"0"};
    const struct unit *best = units;
    for (const struct unit *u = units; u->factor != 0; u++)
        if (v % u->factor == 0)
            best = u;
    if (v != 0)
        snprintf(out.text, sizeof(out.text), "%" PRIu64 "%s", v / best->factor,
                 best->suffix);
    return out;
}

static void store(const struct input *in, uint64_t v)
{
    if (in->key->width == sizeof(uint64_t)) {
        memcpy(in->at, &v, sizeof(v));
        return;
    }
    unsigned narrow = (unsigned)v;
    must(in->key->width == sizeof(narrow));
    memcpy(in->at, &narrow, sizeof(narrow));
}

static uint64_t load(const struct config_key *k, const void *at)
{
    uint64_t v = 0;
    unsigned narrow = 0;
    if (k->width == sizeof(v)) {
        memcpy(&v, at, sizeof(v));
        return v;
    }
    memcpy(&narrow, at, sizeof(narrow));
    return narrow;
}

static enum err store_in_range(const struct input *in, uint64_t v,
                               const struct unit *units)
{
    uint64_t min = in->key->min, max = in->key->max;
    if (v < min || v > max)
        return why_set(in->why, ERR_RANGE, "is out of range (%s to %s)",
                       number_text(min, units).text,
                       number_text(max, units).text);
    store(in, v);
    return OK;
}

/* bare: the factor of a number without a unit. */
static enum err parse_number(const struct input *in, const struct unit *units,
                             uint64_t bare, const char *form)
{
    struct slice digits = in->text;
    digits.n = 0;
    while (digits.n < in->text.n && ascii_digit(in->text.p[digits.n]))
        digits.n++;
    struct slice suffix = slice_from(in->text, digits.n);
    uint64_t factor = suffix.n == 0 ? bare : 0;
    for (const struct unit *u = units; factor == 0 && u->factor != 0; u++)
        if (slice_iis(suffix, u->suffix))
            factor = u->factor;
    if (factor == 0 || digits.n == 0)
        return why_set(in->why, ERR_SYNTAX, "is not %s", form);
    uint64_t v = 0;
    if (!slice_u64(digits, UINT64_MAX / factor, &v))
        v = UINT64_MAX / factor; /* and so out of any range */
    return store_in_range(in, v * factor, units);
}

static enum err parse_time(const struct input *in)
{
    return parse_number(in, times, NS_PER_S,
                        "a time (a number and ms, s, m or h)");
}

static void print_time(const struct config_key *k, const void *at, FILE *out)
{
    fputs(number_text(load(k, at), times).text, out);
}

static enum err parse_size(const struct input *in)
{
    return parse_number(in, sizes, 1, "a size (a number and k, m or g)");
}

static void print_size(const struct config_key *k, const void *at, FILE *out)
{
    fputs(number_text(load(k, at), sizes).text, out);
}

static enum err parse_count(const struct input *in)
{
    return parse_number(in, plain, 1, "a whole number");
}

static void print_count(const struct config_key *k, const void *at, FILE *out)
{
    fprintf(out, "%" PRIu64, load(k, at));
}

static enum err parse_octal(const struct input *in)
{
    uint64_t v = 0;
    for (size_t i = 0; i < in->text.n; i++) {
        char c = in->text.p[i];
        if (c < '0' || c > '7' || v > 07777)
            return why_set(in->why, ERR_SYNTAX,
                           "is not an octal mode such as 0660");
        v = v * 8 + (uint64_t)(c - '0');
    }
    if (v > in->key->max)
        return why_set(in->why, ERR_RANGE, "is over 0%" PRIo64, in->key->max);
    store(in, v);
    return OK;
}

static void print_octal(const struct config_key *k, const void *at, FILE *out)
{
    fprintf(out, "0%03" PRIo64, load(k, at));
}

static enum err parse_bool(const struct input *in)
{
    static const char *const words[] = {"off",   "on",   "no", "yes",
                                        "false", "true", "0",  "1"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (slice_iis(in->text, words[i])) {
            *(bool *)in->at = i % 2 == 1;
            return OK;
        }
    }
    return why_set(in->why, ERR_SYNTAX, "is neither on nor off");
}

static void print_bool(const struct config_key *k, const void *at, FILE *out)
{
    (void)k;
    fputs(*(const bool *)at ? "on" : "off", out);
}

/* The type's name lists the words; a word's place is the enum's value. */
static struct slice next_word(struct slice *rest)
{
    size_t end = slice_find(*rest, '|');
    struct slice word = {rest->p, end};
    *rest = slice_from(*rest, end + 1);
    return word;
}

static enum err parse_word(const struct input *in)
{
    struct slice rest = slice_of(in->key->type);
    for (uint64_t i = 0; rest.n > 0; i++) {
        if (slice_eq(next_word(&rest), in->text)) {
            store(in, i);
            return OK;
        }
    }
    return why_set(in->why, ERR_SYNTAX, "is not one of %s", in->key->type);
}

static void print_word(const struct config_key *k, const void *at, FILE *out)
{
    struct slice rest = slice_of(k->type);
    struct slice word = next_word(&rest);
    for (uint64_t i = load(k, at); i > 0; i--)
        word = next_word(&rest);
    fprintf(out, "%.*s", (int)word.n, word.p);
}

static void print_string(const struct config_key *k, const void *at, FILE *out)
{
    (void)k;
    fputs(*(const char *const *)at, out);
}

static enum err keep(const struct input *in, const char *s)
{
    *(const char **)in->at = s;
    return OK;
}

const char *config_path(struct arena *a, const char *folder, const char *path)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    struct slice tail = {path, n};
    if (path[0] == '/')
        return arena_strdup(a, tail);
    size_t fn = strlen(folder);
    char *joined = arena_alloc(a, fn + 1 + n + 1);
    memcpy(joined, folder, fn);
    joined[fn] = '/';
    memcpy(joined + fn + 1, tail.p, tail.n);
    return joined;
}

/* Without memory it is a default, which is whole. */
static enum err parse_path(const struct input *in)
{
    if (in->arena == NULL)
        return keep(in, in->string);
    return keep(in, config_path(in->arena, in->folder, in->string));
}

/* As connect(2) wants it, so whole and not too long. */
static enum err check_socket(const struct input *in, const char *path)
{
    size_t most = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
    if (strlen(path) <= most)
        return OK;
    return why_set(in->why, ERR_TOOBIG,
                   "is too long for a unix socket, whose whole path has %zu "
                   "bytes at most; take a shorter one",
                   most);
}

static enum err parse_socket(const struct input *in)
{
    const char *path = config_path(in->arena, in->folder, in->string);
    enum err e = check_socket(in, path);
    return e == OK ? keep(in, path) : e;
}

static enum err parse_log(const struct input *in)
{
    static const char *const words[] = {"stderr", "syslog", "journal"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (slice_is(in->text, words[i]))
            return keep(in, words[i]);
    return parse_path(in);
}

static enum err parse_image(const struct input *in)
{
    static const char *const words[] = {"off", "beside", "auto"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (slice_is(in->text, words[i]))
            return keep(in, words[i]);
    return parse_path(in);
}

/* What a line of the file can hold; who uses it looks closer. */
static enum err parse_line(const struct input *in)
{
    return keep(in, in->string);
}

/* Of a user or group: as useradd(8) allows them, or a number. */
static bool is_name(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!ascii_alpha(c) && !ascii_digit(c) && strchr("_.$", c) == NULL &&
            (c != '-' || i == 0))
            return false;
    }
    return true;
}

static enum err parse_name(const struct input *in)
{
    if (!is_name(in->text))
        return why_set(in->why, ERR_SYNTAX,
                       "is not the name of a user or group");
    return keep(in, in->string);
}

static bool is_variable(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_alpha(s.p[i]) && s.p[i] != '_' &&
            (!ascii_digit(s.p[i]) || i == 0))
            return false;
    return true;
}

/* The path of a URL, as a web server's SCRIPT_NAME is. */
static bool is_place(struct slice s)
{
    return s.p[0] == '/' && memchr(s.p, '?', s.n) == NULL;
}

static enum err parse_place(const struct input *in)
{
    if (!is_place(in->text))
        return why_set(in->why, ERR_SYNTAX,
                       "is not the path of a URL: it begins with / and has no "
                       "query");
    return keep(in, in->string);
}

/* Words with blanks between; the first that is not sound is named. */
static enum err parse_words(const struct input *in, bool (*sound)(struct slice),
                            const char *what)
{
    struct slice rest = slice_trim(in->text);
    while (rest.n > 0) {
        struct slice word = {rest.p, 0};
        while (word.n < rest.n && word.p[word.n] != ' ' &&
               word.p[word.n] != '\t')
            word.n++;
        if (!sound(word))
            return why_set(in->why, ERR_SYNTAX,
                           "has %.*s in it, which is not "
                           "%s; a list has blanks between its words",
                           (int)(word.n < 64 ? word.n : 64), word.p, what);
        rest = slice_trim(slice_from(rest, word.n));
    }
    return keep(in, in->string);
}

static enum err parse_names(const struct input *in)
{
    return parse_words(in, is_name, "the name of a group");
}

static enum err parse_variables(const struct input *in)
{
    return parse_words(in, is_variable,
                       "the name of a variable (letters, digits, _)");
}

static enum err parse_places(const struct input *in)
{
    return parse_words(in, is_place, "a path that begins with /");
}

/* As a request names it. */
static bool is_target(struct slice s)
{
    return s.p[0] == '/' && memchr(s.p, '#', s.n) == NULL;
}

static enum err parse_targets(const struct input *in)
{
    return parse_words(in, is_target,
                       "a path that begins with /, and maybe a query");
}

static enum err parse_extensions(const struct input *in)
{
    bool dot = false, more = false; /* in a word: its dot, and what follows */
    for (size_t i = 0; i <= in->text.n; i++) {
        char c = i < in->text.n ? in->text.p[i] : ' ';
        bool gap = c == ' ' || c == '\t';
        if (gap && dot == more) {
            dot = more = false;
        } else if (!dot && c == '.') {
            dot = true;
        } else if (dot && !gap && c != '/') {
            more = true;
        } else {
            return why_set(in->why, ERR_SYNTAX,
                           "is not a list such as .js .mjs");
        }
    }
    return keep(in, in->string);
}

static bool is_port(struct slice s)
{
    uint64_t port = 0;
    return slice_u64(s, 65535, &port) && port > 0;
}

static bool is_host(struct slice s)
{
    char name[INET6_ADDRSTRLEN] = "";
    struct in6_addr v6;
    if (slice_is(s, "*")) /* every address */
        return true;
    if (s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']') {
        if (s.n - 2 >= sizeof(name))
            return false;
        memcpy(name, s.p + 1, s.n - 2);
        return inet_pton(AF_INET6, name, &v6) == 1;
    }
    for (size_t i = 0; i < s.n; i++)
        if (!ascii_alpha(s.p[i]) && !ascii_digit(s.p[i]) && s.p[i] != '.' &&
            (s.p[i] != '-' || i == 0))
            return false;
    return s.n > 0 && s.n <= 253;
}

static enum err parse_listen(const struct input *in)
{
    struct slice s = in->text;
    if (s.n > 1 && s.p[0] == '/') {
        enum err e = check_socket(in, in->string);
        return e == OK ? keep(in, in->string) : e;
    }
    if (slice_is(s, "fd 0") || is_port(s))
        return keep(in, in->string);
    size_t colon = s.n;
    while (colon > 0 && s.p[colon - 1] != ':')
        colon--;
    if (colon == 0 || !is_port(slice_from(s, colon)) ||
        !is_host((struct slice){s.p, colon - 1}))
        return why_set(in->why, ERR_SYNTAX,
                       "is none of /path, host:port, [v6]:port, port, fd 0");
    return keep(in, in->string);
}

static enum err parse_hosts(const struct input *in)
{
    struct netlist list;
    enum err e = netlist_parse(in->text, &list, in->why);
    netlist_free(&list);
    return e == OK ? keep(in, in->string) : e;
}

static const struct type types[] = {
    {"time", parse_time, print_time},
    {"size", parse_size, print_size},
    {"count", parse_count, print_count},
    {"octal", parse_octal, print_octal},
    {"bool", parse_bool, print_bool},
    {"path", parse_path, print_string},
    {"log", parse_log, print_string},
    {"image", parse_image, print_string},
    {"listen", parse_listen, print_string},
    {"name", parse_name, print_string},
    {"names", parse_names, print_string},
    {"variables", parse_variables, print_string},
    {"socket", parse_socket, print_string},
    {"place", parse_place, print_string},
    {"places", parse_places, print_string},
    {"targets", parse_targets, print_string},
    {"line", parse_line, print_string},
    {"extensions", parse_extensions, print_string},
    {"hosts", parse_hosts, print_string},
};
static const struct type word_type = {"word", parse_word, print_word};

static const struct type *type_of(const struct config_key *k)
{
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (strcmp(types[i].name, k->type) == 0)
            return &types[i];
    must(strchr(k->type, '|') != NULL);
    return &word_type;
}

enum err config_value_parse(const struct config_key *k, const char *text,
                            void *base, struct arena *a, const char *folder,
                            struct why *why)
{
    struct input in = {.key = k,
                       .text = slice_of(text),
                       .string = text,
                       .at = (char *)base + k->offset,
                       .arena = a,
                       .folder = folder,
                       .why = why};
    return type_of(k)->parse(&in);
}

void config_value_print(const struct config_key *k, const void *base, FILE *out)
{
    const struct type *t = type_of(k);
    const char *at = (const char *)base + k->offset;
    if (t->print == print_string && *(const char *const *)at == NULL)
        return;
    fprintf(out, "%s = ", k->name);
    t->print(k, at, out);
    fputc('\n', out);
}
