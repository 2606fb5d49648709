/*
 * identity.c - what passwd(5) and group(5) say.
 */
#include "serve/identity.h"

#include "base/slice.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NAME_MAX_BYTES 256

/* All bits set is "leave it as it is" to the system calls: no number. */
bool identity_user(const char *name, uid_t *out)
{
    uint64_t n;
    if (slice_u64(slice_of(name), UINT32_MAX - 1, &n)) {
        *out = (uid_t)n;
        return true;
    }
    const struct passwd *p = getpwnam(name);
    if (p != NULL)
        *out = p->pw_uid;
    return p != NULL;
}

bool identity_group(const char *name, gid_t *out)
{
    uint64_t n;
    if (slice_u64(slice_of(name), UINT32_MAX - 1, &n)) {
        *out = (gid_t)n;
        return true;
    }
    const struct group *g = getgrnam(name);
    if (g != NULL)
        *out = g->gr_gid;
    return g != NULL;
}

enum err identity_own(struct identity *out, struct why *why)
{
    *out = (struct identity){.uid = geteuid(), .gid = getegid()};
    out->group_count = getgroups(IDENTITY_GROUPS, out->groups);
    if (out->group_count >= 0)
        return OK;
    out->group_count = 0;
    return why_set(why, ERR_TOOBIG, "this process has more than %d groups",
                   IDENTITY_GROUPS);
}

/* The groups of the user whose entry this is; NULL: the group alone. */
static enum err users_groups(const struct passwd *entry, struct identity *out,
                             struct why *why)
{
    out->groups[0] = out->gid;
    out->group_count = 1;
    if (entry == NULL)
        return OK;
    out->group_count = IDENTITY_GROUPS;
    if (getgrouplist(entry->pw_name, out->gid, out->groups,
                     &out->group_count) >= 0)
        return OK;
    out->group_count = 0;
    return why_set(why, ERR_TOOBIG,
                   "the user %s is in more than %d groups: name those that "
                   "are needed with groups",
                   entry->pw_name, IDENTITY_GROUPS);
}

static enum err named_groups(const char *names, struct identity *out,
                             struct why *why)
{
    char name[NAME_MAX_BYTES];
    const char *p = names + strspn(names, " \t");
    out->group_count = 0;
    while (*p != '\0') {
        size_t n = strcspn(p, " \t");
        snprintf(name, sizeof(name), "%.*s", (int)n, p);
        if (out->group_count == IDENTITY_GROUPS)
            return why_set(why, ERR_TOOBIG, "groups names more than %d",
                           IDENTITY_GROUPS);
        if (n >= sizeof(name) ||
            !identity_group(name, &out->groups[out->group_count]))
            return why_set(why, ERR_NOTFOUND, "there is no group %s", name);
        out->group_count++;
        p += n;
        p += strspn(p, " \t");
    }
    return OK;
}

enum err identity_find(const char *user, const char *group, const char *groups,
                       struct identity *out, struct why *why)
{
    *out = (struct identity){.uid = geteuid(), .gid = getegid()};
    if (user != NULL && !identity_user(user, &out->uid))
        return why_set(why, ERR_NOTFOUND, "there is no user %s", user);
    /* A number needs no entry, but then nothing says its group. */
    const struct passwd *entry = getpwuid(out->uid);
    if (entry == NULL && user != NULL && group == NULL)
        return why_set(why, ERR_NOTFOUND,
                       "the user %s has no entry that says its group: set "
                       "group",
                       user);
    if (entry != NULL && user != NULL)
        out->gid = entry->pw_gid;
    if (group != NULL && !identity_group(group, &out->gid))
        return why_set(why, ERR_NOTFOUND, "there is no group %s", group);
    return groups != NULL ? named_groups(groups, out, why)
                          : users_groups(entry, out, why);
}

static bool has_group(const struct identity *id, gid_t gid)
{
    bool found = id->gid == gid;
    for (int i = 0; i < id->group_count; i++)
        found = found || id->groups[i] == gid;
    return found;
}

bool identity_same_groups(const struct identity *a, const struct identity *b)
{
    bool same = true;
    for (int i = 0; i < a->group_count; i++)
        same = same && has_group(b, a->groups[i]);
    for (int i = 0; i < b->group_count; i++)
        same = same && has_group(a, b->groups[i]);
    return same;
}
