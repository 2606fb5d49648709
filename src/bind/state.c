/*
 * state.c - js/state.js's natives; see state.h.
 */
#include "bind/state.h"

#include "bind/host.h"

/* NULL after a throw: no state is kept here. */
static struct kept *kept_of(struct call *c)
{
    const struct host *host = call_host(c);
    if (host->kept == NULL)
        throw_type(c, "no state is kept");
    return host->kept;
}

static void state_kept(struct call *c)
{
    const struct host *host = call_host(c);
    ret_bool(c, host->kept != NULL);
}

static void state_save(struct call *c)
{
    struct kept *kept = kept_of(c);
    if (kept != NULL)
        kept->wanted = true;
}

/* (why, bytes or null) */
static void state_done(struct call *c)
{
    struct kept *kept = kept_of(c);
    if (kept == NULL)
        return;
    struct slice why = arg_utf8(c, 0);
    kept->done = true;
    kept->well = why.n == 0;
    if (why.n > KEPT_FAILED_MAX)
        why.n = KEPT_FAILED_MAX;
    buf_slice(&kept->failed, why);
    if (arg_is_undefined(c, 1))
        return;
    buf_clear(&kept->frozen);
    if (buf_slice(&kept->frozen, arg_bytes(c, 1)) != OK) {
        kept->well = false;
        buf_puts(&kept->failed, "what freeze() gave is too large");
    }
}

static void state_frozen(struct call *c)
{
    const struct kept *kept = kept_of(c);
    if (kept != NULL)
        ret_bytes(c, buf_view(&kept->frozen));
}

const struct native state_natives[] = {
    {"stateKept", 0, state_kept},
    {"stateSave", 0, state_save},
    {"stateDone", 2, state_done},
    {"stateFrozen", 0, state_frozen},
    {NULL, 0, NULL},
};
