/*
 * pm.c - static, dynamic, ondemand.
 */
#include "serve/pm.h"

static unsigned smaller(uint64_t a, uint64_t b)
{
    return (unsigned)(a < b ? a : b);
}

void pm_init(struct pm *p, const struct pool_config *config)
{
    *p = (struct pm){.config = config, .rate = 1, .fresh = true};
}

unsigned pm_most(const struct pm *p)
{
    int64_t most = (int64_t)p->config->max_children + p->extra;
    if (p->config->state != NULL)
        return 1; /* whoever asked for more */
    return most > 1 ? (unsigned)most : 1;
}

/* How many there are to be at first, or before old ones may go. */
static unsigned first(const struct pm *p, const struct pm_view *v)
{
    unsigned least = v->old > 0 ? 1 : 0;
    switch (p->config->pm) {
    case PM_STATIC:
        return pm_most(p);
    case PM_DYNAMIC:
        least = smaller(p->config->start_servers, pm_most(p));
        break;
    case PM_ONDEMAND:
        break;
    }
    return v->old_busy > least ? smaller(v->old_busy, pm_most(p)) : least;
}

/* How many are missing, before any limit is looked at. */
static unsigned lack(const struct pm *p, const struct pm_view *v)
{
    unsigned total = v->starting + v->idle + v->busy;
    uint64_t ready = v->starting + v->idle;
    uint64_t least = p->config->min_spare_servers;
    switch (p->config->pm) {
    case PM_STATIC:
        return total < pm_most(p) ? pm_most(p) - total : 0;
    case PM_DYNAMIC:
        return ready < least ? (unsigned)(least - ready) : 0;
    case PM_ONDEMAND:
        break;
    }
    return v->waiting && ready == 0 ? 1 : 0;
}

static bool too_many(const struct pm *p, const struct pm_view *v)
{
    if (v->idle + v->busy + v->starting > pm_most(p))
        return v->idle > 0;
    switch (p->config->pm) {
    case PM_STATIC:
        break;
    case PM_DYNAMIC:
        return v->idle > p->config->max_spare_servers;
    case PM_ONDEMAND:
        return v->idle > 0 &&
               v->idle_longest >= p->config->process_idle_timeout;
    }
    return false;
}

struct pm_step pm_next(struct pm *p, const struct pm_view *v)
{
    unsigned ready = v->idle + v->busy;
    unsigned total = v->starting + ready;
    unsigned room = total < pm_most(p) ? pm_most(p) - total : 0;
    unsigned missing = lack(p, v);
    unsigned wanted = p->fresh || v->old > 0 ? first(p, v) : 0;
    if (v->full) {
        /* Those there are will do, but the last old one does not go so. */
        room = 0;
        if (wanted > total)
            wanted = total > 0 ? total : 1;
    }
    struct pm_step step = {.stop_one = v->old == 0 && too_many(p, v),
                           .retire = v->old > 0 && ready >= wanted};
    unsigned rate = p->rate;
    if (missing == 0)
        p->rate = 1;
    else
        p->rate = smaller(2 * (uint64_t)rate, p->config->max_spawn_rate);
    if (p->config->pm == PM_STATIC)
        rate = (unsigned)p->config->max_spawn_rate;
    step.start = smaller(smaller(missing, room), rate);
    if (total < wanted && step.start < wanted - total)
        step.start = smaller(wanted - total, room);
    p->fresh = false;
    bool full =
        p->config->pm != PM_STATIC && missing > 0 && total >= pm_most(p);
    step.reached = full && !p->reached;
    p->reached = full;
    return step;
}
