/*
 * test_buf.c - the buffer with a ceiling.
 */
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void what_is_put_in_comes_out(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 100);
    assert_int_equal(buf_puts(&b, "one "), OK);
    assert_int_equal(buf_putc(&b, '2'), OK);
    assert_int_equal(buf_slice(&b, SLICE(" three")), OK);
    assert_int_equal(buf_printf(&b, " %d", 4), OK);
    assert_string_equal(buf_str(&b), "one 2 three 4");
    assert_true(slice_is(buf_view(&b), "one 2 three 4"));
    buf_free(&b);
}

static void an_empty_buffer_is_an_empty_string(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 0);
    assert_string_equal(buf_str(&b), "");
    assert_int_equal(buf_view(&b).n, 0);
    assert_int_equal(buf_put(&b, NULL, 0), OK);
    buf_free(&b);
}

static void the_ceiling_itself_may_be_reached(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 5);
    assert_int_equal(buf_puts(&b, "12345"), OK);
    assert_string_equal(buf_str(&b), "12345");
    assert_int_equal(buf_putc(&b, '6'), ERR_TOOBIG);
    assert_string_equal(buf_str(&b), "12345");
    buf_free(&b);
}

static void a_failure_sticks(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 5);
    assert_int_equal(buf_puts(&b, "123456"), ERR_TOOBIG);
    assert_int_equal(buf_puts(&b, "1"), ERR_TOOBIG);
    assert_int_equal(buf_printf(&b, "1"), ERR_TOOBIG);
    assert_int_equal(b.n, 0);
    buf_clear(&b);
    assert_int_equal(buf_puts(&b, "1"), OK);
    buf_free(&b);
}

static void an_impossible_length_is_refused(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, SIZE_MAX);
    buf_puts(&b, "x");
    assert_int_equal(buf_reserve(&b, SIZE_MAX), ERR_TOOBIG);
    buf_free(&b);
}

static void long_formatted_text_is_whole(void **state)
{
    struct buf b;
    char text[3000];
    (void)state;
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    buf_init(&b, 2999);
    assert_int_equal(buf_printf(&b, "%s", text), OK);
    assert_string_equal(buf_str(&b), text);
    buf_clear(&b);
    assert_int_equal(buf_printf(&b, "%s!", text), ERR_TOOBIG);
    buf_free(&b);
}

static void room_can_be_filled_by_hand(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 1000);
    buf_puts(&b, "a");
    assert_int_equal(buf_reserve(&b, 999), OK);
    memset(b.p + b.n, 'b', 999);
    b.n += 999;
    assert_int_equal(strlen(buf_str(&b)), 1000);
    buf_free(&b);
}

static void the_front_can_be_dropped(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 10);
    buf_puts(&b, "abcdef");
    buf_skip(&b, 4);
    assert_string_equal(buf_str(&b), "ef");
    buf_skip(&b, 100);
    assert_string_equal(buf_str(&b), "");
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_put_in_comes_out),
        cmocka_unit_test(an_empty_buffer_is_an_empty_string),
        cmocka_unit_test(the_ceiling_itself_may_be_reached),
        cmocka_unit_test(a_failure_sticks),
        cmocka_unit_test(an_impossible_length_is_refused),
        cmocka_unit_test(long_formatted_text_is_whole),
        cmocka_unit_test(room_can_be_filled_by_hand),
        cmocka_unit_test(the_front_can_be_dropped),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
