/*
 * config_env.c - the values an application gets as env, and their file.
 *
 * They may be secrets: no message here repeats a value.
 */
#include "base/config_parts.h"

#include <errno.h>
#include <string.h>

#define MOST 1000 /* values of one pool */
#define LINE_BYTES 65536

static bool is_identifier(const char *s)
{
    if (!ascii_alpha(*s) && *s != '_')
        return false;
    while (ascii_alpha(*s) || ascii_digit(*s) || *s == '_')
        s++;
    return *s == '\0';
}

static const struct config_env *find(const struct config_env_list *l,
                                     const char *name)
{
    const struct config_env *e = l->head;
    while (e != NULL && strcmp(e->name, name) != 0)
        e = e->next;
    return e;
}

enum err config_env_add(struct config_env_list *l, struct arena *a,
                        const char *name, const char *value, int line,
                        struct why *why)
{
    if (!is_identifier(name))
        return why_set(why, ERR_SYNTAX,
                       "the name of an env value is made of letters, digits "
                       "and _, not of '%.64s'",
                       name);
    const struct config_env *first = find(l, name);
    if (first != NULL)
        return why_set(why, ERR_SYNTAX, "%.64s is set on line %d already", name,
                       first->line);
    if (l->count == MOST)
        return why_set(why, ERR_TOOBIG, "more than %d env values", MOST);
    struct config_env **end = &l->head;
    while (*end != NULL)
        end = &(*end)->next;
    *end = arena_alloc(a, sizeof(**end));
    **end = (struct config_env){NULL, name, value, line};
    l->count++;
    return OK;
}

/* Takes off one pair of quotes; what is between them stays as it is. */
static enum err unquote(struct slice *v, struct why *why)
{
    if (v->n == 0 || (v->p[0] != '"' && v->p[0] != '\''))
        return OK;
    struct slice inner = slice_from(*v, 1);
    size_t end = slice_find(inner, v->p[0]);
    if (end == inner.n)
        return why_set(why, ERR_SYNTAX, "a quote is not closed");
    if (end + 1 != inner.n)
        return why_set(why, ERR_SYNTAX, "text follows the closing quote");
    *v = (struct slice){inner.p, end};
    return OK;
}

static enum err take(struct config_env_list *l, struct arena *a,
                     struct slice row, int line, struct why *why)
{
    if (row.n == 0 || row.p[0] == '#')
        return OK;
    size_t eq = slice_find(row, '=');
    if (eq == row.n)
        return why_set(why, ERR_SYNTAX, "this line is not NAME=value");
    struct slice value = slice_trim(slice_from(row, eq + 1));
    enum err e = unquote(&value, why);
    if (e != OK)
        return e;
    return config_env_add(l, a, arena_strdup(a, (struct slice){row.p, eq}),
                          arena_strdup(a, value), line, why);
}

bool config_env_read(struct config_env_list *l, struct arena *a,
                     const char *path, struct config_errors *errors)
{
    int before = errors->count;
    struct config_lines lines = {.in = fopen(path, "re")};
    if (lines.in == NULL) {
        config_error(errors, path, 0, "cannot open it: %s", strerror(errno));
        return false;
    }
    buf_init(&lines.one, LINE_BYTES);
    enum err e;
    do {
        struct why why;
        struct slice row = {NULL, 0};
        e = config_line(&lines, &row, &why);
        enum err bad = e == OK ? take(l, a, row, lines.line, &why) : e;
        if (bad != OK && bad != ERR_EOF)
            config_error(errors, path, lines.line, "%s", why.text);
    } while (e == OK || e == ERR_SYNTAX);
    buf_free(&lines.one);
    fclose(lines.in);
    return errors->count == before;
}

void config_env_wipe(const char *value)
{
    explicit_bzero((char *)(uintptr_t)value, strlen(value));
}

const char *const *config_env_merge(struct arena *a,
                                    const struct config_env_list *file,
                                    const struct config_env_list *own)
{
    size_t n = 0;
    const char **out =
        arena_alloc(a, (2 * (file->count + own->count) + 1) * sizeof(*out));
    for (const struct config_env *e = file->head; e != NULL; e = e->next) {
        if (find(own, e->name) != NULL) {
            config_env_wipe(e->value);
            continue;
        }
        out[n++] = e->name;
        out[n++] = e->value;
    }
    for (const struct config_env *e = own->head; e != NULL; e = e->next) {
        out[n++] = e->name;
        out[n++] = e->value;
    }
    return out;
}
