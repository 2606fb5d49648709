/*
 * test_histogram.c - times into buckets and back.
 */
#include "base/histogram.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define US UINT64_C(1000)
#define MS (1000 * US)
#define SEC (1000 * MS)

static void an_empty_one_says_zero(void **state)
{
    (void)state;
    struct histogram h = {0};
    assert_int_equal(histogram_quantile(&h, 500), 0);
    assert_int_equal(histogram_until(&h, UINT64_MAX), 0);
}

static void a_single_time_is_known_to_seven_percent(void **state)
{
    (void)state;
    for (uint64_t ns = 1 * US; ns < 134 * SEC; ns += ns / 13 + 1) {
        struct histogram h = {0};
        histogram_add(&h, ns);
        for (unsigned permille = 0; permille <= 1000; permille += 500) {
            uint64_t said = histogram_quantile(&h, permille);
            assert_in_range(said, ns - ns * 7 / 100, ns + ns * 7 / 100);
        }
        assert_int_equal(h.count, 1);
        assert_int_equal(h.sum, ns);
    }
}

static void what_is_too_short_or_long_is_at_an_end(void **state)
{
    (void)state;
    struct histogram h = {0};
    histogram_add(&h, 0);
    histogram_add(&h, 1);
    assert_int_equal(h.bucket[0], 2);
    histogram_add(&h, UINT64_MAX);
    histogram_add(&h, 200 * SEC);
    assert_int_equal(h.bucket[HISTOGRAM_BUCKETS - 1], 2);
    assert_int_equal(histogram_until(&h, 0), 2);
    assert_int_equal(histogram_until(&h, UINT64_MAX), 4);
}

static void quantiles_split_what_was_added(void **state)
{
    (void)state;
    struct histogram h = {0};
    for (int i = 0; i < 90; i++)
        histogram_add(&h, 1 * MS);
    for (int i = 0; i < 9; i++)
        histogram_add(&h, 50 * MS);
    histogram_add(&h, 3 * SEC);
    assert_in_range(histogram_quantile(&h, 500), 930 * US, 1070 * US);
    assert_in_range(histogram_quantile(&h, 899), 930 * US, 1070 * US);
    assert_in_range(histogram_quantile(&h, 950), 46 * MS, 54 * MS);
    assert_in_range(histogram_quantile(&h, 1000), 2790 * MS, 3210 * MS);
}

static void counts_up_to_an_edge_are_exact(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 27; i++) {
        struct histogram h = {0};
        uint64_t edge = US << i;
        histogram_add(&h, edge - 1);
        histogram_add(&h, edge);
        histogram_add(&h, edge + 1);
        histogram_add(&h, 2 * edge);
        /* The first bucket is the first step above 1 us, too. */
        assert_int_equal(histogram_until(&h, edge), i == 0 ? 3 : 2);
        assert_int_equal(histogram_until(&h, 2 * edge), 4);
    }
}

static void merging_adds_all_of_both(void **state)
{
    (void)state;
    struct histogram a = {0}, b = {0}, both = {0};
    for (uint64_t i = 1; i < 1000; i++) {
        histogram_add(i % 3 ? &a : &b, i * i * US);
        histogram_add(&both, i * i * US);
    }
    histogram_merge(&a, &b);
    assert_memory_equal(&a, &both, sizeof a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_one_says_zero),
        cmocka_unit_test(a_single_time_is_known_to_seven_percent),
        cmocka_unit_test(what_is_too_short_or_long_is_at_an_end),
        cmocka_unit_test(quantiles_split_what_was_added),
        cmocka_unit_test(counts_up_to_an_edge_are_exact),
        cmocka_unit_test(merging_adds_all_of_both),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
