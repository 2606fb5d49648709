/*
 * status_text.c - the status as php-fpm writes it: lines, or JSON.
 */
#include "base/clock.h"
#include "serve/status_parts.h"

#include <string.h>
#include <time.h>

#define NS_PER_US 1000

/* Words of others: nothing in them can end a line or a string. */
static void put_word(struct buf *out, const char *text, enum line_form form)
{
    struct line l;
    line_begin(&l);
    line_text(&l, slice_of(text[0] != '\0' ? text : "-"), form, sizeof l.text);
    buf_put(out, l.text, l.n);
}

/* "21/Nov/2026:10:16:53 +0000" */
static void put_stamp(struct buf *out, uint64_t ns)
{
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr",
                                         "May", "Jun", "Jul", "Aug",
                                         "Sep", "Oct", "Nov", "Dec"};
    time_t s = (time_t)(ns / NS_PER_S);
    struct tm t;
    must(gmtime_r(&s, &t) != NULL);
    buf_printf(out, "%02d/%s/%d:%02d:%02d:%02d +0000", t.tm_mday,
               months[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min,
               t.tm_sec);
}

static void put_number(const struct status_field *f, const void *figures,
                       struct buf *out)
{
    unsigned long long n = status_number(f, figures);
    switch (f->kind) {
    case STATUS_STAMP:
    case STATUS_AGE:
        n /= NS_PER_S;
        break;
    case STATUS_TIME:
        n /= NS_PER_US;
        break;
    case STATUS_PERCENT:
        buf_printf(out, "%llu.%02llu", n / 100, n % 100);
        return;
    default:
        break;
    }
    buf_printf(out, "%llu", n);
}

static void put_lines(const struct status_field *f, const void *figures,
                      struct buf *out)
{
    for (; f->name != NULL; f++) {
        buf_printf(out, "%s:%*s", f->name, (int)(21 - strlen(f->name)), "");
        if (f->kind == STATUS_WORD)
            put_word(out, status_word(f, figures), LINE_TEXT);
        else if (f->kind == STATUS_STAMP && status_number(f, figures) == 0)
            buf_putc(out, '-');
        else if (f->kind == STATUS_STAMP)
            put_stamp(out, status_number(f, figures));
        else
            put_number(f, figures, out);
        buf_putc(out, '\n');
    }
}

void status_text(const struct status_view *v, struct buf *out)
{
    for (size_t i = 0; i < v->count; i++) {
        const struct status_pool *p = &v->pool[i];
        if (i > 0)
            buf_putc(out, '\n');
        put_lines(status_pool_table, p, out);
        for (size_t k = 0; k < p->process_count; k++) {
            buf_puts(out, "\n************************\n");
            put_lines(status_process_table, &p->process[k], out);
        }
    }
}

static void put_members(const struct status_field *f, const void *figures,
                        struct buf *out)
{
    for (bool first = true; f->name != NULL; f++, first = false) {
        buf_printf(out, "%s\"%s\":", first ? "" : ",", f->name);
        if (f->kind != STATUS_WORD) {
            put_number(f, figures, out);
            continue;
        }
        buf_putc(out, '"');
        put_word(out, status_word(f, figures), LINE_JSON);
        buf_putc(out, '"');
    }
}

static void put_object(const struct status_pool *p, bool full, struct buf *out)
{
    buf_putc(out, '{');
    put_members(status_pool_table, p, out);
    if (full)
        buf_puts(out, ",\"processes\":[");
    for (size_t k = 0; k < p->process_count; k++) {
        buf_puts(out, k > 0 ? ",{" : "{");
        put_members(status_process_table, &p->process[k], out);
        buf_putc(out, '}');
    }
    buf_puts(out, full ? "]}" : "}");
}

void status_json(const struct status_view *v, struct buf *out)
{
    if (!v->one)
        buf_puts(out, "{\"pools\":[");
    for (size_t i = 0; i < v->count; i++) {
        if (i > 0)
            buf_putc(out, ',');
        put_object(&v->pool[i], v->full, out);
    }
    buf_puts(out, v->one ? "\n" : "]}\n");
}
