/*
 * test_watchdog.c - when JavaScript is ended, and when it is left alone.
 *
 * The engine is not linked: engine_terminate() is the one below.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "engine/engine.h"
#include "serve/watchdog.h"

#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static _Atomic(struct engine *) ended;
static atomic_int times;
static char some, other;

void engine_terminate(struct engine *e)
{
    ended = e;
    times++;
}

static struct engine *engine(char *which)
{
    return (struct engine *)(void *)which;
}

static void pause_ms(long ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

static uint64_t in_ms(uint64_t ms)
{
    return clock_mono() + ms * NS_PER_MS;
}

static int set_up(void **state)
{
    (void)state;
    ended = NULL;
    times = 0;
    return 0;
}

static int start(void **state)
{
    watchdog_start();
    return set_up(state);
}

static int tear_down(void **state)
{
    (void)state;
    watchdog_disarm();
    return 0;
}

static void the_engine_is_ended_after_its_deadline(void **state)
{
    (void)state;
    watchdog_arm(engine(&some), -1, in_ms(30));
    pause_ms(10);
    assert_int_equal(times, 0);
    pause_ms(100);
    assert_int_equal(times, 1);
    assert_ptr_equal(ended, engine(&some));
}

static void a_deadline_in_the_past_ends_at_once(void **state)
{
    (void)state;
    watchdog_arm(engine(&some), -1, 1);
    pause_ms(60);
    assert_int_equal(times, 1);
}

static void disarmed_in_time_nothing_happens(void **state)
{
    (void)state;
    watchdog_arm(engine(&some), -1, in_ms(30));
    watchdog_disarm();
    pause_ms(80);
    assert_int_equal(times, 0);
}

static void an_earlier_deadline_wakes_it_earlier(void **state)
{
    (void)state;
    watchdog_arm(engine(&some), -1, in_ms(60000));
    pause_ms(10);
    watchdog_disarm();
    watchdog_arm(engine(&other), -1, in_ms(20));
    pause_ms(100);
    assert_int_equal(times, 1);
    assert_ptr_equal(ended, engine(&other));
}

static void a_later_deadline_replaces_an_earlier_one(void **state)
{
    (void)state;
    watchdog_arm(engine(&some), -1, in_ms(20));
    watchdog_arm(engine(&some), -1, in_ms(150));
    pause_ms(80);
    assert_int_equal(times, 0);
    pause_ms(150);
    assert_int_equal(times, 1);
}

static void the_connection_is_shut_down_after_the_grace(void **state)
{
    int pair[2];
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    struct pollfd p = {.fd = pair[1], .events = POLLIN};
    watchdog_arm(engine(&some), pair[0], in_ms(10));
    assert_int_equal(poll(&p, 1, 200), 0);
    assert_int_equal(times, 1);
    assert_int_equal(poll(&p, 1, (int)(WATCHDOG_GRACE_NS / NS_PER_MS) + 500),
                     1);
    assert_int_equal(times, 1);
    close(pair[0]);
    close(pair[1]);
}

static void disarmed_in_the_grace_the_connection_stays(void **state)
{
    int pair[2];
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    struct pollfd p = {.fd = pair[1], .events = POLLIN};
    watchdog_arm(engine(&some), pair[0], in_ms(10));
    pause_ms(100);
    assert_int_equal(times, 1);
    watchdog_disarm();
    assert_int_equal(poll(&p, 1, (int)(WATCHDOG_GRACE_NS / NS_PER_MS) + 300),
                     0);
    close(pair[0]);
    close(pair[1]);
}

/* ---- by signal, in a process of its own ---------------------------------- */

static void end_now(int sig)
{
    (void)sig;
    _exit(42);
}

static volatile sig_atomic_t calls;

static void end_at_the_third(int sig)
{
    (void)sig;
    if (++calls == 3)
        _exit(43);
}

static int status_of_alone(void (*last_words)(int), bool blocked)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGALRM);
        sigprocmask(blocked ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
        watchdog_start_alarm(last_words);
        watchdog_arm(engine(&some), -1, in_ms(10));
        for (uint64_t until = in_ms(2000); clock_mono() < until;)
            pause_ms(100);
        _exit(1);
    }
    waitpid(pid, &status, 0);
    return WEXITSTATUS(status);
}

static void the_alarm_comes_though_the_starter_had_it_blocked(void **state)
{
    (void)state;
    assert_int_equal(status_of_alone(end_now, true), 42);
}

static void the_alarm_comes_again_until_last_words_are_said(void **state)
{
    (void)state;
    assert_int_equal(status_of_alone(end_at_the_third, false), 43);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        /* Before the thread: each starts a watchdog of its own. */
        cmocka_unit_test(the_alarm_comes_though_the_starter_had_it_blocked),
        cmocka_unit_test(the_alarm_comes_again_until_last_words_are_said),
        cmocka_unit_test_setup_teardown(the_engine_is_ended_after_its_deadline,
                                        start, tear_down),
        T(a_deadline_in_the_past_ends_at_once),
        T(disarmed_in_time_nothing_happens),
        T(an_earlier_deadline_wakes_it_earlier),
        T(a_later_deadline_replaces_an_earlier_one),
        T(the_connection_is_shut_down_after_the_grace),
        T(disarmed_in_the_grace_the_connection_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
