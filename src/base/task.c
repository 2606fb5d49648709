/*
 * task.c - see task.h. Answers and lines come through one pipe, each record a
 * byte that says which, and a length.
 */
#include "base/task.h"

#include "base/buf.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* A record is written by one write(2), which a pipe does not split. */
struct record {
    uint32_t answer; /* 1: the last one; 0: a line */
    uint32_t status; /* enum err */
    struct why why;
};

static int out = -1; /* in the child: the pipe */

static void put(uint32_t answer, enum err e, const char *words)
{
    struct record r = {.answer = answer, .status = (uint32_t)e};
    snprintf(r.why.text, sizeof(r.why.text), "%s", words);
    while (write(out, &r, sizeof(r)) < 0 && errno == EINTR)
        ;
}

void task_answer(enum err e, const char *words)
{
    put(1, e, words);
}

void task_say(const char *line)
{
    if (out >= 0)
        put(0, OK, line);
}

int task_fd(void)
{
    return out;
}

static _Noreturn void child(task_fn *fn, void *arg, pid_t parent)
{
    struct why why = {.text = ""};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    enum err e = fn(arg, &why);
    task_answer(e, why.text);
    _exit(0); /* not exit(): V8's threads may still run */
}

/* Reads records until the answer or the end. ERR_TIMEOUT, ERR_EOF. */
static enum err hear(int fd, uint64_t until, struct buf *said,
                     struct record *answer)
{
    struct record r;
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        int n = poll(&p, 1, clock_poll_ms(until));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return ERR_TIMEOUT;
        if (read(fd, &r, sizeof(r)) != (ssize_t)sizeof(r))
            return ERR_EOF;
        r.why.text[sizeof(r.why.text) - 1] = '\0';
        if (r.answer != 0) {
            *answer = r;
            return OK;
        }
        if (said != NULL)
            buf_printf(said, "%s\n", r.why.text);
        if (until != 0 && clock_mono() >= until)
            return ERR_TIMEOUT;
    }
}

static enum err explain(enum err e, uint64_t timeout, int status,
                        struct why *why)
{
    if (e == ERR_TIMEOUT)
        return why_set(why, e, "it took longer than %llu ms and was ended",
                       (unsigned long long)(timeout / NS_PER_MS));
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
        return why_set(why, ERR_ABORTED,
                       "the process was ended by signal 9, as the kernel does "
                       "when memory is out");
    if (WIFSIGNALED(status))
        return why_set(why, ERR_FAIL, "V8 ended the process by signal %d",
                       WTERMSIG(status));
    return why_set(why, ERR_FAIL, "the child process ended with status %d",
                   WEXITSTATUS(status));
}

enum err task_run(task_fn *fn, void *arg, uint64_t timeout, struct buf *said,
                  struct why *why)
{
    struct record answer = {0};
    int ends[2];
    int status = 0;
    pid_t parent = getpid();

    if (pipe2(ends, O_CLOEXEC) != 0)
        return why_set(why, ERR_IO, "pipe: %s", strerror(errno));
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        out = ends[1];
        child(fn, arg, parent);
    }
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return why_set(why, ERR_IO, "fork: %s", strerror(errno));
    }
    uint64_t until = timeout != 0 ? clock_mono() + timeout : 0;
    enum err e = hear(ends[0], until, said, &answer);
    close(ends[0]);
    /* One that has closed the pipe may live on. */
    if (e != OK && waitpid(pid, &status, WNOHANG) == 0)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (e != OK)
        return explain(e, timeout, status, why);
    if (answer.status != OK)
        why_set(why, (enum err)answer.status, "%s", answer.why.text);
    return (enum err)answer.status;
}
