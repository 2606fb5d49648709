/*
 * native.h - a C function that JavaScript may call.
 *
 * A binding is one table of struct native and C functions that read their
 * arguments and set one result through the calls below; it never sees the
 * engine. All natives share one trampoline and are told apart by their place
 * in the list of tables, so the order of tables is part of an image's
 * fingerprint. JavaScript finds them as properties of one object, `native`.
 *
 * JavaScript's side is polite (it converts and checks as the standards say);
 * this side is strict: a wrong type is a bug in js/, and arg_* then throws a
 * TypeError naming the native and returns a zero value.
 */
#ifndef ENGINE_NATIVE_H
#define ENGINE_NATIVE_H

#include "base/err.h"
#include "base/slice.h"

#include <stdint.h>

struct call; /* one call in progress; dead when the native returns */

typedef void native_fn(struct call *c);

struct native {
    const char *name; /* NULL ends a table */
    int arity;        /* arguments JavaScript must pass; fewer throws */
    native_fn *fn;
};

/* What realm_new() was given: whose call this is. */
void *call_host(struct call *c);

/* Is argument i of that type? Never throws. */
bool arg_is_undefined(struct call *c, int i); /* or missing, or null */
bool arg_is_string(struct call *c, int i);
bool arg_is_number(struct call *c, int i);

bool arg_bool(struct call *c, int i);
double arg_num(struct call *c, int i);
int32_t arg_int(struct call *c, int i);
/*
 * A string as UTF-8 (lone surrogates become U+FFFD), lent until the native
 * returns and NUL-terminated past its length.
 */
struct slice arg_utf8(struct call *c, int i);
/* The same, malloc'd and given: free() it. NULL after a throw. */
char *arg_utf8_take(struct call *c, int i, size_t *n);
/* A string as Latin-1 bytes; a code unit over 255 throws a TypeError. */
struct slice arg_latin1(struct call *c, int i);
/* Bytes of an ArrayBuffer, typed array or DataView, in place; lent until
 * the native returns. */
struct slice arg_bytes(struct call *c, int i);
void *arg_bytes_mut(struct call *c, int i, size_t *n);
/* An Array of strings: how many, and one as UTF-8 or Latin-1. */
uint32_t arg_list_count(struct call *c, int i);
struct slice arg_list_utf8(struct call *c, int i, uint32_t k);
struct slice arg_list_latin1(struct call *c, int i, uint32_t k);

/* The result; at most one of these per call, undefined otherwise. */
void ret_null(struct call *c);
void ret_bool(struct call *c, bool v);
void ret_num(struct call *c, double v);
void ret_int(struct call *c, int32_t v);
void ret_latin1(struct call *c, struct slice s); /* each byte a code unit */
/* UTF-16 code units of the machine's byte order; n of them. */
void ret_utf16(struct call *c, const uint16_t *p, size_t n);
/* A new Uint8Array with a copy of s. */
void ret_bytes(struct call *c, struct slice s);
/* takes p (malloc): a new Uint8Array over it, no copy. */
void ret_bytes_take(struct call *c, void *p, size_t n);
/* An Array built element by element after ret_list(). */
void ret_list(struct call *c);
void list_utf8(struct call *c, struct slice s);
void list_latin1(struct call *c, struct slice s);
void list_bytes(struct call *c, struct slice s); /* a new Uint8Array */
void list_num(struct call *c, double v);
void list_bool(struct call *c, bool v);

/* Throws; the native must then return without a result. */
void throw_type(struct call *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void throw_range(struct call *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void throw_error(struct call *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
