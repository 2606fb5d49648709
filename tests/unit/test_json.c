/* test_json.c - JSON written and read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/json.h"

static struct buf out;

static int set_up(void **state)
{
    (void)state;
    buf_init(&out, 1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buf_free(&out);
    return 0;
}

static void members_have_commas_between_them(void **state)
{
    (void)state;
    struct json j = {.out = &out};
    json_begin(&j, NULL, '{');
    json_string(&j, "a", "x");
    json_begin(&j, "b", '[');
    json_number(&j, NULL, UINT64_MAX);
    json_begin(&j, NULL, '{');
    json_end(&j, '}');
    json_end(&j, ']');
    json_maybe(&j, "c", "");
    json_maybe(&j, "d", NULL);
    json_maybe(&j, "e", "y");
    json_bool(&j, "f", false);
    json_end(&j, '}');
    assert_string_equal(buf_str(&out),
                        "{\"a\":\"x\",\"b\":[18446744073709551615,{}],"
                        "\"c\":null,\"d\":null,\"e\":\"y\",\"f\":false}");
}

static void what_could_end_a_string_is_escaped(void **state)
{
    (void)state;
    json_text(&out, SLICE("a\"b\\c\n\x01\x7f\xff\xc3\xa9"));
    assert_string_equal(buf_str(&out), "\"a\\\"b\\\\c\\n\\u0001\\u007f\\ufffd"
                                       "\xc3\xa9\"");
}

/* Longer than a line of a log, and no character cut in two. */
static void a_long_string_is_whole(void **state)
{
    (void)state;
    struct buf text, back;
    struct json_in in;
    buf_init(&text, 1 << 20);
    buf_init(&back, 1 << 20);
    for (int shift = 0; shift < 4; shift++) {
        buf_clear(&text);
        buf_clear(&out);
        buf_put(&text, "xyz", (size_t)shift);
        for (int i = 0; i < 3000; i++)
            buf_puts(&text, "\xf0\x9f\x8d\x8b\xe2\x82\xac\x01");
        json_text(&out, buf_view(&text));
        in = (struct json_in){.rest = buf_view(&out)};
        assert_true(json_take_string(&in, &back));
        assert_true(json_done(&in));
        assert_true(slice_eq(buf_view(&text), buf_view(&back)));
    }
    buf_free(&text);
    buf_free(&back);
}

static bool reads(const char *json, const char *text)
{
    struct buf got;
    struct json_in in = {.rest = slice_of(json)};
    buf_init(&got, 100);
    bool good = json_take_string(&in, &got) && json_done(&in) &&
                slice_is(buf_view(&got), text);
    buf_free(&got);
    return good;
}

static void strings_are_read(void **state)
{
    (void)state;
    assert_true(reads("\"\"", ""));
    assert_true(reads(" \t\n\"a\" ", "a"));
    assert_true(reads("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t"));
    assert_true(reads("\"\\u0041\\u00e9\\u20AC\"", "A\xc3\xa9\xe2\x82\xac"));
    assert_true(reads("\"\\ud83c\\udf4b\"", "\xf0\x9f\x8d\x8b"));
    assert_true(reads("\"\\ud83cx\"", "\xef\xbf\xbdx"));
    assert_true(reads("\"\\udf4b\"", "\xef\xbf\xbd"));
    assert_true(reads("\"\\ud83c\\u0041\"", "\xef\xbf\xbd"
                                            "A"));
}

static void bad_strings_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",        "\"",        "\"a",         "a",        "\"\\",
        "\"\\x\"", "\"\\u12\"", "\"\\u12g4\"", "\"a\nb\"", "\"a\" b",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(reads(bad[i], "a"));
    struct json_in in = {.rest = SLICE("\"long\"")};
    struct buf small;
    buf_init(&small, 3);
    assert_false(json_take_string(&in, &small));
    buf_free(&small);
}

static bool skips(const char *json)
{
    struct json_in in = {.rest = slice_of(json)};
    return json_skip(&in) && json_done(&in);
}

static void any_value_can_be_passed_over(void **state)
{
    (void)state;
    char deep[300] = "";
    assert_true(skips("null"));
    assert_true(skips("-1.5e+3"));
    assert_true(skips(" {\"a\":[1,2,{}],\"b\":\"]\"} "));
    assert_true(skips("[]"));
    assert_false(skips(""));
    assert_false(skips("["));
    assert_false(skips("[1,]"));
    assert_false(skips("[1 2]"));
    assert_false(skips("{\"a\"}"));
    assert_false(skips("{a:1}"));
    assert_false(skips("{\"a\":1"));
    assert_false(skips("]"));
    memset(deep, '[', 200);
    assert_false(skips(deep));
    memset(deep, '[', 50);
    memset(deep + 50, ']', 50);
    deep[100] = '\0';
    assert_true(skips(deep));
}

static void numbers_have_limits(void **state)
{
    (void)state;
    struct json_in in = {.rest = SLICE(" 18446744073709551615")};
    uint64_t n = 0;
    assert_true(json_take_number(&in, &n));
    assert_true(n == UINT64_MAX);
    in.rest = SLICE("18446744073709551616");
    assert_false(json_take_number(&in, &n));
    in.rest = SLICE("-1");
    assert_false(json_take_number(&in, &n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
        TEST(members_have_commas_between_them),
        TEST(what_could_end_a_string_is_escaped),
        TEST(a_long_string_is_whole),
        TEST(strings_are_read),
        TEST(bad_strings_are_refused),
        TEST(any_value_can_be_passed_over),
        TEST(numbers_have_limits),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
