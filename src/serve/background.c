/*
 * background.c - a child goes on, its parent waits for the good news.
 */
#include "serve/background.h"

#include "serve/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#define LOOK_EVERY 100 /* ms */

static int news = -1; /* the child's end of the pipe to who waits */

static int status_of(pid_t child, int status)
{
    if (WIFEXITED(status))
        return WEXITSTATUS(status);
    fprintf(stderr,
            "snapcgi: the supervisor (process %d) was ended by signal %d (%s) "
            "while it started; see its error log\n",
            (int)child, WTERMSIG(status), strsignal(WTERMSIG(status)));
    return EX_SOFTWARE;
}

/*
 * Its end is looked for apart from the pipe's: children of its own may hold
 * the pipe for longer. It may also say that it started, and end.
 */
static int await(pid_t child, int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int status = 0;
    char byte;
    for (;;) {
        bool ended = waitpid(child, &status, WNOHANG) == child;
        int got = poll(&p, 1, ended ? 0 : LOOK_EVERY);
        ssize_t n = got > 0 ? read(fd, &byte, 1) : -1;
        if (n == 1)
            return EX_OK;
        if (n == 0)
            p.fd = -1; /* only its end is left to wait for */
        if (ended)
            return status_of(child, status);
    }
}

static enum err stays(const char *call, int failed, struct why *why)
{
    return why_set(why, ERR_IO,
                   "cannot go to the background: %s: %s%s; or start it in the "
                   "foreground with serve -F",
                   call, strerror(failed), confine_shortage(failed));
}

enum err background_fork(struct why *why)
{
    int ends[2];
    pid_t parent = getpid();
    if (pipe2(ends, O_CLOEXEC) != 0)
        return stays("pipe", errno, why);
    fflush(NULL);
    pid_t child = fork();
    if (child < 0) {
        int failed = errno;
        close(ends[0]);
        close(ends[1]);
        return stays("fork", failed, why);
    }
    if (child > 0) {
        sigset_t none; /* what the supervisor takes later would end this one */
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        close(ends[1]);
        _exit(await(child, ends[0]));
    }
    close(ends[0]);
    news = ends[1];
    setsid();
    /* Until it has started, who ends the command ends all of it. */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(EX_UNAVAILABLE);
    return OK;
}

void background_started(void)
{
    if (news < 0)
        return;
    prctl(PR_SET_PDEATHSIG, 0);
    fflush(NULL);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd <= 2 && null >= 0; fd++)
        dup2(null, fd);
    if (null > 2)
        close(null);
    ssize_t n;
    do
        n = write(news, "", 1);
    while (n < 0 && errno == EINTR);
    close(news);
    news = -1;
}
