/*
 * state.h - what an application that is kept and its worker tell each other.
 */
#ifndef BIND_STATE_H
#define BIND_STATE_H

#include "base/buf.h"

#include <stdbool.h>

#define KEPT_FAILED_MAX 512 /* bytes of a sentence */

/* Of a realm whose state is kept; serve/ owns it. */
struct kept {
    bool wanted; /* ctx.state.save() was called; who obeys clears it */
    /* Cleared before HOOK_PAUSE, HOOK_RESUME and HOOK_THAW: is it over? */
    bool done;
    bool well;         /* and did it come to something? */
    struct buf failed; /* if not, why */
    struct buf frozen; /* what freeze() gave, or what thaw() is to get */
};

#endif
