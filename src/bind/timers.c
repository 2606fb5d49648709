/*
 * timers.c - the realm's clock and its one next wake-up (High Resolution
 * Time 4, HTML 8.6). Which timer it is for, js/timers.js knows.
 */
#include "bind/host.h"
#include "base/clock.h"

/* A wait longer than this is no wait the process could live to end. */
#define WAKE_MAX_MS (1000.0 * 60 * 60 * 24 * 365)

static void timer_wake(struct call *c)
{
    struct host *host = call_host(c);
    double ms = arg_num(c, 0);

    if (!(ms >= 0)) {
        host->wake = 0;
        return;
    }
    if (ms > WAKE_MAX_MS)
        ms = WAKE_MAX_MS;
    /* rounded up: woken early, JavaScript would find nothing due */
    host->wake = clock_mono() + (uint64_t)(ms * (double)NS_PER_MS) + 1;
}

static double since_origin(const struct host *host, uint64_t now)
{
    return (double)(int64_t)(now - host->origin) / (double)NS_PER_MS;
}

static void timer_now(struct call *c)
{
    ret_num(c, since_origin(call_host(c), clock_mono()));
}

static void time_origin(struct call *c)
{
    double now = (double)clock_real() / (double)NS_PER_MS;

    ret_num(c, now - since_origin(call_host(c), clock_mono()));
}

const struct native timers_natives[] = {
    {"timerWake", 1, timer_wake},
    {"timerNow", 0, timer_now},
    {"timeOrigin", 0, time_origin},
    {NULL, 0, NULL},
};
