/*
 * histogram.c - a bucket's number from a time, and back.
 */
#include "base/histogram.h"

/* A bucket of the first octave, 1 to 2 us, is this wide. */
#define UNIT_NS 125
#define STEPS 8u /* buckets an octave */

/* The bucket of ns. Its lower edge is not in it, its upper edge is. */
static unsigned bucket_of(uint64_t ns)
{
    uint64_t units = ns > 0 ? (ns - 1) / UNIT_NS : 0;
    if (units < STEPS)
        return 0;
    unsigned octave = 60u - (unsigned)__builtin_clzll(units);
    unsigned i = octave * STEPS + (unsigned)((units >> octave) % STEPS);
    return i < HISTOGRAM_BUCKETS ? i : HISTOGRAM_BUCKETS - 1;
}

static uint64_t lower_edge(unsigned i)
{
    return ((uint64_t)(STEPS + i % STEPS) << (i / STEPS)) * UNIT_NS;
}

void histogram_add(struct histogram *h, uint64_t ns)
{
    h->count++;
    h->sum += ns;
    h->bucket[bucket_of(ns)]++;
}

void histogram_merge(struct histogram *to, const struct histogram *from)
{
    to->count += from->count;
    to->sum += from->sum;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        to->bucket[i] += from->bucket[i];
}

uint64_t histogram_quantile(const struct histogram *h, unsigned permille)
{
    /* Another process may be writing: only what the buckets say agrees. */
    uint64_t all = 0, seen = 0;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        all += h->bucket[i];
    if (all == 0)
        return 0;
    uint64_t rank = all / 1000 * permille + all % 1000 * permille / 1000;
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->bucket[i];
        if (seen > rank || seen == all)
            return (lower_edge(i) + lower_edge(i + 1)) / 2;
    }
    return 0;
}

uint64_t histogram_until(const struct histogram *h, uint64_t ns)
{
    uint64_t n = 0;
    for (unsigned i = 0, last = bucket_of(ns); i <= last; i++)
        n += h->bucket[i];
    return n;
}
