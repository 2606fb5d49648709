/*
 * title.h - what ps(1) shows of a process.
 */
#ifndef SERVE_TITLE_H
#define SERVE_TITLE_H

/* Remembers where the arguments are, which are no longer needed as they are
 * once title_set() is called. */
void title_init(char **argv);
/* As much of it as there is room for. */
void title_set(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
