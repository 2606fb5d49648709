/*
 * image_show.c - inspect.
 */
#include "serve/image_show_parts.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/line.h"
#include "serve/image_trust.h"
#include "serve/state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- opening ------------------------------------------------------------ */

static enum err read_file(const char *path, const char *key_path,
                          struct image_shown *out, struct why *why)
{
    struct state_key key;
    enum err e = OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return why_set(why, errno == ENOENT ? ERR_NOTFOUND : ERR_IO, "%s: %s",
                       path, strerror(errno));
    if (key_path != NULL)
        e = state_key_read(key_path, &key, why);
    if (e == OK)
        e = state_file_read(fd, path, key_path != NULL ? &key : NULL, 0,
                            &out->bytes, &out->n, why);
    state_key_wipe(&key);
    close(fd);
    return e;
}

enum err image_show_open(const char *path, const char *key,
                         struct image_shown *out, struct why *why)
{
    struct why inner = {.text = ""};
    *out = (struct image_shown){.path = path};
    enum err e = read_file(path, key, out, why);
    if (e != OK)
        return e;
    /* Of its sections, image_whole() tells. */
    e = image_open_embedded(out->bytes, out->n, NULL, &out->image, &inner);
    if (e == OK)
        return OK;
    image_show_close(out);
    return why_set(why, e, "%s: %s", path, inner.text);
}

void image_show_close(struct image_shown *s)
{
    state_file_free(s->bytes, s->n);
    s->bytes = NULL;
}

/* ---- the header --------------------------------------------------------- */

#define FACT(name, kind, member)                                               \
    {                                                                          \
        name, kind, offsetof(struct image, member)                             \
    }
const struct image_fact image_facts[] = {
    FACT("kind", FACT_KIND, kind),
    FACT("id", FACT_WORD, id),
    FACT("base", FACT_WORD, base),
    FACT("created", FACT_STAMP, created),
    FACT("v8", FACT_WORD, version),
    FACT("build", FACT_HEX, build),
    FACT("flags", FACT_HEX, flags),
    FACT("natives", FACT_HEX, natives),
    FACT("js", FACT_HEX, js),
    FACT("machine", FACT_WORD, machine),
    FACT("pointer", FACT_COUNT, pointer_n),
    FACT("clock", FACT_TIME, clock),
    FACT("wake", FACT_TIME, wake),
    {NULL, FACT_WORD, 0},
};

static uint64_t number_of(const struct image_fact *f, const struct image *img)
{
    const char *at = (const char *)img + f->offset;
    uint64_t wide;
    uint32_t narrow;
    if (f->kind == FACT_COUNT || f->kind == FACT_KIND) {
        memcpy(&narrow, at, sizeof narrow);
        return narrow;
    }
    memcpy(&wide, at, sizeof wide);
    return wide;
}

void image_fact_text(const struct image_fact *f, const struct image *img,
                     char out[static 80])
{
    const char *word = (const char *)img + f->offset;
    uint64_t n = f->kind == FACT_WORD ? 0 : number_of(f, img);
    switch (f->kind) {
    case FACT_KIND:
        snprintf(out, 80, "%s", image_kind_name((enum image_kind)n));
        break;
    case FACT_WORD:
        snprintf(out, 80, "%s", word[0] != '\0' ? word : "-");
        break;
    case FACT_COUNT:
        snprintf(out, 80, "%" PRIu64, n);
        break;
    case FACT_HEX:
        snprintf(out, 80, "%016" PRIx64, n);
        break;
    case FACT_STAMP:
        if (n > UINT64_MAX / NS_PER_S)
            snprintf(out, 80, "%" PRIu64, n);
        else
            clock_stamp(n * NS_PER_S, out);
        break;
    case FACT_TIME:
        if (n == 0)
            snprintf(out, 80, "-");
        else
            snprintf(out, 80, "%" PRIu64 ".%03" PRIu64 " s", n / NS_PER_S,
                     n % NS_PER_S / NS_PER_MS);
        break;
    }
}

static void fact_json(const struct image_fact *f, const struct image *img,
                      struct json *j)
{
    char text[80];
    image_fact_text(f, img, text);
    if (f->kind == FACT_COUNT || f->kind == FACT_STAMP || f->kind == FACT_TIME)
        json_number(j, f->name, number_of(f, img));
    else
        json_maybe(j, f->name, strcmp(text, "-") == 0 ? NULL : text);
}

/* ---- sections ----------------------------------------------------------- */

void image_show_word(struct buf *out, const char *s)
{
    struct line l;
    line_begin(&l);
    line_text(&l, slice_of(s), LINE_TEXT, sizeof l.text);
    buf_put(out, l.text, l.n);
}

enum err image_files_read(const struct image *img, struct image_files *out,
                          struct why *why)
{
    struct image_sources at;
    struct image_source one;
    struct slice text;
    *out = (struct image_files){.file = NULL};
    buf_init(&out->how, IMAGE_SOURCES_MAX);
    enum err e = image_section(img, SECTION_SOURCES, &text, why);
    if (e != OK)
        return e == ERR_NOTFOUND ? OK : e;
    e = image_sources_open(&at, text, &out->how, why);
    while (e == OK && (e = image_sources_next(&at, &one, why)) == OK) {
        one.path = xstrdup(one.path);
        out->file =
            xrealloc(out->file, (out->count + 1) * sizeof(out->file[0]));
        out->file[out->count++] = one;
    }
    if (e == ERR_NOTFOUND)
        return OK;
    image_files_free(out);
    return e;
}

void image_files_free(struct image_files *f)
{
    for (size_t i = 0; i < f->count; i++)
        free((char *)(uintptr_t)f->file[i].path);
    free(f->file);
    buf_free(&f->how);
    *f = (struct image_files){.file = NULL};
}

enum err image_show_census(const struct image *img, struct image_census *out,
                           struct why *why)
{
    struct slice text;
    *out = (struct image_census){.count = 0};
    enum err e = image_section(img, SECTION_CENSUS, &text, why);
    if (e != OK)
        return e == ERR_NOTFOUND ? OK : e;
    e = image_census_read(text, out, why);
    if (e != OK)
        image_census_free(out);
    return e;
}

/* ---- what is found out besides ------------------------------------------ */

struct findings {
    enum err whole, fits, current, signer, files_e, census_e;
    struct why not_whole, not_fits, not_current, not_signed;
    char finger[IMAGE_FINGER_N];
    bool has_sources;
    struct image_files files;
    struct image_census census;
};

static void find_signer(const struct image *img, struct findings *f)
{
    unsigned char key[IMAGE_KEY_N];
    f->signer = image_trust_signer(img, key, &f->not_signed);
    if (f->signer == OK)
        f->signer = image_trust_finger(key, f->finger, &f->not_signed);
}

/* Each thing by itself: one that is damaged hides no other. */
static void find(const struct image *img, const struct image_host *host,
                 struct findings *f)
{
    struct slice text;
    *f = (struct findings){.has_sources = false};
    f->whole = image_whole(img, &f->not_whole);
    f->fits = image_fits(img, host, &f->not_fits);
    f->files_e =
        image_files_read(img, &f->files, f->whole == OK ? &f->not_whole : NULL);
    f->census_e = image_show_census(
        img, &f->census,
        f->whole == OK && f->files_e == OK ? &f->not_whole : NULL);
    if (f->whole == OK && f->files_e != OK)
        f->whole = f->files_e;
    if (f->whole == OK && f->census_e != OK)
        f->whole = f->census_e;
    f->has_sources = image_section(img, SECTION_SOURCES, &text, NULL) == OK &&
                     f->files_e == OK;
    if (f->has_sources)
        f->current = image_sources_current(text, &f->not_current);
    find_signer(img, f);
    if (f->whole == OK && f->signer == ERR_CORRUPT) {
        f->whole = f->signer;
        f->not_whole = f->not_signed;
    }
}

static void findings_free(struct findings *f)
{
    if (f->files_e == OK)
        image_files_free(&f->files);
    if (f->census_e == OK)
        image_census_free(&f->census);
}

/* ---- as text ------------------------------------------------------------ */

static void text_line(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, "%-9s ", name);
    image_show_word(out, value);
    buf_putc(out, '\n');
}

/* "yes", or "no: " and why. */
static void text_verdict(struct buf *out, const char *name, enum err e,
                         const struct why *why)
{
    char text[sizeof why->text + 8];
    snprintf(text, sizeof text, "%s%s",
             e == OK ? "yes" : "no: ", e == OK ? "" : why->text);
    text_line(out, name, text);
}

static void text_sections(const struct image *img, struct buf *out)
{
    struct image_part parts[IMAGE_PARTS_MAX];
    size_t count = image_parts(img, parts);
    char hex[2 * IMAGE_SHA256_N + 1];
    buf_printf(out, "\n%-9s %11s %11s  %s\n", "section", "offset", "bytes",
               "SHA-256");
    for (size_t i = 0; i < count; i++) {
        image_trust_hex(parts[i].sha256, IMAGE_SHA256_N, hex);
        buf_printf(out, "%-9s %11zu %11zu  %s\n",
                   image_section_name(parts[i].section),
                   (size_t)(parts[i].bytes.p - img->bytes.p), parts[i].bytes.n,
                   hex[strspn(hex, "0")] == '\0' ? "-" : hex);
    }
}

static void text_files(struct image_files *files, struct buf *out)
{
    char hex[2 * IMAGE_SHA256_N + 1];
    buf_puts(out, "\nsource files, evaluated as: ");
    image_show_word(out, buf_str(&files->how));
    buf_printf(out, "\n%-64s %10s %-6s %s\n", "SHA-256", "bytes", "type",
               "path");
    for (size_t i = 0; i < files->count; i++) {
        const struct image_source *f = &files->file[i];
        image_trust_hex(f->sha256, sizeof f->sha256, hex);
        buf_printf(out, "%s %10" PRIu64 " %-6s ", hex, f->size,
                   image_source_type_name(f->type));
        image_show_word(out, f->path);
        buf_putc(out, '\n');
    }
}

static void text_census(const struct image_census *c, struct buf *out)
{
    buf_printf(out, "\n%10s %12s  %s\n", "objects", "bytes", "of");
    for (size_t i = 0; i < c->objects.count; i++) {
        const struct image_census_row *r = &c->objects.row[i];
        buf_printf(out, "%10" PRIu64 " %12" PRIu64 "  ", r->count, r->bytes);
        image_show_word(out, r->name);
        buf_putc(out, '\n');
    }
    buf_printf(out, "%10" PRIu64 " %12" PRIu64 "  (all)\n", c->count, c->bytes);
    buf_printf(out, "\n%10s %12s  %s\n", "", "bytes", "held by");
    for (size_t i = 0; i < c->holders.count; i++) {
        const struct image_census_row *r = &c->holders.row[i];
        buf_printf(out, "%10s %12" PRIu64 "  ", "", r->bytes);
        image_show_word(out, r->name);
        if (r->where[0] != '\0') {
            buf_puts(out, ", ");
            image_show_word(out, r->where);
        }
        if (r->line != 0)
            buf_printf(out, ":%" PRIu64, r->line);
        buf_putc(out, '\n');
    }
}

static void inspect_text(const struct image_shown *s, struct findings *f,
                         struct buf *out)
{
    char text[80];
    text_line(out, "file", s->path);
    for (const struct image_fact *fact = image_facts; fact->name != NULL;
         fact++) {
        image_fact_text(fact, &s->image, text);
        text_line(out, fact->name, text);
    }
    snprintf(text, sizeof text, "%zu", s->image.bytes.n);
    text_line(out, "bytes", text);
    text_verdict(out, "whole", f->whole, &f->not_whole);
    text_verdict(out, "fits", f->fits, &f->not_fits);
    snprintf(text, sizeof text, "yes, by the key %s", f->finger);
    if (f->signer == OK)
        text_line(out, "signed", text);
    else if (f->signer == ERR_NOTFOUND)
        text_line(out, "signed", "no");
    else
        text_verdict(out, "signed", f->signer, &f->not_signed);
    if (f->has_sources)
        text_verdict(out, "current", f->current, &f->not_current);
    text_sections(&s->image, out);
    if (f->has_sources)
        text_files(&f->files, out);
    if (f->census_e == OK && f->census.objects.count > 0)
        text_census(&f->census, out);
}

/* ---- as JSON ------------------------------------------------------------ */

/* "name":true, or false and "not_name":"why" */
static void json_verdict(struct json *j, const char *name, enum err e,
                         const struct why *why)
{
    char other[32];
    json_bool(j, name, e == OK);
    snprintf(other, sizeof other, "not_%s", name);
    if (e != OK)
        json_string(j, other, why->text);
}

static void json_sections(const struct image *img, struct json *j)
{
    struct image_part parts[IMAGE_PARTS_MAX];
    size_t count = image_parts(img, parts);
    char hex[2 * IMAGE_SHA256_N + 1];
    json_begin(j, "sections", '[');
    for (size_t i = 0; i < count; i++) {
        image_trust_hex(parts[i].sha256, IMAGE_SHA256_N, hex);
        json_begin(j, NULL, '{');
        json_string(j, "name", image_section_name(parts[i].section));
        json_number(j, "offset", (uint64_t)(parts[i].bytes.p - img->bytes.p));
        json_number(j, "bytes", parts[i].bytes.n);
        json_maybe(j, "sha256", hex[strspn(hex, "0")] == '\0' ? NULL : hex);
        json_end(j, '}');
    }
    json_end(j, ']');
}

static void json_files(const struct image_files *files, struct json *j)
{
    char hex[2 * IMAGE_SHA256_N + 1];
    json_slice(j, "evaluated", buf_view(&files->how));
    json_begin(j, "sources", '[');
    for (size_t i = 0; i < files->count; i++) {
        const struct image_source *f = &files->file[i];
        image_trust_hex(f->sha256, sizeof f->sha256, hex);
        json_begin(j, NULL, '{');
        json_string(j, "path", f->path);
        json_string(j, "type", image_source_type_name(f->type));
        json_number(j, "bytes", f->size);
        json_string(j, "sha256", hex);
        json_end(j, '}');
    }
    json_end(j, ']');
}

static void json_census(const struct image_census *c, struct json *j)
{
    json_begin(j, "objects", '[');
    for (size_t i = 0; i < c->objects.count; i++) {
        json_begin(j, NULL, '{');
        json_string(j, "name", c->objects.row[i].name);
        json_number(j, "count", c->objects.row[i].count);
        json_number(j, "bytes", c->objects.row[i].bytes);
        json_end(j, '}');
    }
    json_end(j, ']');
    json_begin(j, "holders", '[');
    for (size_t i = 0; i < c->holders.count; i++) {
        json_begin(j, NULL, '{');
        json_string(j, "name", c->holders.row[i].name);
        json_maybe(j, "where", c->holders.row[i].where);
        json_number(j, "line", c->holders.row[i].line);
        json_number(j, "bytes", c->holders.row[i].bytes);
        json_end(j, '}');
    }
    json_end(j, ']');
    json_begin(j, "total", '{');
    json_number(j, "count", c->count);
    json_number(j, "bytes", c->bytes);
    json_end(j, '}');
}

static void inspect_json(const struct image_shown *s, struct findings *f,
                         struct buf *out)
{
    struct json j = {.out = out};
    json_begin(&j, NULL, '{');
    json_string(&j, "file", s->path);
    for (const struct image_fact *fact = image_facts; fact->name != NULL;
         fact++)
        fact_json(fact, &s->image, &j);
    json_number(&j, "bytes", s->image.bytes.n);
    json_verdict(&j, "whole", f->whole, &f->not_whole);
    json_verdict(&j, "fits", f->fits, &f->not_fits);
    json_maybe(&j, "signed_by", f->finger);
    if (f->signer != OK && f->signer != ERR_NOTFOUND)
        json_string(&j, "not_signed", f->not_signed.text);
    if (f->has_sources)
        json_verdict(&j, "current", f->current, &f->not_current);
    json_sections(&s->image, &j);
    if (f->has_sources)
        json_files(&f->files, &j);
    if (f->census_e == OK && f->census.objects.count > 0)
        json_census(&f->census, &j);
    json_end(&j, '}');
    buf_putc(out, '\n');
}

enum err image_show_inspect(const struct image_shown *s,
                            const struct image_host *host, bool json,
                            struct buf *out)
{
    struct findings f;
    find(&s->image, host, &f);
    if (json)
        inspect_json(s, &f, out);
    else
        inspect_text(s, &f, out);
    findings_free(&f);
    return f.whole == OK ? out->err : ERR_CORRUPT;
}
