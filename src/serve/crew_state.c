/*
 * crew_state.c - a pool whose one worker keeps the application's state: it is
 * told to save and end, and the next goes on from what it has left.
 *
 * There is never a second worker with the same state, whatever happens: one
 * is started only when nobody has the file. Who comes meanwhile waits at the
 * socket.
 */
#include "serve/crew_parts.h"

#include "base/clock.h"
#include "base/log.h"
#include "serve/libzstd.h"
#include "serve/state_key.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

/* Where saving has failed it is not tried again at once, unless by hand. */
#define AGAIN_NS (30 * NS_PER_S)

/* Who has the pool's state, or had it before a reload. */
static struct child *keeper(const struct crew *c)
{
    struct child *found = NULL;
    for (struct child *w = c->all->children; w != NULL; w = w->next) {
        if (w->keep == NULL)
            continue;
        if (w->crew == c)
            return w;
        if (strcmp(w->keep->path, c->config->state) == 0)
            found = w;
    }
    return found;
}

bool crew_state_free(const struct crew *c)
{
    return !c->state.paused && keeper(c) == NULL;
}

static bool hibernates(const struct crew *c)
{
    return c->config->hibernate_after > 0;
}

/* Nobody has it: is somebody to? */
static bool wanted(const struct crew *c)
{
    return !c->state.paused && (!hibernates(c) || c->waiting || c->state.back);
}

static uint64_t patience(const struct crew *c)
{
    return c->all->config->process_control_timeout;
}

/* For every request to have its end, and then for saving. */
static uint64_t most_time(const struct crew *c)
{
    const struct pool_config *p = c->config;
    return p->request_timeout + p->wait_until_timeout + p->kill_grace +
           patience(c);
}

static void __attribute__((format(printf, 3, 4)))
conclude(struct crew *c, bool done, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(c->state.result, sizeof(c->state.result), fmt, ap);
    va_end(ap);
    c->state.done = done;
    c->state.wish = CREW_NOTHING;
}

#define say(c, level, ...)                                                     \
    do {                                                                       \
        log_about((c)->config->name, NULL, NULL);                              \
        log_at((level), __VA_ARGS__);                                          \
        log_about(NULL, NULL, NULL);                                           \
    } while (0)

/* ---- what the board shows ----------------------------------------------- */

static enum board_phase phase_of(const struct crew *c, const struct child *w)
{
    if (w == NULL && c->state.paused)
        return BOARD_PAUSED;
    if (w == NULL && !wanted(c))
        return BOARD_HIBERNATING;
    if (w == NULL)
        return c->state.waking ? BOARD_SAVING : BOARD_RUNNING;
    if (w->crew != c || c->state.wish != CREW_NOTHING || child_leaves(w) ||
        (w->stage == CHILD_STARTING && c->state.waking))
        return BOARD_SAVING;
    return BOARD_RUNNING;
}

static void show(struct crew *c, const struct child *w)
{
    struct board_head *h = board_head(c->board);
    struct crew_count n = crew_count(c);
    /* One that fails to start is not on its way any more. */
    if (c->failures > 0 || (w != NULL && w->stage == CHILD_READY))
        c->state.waking = false;
    h->draining = n.leaving + n.view.old;
    if (n.view.busy > h->max_active)
        h->max_active = n.view.busy;
    atomic_store(&h->phase, (uint32_t)phase_of(c, w));
}

/* ---- its files ----------------------------------------------------------- */

/* What would otherwise be found out when the worker before has ended. */
static enum err check_form(const struct pool_config *p, struct why *why)
{
    static const char *const names[] = {LIBZSTD_FUNCTIONS(LIBRARY_NAME) NULL};
    struct state_key key;
    struct libzstd zstd;
    struct why inner = {.text = ""};
    enum err e = OK;
    if (p->state_key != NULL) {
        e = state_key_read(p->state_key, &key, why);
        state_key_wipe(&key);
    }
    if (e == OK && p->state_compress == STATE_ZSTD &&
        library_open("libzstd.so.1", names, &zstd, &inner) != OK)
        e = why_set(why, ERR_NOTFOUND,
                    "state_compress = zstd needs libzstd: %s", inner.text);
    return e;
}

enum err crew_state_open(struct crew *c, struct why *why)
{
    struct keep k;
    struct board_head *h = board_head(c->board);
    keep_init(&k, c->config, &c->identity);
    c->state = (struct crew_state){.done = true};
    enum err e = keep_check(&k, why);
    if (e == OK)
        e = check_form(c->config, why);
    h->saved_at = keep_saved_at(&k, &h->saved_bytes);
    atomic_store(&h->phase, (uint32_t)phase_of(c, NULL));
    return e;
}

enum err crew_state_give(struct crew *c, struct child *w, int state[2],
                         struct why *why)
{
    w->keep = xalloc(sizeof(*w->keep));
    w->grace = most_time(c);
    keep_init(w->keep, c->config, &c->identity);
    return keep_open(w->keep, &state[0], &state[1], why);
}

/* ---- telling its worker ---------------------------------------------------
 */

/* As the worker that goes on from it will expect it. */
static void describe_form(const struct pool_config *p, struct link_save *how)
{
    struct state_key key;
    how->limit = p->state_limit;
    how->compress = p->state_compress == STATE_ZSTD;
    how->sealed = p->state_key != NULL;
    how->formed = LINK_FORMED;
    if (how->sealed && state_key_read(p->state_key, &key, NULL) == OK)
        memcpy(how->key, key.bytes, sizeof(how->key));
    else if (how->sealed)
        how->formed = 0;
    state_key_wipe(&key);
}

static void tell(struct crew *c, struct child *w, enum crew_wish wish)
{
    struct link_message m = {.word = LINK_SAVE};
    struct link_save how = {.close = ""};
    bool told = c->state.wish != CREW_NOTHING || child_leaves(w);
    c->state.wish = wish;
    atomic_store(&board_head(c->board)->phase, (uint32_t)BOARD_SAVING);
    if (told)
        return;
    c->state.told_at = clock_mono();
    /* Nobody follows who could take its connections. */
    if (wish == CREW_HIBERNATE || w->socket != crew_socket(c))
        snprintf(how.close, sizeof(how.close), "%s", LINK_CLOSE);
    if (strcmp(w->keep->path, c->config->state) == 0) /* it follows */
        describe_form(c->config, &how);
    memcpy(m.text, &how, sizeof(how));
    if (link_send(w->link, &m) != OK)
        child_drain(w, false, patience(c));
    /* Every child has a copy of what is here, other pools' too. */
    explicit_bzero(&how, sizeof(how));
    explicit_bzero(&m, sizeof(m));
}

static void note_pause(const struct crew *c)
{
    say(c, LOG_NOTICE, "paused: who comes waits until snapcgi ctl resume %s",
        c->config->name);
}

void crew_pause(struct crew *c)
{
    struct child *w = keeper(c);
    bool before = c->state.paused;
    c->state.paused = true;
    c->state.back = false;
    if (w != NULL && w->crew == c) {
        tell(c, w, CREW_PAUSE);
        return;
    }
    conclude(c, true, before ? "was paused already" : "paused");
    if (!before)
        note_pause(c);
    show(c, w);
}

void crew_resume(struct crew *c)
{
    bool before = c->state.paused;
    c->state.paused = false;
    if (before)
        say(c, LOG_NOTICE, "resumed");
    if (c->state.wish == CREW_PAUSE)
        c->state.wish = CREW_SAVE;
    if (!crew_saves(c)) /* else who asked for that waits for its end */
        conclude(c, true, before ? "resumed" : "was not paused");
    show(c, keeper(c));
}

void crew_save(struct crew *c)
{
    struct child *w = keeper(c);
    if (w != NULL && w->crew == c)
        tell(c, w, c->state.paused ? CREW_PAUSE : CREW_SAVE);
    else if (c->state.paused)
        conclude(c, true, "is paused, and what was saved last is all there is");
    else
        conclude(c, true,
                 "has no worker, and what was saved last is all there is");
}

bool crew_saves(const struct crew *c)
{
    return c->state.wish != CREW_NOTHING;
}

/* ---- what it says and is due ----------------------------------------------
 */

/* It cannot write it, and goes on. */
static void hear_refusal(struct crew *c, struct child *w, uint64_t now)
{
    struct slot s;
    const struct slot *own = crew_slot(w);
    if (own == NULL || atomic_load(&own->kept.refused) == w->refused)
        return;
    slot_read(own, &s);
    w->refused = atomic_load(&s.kept.refused);
    if (child_leaves(w))
        return; /* it ends all the same, and then that is the reason */
    board_head(c->board)->save_failures++;
    say(c, LOG_ERROR,
        "the state cannot be saved: %s; worker %d serves on with it",
        s.kept.refusal, (int)w->pid);
    c->state.stays = c->state.wish == CREW_RENEW;
    c->state.paused = false;
    c->state.again_at = now + AGAIN_NS;
    conclude(c, false,
             "the state cannot be saved, and its worker serves on: %s",
             s.kept.refusal);
}

static bool is_idle_since(const struct slot *s, uint64_t when)
{
    return atomic_load(&s->state) == SLOT_IDLE && s->idle_since <= when;
}

static enum crew_wish due(const struct crew *c, const struct child *w,
                          uint64_t now)
{
    const struct pool_config *p = c->config;
    const struct slot *s = crew_slot(w);
    if (c->state.paused)
        return CREW_PAUSE;
    if (now < c->state.again_at)
        return CREW_NOTHING;
    if (w->old)
        return CREW_RENEW;
    if (s == NULL || w->stage == CHILD_STARTING)
        return CREW_NOTHING;
    if (atomic_load(&s->kept.asks))
        return CREW_SAVE;
    if (hibernates(c) && now > p->hibernate_after &&
        is_idle_since(s, now - p->hibernate_after))
        return CREW_HIBERNATE;
    if (p->save_every > 0 && now - w->started >= p->save_every &&
        s->tally[TALLY_REQUESTS] > 0)
        return CREW_SAVE;
    return CREW_NOTHING;
}

static void drive(struct crew *c, struct child *w, uint64_t now)
{
    hear_refusal(c, w, now);
    if (child_leaves(w))
        return;
    if (c->state.wish == CREW_NOTHING) {
        enum crew_wish wish = due(c, w, now);
        if (wish != CREW_NOTHING)
            tell(c, w, wish);
    } else if (now - c->state.told_at >= most_time(c)) {
        say(c, LOG_ERROR,
            "worker %d has not saved its state within %llu s and is ended",
            (int)w->pid, (unsigned long long)(most_time(c) / NS_PER_S));
        w->grace = CHILD_END_NS;
        child_end(w);
    }
}

/* ---- its end --------------------------------------------------------------
 */

static void describe_end(char *out, size_t max, int status)
{
    if (WIFSIGNALED(status))
        snprintf(out, max, "it was ended by signal %d (SIG%s)",
                 WTERMSIG(status), sigabbrev_np(WTERMSIG(status)));
    else if (WEXITSTATUS(status) != 0)
        snprintf(out, max, "it has ended with status %d", WEXITSTATUS(status));
    else
        snprintf(out, max, "it has ended without saving it");
}

/* It has not begun to serve, and so nothing of it can be lost. */
static void not_begun(struct crew *c, const char *saved, const char *why)
{
    if (c == NULL || c->state.wish == CREW_NOTHING)
        return; /* the log has its end */
    if (saved == NULL)
        conclude(c, false, "no worker has started, and none has saved: %s",
                 why);
    else
        conclude(c, false,
                 "no worker has started; what was saved at %s stays: %s", saved,
                 why);
}

/* why: the reason, or empty. */
static void lost(struct crew *c, const struct child *w, const struct slot *s,
                 int status, struct why *why)
{
    char since[25] = "its beginning";
    uint64_t saved_at = keep_saved_at(w->keep, NULL);
    uint64_t served = s->tally[TALLY_REQUESTS];
    bool refuses = atomic_load(&s->kept.refused) > 0 && WIFEXITED(status) &&
                   WEXITSTATUS(status) != 0 && !child_crashed(status);
    if (refuses)
        why_set(why, OK, "it cannot be saved: %s", s->kept.refusal);
    else if (why->text[0] == '\0')
        describe_end(why->text, sizeof(why->text), status);
    if (saved_at != 0)
        clock_stamp(saved_at, since);
    if (s->pid != 0 && atomic_load(&s->state) <= SLOT_STARTING) {
        not_begun(c, saved_at != 0 ? since : NULL, why->text);
        return;
    }
    log_about(w->pool, NULL, NULL);
    if (served > 0)
        log_error("the state of worker %d since %s is lost, with %llu requests "
                  "in it: %s",
                  (int)w->pid, since, (unsigned long long)served, why->text);
    log_about(NULL, NULL, NULL);
    if (c == NULL)
        return;
    if (served > 0 || c->state.wish != CREW_NOTHING)
        board_head(c->board)->save_failures++;
    if (c->state.wish == CREW_PAUSE)
        note_pause(c);
    if (c->state.wish != CREW_NOTHING)
        conclude(c, false, "%sthe state since %s is lost: %s",
                 c->state.paused ? "it is paused, but " : "", since, why->text);
}

static void kept(struct crew *c, const struct child *w, const struct slot *s,
                 uint64_t size)
{
    unsigned long long ms = s->kept.duration / NS_PER_MS, bytes = size;
    log_about(w->pool, NULL, NULL);
    log_notice("the state is saved: %llu bytes in %llu ms", bytes, ms);
    log_about(NULL, NULL, NULL);
    if (c == NULL)
        return;
    struct board_head *h = board_head(c->board);
    enum crew_wish wish = c->state.wish;
    h->saved_at = keep_saved_at(w->keep, NULL);
    h->saved_bytes = size;
    h->saved_in = s->kept.duration;
    h->saves++;
    c->state.stays = false;
    c->state.waking = true;
    c->state.back = wish == CREW_SAVE;
    if (wish == CREW_PAUSE)
        note_pause(c);
    if (wish == CREW_HIBERNATE)
        say(c, LOG_NOTICE, "hibernating until somebody comes");
    conclude(c, true, "%s, %llu bytes in %llu ms",
             wish == CREW_PAUSE ? "paused" : "saved", bytes, ms);
}

/* A reload has given the pool another file, and the new worker that one. */
static void left_its_file(struct crew *c, const struct child *w, bool saved)
{
    enum crew_wish wish = c->state.wish;
    c->state.waking = true;
    c->state.back = wish == CREW_SAVE;
    if (wish == CREW_PAUSE)
        note_pause(c);
    conclude(c, saved, "%s, but its state until now %s %s",
             wish == CREW_PAUSE ? "paused" : "it goes on with another file",
             saved ? "is in" : "is lost, see the log; it was to be saved to",
             w->keep->path);
}

void crew_state_ended(struct child *w, int status)
{
    struct crew *c = w->crew;
    struct why why = {.text = ""};
    struct slot s = {.pid = 0};
    uint64_t size = 0;
    enum err e = ERR_FAIL;
    const struct slot *own = crew_slot(w);
    if (own != NULL)
        slot_read(own, &s);
    uint64_t claimed = atomic_load(&s.kept.saved);
    bool other = c != NULL && (c->config->state == NULL ||
                               strcmp(c->config->state, w->keep->path) != 0);
    if (c != NULL && !other) /* a reload may have changed it */
        w->keep->older = (unsigned)c->config->state_keep;
    /* A board of another build tells nothing; its file and status must do. */
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0 &&
        (claimed > 0 || own == NULL))
        e = keep_commit(w->keep, claimed, atomic_load(&s.kept.fresh), &size,
                        &why);
    if (c != NULL && crew_saves(c) && !c->state.paused)
        c->last = c->handed;    /* it has left who waits to the next one */
    if (e != OK && e != ERR_IO) /* then it is whole */
        keep_discard(w->keep);
    if (e == OK)
        kept(other ? NULL : c, w, &s, size);
    else
        lost(other ? NULL : c, w, &s, status, &why);
    if (other && crew_saves(c))
        left_its_file(c, w, e == OK);
    keep_close(w->keep);
}

/* ---- looking after it ------------------------------------------------------
 */

/* Of before a reload, when the pool kept no state. */
static void retire_others(struct crew *c)
{
    for (struct child *w = c->all->children; w != NULL; w = w->next)
        if (w->crew == c && w->keep == NULL && w->old && !child_leaves(w))
            child_drain(w, w->socket != crew_socket(c), patience(c));
}

bool crew_state_look(struct crew *c, uint64_t now, int *status)
{
    struct child *w = keeper(c);
    retire_others(c);
    if (w != NULL && w->crew == c)
        drive(c, w, now);
    if (w == NULL && wanted(c)) {
        if (!crew_start(c, 1, now, status))
            return false;
        w = keeper(c);
    }
    if (w != NULL)
        c->state.back = false;
    bool rests = w == NULL && !c->state.paused && !wanted(c);
    if (rests != c->watched)
        crew_watch(c, rests);
    show(c, w);
    return true;
}

bool crew_state_moves(const struct crew *c)
{
    const struct child *w = keeper(c);
    if (crew_saves(c) || (w == NULL && wanted(c)))
        return true;
    return w != NULL &&
           (w->old || w->stage == CHILD_STARTING || child_leaves(w));
}

bool crew_state_settled(const struct crew *c)
{
    const struct child *w = keeper(c);
    if (w == NULL)
        return !wanted(c);
    return w->crew == c && !w->old && w->stage == CHILD_READY;
}
