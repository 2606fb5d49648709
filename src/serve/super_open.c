/*
 * super_open.c - everything that can fail, before anything is started.
 */
#include "serve/super_parts.h"

#include "base/log.h"
#include "serve/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

static int exit_status(enum err e)
{
    if (e == ERR_ACCESS)
        return EX_NOPERM;
    return e == ERR_SYNTAX || e == ERR_TOOBIG || e == ERR_NOTFOUND
               ? EX_CONFIG
               : EX_UNAVAILABLE;
}

/* ---- sockets ------------------------------------------------------------ */

/* One that was open before a re-execution, at the same address. */
static enum err adopt(const struct super *s, struct listener *l,
                      const struct pool_config *config,
                      struct handover_item *it, struct why *why)
{
    it->taken = true;
    *l = (struct listener){.fd = it->fd[0],
                           .dev = (dev_t)it->number[0],
                           .inode = (ino_t)it->number[1]};
    /* A test must leave the socket and its file as they are. */
    if (s->setup->test)
        return OK;
    if (config->listen[0] == '/')
        snprintf(l->path, sizeof(l->path), "%s", config->listen);
    return listen_adjust(l, config, why);
}

/* A test beside a supervisor that runs: what that one has is not in the way.
 * One for a reload has been handed all that is its own. */
static enum err in_the_way(const struct super *s, enum err e)
{
    return e == ERR_BUSY && s->setup->test && s->left.count == 0 ? OK : e;
}

static enum err open_at(struct super *s, struct listener *l,
                        const struct pool_config *config, struct why *why)
{
    struct handover_item *it =
        config->listen != NULL
            ? handover_find(&s->left, "listen", config->listen)
            : NULL;
    if (it != NULL && listen_is(it->fd[0]))
        return adopt(s, l, config, it, why);
    return in_the_way(s, listen_open(l, config, why));
}

/* The socket handed over for this pool, or -1; one for one needs no name. */
static int handed_for(const struct super *s, const struct pool_config *pool)
{
    if (s->setup->given != NULL)
        return s->setup->given_fd;
    return listen_fds() == 1 && s->all.count == 1 ? LISTEN_FDS_START
                                                  : listen_named(pool->name);
}

static enum err open_listener(struct super *s, struct crew *c, struct why *why)
{
    struct why reason = {.text = ""};
    int fd = handed_for(s, c->config);
    c->handed = fd >= 0;
    enum err e = c->handed ? listen_take(&c->listener, fd, &reason)
                           : open_at(s, &c->listener, c->config, &reason);
    /* A child's first three are not its sockets. */
    if (e == OK && c->listener.fd >= 0 && c->listener.fd <= 2)
        c->listener.fd = fcntl(c->listener.fd, F_DUPFD_CLOEXEC, 3);
    return why_set(why, e, "pool %s: %s", c->config->name, reason.text);
}

/* It stays with its listening socket, whatever the pool is called by now. */
static enum err open_kept(struct super *s, struct crew *c, struct why *why)
{
    int type = SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC;
    for (size_t i = 0; i < s->left.count; i++) {
        struct handover_item *it = &s->left.items[i];
        if (it->taken || strcmp(it->kind, "kept") != 0 ||
            it->number[0] != crew_socket(c))
            continue;
        it->taken = true;
        memcpy(c->kept, it->fd, sizeof(c->kept));
        return OK;
    }
    if (socketpair(AF_UNIX, type, 0, c->kept) == 0)
        return OK;
    return why_set(why, ERR_IO, "pool %s: no socket between its workers: %s%s",
                   c->config->name, strerror(errno), confine_shortage(errno));
}

/* Sockets are handed over to be served, all of them. */
static enum err find_handed(const struct super *s, struct why *why)
{
    int found = 0;
    int there = s->setup->given != NULL ? 0 : listen_fds();
    for (size_t i = 0; i < s->all.count && there > 0; i++)
        found += handed_for(s, s->all.at[i].config) >= 0;
    if (found == there)
        return OK;
    return why_set(why, ERR_NOTFOUND,
                   "%d of %d sockets handed over are for no pool: each must "
                   "have its pool's name in LISTEN_FDNAMES "
                   "(FileDescriptorName= of a systemd socket)",
                   there - found, there);
}

/* ---- pools -------------------------------------------------------------- */

static enum err choose_pools(struct super *s, struct why *why)
{
    struct config *config = s->config;
    struct pool_config *only = s->setup->given;
    if (only == NULL && s->setup->pool != NULL)
        only = config_pool(config, s->setup->pool);
    size_t count = only != NULL ? 1 : config->pool_count;
    if (count == 0 || (s->setup->pool != NULL && only == NULL))
        return why_set(why, ERR_NOTFOUND, "%s has no pool%s%s",
                       config->path != NULL ? config->path
                                            : "the configuration",
                       s->setup->pool != NULL ? " " : "",
                       s->setup->pool != NULL ? s->setup->pool : "");
    s->all.at = xalloc(count * sizeof(*s->all.at));
    s->all.count = count;
    for (size_t i = 0; i < count; i++) {
        s->all.at[i].config = only != NULL ? only : &config->pools[i];
        s->all.at[i].listener.fd = -1;
        s->all.at[i].kept[0] = s->all.at[i].kept[1] = -1;
        s->all.at[i].access.fd = s->all.at[i].slow.fd = -1;
    }
    return OK;
}

static enum err open_pools(struct super *s, struct why *why)
{
    struct why reason = {.text = ""};
    enum err e = choose_pools(s, why);
    if (e == OK)
        e = find_handed(s, why);
    for (size_t i = 0; i < s->all.count && e == OK; i++)
        e = open_listener(s, &s->all.at[i], why);
    for (size_t i = 0; i < s->all.count && e == OK; i++)
        e = open_kept(s, &s->all.at[i], why);
    for (size_t i = 0; i < s->all.count && e == OK; i++) {
        e = crew_open(&s->all.at[i], &s->all, &reason);
        if (e != OK)
            why_set(why, e, "pool %s: %s", s->all.at[i].config->name,
                    reason.text);
    }
    return e;
}

/* ---- what there is one of ----------------------------------------------- */

static enum err open_control(struct super *s, struct why *why)
{
    const char *path = s->config->control;
    struct handover_item *it =
        path != NULL ? handover_find(&s->left, "control", path) : NULL;
    if (path == NULL)
        return OK;
    s->control_kept = it != NULL && s->setup->test;
    if (it != NULL) {
        it->taken = true;
        return control_take(path, it->fd[0], &s->loop, super_obey, s,
                            &s->control, why);
    }
    return in_the_way(
        s, control_open(path, &s->loop, super_obey, s, &s->control, why));
}

void super_complain(const struct super *s, const char *text)
{
    if (s->left.count > 0 && !s->setup->test)
        log_error("%s", text);
    else
        fprintf(stderr, "snapcgi: %s\n", text);
}

/* Who tests has a terminal, and the log is that of who runs. What a reload
 * only warns of is said again when it is in force. */
static void open_tests_log(const struct super *s)
{
    if (s->left.count == 0)
        log_close();
    log_set_level(s->left.count == 0 ? LOG_NOTICE : LOG_ERROR);
}

static enum err open_pid(struct super *s, struct why *why)
{
    const char *path = s->config->pid;
    struct handover_item *it =
        path != NULL ? handover_find(&s->left, "pid", path) : NULL;
    if (path == NULL || (it != NULL && s->setup->test))
        return OK;
    if (it != NULL) {
        it->taken = true;
        return pidfile_take(&s->pid, path, it->fd[0], why);
    }
    return in_the_way(s, pidfile_open(&s->pid, path, why));
}

int super_open(struct super *s)
{
    struct why why = {.text = ""};
    s->status.fd = -1;
    s->pid.fd = -1;
    if (s->setup->test)
        open_tests_log(s);
    enum err e = open_pools(s, &why);
    if (e == OK && s->config->status.listen != NULL) {
        struct why reason = {.text = ""};
        e = open_at(s, &s->status, &s->config->status, &reason);
        why_set(&why, e, "status_listen: %s", reason.text);
    }
    if (e == OK) {
        struct why reason = {.text = ""};
        e = open_control(s, &reason);
        why_set(&why, e, "control: %s", reason.text);
    }
    /* The process that is to live on is the one in the file. */
    if (e == OK && s->setup->daemonize && !s->setup->test && s->left.count == 0)
        e = background_fork(&why);
    if (e == OK)
        e = open_pid(s, &why);
    if (e == OK)
        return EX_OK;
    super_complain(s, why.text);
    return exit_status(e);
}

void super_close(struct super *s)
{
    for (size_t i = 0; i < s->all.count; i++) {
        struct crew *c = &s->all.at[i];
        crew_close(c);
        if (c->listener.fd >= 0 && !c->handed)
            listen_close(&c->listener);
    }
    free(s->all.at);
    s->all.at = NULL;
    s->all.count = 0;
    if (s->status.fd >= 0)
        listen_close(&s->status);
    control_close(s->control, !s->control_kept);
    s->control = NULL;
    pidfile_close(&s->pid);
}

/* What was handed over is to be handed over again. False: it was not. */
static bool give_back(struct super *s, int fd)
{
    for (size_t i = 0; i < s->left.count; i++) {
        struct handover_item *it = &s->left.items[i];
        if (!it->taken || fd < 0 || it->fd[0] != fd)
            continue;
        it->taken = false;
        return true;
    }
    return false;
}

static void give_back_listener(struct super *s, struct listener *l)
{
    if (give_back(s, l->fd))
        *l = (struct listener){.fd = -1};
}

/* It is needed all the more, wherever it was. */
static void keep_control(struct super *s)
{
    struct handover_item *it = handover_find(&s->left, "control", NULL);
    if (s->control != NULL || it == NULL)
        return;
    it->taken = true;
    s->config->control = it->text;
    if (control_take(it->text, it->fd[0], &s->loop, super_obey, s, &s->control,
                     NULL) != OK)
        s->config->control = NULL;
}

void super_fall_back(struct super *s)
{
    log_error("the new configuration cannot be used after all: the workers "
              "that run stay; correct it and reload again");
    give_back_listener(s, &s->status);
    for (size_t i = 0; i < s->all.count; i++) {
        struct crew *c = &s->all.at[i];
        give_back_listener(s, &c->listener);
        if (give_back(s, c->kept[0]))
            c->kept[0] = c->kept[1] = -1;
        crew_close(c);
        if (c->listener.fd >= 0 && !c->handed)
            listen_close(&c->listener);
    }
    s->all.count = 0;
    keep_control(s);
}
