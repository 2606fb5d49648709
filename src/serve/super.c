/*
 * super.c - bind, fork, pass signals on, wait.
 */
#include "serve/super.h"

#include "serve/listen.h"
#include "serve/worker.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

struct child {
    const struct pool_config *pool;
    struct listener listener;
    bool handed; /* by LISTEN_FDS, not opened here */
    pid_t pid;   /* 0: has ended */
};

static const int passed_on[] = {SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGHUP};

static int serve_one(const struct child *c, const struct image *image)
{
    struct worker_setup setup = {.pool = c->pool,
                                 .image = image,
                                 .listen_fd = c->listener.fd,
                                 .watch_every = WORKER_WATCH_EVERY};
    log_about(c->pool->name, NULL);
    if (c->handed)
        log_notice("serving on the socket handed over as descriptor %d",
                   c->listener.fd);
    else
        log_notice("serving on %s", c->pool->listen);
    return worker_run(&setup);
}

static bool start(struct child *children, size_t count, size_t i,
                  const struct image *image)
{
    pid_t parent = getpid();
    fflush(NULL);
    children[i].pid = fork();
    if (children[i].pid < 0) {
        children[i].pid = 0;
        log_error("fork: %s", strerror(errno));
        return false;
    }
    if (children[i].pid > 0)
        return true;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(EX_UNAVAILABLE);
    for (size_t k = 0; k < count; k++)
        if (k != i)
            close(children[k].listener.fd);
    _exit(serve_one(&children[i], image));
}

static void tell(const struct child *children, size_t count, int sig)
{
    for (size_t i = 0; i < count; i++)
        if (children[i].pid > 0)
            kill(children[i].pid, sig);
}

static int status_of(int status)
{
    return WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE;
}

/* Collects who has ended; true when one did though nobody asked it to. */
static bool collect(struct child *children, size_t count, size_t *left,
                    bool asked, int *result)
{
    int status;
    pid_t pid;
    bool lost = false;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (size_t i = 0; i < count; i++) {
            if (children[i].pid != pid)
                continue;
            children[i].pid = 0;
            --*left;
            if (*result == EX_OK)
                *result = status_of(status);
            if (asked)
                continue;
            log_error("the worker of pool %s has ended (%s %d)",
                      children[i].pool->name,
                      WIFSIGNALED(status) ? "signal" : "status",
                      WIFSIGNALED(status) ? WTERMSIG(status)
                                          : WEXITSTATUS(status));
            lost = true;
        }
    }
    return lost;
}

static int watch_over(struct child *children, size_t count, size_t left)
{
    sigset_t set;
    int result = EX_OK;
    bool asked = left < count;
    if (asked)
        tell(children, count, SIGTERM);
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    for (size_t i = 0; i < sizeof(passed_on) / sizeof(passed_on[0]); i++)
        sigaddset(&set, passed_on[i]);
    while (left > 0) {
        int sig;
        if (sigwait(&set, &sig) != 0)
            continue;
        if (sig == SIGCHLD) {
            if (collect(children, count, &left, asked, &result)) {
                asked = true;
                if (result == EX_OK)
                    result = EX_SOFTWARE;
                tell(children, count, SIGTERM);
            }
            continue;
        }
        tell(children, count, sig);
        if (sig == SIGUSR1)
            log_reopen(NULL);
        else if (sig != SIGHUP)
            asked = true;
    }
    return result;
}

static int run_all(struct child *children, size_t count,
                   const struct image *image)
{
    sigset_t set;
    size_t started = 0;
    /* Before the first child, so that its end cannot be missed. */
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    for (size_t i = 0; i < sizeof(passed_on) / sizeof(passed_on[0]); i++)
        sigaddset(&set, passed_on[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    while (started < count && start(children, count, started, image))
        started++;
    int result = watch_over(children, count, started);
    return started < count ? EX_OSERR : result;
}

static int exit_status(enum err e)
{
    return e == ERR_SYNTAX || e == ERR_TOOBIG || e == ERR_NOTFOUND
               ? EX_CONFIG
               : EX_UNAVAILABLE;
}

/* The socket handed over for this pool, or -1; one for one needs no name. */
static int handed_for(const struct pool_config *pool, size_t pools)
{
    return listen_fds() == 1 && pools == 1 ? LISTEN_FDS_START
                                           : listen_named(pool->name);
}

/* Sockets are handed over to be served, all of them. */
static enum err find_handed(const struct child *children, size_t count,
                            struct why *why)
{
    int found = 0;
    for (size_t i = 0; i < count; i++)
        found += handed_for(children[i].pool, count) >= 0;
    if (found == listen_fds())
        return OK;
    return why_set(why, ERR_NOTFOUND,
                   "%d of %d sockets handed over are for no pool: each must "
                   "have its pool's name in LISTEN_FDNAMES "
                   "(FileDescriptorName= of a systemd socket)",
                   listen_fds() - found, listen_fds());
}

static enum err open_listener(struct child *c, size_t pools, struct why *why)
{
    struct why reason = {.text = ""};
    int fd = handed_for(c->pool, pools);
    c->handed = fd >= 0;
    enum err e = c->handed ? listen_take(&c->listener, fd, &reason)
                           : listen_open(&c->listener, c->pool, &reason);
    return why_set(why, e, "pool %s: %s", c->pool->name, reason.text);
}

int super_run(struct config *config, const char *name,
              const struct image *image)
{
    struct why why = {.text = ""};
    struct pool_config *only = name != NULL ? config_pool(config, name) : NULL;
    size_t count = name != NULL ? 1 : config->pool_count;
    if ((name != NULL && only == NULL) || count == 0) {
        fprintf(stderr, "snapcgi: %s has no pool%s%s\n",
                config->path != NULL ? config->path : "the configuration",
                name != NULL ? " " : "", name != NULL ? name : "");
        return EX_CONFIG;
    }
    struct child *children = xalloc(count * sizeof(*children));
    for (size_t i = 0; i < count; i++)
        children[i].pool = only != NULL ? only : &config->pools[i];
    enum err e = find_handed(children, count, &why);
    size_t opened = 0;
    for (; opened < count && e == OK; opened++)
        e = open_listener(&children[opened], count, &why);
    int result;
    if (e != OK) {
        fprintf(stderr, "snapcgi: %s\n", why.text);
        result = exit_status(e);
    } else if (count == 1) {
        result = serve_one(&children[0], image);
    } else {
        result = run_all(children, count, image);
    }
    for (size_t i = 0; i < opened; i++)
        listen_close(&children[i].listener);
    free(children);
    return result;
}
