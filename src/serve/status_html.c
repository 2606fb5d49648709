/*
 * status_html.c - the status as one page for a person: no script, nothing
 * loaded, wide or narrow, light or dark.
 */
#include "base/clock.h"
#include "serve/status_parts.h"

#include <string.h>

/* Each in a line; the page's colours are only here. */
static const char style[] =
    ":root{color-scheme:light dark;--ground:#f6f7f9;--card:#fff;--ink:#1c2126;"
    "--soft:#5d6773;--line:#e1e5ea;--busy:#2f6fde;--begin:#9dbcf0;"
    "--bad:#b3261e}\n"
    "@media(prefers-color-scheme:dark){:root{--ground:#14171a;--card:#1d2125;"
    "--ink:#e5e8eb;--soft:#98a2ad;--line:#31373d;--busy:#6c9cf2;"
    "--begin:#3d5788;--bad:#ff9a8f}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0 auto;padding:1.5rem 1rem 3rem;max-width:92rem;"
    "background:var(--ground);color:var(--ink);"
    "font:15px/1.5 system-ui,sans-serif}\n"
    "header,h2+p{color:var(--soft)}\n"
    "h1,h2,h3{margin:0;color:var(--ink);line-height:1.3}\n"
    "h1{font-size:1.15rem}h2{font-size:1.3rem}\n"
    "h3{font-size:.8rem;color:var(--soft);font-weight:600}\n"
    "p{margin:.2rem 0}\n"
    "a{color:var(--busy)}nav a{margin-right:1rem;white-space:nowrap}\n"
    "section{margin-top:1.25rem;padding:1.1rem 1.25rem;background:var(--card);"
    "border:1px solid var(--line);border-radius:8px;overflow-wrap:break-word}\n"
    ".bar{display:flex;height:.75rem;margin:.9rem 0 .35rem;"
    "background:var(--line);border-radius:4px;overflow:hidden}\n"
    ".bar i{background:var(--busy)}.bar i+i{background:var(--begin)}\n"
    ".groups{columns:15rem;column-gap:2.5rem;margin-top:1.1rem}\n"
    ".groups div{break-inside:avoid;margin-bottom:1.1rem}\n"
    ".groups table{width:100%;border-collapse:collapse}\n"
    ".groups td,.groups th{padding:.18rem 0;font-weight:400;text-align:left;"
    "border-bottom:1px solid var(--line)}\n"
    ".groups td{text-align:right;padding-left:1rem}\n"
    "td,.bar+p{font-variant-numeric:tabular-nums}\n"
    ".bad{color:var(--bad);font-weight:600}\n"
    ".workers{width:100%;margin-top:.5rem;border-collapse:collapse;"
    "font-size:.87rem}\n"
    ".workers td,.workers th{padding:.3rem .6rem .3rem 0;text-align:left;"
    "vertical-align:top;border-bottom:1px solid var(--line);"
    "min-width:4.6rem;overflow-wrap:anywhere}\n"
    ".workers .n{min-width:0}\n"
    ".workers th{color:var(--soft);font-weight:600}\n"
    ".workers .n{text-align:right;white-space:nowrap}\n"
    "@media(max-width:64rem){.workers,.workers tbody,.workers tr,.workers td"
    "{display:block}.workers thead{display:none}\n"
    ".workers tr{padding:.6rem 0;border-bottom:1px solid var(--line)}\n"
    ".workers td,.workers .n{display:flex;border:0;padding:.08rem 0;"
    "text-align:left;white-space:normal}\n"
    ".workers td::before{content:attr(data-name);flex:0 0 7rem;"
    "color:var(--soft)}}\n";

static const char *const group_names[STATUS_GROUPS] = {
    [STATUS_WORKERS] = "Workers",      [STATUS_QUEUE] = "Queue",
    [STATUS_REQUESTS] = "Requests",    [STATUS_LATENCY] = "Latency",
    [STATUS_LIFE] = "Since the start", [STATUS_STATE] = "Kept state",
};

/* ---- values ------------------------------------------------------------ */

/* What a client wrote stays text: no control character, no markup. */
static void put_word(struct buf *out, const char *text)
{
    struct line l;
    line_begin(&l);
    line_text(&l, slice_of(text), LINE_TEXT, sizeof l.text);
    for (size_t i = 0; i < l.n; i++) {
        switch (l.text[i]) {
        case '&':
            buf_puts(out, "&amp;");
            break;
        case '<':
            buf_puts(out, "&lt;");
            break;
        case '>':
            buf_puts(out, "&gt;");
            break;
        case '"':
            buf_puts(out, "&quot;");
            break;
        case '\'':
            buf_puts(out, "&#39;");
            break;
        default:
            buf_putc(out, l.text[i]);
        }
    }
}

/* 1234567 as 1,234,567. */
static void put_count(struct buf *out, uint64_t n)
{
    if (n >= 1000) {
        put_count(out, n / 1000);
        buf_printf(out, ",%03u", (unsigned)(n % 1000));
    } else {
        buf_printf(out, "%u", (unsigned)n);
    }
}

struct unit {
    uint64_t size;
    const char *name;
};

/* The first unit that n reaches, with a digit behind the point. */
static void put_units(struct buf *out, uint64_t n, const struct unit *u)
{
    while (n < u->size && u[1].name != NULL)
        u++;
    uint64_t whole = n / u->size;
    if (whole < 100 && u->size > 1)
        buf_printf(out, "%u.%u %s", (unsigned)whole,
                   (unsigned)(n % u->size * 10 / u->size), u->name);
    else
        buf_printf(out, "%llu %s", (unsigned long long)whole, u->name);
}

static void put_time(struct buf *out, uint64_t ns)
{
    static const struct unit units[] = {
        {NS_PER_S, "s"}, {NS_PER_MS, "ms"}, {1000, "µs"}, {0}};
    put_units(out, ns, units);
}

static void put_bytes(struct buf *out, uint64_t n)
{
    static const struct unit units[] = {
        {1u << 30, "GB"}, {1u << 20, "MB"}, {1u << 10, "KB"}, {1, "B"}, {0}};
    put_units(out, n, units);
}

/* The two greatest units: "3 d 4 h". */
static void put_age(struct buf *out, uint64_t ns)
{
    unsigned long long s = ns / NS_PER_S;
    if (s >= 86400)
        buf_printf(out, "%llu d %llu h", s / 86400, s % 86400 / 3600);
    else if (s >= 3600)
        buf_printf(out, "%llu h %llu min", s / 3600, s % 3600 / 60);
    else if (s >= 60)
        buf_printf(out, "%llu min %llu s", s / 60, s % 60);
    else
        buf_printf(out, "%llu s", s);
}

/* "2026-11-21 10:16:53 UTC" */
static void put_stamp(struct buf *out, uint64_t real_ns)
{
    char s[25];
    clock_stamp(real_ns, s);
    buf_printf(out, "%.10s %.8s UTC", s, s + 11);
}

static void put_value(const struct status_field *f, const void *figures,
                      struct buf *out)
{
    if (f->kind == STATUS_WORD) {
        const char *word = status_word(f, figures);
        put_word(out, word[0] != '\0' ? word : "–");
        return;
    }
    uint64_t n = status_number(f, figures);
    if (n == 0 && (f->kind == STATUS_TIME || f->kind == STATUS_BYTES ||
                   f->kind == STATUS_STAMP)) {
        buf_puts(out, "–");
        return;
    }
    switch (f->kind) {
    case STATUS_NUMBER:
        buf_printf(out, "%llu", (unsigned long long)n);
        break;
    case STATUS_STAMP:
        put_stamp(out, n);
        break;
    case STATUS_AGE:
        put_age(out, n);
        break;
    case STATUS_TIME:
        put_time(out, n);
        break;
    case STATUS_BYTES:
        put_bytes(out, n);
        break;
    case STATUS_PERCENT:
        buf_printf(out, "%llu %%", (unsigned long long)(n / 100));
        break;
    default:
        put_count(out, n);
    }
}

/* ---- a pool ------------------------------------------------------------ */

static void put_share(struct buf *out, uint64_t part, uint64_t all)
{
    uint64_t tenths = all > 0 ? part * 1000 / all : 0;
    if (tenths > 1000)
        tenths = 1000;
    buf_printf(out, "<i style=\"width:%u.%u%%\"></i>", (unsigned)(tenths / 10),
               (unsigned)(tenths % 10));
}

static void put_bar(const struct status_pool *p, struct buf *out)
{
    uint64_t all = p->max_children > p->total ? p->max_children : p->total;
    buf_puts(out, "<div class=\"bar\" aria-hidden=\"true\">");
    put_share(out, p->active, all);
    put_share(out, p->total - p->active, all);
    buf_puts(out, "</div>\n<p>");
    bool full = p->active > 0 && p->active >= p->max_children;
    buf_printf(out,
               full ? "<b class=\"bad\">%llu of %llu workers busy</b>"
                    : "%llu of %llu workers busy",
               (unsigned long long)p->active,
               (unsigned long long)p->max_children);
    buf_printf(out, ", %llu idle", (unsigned long long)p->idle);
    if (p->starting > 0)
        buf_printf(out, ", %llu starting", (unsigned long long)p->starting);
    buf_printf(out, "; queue %llu of %llu.</p>\n", (unsigned long long)p->queue,
               (unsigned long long)p->queue_size);
}

static void put_group(const struct status_pool *p, enum status_group group,
                      struct buf *out)
{
    buf_printf(out, "<div><h3>%s</h3><table>\n", group_names[group]);
    for (const struct status_field *f = status_pool_table; f->name; f++) {
        if (f->group != group)
            continue;
        bool bad = f->alarm && status_number(f, p) > 0;
        buf_printf(out, "<tr><th scope=\"row\" title=\"%s\">%s</th><td%s>",
                   f->help, f->name, bad ? " class=\"bad\"" : "");
        put_value(f, p, out);
        buf_puts(out, "</td></tr>\n");
    }
    buf_puts(out, "</table></div>\n");
}

/* A column's: of whose request is clear. */
static const char *heading(const struct status_field *f)
{
    static const char *const words[] = {"last request ", "request "};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (slice_starts(slice_of(f->name), words[i]))
            return f->name + strlen(words[i]);
    return f->name;
}

static const char *class_of(const struct status_field *f)
{
    return f->kind == STATUS_WORD ? "" : " class=\"n\"";
}

/* Columns are those of STATUS_POOL; the others are for programs. */
static void put_process(const struct status_process *p, struct buf *out)
{
    buf_puts(out, "<tr>");
    for (const struct status_field *f = status_process_table; f->name; f++) {
        if (f->group != STATUS_POOL)
            continue;
        buf_printf(out, "<td%s data-name=\"%s\"><span>", class_of(f),
                   heading(f));
        put_value(f, p, out);
        buf_puts(out, "</span></td>");
    }
    buf_puts(out, "</tr>\n");
}

static void put_processes(const struct status_pool *p, struct buf *out)
{
    if (p->process_count == 0)
        return;
    buf_puts(out, "<table class=\"workers\"><thead><tr>");
    for (const struct status_field *f = status_process_table; f->name; f++)
        if (f->group == STATUS_POOL)
            buf_printf(out, "<th scope=\"col\"%s title=\"%s\">%s</th>",
                       class_of(f), f->help, heading(f));
    buf_puts(out, "</tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < p->process_count; i++)
        put_process(&p->process[i], out);
    buf_puts(out, "</tbody></table>\n");
}

static void put_pool(const struct status_pool *p, bool full, struct buf *out)
{
    buf_puts(out, "<section>\n<h2>");
    put_word(out, p->pool);
    buf_puts(out, "</h2>\n<p>");
    put_word(out, p->pm);
    buf_puts(out, " at ");
    put_word(out, p->listen);
    buf_puts(out, ", since ");
    put_stamp(out, p->started);
    buf_puts(out, " (");
    put_age(out, p->since);
    buf_puts(out, ")");
    if (p->image[0] != '\0') {
        buf_puts(out, ", image ");
        put_word(out, p->image);
    }
    buf_puts(out, "</p>\n");
    put_bar(p, out);
    buf_puts(out, "<div class=\"groups\">\n");
    for (int g = STATUS_WORKERS; g < STATUS_GROUPS; g++)
        if (g != STATUS_STATE || p->phase[0] != '\0')
            put_group(p, (enum status_group)g, out);
    buf_puts(out, "</div>\n");
    if (full)
        put_processes(p, out);
    buf_puts(out, "</section>\n");
}

/* ---- the page ---------------------------------------------------------- */

/* A link to this place in another form; a pool asked for stays asked for. */
static void put_link(const struct status_view *v, const char *form, bool full,
                     const char *text, struct buf *out)
{
    buf_printf(out, "<a href=\"?%s%s", form, full ? "&amp;full" : "");
    if (v->one) {
        buf_puts(out, "&amp;pool=");
        put_word(out, v->pool[0].pool);
    }
    buf_printf(out, "\">%s</a>\n", text);
}

void status_html(const struct status_view *v, struct buf *out)
{
    buf_puts(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n"
                  "<meta charset=\"utf-8\">\n"
                  "<meta name=\"viewport\" content=\"width=device-width\">\n"
                  "<title>snapcgi status</title>\n<style>\n");
    buf_puts(out, style);
    buf_puts(out, "</style>\n</head>\n<body>\n<header>\n"
                  "<h1>snapcgi status</h1>\n<p>");
    put_stamp(out, v->now);
    buf_puts(out, "</p>\n<nav>\n");
    put_link(v, "html", v->full, "Refresh", out);
    put_link(v, "html", !v->full, v->full ? "Hide workers" : "Show workers",
             out);
    put_link(v, "text", v->full, "Text", out);
    put_link(v, "json", v->full, "JSON", out);
    put_link(v, "openmetrics", v->full, "OpenMetrics", out);
    buf_puts(out, "</nav>\n</header>\n<main>\n");
    for (size_t i = 0; i < v->count; i++)
        put_pool(&v->pool[i], v->full, out);
    if (v->count == 0)
        buf_puts(out, "<p>There is no such pool.</p>\n");
    buf_puts(out, "</main>\n</body>\n</html>\n");
}
