/*
 * pass.h - a message of a unix socket with descriptors beside its bytes,
 * unix(7) SCM_RIGHTS.
 */
#ifndef BASE_PASS_H
#define BASE_PASS_H

#include "base/err.h"

#include <stddef.h>
#include <sys/types.h>

#define PASS_MOST 32u /* descriptors in one message */

/*
 * One message that does not wait: n bytes, and count descriptors (borrowed).
 * As sendmsg(2) gives it, with its errno.
 */
ssize_t pass_send(int to, const void *p, size_t n, const int *fds,
                  size_t count);
/*
 * One message that does not wait. fds has room for PASS_MOST; *count are the
 * caller's now, close-on-exec. *cut: there was no descriptor for some that
 * came. As recvmsg(2) gives it, with its errno.
 */
ssize_t pass_receive(int from, void *p, size_t max, int *fds, size_t *count,
                     bool *cut);

#endif
