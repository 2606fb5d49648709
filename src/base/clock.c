/*
 * clock.c - the three clocks and the stamp.
 */
#include "base/clock.h"

#include "base/err.h"

#include <limits.h>
#include <stdio.h>
#include <time.h>

static uint64_t now(clockid_t id)
{
    struct timespec ts;
    must(clock_gettime(id, &ts) == 0);
    return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t clock_mono(void)
{
    return now(CLOCK_MONOTONIC);
}

uint64_t clock_real(void)
{
    return now(CLOCK_REALTIME);
}

uint64_t clock_cpu(void)
{
    return now(CLOCK_THREAD_CPUTIME_ID);
}

void clock_stamp(uint64_t real_ns, char out[static 25])
{
    time_t s = (time_t)(real_ns / NS_PER_S);
    struct tm tm;
    /* 64 bits of nanoseconds end in 2554: the year has four digits. */
    must(gmtime_r(&s, &tm) != NULL);
    must(strftime(out, 25, "%Y-%m-%dT%H:%M:%S", &tm) == 19);
    snprintf(out + 19, 6, ".%03uZ", (unsigned)(real_ns % NS_PER_S / NS_PER_MS));
}

int clock_poll_ms(uint64_t deadline_ns)
{
    if (deadline_ns == 0)
        return -1;
    uint64_t t = clock_mono();
    if (t >= deadline_ns)
        return 0;
    uint64_t ms = (deadline_ns - t - 1) / NS_PER_MS + 1;
    return ms > INT_MAX ? INT_MAX : (int)ms;
}
