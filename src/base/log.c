/*
 * log.c - messages to lines, in the form that their sink wants.
 */
#include "base/log.h"

#include "base/clock.h"
#include "base/line.h"
#include "base/sink.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define IDENT "snapcgi"
#define COLUMN_MAX 512 /* bytes of a column, escaped */

static struct {
    struct sink sink;
    enum log_level least;
    enum log_format format;
    enum syslog_facility facility;
    char ident[65];
    char pool[65];
    char request[129];
    char function[257];
    uint64_t told; /* of sink.lost */
} self = {.sink = SINK_UNOPENED, .least = LOG_NOTICE, .ident = IDENT};

/* RFC 5424 6.2.1, which RFC 3164 and the journal share. */
static const int severities[] = {
    [LOG_DEBUG] = 7, [LOG_INFO] = 6,  [LOG_NOTICE] = 5,
    [LOG_WARN] = 4,  [LOG_ERROR] = 3,
};
static const int facilities[] = {
    [FACILITY_DAEMON] = 3, [FACILITY_USER] = 1, [FACILITY_LOCAL0] = 16};

static const char *const level_names[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info",   [LOG_NOTICE] = "notice",
    [LOG_WARN] = "warn",   [LOG_ERROR] = "error",
};
#define LEVELS (sizeof(level_names) / sizeof(level_names[0]))

/* ---- where it goes ----------------------------------------------------- */

static void use_sink(struct sink s)
{
    s.lost = self.sink.lost; /* since the start, whatever the target */
    s.error = self.sink.error;
    sink_close(&self.sink);
    self.sink = s;
}

enum err log_open(const struct log_options *o, struct why *why)
{
    struct sink s;
    enum err e = sink_open(&s, o->target, why);
    if (e != OK)
        return e;
    tzset(); /* syslog wants local time, and a chroot has no zones */
    use_sink(s);
    self.least = o->least;
    self.format = o->format;
    self.facility = o->facility;
    snprintf(self.ident, sizeof(self.ident), "%s",
             o->ident != NULL ? o->ident : IDENT);
    return OK;
}

enum err log_reopen(struct why *why)
{
    return sink_reopen(&self.sink, why);
}

void log_use(int fd)
{
    sink_use(&self.sink, fd);
}

void log_close(void)
{
    use_sink((struct sink)SINK_UNOPENED);
    self.format = LOG_FORMAT_TEXT;
}

void log_set_level(enum log_level least)
{
    self.least = least;
}

bool log_wants(enum log_level level)
{
    return level >= self.least;
}

int log_fd(void)
{
    return self.sink.fd;
}

int log_file_fd(void)
{
    return self.sink.kind == SINK_FILE ? self.sink.fd : -1;
}

/* Of what is too long the end, from a character's first byte on. */
static void keep_end(char *out, size_t size, const char *s)
{
    size_t n = strlen(s);
    if (n >= size) {
        s += n - (size - 1);
        while (((unsigned char)*s & 0xc0) == 0x80)
            s++;
    }
    snprintf(out, size, "%s", s);
}

void log_about(const char *pool, const char *request, const char *function)
{
    snprintf(self.pool, sizeof(self.pool), "%s", pool != NULL ? pool : "");
    snprintf(self.request, sizeof(self.request), "%s",
             request != NULL ? request : "");
    keep_end(self.function, sizeof(self.function),
             function != NULL ? function : "");
}

/* ---- forms ------------------------------------------------------------- */

static void put_column(struct line *l, const char *s)
{
    line_column(l, slice_of(s), LINE_COLUMN, COLUMN_MAX, "-");
}

static void put_json(struct line *l, const char *name, const char *s)
{
    line_printf(l, ",\"%s\":", name);
    line_json(l, slice_of(s), COLUMN_MAX);
}

static const char *as_object(struct line *l, enum log_level level,
                             uint64_t when, struct slice text)
{
    char stamp[25];
    clock_stamp(when, stamp);
    line_printf(l, "{\"time\":\"%s\",\"level\":\"%s\"", stamp,
                level_names[level]);
    put_json(l, "pool", self.pool);
    line_printf(l, ",\"pid\":%ld", (long)getpid());
    put_json(l, "request", self.request);
    put_json(l, "function", self.function);
    line_put(l, ",\"message\":\"");
    line_text(l, text, LINE_JSON, sizeof(l->text));
    return "\"}";
}

static void put_text(struct line *l, enum log_level level, bool pid,
                     struct slice text)
{
    line_printf(l, "%s ", level_names[level]);
    put_column(l, self.pool);
    if (pid)
        line_printf(l, "[%ld]", (long)getpid());
    line_put(l, " ");
    put_column(l, self.request);
    line_put(l, " ");
    put_column(l, self.function);
    line_put(l, " ");
    line_text(l, text, LINE_TEXT, sizeof(l->text));
}

/* RFC 3164 4.1. */
static void put_syslog_head(struct line *l, enum log_level level, uint64_t when)
{
    static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t s = (time_t)(when / NS_PER_S);
    struct tm t = {.tm_mon = 0};
    localtime_r(&s, &t);
    line_printf(l, "<%d>%s %2d %02d:%02d:%02d %s[%ld]: ",
                facilities[self.facility] * 8 + severities[level],
                months[t.tm_mon], t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec,
                self.ident, (long)getpid());
}

static void put_field(struct line *l, const char *name, const char *s)
{
    if (s[0] == '\0')
        return;
    line_printf(l, "%s=", name);
    line_text(l, slice_of(s), LINE_TEXT, COLUMN_MAX);
    line_put(l, "\n");
}

/* No value has a line end in it, so the plain form will do. */
static void put_journal_head(struct line *l, enum log_level level)
{
    line_printf(l, "PRIORITY=%d\n", severities[level]);
    put_field(l, "SYSLOG_IDENTIFIER", self.ident);
    put_field(l, "SNAPCGI_POOL", self.pool);
    put_field(l, "SNAPCGI_REQUEST", self.request);
    put_field(l, "SNAPCGI_FUNCTION", self.function);
    line_put(l, "MESSAGE=");
}

static void put_stamp(struct line *l, uint64_t when)
{
    char stamp[25];
    clock_stamp(when, stamp);
    line_printf(l, "%s ", stamp);
}

static void compose(struct line *l, enum log_level level, uint64_t when,
                    struct slice text)
{
    enum sink_kind kind = self.sink.kind;
    const char *tail = "";
    line_begin(l);
    if (kind == SINK_JOURNAL) {
        put_journal_head(l, level);
        line_text(l, text, LINE_TEXT, sizeof(l->text));
        line_end(l, "\n");
        return;
    }
    if (kind == SINK_SYSLOG)
        put_syslog_head(l, level, when);
    if (self.format == LOG_FORMAT_JSON) {
        tail = as_object(l, level, when, text);
    } else {
        if (kind != SINK_SYSLOG)
            put_stamp(l, when);
        put_text(l, level, kind != SINK_SYSLOG, text);
    }
    line_end(l, tail);
    if (kind != SINK_SYSLOG)
        line_end(l, "\n");
}

/* ---- writing ----------------------------------------------------------- */

static bool put_line(enum log_level level, uint64_t when, struct slice text)
{
    struct line l;
    compose(&l, level, when, text);
    return sink_write(&self.sink, l.text, l.n);
}

/* False: still none goes out, and a gap must not go unmarked. */
static bool tell_lost(uint64_t when)
{
    char text[128];
    uint64_t lost = self.sink.lost - self.told;
    if (lost == 0)
        return true;
    int n = snprintf(text, sizeof(text), "%llu line%s of this log %s lost: %s",
                     (unsigned long long)lost, lost == 1 ? "" : "s",
                     lost == 1 ? "was" : "were", sink_trouble(&self.sink));
    if (!put_line(LOG_WARN, when, (struct slice){text, (size_t)n}))
        return false; /* and this failure counts for the line at hand */
    self.told = self.sink.lost;
    return true;
}

static void write_line(enum log_level level, uint64_t when, struct slice text)
{
    int saved = errno; /* callers log before they look at it */
    if (tell_lost(when))
        put_line(level, when, text);
    errno = saved;
}

void log_text(enum log_level level, struct slice text)
{
    if (log_wants(level))
        write_line(level, clock_real(), text);
}

void log_lines(enum log_level level, struct slice text)
{
    if (!log_wants(level))
        return;
    uint64_t when = clock_real();
    while (text.n > 0) {
        size_t end = slice_find(text, '\n');
        struct slice row = {text.p, end};
        if (row.n > 0 && row.p[row.n - 1] == '\r')
            row.n--;
        if (row.n > 0)
            write_line(level, when, row);
        text = slice_from(text, end + 1);
    }
}

void log_at(enum log_level level, const char *fmt, ...)
{
    char text[PIPE_BUF];
    if (!log_wants(level))
        return;
    int saved = errno;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    errno = saved;
    if (n > 0)
        log_text(level, (struct slice){text, (size_t)n < sizeof(text)
                                                 ? (size_t)n
                                                 : sizeof(text) - 1});
}

bool log_send(struct sink *to, enum log_level level, struct slice line)
{
    char text[2 * PIPE_BUF];
    struct line head;
    int saved = errno;
    if (to->kind == SINK_SYSLOG || to->kind == SINK_JOURNAL) {
        line_begin(&head);
        if (to->kind == SINK_JOURNAL)
            put_journal_head(&head, level);
        else
            put_syslog_head(&head, level, clock_real());
        if (to->kind == SINK_SYSLOG && line.n > 0 && line.p[line.n - 1] == '\n')
            line.n--;
        if (line.n > PIPE_BUF)
            line.n = PIPE_BUF;
        memcpy(text, head.text, head.n);
        memcpy(text + head.n, line.p, line.n);
        line = (struct slice){text, head.n + line.n};
    }
    bool ok = sink_write(to, line.p, line.n);
    errno = saved;
    return ok;
}

uint64_t log_lost(void)
{
    return self.sink.lost;
}

bool log_level_parse(const char *name, enum log_level *out)
{
    for (size_t i = 0; i < LEVELS; i++) {
        if (strcmp(level_names[i], name) == 0) {
            *out = (enum log_level)i;
            return true;
        }
    }
    return false;
}

const char *log_level_name(enum log_level level)
{
    return (size_t)level < LEVELS ? level_names[level] : "unknown";
}
