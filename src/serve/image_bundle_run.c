/*
 * image_bundle_run.c - a program with fixed arguments, its words and its end.
 */
#include "serve/image_bundle_parts.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- which --------------------------------------------------------------- */

/* It runs in the application's folder, where a relative one means another. */
void image_bundle_path(struct buf *out)
{
    const char *path = getenv("PATH");
    const char *between = "";
    if (path == NULL)
        path = "/usr/local/bin:/usr/bin:/bin";
    buf_puts(out, "PATH=");
    while (*path != '\0') {
        size_t n = strcspn(path, ":");
        if (*path == '/') {
            buf_printf(out, "%s%.*s", between, (int)n, path);
            between = ":";
        }
        path += n;
        path += *path == ':';
    }
}

static bool is_program(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode) &&
           faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) == 0;
}

static bool compose(char program[static PATH_MAX], struct slice folder,
                    const char *name)
{
    int n =
        snprintf(program, PATH_MAX, "%.*s%s", (int)folder.n, folder.p, name);
    return n > 0 && n < PATH_MAX;
}

enum err image_bundle_find(const char *path, char program[static PATH_MAX],
                           struct why *why)
{
    const char *named = getenv("SNAPCGI_ESBUILD");
    struct slice rest = slice_from(slice_of(path), strlen("PATH="));
    if (named != NULL && *named != '\0') {
        if (*named != '/')
            return why_set(why, ERR_ACCESS,
                           "SNAPCGI_ESBUILD is \"%.200s\" and must be an "
                           "absolute path",
                           named);
        if (compose(program, slice_of(named), "") && is_program(program))
            return OK;
        return why_set(why, ERR_NOTFOUND,
                       "SNAPCGI_ESBUILD names %.200s, which is no program "
                       "that can be run",
                       named);
    }
    while (rest.n > 0) {
        size_t n = slice_find(rest, ':');
        if (compose(program, (struct slice){rest.p, n}, "/esbuild") &&
            is_program(program))
            return OK;
        rest = slice_from(rest, n + 1);
    }
    return why_set(why, ERR_NOTFOUND,
                   "esbuild is needed to make one script of the application, "
                   "and is not in PATH: install it (apt-get install esbuild, "
                   "or npm install -g esbuild), or let SNAPCGI_ESBUILD name "
                   "it");
}

/* ---- how ----------------------------------------------------------------- */

static _Noreturn void become(const struct bundle_run *run, int out,
                             pid_t parent)
{
    sigset_t none;
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    /* What is ignored or blocked here would be there. */
    for (int s = 1; s < NSIG; s++)
        signal(s, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    out = fcntl(out, F_DUPFD, 3); /* the first three may have been closed */
    dup2(out, 1);
    dup2(out, 2);
    int null = open("/dev/null", O_RDONLY);
    if (null > 0)
        dup2(null, 0);
    close_range(3, UINT_MAX, 0);
    if (chdir(run->folder) == 0)
        execve(run->program, (char *const *)run->argv,
               (char *const *)run->envp);
    dprintf(2, "cannot run %s in %s: %s\n", run->program, run->folder,
            strerror(errno));
    _exit(127);
}

/* Reads to the end; what is over the ceiling is let go. */
static enum err hear(int fd, uint64_t until, struct buf *said)
{
    char part[4096];
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int n = poll(&p, 1, clock_poll_ms(until));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return ERR_TIMEOUT;
        ssize_t got = read(fd, part, sizeof(part));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return OK;
        size_t room = said->max - said->n;
        buf_put(said, part, (size_t)got < room ? (size_t)got : room);
        /* Words without end would not be waited for by poll(2). */
        if (until != 0 && clock_mono() >= until)
            return ERR_TIMEOUT;
    }
}

/* It has closed its end, so it is about to go. Leaves it to be reaped. */
static enum err await(pid_t pid, uint64_t until)
{
    for (;;) {
        siginfo_t info = {.si_pid = 0};
        int flags = WEXITED | WNOWAIT | WNOHANG;
        if (waitid(P_PID, (id_t)pid, &info, flags) != 0)
            return OK; /* waitpid() below says what it is */
        if (info.si_pid == pid)
            return OK;
        if (until != 0 && clock_mono() >= until)
            return ERR_TIMEOUT;
        poll(NULL, 0, 1);
    }
}

enum err image_bundle_run(const struct bundle_run *run, struct buf *said,
                          int *status, struct why *why)
{
    int ends[2];
    pid_t parent = getpid();
    if (pipe2(ends, O_CLOEXEC) != 0)
        return why_set(why, ERR_IO, "pipe: %s", strerror(errno));
    pid_t pid = fork();
    if (pid == 0)
        become(run, ends[1], parent);
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return why_set(why, ERR_IO, "fork: %s", strerror(errno));
    }
    setpgid(pid, pid); /* whoever of the two comes first */
    enum err e = hear(ends[0], run->until, said);
    close(ends[0]);
    if (e == OK)
        e = await(pid, run->until);
    kill(-pid, SIGKILL); /* nothing that it started outlives it */
    while (waitpid(pid, status, 0) < 0)
        if (errno != EINTR)
            return why_set(why, ERR_IO, "waitpid: %s", strerror(errno));
    return e;
}
