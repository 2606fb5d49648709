/*
 * state.h - what an application that is kept and its worker tell each other.
 */
#ifndef BIND_STATE_H
#define BIND_STATE_H

#include "base/buf.h"

#include <stdbool.h>

/* Of a realm whose state is kept; serve/ owns it. */
struct kept {
    bool wanted; /* ctx.state.save() was called; who obeys clears it */
    /* Cleared before HOOK_PAUSE, HOOK_RESUME and HOOK_THAW: is it over? */
    bool done;
    struct buf failed; /* why it came to nothing, "" when it went well */
    struct buf frozen; /* what freeze() gave, or what thaw() is to get */
};

#endif
