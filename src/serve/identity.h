/*
 * identity.h - users and groups, by name or by number.
 */
#ifndef SERVE_IDENTITY_H
#define SERVE_IDENTITY_H

#include "base/err.h"

#include <sys/types.h>

#define IDENTITY_GROUPS 64

/* Who a process is, or is to be. */
struct identity {
    bool change; /* false: stay who we are */
    uid_t uid;
    gid_t gid;
    gid_t groups[IDENTITY_GROUPS]; /* supplementary */
    int group_count;
};

/* False when the name is neither known nor a number. */
bool identity_user(const char *name, uid_t *out);
bool identity_group(const char *name, gid_t *out);

/* Who this process is. */
enum err identity_own(struct identity *out, struct why *why);
/*
 * Who user, group and groups (names with blanks between) are; each may be
 * NULL: this process's own user, the user's group, the user's groups.
 * ERR_NOTFOUND: no such user or group; ERR_TOOBIG: over IDENTITY_GROUPS.
 * change is left false.
 */
enum err identity_find(const char *user, const char *group, const char *groups,
                       struct identity *out, struct why *why);
/* The same groups in whatever order; the group itself may be among them. */
bool identity_same_groups(const struct identity *a, const struct identity *b);

#endif
