/*
 * real.h - files of other users, opened by a process that may do more.
 */
#ifndef BASE_REAL_H
#define BASE_REAL_H

/*
 * Opens a file to be read, without blocking, since it may be a FIFO, and
 * without following: path is a real path, and a link in it now is not what was
 * meant (ELOOP). -1: errno tells. Close-on-exec.
 */
int real_open(const char *path);

#endif
