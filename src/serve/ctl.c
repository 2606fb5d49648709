/*
 * ctl.c - writes a line, reads to the end, prints.
 *
 * All is read before anything is printed: a pager that waits for a key must
 * not look like a slow reader to the supervisor.
 */
#include "serve/ctl.h"

#include "base/buf.h"
#include "base/slice.h"
#include "serve/control.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

/* Seconds without a byte: of what is answered at once, and of the rest. */
#define SOON 30
#define LATE 900

static const struct verb {
    const char *name;
    const char *words;
    bool late; /* answered when it is done */
    const char *help;
} verbs[] = {
    {"status", "[json|html|openmetrics] [full] [POOL]", false,
     "what the pools do; full: each worker, too"},
    {"pools", "", false, "the names of the pools"},
    {"ping", "", false, "is the supervisor there?"},
    {"reload", "", true,
     "configuration, code and program anew; the old ones stay on an error"},
    {"restart", "[POOL]", true, "new workers, then an end to the old ones"},
    {"pause", "[POOL]", true,
     "save the kept state, and let requests wait until resume"},
    {"resume", "[POOL]", true, "go on after a pause"},
    {"save", "[POOL]", true, "save the kept state, and go on"},
    {"more", "[POOL]", false, "one worker more at most, until a reload"},
    {"fewer", "[POOL]", false, "one worker fewer at most, until a reload"},
    {"reopen", "", false, "open the logs again, after a rotation"},
    {"log-level", "debug|info|notice|warn|error", false,
     "the least level that is written, until a reload"},
    {"quit", "", true, "stop when the requests at hand are answered"},
    {"stop", "", true, "stop now"},
};
#define VERBS (sizeof(verbs) / sizeof(verbs[0]))

void ctl_usage(void)
{
    for (size_t i = 0; i < VERBS; i++)
        printf("  %s%s%s\n      %s\n", verbs[i].name,
               verbs[i].words[0] != '\0' ? " " : "", verbs[i].words,
               verbs[i].help);
}

static time_t patience(const char *name)
{
    for (size_t i = 0; i < VERBS; i++)
        if (strcmp(verbs[i].name, name) == 0)
            return verbs[i].late ? LATE : SOON;
    return SOON;
}

/* The words as one line. False when they cannot be one. */
static bool join(const char *const *words, struct buf *line)
{
    size_t count = 0;
    for (; words[count] != NULL; count++) {
        const char *w = words[count];
        if (w[0] == '\0' || count == CONTROL_WORDS)
            return false;
        for (const char *p = w; *p != '\0'; p++)
            if ((unsigned char)*p <= ' ' || *p == 0x7f)
                return false;
        if (count > 0)
            buf_putc(line, ' ');
        buf_puts(line, w);
    }
    buf_putc(line, '\n');
    return count > 0 && line->err == OK;
}

/* Says why there is no connection, and what to do. */
static int unreachable(const char *path, int failed)
{
    if (failed == EACCES || failed == EPERM) {
        fprintf(stderr,
                "snapcgi: you may not use %s; run this as root or as the user "
                "of the supervisor\n",
                path);
        return EX_NOPERM;
    }
    if (failed == ENOENT)
        fprintf(stderr,
                "snapcgi: there is no %s: start the supervisor, or give the "
                "path that the configuration of the running one has as "
                "control\n",
                path);
    else if (failed == ECONNREFUSED)
        fprintf(stderr,
                "snapcgi: nobody listens on %s: the supervisor does not run; "
                "or the running one has another path as control in its "
                "configuration\n",
                path);
    else
        fprintf(stderr, "snapcgi: cannot connect to %s: %s\n", path,
                strerror(failed));
    return failed == EAGAIN ? EX_TEMPFAIL : EX_UNAVAILABLE;
}

/* A connection with time-outs, or an exit status and -1. */
static int reach(const char *path, time_t seconds, int *result)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct timeval limit = {.tv_sec = seconds};
    if (strlen(path) >= sizeof(at.sun_path)) {
        fprintf(stderr,
                "snapcgi: the path of a unix socket has at most %zu bytes: "
                "%s\n",
                sizeof(at.sun_path) - 1, path);
        *result = EX_USAGE;
        return -1;
    }
    memcpy(at.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) != 0 ||
        connect(fd, (struct sockaddr *)&at, sizeof(at)) != 0) {
        *result = unreachable(path, errno);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    return fd;
}

/*
 * All of the answer. An error after the first byte is its end; an error when
 * writing may have an answer all the same ("too many").
 */
static enum err converse(int fd, const struct buf *line, struct buf *answer)
{
    ssize_t n;
    (void)!send(fd, line->p, line->n, MSG_NOSIGNAL);
    for (;;) {
        if (buf_reserve(answer, 64 * 1024) != OK)
            return answer->err;
        n = recv(fd, answer->p + answer->n, answer->cap - answer->n, 0);
        if (n > 0)
            answer->n += (size_t)n;
        else if (n == 0 || errno != EINTR)
            break;
    }
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return ERR_TIMEOUT;
    return answer->n > 0 ? OK : ERR_EOF;
}

/*
 * What workers say of themselves is in there, URLs and all: a control
 * character is not for the terminal of who asked.
 */
static int show(struct slice text, FILE *out)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        bool fine = (c >= ' ' && c != 0x7f) || c == '\n' || c == '\t';
        if (c == 0xc2 && i + 1 < text.n && (text.p[i + 1] & 0xe0) == 0x80) {
            fine = false; /* U+0080 to U+009F, in UTF-8 */
            i++;
        }
        putc(fine ? c : '?', out);
    }
    if (fflush(out) == 0 && !ferror(out))
        return EX_OK;
    fprintf(stderr, "snapcgi: the answer cannot be written: %s\n",
            strerror(errno));
    return EX_IOERR;
}

static int print(const char *path, enum err e, const struct buf *answer)
{
    struct slice text = buf_view(answer);
    size_t first = slice_find(text, '\n');
    if (e == OK && slice_is((struct slice){text.p, first}, "ok"))
        return show(slice_from(text, first + 1), stdout);
    if (e == OK && slice_starts(text, "error: ")) {
        fputs("snapcgi: ", stderr);
        show(slice_from(text, strlen("error: ")), stderr);
        return 1;
    }
    if (e == ERR_TIMEOUT) {
        fprintf(stderr,
                "snapcgi: the supervisor at %s is there and does not answer; "
                "what was asked may still be done\n",
                path);
        return EX_TEMPFAIL;
    }
    fprintf(stderr,
            "snapcgi: the supervisor at %s ended without an answer; see its "
            "error log\n",
            path);
    return EX_UNAVAILABLE;
}

int ctl_run(const char *socket, const char *const *words)
{
    struct buf line, answer;
    int result = EX_USAGE;
    buf_init(&line, CONTROL_LINE);
    buf_init(&answer, 2 * CONTROL_ANSWER);
    if (!join(words, &line)) {
        fputs("snapcgi: ctl needs a verb, and words without blanks after it; "
              "see snapcgi --help\n",
              stderr);
        goto out;
    }
    int fd = reach(socket, patience(words[0]), &result);
    if (fd < 0)
        goto out;
    enum err e = converse(fd, &line, &answer);
    close(fd);
    result = print(socket, e, &answer);
out:
    buf_free(&answer);
    buf_free(&line);
    return result;
}
