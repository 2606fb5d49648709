/* test_hash.c - the published examples of FNV-1a. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/hash.h"

static uint64_t hash_of(const char *p, size_t n)
{
    uint64_t h = HASH_START;
    hash_add(&h, p, n);
    return h;
}

static void it_is_fnv_1a(void **state)
{
    (void)state;
    assert_true(hash_of("", 0) == HASH_START);
    assert_true(hash_of("a", 1) == UINT64_C(0xaf63dc4c8601ec8c));
    assert_true(hash_of("foobar", 6) == UINT64_C(0x85944171f73967e8));
    assert_true(hash_of("\xff", 1) != hash_of("\x7f", 1));
}

static void parts_make_the_hash_of_the_whole(void **state)
{
    uint64_t h = HASH_START;
    (void)state;
    hash_add(&h, "foo", 3);
    hash_add(&h, NULL, 0);
    hash_add(&h, "bar", 3);
    assert_true(h == hash_of("foobar", 6));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_fnv_1a),
        cmocka_unit_test(parts_make_the_hash_of_the_whole),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
