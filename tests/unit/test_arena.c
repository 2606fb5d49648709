/*
 * test_arena.c - memory that ends at once.
 */
#include "base/arena.h"

#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static bool all_zero(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != 0)
            return false;
    return true;
}

static void memory_is_zeroed_and_aligned(void **state)
{
    struct arena a;
    (void)state;
    arena_init(&a);
    for (size_t n = 0; n < 300; n += 7) {
        char *p = arena_alloc(&a, n);
        assert_int_equal((uintptr_t)p % alignof(max_align_t), 0);
        assert_true(all_zero(p, n));
        memset(p, 0xff, n);
    }
    arena_free(&a);
}

static void a_large_object_fits(void **state)
{
    struct arena a;
    (void)state;
    arena_init(&a);
    memset(arena_alloc(&a, 100000), 1, 100000);
    assert_true(a.used >= 100000);
    arena_free(&a);
    assert_int_equal(a.used, 0);
}

static void copies_do_not_follow_their_source(void **state)
{
    struct arena a;
    char text[] = "hello";
    (void)state;
    arena_init(&a);
    char *copy = arena_strdup(&a, (struct slice){text, 4});
    struct slice bytes = arena_slice(&a, SLICE("a\0b"));
    text[0] = 'j';
    assert_string_equal(copy, "hell");
    assert_true(slice_eq(bytes, SLICE("a\0b")));
    assert_string_equal(arena_strdup(&a, slice_of(NULL)), "");
    arena_free(&a);
}

static void a_reset_arena_gives_zeroed_memory_again(void **state)
{
    struct arena a;
    (void)state;
    arena_init(&a);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 40; i++) {
            char *p = arena_alloc(&a, 1000);
            assert_true(all_zero(p, 1000));
            memset(p, 0xff, 1000);
        }
        arena_alloc(&a, 50000);
        arena_reset(&a);
        assert_int_equal(a.used, 0);
    }
    arena_free(&a);
}

static void an_unused_arena_can_be_reset(void **state)
{
    struct arena a;
    (void)state;
    arena_init(&a);
    arena_reset(&a);
    arena_free(&a);
    assert_null(a.head);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_and_aligned),
        cmocka_unit_test(a_large_object_fits),
        cmocka_unit_test(copies_do_not_follow_their_source),
        cmocka_unit_test(a_reset_arena_gives_zeroed_memory_again),
        cmocka_unit_test(an_unused_arena_can_be_reset),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
