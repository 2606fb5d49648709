/*
 * image_show_diff.c - what is in one image and not in the other.
 */
#include "serve/image_show_parts.h"

#include "base/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One pair of values that differ; a or b is NULL where there is none. */
struct change {
    const char *name;
    const char *a, *b;
};

/* Where changes go: both forms in one walk. */
struct report_to {
    struct buf *out;
    struct json json;
    bool as_json;
    bool any;          /* something differs */
    const char *group; /* open now */
    bool begun;        /* its head line is out */
};

static void group_begin(struct report_to *r, const char *name)
{
    r->group = name;
    r->begun = false;
    if (r->as_json)
        json_begin(&r->json, name, '[');
}

static void group_end(struct report_to *r)
{
    if (r->as_json)
        json_end(&r->json, ']');
}

static void say(struct report_to *r, const struct change *c)
{
    r->any = true;
    if (r->as_json) {
        json_begin(&r->json, NULL, '{');
        json_string(&r->json, "name", c->name);
        json_maybe(&r->json, "a", c->a);
        json_maybe(&r->json, "b", c->b);
        json_end(&r->json, '}');
        return;
    }
    if (!r->begun)
        buf_printf(r->out, "%s\n", r->group);
    r->begun = true;
    buf_puts(r->out, "  ");
    image_show_word(r->out, c->name);
    buf_puts(r->out, ": ");
    image_show_word(r->out, c->a != NULL ? c->a : "-");
    buf_puts(r->out, " / ");
    image_show_word(r->out, c->b != NULL ? c->b : "-");
    buf_putc(r->out, '\n');
}

static void say_numbers(struct report_to *r, const char *name, uint64_t a,
                        uint64_t b)
{
    char texts[2][24];
    snprintf(texts[0], sizeof texts[0], "%" PRIu64, a);
    snprintf(texts[1], sizeof texts[1], "%" PRIu64, b);
    say(r, &(struct change){name, texts[0], texts[1]});
}

/* ---- the header and the table ------------------------------------------- */

static void header(struct report_to *r, const struct image *a,
                   const struct image *b)
{
    char texts[2][80];
    group_begin(r, "header");
    for (const struct image_fact *f = image_facts; f->name != NULL; f++) {
        image_fact_text(f, a, texts[0]);
        image_fact_text(f, b, texts[1]);
        if (strcmp(texts[0], texts[1]) != 0)
            say(r, &(struct change){f->name, texts[0], texts[1]});
    }
    group_end(r);
}

static const struct image_part *part_of(const struct image_part *parts,
                                        size_t count, unsigned section)
{
    for (size_t i = 0; i < count; i++)
        if ((unsigned)parts[i].section == section)
            return &parts[i];
    return NULL;
}

static void section(struct report_to *r, const struct image_part *a,
                    const struct image_part *b)
{
    char texts[2][48];
    const struct image_part *both[2] = {a, b};
    struct change c = {.name =
                           image_section_name((a != NULL ? a : b)->section)};
    if (a != NULL && b != NULL && slice_eq(a->bytes, b->bytes))
        return;
    for (int i = 0; i < 2; i++)
        if (both[i] != NULL)
            snprintf(texts[i], sizeof texts[i], "%zu bytes", both[i]->bytes.n);
    if (a != NULL && b != NULL && a->bytes.n == b->bytes.n)
        snprintf(texts[1], sizeof texts[1], "%zu other bytes", b->bytes.n);
    c.a = a != NULL ? texts[0] : NULL;
    c.b = b != NULL ? texts[1] : NULL;
    say(r, &c);
}

static void sections(struct report_to *r, const struct image *a,
                     const struct image *b)
{
    struct image_part as[IMAGE_PARTS_MAX], bs[IMAGE_PARTS_MAX];
    size_t a_n = image_parts(a, as), b_n = image_parts(b, bs);
    group_begin(r, "sections");
    for (unsigned s = SECTION_SNAPSHOT; s <= SECTION_SIGNATURE; s++) {
        const struct image_part *x = part_of(as, a_n, s);
        const struct image_part *y = part_of(bs, b_n, s);
        if (x != NULL || y != NULL)
            section(r, x, y);
    }
    group_end(r);
}

/* ---- sources ------------------------------------------------------------ */

static const struct image_source *file_of(const struct image_files *in,
                                          const char *path)
{
    for (size_t i = 0; i < in->count; i++)
        if (strcmp(in->file[i].path, path) == 0)
            return &in->file[i];
    return NULL;
}

static void source(struct report_to *r, const struct image_source *a,
                   const struct image_source *b)
{
    if (a == NULL)
        say(r, &(struct change){b->path, NULL, "added"});
    else if (b == NULL)
        say(r, &(struct change){a->path, "removed", NULL});
    else if (a->type != b->type)
        say(r, &(struct change){a->path, image_source_type_name(a->type),
                                image_source_type_name(b->type)});
    else if (memcmp(a->sha256, b->sha256, sizeof a->sha256) != 0)
        say(r, &(struct change){a->path, "changed", "changed"});
}

static void sources(struct report_to *r, struct image_files *a,
                    struct image_files *b)
{
    group_begin(r, "sources");
    if (!slice_eq(buf_view(&a->how), buf_view(&b->how)))
        say(r, &(struct change){"(evaluated as)", buf_str(&a->how),
                                buf_str(&b->how)});
    for (size_t i = 0; i < a->count; i++)
        source(r, &a->file[i], file_of(b, a->file[i].path));
    for (size_t i = 0; i < b->count; i++)
        if (file_of(a, b->file[i].path) == NULL)
            source(r, NULL, &b->file[i]);
    group_end(r);
}

/* ---- the heap ----------------------------------------------------------- */

static uint64_t count_in(const struct image_census_rows *rows, const char *name)
{
    for (size_t i = 0; i < rows->count; i++)
        if (strcmp(rows->row[i].name, name) == 0)
            return rows->row[i].count;
    return 0;
}

static void objects(struct report_to *r, const struct image_census *a,
                    const struct image_census *b)
{
    group_begin(r, "objects");
    if (a->count != b->count)
        say_numbers(r, "(all)", a->count, b->count);
    for (size_t i = 0; i < a->objects.count; i++) {
        const struct image_census_row *row = &a->objects.row[i];
        uint64_t other = count_in(&b->objects, row->name);
        if (row->count != other)
            say_numbers(r, row->name, row->count, other);
    }
    for (size_t i = 0; i < b->objects.count; i++) {
        const struct image_census_row *row = &b->objects.row[i];
        if (row->count != 0 && count_in(&a->objects, row->name) == 0)
            say_numbers(r, row->name, 0, row->count);
    }
    group_end(r);
}

/* ---- all of it ---------------------------------------------------------- */

/* Of both images; freed whatever came of it. */
struct contents {
    struct image_files files;
    struct image_census census;
};

static enum err contents_read(const struct image_shown *s, struct contents *c,
                              struct why *why)
{
    struct why inner = {.text = ""};
    enum err e = image_whole(&s->image, &inner);
    if (e == OK)
        e = image_files_read(&s->image, &c->files, &inner);
    if (e == OK)
        e = image_show_census(&s->image, &c->census, &inner);
    return e == OK ? OK : why_set(why, e, "%s: %s", s->path, inner.text);
}

static void contents_free(struct contents *c)
{
    image_files_free(&c->files);
    image_census_free(&c->census);
}

enum err image_show_diff(const struct image_shown *a,
                         const struct image_shown *b, bool json,
                         struct buf *out, bool *same, struct why *why)
{
    struct contents x = {.files = {.file = NULL}}, y = x;
    struct report_to r = {.out = out, .json = {.out = out}, .as_json = json};
    enum err e = contents_read(a, &x, why);
    if (e == OK)
        e = contents_read(b, &y, why);
    if (e == OK) {
        if (json) {
            json_begin(&r.json, NULL, '{');
            json_string(&r.json, "a", a->path);
            json_string(&r.json, "b", b->path);
        }
        header(&r, &a->image, &b->image);
        sections(&r, &a->image, &b->image);
        sources(&r, &x.files, &y.files);
        objects(&r, &x.census, &y.census);
        if (json) {
            json_bool(&r.json, "same", !r.any);
            json_end(&r.json, '}');
            buf_putc(out, '\n');
        }
        *same = !r.any;
        e = out->err;
    }
    contents_free(&x);
    contents_free(&y);
    return e;
}
