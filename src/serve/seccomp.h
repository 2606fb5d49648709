/*
 * seccomp.h - the system calls a worker may make; all others fail with EPERM.
 */
#ifndef SERVE_SECCOMP_H
#define SERVE_SECCOMP_H

#include "base/err.h"

/*
 * Opens libseccomp and makes the filter, once, without being held to it:
 * for the supervisor, whose children then need not. ERR_NOTFOUND: no
 * libseccomp here, or a kernel without filters.
 */
enum err seccomp_prepare(struct why *why);
/*
 * Confines this process and all its threads to come, for good; prepares
 * first if nobody did. ERR_NOTFOUND as above; ERR_FAIL: the kernel refuses.
 */
enum err seccomp_confine(struct why *why);

#endif
