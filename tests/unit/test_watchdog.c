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

#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static _Atomic(struct engine *) ended;
static atomic_int times, reason;
static atomic_int slow, last;   /* how often these moments came */
static atomic_int last_refused; /* how often `last` says: again */
static _Atomic uint64_t kill_at;
static char some, other;

void engine_terminate(struct engine *e, enum engine_stop why)
{
    ended = e;
    reason = (int)why;
    times++;
}

static void on_slow(void *arg, struct engine *e)
{
    assert_ptr_equal(arg, &some);
    (void)e;
    slow++;
}

static bool on_last(void *arg, struct engine *e)
{
    (void)arg;
    (void)e;
    last++;
    return last > last_refused;
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
    times = reason = slow = last = last_refused = 0;
    kill_at = 0;
    return 0;
}

static void arm(char *which, uint64_t deadline)
{
    watchdog_arm(
        &(struct watch){.engine = engine(which), .deadline = deadline});
}

/* Waits until n is counted, for 5 s at most. */
static bool comes(atomic_int *counter, int n)
{
    for (int i = 0; i < 500 && *counter < n; i++)
        pause_ms(10);
    return *counter >= n;
}

static uint64_t burn(uint64_t cpu)
{
    volatile uint64_t n = 0;
    for (uint64_t end = clock_cpu() + cpu; clock_cpu() < end;)
        n = n + 1;
    return n;
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
    arm(&some, in_ms(30));
    pause_ms(10);
    assert_int_equal(times, 0);
    pause_ms(100);
    assert_int_equal(times, 1);
    assert_ptr_equal(ended, engine(&some));
}

static void a_deadline_in_the_past_ends_at_once(void **state)
{
    (void)state;
    arm(&some, 1);
    pause_ms(60);
    assert_int_equal(times, 1);
}

static void disarmed_in_time_nothing_happens(void **state)
{
    (void)state;
    arm(&some, in_ms(30));
    watchdog_disarm();
    pause_ms(80);
    assert_int_equal(times, 0);
}

static void an_earlier_deadline_wakes_it_earlier(void **state)
{
    (void)state;
    arm(&some, in_ms(60000));
    pause_ms(10);
    watchdog_disarm();
    arm(&other, in_ms(20));
    pause_ms(100);
    assert_int_equal(times, 1);
    assert_ptr_equal(ended, engine(&other));
}

static void a_later_deadline_replaces_an_earlier_one(void **state)
{
    (void)state;
    arm(&some, in_ms(20));
    arm(&some, in_ms(150));
    pause_ms(80);
    assert_int_equal(times, 0);
    pause_ms(150);
    assert_int_equal(times, 1);
}

static void a_slow_request_is_told_once_and_goes_on(void **state)
{
    (void)state;
    watchdog_arm(&(struct watch){.engine = engine(&some),
                                 .slow = in_ms(20),
                                 .deadline = in_ms(60000),
                                 .is_slow = on_slow,
                                 .arg = &some});
    assert_true(comes(&slow, 1));
    pause_ms(60);
    assert_int_equal(slow, 1);
    assert_int_equal(times, 0);
}

static void slow_comes_before_a_deadline_that_is_over_too(void **state)
{
    (void)state;
    watchdog_arm(&(struct watch){.engine = engine(&some),
                                 .slow = 1,
                                 .deadline = 2,
                                 .is_slow = on_slow,
                                 .arg = &some});
    assert_true(comes(&times, 1));
    assert_int_equal(slow, 1);
    assert_int_equal(reason, STOP_TIME);
}

static struct watch costly(uint64_t ms)
{
    return (struct watch){.engine = engine(&some),
                          .deadline = in_ms(60000),
                          .cpu_limit = ms * NS_PER_MS,
                          .cpu_start = clock_cpu(),
                          .started = clock_mono()};
}

static void processor_time_is_limited(void **state)
{
    (void)state;
    struct watch w = costly(50);
    watchdog_arm(&w);
    burn(70 * NS_PER_MS);
    assert_true(comes(&times, 1));
    assert_int_equal(reason, STOP_CPU);
}

static void waiting_uses_no_processor_time(void **state)
{
    (void)state;
    struct watch w = costly(50);
    watchdog_arm(&w);
    pause_ms(200);
    assert_int_equal(times, 0);
}

static void processor_time_of_before_counts_when_armed_again(void **state)
{
    (void)state;
    struct watch w = costly(100);
    watchdog_arm(&w);
    burn(60 * NS_PER_MS);
    watchdog_disarm();
    watchdog_arm(&w);
    burn(60 * NS_PER_MS);
    assert_true(comes(&times, 1));
}

static void who_does_not_end_has_last_words_after_the_grace(void **state)
{
    (void)state;
    watchdog_arm(&(struct watch){
        .engine = engine(&some), .deadline = in_ms(10), .last = on_last});
    assert_true(comes(&times, 1));
    assert_int_equal(last, 0);
    assert_true(comes(&last, 1));
    pause_ms(100);
    assert_int_equal(last, 1);
    assert_int_equal(times, 1);
}

static void last_words_that_cannot_be_said_are_tried_again(void **state)
{
    (void)state;
    last_refused = 2;
    watchdog_arm(&(struct watch){
        .engine = engine(&some), .deadline = in_ms(10), .last = on_last});
    assert_true(comes(&last, 3));
    pause_ms(100);
    assert_int_equal(last, 3);
}

static void disarmed_in_the_grace_there_are_no_last_words(void **state)
{
    (void)state;
    watchdog_arm(&(struct watch){
        .engine = engine(&some), .deadline = in_ms(10), .last = on_last});
    assert_true(comes(&times, 1));
    watchdog_disarm();
    pause_ms((long)(WATCHDOG_GRACE_NS / NS_PER_MS) + 100);
    assert_int_equal(last, 0);
}

static void others_know_when_to_kill_it(void **state)
{
    (void)state;
    uint64_t deadline = in_ms(60000);
    watchdog_arm(&(struct watch){.engine = engine(&some),
                                 .deadline = deadline,
                                 .kill_at = &kill_at,
                                 .kill_grace = 7});
    assert_true(kill_at == deadline + 7);
    watchdog_disarm();
    assert_true(kill_at == 0);
}

static void ended_for_processor_time_it_is_killed_sooner(void **state)
{
    (void)state;
    struct watch w = costly(20);
    w.kill_at = &kill_at;
    w.kill_grace = NS_PER_S;
    watchdog_arm(&w);
    burn(40 * NS_PER_MS);
    assert_true(comes(&times, 1));
    assert_true(kill_at <= clock_mono() + NS_PER_S);
}

/* ---- by signal, in a process of its own ---------------------------------- */

static void end_now(int sig)
{
    _exit(sig == SIGPROF ? 44 : 42);
}

static volatile sig_atomic_t calls;

static void end_at_the_third(int sig)
{
    (void)sig;
    if (++calls == 3)
        _exit(43);
}

static int status_of_alone(void (*last_words)(int), bool blocked,
                           const struct watch *w)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGALRM);
        sigaddset(&set, SIGPROF);
        sigprocmask(blocked ? SIG_BLOCK : SIG_UNBLOCK, &set, NULL);
        watchdog_start_alarm(last_words);
        watchdog_arm(w);
        for (uint64_t until = in_ms(5000); clock_mono() < until;)
            burn(NS_PER_MS);
        _exit(1);
    }
    waitpid(pid, &status, 0);
    return WEXITSTATUS(status);
}

static void the_alarm_comes_though_the_starter_had_it_blocked(void **state)
{
    (void)state;
    struct watch w = {.deadline = in_ms(10)};
    assert_int_equal(status_of_alone(end_now, true, &w), 42);
}

static void the_alarm_comes_again_until_last_words_are_said(void **state)
{
    (void)state;
    struct watch w = {.deadline = in_ms(10)};
    assert_int_equal(status_of_alone(end_at_the_third, false, &w), 43);
}

static void an_alarm_comes_for_processor_time_too(void **state)
{
    (void)state;
    struct watch w = {.deadline = in_ms(60000), .cpu_limit = 50 * NS_PER_MS};
    assert_int_equal(status_of_alone(end_now, true, &w), 44);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        /* Before the thread: each starts a watchdog of its own. */
        cmocka_unit_test(the_alarm_comes_though_the_starter_had_it_blocked),
        cmocka_unit_test(the_alarm_comes_again_until_last_words_are_said),
        cmocka_unit_test(an_alarm_comes_for_processor_time_too),
        cmocka_unit_test_setup_teardown(the_engine_is_ended_after_its_deadline,
                                        start, tear_down),
        T(a_deadline_in_the_past_ends_at_once),
        T(disarmed_in_time_nothing_happens),
        T(an_earlier_deadline_wakes_it_earlier),
        T(a_later_deadline_replaces_an_earlier_one),
        T(a_slow_request_is_told_once_and_goes_on),
        T(slow_comes_before_a_deadline_that_is_over_too),
        T(processor_time_is_limited),
        T(waiting_uses_no_processor_time),
        T(processor_time_of_before_counts_when_armed_again),
        T(who_does_not_end_has_last_words_after_the_grace),
        T(last_words_that_cannot_be_said_are_tried_again),
        T(disarmed_in_the_grace_there_are_no_last_words),
        T(others_know_when_to_kill_it),
        T(ended_for_processor_time_it_is_killed_sooner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
