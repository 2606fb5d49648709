/* application/x-www-form-urlencoded: the C under URLSearchParams. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bind/form.h"

#include <stdlib.h>
#include <string.h>

/* The pairs of text as "name|value;" each. */
static void expect_pairs(const char *text, const char *want)
{
    struct slice name, value;
    size_t n = strlen(text);
    char *in = malloc(n + (n == 0)), *scratch = malloc(n + (n == 0));
    struct buf got;
    assert_non_null(in);
    assert_non_null(scratch);
    memcpy(in, text, n);
    struct slice rest = {in, n};
    char *at = scratch;
    buf_init(&got, 1000);
    while (form_next(&rest, &at, &name, &value)) {
        buf_slice(&got, name);
        buf_putc(&got, '|');
        buf_slice(&got, value);
        buf_putc(&got, ';');
    }
    assert_true(at - scratch <= (ptrdiff_t)n);
    assert_string_equal(buf_str(&got), want);
    buf_free(&got);
    free(in);
    free(scratch);
}

static void a_query_is_split_at_and_and_equals(void **state)
{
    (void)state;
    expect_pairs("a=b&c=d", "a|b;c|d;");
    expect_pairs("a=b=c", "a|b=c;");
    expect_pairs("a&=b", "a|;|b;");
    expect_pairs("=", "|;");
}

static void an_empty_piece_is_no_pair(void **state)
{
    (void)state;
    expect_pairs("", "");
    expect_pairs("&&", "");
    expect_pairs("&a=b&", "a|b;");
}

static void plus_and_percent_are_decoded(void **state)
{
    (void)state;
    expect_pairs("a+b=c%20d%2B", "a b|c d+;");
    expect_pairs("%c3%A9=%e2%82%ac", "\xc3\xa9|\xe2\x82\xac;");
    expect_pairs("a%3Db%26=%3d", "a=b&|=;");
}

static void a_broken_percent_stays(void **state)
{
    (void)state;
    expect_pairs("%=%4&%zz=%4g%", "%|%4;%zz|%4g%;");
    expect_pairs("%%41=%2", "%A|%2;");
}

static void a_zero_byte_is_a_byte(void **state)
{
    (void)state;
    struct slice rest = SLICE("a%00b"), name, value;
    char scratch[8], *at = scratch;
    assert_true(form_next(&rest, &at, &name, &value));
    assert_int_equal(name.n, 3);
    assert_memory_equal(name.p, "a\0b", 3);
}

static void what_is_not_plain_is_percent_encoded(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1000);
    form_put(&out, SLICE("a b"), SLICE("*-._aZ09"));
    form_put(&out, SLICE("~!'()"), SLICE("\xc3\xa9&=+%"));
    form_put(&out, SLICE(""), SLICE(""));
    assert_string_equal(buf_str(&out),
                        "a+b=*-._aZ09&%7E%21%27%28%29=%C3%A9%26%3D%2B%25&=");
    buf_free(&out);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_query_is_split_at_and_and_equals),
        cmocka_unit_test(an_empty_piece_is_no_pair),
        cmocka_unit_test(plus_and_percent_are_decoded),
        cmocka_unit_test(a_broken_percent_stays),
        cmocka_unit_test(a_zero_byte_is_a_byte),
        cmocka_unit_test(what_is_not_plain_is_percent_encoded),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
