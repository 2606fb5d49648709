/*
 * fetch_multi.h - libcurl's transfers in progress, one set for the process.
 *
 * Its connections outlive requests and are used again. It does not wait by
 * itself: there is one descriptor and one moment to wait for, and a function
 * to call then, which never blocks. Names are looked up by threads of
 * libcurl's, which see no signal.
 */
#ifndef BIND_FETCH_MULTI_H
#define BIND_FETCH_MULTI_H

#include "bind/libcurl.h"

#include <stdint.h>

/* Opens libcurl and makes the set, once; ERR_FAIL with the why. */
enum err fetch_multi_open(struct why *why);
/*
 * easy: borrowed until fetch_multi_remove(), which may be called for one that
 * was not added.
 */
enum err fetch_multi_add(CURL *easy);
void fetch_multi_remove(CURL *easy);

/* A transfer is over; the handle is removed from the set already. */
typedef void fetch_done_fn(CURL *easy, CURLcode code);
/* Moves a piece of what can be moved now; false: there is nothing. */
bool fetch_multi_drive(fetch_done_fn *done);

/* POLLIN on it: drive. -1 before fetch_multi_open(). */
int fetch_multi_fd(void);
/* Monotonic ns when to drive in any case, 0 for never. */
uint64_t fetch_multi_wake(void);

#endif
