/*
 * err.c - names of statuses, sentences beside them, and the loud end.
 */
#include "base/err.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[] = {
    [OK] = "ok",
    [ERR_FAIL] = "failed",
    [ERR_AGAIN] = "try again",
    [ERR_NOMEM] = "out of memory",
    [ERR_TOOBIG] = "too big",
    [ERR_SYNTAX] = "malformed",
    [ERR_RANGE] = "out of range",
    [ERR_IO] = "input or output error",
    [ERR_EOF] = "unexpected end",
    [ERR_TIMEOUT] = "timed out",
    [ERR_ABORTED] = "aborted",
    [ERR_ORDER] = "out of order",
    [ERR_NOTFOUND] = "not found",
    [ERR_ACCESS] = "not allowed",
    [ERR_BUSY] = "busy",
    [ERR_CORRUPT] = "damaged",
    [ERR_MISMATCH] = "made by another version",
    [ERR_SCRIPT] = "script error",
};

const char *err_name(enum err e)
{
    if ((size_t)e >= sizeof(names) / sizeof(names[0]))
        return "unknown error";
    return names[e];
}

enum err why_set(struct why *w, enum err e, const char *fmt, ...)
{
    if (w == NULL)
        return e;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(w->text, sizeof(w->text), fmt, ap);
    va_end(ap);
    return e;
}

static void (*words)(const char *what);

void die_words(void (*fn)(const char *what))
{
    words = fn;
}

/* Straight to stderr: the log may be what failed. */
_Noreturn void die(const char *fmt, ...)
{
    char text[512];
    void (*fn)(const char *what) = words;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    fprintf(stderr, "snapcgi: %s\n", text);
    words = NULL; /* fn may die, too */
    if (fn != NULL)
        fn(text);
    abort();
}

void *xalloc(size_t n)
{
    void *p = calloc(1, n > 0 ? n : 1);
    if (p == NULL)
        die("out of memory (%zu bytes)", n);
    return p;
}

void *xrealloc(void *p, size_t n)
{
    void *q = realloc(p, n > 0 ? n : 1);
    if (q == NULL)
        die("out of memory (%zu bytes)", n);
    return q;
}

char *xstrdup(const char *s)
{
    return xstrndup(s, strlen(s));
}

char *xstrndup(const char *s, size_t n)
{
    n = strnlen(s, n);
    char *p = xalloc(n + 1);
    memcpy(p, s, n);
    return p;
}
