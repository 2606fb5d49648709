/*
 * log.c - one write(2) per line, so that lines of many processes stay whole.
 */
#include "base/log.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES PIPE_BUF /* a longer text is cut and says so */
#define CUT "..."

static struct {
    const char *path; /* borrowed; NULL is stderr */
    int fd;
    enum log_level least;
    char pool[65];
    char request[129];
    uint64_t dropped;
} self = {.fd = STDERR_FILENO, .least = LOG_NOTICE};

static const char *const level_names[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info",   [LOG_NOTICE] = "notice",
    [LOG_WARN] = "warn",   [LOG_ERROR] = "error",
};
#define LEVELS (sizeof(level_names) / sizeof(level_names[0]))

static enum err open_file(const char *path, int *out, struct why *why)
{
    /* Non-blocking: the path may be a FIFO whose reader is slow. */
    int fd = open(
        path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
        0640);
    if (fd < 0)
        return why_set(why, ERR_IO, "cannot open the log %s: %s", path,
                       strerror(errno));
    *out = fd;
    return OK;
}

enum err log_open(const char *path, enum log_level least, struct why *why)
{
    int fd = STDERR_FILENO;
    bool file = strcmp(path, "stderr") != 0;
    enum err e = file ? open_file(path, &fd, why) : OK;
    if (e != OK)
        return e;
    log_close();
    self.path = file ? path : NULL;
    self.fd = fd;
    self.least = least;
    return OK;
}

/* The old file stays in use when the new one cannot be opened. */
enum err log_reopen(struct why *why)
{
    int fd = -1;
    if (self.path == NULL)
        return OK;
    enum err e = open_file(self.path, &fd, why);
    if (e != OK)
        return e;
    close(self.fd);
    self.fd = fd;
    return OK;
}

void log_close(void)
{
    if (self.path != NULL)
        close(self.fd);
    self.path = NULL;
    self.fd = STDERR_FILENO;
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
    return self.fd;
}

void log_about(const char *pool, const char *request)
{
    snprintf(self.pool, sizeof(self.pool), "%s", pool != NULL ? pool : "");
    snprintf(self.request, sizeof(self.request), "%s",
             request != NULL ? request : "");
}

struct line {
    char text[LINE_MAX_BYTES];
    size_t n;
};

/* False when it did not fit; room for the mark and the line end is kept. */
static bool line_put(struct line *l, const char *p, size_t n)
{
    if (n > sizeof(l->text) - sizeof(CUT) - l->n)
        return false;
    memcpy(l->text + l->n, p, n);
    l->n += n;
    return true;
}

static bool line_byte(struct line *l, unsigned char c)
{
    char esc[8];
    if (c == '\n')
        return line_put(l, "\\n", 2);
    if (c >= 0x20 && c != 0x7f)
        return line_put(l, (const char *)&c, 1);
    int n = snprintf(esc, sizeof(esc), "\\x%02x", (unsigned)c);
    return line_put(l, esc, (size_t)n);
}

static void line_head(struct line *l, enum log_level level, uint64_t when)
{
    char stamp[25];
    clock_stamp(when, stamp);
    const char *parts[] = {stamp, level_names[level],
                           self.pool[0] != '\0' ? self.pool : "-",
                           self.request[0] != '\0' ? self.request : "-"};
    l->n = 0;
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        for (const char *p = parts[i]; *p != '\0'; p++)
            line_byte(l, (unsigned char)*p);
        line_put(l, " ", 1);
    }
}

/*
 * stderr may be a pipe in blocking mode that others share, so its flags stay
 * as they are and poll(2) is asked instead: a writable pipe takes PIPE_BUF
 * bytes at once, see pipe(7).
 */
static bool write_now(const char *p, size_t n)
{
    struct pollfd pfd = {.fd = self.fd, .events = POLLOUT};
    if (poll(&pfd, 1, 0) < 1 || (pfd.revents & POLLOUT) == 0)
        return false;
    ssize_t got;
    do
        got = write(self.fd, p, n);
    while (got < 0 && errno == EINTR);
    return got == (ssize_t)n;
}

static void write_line(enum log_level level, uint64_t when, struct slice text)
{
    struct line l;
    int saved = errno; /* callers log before they look at it */
    line_head(&l, level, when);
    for (size_t i = 0; i < text.n; i++) {
        if (!line_byte(&l, (unsigned char)text.p[i])) {
            memcpy(l.text + l.n, CUT, sizeof(CUT) - 1);
            l.n += sizeof(CUT) - 1;
            break;
        }
    }
    l.text[l.n++] = '\n';
    if (!write_now(l.text, l.n))
        self.dropped++;
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
    char text[LINE_MAX_BYTES];
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

uint64_t log_dropped(void)
{
    return self.dropped;
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
