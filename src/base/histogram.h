/*
 * histogram.h - how times are spread, in little memory that can be shared.
 *
 * Eight buckets an octave from 1 us to 134 s, so that a quantile is known to
 * about 7 %. Shorter and longer times are in the first and last bucket.
 */
#ifndef BASE_HISTOGRAM_H
#define BASE_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BUCKETS 216

/* All zero is an empty one. */
struct histogram {
    uint64_t count;
    uint64_t sum; /* ns */
    uint64_t bucket[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, uint64_t ns);
void histogram_merge(struct histogram *to, const struct histogram *from);
/* The time, in ns, under which permille of all are; 0 when there is none. */
uint64_t histogram_quantile(const struct histogram *h, unsigned permille);
/*
 * How many were at most ns. Exact for edges of buckets, which 1 us times
 * every power of two is; for others the next higher edge is taken.
 */
uint64_t histogram_until(const struct histogram *h, uint64_t ns);

#endif
