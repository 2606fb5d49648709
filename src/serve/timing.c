/*
 * timing.c - marks on the clock.
 */
#include "serve/timing.h"

#include "base/clock.h"

#include <stdio.h>

#define MARKS 16

static struct {
    uint64_t origin; /* 0: off */
    int count;
    struct {
        const char *what;
        uint64_t when;
    } marks[MARKS];
} self;

void timing_start(uint64_t origin)
{
    self.origin = origin;
}

void timing_mark(const char *what)
{
    if (self.origin == 0 || self.count == MARKS)
        return;
    self.marks[self.count].what = what;
    self.marks[self.count++].when = clock_mono();
}

static double ms(uint64_t from, uint64_t to)
{
    return (double)(to - from) / (double)NS_PER_MS;
}

void timing_print(void)
{
    uint64_t last = self.origin;
    if (self.origin == 0)
        return;
    fputs("snapcgi:", stderr);
    for (int i = 0; i < self.count; i++) {
        fprintf(stderr, " %s %.3f,", self.marks[i].what,
                ms(last, self.marks[i].when));
        last = self.marks[i].when;
    }
    fprintf(stderr, " all %.3f ms\n", ms(self.origin, clock_mono()));
}
