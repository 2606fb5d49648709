/*
 * handover.h - what a supervisor leaves to the program it executes in its own
 * place: descriptors, and what they are.
 *
 * It is text in a memfd that SNAPCGI_HANDOVER names, a line for each item,
 * so that another version can read it and skip what it does not know.
 */
#ifndef SERVE_HANDOVER_H
#define SERVE_HANDOVER_H

#include "base/err.h"

#include <stdint.h>

#define HANDOVER_FDS 2
#define HANDOVER_NUMBERS 6
#define HANDOVER_TEXT 256

struct handover_item {
    char kind[16];        /* one lower-case word */
    int fd[HANDOVER_FDS]; /* -1 for none */
    uint64_t number[HANDOVER_NUMBERS];
    char text[HANDOVER_TEXT]; /* one line, may be empty */
    bool taken;               /* by the one who reads */
};

struct handover {
    struct handover_item *items;
    size_t count;
};

/* Adds a copy; descriptors are borrowed. Nothing when text is too long. */
void handover_add(struct handover *h, const struct handover_item *item);
void handover_free(struct handover *h); /* closes nothing */

/* Lets the descriptors outlive exec(3), or no longer. */
void handover_keep(const struct handover *h, bool keep);
/*
 * Writes it for the program to come, and names it in the environment; gives
 * the memfd, which outlives exec(3). ERR_IO.
 */
enum err handover_write(const struct handover *h, int *fd);
/*
 * Reads what was left for this program, if anything was, and takes it out of
 * the environment; its descriptors are close-on-exec from now on. A line that
 * is not understood is skipped.
 */
void handover_read(struct handover *h);
/* The first item of that kind that is not taken; text may be NULL for any. */
struct handover_item *handover_find(struct handover *h, const char *kind,
                                    const char *text);

#endif
