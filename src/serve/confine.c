/*
 * confine.c - the steps down, in their order.
 */
#include "serve/confine.h"

#include "base/log.h"
#include "base/slice.h"
#include "serve/seccomp.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool is_root(void)
{
    return geteuid() == 0;
}

/* ---- before: in the supervisor ----------------------------------------- */

static enum err not_folder(const char *key, const char *path, int failed,
                           struct why *why)
{
    return why_set(why, ERR_NOTFOUND, "%s = %s: %s", key, path,
                   failed != 0 ? strerror(failed) : "this is no folder");
}

/* In a chroot a link would lead elsewhere than it does from here. */
static enum err check_folders(const struct pool_config *config, struct why *why)
{
    struct stat st;
    char path[PATH_MAX];
    const char *top = config->chroot != NULL ? config->chroot : "";
    if (config->chroot != NULL && stat(config->chroot, &st) != 0)
        return not_folder("chroot", config->chroot, errno, why);
    if (config->chroot != NULL && !S_ISDIR(st.st_mode))
        return not_folder("chroot", config->chroot, 0, why);
    if (config->chdir == NULL)
        return OK;
    int n = snprintf(path, sizeof(path), "%s%s", top, config->chdir);
    if (n < 0 || (size_t)n >= sizeof(path))
        return not_folder("chdir", config->chdir, ENAMETOOLONG, why);
    if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode) && config->chroot != NULL)
        return OK;
    if (stat(path, &st) != 0)
        return not_folder("chdir", path, errno, why);
    return S_ISDIR(st.st_mode) ? OK : not_folder("chdir", path, 0, why);
}

enum err confine_resolve(const struct pool_config *config, struct identity *out,
                         struct why *why)
{
    enum err e =
        identity_find(config->user, config->group, config->groups, out, why);
    out->change = is_root() && (config->user != NULL || config->group != NULL ||
                                config->groups != NULL);
    if (e == OK)
        e = check_folders(config, why);
    if (e == OK && config->seccomp == SECCOMP_ON)
        e = seccomp_prepare(why);
    return e;
}

/* What of the configuration takes root, and is not so already. */
static void list_refused(const struct pool_config *config, char *out,
                         size_t max)
{
    struct identity own, wanted;
    struct why why;
    if (identity_own(&own, &why) != OK ||
        identity_find(config->user, config->group, config->groups, &wanted,
                      &why) != OK)
        wanted = own = (struct identity){.change = false};
    const struct {
        const char *key;
        bool refused;
    } asked[] = {
        {"user", config->user != NULL && own.uid != wanted.uid},
        {"group", config->group != NULL && own.gid != wanted.gid},
        {"groups",
         config->groups != NULL && !identity_same_groups(&own, &wanted)},
        {"chroot", config->chroot != NULL},
    };
    out[0] = '\0';
    for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
        size_t n = strlen(out);
        if (asked[i].refused)
            snprintf(out + n, max - n, "%s%s", n > 0 ? ", " : "", asked[i].key);
    }
}

/* Root has it too, but not in every container. */
static bool may_raise_limits(void)
{
    struct __user_cap_header_struct head = {
        .version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    struct __user_cap_data_struct now[2] = {{0}};
    return syscall(SYS_capget, &head, now) == 0 &&
           (now[0].effective & CAP_TO_MASK(CAP_SYS_RESOURCE)) != 0;
}

const char *confine_shortage(int failed)
{
    switch (failed) {
    case EMFILE:
        return "; the supervisor may open no more descriptors: raise "
               "LimitNOFILE= of its systemd unit, or ulimit -n where it is "
               "started (the workers' own limit is rlimit_files)";
    case ENFILE:
        return "; the whole system has no more descriptors: raise the sysctl "
               "fs.file-max";
    case EAGAIN:
        return "; look at the limit of processes: TasksMax= of the systemd "
               "unit, or ulimit -u";
    case ENOMEM:
        return "; there is too little memory: lower max_children, or give "
               "more";
    default:
        return "";
    }
}

static void explain_limit(const struct pool_config *config, const char *key,
                          const char *unit, int resource, uint64_t wanted)
{
    struct rlimit now;
    if (wanted == 0 || getrlimit(resource, &now) != 0 ||
        now.rlim_max == RLIM_INFINITY || wanted <= now.rlim_max ||
        may_raise_limits())
        return;
    log_notice("pool %s: %s stays at %llu, the hard limit of this process, "
               "which it may not raise; raise %s= of its systemd unit, or "
               "the limit where it is started",
               config->name, key, (unsigned long long)now.rlim_max, unit);
}

static void explain_unprivileged(const struct pool_config *config)
{
    char refused[64];
    list_refused(config, refused, sizeof(refused));
    if (refused[0] != '\0')
        log_notice("pool %s: not started by root, so without %s: workers run "
                   "as uid %u and gid %u",
                   config->name, refused, (unsigned)geteuid(),
                   (unsigned)getegid());
}

void confine_explain(const struct pool_config *config)
{
    struct why why = {.text = ""};
    if (!is_root())
        explain_unprivileged(config);
    else if (config->user == NULL)
        log_warn("pool %s runs as root, and so does its JavaScript: set user = "
                 "NAME in [pool %s], a user who owns nothing else",
                 config->name, config->name);
    explain_limit(config, "rlimit_files", "LimitNOFILE", RLIMIT_NOFILE,
                  config->rlimit_files);
    explain_limit(config, "rlimit_core", "LimitCORE", RLIMIT_CORE,
                  config->rlimit_core);
    explain_limit(config, "rlimit_as", "LimitAS", RLIMIT_AS, config->rlimit_as);
    if (config->seccomp == SECCOMP_AUTO && seccomp_prepare(&why) != OK)
        log_warn("pool %s: workers may make any system call: %s (with seccomp "
                 "= off this is not said)",
                 config->name, why.text);
}

/* ---- the steps: in the child ------------------------------------------- */

struct walk {
    const struct pool_config *config;
    const struct identity *id;
    const int *keep;
    bool root;        /* at the top of the stairs */
    int death_signal; /* of PR_SET_PDEATHSIG */
    pid_t parent;
};

static enum err step_failed(const char *what, struct why *why)
{
    return why_set(why, ERR_IO, "%s: %s", what, strerror(errno));
}

/* First, as it holds for whatever the steps themselves would make. */
static enum err set_umask(const struct walk *w, struct why *why)
{
    (void)why;
    umask((mode_t)w->config->umask);
    return OK;
}

/* Who may not raise a hard limit stays under it: confine_explain() said so. */
static enum err limit(int resource, rlim_t to)
{
    struct rlimit now, wanted = {.rlim_cur = to, .rlim_max = to};
    if (setrlimit(resource, &wanted) == 0)
        return OK;
    if (errno != EPERM || getrlimit(resource, &now) != 0)
        return ERR_IO;
    now.rlim_cur = now.rlim_max;
    return setrlimit(resource, &now) == 0 ? OK : ERR_IO;
}

/* As root still, which may raise them. 0 of rlimit_core is a limit. */
static enum err set_limits(const struct walk *w, struct why *why)
{
    const struct pool_config *c = w->config;
    if (c->rlimit_files > 0 && limit(RLIMIT_NOFILE, c->rlimit_files) != OK)
        return step_failed("rlimit_files", why);
    if (limit(RLIMIT_CORE, c->rlimit_core) != OK)
        return step_failed("rlimit_core", why);
    if (c->rlimit_as > 0 && limit(RLIMIT_AS, c->rlimit_as) != OK)
        return step_failed("rlimit_as", why);
    return OK;
}

/* Other pools' sockets, and folders outside of a chroot to come. */
static enum err close_others(const struct walk *w, struct why *why)
{
    unsigned from = STDERR_FILENO + 1;
    for (;;) {
        unsigned next = UINT_MAX; /* the first kept one that is not below */
        for (const int *k = w->keep; *k >= 0; k++)
            if ((unsigned)*k >= from && (unsigned)*k < next)
                next = (unsigned)*k;
        unsigned last = next == UINT_MAX ? UINT_MAX : next - 1;
        if (from <= last && close_range(from, last, 0) != 0)
            return step_failed("descriptors cannot be closed", why);
        if (next == UINT_MAX)
            return OK;
        from = next + 1;
    }
}

#ifdef __SANITIZE_ADDRESS__
static const char sanitizers[] = "ASAN_OPTIONS LSAN_OPTIONS UBSAN_OPTIONS";
#else
static const char sanitizers[] = "";
#endif

static bool has_word(const char *words, const char *word, size_t n)
{
    const char *p = words != NULL ? words : "";
    while (*(p += strspn(p, " \t")) != '\0') {
        size_t m = strcspn(p, " \t");
        if (m == n && memcmp(p, word, n) == 0)
            return true;
        p += m;
    }
    return false;
}

/* It may hold secrets of whoever started the supervisor: not even their bytes
 * stay, for code that reads memory. */
static enum err clear_environment(const struct walk *w, struct why *why)
{
    size_t kept = 0;
    (void)why;
    for (char **e = environ; e != NULL && *e != NULL; e++) {
        size_t n = strcspn(*e, "=");
        if (has_word(sanitizers, *e, n) || has_word(w->config->keep_env, *e, n))
            environ[kept++] = *e;
        else
            explicit_bzero(*e, strlen(*e));
    }
    if (environ != NULL)
        environ[kept] = NULL;
    return OK;
}

/* Takes root; a working folder outside would be a way out. */
static enum err change_root(const struct walk *w, struct why *why)
{
    if (w->config->chroot == NULL || !w->root)
        return OK;
    if (chroot(w->config->chroot) != 0 || chdir("/") != 0)
        return step_failed(w->config->chroot, why);
    return OK;
}

static enum err change_folder(const struct walk *w, struct why *why)
{
    /* Not in its chroot, it is not the folder that was meant. */
    if (w->config->chdir == NULL || (w->config->chroot != NULL && !w->root))
        return OK;
    return chdir(w->config->chdir) == 0 ? OK
                                        : step_failed(w->config->chdir, why);
}

/* Groups first: without root's uid they cannot be changed any more. */
static enum err change_identity(const struct walk *w, struct why *why)
{
    const struct identity *id = w->id;
    if (!id->change)
        return OK;
    if (setgroups((size_t)id->group_count, id->groups) != 0)
        return step_failed("groups cannot be set", why);
    if (setresgid(id->gid, id->gid, id->gid) != 0)
        return step_failed("group cannot be set", why);
    if (setresuid(id->uid, id->uid, id->uid) != 0)
        return step_failed("user cannot be set", why);
    return OK;
}

/* Root may touch any file, as before; of its other powers it has none. */
static enum err drop_capabilities(const struct walk *w, struct why *why)
{
    struct __user_cap_header_struct head = {
        .version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    struct __user_cap_data_struct now[2] = {{0}}, left[2] = {{0}};
    (void)w;
    if (syscall(SYS_capget, &head, now) != 0)
        return step_failed("capabilities cannot be read", why);
    if (is_root()) /* not more than there is, as in a container */
        left[0].effective = left[0].permitted =
            now[0].permitted & CAP_TO_MASK(CAP_DAC_OVERRIDE);
    if (syscall(SYS_capset, &head, left) != 0)
        return step_failed("capabilities cannot be dropped", why);
    return OK;
}

/* What cannot be tried is not believed. */
static enum err check_no_way_back(const struct walk *w, struct why *why)
{
    const struct identity *id = w->id;
    if (!id->change)
        return OK;
    if (getuid() != id->uid || geteuid() != id->uid || getgid() != id->gid ||
        getegid() != id->gid)
        return why_set(why, ERR_ACCESS, "user and group did not change");
    if ((id->uid != 0 && setresuid(0, 0, 0) == 0) ||
        (id->gid != 0 && setresgid(0, 0, 0) == 0))
        return why_set(why, ERR_ACCESS, "root can be regained");
    return OK;
}

/* A new user makes the kernel forget it; the parent may be gone by now. */
static enum err keep_death_signal(const struct walk *w, struct why *why)
{
    if (w->death_signal == 0)
        return OK;
    if (prctl(PR_SET_PDEATHSIG, w->death_signal) != 0)
        return step_failed("PR_SET_PDEATHSIG", why);
    if (getppid() != w->parent)
        return why_set(why, ERR_ABORTED, "the supervisor has ended");
    return OK;
}

/* No set-uid program can give back what was taken. */
static enum err forbid_new_privileges(const struct walk *w, struct why *why)
{
    (void)w;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return step_failed("PR_SET_NO_NEW_PRIVS", why);
    return OK;
}

/* After the new user, at which the kernel sets it too: the memory of a
 * worker is closed to others of the same user. */
static enum err forbid_dumps(const struct walk *w, struct why *why)
{
    if (prctl(PR_SET_DUMPABLE, w->config->rlimit_core > 0, 0, 0, 0) != 0)
        return step_failed("PR_SET_DUMPABLE", why);
    return OK;
}

/* Last: it forbids most of the steps before. */
static enum err filter_calls(const struct walk *w, struct why *why)
{
    enum seccomp_mode mode = w->config->seccomp;
    if (mode == SECCOMP_OFF)
        return OK;
    enum err e = seccomp_confine(why);
    if (mode == SECCOMP_ON || e == OK)
        return e;
    if (e != ERR_NOTFOUND) /* that, confine_explain() said */
        log_warn("this worker may make any system call: %s", why->text);
    return OK;
}

typedef enum err step(const struct walk *w, struct why *why);

static step *const staircase[] = {
    set_umask,
    set_limits,
    close_others,
    clear_environment,
    change_root,
    change_folder,
    change_identity,
    drop_capabilities,
    check_no_way_back,
    keep_death_signal,
    forbid_new_privileges,
    forbid_dumps,
    filter_calls,
};

enum err confine(const struct pool_config *config, const struct identity *id,
                 const int *keep, struct why *why)
{
    struct walk w = {.config = config,
                     .id = id,
                     .keep = keep,
                     .root = is_root(),
                     .parent = getppid()};
    enum err e = OK;
    if (prctl(PR_GET_PDEATHSIG, &w.death_signal) != 0)
        return step_failed("PR_GET_PDEATHSIG", why);
    for (size_t i = 0; i < sizeof(staircase) / sizeof(staircase[0]) && e == OK;
         i++)
        e = staircase[i](&w, why);
    return e;
}
