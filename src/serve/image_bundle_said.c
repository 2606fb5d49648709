/*
 * image_bundle_said.c - esbuild's messages and its list of files.
 *
 * A message is for a terminal, and there is no other form of it: a mark and
 * "[ERROR] words", then indented lines, of which the first that ends like
 * "file:1:0:" is the place. The list is JSON (RFC 8259).
 */
#include "serve/image_bundle_parts.h"

#include <string.h>

/* ---- messages ------------------------------------------------------------ */

static struct slice take_line(struct slice *rest)
{
    size_t n = slice_find(*rest, '\n');
    struct slice line = {rest->p, n};
    *rest = slice_from(*rest, n + 1);
    return line;
}

/* Is line the first one of a message? What follows the mark is in *words. */
static bool headline(struct slice line, bool *error, struct slice *words)
{
    static const struct {
        const char *mark;
        bool error;
    } marks[] = {{"[ERROR] ", true}, {"[WARNING] ", false}};
    size_t at = slice_find(line, '[');
    struct slice tail = slice_from(line, at);
    if (at > 4) /* a sign and a space come before it */
        return false;
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        if (!slice_starts(tail, marks[i].mark))
            continue;
        *error = marks[i].error;
        *words = slice_from(tail, strlen(marks[i].mark));
        return true;
    }
    return false;
}

/* Takes ":digits" off the end of *s. */
static bool take_number(struct slice *s, uint64_t *out)
{
    size_t n = s->n;
    while (n > 0 && ascii_digit(s->p[n - 1]))
        n--;
    if (n < 2 || s->p[n - 1] != ':' ||
        !slice_u64(slice_from(*s, n), UINT32_MAX, out))
        return false;
    s->n = n - 1;
    return true;
}

static void look_for_place(struct slice line, struct bundle_note *note)
{
    struct slice s = slice_trim(line);
    uint64_t row = 0, column = 0;
    if (note->file.n > 0 || !slice_starts(line, "    ") || !slice_ends(s, ":"))
        return;
    s.n--;
    if (!take_number(&s, &column) || !take_number(&s, &row))
        return;
    note->file = s;
    note->line = row;
    note->column = column + 1; /* esbuild's begin with 0 */
}

static bool contains(struct slice s, const char *words)
{
    return s.n > 0 && memmem(s.p, s.n, words, strlen(words)) != NULL;
}

bool image_bundle_note(struct slice *rest, struct bundle_note *out)
{
    bool error;
    struct slice words;
    *out = (struct bundle_note){.error = false};
    while (rest->n > 0 &&
           !headline(take_line(rest), &out->error, &out->words)) {
    }
    if (out->words.n == 0)
        return false;
    out->node = slice_starts(out->words, "Could not resolve \"node:");
    while (rest->n > 0) {
        struct slice after = *rest;
        struct slice line = take_line(&after);
        if (headline(line, &error, &words))
            break;
        look_for_place(line, out);
        if (contains(line, "is built into node"))
            out->node = true;
        *rest = after;
    }
    return true;
}

/* What is between the first two quotation marks. */
static struct slice quoted(struct slice words)
{
    struct slice s = slice_from(words, slice_find(words, '"') + 1);
    s.n = slice_find(s, '"');
    return s;
}

void image_bundle_line(const struct bundle_note *note, const char *folder,
                       struct buf *line)
{
    struct slice name = quoted(note->words);
    if (note->file.n > 0) {
        if (note->file.p[0] != '/')
            buf_printf(line, "%s/", strcmp(folder, "/") == 0 ? "" : folder);
        buf_slice(line, note->file);
        buf_printf(line, ":%llu:%llu: ", (unsigned long long)note->line,
                   (unsigned long long)note->column);
    }
    if (note->node && note->error) /* its own hint does not help here */
        buf_printf(line,
                   "cannot import \"%.*s\": modules of Node.js are not "
                   "available here",
                   (int)(name.n < 200 ? name.n : 200), name.p);
    else
        buf_slice(line, note->words);
}

/* ---- files --------------------------------------------------------------- */

static bool take(struct slice *s, char *c)
{
    if (s->n == 0)
        return false;
    *c = s->p[0];
    *s = slice_from(*s, 1);
    return true;
}

/* Four hexadecimal digits; 0, which is in no path, when they are not. */
static uint32_t take_unit(struct slice *s)
{
    uint32_t unit = 0;
    char c;
    for (int i = 0; i < 4; i++) {
        if (!take(s, &c))
            return 0;
        c = ascii_lower(c);
        if (ascii_digit(c))
            unit = unit * 16 + (uint32_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            unit = unit * 16 + (uint32_t)(c - 'a') + 10;
        else
            return 0;
    }
    return unit;
}

static void put_utf8(struct buf *out, uint32_t c)
{
    static const unsigned char first[] = {0x00, 0xc0, 0xe0, 0xf0};
    int more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    buf_putc(out, (char)(first[more] | c >> (6 * more)));
    while (more-- > 0)
        buf_putc(out, (char)(0x80 | (c >> (6 * more) & 0x3f)));
}

static void take_escape(struct slice *s, struct buf *out)
{
    static const char letters[] = "\"\\/bfnrt";
    static const char means[] = "\"\\/\b\f\n\r\t";
    char c;
    if (!take(s, &c))
        return;
    const char *letter = c != '\0' ? strchr(letters, c) : NULL;
    if (letter != NULL) {
        buf_putc(out, means[letter - letters]);
        return;
    }
    uint32_t unit = c == 'u' ? take_unit(s) : 0;
    if (unit >= 0xd800 && unit < 0xdc00 && slice_starts(*s, "\\u")) {
        *s = slice_from(*s, 2);
        uint32_t low = take_unit(s);
        unit = 0x10000 + ((unit & 0x3ff) << 10) + (low & 0x3ff);
    }
    put_utf8(out, unit);
}

/* The rest of a string whose quotation mark was taken. */
static bool take_string(struct slice *s, struct buf *out)
{
    char c;
    while (take(s, &c)) {
        if (c == '"')
            return true;
        if (c == '\\')
            take_escape(s, out);
        else
            buf_putc(out, c);
    }
    return false;
}

/* In "inputs" are objects only, so a string right in it is a key. */
bool image_bundle_file(struct bundle_files *files, struct buf *name)
{
    char c;
    while (take(&files->rest, &c)) {
        if (c == '{' || c == '[') {
            files->depth++;
        } else if (c == '}' || c == ']') {
            files->depth--;
        } else if (c == '"') {
            buf_clear(name);
            if (!take_string(&files->rest, name))
                return false;
            if (files->depth == 1)
                files->inputs = slice_is(buf_view(name), "inputs");
            if (files->depth == 2 && files->inputs)
                return true;
        }
    }
    return false;
}
