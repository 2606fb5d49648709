/*
 * err.h - the one status of every function that can fail.
 *
 * A function starts with the error it would report and sets OK last, so that
 * a forgotten path is a failure. What went wrong in words travels beside it
 * in a struct why, which the caller lends.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

enum err {
    OK = 0,
    ERR_FAIL,     /* failed, the struct why says how */
    ERR_AGAIN,    /* nothing now: wait for the descriptor and call again */
    ERR_NOMEM,    /* an input-sized allocation was refused */
    ERR_TOOBIG,   /* a ceiling was reached */
    ERR_SYNTAX,   /* input is not in the form its standard asks for */
    ERR_RANGE,    /* well formed, but out of the allowed range */
    ERR_IO,       /* a system call failed, errno tells */
    ERR_EOF,      /* the peer ended too early */
    ERR_TIMEOUT,  /* a deadline passed */
    ERR_ABORTED,  /* the peer or the supervisor gave up */
    ERR_ORDER,    /* called in a state that does not allow it */
    ERR_NOTFOUND, /* no such thing */
    ERR_ACCESS,   /* it is there and may not be used */
    ERR_BUSY,     /* in use by another */
    ERR_CORRUPT,  /* stored data damaged */
    ERR_MISMATCH, /* stored data of another version, build or machine */
    ERR_SCRIPT    /* JavaScript threw; the report says what */
};

/* One sentence for a person, without a full stop or a line end. */
struct why {
    char text[512];
};

/* The name of a status in lower-case words ("too big"). Never NULL. */
const char *err_name(enum err e);

/* Fills w (may be NULL) like snprintf and returns e, for `return why_set()`. */
enum err why_set(struct why *w, enum err e, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Ends the process: an impossible state, or no memory for a small thing. */
void die(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));

/*
 * Before die() ends the process it calls fn, once, with what is said: last
 * words to a client. fn gets by without memory; NULL: nobody.
 */
void die_words(void (*fn)(const char *what));

/* States what cannot be otherwise; kept in release builds. */
#define must(cond)                                                             \
    ((cond) ? (void)0 : die("%s:%d: must(%s)", __FILE__, __LINE__, #cond))

/* Small allocations: zeroed, and die() when memory is out. */
void *xalloc(size_t n);
void *xrealloc(void *p, size_t n);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n);

#endif
