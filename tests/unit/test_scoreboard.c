/*
 * test_scoreboard.c - pages that processes share, and may not spoil.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "serve/scoreboard.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static struct board *board;

static int set_up(void **state)
{
    (void)state;
    return board_new("www", 3, &board) == OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    board_free(board);
    board = NULL;
    return 0;
}

/* How a child that does this to the board's slot 1 ends; see wait(2). */
static int child(void (*act)(struct slot *own))
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct slot *own;
        struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        /* cmocka's and the sanitizer's handlers would hide the end. */
        signal(SIGSEGV, SIG_DFL);
        signal(SIGBUS, SIG_DFL);
        if (board_join(board, 1, &own) != OK)
            _exit(99);
        act(own);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void a_new_board_has_a_name_and_nothing_else(void **state)
{
    (void)state;
    assert_string_equal(board_head(board)->pool, "www");
    assert_int_equal(board_head(board)->slots, 3);
    assert_int_equal(board_slots(board), 3);
    assert_true(board_head(board)->started > 0);
    assert_int_equal(atomic_load(&board_shed(board)->count), 0);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(atomic_load(&board_slot(board, i)->state), SLOT_FREE);
    assert_true(fcntl(board_fd(board), F_GETFD) & FD_CLOEXEC);
}

static void a_long_name_is_cut(void **state)
{
    (void)state;
    struct board *b;
    char name[200];
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(board_new(name, 1, &b), OK);
    assert_int_equal(strlen(board_head(b)->pool), 64);
    board_free(b);
}

static void a_board_without_slots_is_refused(void **state)
{
    (void)state;
    struct board *b;
    assert_int_equal(board_new("x", 0, &b), ERR_RANGE);
    assert_null(b);
    assert_int_equal(board_new("x", BOARD_SLOTS_MAX + 1, &b), ERR_RANGE);
}

static void slots_are_claimed_until_none_is_free(void **state)
{
    (void)state;
    assert_int_equal(board_claim(board), 0);
    assert_int_equal(board_claim(board), 1);
    assert_int_equal(board_claim(board), 2);
    assert_int_equal(board_claim(board), -1);
    board_release(board, 1);
    assert_int_equal(board_claim(board), 1);
    assert_int_equal(atomic_load(&board_slot(board, 1)->state), SLOT_STARTING);
}

static void a_worker_that_calls_its_slot_free_keeps_it(void **state)
{
    (void)state;
    assert_int_equal(board_claim(board), 0);
    atomic_store(&board_slot(board, 0)->state, SLOT_FREE);
    assert_int_equal(board_claim(board), 1);
    board_release(board, 0);
    assert_int_equal(board_claim(board), 0);
}

static void a_released_slot_is_remembered_in_the_head(void **state)
{
    (void)state;
    struct slot *s = board_slot(board, (uint32_t)board_claim(board));
    struct slot_request r = {.started = 7};
    slot_begin(s, &r);
    slot_end(s, 5000000, 100);
    slot_count(s, TALLY_REQUESTS);
    slot_count(s, TALLY_REQUESTS);
    slot_count(s, TALLY_SLOW);
    board_release(board, 0);
    assert_int_equal(board_head(board)->tally[TALLY_REQUESTS], 2);
    assert_int_equal(board_head(board)->tally[TALLY_SLOW], 1);
    assert_int_equal(board_head(board)->latency.count, 1);
    assert_int_equal(board_head(board)->latency.sum, 5000000);
    assert_int_equal(s->tally[TALLY_REQUESTS], 0);
    assert_int_equal(s->request.started, 0);
}

static void carrying_moves_and_never_counts_twice(void **state)
{
    (void)state;
    struct board *next;
    assert_int_equal(board_new("www", 1, &next), OK);
    board_head(board)->tally[TALLY_ERRORS] = 5;
    atomic_store(&board_shed(board)->count, 4);
    histogram_add(&board_head(board)->latency, 1000000);
    board_carry(next, board);
    board_carry(next, board);
    assert_int_equal(board_head(next)->tally[TALLY_ERRORS], 5);
    assert_int_equal(board_head(next)->latency.count, 1);
    assert_int_equal(atomic_load(&board_shed(next)->count), 4);
    assert_int_equal(atomic_load(&board_shed(board)->count), 0);
    board_free(next);
}

static void a_board_is_found_again_by_its_descriptor(void **state)
{
    (void)state;
    struct board *again;
    struct slot *s = board_slot(board, (uint32_t)board_claim(board));
    slot_count(s, TALLY_COLD);
    assert_int_equal(board_adopt(dup(board_fd(board)), &again), OK);
    assert_string_equal(board_head(again)->pool, "www");
    assert_int_equal(board_slot(again, 0)->tally[TALLY_COLD], 1);
    assert_true(fcntl(board_fd(again), F_GETFD) & FD_CLOEXEC);
    slot_count(board_slot(again, 0), TALLY_COLD);
    assert_int_equal(s->tally[TALLY_COLD], 2);
    board_free(again);
}

static void refused(int fd)
{
    struct board *b = (void *)1;
    assert_int_equal(board_adopt(fd, &b), ERR_MISMATCH);
    assert_null(b);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void what_is_no_board_is_refused_and_closed(void **state)
{
    (void)state;
    refused(open("/dev/null", O_RDWR));
    refused(memfd_create("empty", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    int fd = memfd_create("zero", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(fd, 1 << 20), 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
    refused(fd);
}

static void each_changed_byte_of_the_stamp_is_refused(void **state)
{
    (void)state;
    char *front = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
                       board_fd(board), 0);
    assert_true(front != MAP_FAILED);
    for (size_t i = 0; i < 36; i++) {
        front[i] ^= 1;
        refused(dup(board_fd(board)));
        front[i] ^= 1;
    }
    munmap(front, 4096);
}

static void a_board_cannot_shrink_under_its_readers(void **state)
{
    (void)state;
    assert_int_not_equal(ftruncate(board_fd(board), 0), 0);
}

static void write_own(struct slot *own)
{
    slot_set(own, SLOT_IDLE);
    slot_count(own, TALLY_WARM);
}

static void a_worker_writes_its_own_slot(void **state)
{
    (void)state;
    assert_int_equal(child(write_own), 0);
    struct slot *s = board_slot(board, 1);
    assert_int_equal(atomic_load(&s->state), SLOT_IDLE);
    assert_int_equal(s->tally[TALLY_WARM], 1);
    assert_true(s->pid > 0 && s->pid != getpid());
    assert_true(s->idle_since > 0);
}

static void write_other(struct slot *own)
{
    (void)own;
    slot_count(board_slot(board, 0), TALLY_WARM);
}

static void write_head(struct slot *own)
{
    (void)own;
    board_head(board)->crashed = 9;
}

static void write_shed(struct slot *own)
{
    (void)own;
    atomic_store(&board_shed(board)->count, 9);
}

static void unlock_other(struct slot *own)
{
    (void)own;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *p = (char *)board_slot(board, 0);
    if (mprotect(p, page, PROT_READ | PROT_WRITE) == 0)
        _exit(0);
    _exit(7);
}

static void a_worker_cannot_write_what_is_not_its_own(void **state)
{
    (void)state;
    static void (*const acts[])(struct slot *) = {write_other, write_head,
                                                  write_shed};
    for (size_t i = 0; i < 3; i++) {
        int status = child(acts[i]);
        assert_true(WIFSIGNALED(status));
    }
    int status = child(unlock_other);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
    assert_int_equal(board_head(board)->crashed, 0);
    assert_int_equal(board_slot(board, 0)->tally[TALLY_WARM], 0);
    assert_int_equal(atomic_load(&board_shed(board)->count), 0);
}

static size_t mappings(void)
{
    char text[512];
    size_t n = 0;
    FILE *f = fopen("/proc/self/maps", "r");
    while (f != NULL && fgets(text, sizeof text, f) != NULL)
        n += strstr(text, "snapcgi-board") != NULL;
    if (f != NULL)
        fclose(f);
    return n;
}

/* Its own board twice: to read, and its slot. */
static void only_own_board(struct slot *own)
{
    (void)own;
    _exit(mappings() == 2 ? 0 : 6);
}

static void a_worker_has_nothing_of_other_boards(void **state)
{
    (void)state;
    struct board *before, *after;
    struct board *own = board;
    assert_int_equal(board_new("before", 2, &before), OK);
    assert_int_equal(board_new("www", 3, &board), OK);
    assert_int_equal(board_new("after", 2, &after), OK);
    int status = child(only_own_board);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    board_free(before);
    board_free(after);
    board_free(own);
}

static void no_descriptor(struct slot *own)
{
    (void)own;
    char name[64];
    for (int fd = 0; fd < 64; fd++) {
        char path[32];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t n = readlink(path, name, sizeof name - 1);
        name[n > 0 ? n : 0] = '\0';
        if (strstr(name, "snapcgi-board") != NULL)
            _exit(8);
    }
    _exit(board_fd(board) == -1 ? 0 : 9);
}

static void a_worker_keeps_no_descriptor_of_it(void **state)
{
    (void)state;
    int status = child(no_descriptor);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void read_others(struct slot *own)
{
    (void)own;
    bool seen = board_slot(board, 0)->tally[TALLY_COLD] == 3 &&
                strcmp(board_head(board)->image, "abc") == 0;
    _exit(seen ? 0 : 1);
}

static void a_worker_reads_the_rest(void **state)
{
    (void)state;
    board_slot(board, 0)->tally[TALLY_COLD] = 3;
    strcpy(board_head(board)->image, "abc");
    assert_int_equal(child(read_others), 0);
}

static void the_monitor_writes_its_page_only(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGSEGV, SIG_DFL);
        signal(SIGBUS, SIG_DFL);
        if (board_watch(board) != OK)
            _exit(99);
        atomic_fetch_add(&board_shed(board)->count, 2);
        board_head(board)->crashed = 1;
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(atomic_load(&board_shed(board)->count), 2);
    assert_int_equal(board_head(board)->crashed, 0);
}

static void texts_of_a_hostile_worker_are_ended(void **state)
{
    (void)state;
    struct slot *s = board_slot(board, 0), copy;
    memset(&s->request, 'A', sizeof s->request);
    memset(s->kept.refusal, 'A', sizeof s->kept.refusal);
    atomic_store(&s->state, 77);
    assert_true(slot_read(s, &copy));
    assert_int_equal(atomic_load(&copy.state), SLOT_FREE);
    assert_int_equal(strlen(copy.request.id), sizeof copy.request.id - 1);
    assert_int_equal(strlen(copy.request.method),
                     sizeof copy.request.method - 1);
    assert_int_equal(strlen(copy.request.uri), sizeof copy.request.uri - 1);
    assert_int_equal(strlen(copy.request.script),
                     sizeof copy.request.script - 1);
    assert_int_equal(strlen(copy.request.user), sizeof copy.request.user - 1);
    assert_int_equal(strlen(copy.kept.refusal), sizeof copy.kept.refusal - 1);
}

static void a_writer_that_never_ends_costs_its_request_only(void **state)
{
    (void)state;
    struct slot *s = board_slot(board, 0), copy;
    strcpy(s->request.uri, "/half");
    slot_count(s, TALLY_SLOW);
    atomic_store(&s->turn, 1);
    assert_false(slot_read(s, &copy));
    assert_string_equal(copy.request.uri, "");
    assert_int_equal(copy.tally[TALLY_SLOW], 1);
    /* The next request makes it good. */
    struct slot_request r = {.uri = "/whole"};
    slot_begin(s, &r);
    assert_true(slot_read(s, &copy));
    assert_string_equal(copy.request.uri, "/whole");
}

/* Its id and its uri always agree. */
static void write_turns(struct slot *own)
{
    struct slot_request r = {0};
    for (uint64_t i = 1; i <= 200000; i++) {
        r.started = i;
        snprintf(r.id, sizeof r.id, "%llu", (unsigned long long)i);
        r.length = i;
        slot_begin(own, &r);
    }
    slot_set(own, SLOT_STOPPING);
}

static void a_reader_never_sees_half_a_request(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        struct slot *own;
        if (board_join(board, 1, &own) != OK)
            _exit(99);
        write_turns(own);
        _exit(0);
    }
    const struct slot *s = board_slot(board, 1);
    int status = 0;
    while (waitpid(pid, &status, WNOHANG) == 0) {
        struct slot copy;
        if (!slot_read(s, &copy) || copy.request.started == 0)
            continue;
        char id[24];
        snprintf(id, sizeof id, "%llu",
                 (unsigned long long)copy.request.started);
        assert_string_equal(copy.request.id, id);
        assert_int_equal(copy.request.length, copy.request.started);
    }
    assert_int_equal(status, 0);
}

static void a_worker_without_a_slot_does_no_harm(void **state)
{
    (void)state;
    struct slot_request r = {0};
    slot_set(NULL, SLOT_IDLE);
    slot_begin(NULL, &r);
    slot_end(NULL, 1, 1);
    slot_count(NULL, TALLY_COLD);
}

static void a_text_is_cut_and_ended(void **state)
{
    (void)state;
    struct slot_request r;
    slot_text(r.method, SLICE("PROPFINDPROPFINDPROPFIND"));
    assert_string_equal(r.method, "PROPFINDPROPFIN");
    slot_text(r.method, SLICE("GET"));
    assert_string_equal(r.method, "GET");
    slot_text(r.method, ((struct slice){NULL, 0}));
    assert_string_equal(r.method, "");
}

static void states_and_tallies_have_names(void **state)
{
    (void)state;
    for (unsigned i = SLOT_FREE; i <= SLOT_SAVING; i++)
        assert_string_not_equal(slot_state_name(i), "Unknown");
    assert_string_equal(slot_state_name((enum slot_state)9), "Unknown");
    for (int i = 0; i < TALLIES; i++)
        assert_non_null(tally_names[i]);
    assert_string_equal(board_phase_name(BOARD_STATELESS), "");
    assert_string_equal(board_phase_name(BOARD_PAUSED), "paused");
    assert_string_equal(board_phase_name(9), "unknown");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_board_has_a_name_and_nothing_else),
        TEST(a_long_name_is_cut),
        TEST(a_board_without_slots_is_refused),
        TEST(slots_are_claimed_until_none_is_free),
        TEST(a_worker_that_calls_its_slot_free_keeps_it),
        TEST(a_released_slot_is_remembered_in_the_head),
        TEST(carrying_moves_and_never_counts_twice),
        TEST(a_board_is_found_again_by_its_descriptor),
        TEST(what_is_no_board_is_refused_and_closed),
        TEST(each_changed_byte_of_the_stamp_is_refused),
        TEST(a_board_cannot_shrink_under_its_readers),
        TEST(a_worker_writes_its_own_slot),
        TEST(a_worker_cannot_write_what_is_not_its_own),
        TEST(a_worker_keeps_no_descriptor_of_it),
        TEST(a_worker_has_nothing_of_other_boards),
        TEST(a_worker_reads_the_rest),
        TEST(the_monitor_writes_its_page_only),
        TEST(texts_of_a_hostile_worker_are_ended),
        TEST(a_writer_that_never_ends_costs_its_request_only),
        TEST(a_reader_never_sees_half_a_request),
        TEST(a_worker_without_a_slot_does_no_harm),
        TEST(a_text_is_cut_and_ended),
        TEST(states_and_tallies_have_names),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
