/*
 * fault.h - what the client and the log are told when a request fails.
 *
 * Each fills x's reply (exchange_fail() in body.h: a page while nothing is
 * out, a cut after that) and says the same in the log.
 */
#ifndef SERVE_FAULT_H
#define SERVE_FAULT_H

#include "base/config.h"
#include "base/log.h"
#include "bind/body.h"
#include "engine/engine.h"

void fault_say(struct exchange *x, enum log_level level, int status,
               const char *sentence);
/* How a step of JavaScript ended, if not well; stop is its engine's. */
void fault_step(struct exchange *x, const struct pool_config *c,
                enum engine_stop stop, enum err e, const struct report *rep);
/* The status of a load that failed so. */
int fault_load_status(enum engine_stop stop, enum err e);

/* The page of exchange_fail() as a text, made without memory: for who may
 * have none, or no time to make it. */
#define FAULT_PAGE_MAX 960   /* as transport_ops.last_words takes it */
#define FAULT_DETAIL_MAX 256 /* bytes of detail, which may be empty */
void fault_page(int status, struct slice id, struct slice detail,
                char out[static FAULT_PAGE_MAX]);

#endif
