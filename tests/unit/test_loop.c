/*
 * test_loop.c - waiting for descriptors and deadlines.
 */
#include "base/loop.h"

#include "base/clock.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

struct pipes {
    struct loop loop;
    int a[2], b[2];
    int called;
    int fd;
    short events;
    int remove; /* a descriptor a callback stops watching, or -1 */
};

static int set_up(void **state)
{
    static struct pipes p;
    memset(&p, 0, sizeof(p));
    p.remove = -1;
    loop_init(&p.loop);
    *state = &p;
    return pipe(p.a) + pipe(p.b);
}

static int tear_down(void **state)
{
    struct pipes *p = *state;
    loop_free(&p->loop);
    close(p->a[0]);
    close(p->a[1]);
    close(p->b[0]);
    close(p->b[1]);
    return 0;
}

static void note(void *arg, int fd, short events)
{
    struct pipes *p = arg;
    p->called++;
    p->fd = fd;
    p->events = events;
    if (p->remove >= 0)
        loop_watch(&p->loop, p->remove, 0, NULL, NULL);
}

static void a_readable_descriptor_is_reported(void **state)
{
    struct pipes *p = *state;
    loop_watch(&p->loop, p->a[0], POLLIN, note, p);
    loop_watch(&p->loop, p->b[0], POLLIN, note, p);
    assert_int_equal(write(p->b[1], "x", 1), 1);
    assert_int_equal(loop_wait(&p->loop, 0), OK);
    assert_int_equal(p->called, 1);
    assert_int_equal(p->fd, p->b[0]);
    assert_int_equal(p->events, POLLIN);
}

static void a_deadline_ends_the_wait(void **state)
{
    struct pipes *p = *state;
    loop_watch(&p->loop, p->a[0], POLLIN, note, p);
    uint64_t deadline = clock_mono() + 20 * NS_PER_MS;
    assert_int_equal(loop_wait(&p->loop, deadline), ERR_TIMEOUT);
    assert_true(clock_mono() >= deadline);
    assert_int_equal(p->called, 0);
}

static void nothing_watched_is_a_sleep(void **state)
{
    struct pipes *p = *state;
    assert_true(loop_empty(&p->loop));
    assert_int_equal(loop_wait(&p->loop, clock_mono() + NS_PER_MS),
                     ERR_TIMEOUT);
}

static void a_removed_watch_is_silent(void **state)
{
    struct pipes *p = *state;
    loop_watch(&p->loop, p->a[0], POLLIN, note, p);
    loop_watch(&p->loop, p->a[0], 0, NULL, NULL);
    loop_watch(&p->loop, 12345, 0, NULL, NULL);
    assert_true(loop_empty(&p->loop));
}

static void a_second_watch_replaces_the_first(void **state)
{
    struct pipes *p = *state;
    loop_watch(&p->loop, p->a[1], POLLIN, note, p);
    loop_watch(&p->loop, p->a[1], POLLOUT, note, p);
    assert_int_equal(p->loop.count, 1);
    assert_int_equal(loop_wait(&p->loop, 0), OK);
    assert_int_equal(p->events, POLLOUT);
}

static void a_callback_may_remove_another_watch(void **state)
{
    struct pipes *p = *state;
    loop_watch(&p->loop, p->a[0], POLLIN, note, p);
    loop_watch(&p->loop, p->b[0], POLLIN, note, p);
    assert_int_equal(write(p->a[1], "x", 1), 1);
    assert_int_equal(write(p->b[1], "x", 1), 1);
    p->remove = p->b[0];
    assert_int_equal(loop_wait(&p->loop, 0), OK);
    assert_int_equal(p->called, 1);
    assert_int_equal(p->fd, p->a[0]);
}

static void a_closed_peer_is_reported(void **state)
{
    struct pipes *p = *state;
    loop_watch(&p->loop, p->a[0], POLLIN, note, p);
    close(p->a[1]);
    assert_int_equal(loop_wait(&p->loop, 0), OK);
    assert_true(p->events & POLLHUP);
    p->a[1] = dup(p->a[0]);
}

static void many_descriptors_can_be_watched(void **state)
{
    struct pipes *p = *state;
    for (int i = 0; i < 1000; i++)
        assert_int_equal(loop_watch(&p->loop, -2 - i, POLLIN, note, p), OK);
    loop_watch(&p->loop, p->a[1], POLLOUT, note, p);
    assert_int_equal(loop_wait(&p->loop, 0), OK);
    assert_int_equal(p->called, 1);
    loop_clear(&p->loop);
    assert_true(loop_empty(&p->loop));
}

static void on_alarm(int sig)
{
    (void)sig;
}

static void a_signal_ends_the_wait(void **state)
{
    struct pipes *p = *state;
    struct sigaction sa = {.sa_handler = on_alarm};
    struct itimerval soon = {.it_value = {.tv_usec = 10000}};
    sigaction(SIGALRM, &sa, NULL);
    loop_watch(&p->loop, p->a[0], POLLIN, note, p);
    setitimer(ITIMER_REAL, &soon, NULL);
    assert_int_equal(loop_wait(&p->loop, 0), ERR_ABORTED);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_readable_descriptor_is_reported),
        TEST(a_deadline_ends_the_wait),
        TEST(nothing_watched_is_a_sleep),
        TEST(a_removed_watch_is_silent),
        TEST(a_second_watch_replaces_the_first),
        TEST(a_callback_may_remove_another_watch),
        TEST(a_closed_peer_is_reported),
        TEST(many_descriptors_can_be_watched),
        TEST(a_signal_ends_the_wait),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
