/*
 * image_guard.c - see image_guard.h.
 */
#include "serve/image_guard.h"

#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENV_MAX 4096

static const int faults[] = {SIGBUS, SIGSEGV, SIGILL, SIGTRAP, SIGABRT};
#define FAULT_COUNT (sizeof(faults) / sizeof(faults[0]))

static const char anew[] = "SNAPCGI_ANEW";

static struct {
    int fd; /* -1: no guard */
    struct stat before;
    struct sigaction old[FAULT_COUNT];
} guard = {.fd = -1};

/* Not by st_ctime: a rename over it changes that, and not what is in it. */
static bool is_changed(void)
{
    const struct stat *was = &guard.before;
    struct stat now;
    return fstat(guard.fd, &now) != 0 || now.st_size != was->st_size ||
           now.st_mtim.tv_sec != was->st_mtim.tv_sec ||
           now.st_mtim.tv_nsec != was->st_mtim.tv_nsec;
}

/* Also in a signal handler: only calls that signal-safety(7) allows. */
static void begin_anew(void)
{
    static char name[] = "snapcgi", mark[sizeof(anew) + 2];
    static char *argv[] = {name, NULL}, *env[ENV_MAX + 2];
    size_t n = 0, at = 0;
    while (n < ENV_MAX && environ[n] != NULL) {
        env[n] = environ[n];
        n++;
    }
    for (; anew[at] != '\0'; at++)
        mark[at] = anew[at];
    mark[at++] = '=';
    mark[at] = '1';
    env[n] = mark;
    execve("/proc/self/exe", argv, env);
}

/* Another fault than the file's happens again when this returns, and ends the
 * process. */
static void on_fault(int sig)
{
    (void)sig;
    image_guard_fault();
}

bool image_guard(int fd)
{
    struct sigaction action = {.sa_handler = on_fault,
                               .sa_flags = (int)SA_RESETHAND | SA_NODEFER};
    if (getenv(anew) != NULL)
        return false;
    guard.fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (guard.fd < 0 || fstat(guard.fd, &guard.before) != 0)
        return true;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < FAULT_COUNT; i++)
        sigaction(faults[i], &action, &guard.old[i]);
    return true;
}

void image_guard_fault(void)
{
    if (guard.fd >= 0 && is_changed())
        begin_anew();
}

void image_guard_end(void)
{
    if (guard.fd < 0)
        return;
    image_guard_fault();
    for (size_t i = 0; i < FAULT_COUNT; i++)
        sigaction(faults[i], &guard.old[i], NULL);
    close(guard.fd);
    guard.fd = -1;
}
