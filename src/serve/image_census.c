/*
 * image_census.c - a census out of its JSON.
 */
#include "serve/image_census.h"

#include "base/json.h"

#include <stdlib.h>
#include <string.h>

#define WORD_MAX 8192 /* bytes of a name or a path */

/* One member's value; name is the member's. */
typedef bool member_fn(struct json_in *in, const char *name, struct buf *word,
                       void *arg);

static bool members(struct json_in *in, member_fn *fn, struct buf *word,
                    void *arg)
{
    char name[16];
    if (!json_take(in, '{'))
        return false;
    if (json_take(in, '}'))
        return true;
    do {
        if (!json_take_string(in, word) || !json_take(in, ':'))
            return false;
        /* A longer one is none of ours, cut or not. */
        size_t n = word->n < sizeof name ? word->n : sizeof name - 1;
        memcpy(name, buf_str(word), n);
        name[n] = '\0';
        if (!fn(in, name, word, arg))
            return false;
    } while (json_take(in, ','));
    return json_take(in, '}');
}

/* What is not known is null. */
static bool is_null(const struct json_in *in)
{
    return in->rest.n > 0 && in->rest.p[0] == 'n';
}

static bool take_word(struct json_in *in, struct buf *word, char **out)
{
    if (is_null(in))
        return json_skip(in);
    if (!json_take_string(in, word))
        return false;
    free(*out);
    *out = xstrdup(buf_str(word));
    return true;
}

static bool row_member(struct json_in *in, const char *name, struct buf *word,
                       void *arg)
{
    struct image_census_row *r = arg;
    if (strcmp(name, "name") == 0)
        return take_word(in, word, &r->name);
    if (strcmp(name, "where") == 0)
        return take_word(in, word, &r->where);
    if (strcmp(name, "line") == 0)
        return json_take_number(in, &r->line);
    if (strcmp(name, "count") == 0)
        return json_take_number(in, &r->count);
    if (strcmp(name, "bytes") == 0)
        return json_take_number(in, &r->bytes);
    return json_skip(in);
}

static bool take_rows(struct json_in *in, struct buf *word,
                      struct image_census_rows *out)
{
    if (out->count > 0 || !json_take(in, '['))
        return false;
    if (json_take(in, ']'))
        return true;
    do {
        if (out->count == IMAGE_CENSUS_ROWS)
            return false;
        struct image_census_row *r = &out->row[out->count++];
        r->name = xstrdup("");
        r->where = xstrdup("");
        if (!members(in, row_member, word, r))
            return false;
    } while (json_take(in, ','));
    return json_take(in, ']');
}

static bool total_member(struct json_in *in, const char *name, struct buf *word,
                         void *arg)
{
    struct image_census *c = arg;
    (void)word;
    if (strcmp(name, "count") == 0)
        return json_take_number(in, &c->count);
    if (strcmp(name, "bytes") == 0)
        return json_take_number(in, &c->bytes);
    return json_skip(in);
}

static bool census_member(struct json_in *in, const char *name,
                          struct buf *word, void *arg)
{
    struct image_census *c = arg;
    if (strcmp(name, "objects") == 0)
        return take_rows(in, word, &c->objects);
    if (strcmp(name, "holders") == 0)
        return take_rows(in, word, &c->holders);
    if (strcmp(name, "total") == 0 && !is_null(in))
        return members(in, total_member, word, c);
    return json_skip(in);
}

enum err image_census_read(struct slice json, struct image_census *out,
                           struct why *why)
{
    struct json_in in = {.rest = json};
    struct buf word;
    *out = (struct image_census){.count = 0};
    buf_init(&word, WORD_MAX);
    bool good = members(&in, census_member, &word, out) && json_done(&in);
    buf_free(&word);
    if (good)
        return OK;
    return why_set(why, ERR_CORRUPT,
                   "the image's census cannot be read at byte %zu",
                   json.n - in.rest.n);
}

static void rows_free(struct image_census_rows *rows)
{
    for (size_t i = 0; i < rows->count; i++) {
        free(rows->row[i].name);
        free(rows->row[i].where);
    }
    rows->count = 0;
}

void image_census_free(struct image_census *c)
{
    rows_free(&c->objects);
    rows_free(&c->holders);
}
