/*
 * child.c - fork, what it says, and how it ends.
 */
#include "serve/child.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#define SAID_MAX 1024  /* a longer line is logged in pieces */
#define WORDS_MAX 8192 /* of a test; the log has the rest */

static const char *const kinds[] = {[CHILD_WORKER] = "worker",
                                    [CHILD_MONITOR] = "monitor",
                                    [CHILD_TEST] = "configuration test",
                                    [CHILD_MAKER] = "image maker"};

struct child *child_new(struct child **list, struct loop *loop,
                        enum child_kind kind, const char *pool)
{
    struct child *c = xalloc(sizeof(*c));
    c->kind = kind;
    c->started = clock_mono();
    c->slot = c->link = c->output = -1;
    c->grace = CHILD_END_NS;
    c->loop = loop;
    snprintf(c->pool, sizeof(c->pool), "%s", pool);
    buf_init(&c->said, SAID_MAX);
    buf_init(&c->words, kind == CHILD_TEST ? WORDS_MAX : 0);
    c->next = *list;
    *list = c;
    return c;
}

/* ---- what it says ------------------------------------------------------ */

/* A test says why it refuses, and who asked for it hears that, too. */
static void say(struct child *c)
{
    static const char own[] = "snapcgi: "; /* says who speaks at a terminal */
    struct slice line = buf_view(&c->said);
    bool test = c->kind == CHILD_TEST;
    if (line.n == 0)
        return;
    if (test && slice_starts(line, own))
        line = slice_from(line, strlen(own));
    log_about(c->pool[0] != '\0' ? c->pool : NULL, NULL, NULL);
    log_at(test ? LOG_ERROR : LOG_WARN, "%s %d: %.*s", kinds[c->kind],
           (int)c->pid, (int)line.n, line.p);
    log_about(NULL, NULL, NULL);
    if (test) {
        buf_slice(&c->words, line);
        buf_putc(&c->words, '\n');
    }
    buf_clear(&c->said);
}

static void hear(void *arg, int fd, short events)
{
    struct child *c = arg;
    char text[4096];
    (void)events;
    ssize_t n = read(fd, text, sizeof(text));
    if (n <= 0) {
        if (n == 0 || (errno != EAGAIN && errno != EINTR))
            loop_watch(c->loop, fd, 0, NULL, NULL);
        return;
    }
    for (ssize_t i = 0; i < n; i++) {
        if (text[i] == '\n' || c->said.n == SAID_MAX)
            say(c);
        if (text[i] != '\n')
            buf_putc(&c->said, text[i]);
    }
}

/* ---- beginning and end ------------------------------------------------- */

void child_watch(struct child *c)
{
    if (c->output >= 0)
        loop_watch(c->loop, c->output, POLLIN, hear, c);
}

/*
 * In the child. The log may be the supervisor's stderr, which lines must
 * reach without a detour; what the libraries say is not a log line yet.
 */
static void settle(const struct child *c, int output, pid_t parent)
{
    int log = log_fd() == STDERR_FILENO
                  ? fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)
                  : -1;
    if (log >= 0)
        log_use(log);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0 && c->kind != CHILD_TEST)
        dup2(null, STDIN_FILENO);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(EX_UNAVAILABLE);
}

pid_t child_fork(struct child *c)
{
    int link = -1, output[2] = {-1, -1};
    pid_t parent = getpid();
    pid_t pid = -1;
    if (link_open(&c->link, &link) == OK &&
        pipe2(output, O_CLOEXEC | O_NONBLOCK) == 0) {
        fflush(NULL);
        pid = fork();
    }
    int failed = errno;
    if (pid == 0) {
        close(c->link);
        close(output[0]);
        c->link = link;
        c->output = -1;
        settle(c, output[1], parent);
        return 0;
    }
    if (link >= 0)
        close(link);
    if (output[1] >= 0)
        close(output[1]);
    c->output = output[0];
    c->pid = pid;
    if (pid > 0)
        child_watch(c);
    errno = failed;
    return pid;
}

void child_hear(struct child *c)
{
    if (c->output >= 0)
        hear(c, c->output, POLLIN);
    say(c);
}

void child_free(struct child **list, struct child *c)
{
    while (*list != c)
        list = &(*list)->next;
    *list = c->next;
    child_hear(c);
    if (c->link >= 0)
        close(c->link);
    if (c->output >= 0) {
        loop_watch(c->loop, c->output, 0, NULL, NULL);
        close(c->output);
    }
    buf_free(&c->said);
    buf_free(&c->words);
    free(c->keep);
    free(c);
}

/* ---- stages ------------------------------------------------------------ */

bool child_leaves(const struct child *c)
{
    return c->stage >= CHILD_DRAINING;
}

static void signal_stage(struct child *c, enum child_stage stage, int signal,
                         uint64_t timeout)
{
    if (c->stage >= stage)
        return;
    c->stage = stage;
    c->until = timeout > 0 ? clock_mono() + timeout : 0;
    kill(c->pid, signal);
}

void child_drain(struct child *c, bool last, uint64_t timeout)
{
    struct link_message m = {.word = LINK_LAST};
    uint64_t until = clock_mono() + timeout;
    /* One that goes by itself had more time. */
    if (c->stage == CHILD_DRAINING && c->until > until)
        c->until = until;
    if (last && c->stage < CHILD_DRAINING && link_send(c->link, &m) == OK) {
        c->stage = CHILD_DRAINING;
        c->until = until;
        return;
    }
    signal_stage(c, CHILD_DRAINING, SIGQUIT, timeout);
}

void child_end(struct child *c)
{
    signal_stage(c, CHILD_ENDING, SIGTERM, c->grace);
}

void child_kill(struct child *c)
{
    signal_stage(c, CHILD_KILLED, SIGKILL, 0);
}

void child_tell_level(const struct child *c, const char *level)
{
    struct link_message m = {.word = LINK_LEVEL};
    snprintf(m.text, sizeof(m.text), "%s", level);
    if (c->kind == CHILD_WORKER)
        link_send(c->link, &m);
}

/* What a worker was serving, for the log. */
static void describe(const struct child *c, char *out, size_t max)
{
    struct slot s;
    out[0] = '\0';
    if (c->board == NULL ||
        !slot_read(board_slot(c->board, (uint32_t)c->slot), &s))
        return;
    if (s.state != SLOT_RUNNING && s.state != SLOT_FINISHING)
        return;
    const struct slot_request *r = &s.request;
    if (r->id[0] == '\0') {
        snprintf(out, max, " while reading a request");
        return;
    }
    size_t path = strcspn(r->uri, "?"); /* a query may hold secrets */
    snprintf(out, max, " while serving %s %.*s%s%s (request %s)", r->method,
             (int)path, r->uri, r->script[0] != '\0' ? " with " : "", r->script,
             r->id);
}

/* A worker's slot says that it takes requests, and from which image. */
static void look_ready(struct child *c)
{
    struct slot s;
    const struct slot *own =
        c->board != NULL ? board_slot(c->board, (uint32_t)c->slot) : NULL;
    if (c->stage != CHILD_STARTING || own == NULL ||
        atomic_load(&own->state) <= SLOT_STARTING)
        return;
    c->stage = CHILD_READY;
    slot_read(own, &s);
    snprintf(board_head(c->board)->image, sizeof(board_head(c->board)->image),
             "%s", s.image);
}

static bool hangs(const struct child *c, uint64_t now)
{
    if (c->board == NULL || c->stage == CHILD_KILLED)
        return false;
    uint64_t at =
        atomic_load(&board_slot(c->board, (uint32_t)c->slot)->kill_at);
    return at != 0 && now >= at;
}

void child_look(struct child *c, uint64_t now)
{
    char what[1024];
    look_ready(c);
    if (hangs(c, now)) {
        describe(c, what, sizeof(what));
        log_about(c->pool, NULL, NULL);
        log_error("worker %d is killed, its request not having ended within "
                  "kill_grace%s",
                  (int)c->pid, what);
        log_about(NULL, NULL, NULL);
        board_head(c->board)->killed++;
        child_kill(c);
    } else if (c->until == 0 || now < c->until) {
        return;
    } else if (c->stage == CHILD_DRAINING) {
        log_warn("%s %d has not finished within process_control_timeout and is "
                 "ended; its request is cut off",
                 kinds[c->kind], (int)c->pid);
        child_end(c);
    } else {
        child_kill(c);
    }
}

bool child_crashed(int status)
{
    static const int defects[] = {SIGSEGV, SIGBUS, SIGTRAP, SIGABRT, SIGILL};
    for (size_t i = 0; i < sizeof(defects) / sizeof(defects[0]); i++)
        if (WIFSIGNALED(status) && WTERMSIG(status) == defects[i])
            return true;
    /* V8 out of memory, which ends by itself. */
    return WIFEXITED(status) && WEXITSTATUS(status) == EX_SOFTWARE;
}

void child_log_end(const struct child *c, int status)
{
    char what[1024], how[64];
    bool asked = child_leaves(c);
    describe(c, what, sizeof(what));
    if (WIFSIGNALED(status))
        snprintf(how, sizeof(how), "by signal %d (SIG%s)", WTERMSIG(status),
                 sigabbrev_np(WTERMSIG(status)));
    else
        snprintf(how, sizeof(how), "with status %d", WEXITSTATUS(status));
    /* As it was told, or by itself and in order; some have said why. */
    bool speaks = c->kind == CHILD_TEST || c->kind == CHILD_MAKER;
    bool well = (WIFEXITED(status) && (WEXITSTATUS(status) == 0 || speaks)) ||
                (c->stage == CHILD_ENDING && WIFSIGNALED(status) &&
                 WTERMSIG(status) == SIGTERM);
    log_about(c->pool[0] != '\0' ? c->pool : NULL, NULL, NULL);
    log_at(well    ? LOG_INFO
           : asked ? LOG_NOTICE
                   : LOG_ERROR,
           "%s %d has ended %s%s", kinds[c->kind], (int)c->pid, how, what);
    log_about(NULL, NULL, NULL);
}
