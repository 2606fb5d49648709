/*
 * seccomp.c - the list of system calls, and the filter made of it.
 */
#include "serve/seccomp.h"

#include "serve/libseccomp.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

/*
 * Names that this machine does not have are passed over, so that one list
 * does for all. Not in it, among others: execve, fork and vfork, wait, kill,
 * ptrace and process_vm_*, mount and its kind, chroot, unshare, setns, bpf,
 * perf_event_open, userfaultfd, io_uring_*, keyctl, kexec_*, *_module,
 * set*id, setgroups, capset, listen, chmod, chown, unlink, rename, mkdir,
 * link.
 */
/* clang-format off */
static const char *const allowed[] = {
    /* Memory, which V8 reserves, commits, gives back and names. PROT_EXEC
     * stays: JavaScript and WebAssembly become machine code. */
    "brk", "madvise", "membarrier", "mincore", "mlock", "mlock2", "mmap",
    "mmap2", "mprotect", "mremap", "munlock", "munmap", "pkey_alloc",
    "pkey_free", "pkey_mprotect",
    /* Threads: V8's helpers, the watchdog, libcurl's look-up of names. That
     * clone makes nothing else is a rule below. */
    "arch_prctl", "exit", "exit_group", "futex", "futex_time64",
    "futex_waitv", "get_robust_list", "getcpu", "gettid", "restart_syscall",
    "rseq", "sched_getaffinity", "sched_getparam", "sched_getscheduler",
    "sched_yield", "set_robust_list", "set_tid_address",
    /* Signals to itself, and those of the supervisor by signalfd. */
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait",
    "sigaltstack", "signalfd4", "sigreturn",
    /* Time. */
    "clock_getres", "clock_gettime", "clock_gettime64", "clock_nanosleep",
    "gettimeofday", "nanosleep", "setitimer", "time",
    /* Who and where it is; malloc and OpenSSL ask about the machine. */
    "getegid", "geteuid", "getgid", "getgroups", "getpid", "getppid",
    "getrandom", "getresgid", "getresuid", "getrlimit", "getrusage", "getuid",
    "sysinfo", "ugetrlimit", "uname",
    /* Descriptors of any kind. */
    "close", "close_range", "dup", "dup2", "dup3", "lseek", "_llseek", "pipe",
    "pipe2", "pread64", "preadv", "pwrite64", "pwritev", "read", "readv",
    "write", "writev",
    /* Files: applications are read, logs appended to; libraries, roots of
     * certificates and /etc/resolv.conf are opened at their first use. Which
     * ones may be opened is a matter of the user and of chroot. */
    "access", "faccessat", "faccessat2", "fadvise64", "fallocate", "fdatasync",
    "fstat", "fstat64", "fstatat64", "fsync", "ftruncate", "getcwd",
    "getdents64", "lstat", "newfstatat", "open", "openat", "openat2",
    "readlink", "readlinkat", "stat", "statx",
    /* A file without a name: parameters on their way through libfcgi. */
    "memfd_create",
    /* Waiting. */
    "epoll_create", "epoll_create1", "epoll_ctl", "epoll_pwait",
    "epoll_pwait2", "epoll_wait", "eventfd2", "poll", "ppoll", "ppoll_time64",
    "pselect6", "select",
    /* Connections: the web server's, fetch's, and name servers', for which
     * getaddrinfo(3) binds too. Of what families is a rule below; where to is
     * fetch_allow's matter. */
    "accept", "accept4", "bind", "connect", "getpeername", "getsockname",
    "getsockopt", "recvfrom", "recvmmsg", "recvmsg", "sendmmsg", "sendmsg",
    "sendto", "setsockopt", "shutdown",
#ifdef __SANITIZE_ADDRESS__
    /* LeakSanitizer looks at a process from a second one. */
    "clone", "prctl", "prlimit64", "ptrace", "wait4",
#endif
};
/* clang-format on */

struct rule {
    const char *name;
    unsigned count;
    struct seccomp_argument args[2];
};

#define IS(i, value)                                                           \
    {                                                                          \
        i, SECCOMP_EQUAL, (value), 0                                           \
    }
#define HAS(i, bits)                                                           \
    {                                                                          \
        i, SECCOMP_MASKED_EQUAL, (bits), (bits)                                \
    }

/* Allowed only like this. Two rules for a name are either of them. */
static const struct rule rules[] = {
    /* A thread and no process. */
    {"clone", 1, {HAS(0, CLONE_THREAD)}},
    /* Not F_SETOWN, F_SETSIG and their kind, by which the kernel kills another
     * process of the same user for this one. O_NONBLOCK is not taken away: the
     * supervisor and other workers have the same logs, and do not wait. */
    {"fcntl", 1, {IS(1, F_DUPFD)}},
    {"fcntl", 1, {IS(1, F_DUPFD_CLOEXEC)}},
    {"fcntl", 1, {IS(1, F_GETFD)}},
    {"fcntl", 1, {IS(1, F_SETFD)}},
    {"fcntl", 1, {IS(1, F_GETFL)}},
    {"fcntl", 2, {IS(1, F_SETFL), HAS(2, O_NONBLOCK)}},
    {"fcntl64", 1, {IS(1, F_DUPFD)}},
    {"fcntl64", 1, {IS(1, F_DUPFD_CLOEXEC)}},
    {"fcntl64", 1, {IS(1, F_GETFD)}},
    {"fcntl64", 1, {IS(1, F_SETFD)}},
    {"fcntl64", 1, {IS(1, F_GETFL)}},
    {"fcntl64", 2, {IS(1, F_SETFL), HAS(2, O_NONBLOCK)}},
    {"socket", 1, {IS(0, AF_UNIX)}},
    {"socket", 1, {IS(0, AF_INET)}},
    {"socket", 1, {IS(0, AF_INET6)}},
    /* getaddrinfo(3) asks NETLINK_ROUTE which addresses there are. */
    {"socket", 2, {IS(0, AF_NETLINK), IS(2, 0)}},
    {"socketpair", 1, {IS(0, AF_UNIX)}},
    /* Of sockets, how much is there; is it a terminal? */
    {"ioctl", 1, {IS(1, FIONREAD)}},
    {"ioctl", 1, {IS(1, TCGETS)}},
    /* Names of threads and of memory; may it be dumped? */
    {"prctl", 1, {IS(0, PR_SET_NAME)}},
    {"prctl", 1, {IS(0, PR_GET_NAME)}},
    {"prctl", 1, {IS(0, PR_SET_VMA)}},
    {"prctl", 1, {IS(0, PR_GET_DUMPABLE)}},
    /* getrlimit(2): its own, and nothing new. */
    {"prlimit64", 2, {IS(0, 0), IS(2, 0)}},
};

static struct libseccomp lib;
static void *filter;
static bool tried;
static struct why failure; /* of the one try */

static enum err allow(const struct rule *r, struct why *why)
{
    int call = lib.seccomp_syscall_resolve_name(r->name);
    if (call == SECCOMP_NO_SUCH_CALL)
        return OK;
    int e = lib.seccomp_rule_add_array(filter, SECCOMP_RET_ALLOW, call,
                                       r->count, r->args);
    /* EEXIST: allowed as it is by a rule before. */
    if (e == 0 || e == -EEXIST)
        return OK;
    return why_set(why, ERR_FAIL, "libseccomp takes no rule for %s: %s",
                   r->name, strerror(-e));
}

/* It hides the flags of clone from a filter; glibc then calls clone. */
static enum err hide_clone3(struct why *why)
{
    int call = lib.seccomp_syscall_resolve_name("clone3");
    if (call == SECCOMP_NO_SUCH_CALL)
        call = SYS_clone3;
    int e = lib.seccomp_rule_add_array(filter, SECCOMP_RET_ERRNO | ENOSYS, call,
                                       0, NULL);
    return e == 0 ? OK
                  : why_set(why, ERR_FAIL,
                            "libseccomp takes no rule for clone3: %s",
                            strerror(-e));
}

static enum err fill(struct why *why)
{
    enum err e = hide_clone3(why);
    for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]) && e == OK; i++)
        e = allow(&(struct rule){.name = allowed[i]}, why);
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]) && e == OK; i++)
        e = allow(&rules[i], why);
    return e;
}

static enum err make(struct why *why)
{
    static const char *const names[] = {LIBSECCOMP_FUNCTIONS(LIBRARY_NAME)
                                            NULL};
    uint32_t action = SECCOMP_RET_ERRNO;
    struct why reason = {.text = ""};
    if (syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) != 0)
        return why_set(why, ERR_NOTFOUND, "the kernel has no filters here: %s",
                       strerror(errno));
    if (library_open("libseccomp.so.2", names, &lib, &reason) != OK)
        return why_set(why, ERR_NOTFOUND, "%s", reason.text);
    filter = lib.seccomp_init(SECCOMP_RET_ERRNO | EPERM);
    if (filter == NULL)
        return why_set(why, ERR_NOTFOUND,
                       "libseccomp does not know this machine");
    enum err e = fill(why);
    if (e != OK) {
        lib.seccomp_release(filter);
        filter = NULL;
    }
    return e;
}

enum err seccomp_prepare(struct why *why)
{
    static enum err result;
    if (!tried)
        result = make(&failure);
    tried = true;
    if (result != OK)
        *why = failure;
    return result;
}

/* abort(3) and pthread_kill(3), to itself. Who that is, only it knows. */
static enum err allow_own_signals(struct why *why)
{
    const struct rule own = {"tgkill", 1, {IS(0, (uint64_t)getpid())}};
    return allow(&own, why);
}

enum err seccomp_confine(struct why *why)
{
    enum err e = seccomp_prepare(why);
    if (e == OK)
        e = allow_own_signals(why);
    if (e != OK)
        return e;
    int failed = lib.seccomp_load(filter);
    if (failed != 0)
        return why_set(why, ERR_FAIL, "the filter cannot be loaded: %s",
                       strerror(-failed));
    return OK;
}
