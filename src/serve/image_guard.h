/*
 * image_guard.h - a mapped image that is written to while V8 reads it.
 *
 * A process that lives for milliseconds maps its image (IMAGE_MAP), which is a
 * tenth of what it costs. Nothing here writes into a file that is there, but
 * cp(1) does, and then V8 meets other bytes than were checked, or none
 * (SIGBUS). It cannot go back, so the process begins anew, by execve(2), and
 * runs the source: nothing has been read of the request's body by then, or
 * written of the reply.
 */
#ifndef SERVE_IMAGE_GUARD_H
#define SERVE_IMAGE_GUARD_H

#include <stdbool.h>

/* From now on the file of fd (borrowed) must stay as it is. False: this
 * process has begun anew and is to use no image. */
bool image_guard(int fd);

/* V8 has said that it cannot go on. Returns when that is no wonder of the
 * file's, or when nothing can be done; so it does without a guard. */
void image_guard_fault(void);

/* All is read. As above when the file is not as it was. */
void image_guard_end(void);

#endif
