/*
 * super_reload.c - a new configuration and a new program in the same process.
 *
 * First a child executes the program as it is on disk now, with -t: it reads
 * the configuration, opens what is new in it, and says what is wrong. Only if
 * it is content the supervisor executes the program in its own place. The
 * workers do not notice: they are replaced when others are ready.
 */
#include "serve/super_parts.h"

#include "base/clock.h"
#include "base/log.h"
#include "serve/notify.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

/* A test that has not ended by then will not. */
#define TEST_MOST (30 * NS_PER_S)

/* ---- what is handed over ------------------------------------------------ */

static void add_listener(struct handover *h, const char *address,
                         const struct listener *l)
{
    struct handover_item it = {
        .kind = "listen", .fd = {l->fd, -1}, .number = {l->dev, l->inode}};
    if (l->fd < 0 || address == NULL)
        return;
    snprintf(it.text, sizeof(it.text), "%s", address);
    handover_add(h, &it);
}

static void add_fd(struct handover *h, const char *kind, int fd,
                   const char *text)
{
    struct handover_item it = {.fd = {fd, -1}};
    if (fd < 0)
        return;
    snprintf(it.kind, sizeof(it.kind), "%s", kind);
    snprintf(it.text, sizeof(it.text), "%s", text);
    handover_add(h, &it);
}

static void add_board(struct handover *h, const struct board *b)
{
    for (size_t i = 0; i < h->count; i++)
        if (strcmp(h->items[i].kind, "board") == 0 &&
            h->items[i].fd[0] == board_fd(b))
            return;
    add_fd(h, "board", board_fd(b), board_head((struct board *)b)->pool);
}

static void add_worker(struct handover *h, const struct child *c)
{
    struct handover_item it = {
        .kind = "worker",
        .fd = {c->link, c->output},
        .number = {(uint64_t)c->pid, (uint64_t)c->stage, (uint64_t)c->slot,
                   c->board != NULL ? (uint64_t)board_fd(c->board) : 0}};
    snprintf(it.text, sizeof(it.text), "%s", c->pool);
    if (c->board != NULL)
        add_board(h, c->board);
    handover_add(h, &it);
}

static void fill(struct super *s, struct handover *h)
{
    struct handover_item count = {
        .kind = "reloads", .fd = {-1, -1}, .number = {s->reloads + 1}};
    *h = (struct handover){.items = NULL};
    for (size_t i = 0; i < s->left.count; i++)
        if (!s->left.items[i].taken)
            handover_add(h, &s->left.items[i]);
    for (size_t i = 0; i < s->all.count; i++) {
        struct crew *c = &s->all.at[i];
        if (!c->handed)
            add_listener(h, c->config->listen, &c->listener);
        add_board(h, c->board);
    }
    add_listener(h, s->config->status.listen, &s->status);
    for (struct child *c = s->all.children; c != NULL; c = c->next)
        if (c->kind == CHILD_WORKER)
            add_worker(h, c);
    if (s->control != NULL)
        add_fd(h, "control", control_fd(s->control), s->config->control);
    for (size_t i = 0; i < s->askers; i++)
        add_fd(h, "client", control_client_fd(s->control, s->asker[i]), "");
    add_fd(h, "pid", s->pid.fd, s->config->pid != NULL ? s->config->pid : "");
    handover_add(h, &count);
}

/* ---- who asked ---------------------------------------------------------- */

void super_asked(struct super *s, int client)
{
    if (client < 0)
        return;
    if (s->askers == SUPER_ASKERS)
        control_answer(s->control, client, false,
                       SLICE("too many wait for a reload already"));
    else
        s->asker[s->askers++] = client;
}

void super_answer(struct super *s, bool ok, struct slice text)
{
    for (size_t i = 0; i < s->askers; i++)
        control_answer(s->control, s->asker[i], ok, text);
    s->askers = 0;
}

/* ---- executing ---------------------------------------------------------- */

/* Where the program is now, which may be another by then. */
static const char *program(void)
{
    static char path[PATH_MAX];
    static const char gone[] = " (deleted)";
    if (path[0] != '\0')
        return path;
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
    path[n > 0 ? n : 0] = '\0';
    struct slice s = slice_of(path);
    if (slice_ends(s, gone))
        path[s.n - strlen(gone)] = '\0';
    return path;
}

/* The same arguments, and -t once for a test. */
static char **arguments(const struct super *s, bool test)
{
    char *const *argv = s->setup->argv;
    size_t n = 0, to = 0;
    while (argv[n] != NULL)
        n++;
    char **out = xalloc((n + 2) * sizeof(*out));
    for (size_t i = 0; i < n; i++)
        if (strcmp(argv[i], "-t") != 0 && strcmp(argv[i], "--test") != 0)
            out[to++] = argv[i];
    if (test)
        out[to] = (char *)"-t";
    return out;
}

/* Does not return when it goes well. */
static void execute(struct super *s, struct handover *h, bool test)
{
    int fd = -1;
    char **argv = arguments(s, test);
    handover_keep(h, true);
    if (!test)
        notify_export();
    if (handover_write(h, &fd) == OK)
        execv(program(), argv);
    int failed = errno;
    if (!test)
        notify_open();
    handover_keep(h, false);
    if (fd >= 0)
        close(fd);
    unsetenv("SNAPCGI_HANDOVER");
    free(argv);
    errno = failed;
}

/* ---- reload ------------------------------------------------------------- */

void super_reload(struct super *s, int client)
{
    struct handover h;
    super_asked(s, client);
    if (s->state != SUPER_RUNNING) {
        super_answer(s, false, SLICE("it is stopping"));
        return;
    }
    s->again = s->test != NULL;
    if (s->again)
        return;
    log_notice("reloading: the configuration is tried first");
    fill(s, &h);
    struct child *c = child_new(&s->all.children, &s->loop, CHILD_TEST, "");
    c->until = clock_mono() + TEST_MOST;
    s->test = c;
    pid_t pid = child_fork(c);
    if (pid == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        execute(s, &h, true);
        fprintf(stderr, "%s cannot be executed: %s\n", program(),
                strerror(errno));
        _exit(EX_UNAVAILABLE);
    }
    handover_free(&h);
    if (pid > 0)
        return;
    log_error("the configuration cannot be tried: %s; the old one stays",
              strerror(errno));
    super_answer(s, false,
                 SLICE("the configuration cannot be tried, see the log"));
    child_free(&s->all.children, c);
    s->test = NULL;
}

void super_tested(struct super *s, struct child *test, int status)
{
    struct handover h;
    struct buf words;
    bool again = s->again;
    buf_init(&words, 16 * 1024);
    child_hear(test);
    buf_slice(&words, buf_view(&test->words));
    child_free(&s->all.children, test);
    s->test = NULL;
    s->again = false;
    if (again && s->state == SUPER_RUNNING) {
        /* It may have changed since that test began. */
        super_reload(s, -1);
    } else if (status != 0 || s->state != SUPER_RUNNING) {
        log_error("the new configuration was refused; the old one stays");
        buf_puts(&words, "the old configuration stays\n");
        super_answer(s, false, buf_view(&words));
    } else {
        notify_send("RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=reloading",
                    (unsigned long long)(clock_mono() / 1000));
        fill(s, &h);
        execute(s, &h, false);
        log_error("%s cannot be executed: %s; nothing was changed", program(),
                  strerror(errno));
        notify_send("READY=1\nSTATUS=a reload has failed");
        super_answer(s, false,
                     SLICE("the program cannot be executed, see the log"));
        handover_free(&h);
    }
    buf_free(&words);
}

/* ---- after it ----------------------------------------------------------- */

static struct board *board_left(struct super *s, uint64_t fd)
{
    for (size_t i = 0; i < s->old_boards; i++)
        if ((uint64_t)board_fd(s->old_board[i]) == fd)
            return s->old_board[i];
    return NULL;
}

static void take_boards(struct super *s)
{
    struct handover_item *it;
    while ((it = handover_find(&s->left, "board", NULL)) != NULL) {
        struct board *b;
        it->taken = true;
        if (s->old_boards == SUPER_BOARDS)
            close(it->fd[0]);
        else if (board_adopt(it->fd[0], &b) == OK)
            s->old_board[s->old_boards++] = b;
        else
            log_notice("the scoreboard of pool %s is of another version, "
                       "and begins anew",
                       it->text);
    }
}

static void take_worker(struct super *s, const struct handover_item *it)
{
    struct child *c =
        child_new(&s->all.children, &s->loop, CHILD_WORKER, it->text);
    c->link = it->fd[0];
    c->output = it->fd[1];
    c->pid = (pid_t)it->number[0];
    c->stage = it->number[1] < CHILD_KILLED ? (enum child_stage)it->number[1]
                                            : CHILD_KILLED;
    c->slot = (int)it->number[2];
    c->board = board_left(s, it->number[3]);
    if (c->board != NULL && it->number[2] >= board_head(c->board)->slots)
        c->board = NULL;
    c->old = true;
    c->crew = super_crew(s, it->text);
    if (child_leaves(c))
        c->until = clock_mono() + s->config->process_control_timeout;
    child_watch(c);
}

/* What the pools did before is not forgotten, nor their workers. */
static void take_pools(struct super *s)
{
    struct handover_item *it;
    take_boards(s);
    while ((it = handover_find(&s->left, "worker", NULL)) != NULL) {
        it->taken = true;
        take_worker(s, it);
    }
    for (size_t i = 0; i < s->old_boards; i++) {
        struct board *b = s->old_board[i];
        struct crew *c = super_crew(s, board_head(b)->pool);
        if (c != NULL)
            board_carry(c->board, b);
    }
}

/* The configuration names another file, or none. */
static void drop_control(struct super *s)
{
    struct control *old;
    struct handover_item *it = handover_find(&s->left, "control", NULL);
    if (it == NULL)
        return;
    it->taken = true;
    if (control_take(it->text, it->fd[0], &s->loop, super_obey, s, &old,
                     NULL) == OK)
        control_close(old, true);
}

static void drop_pid(struct super *s)
{
    struct pidfile old;
    struct handover_item *it = handover_find(&s->left, "pid", NULL);
    if (it == NULL)
        return;
    it->taken = true;
    if (pidfile_take(&old, it->text, it->fd[0], NULL) == OK)
        pidfile_close(&old);
}

/* Sockets of pools that are no more: who waits there is served first. */
static void drop_rest(struct super *s)
{
    uint64_t patience = s->config->process_control_timeout;
    struct handover_item *it;
    while ((it = handover_find(&s->left, "listen", NULL)) != NULL) {
        struct listener l = {.fd = it->fd[0],
                             .dev = (dev_t)it->number[0],
                             .inode = (ino_t)it->number[1]};
        it->taken = true;
        if (it->text[0] == '/' && strlen(it->text) < sizeof(l.path))
            strcpy(l.path, it->text);
        listen_close(&l);
    }
    for (struct child *c = s->all.children; c != NULL; c = c->next)
        if (c->kind == CHILD_WORKER && c->crew == NULL)
            child_drain(c, true, patience);
    drop_control(s);
    drop_pid(s);
}

static void begin_renewing(struct super *s)
{
    s->renewing = true;
    s->renew_until = clock_mono() + s->config->process_control_timeout;
}

void super_adopt(struct super *s)
{
    struct handover_item *it = handover_find(&s->left, "reloads", NULL);
    if (it == NULL)
        return;
    it->taken = true;
    s->reloads = it->number[0];
    take_pools(s);
    while ((it = handover_find(&s->left, "client", NULL)) != NULL) {
        it->taken = true;
        if (s->control != NULL)
            super_asked(s, control_resume(s->control, it->fd[0]));
        else
            close(it->fd[0]);
    }
    if (s->all.count == 0) {
        super_answer(s, false,
                     SLICE("the new configuration failed, see the log"));
        notify_send("READY=1\nSTATUS=a reload has failed");
        return;
    }
    drop_rest(s);
    for (size_t i = 0; i < s->all.count; i++)
        board_head(s->all.at[i].board)->reloads = s->reloads;
    begin_renewing(s);
}

void super_renew(struct super *s, struct crew *only, int client)
{
    super_asked(s, client);
    for (size_t i = 0; i < s->all.count; i++)
        if (only == NULL || only == &s->all.at[i])
            crew_renew(&s->all.at[i]);
    begin_renewing(s);
}

static struct crew *unfinished(struct super *s)
{
    for (size_t i = 0; i < s->all.count; i++)
        if (crew_count(&s->all.at[i]).view.old > 0)
            return &s->all.at[i];
    return NULL;
}

void super_look_renewed(struct super *s, uint64_t now)
{
    char text[256];
    if (!s->renewing)
        return;
    struct crew *c = unfinished(s);
    if (c == NULL) {
        log_notice("all workers are new");
        s->renewing = false;
        super_answer(s, true, SLICE(""));
    } else if (s->renew_until != 0 && now >= s->renew_until) {
        s->renew_until = 0; /* said once */
        snprintf(text, sizeof(text),
                 "the new workers of pool %s do not start; the old ones stay",
                 c->config->name);
        log_error("%s", text);
        super_answer(s, false, slice_of(text));
        notify_send("READY=1\nSTATUS=%s", text);
    }
}
