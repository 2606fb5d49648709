/*
 * crew_parts.h - what the crew*.c files share, and nobody else includes.
 */
#ifndef SERVE_CREW_PARTS_H
#define SERVE_CREW_PARTS_H

#include "serve/crew.h"
#include "serve/keep.h"

/* ---- crew.c -------------------------------------------------------------- */

/* Its slot as it says, or NULL. */
const struct slot *crew_slot(const struct child *c);
/* Starts up to n, unless it must wait with that. False in the child. */
bool crew_start(struct crew *c, unsigned n, uint64_t now, int *status);
/* No start before some time, which is longer each time. */
void crew_failed(struct crew *c, uint64_t now);
/* Wakes the supervisor, once, when somebody comes: crew.waiting. */
void crew_watch(struct crew *c, bool on);

/* ---- crew_image.c ---------------------------------------------------------
 */

/* Does the supervisor make its image? */
bool crew_image_wanted(const struct crew *c);
/* Starts making it when it is due. False in the child. */
bool crew_image_look(struct crew *c, uint64_t now, int *status);
/* Before workers are started: have it looked at when it must be. */
void crew_image_need(struct crew *c, uint64_t now);
/* Is it the moment to hear that workers have seen other code? */
bool crew_image_hears(const struct crew *c);
/* They have. */
void crew_image_outdated(struct crew *c);

/* ---- crew_state.c -------------------------------------------------------- */

/* Checks its files, without a change to them. */
enum err crew_state_open(struct crew *c, struct why *why);
/* As crew_look(), for a pool with state. False in the child. */
bool crew_state_look(struct crew *c, uint64_t now, int *status);
bool crew_state_moves(const struct crew *c);
/* May a worker be started that has the state for itself? */
bool crew_state_free(const struct crew *c);
/* For a worker to be started: state_in and state_out of its place, which are
 * the caller's, and its keep. */
enum err crew_state_give(struct crew *c, struct child *w, int state[2],
                         struct why *why);

#endif
