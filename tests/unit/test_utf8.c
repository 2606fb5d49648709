/* UTF-8 out of Latin-1, a word at a time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

static void expect(struct slice latin1, struct slice want)
{
    size_t high = utf8_count_high(latin1), n = latin1.n + high;
    char *p = malloc(n + (n == 0));
    assert_non_null(p);
    assert_int_equal(n, want.n);
    memcpy(p + high, latin1.p, latin1.n);
    utf8_from_latin1(p, latin1.n, high);
    assert_memory_equal(p, want.p, n);
    assert_int_equal(utf8_units(want), latin1.n);
    free(p);
}

static void latin1_of_every_length_becomes_utf8(void **state)
{
    (void)state;
    expect(SLICE(""), SLICE(""));
    expect(SLICE("abc"), SLICE("abc"));
    expect(SLICE("\xe9"), SLICE("\xc3\xa9"));
    expect(SLICE("abcdefgh\x80\xbf\xc0\xff"),
           SLICE("abcdefgh\xc2\x80\xc2\xbf\xc3\x80\xc3\xbf"));
    expect(SLICE("\xe9 abcdefghijklmnopqrst \xe9"),
           SLICE("\xc3\xa9 abcdefghijklmnopqrst \xc3\xa9"));
}

static void high_bytes_may_stand_anywhere(void **state)
{
    char latin1[64], want[128];
    unsigned x = 1;
    (void)state;
    for (int round = 0; round < 20000; round++) {
        size_t n = 0, m = 0, size = (x >> 16) % sizeof(latin1);
        unsigned rare = 1u << round % 6;
        while (n < size) {
            x = x * 1103515245 + 12345;
            bool high = (x >> 16) % rare == 0;
            unsigned b = high ? 0x80 | x >> 25 : x >> 25;
            latin1[n++] = (char)b;
            if (high)
                want[m++] = (char)(0xc0 | b >> 6);
            want[m++] = (char)(high ? 0x80 | (b & 0x3f) : b);
        }
        expect((struct slice){latin1, n}, (struct slice){want, m});
    }
}

static void each_byte_is_counted_at_each_place(void **state)
{
    char text[24];
    (void)state;
    for (size_t at = 0; at < sizeof(text); at++)
        for (size_t n = at + 1; n <= sizeof(text); n++) {
            memset(text, 'a', sizeof(text));
            text[at] = (char)0xa9;
            assert_int_equal(utf8_count_high((struct slice){text, n}), 1);
            assert_int_equal(utf8_units((struct slice){text, n}), n - 1);
            text[at] = (char)0xf0;
            assert_int_equal(utf8_units((struct slice){text, n}), n + 1);
        }
}

static void a_character_past_the_first_plane_is_two_units(void **state)
{
    (void)state;
    assert_int_equal(utf8_units(SLICE("a\xc3\xa9\xe2\x82\xac")), 3);
    assert_int_equal(utf8_units(SLICE("\xf0\x9d\x8c\x86\xf0\x9d\x8c\x86z")), 5);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(latin1_of_every_length_becomes_utf8),
        cmocka_unit_test(high_bytes_may_stand_anywhere),
        cmocka_unit_test(each_byte_is_counted_at_each_place),
        cmocka_unit_test(a_character_past_the_first_plane_is_two_units),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
