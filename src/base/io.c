/*
 * io.c - see io.h.
 */
#include "base/io.h"

#include <errno.h>
#include <unistd.h>

enum err io_write(int fd, const void *p, size_t n, size_t *wrote)
{
    size_t done = 0;
    enum err e = OK;
    while (done < n && e == OK) {
        ssize_t put = write(fd, (const char *)p + done, n - done);
        if (put < 0 && errno == EINTR)
            continue;
        if (put == 0)
            errno = EIO; /* it would be so for ever */
        if (put <= 0)
            e = ERR_IO;
        else
            done += (size_t)put;
    }
    if (wrote != NULL)
        *wrote = done;
    return e;
}

enum err io_read_at(int fd, void *p, size_t n, uint64_t at, size_t *got)
{
    *got = 0;
    while (*got < n) {
        ssize_t one = pread(fd, (char *)p + *got, n - *got, (off_t)(at + *got));
        if (one < 0 && errno == EINTR)
            continue;
        if (one <= 0)
            return one == 0 ? ERR_EOF : ERR_IO;
        *got += (size_t)one;
    }
    return OK;
}

enum err io_read_all(int fd, struct buf *out)
{
    char beyond; /* a full buffer may be all: only another read tells */
    for (;;) {
        bool full = out->n == out->max;
        if (!full && buf_reserve(out, 1) != OK)
            return out->err;
        ssize_t got = full ? read(fd, &beyond, 1)
                           : read(fd, out->p + out->n, out->cap - out->n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got == 0 ? OK : ERR_IO;
        if (full)
            return buf_reserve(out, 1);
        out->n += (size_t)got;
    }
}
