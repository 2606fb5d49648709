/*
 * host.h - what one realm's natives act on; call_host() gives it.
 *
 * serve/ owns it and outlives the realm with it. Between requests
 * `exchange` is NULL and the body natives refuse.
 */
#ifndef BIND_HOST_H
#define BIND_HOST_H

#include "base/log.h"
#include "bind/fetch.h"
#include "engine/restab.h"
#include "engine/native.h"

#include <stdint.h>

struct kept;     /* bind/state.h */
struct exchange; /* bind/body.h: the request being served */

struct host {
    struct exchange *exchange; /* borrowed, NULL between requests */
    uint64_t wake;             /* monotonic ns of the next timer, 0 none */
    uint64_t deadline;         /* monotonic ns by which natives end, 0 none */
    uint64_t origin;           /* monotonic ns of performance.timeOrigin */
    const char *const *env;    /* name, value, ..., NULL; borrowed */
    int32_t pending;           /* waitUntil promises and replies not settled */
    struct kept *kept;         /* borrowed; NULL: no state is kept */
    void (*drew)(const char *line); /* who draws is told; NULL: nobody asks */
    struct fetch fetch;             /* what it asks of other servers */
    struct restab resources;        /* what the realm's JavaScript holds in C */
};

/* All tables: give to engine_start(). bind/natives.c. */
extern const struct native *const natives[];

/* One table per noun. */
extern const struct native body_natives[];
extern const struct native console_natives[];
extern const struct native crypto_cipher_natives[];
extern const struct native crypto_digest_natives[];
extern const struct native crypto_kdf_natives[];
extern const struct native crypto_key_natives[];
extern const struct native crypto_sign_natives[];
extern const struct native fetch_natives[];
extern const struct native legacy_natives[];
extern const struct native random_natives[];
extern const struct native resource_natives[];
extern const struct native state_natives[];
extern const struct native text_natives[];
extern const struct native timers_natives[];
extern const struct native url_natives[];
extern const struct native zlib_natives[];

#endif
