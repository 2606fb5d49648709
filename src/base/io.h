/*
 * io.h - read(2) and write(2) to the end: what a signal interrupts goes on,
 * and so does what is done in parts. For descriptors that wait.
 */
#ifndef BASE_IO_H
#define BASE_IO_H

#include "base/buf.h"

/* ERR_IO: fewer than n bytes, errno tells. *wrote (may be NULL) is how many
 * in any case. */
enum err io_write(int fd, const void *p, size_t n, size_t *wrote);
/*
 * n bytes of a file, from byte `at` on. ERR_EOF: it ends before; ERR_IO:
 * errno tells. *got is how many in any case.
 */
enum err io_read_at(int fd, void *p, size_t n, uint64_t at, size_t *got);
/*
 * Appends all there is up to the end. ERR_TOOBIG: more than out may hold, and
 * it is full; ERR_NOMEM; ERR_IO: errno tells.
 */
enum err io_read_all(int fd, struct buf *out);

#endif
