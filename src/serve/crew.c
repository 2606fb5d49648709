/*
 * crew.c - workers are counted off the board and started, drained, replaced.
 */
#include "serve/crew_parts.h"

#include "base/clock.h"
#include "base/log.h"
#include "serve/access.h"
#include "serve/title.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A worker that lived so long has started well, whatever came then. */
#define SETTLED_NS (10 * NS_PER_S)
#define BACK_OFF_FIRST (100 * NS_PER_MS)
#define BACK_OFF_MOST (30 * NS_PER_S)
/* Slots beyond those of two generations: for workers asked for by hand. */
#define SLOTS_MORE 16

/* ---- opening ----------------------------------------------------------- */

static enum err open_sink(struct sink *s, const char *name, struct why *why)
{
    *s = (struct sink){.fd = -1};
    return name != NULL ? sink_open(s, name, why) : OK;
}

enum err crew_open(struct crew *c, struct crews *all, struct why *why)
{
    const struct pool_config *config = c->config;
    struct access *format = NULL;
    c->all = all;
    c->access = c->slow = (struct sink){.fd = -1};
    pm_init(&c->pm, config);
    enum err e = confine_resolve(config, &c->identity, why);
    if (e == OK)
        confine_explain(config);
    if (e == OK)
        e = access_parse(config->access_format, &format, why);
    access_free(format);
    if (e == OK)
        e = open_sink(&c->access, config->access_log, why);
    if (e == OK)
        e = open_sink(&c->slow, config->slowlog, why);
    uint32_t slots = 2 * (uint32_t)config->max_children + SLOTS_MORE;
    if (e == OK && board_new(config->name, slots, &c->board) != OK)
        e = why_set(why, ERR_IO, "cannot make the scoreboard: %s%s",
                    strerror(errno), confine_shortage(errno));
    if (e == OK && config->state != NULL)
        e = crew_state_open(c, why);
    if (e != OK)
        return e;
    c->image_due = crew_image_wanted(c);
    struct board_head *h = board_head(c->board);
    h->pm = (uint32_t)config->pm;
    h->max_children = pm_most(&c->pm);
    snprintf(h->listen, sizeof(h->listen), "%s",
             config->listen != NULL ? config->listen : "fd 0");
    return OK;
}

static void somebody(void *arg, int fd, short events);

void crew_watch(struct crew *c, bool on)
{
    loop_watch(c->all->loop, c->listener.fd, on ? POLLIN : 0, somebody, c);
    loop_watch(c->all->loop, c->kept[0], on ? POLLIN : 0, somebody, c);
    c->watched = on;
}

static void somebody(void *arg, int fd, short events)
{
    struct crew *c = arg;
    (void)fd;
    (void)events;
    c->waiting = true;
    /* Not again before a worker had the time to take it. */
    crew_watch(c, false);
}

void crew_close(struct crew *c)
{
    if (c->watched)
        crew_watch(c, false);
    sink_close(&c->access);
    sink_close(&c->slow);
    board_free(c->board);
    c->board = NULL;
    for (size_t i = 0; i < 2; i++) {
        if (c->kept[i] >= 0)
            close(c->kept[i]);
        c->kept[i] = -1;
    }
}

ino_t crew_socket(const struct crew *c)
{
    struct stat st;
    return fstat(c->listener.fd, &st) == 0 ? st.st_ino : 0;
}

/* ---- counting ---------------------------------------------------------- */

const struct slot *crew_slot(const struct child *c)
{
    return c->board != NULL ? board_slot(c->board, (uint32_t)c->slot) : NULL;
}

static void count_one(struct pm_view *v, const struct child *c, uint64_t now,
                      const struct child **idlest)
{
    const struct slot *s = crew_slot(c);
    bool idle = s != NULL && atomic_load(&s->state) == SLOT_IDLE;
    if (c->old) {
        v->old++;
        v->old_busy += idle ? 0 : 1;
    } else if (c->stage == CHILD_STARTING) {
        v->starting++;
    } else if (!idle) {
        v->busy++;
    } else {
        uint64_t since = s->idle_since < now ? now - s->idle_since : 0;
        v->idle++;
        if (*idlest == NULL || since > v->idle_longest) {
            v->idle_longest = since;
            *idlest = c;
        }
    }
}

/* A pool with state has its place also while one worker follows another. */
static bool is_full(const struct crews *all)
{
    uint64_t n = 0;
    for (size_t i = 0; i < all->count; i++)
        n += all->at[i].config->state != NULL;
    for (struct child *c = all->children; c != NULL; c = c->next)
        if (c->kind == CHILD_WORKER && !child_leaves(c) && !c->old &&
            c->keep == NULL)
            n++;
    return all->config->process_max > 0 && n >= all->config->process_max;
}

static struct crew_count count(const struct crew *crew,
                               const struct child **idlest)
{
    struct crew_count n = {
        .view = {.waiting = crew->waiting, .full = is_full(crew->all)}};
    uint64_t now = clock_mono();
    *idlest = NULL;
    for (struct child *c = crew->all->children; c != NULL; c = c->next) {
        if (c->crew != crew)
            continue;
        if (child_leaves(c))
            n.leaving++;
        else
            count_one(&n.view, c, now, idlest);
    }
    return n;
}

struct crew_count crew_count(const struct crew *c)
{
    const struct child *idlest;
    return count(c, &idlest);
}

bool crew_moves(const struct crew *c)
{
    struct crew_count n = crew_count(c);
    if (c->config->state != NULL)
        return crew_state_moves(c);
    return n.view.old > 0 || n.leaving > 0 || n.view.starting > 0 ||
           c->waiting || (n.view.idle == 0 && c->config->pm != PM_ONDEMAND);
}

/* ---- starting ---------------------------------------------------------- */

void crew_failed(struct crew *c, uint64_t now)
{
    uint64_t wait = BACK_OFF_FIRST;
    for (unsigned i = 0; i < c->failures && wait < BACK_OFF_MOST; i++)
        wait *= 2;
    if (wait > BACK_OFF_MOST)
        wait = BACK_OFF_MOST;
    c->failures++;
    c->retry_at = now + wait;
}

static int work(const struct crew *crew, const struct child *c,
                const int *state, pid_t parent)
{
    struct child_place place = {.config = crew->config,
                                .identity = &crew->identity,
                                .board = crew->board,
                                .slot = c->slot,
                                .listen_fd = crew->listener.fd,
                                .kept = crew->kept,
                                .link = c->link,
                                .access = (struct sink *)&crew->access,
                                .slow = (struct sink *)&crew->slow,
                                .state_in = state[0],
                                .state_out = state[1],
                                .parent = parent};
    title_set("snapcgi: pool %s", crew->config->name);
    config_forget(crew->all->config, crew->config);
    return crew->all->work(&place);
}

static void not_started(struct crew *crew, struct child *c, uint64_t now,
                        const struct why *why)
{
    crew_failed(crew, now);
    log_about(crew->config->name, NULL, NULL);
    log_error("no worker can be started: %s; trying again in %llu ms",
              why->text,
              (unsigned long long)((crew->retry_at - now) / NS_PER_MS));
    log_about(NULL, NULL, NULL);
    board_release(crew->board, (uint32_t)c->slot);
    if (c->keep != NULL)
        keep_close(c->keep);
    child_free(&crew->all->children, c);
}

static struct child *new_worker(struct crew *crew, int slot)
{
    struct child *c = child_new(&crew->all->children, crew->all->loop,
                                CHILD_WORKER, crew->config->name);
    c->crew = crew;
    c->board = crew->board;
    c->slot = slot;
    c->socket = crew_socket(crew);
    return c;
}

/* False in the child. */
static bool start_one(struct crew *crew, uint64_t now, int *status)
{
    int state[2] = {-1, -1};
    struct why why;
    int slot = board_claim(crew->board);
    if (slot < 0)
        return true; /* until one that leaves has gone */
    struct child *c = new_worker(crew, slot);
    if (crew->config->state != NULL &&
        crew_state_give(crew, c, state, &why) != OK) {
        not_started(crew, c, now, &why);
        return true;
    }
    pid_t parent = getpid();
    pid_t pid = child_fork(c);
    if (pid == 0) {
        *status = work(crew, c, state, parent);
        return false;
    }
    int failed = errno;
    for (size_t i = 0; i < 2; i++)
        if (state[i] >= 0)
            close(state[i]);
    if (pid < 0) {
        why_set(&why, ERR_IO, "%s%s", strerror(failed),
                confine_shortage(failed));
        not_started(crew, c, now, &why);
        return true;
    }
    board_slot(crew->board, (uint32_t)slot)->pid = pid;
    board_head(crew->board)->spawned++;
    crew->waiting = false;
    return true;
}

bool crew_start(struct crew *c, unsigned n, uint64_t now, int *status)
{
    if (c->retry_at > now)
        return true;
    crew_image_need(c, now);
    if (crew_image_waits(c))
        return crew_image_look(c, now, status);
    c->retry_at = 0;
    /* One that fails at once need not fail many times. */
    if (c->failures > 0 && n > 1)
        n = 1;
    for (; n > 0 && c->retry_at == 0 &&
           (c->config->state != NULL || !is_full(c->all));
         n--)
        if (!start_one(c, now, status))
            return false;
    return true;
}

/* ---- replacing --------------------------------------------------------- */

static uint64_t patience(const struct crew *c)
{
    return c->all->config->process_control_timeout;
}

/* Who has another socket than the new ones serves first who waits there. */
static void retire(struct crew *crew)
{
    ino_t socket = crew_socket(crew);
    for (struct child *c = crew->all->children; c != NULL; c = c->next)
        if (c->crew == crew && c->old && !child_leaves(c))
            child_drain(c, c->socket != socket, patience(crew));
}

/* At max_requests one goes by itself, and another can be started already. */
static void let_go(struct crew *crew, uint64_t now)
{
    const struct pool_config *p = crew->config;
    for (struct child *c = crew->all->children; c != NULL; c = c->next) {
        if (c->crew != crew || crew_slot(c) == NULL)
            continue;
        if (crew_image_hears(crew) &&
            atomic_exchange(&board_slot(c->board, (uint32_t)c->slot)->outdated,
                            false))
            crew_image_outdated(crew);
        if (child_leaves(c) || !atomic_load(&crew_slot(c)->leaves))
            continue;
        c->stage = CHILD_DRAINING;
        c->until =
            now + p->request_timeout + p->wait_until_timeout + p->kill_grace;
    }
}

/* ---- looking after it -------------------------------------------------- */

/*
 * Who comes wakes the supervisor only while no worker could take it. So does
 * who is in the queue: whether a request comes by it, only a worker sees.
 */
static void watch_socket(struct crew *c, const struct crew_count *n)
{
    bool want = c->config->pm == PM_ONDEMAND && n->view.idle == 0 &&
                n->view.starting == 0 && n->view.old == 0 && !c->waiting &&
                n->view.busy < pm_most(&c->pm);
    if (want != c->watched)
        crew_watch(c, want);
}

/* Whether crew_start() holds back; the monitor lets who comes wait then. */
static void tell_image(struct crew *c, bool fresh)
{
    bool waits = crew_image_waits(c);
    atomic_store(&board_head(c->board)->makes, waits);
    if (waits)
        c->pm.fresh = fresh; /* nothing was started after all */
}

static void tell_board(struct crew *c, const struct crew_count *n, bool reached)
{
    struct board_head *h = board_head(c->board);
    h->max_children = pm_most(&c->pm);
    h->draining = n->leaving + n->view.old;
    if (n->view.busy > h->max_active)
        h->max_active = n->view.busy;
    if (!reached)
        return;
    h->max_children_reached++;
    log_about(c->config->name, NULL, NULL);
    log_warn("all %u workers are busy (max_children): raise it, or see what "
             "takes long with snapcgi ctl status full %s",
             pm_most(&c->pm), c->config->name);
    log_about(NULL, NULL, NULL);
}

/* The last idle one has nobody to leave its kept connections to. */
static bool is_only(const struct crew_count *n)
{
    return n->view.idle + n->view.busy + n->view.starting == 1;
}

bool crew_look(struct crew *c, uint64_t now, int *status)
{
    const struct child *idlest;
    bool fresh = c->pm.fresh;
    let_go(c, now);
    if (!crew_image_look(c, now, status))
        return false;
    if (c->config->state != NULL) {
        tell_image(c, fresh);
        return crew_state_look(c, now, status);
    }
    struct crew_count n = count(c, &idlest);
    struct pm_step step = pm_next(&c->pm, &n.view);
    if (n.view.idle + n.view.starting > 0)
        c->waiting = false; /* one of them takes who came */
    if (step.retire)
        retire(c);
    else if (step.stop_one && idlest != NULL)
        child_drain((struct child *)idlest, is_only(&n), patience(c));
    tell_board(c, &n, step.reached);
    if (step.start > 0 && !crew_start(c, step.start, now, status))
        return false;
    tell_image(c, fresh);
    n = count(c, &idlest);
    watch_socket(c, &n);
    return true;
}

void crew_drain(struct crew *crew)
{
    let_go(crew, clock_mono());       /* who goes by itself empties nothing */
    shutdown(crew->kept[1], SHUT_WR); /* nobody will be there to take */
    crew->last = crew->handed;        /* is served by who has it, later */
    for (struct child *c = crew->all->children; c != NULL; c = c->next) {
        if (c->crew != crew)
            continue;
        crew->last = crew->last || !child_leaves(c);
        child_drain(c, !crew->handed, patience(crew));
    }
}

/* Somebody is in the queue; at its end it is readable without, too. */
static bool left_in_queue(const struct crew *c)
{
    int bytes = 0;
    return ioctl(c->kept[0], FIONREAD, &bytes) == 0 && bytes > 0;
}

bool crew_finish(struct crew *c, uint64_t now, int *status)
{
    struct pollfd p = {.fd = c->listener.fd, .events = POLLIN};
    struct child *before = c->all->children;
    if (c->config->state != NULL && !crew_state_free(c))
        return true;
    if (c->last || crew_image_waits(c) ||
        (poll(&p, 1, 0) <= 0 && !left_in_queue(c)))
        return true;
    c->last = true;
    if (!start_one(c, now, status))
        return false;
    if (c->all->children != before)
        child_drain(c->all->children, true, patience(c));
    return true;
}

void crew_renew(struct crew *crew)
{
    for (struct child *c = crew->all->children; c != NULL; c = c->next)
        if (c->crew == crew && !child_leaves(c))
            c->old = true;
    crew->failures = 0;
    crew->retry_at = 0;
    crew->state.stays = false;
    crew->state.again_at = 0;
    crew->pm.fresh = true;
}

/* V8 has no words for it but its own, if it has any. */
static void suspect_limit(const struct crew *c, int status)
{
    uint64_t most = c->config->rlimit_as / 1024;
    bool whole = most % 1024 == 0;
    if (most == 0 || !(child_crashed(status) || WIFEXITED(status)))
        return;
    log_error("workers of pool %s end before they serve: rlimit_as = %llu%s "
              "seems to be too little for V8; raise it, or remove it "
              "(heap_limit and buffer_limit hold without it)",
              c->config->name, (unsigned long long)(whole ? most / 1024 : most),
              whole ? "m" : "k");
}

/* A start that came to nothing must not be repeated without a pause. */
static void judge(struct crew *c, const struct child *child, int status)
{
    uint64_t now = clock_mono();
    struct slot s;
    bool served =
        slot_read(crew_slot(child), &s) && s.tally[TALLY_REQUESTS] > 0;
    bool well = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (well || served || child_leaves(child) ||
        now - child->started > SETTLED_NS) {
        c->failures = 0;
        return;
    }
    crew_failed(c, now);
    if (c->failures == 1)
        suspect_limit(c, status);
    if (c->failures < 2)
        c->retry_at = 0; /* once may be chance */
    else
        log_warn("workers of pool %s end before they serve; the next is "
                 "started in %llu ms",
                 c->config->name,
                 (unsigned long long)((c->retry_at - now) / NS_PER_MS));
}

void crew_lost(struct crew *crew, const struct child *child, int status)
{
    struct board_head *h = board_head(crew->board);
    if (child_crashed(status))
        h->crashed++;
    if (WIFSIGNALED(status) && child->stage < CHILD_ENDING)
        crew->last = crew->handed; /* it has left somebody, perhaps */
    if (child->board == crew->board) {
        judge(crew, child, status);
        board_release(crew->board, (uint32_t)child->slot);
    } else if (child->board != NULL) {
        /* Of before a reload: what it did is not forgotten. */
        board_release(child->board, (uint32_t)child->slot);
        if (strcmp(child->pool, crew->config->name) == 0)
            board_carry(crew->board, child->board);
    }
}

unsigned crew_more(struct crew *c, int by)
{
    /* A board has slots for two generations of workers. */
    int base = (int)c->config->max_children;
    int extra = c->pm.extra + by;
    if (base + extra >= 1 && extra <= SLOTS_MORE / 2)
        c->pm.extra = extra;
    return pm_most(&c->pm);
}

/* ---- logs -------------------------------------------------------------- */

static int passed(const struct sink *s)
{
    return s->kind == SINK_FILE ? s->fd : -1;
}

void crew_reopen(struct crew *crew, struct buf *wrong)
{
    struct why why = {.text = ""};
    struct sink *own[] = {&crew->access, &crew->slow};
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        if (own[i]->kind == SINK_FILE && sink_reopen(own[i], &why) != OK)
            buf_printf(wrong, "pool %s: %s\n", crew->config->name, why.text);
    struct link_message m = {
        .word = LINK_LOGS,
        .fd = {log_file_fd(), passed(&crew->access), passed(&crew->slow)}};
    for (struct child *c = crew->all->children; c != NULL; c = c->next)
        if (c->crew == crew && c->link >= 0)
            link_send(c->link, &m);
}
