/*
 * timing.h - how long the steps of a one-shot process take, for a person.
 *
 * Off unless timing_start() was called; then a mark is one clock reading.
 */
#ifndef SERVE_TIMING_H
#define SERVE_TIMING_H

#include <stdint.h>

void timing_start(uint64_t origin); /* monotonic ns of main's first line */
/* What has just ended; a string literal. More than 16 marks are dropped. */
void timing_mark(const char *what);
/* "snapcgi: config 0.031 ms, ..., all 2.910 ms" on stderr. */
void timing_print(void);

#endif
