/*
 * clock.h - time: monotonic for waits and limits, real for stamps.
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

uint64_t clock_mono(void); /* ns, CLOCK_MONOTONIC */
uint64_t clock_real(void); /* ns since 1970-01-01T00:00:00Z */
uint64_t clock_cpu(void);  /* ns of this thread's processor time */

/* "2026-11-21T03:42:00.123Z"; out holds at least 25 bytes. */
void clock_stamp(uint64_t real_ns, char out[static 25]);
/* Milliseconds to wait for poll(2) until deadline, rounded up; -1 if 0. */
int clock_poll_ms(uint64_t deadline_ns);

#endif
