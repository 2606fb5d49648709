/*
 * super.c - the loop: signals, children, and what is due.
 */
#include "serve/super_parts.h"

#include "base/clock.h"
#include "base/log.h"
#include "serve/monitor.h"
#include "serve/notify.h"
#include "serve/title.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

/* How often a pool is looked at while something moves, and otherwise. */
#define LOOK_SOON (100 * NS_PER_MS)
#define LOOK_CALM NS_PER_S
/* Between two monitors, should it fail. */
#define MONITOR_PAUSE (2 * NS_PER_S)
/* A supervisor whose workers do not get ready says that it runs, all the
 * same: the log has the reason. */
#define READY_MOST (10 * NS_PER_S)

/* ---- who has ended ------------------------------------------------------ */

static struct child *child_of(struct super *s, pid_t pid)
{
    struct child *c = s->all.children;
    while (c != NULL && c->pid != pid)
        c = c->next;
    return c;
}

/* Many crashes in a short time may come of something all workers share. */
static void count_crash(struct super *s)
{
    uint64_t now = clock_mono();
    const struct config *c = s->config;
    if (now - s->crash_since > c->emergency_restart_interval) {
        s->crash_since = now;
        s->crashes = 0;
    }
    if (++s->crashes != c->emergency_restart_threshold ||
        s->state != SUPER_RUNNING)
        return;
    log_error("%llu workers have crashed within %llu s: all are replaced "
              "(emergency_restart_threshold)",
              (unsigned long long)s->crashes,
              (unsigned long long)(c->emergency_restart_interval / NS_PER_S));
    super_renew(s, NULL, -1);
}

static void bury(struct super *s, struct child *c, int status)
{
    child_log_end(c, status);
    if (c->kind == CHILD_TEST) {
        super_tested(s, c, status);
        return;
    }
    if (c->kind == CHILD_MAKER)
        crew_image_made(&s->all, c, status);
    if (c->keep != NULL)
        crew_state_ended(c, status);
    if (c->crew != NULL)
        crew_lost(c->crew, c, status);
    else if (c->board != NULL)
        board_release(c->board, (uint32_t)c->slot);
    bool crashed = c->kind == CHILD_WORKER && child_crashed(status) &&
                   c->stage < CHILD_ENDING;
    child_free(&s->all.children, c);
    if (crashed)
        count_crash(s);
}

static void collect(struct super *s)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        struct child *c = child_of(s, pid);
        if (c != NULL)
            bury(s, c, status);
    }
}

/* ---- signals ------------------------------------------------------------ */

/* Nothing else that goes on will come to its end. */
static void give_up(struct super *s)
{
    s->again = false;
    super_answer(s, ASK_TEST, false, SLICE("it is stopping"));
    super_answer(s, ASK_RENEW, false, SLICE("it is stopping"));
    super_answer(s, ASK_SAVE, false, SLICE("it is stopping"));
}

void super_stop(struct super *s)
{
    if (s->state != SUPER_STOPPING)
        log_notice("stopping");
    give_up(s);
    s->state = SUPER_STOPPING;
    notify_send("STOPPING=1\nSTATUS=stopping");
    for (struct child *c = s->all.children; c != NULL; c = c->next)
        child_end(c);
}

/* New connections are refused, and who waits is served before the end. */
void super_quit(struct super *s)
{
    if (s->state != SUPER_RUNNING)
        return;
    collect(s); /* who has ended serves nobody who waits */
    log_notice("stopping, when the requests in flight are done");
    give_up(s);
    s->state = SUPER_QUITTING;
    notify_send("STOPPING=1\nSTATUS=finishing the requests in flight");
    for (size_t i = 0; i < s->all.count; i++) {
        listen_unlink(&s->all.at[i].listener);
        crew_drain(&s->all.at[i]);
    }
    for (struct child *c = s->all.children; c != NULL; c = c->next) {
        if (c->kind != CHILD_WORKER)
            child_end(c);
        else if (c->crew == NULL)
            child_drain(c, true, s->config->process_control_timeout);
    }
}

enum err super_reopen(struct super *s, struct buf *wrong)
{
    struct why why = {.text = ""};
    if (log_reopen(&why) != OK)
        buf_printf(wrong, "%s\n", why.text);
    for (size_t i = 0; i < s->all.count; i++)
        crew_reopen(&s->all.at[i], wrong);
    /* The monitor takes no new descriptors; the next one has them. */
    for (struct child *c = s->all.children; c != NULL; c = c->next)
        if (c->kind == CHILD_MONITOR)
            child_drain(c, true, s->config->process_control_timeout);
    s->monitor_at = 0;
    if (wrong->n == 0) {
        log_notice("logs are open again");
        return OK;
    }
    buf_puts(wrong, "what was open stays in use: correct that, and reopen "
                    "again\n");
    log_lines(LOG_ERROR, buf_view(wrong));
    return ERR_IO;
}

static void reopen(struct super *s)
{
    struct buf wrong;
    buf_init(&wrong, CONTROL_ANSWER);
    super_reopen(s, &wrong);
    buf_free(&wrong);
}

static void more(struct super *s, int by)
{
    for (size_t i = 0; i < s->all.count; i++)
        crew_more(&s->all.at[i], by);
}

static void signalled(void *arg, int fd, short events)
{
    struct super *s = arg;
    struct signalfd_siginfo got;
    (void)events;
    while (read(fd, &got, sizeof(got)) == sizeof(got)) {
        switch (got.ssi_signo) {
        case SIGTERM:
        case SIGINT:
            super_stop(s);
            break;
        case SIGQUIT:
            super_quit(s);
            break;
        case SIGUSR1:
            reopen(s);
            break;
        case SIGHUP:
        case SIGUSR2:
            super_reload(s, -1);
            break;
        case SIGTTIN:
            more(s, 1);
            break;
        case SIGTTOU:
            more(s, -1);
            break;
        default: /* SIGCHLD: collect() has its turn anyway */
            break;
        }
    }
}

/* Before anybody can know of this process, which one too early would end. */
static bool take_signals(struct super *s)
{
    static const int ours[] = {SIGTERM, SIGINT,  SIGQUIT, SIGUSR1, SIGUSR2,
                               SIGHUP,  SIGTTIN, SIGTTOU, SIGCHLD};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        sigaddset(&set, ours[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    s->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (s->signal_fd < 0) {
        char text[512];
        snprintf(text, sizeof(text),
                 "no descriptor for signals (signalfd), without which it "
                 "cannot be stopped in order: %s%s",
                 strerror(errno), confine_shortage(errno));
        super_complain(s, text);
        return false;
    }
    loop_watch(&s->loop, s->signal_fd, POLLIN, signalled, s);
    return true;
}

/* ---- the monitor -------------------------------------------------------- */

/* It parses what comes from outside: nobody in particular, and few rights. */
static int step_down(struct super *s, int link)
{
    struct pool_config c = s->config->status;
    struct identity id;
    struct why why = {.text = ""};
    int *keep = xalloc((s->all.count + 5) * sizeof(*keep));
    int queues = monitor_queue_open();
    size_t n = 0;
    c.name = "monitor";
    c.user = geteuid() == 0 ? s->config->status_user : NULL;
    c.keep_env = "FCGI_WEB_SERVER_ADDRS";
    keep[n++] = link;
    if (queues >= 0)
        keep[n++] = queues;
    if (s->status.fd >= 0)
        keep[n++] = s->status.fd;
    if (log_fd() >= 0)
        keep[n++] = log_fd();
    for (size_t i = 0; i < s->all.count; i++)
        keep[n++] = s->all.at[i].listener.fd;
    keep[n] = -1;
    enum err e = OK;
    for (size_t i = 0; i < s->old_boards; i++)
        board_free(s->old_board[i]);
    for (size_t i = 0; i < s->all.count && e == OK; i++)
        e = board_watch(s->all.at[i].board);
    if (e == OK)
        e = confine_resolve(&c, &id, &why);
    if (e == OK)
        e = confine(&c, &id, keep, &why);
    free(keep);
    if (e != OK)
        log_error("the monitor cannot start: %s",
                  why.text[0] != '\0' ? why.text : strerror(errno));
    return e == OK ? EX_OK : EX_OSERR;
}

static int monitor(struct super *s, const struct child *c)
{
    sigset_t none;
    struct monitor_pool *pools = xalloc(s->all.count * sizeof(*pools));
    title_set("snapcgi: monitor");
    config_forget(s->config, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    int status = step_down(s, c->link);
    if (status != EX_OK)
        return status;
    for (size_t i = 0; i < s->all.count; i++)
        pools[i] = (struct monitor_pool){.config = s->all.at[i].config,
                                         .board = s->all.at[i].board,
                                         .listen_fd = s->all.at[i].listener.fd};
    struct monitor_setup setup = {.config = s->config,
                                  .pools = pools,
                                  .count = s->all.count,
                                  .status_fd = s->status.fd,
                                  .link_fd = c->link};
    return monitor_run(&setup);
}

/* False in the child. */
static bool start_monitor(struct super *s, uint64_t now, int *status)
{
    for (struct child *c = s->all.children; c != NULL; c = c->next)
        if (c->kind == CHILD_MONITOR)
            return true;
    if (s->state != SUPER_RUNNING || now < s->monitor_at || s->all.count == 0)
        return true;
    s->monitor_at = now + MONITOR_PAUSE;
    struct child *c = child_new(&s->all.children, &s->loop, CHILD_MONITOR, "");
    pid_t pid = child_fork(c);
    if (pid == 0) {
        *status = monitor(s, c);
        return false;
    }
    if (pid < 0) {
        log_error("the monitor cannot be started, which serves status_listen "
                  "and answers 503 when all are busy: %s%s",
                  strerror(errno), confine_shortage(errno));
        child_free(&s->all.children, c);
    }
    return true;
}

/* ---- what is due -------------------------------------------------------- */

static void sample_queue(struct crew *c)
{
    struct board_head *h = board_head(c->board);
    uint64_t waiting, most;
    if (monitor_queue(c->listener.fd, &waiting, &most) != OK)
        return;
    h->queue = waiting;
    h->queue_size = most;
    if (waiting > h->max_queue)
        h->max_queue = waiting;
}

static bool all_ready(const struct super *s)
{
    if (clock_mono() - s->started > READY_MOST)
        return true;
    for (size_t i = 0; i < s->all.count; i++) {
        struct crew *c = &s->all.at[i];
        struct crew_count n = crew_count(c);
        if (!c->state.paused && c->config->pm != PM_ONDEMAND &&
            c->failures == 0 && n.view.idle + n.view.busy == 0)
            return false;
    }
    return true;
}

static void say_ready(struct super *s)
{
    if (s->ready || s->renewing || s->state != SUPER_RUNNING || !all_ready(s))
        return;
    s->ready = true;
    notify_send("READY=1\nMAINPID=%d\nSTATUS=%zu pools are served",
                (int)getpid(), s->all.count);
    background_started();
    log_notice("ready: %zu pool%s served", s->all.count,
               s->all.count == 1 ? " is" : "s are");
}

/* False in a child just forked. */
static bool look(struct super *s, int *status)
{
    uint64_t now = clock_mono();
    for (struct child *c = s->all.children; c != NULL; c = c->next)
        child_look(c, now);
    for (size_t i = 0; i < s->all.count && s->state == SUPER_RUNNING; i++) {
        sample_queue(&s->all.at[i]);
        if (!crew_look(&s->all.at[i], now, status))
            return false;
    }
    for (size_t i = 0; i < s->all.count && s->state == SUPER_QUITTING; i++)
        if (!crew_finish(&s->all.at[i], now, status))
            return false;
    if (!start_monitor(s, now, status))
        return false;
    super_look_renewed(s, now);
    super_look_saved(s);
    say_ready(s);
    if (notify_watchdog() != 0 && now >= s->beat_at) {
        s->beat_at = now + notify_watchdog();
        notify_send("WATCHDOG=1");
    }
    return true;
}

static uint64_t next_look(const struct super *s)
{
    uint64_t now = clock_mono();
    uint64_t until = now + LOOK_CALM;
    bool moves = s->state != SUPER_RUNNING || !s->ready || s->renewing;
    for (size_t i = 0; i < s->all.count && !moves; i++)
        moves = crew_moves(&s->all.at[i]);
    if (moves)
        until = now + LOOK_SOON;
    if (s->control != NULL) {
        uint64_t due = control_expire(s->control, now);
        if (due != 0 && due < until)
            until = due;
    }
    if (notify_watchdog() != 0 && s->beat_at < until)
        until = s->beat_at;
    return until;
}

static bool over(const struct super *s)
{
    return s->state != SUPER_RUNNING && s->all.children == NULL;
}

struct crew *super_crew(struct super *s, const char *name)
{
    for (size_t i = 0; i < s->all.count; i++)
        if (strcmp(s->all.at[i].config->name, name) == 0)
            return &s->all.at[i];
    return NULL;
}

/* False in a child, whose life is over then. */
static bool serve(struct super *s, int *status)
{
    *status = EX_OK;
    for (;;) {
        if (!look(s, status))
            return false;
        if (over(s))
            return true;
        loop_wait(&s->loop, next_look(s));
        collect(s);
    }
}

int super_run(struct config *config, const struct super_setup *setup)
{
    struct super s = {.setup = setup,
                      .config = config,
                      .started = clock_mono(),
                      .signal_fd = -1,
                      .tried = -1};
    loop_init(&s.loop);
    s.all = (struct crews){.config = config,
                           .loop = &s.loop,
                           .work = setup->work,
                           .make = setup->make};
    handover_read(&s.left);
    if (!setup->test && !take_signals(&s))
        return EX_OSERR;
    int status = super_open(&s);
    if (status == EX_OK && setup->test && !setup->check())
        status = EX_SOFTWARE;
    if (status == EX_OK && setup->test)
        log_notice("the configuration is good");
    if (setup->test || (status != EX_OK && s.left.count == 0)) {
        super_close(&s);
        return status;
    }
    if (status != EX_OK)
        super_fall_back(&s);
    notify_open();
    super_adopt(&s);
    if (!serve(&s, &status))
        return status; /* a child's */
    super_answer(&s, ASK_END, true, SLICE(""));
    super_drop(&s);
    super_close(&s);
    log_notice("stopped");
    return EX_OK;
}
