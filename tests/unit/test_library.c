#include "base/library.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <string.h>

#include <cmocka.h>

#define FUNCTIONS(F) F(floor) F(ceil)

static void functions_of_a_library_are_found(void **state)
{
    (void)state;
    struct math {
        FUNCTIONS(LIBRARY_MEMBER)
    } math;
    static const char *const names[] = {FUNCTIONS(LIBRARY_NAME) NULL};
    assert_int_equal(library_open("libm.so.6", names, &math, NULL), OK);
    assert_true(math.floor(1.5) == 1);
    assert_true(math.ceil(1.5) == 2);
}

static void a_missing_library_is_named(void **state)
{
    (void)state;
    static const char *const names[] = {NULL};
    void *none[1] = {NULL};
    struct why why;
    assert_int_equal(library_open("libno-such.so.9", names, none, &why),
                     ERR_FAIL);
    assert_non_null(strstr(why.text, "libno-such.so.9 cannot be loaded"));
}

static void a_missing_function_is_named_and_nothing_is_filled(void **state)
{
    (void)state;
    static const char *const names[] = {"floor", "no_such_function", NULL};
    void *pointers[2] = {NULL, NULL};
    struct why why;
    assert_int_equal(library_open("libm.so.6", names, pointers, &why),
                     ERR_FAIL);
    assert_string_equal(why.text, "libm.so.6 has no no_such_function");
    assert_null(pointers[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_of_a_library_are_found),
        cmocka_unit_test(a_missing_library_is_named),
        cmocka_unit_test(a_missing_function_is_named_and_nothing_is_filled),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
