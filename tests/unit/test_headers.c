/*
 * test_headers.c - the list of fields and its grammar.
 */
#include "cgi/headers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

static void a_field_is_found_whatever_its_case(void **state)
{
    (void)state;
    struct arena a;
    struct headers h;
    arena_init(&a);
    headers_init(&h, &a);
    headers_add(&h, SLICE("content-type"), SLICE("text/html"));
    assert_non_null(headers_find(&h, "Content-Type"));
    assert_null(headers_find(&h, "content"));
    arena_free(&a);
}

static void many_fields_keep_their_order(void **state)
{
    (void)state;
    struct arena a;
    struct headers h;
    arena_init(&a);
    headers_init(&h, &a);
    for (int i = 0; i < 100; i++)
        headers_add(&h, SLICE("x"), i % 2 ? SLICE("odd") : SLICE("even"));
    assert_int_equal(h.count, 100);
    assert_true(slice_is(h.list[98].value, "even"));
    assert_true(slice_is(h.list[99].value, "odd"));
    arena_free(&a);
}

static void a_name_is_a_token(void **state)
{
    (void)state;
    assert_true(headers_name_ok(SLICE("X-a_b.c!#$%&'*+^`|~9")));
    assert_false(headers_name_ok(SLICE("")));
    assert_false(headers_name_ok(SLICE("a b")));
    assert_false(headers_name_ok(SLICE("a:")));
    assert_false(headers_name_ok(SLICE("a\r\n")));
    assert_false(headers_name_ok(SLICE("a\0b")));
    assert_false(headers_name_ok(SLICE("\xe9")));
    assert_false(headers_name_ok(SLICE("a(b)")));
}

static void a_value_has_no_control_character(void **state)
{
    (void)state;
    assert_true(headers_value_ok(SLICE("")));
    assert_true(headers_value_ok(SLICE("a\tb \xe9\xff")));
    assert_false(headers_value_ok(SLICE("a\0b")));
    assert_false(headers_value_ok(SLICE("a\rb")));
    assert_false(headers_value_ok(SLICE("a\nb")));
    assert_false(headers_value_ok(SLICE("a\x7f")));
    assert_false(headers_value_ok(SLICE("a\x01")));
}

static void connection_fields_are_known(void **state)
{
    (void)state;
    assert_true(headers_hop_by_hop(SLICE("Transfer-Encoding")));
    assert_true(headers_hop_by_hop(SLICE("TE")));
    assert_true(headers_hop_by_hop(SLICE("keep-alive")));
    assert_false(headers_hop_by_hop(SLICE("content-type")));
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_field_is_found_whatever_its_case),
        cmocka_unit_test(many_fields_keep_their_order),
        cmocka_unit_test(a_name_is_a_token),
        cmocka_unit_test(a_value_has_no_control_character),
        cmocka_unit_test(connection_fields_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
