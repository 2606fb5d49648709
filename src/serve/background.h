/*
 * background.h - out of the terminal's way, once everything is started.
 */
#ifndef SERVE_BACKGROUND_H
#define SERVE_BACKGROUND_H

#include "base/err.h"

/*
 * Goes on in a child, which leads a session of its own. The process that was
 * called waits until the child calls background_started() and ends with 0, or
 * until it ends, and ends with its status: what went wrong is printed by the
 * child, which has the terminal until then. The working folder stays.
 */
enum err background_fork(struct why *why);
/*
 * Everything is started: lets go of the terminal (descriptors 0 to 2 become
 * /dev/null) and of the process that waits. Nothing without background_fork().
 */
void background_started(void);

#endif
