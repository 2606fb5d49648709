/*
 * scoreboard.c - the shared pages, who may write which, and their seqlock.
 */
#include "serve/scoreboard.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

const char *const tally_names[TALLIES] = {
    [TALLY_REQUESTS] = "requests", [TALLY_ERRORS] = "errors",
    [TALLY_COLD] = "cold_starts",  [TALLY_WARM] = "warm_starts",
    [TALLY_RESETS] = "resets",     [TALLY_TERMINATED] = "terminated",
    [TALLY_SLOW] = "slow",         [TALLY_ABORTED] = "aborted",
    [TALLY_LOG_LOST] = "log_lost",
};

static const char *const state_names[] = {
    [SLOT_FREE] = "Free",           [SLOT_STARTING] = "Starting",
    [SLOT_IDLE] = "Idle",           [SLOT_RUNNING] = "Running",
    [SLOT_FINISHING] = "Finishing", [SLOT_STOPPING] = "Stopping",
    [SLOT_SAVING] = "Saving",
};

static const char *const phase_names[] = {
    [BOARD_STATELESS] = "",    [BOARD_RUNNING] = "running",
    [BOARD_SAVING] = "saving", [BOARD_HIBERNATING] = "hibernating",
    [BOARD_PAUSED] = "paused",
};

/* A writer is in for 1 KB at most; one that never comes out is not waited
 * for. */
#define READ_TRIES 1000

/* What two builds must agree on, before the head in the first page. */
struct stamp {
    char magic[8];
    uint32_t version; /* of what the members mean */
    uint32_t page;
    uint32_t head, shed, slot, buckets;
    uint32_t slots;
};

#define MAGIC "snapbrd"
#define VERSION 3

/* Both in pages of their own: rights are given by the page. */
struct front {
    struct stamp stamp;
    struct board_head head;
};

struct board {
    struct board *next; /* in boards */
    int fd;
    char *map;
    size_t size;
    size_t page;
    uint32_t slots;
    bool *claimed; /* by this process, whatever the slot says; or NULL */
    char *own;     /* the pages this process may write, once it has joined */
    size_t own_offset, own_size;
};

/* All of this process. A child has its parent's mappings, rights and all. */
static struct board *boards;

/* ---- where what is ----------------------------------------------------- */

static size_t round_up(size_t n, size_t page)
{
    return (n + page - 1) / page * page;
}

static size_t shed_offset(const struct board *b)
{
    return round_up(sizeof(struct front), b->page);
}

static size_t slot_offset(const struct board *b, uint32_t i)
{
    return shed_offset(b) + round_up(sizeof(struct board_shed), b->page) +
           i * round_up(sizeof(struct slot), b->page);
}

static struct stamp stamp_of(const struct board *b)
{
    return (struct stamp){
        .magic = MAGIC,
        .version = VERSION,
        .page = (uint32_t)b->page,
        .head = sizeof(struct board_head),
        .shed = sizeof(struct board_shed),
        .slot = sizeof(struct slot),
        .buckets = HISTOGRAM_BUCKETS,
        .slots = b->slots,
    };
}

static struct front *front(struct board *b)
{
    return (struct front *)(void *)b->map;
}

/* ---- making and finding ------------------------------------------------ */

static struct board *blank(int fd)
{
    struct board *b = xalloc(sizeof *b);
    b->fd = fd;
    b->map = MAP_FAILED;
    b->page = (size_t)sysconf(_SC_PAGESIZE);
    b->next = boards;
    boards = b;
    return b;
}

static enum err map_all(struct board *b)
{
    b->size = slot_offset(b, b->slots);
    b->map = mmap(NULL, b->size, PROT_READ | PROT_WRITE, MAP_SHARED, b->fd, 0);
    return b->map != MAP_FAILED ? OK : ERR_IO;
}

/* A file that could shrink would be a SIGBUS for all who look at it. */
#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

enum err board_new(const char *pool, uint32_t slots, struct board **out)
{
    enum err e = ERR_RANGE;
    *out = NULL;
    if (slots < 1 || slots > BOARD_SLOTS_MAX)
        return e;
    struct board *b =
        blank(memfd_create("snapcgi-board", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    b->slots = slots;
    e = ERR_IO;
    /* A worker of another user may open it again to read, not to write. */
    if (b->fd < 0 || fchmod(b->fd, 0644) != 0 ||
        ftruncate(b->fd, (off_t)slot_offset(b, slots)) != 0 ||
        fcntl(b->fd, F_ADD_SEALS, SEALS) != 0)
        goto out;
    e = map_all(b);
    if (e != OK)
        goto out;
    front(b)->stamp = stamp_of(b);
    struct board_head *h = board_head(b);
    slot_text(h->pool, slice_of(pool));
    h->slots = slots;
    h->started = clock_real();
    *out = b;
    b = NULL;
out:
    board_free(b);
    return e;
}

/* Reads how many slots there are; false when it is no board of ours. */
static bool read_stamp(struct board *b)
{
    struct stamp s;
    struct stat st;
    int seals = fcntl(b->fd, F_GET_SEALS);
    if (seals < 0 || (seals & F_SEAL_SHRINK) == 0 || fstat(b->fd, &st) != 0 ||
        pread(b->fd, &s, sizeof s, 0) != (ssize_t)sizeof s)
        return false;
    b->slots = s.slots;
    struct stamp ours = stamp_of(b);
    return s.slots >= 1 && s.slots <= BOARD_SLOTS_MAX &&
           memcmp(&s, &ours, sizeof s) == 0 &&
           (uint64_t)st.st_size == slot_offset(b, s.slots);
}

enum err board_adopt(int fd, struct board **out)
{
    struct board *b = blank(fd);
    enum err e = ERR_MISMATCH;
    *out = NULL;
    if (!read_stamp(b))
        goto out;
    e = ERR_IO;
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
        goto out;
    e = map_all(b);
    if (e != OK)
        goto out;
    *out = b;
    b = NULL;
out:
    board_free(b);
    return e;
}

/* What remains is a board without a page. */
static void let_go(struct board *b)
{
    if (b->map != MAP_FAILED)
        munmap(b->map, b->size);
    if (b->own != NULL)
        munmap(b->own, b->own_size);
    if (b->fd >= 0)
        close(b->fd);
    b->map = MAP_FAILED;
    b->own = NULL;
    b->fd = -1;
}

void board_free(struct board *b)
{
    struct board **at = &boards;
    if (b == NULL)
        return;
    while (*at != b)
        at = &(*at)->next;
    *at = b->next;
    let_go(b);
    free(b->claimed);
    free(b);
}

int board_fd(const struct board *b)
{
    return b->fd;
}

/* ---- its parts --------------------------------------------------------- */

struct board_head *board_head(struct board *b)
{
    return &front(b)->head;
}

/* Through the writable pages where they are this process's own. */
static void *part(struct board *b, size_t offset)
{
    if (b->own != NULL && offset == b->own_offset)
        return b->own;
    return b->map + offset;
}

struct board_shed *board_shed(struct board *b)
{
    return part(b, shed_offset(b));
}

uint32_t board_slots(const struct board *b)
{
    return b->slots;
}

struct slot *board_slot(struct board *b, uint32_t i)
{
    must(i < b->slots);
    return part(b, slot_offset(b, i));
}

/* ---- the supervisor's side --------------------------------------------- */

int board_claim(struct board *b)
{
    if (b->claimed == NULL)
        b->claimed = xalloc(b->slots * sizeof *b->claimed);
    for (uint32_t i = 0; i < b->slots; i++) {
        struct slot *s = board_slot(b, i);
        if (b->claimed[i] || atomic_load(&s->state) != SLOT_FREE)
            continue;
        b->claimed[i] = true;
        memset(s, 0, sizeof *s);
        s->started = clock_real();
        atomic_store(&s->state, SLOT_STARTING);
        return (int)i;
    }
    return -1;
}

static void add_tallies(uint64_t *to, const uint64_t *from)
{
    for (int i = 0; i < TALLIES; i++)
        to[i] += from[i];
}

void board_release(struct board *b, uint32_t i)
{
    struct board_head *h = board_head(b);
    struct slot *s = board_slot(b, i);
    add_tallies(h->tally, s->tally);
    histogram_merge(&h->latency, &s->latency);
    memset(s, 0, sizeof *s); /* all zero is SLOT_FREE */
    if (b->claimed != NULL)
        b->claimed[i] = false;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

void board_carry(struct board *to, struct board *from)
{
    struct board_head *h = board_head(to), *f = board_head(from);
    add_tallies(h->tally, f->tally);
    histogram_merge(&h->latency, &f->latency);
    h->spawned += f->spawned;
    h->crashed += f->crashed;
    h->killed += f->killed;
    h->max_children_reached += f->max_children_reached;
    h->saves += f->saves;
    h->save_failures += f->save_failures;
    if (f->saved_at == h->saved_at)
        h->saved_in = larger(h->saved_in, f->saved_in);
    h->max_active = larger(h->max_active, f->max_active);
    h->max_queue = larger(h->max_queue, f->max_queue);
    if (f->started < h->started)
        h->started = f->started;
    atomic_fetch_add(&board_shed(to)->count,
                     atomic_exchange(&board_shed(from)->count, 0));
    memset(f->tally, 0, sizeof f->tally);
    memset(&f->latency, 0, sizeof f->latency);
    f->spawned = f->crashed = f->killed = f->max_children_reached = 0;
    f->saves = f->save_failures = 0;
}

/* ---- joining ----------------------------------------------------------- */

/*
 * Maps all of it so that it cannot be written, nor made writable: only a
 * descriptor that was opened to read gives such a mapping. Without /proc
 * there is none, and mprotect(2) could undo it.
 */
static char *map_to_read(const struct board *b)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", b->fd);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *map =
        mmap(NULL, b->size, PROT_READ, MAP_SHARED, fd >= 0 ? fd : b->fd, 0);
    if (fd >= 0)
        close(fd);
    return map;
}

/* Keeps the right to write for size bytes from offset on, and no other. */
static enum err keep_only(struct board *b, size_t offset, size_t size)
{
    struct board next = *b;
    size = round_up(size, b->page);
    next.map = map_to_read(b);
    if (next.map == MAP_FAILED)
        return ERR_IO;
    next.own = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, b->fd,
                    (off_t)offset);
    if (next.own == MAP_FAILED) {
        munmap(next.map, b->size);
        return ERR_IO;
    }
    next.own_offset = offset;
    next.own_size = size;
    next.fd = -1;
    let_go(b);
    *b = next;
    return OK;
}

enum err board_join(struct board *b, uint32_t i, struct slot **out)
{
    *out = NULL;
    must(i < b->slots);
    enum err e = keep_only(b, slot_offset(b, i), sizeof(struct slot));
    if (e != OK)
        return e;
    for (struct board *other = boards; other != NULL; other = other->next)
        if (other != b)
            let_go(other);
    *out = board_slot(b, i);
    (*out)->pid = getpid();
    return OK;
}

enum err board_watch(struct board *b)
{
    return keep_only(b, shed_offset(b), sizeof(struct board_shed));
}

/* ---- the worker's side ------------------------------------------------- */

const char *slot_state_name(enum slot_state s)
{
    return s <= SLOT_SAVING ? state_names[s] : "Unknown";
}

const char *board_phase_name(uint32_t phase)
{
    return phase <= BOARD_PAUSED ? phase_names[phase] : "unknown";
}

void slot_set(struct slot *s, enum slot_state state)
{
    if (s == NULL)
        return;
    if (state == SLOT_IDLE)
        s->idle_since = clock_mono();
    atomic_store_explicit(&s->state, state, memory_order_release);
}

/* Between these two a reader takes nothing of request. */
static void turn_open(struct slot *s)
{
    uint32_t turn = atomic_load_explicit(&s->turn, memory_order_relaxed);
    atomic_store_explicit(&s->turn, turn | 1u, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
}

static void turn_close(struct slot *s)
{
    uint32_t turn = atomic_load_explicit(&s->turn, memory_order_relaxed);
    atomic_store_explicit(&s->turn, turn + 1, memory_order_release);
}

void slot_begin(struct slot *s, const struct slot_request *r)
{
    if (s == NULL)
        return;
    turn_open(s);
    s->request = *r;
    turn_close(s);
}

void slot_end(struct slot *s, uint64_t duration, uint64_t cpu)
{
    if (s == NULL)
        return;
    turn_open(s);
    s->request.duration = duration;
    s->request.cpu = cpu;
    turn_close(s);
    histogram_add(&s->latency, duration);
}

void slot_count(struct slot *s, enum tally t)
{
    slot_add(s, t, 1);
}

void slot_add(struct slot *s, enum tally t, uint64_t n)
{
    if (s != NULL)
        s->tally[t] += n;
}

void slot_cut(char *to, size_t size, struct slice text)
{
    size_t n = text.n < size ? text.n : size - 1;
    if (n > 0)
        memcpy(to, text.p, n);
    memset(to + n, 0, size - n);
}

/* ---- a reader's side --------------------------------------------------- */

static bool copy_whole(const struct slot *s, struct slot *out)
{
    for (int i = 0; i < READ_TRIES; i++) {
        uint32_t turn = atomic_load_explicit(&s->turn, memory_order_acquire);
        memcpy(out, s, sizeof *out);
        atomic_thread_fence(memory_order_acquire);
        if (turn % 2 == 0 &&
            turn == atomic_load_explicit(&s->turn, memory_order_relaxed))
            return true;
    }
    return false;
}

bool slot_read(const struct slot *s, struct slot *out)
{
    bool whole = copy_whole(s, out);
    struct slot_request *r = &out->request;
    if (!whole)
        memset(r, 0, sizeof *r);
    if (atomic_load(&out->state) > SLOT_SAVING)
        atomic_store(&out->state, SLOT_FREE);
    out->image[sizeof out->image - 1] = '\0';
    out->kept.refusal[sizeof out->kept.refusal - 1] = '\0';
    r->id[sizeof r->id - 1] = '\0';
    r->method[sizeof r->method - 1] = '\0';
    r->uri[sizeof r->uri - 1] = '\0';
    r->script[sizeof r->script - 1] = '\0';
    r->user[sizeof r->user - 1] = '\0';
    return whole;
}
