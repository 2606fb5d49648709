/*
 * confine.h - the staircase down: what a worker may no longer do.
 *
 * The supervisor resolves names (confine_resolve) while it still can, and the
 * child walks down (confine), each step where the one before still allows it,
 * before V8 starts and any of the pool's code runs.
 *
 * With chroot, app, root and chdir of workers are paths in it, and it must
 * hold what workers open later: etc/resolv.conf, etc/hosts and
 * etc/nsswitch.conf for names, etc/ssl/certs for https, and etc/localtime
 * and usr/share/zoneinfo unless TZ is kept. Libraries that are opened at
 * their first use must have been opened before confine().
 */
#ifndef SERVE_CONFINE_H
#define SERVE_CONFINE_H

#include "base/config.h"
#include "base/err.h"
#include "serve/identity.h"

/*
 * Looks up user, group and groups, checks chroot and chdir, and with
 * seccomp = on makes the filter. ERR_NOTFOUND, ERR_TOOBIG, with a sentence.
 */
enum err confine_resolve(const struct pool_config *config, struct identity *out,
                         struct why *why);
/*
 * Logs what was asked for and cannot be done here: by a process that is not
 * root, or without filters. Warns of a pool that stays root. For once a pool.
 */
void confine_explain(const struct pool_config *config);
/*
 * What to do about a system call that failed for a limit, to go on after
 * strerror(failed); "" for other errors.
 */
const char *confine_shortage(int failed);
/*
 * In the child, while it has one thread. keep: descriptors over 2 that stay
 * open, ended by -1; all others are closed. The signal at the parent's end
 * (PR_SET_PDEATHSIG) is kept: whoever set it has checked the parent since.
 * On an error the child must end.
 */
enum err confine(const struct pool_config *config, const struct identity *id,
                 const int *keep, struct why *why);

#endif
