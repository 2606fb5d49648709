/*
 * test_slice.c - borrowed bytes.
 */
#include "base/slice.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void no_string_is_the_empty_slice(void **state)
{
    (void)state;
    assert_int_equal(slice_of(NULL).n, 0);
    assert_true(slice_eq(slice_of(NULL), SLICE("")));
}

static void equal_bytes_are_equal(void **state)
{
    (void)state;
    assert_true(slice_eq(SLICE("abc"), slice_of("abc")));
    assert_false(slice_eq(SLICE("abc"), SLICE("abd")));
    assert_false(slice_is(SLICE("abc"), "ab"));
}

static void bytes_after_a_nul_count(void **state)
{
    (void)state;
    assert_false(slice_eq(SLICE("a\0b"), SLICE("a\0c")));
    assert_false(slice_is(SLICE("a\0b"), "a"));
}

static void letter_case_may_be_ignored(void **state)
{
    (void)state;
    assert_true(slice_iis(SLICE("Content-TYPE"), "content-type"));
    assert_false(slice_iis(SLICE("\xc4"), "\xe4"));
    assert_false(slice_iis(SLICE("["), "{"));
}

static void a_prefix_and_a_suffix_are_found(void **state)
{
    (void)state;
    assert_true(slice_starts(SLICE("env[A]"), "env["));
    assert_false(slice_starts(SLICE("env"), "env["));
    assert_true(slice_ends(SLICE("a.mjs"), ".mjs"));
    assert_false(slice_ends(SLICE("js"), ".js"));
    assert_true(slice_ends(SLICE(""), ""));
}

static void blanks_are_trimmed_off_both_ends(void **state)
{
    (void)state;
    assert_true(slice_is(slice_trim(SLICE(" \ta b\t ")), "a b"));
    assert_int_equal(slice_trim(SLICE("  \t")).n, 0);
    assert_int_equal(slice_trim(slice_of(NULL)).n, 0);
}

static void the_rest_past_the_end_is_empty(void **state)
{
    (void)state;
    assert_true(slice_is(slice_from(SLICE("abc"), 1), "bc"));
    assert_int_equal(slice_from(SLICE("abc"), 3).n, 0);
    assert_int_equal(slice_from(SLICE("abc"), 100).n, 0);
    assert_int_equal(slice_from(slice_of(NULL), 1).n, 0);
}

static void a_missing_byte_is_found_at_the_end(void **state)
{
    (void)state;
    assert_int_equal(slice_find(SLICE("a=b"), '='), 1);
    assert_int_equal(slice_find(SLICE("ab"), '='), 2);
    assert_int_equal(slice_find(slice_of(NULL), '='), 0);
}

static void a_number_is_digits_only(void **state)
{
    uint64_t v = 7;
    (void)state;
    assert_true(slice_u64(SLICE("0042"), 100, &v));
    assert_int_equal(v, 42);
    assert_false(slice_u64(SLICE(""), 100, &v));
    assert_false(slice_u64(SLICE("+1"), 100, &v));
    assert_false(slice_u64(SLICE("-1"), 100, &v));
    assert_false(slice_u64(SLICE(" 1"), 100, &v));
    assert_false(slice_u64(SLICE("1a"), 100, &v));
    assert_int_equal(v, 42);
}

static void a_number_over_its_maximum_is_refused(void **state)
{
    uint64_t v;
    (void)state;
    assert_true(slice_u64(SLICE("100"), 100, &v));
    assert_false(slice_u64(SLICE("101"), 100, &v));
    assert_false(slice_u64(SLICE("8"), 5, &v));
    assert_true(slice_u64(SLICE("18446744073709551615"), UINT64_MAX, &v));
    assert_true(v == UINT64_MAX);
    assert_false(slice_u64(SLICE("18446744073709551616"), UINT64_MAX, &v));
    assert_false(slice_u64(SLICE("99999999999999999999"), UINT64_MAX, &v));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_string_is_the_empty_slice),
        cmocka_unit_test(equal_bytes_are_equal),
        cmocka_unit_test(bytes_after_a_nul_count),
        cmocka_unit_test(letter_case_may_be_ignored),
        cmocka_unit_test(a_prefix_and_a_suffix_are_found),
        cmocka_unit_test(blanks_are_trimmed_off_both_ends),
        cmocka_unit_test(the_rest_past_the_end_is_empty),
        cmocka_unit_test(a_missing_byte_is_found_at_the_end),
        cmocka_unit_test(a_number_is_digits_only),
        cmocka_unit_test(a_number_over_its_maximum_is_refused),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
