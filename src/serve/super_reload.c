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
#include "serve/keep.h"
#include "serve/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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

static void add_kept(struct handover *h, const struct crew *c)
{
    struct handover_item it = {.kind = "kept",
                               .fd = {c->kept[0], c->kept[1]},
                               .number = {(uint64_t)crew_socket(c)}};
    if (c->kept[0] >= 0)
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
                   c->board != NULL ? (uint64_t)board_fd(c->board) : 0,
                   c->until, c->socket}};
    snprintf(it.text, sizeof(it.text), "%s", c->pool);
    if (c->board != NULL)
        add_board(h, c->board);
    handover_add(h, &it);
}

/* What becomes of the file that it writes must be known when it ends. */
static void add_keep(struct handover *h, const struct child *c)
{
    const struct keep *k = c->keep;
    struct handover_item it = {.kind = "state",
                               .fd = {k->lock, -1},
                               .number = {(uint64_t)c->pid, k->older, k->change,
                                          k->uid, k->gid, c->grace}};
    snprintf(it.text, sizeof(it.text), "%s", k->path);
    handover_add(h, &it);
}

static void add_paused(struct handover *h, const struct crew *c)
{
    struct handover_item it = {.kind = "paused", .fd = {-1, -1}};
    snprintf(it.text, sizeof(it.text), "%s", c->config->name);
    handover_add(h, &it);
}

static void add_client(struct handover *h, const struct super *s,
                       const struct asker *a)
{
    struct handover_item it = {
        .kind = "client",
        .fd = {control_client_fd(s->control, a->client), -1},
        .number = {(uint64_t)a->what}};
    if (a->only != NULL)
        snprintf(it.text, sizeof(it.text), "%s", a->only->config->name);
    if (it.fd[0] >= 0)
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
        add_kept(h, c);
        add_board(h, c->board);
        if (c->state.paused)
            add_paused(h, c);
    }
    add_listener(h, s->config->status.listen, &s->status);
    for (struct child *c = s->all.children; c != NULL; c = c->next) {
        if (c->kind == CHILD_WORKER)
            add_worker(h, c);
        if (c->keep != NULL)
            add_keep(h, c);
    }
    if (s->control != NULL)
        add_fd(h, "control", control_fd(s->control), s->config->control);
    for (size_t i = 0; i < s->askers; i++)
        add_client(h, s, &s->asker[i]);
    add_fd(h, "pid", s->pid.fd, s->config->pid != NULL ? s->config->pid : "");
    handover_add(h, &count);
}

/* ---- who asked ---------------------------------------------------------- */

void super_asked(struct super *s, int client, enum ask what,
                 const struct crew *only)
{
    size_t n = 0;
    if (client < 0)
        return;
    for (size_t i = 0; i < s->askers; i++) /* who has gone makes room */
        if (control_client_fd(s->control, s->asker[i].client) >= 0)
            s->asker[n++] = s->asker[i];
    s->askers = n;
    if (s->askers == SUPER_ASKERS)
        control_answer(s->control, client, false,
                       SLICE("too many wait for an answer already"));
    else
        s->asker[s->askers++] = (struct asker){client, what, only};
}

void super_answer(struct super *s, enum ask what, bool ok, struct slice text)
{
    size_t n = 0;
    for (size_t i = 0; i < s->askers; i++) {
        if (s->asker[i].what == what)
            control_answer(s->control, s->asker[i].client, ok, text);
        else
            s->asker[n++] = s->asker[i];
    }
    s->askers = n;
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

/* A memfd with the text of the configuration, or -1: then the file is read. */
static int copy_config(const char *path)
{
    char bytes[16 * 1024];
    struct stat st;
    ssize_t n = -1;
    int from = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    int to = memfd_create("snapcgi-config", MFD_CLOEXEC);
    if (from >= 0 && to >= 0 && fstat(from, &st) == 0 && S_ISREG(st.st_mode))
        while ((n = read(from, bytes, sizeof(bytes))) > 0)
            if (write(to, bytes, (size_t)n) != n)
                break;
    if (from >= 0)
        close(from);
    if (n == 0 || to < 0)
        return to;
    close(to);
    return -1;
}

/* What is tried is what is applied, whatever becomes of the file. */
static void set_tried(struct super *s, int fd)
{
    if (s->tried >= 0)
        close(s->tried);
    s->tried = fd;
}

static void keep_tried(const struct super *s, bool keep)
{
    char number[16];
    if (s->tried < 0)
        return;
    fcntl(s->tried, F_SETFD, keep ? 0 : FD_CLOEXEC);
    snprintf(number, sizeof(number), "%d", s->tried);
    if (keep)
        setenv("SNAPCGI_TRIED", number, 1);
    else
        unsetenv("SNAPCGI_TRIED");
}

/* Does not return when it goes well. */
static void execute(struct super *s, struct handover *h, bool test)
{
    int fd = -1;
    char **argv = arguments(s, test);
    handover_keep(h, true);
    keep_tried(s, true);
    if (!test)
        notify_export();
    if (handover_write(h, &fd) == OK)
        execv(program(), argv);
    int failed = errno;
    if (!test)
        notify_open();
    handover_keep(h, false);
    keep_tried(s, false);
    if (fd >= 0)
        close(fd);
    unsetenv("SNAPCGI_HANDOVER");
    free(argv);
    errno = failed;
}

/* ---- reload ------------------------------------------------------------- */

/* What an init system gave to the supervisor is for its test, too. */
static void take_handed(void)
{
    char pid[16];
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    setenv("LISTEN_PID", pid, 1);
}

static void refused(struct super *s, struct slice text)
{
    notify_send("READY=1\nSTATUS=a reload was refused, see the log");
    super_answer(s, ASK_TEST, false, text);
}

void super_reload(struct super *s, int client)
{
    struct handover h;
    if (s->state != SUPER_RUNNING) {
        if (client >= 0)
            control_answer(s->control, client, false, SLICE("it is stopping"));
        return;
    }
    super_asked(s, client, ASK_TEST, NULL);
    s->again = s->test != NULL;
    if (s->again)
        return;
    log_notice("reloading: the configuration is tried first");
    set_tried(s, copy_config(s->setup->path));
    notify_send("RELOADING=1\nMONOTONIC_USEC=%llu\nSTATUS=reloading",
                (unsigned long long)(clock_mono() / 1000));
    fill(s, &h);
    struct child *c = child_new(&s->all.children, &s->loop, CHILD_TEST, "");
    bool handed = listen_fds() > 0;
    c->until = clock_mono() + TEST_MOST;
    s->test = c;
    pid_t pid = child_fork(c);
    if (pid == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        if (handed)
            take_handed();
        execute(s, &h, true);
        fprintf(stderr, "%s cannot be executed: %s\n", program(),
                strerror(errno));
        _exit(EX_UNAVAILABLE);
    }
    handover_free(&h);
    if (pid > 0)
        return;
    log_error("the configuration cannot be tried: %s%s; the old one stays",
              strerror(errno), confine_shortage(errno));
    refused(s, SLICE("the configuration cannot be tried, see the log"));
    child_free(&s->all.children, c);
    s->test = NULL;
}

/* The configuration is good. Comes back when that was of no use. */
static void change_over(struct super *s)
{
    struct handover h;
    background_started(); /* the next program has no line to who waits */
    fill(s, &h);
    execute(s, &h, false);
    log_error("%s cannot be executed: %s; nothing was changed", program(),
              strerror(errno));
    refused(s, SLICE("the program cannot be executed, see the log"));
    handover_free(&h);
}

void super_tested(struct super *s, struct child *test, int status)
{
    struct buf words;
    bool again = s->again;
    buf_init(&words, 16 * 1024);
    child_hear(test);
    buf_slice(&words, buf_view(&test->words));
    child_free(&s->all.children, test);
    s->test = NULL;
    s->again = false;
    if (s->state != SUPER_RUNNING)
        goto out; /* who asked has been told */
    if (again) {
        super_reload(s, -1); /* it may have changed since that test began */
    } else if (status == 0) {
        change_over(s);
    } else {
        log_error("the new configuration was refused, for the reason above; "
                  "the old one stays. Correct it and reload again");
        buf_puts(&words, "the old configuration stays\n");
        refused(s, buf_view(&words));
    }
out:
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

/* Who serves its socket replaces it, under whatever name. */
static struct crew *crew_of(struct super *s, const struct child *c)
{
    for (size_t i = 0; i < s->all.count && c->socket != 0; i++)
        if (crew_socket(&s->all.at[i]) == c->socket)
            return &s->all.at[i];
    return super_crew(s, c->pool);
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
    c->until = it->number[4];
    c->socket = (ino_t)it->number[5];
    c->old = true;
    c->crew = crew_of(s, c);
    if (c->board != NULL)
        c->refused =
            atomic_load(&board_slot(c->board, (uint32_t)c->slot)->kept.refused);
    if (child_leaves(c))
        child_drain(c, false, s->config->process_control_timeout);
    child_watch(c);
}

static void take_keep(struct super *s, const struct handover_item *it)
{
    struct child *c = s->all.children;
    while (c != NULL && (uint64_t)c->pid != it->number[0])
        c = c->next;
    if (c == NULL || c->keep != NULL) {
        if (it->fd[0] >= 0)
            close(it->fd[0]);
        return;
    }
    c->keep = xalloc(sizeof(*c->keep));
    *c->keep = (struct keep){.older = (unsigned)it->number[1],
                             .change = it->number[2] != 0,
                             .uid = (uid_t)it->number[3],
                             .gid = (gid_t)it->number[4],
                             .lock = it->fd[0]};
    snprintf(c->keep->path, sizeof(c->keep->path), "%.*s", CONFIG_STATE_PATH,
             it->text);
    c->grace = it->number[5];
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
    while ((it = handover_find(&s->left, "state", NULL)) != NULL) {
        it->taken = true;
        take_keep(s, it);
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

void super_drop(struct super *s)
{
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
    while ((it = handover_find(&s->left, "kept", NULL)) != NULL) {
        it->taken = true;
        close(it->fd[0]);
        close(it->fd[1]);
    }
    drop_control(s);
    drop_pid(s);
}

/* Pools that are no more: who waits at their sockets is served first. */
static void drop_workers(struct super *s)
{
    uint64_t patience = s->config->process_control_timeout;
    for (struct child *c = s->all.children; c != NULL; c = c->next)
        if (c->kind == CHILD_WORKER && c->crew == NULL)
            child_drain(c, true, patience);
}

static void begin_renewing(struct super *s)
{
    s->renewing = true;
    s->renew_until = clock_mono() + s->config->process_control_timeout;
}

static void take_paused(struct super *s)
{
    struct handover_item *it;
    while ((it = handover_find(&s->left, "paused", NULL)) != NULL) {
        struct crew *c = super_crew(s, it->text);
        it->taken = true;
        if (c != NULL && c->config->state != NULL)
            c->state.paused = true;
    }
}

/* The pool whose state it waits for may have gone with the reload. */
static void take_asker(struct super *s, int client, const char *pool)
{
    char text[128];
    struct crew *only = pool[0] != '\0' ? super_crew(s, pool) : NULL;
    if (pool[0] == '\0' || (only != NULL && only->config->state != NULL)) {
        super_asked(s, client, ASK_SAVE, only);
        return;
    }
    snprintf(text, sizeof(text),
             only == NULL ? "there is no pool %.64s any more"
                          : "pool %.64s keeps no state any more",
             pool);
    control_answer(s->control, client, false, slice_of(text));
}

static void take_clients(struct super *s)
{
    struct handover_item *it;
    while ((it = handover_find(&s->left, "client", NULL)) != NULL) {
        it->taken = true;
        if (s->control == NULL) {
            close(it->fd[0]);
            continue;
        }
        int client = control_resume(s->control, it->fd[0]);
        if (it->number[0] == ASK_SAVE && s->all.count > 0)
            take_asker(s, client, it->text);
        else
            super_asked(s, client, ASK_RENEW, NULL);
    }
}

void super_adopt(struct super *s)
{
    struct handover_item *it = handover_find(&s->left, "reloads", NULL);
    program(); /* before somebody moves it aside */
    if (it == NULL)
        return;
    it->taken = true;
    s->reloads = it->number[0];
    take_pools(s);
    take_clients(s);
    if (s->all.count == 0) {
        super_answer(s, ASK_RENEW, false,
                     SLICE("the new configuration failed, see the log"));
        notify_send("READY=1\nSTATUS=a reload has failed");
        return;
    }
    take_paused(s);
    super_drop(s);
    drop_workers(s);
    for (size_t i = 0; i < s->all.count; i++)
        board_head(s->all.at[i].board)->reloads = s->reloads;
    begin_renewing(s);
}

void super_renew(struct super *s, struct crew *only, int client)
{
    super_asked(s, client, ASK_RENEW, NULL);
    for (size_t i = 0; i < s->all.count; i++)
        if (only == NULL || only == &s->all.at[i])
            crew_renew(&s->all.at[i]);
    begin_renewing(s);
}

static struct crew *unfinished(struct super *s)
{
    for (size_t i = 0; i < s->all.count; i++) {
        struct crew *c = &s->all.at[i];
        if (crew_count(c).view.old > 0 ||
            (c->config->state != NULL && !crew_state_settled(c)))
            return c;
    }
    return NULL;
}

/* Which pool holds it up, and why. */
static void describe_unfinished(const struct crew *c, char *out, size_t max)
{
    const char *name = c->config->name;
    if (c->config->state == NULL)
        snprintf(out, max,
                 "the new workers of pool %s do not start; the old ones stay: "
                 "see the log for why, and reload again",
                 name);
    else if (c->state.stays)
        snprintf(out, max, "pool %s: %s", name, c->state.result);
    else
        snprintf(out, max,
                 "no new worker of pool %s takes over; what was saved of its "
                 "state stays: see the log for why, and reload again",
                 name);
}

void super_look_renewed(struct super *s, uint64_t now)
{
    char text[1024];
    if (!s->renewing || s->state != SUPER_RUNNING)
        return;
    struct crew *c = unfinished(s);
    if (c == NULL) {
        log_notice("all workers are new");
        s->renewing = false;
        super_answer(s, ASK_RENEW, true, SLICE(""));
    } else if (crew_image_waits(c)) { /* image_timeout ends that */
        s->renew_until = now + s->config->process_control_timeout;
    } else if (s->renew_until != 0 &&
               (now >= s->renew_until || c->state.stays)) {
        s->renew_until = 0; /* said once */
        describe_unfinished(c, text, sizeof(text));
        log_error("%s", text);
        super_answer(s, ASK_RENEW, false, slice_of(text));
        notify_send("READY=1\nSTATUS=%s", text);
    }
}
