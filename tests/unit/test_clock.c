/*
 * test_clock.c - clocks and stamps.
 */
#include "base/clock.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void a_stamp_is_utc_with_milliseconds(void **state)
{
    char out[25];
    (void)state;
    clock_stamp(0, out);
    assert_string_equal(out, "1970-01-01T00:00:00.000Z");
    clock_stamp(UINT64_C(1795232520) * NS_PER_S + 123 * NS_PER_MS, out);
    assert_string_equal(out, "2026-11-21T03:42:00.123Z");
    clock_stamp(UINT64_MAX, out);
    assert_string_equal(out, "2554-07-21T23:34:33.709Z");
}

static void monotonic_time_does_not_go_back(void **state)
{
    (void)state;
    uint64_t before = clock_mono();
    assert_true(clock_mono() >= before);
}

static void work_takes_processor_time(void **state)
{
    volatile unsigned sum = 0;
    (void)state;
    uint64_t before = clock_cpu();
    for (unsigned i = 0; i < 1000000; i++)
        sum += i;
    assert_true(clock_cpu() > before);
}

static void no_deadline_waits_for_ever(void **state)
{
    (void)state;
    assert_int_equal(clock_poll_ms(0), -1);
}

static void a_past_deadline_does_not_wait(void **state)
{
    (void)state;
    assert_int_equal(clock_poll_ms(1), 0);
}

static void a_wait_is_rounded_up(void **state)
{
    (void)state;
    int ms = clock_poll_ms(clock_mono() + 10 * NS_PER_S);
    assert_in_range(ms, 9000, 10000);
    assert_int_equal(clock_poll_ms(UINT64_MAX), INT_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stamp_is_utc_with_milliseconds),
        cmocka_unit_test(monotonic_time_does_not_go_back),
        cmocka_unit_test(work_takes_processor_time),
        cmocka_unit_test(no_deadline_waits_for_ever),
        cmocka_unit_test(a_past_deadline_does_not_wait),
        cmocka_unit_test(a_wait_is_rounded_up),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
