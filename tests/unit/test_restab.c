#include "engine/restab.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int closed[8]; /* numbers in the order they were closed */
static int closed_count;

static void note(void *p)
{
    closed[closed_count++ % 8] = *(int *)p;
}

static const struct reskind apple = {"apple", note};
static const struct reskind pear = {"pear", note};
static int numbers[] = {0, 1, 2, 3};

static int begin(void **state)
{
    static struct restab table;
    restab_init(&table);
    closed_count = 0;
    *state = &table;
    return 0;
}

static int finish(void **state)
{
    restab_close(*state);
    return 0;
}

static void what_was_added_is_found_by_its_number(void **state)
{
    struct restab *t = *state;
    int32_t id = restab_add(t, &apple, &numbers[1]);
    assert_true(id > 0);
    assert_ptr_equal(restab_get(t, &apple, id), &numbers[1]);
}

static void a_number_is_of_one_kind(void **state)
{
    struct restab *t = *state;
    int32_t id = restab_add(t, &apple, &numbers[1]);
    assert_null(restab_get(t, &pear, id));
}

static void numbers_nobody_gave_find_nothing(void **state)
{
    struct restab *t = *state;
    int32_t id = restab_add(t, &apple, &numbers[1]);
    static const int32_t bad[] = {0, -1, INT32_MIN, INT32_MAX, 1};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_null(restab_get(t, &apple, bad[i]));
        restab_drop(t, bad[i]);
    }
    assert_non_null(restab_get(t, &apple, id));
    assert_int_equal(closed_count, 0);
}

static void a_dropped_thing_is_closed_once(void **state)
{
    struct restab *t = *state;
    int32_t id = restab_add(t, &apple, &numbers[2]);
    restab_drop(t, id);
    restab_drop(t, id);
    assert_int_equal(closed_count, 1);
    assert_int_equal(closed[0], 2);
    assert_null(restab_get(t, &apple, id));
}

static void an_old_number_does_not_find_what_took_its_place(void **state)
{
    struct restab *t = *state;
    int32_t old = restab_add(t, &apple, &numbers[1]);
    restab_drop(t, old);
    int32_t new = restab_add(t, &apple, &numbers[2]);
    assert_int_not_equal(old, new);
    assert_null(restab_get(t, &apple, old));
    restab_drop(t, old);
    assert_ptr_equal(restab_get(t, &apple, new), &numbers[2]);
}

static void a_place_is_left_alone_before_its_numbers_repeat(void **state)
{
    struct restab *t = *state;
    int32_t first = restab_add(t, &apple, &numbers[1]);
    restab_drop(t, first);
    for (int i = 0; i < 70000; i++) {
        int32_t id = restab_add(t, &apple, &numbers[1]);
        assert_true(id > 0);
        assert_int_not_equal(id, first);
        restab_drop(t, id);
    }
}

static void a_full_table_closes_what_it_cannot_take(void **state)
{
    struct restab *t = *state;
    for (int i = 0; i < RESTAB_MAX; i++)
        assert_true(restab_add(t, &apple, &numbers[0]) > 0);
    assert_int_equal(restab_add(t, &apple, &numbers[3]), 0);
    assert_int_equal(closed_count, 1);
    assert_int_equal(closed[0], 3);
}

static void the_end_closes_all_and_the_newest_first(void **state)
{
    struct restab *t = *state;
    restab_add(t, &apple, &numbers[1]);
    restab_drop(t, restab_add(t, &pear, &numbers[2]));
    restab_add(t, &pear, &numbers[3]);
    restab_close(t);
    assert_int_equal(closed_count, 3);
    assert_int_equal(closed[0], 2);
    assert_int_equal(closed[1], 3);
    assert_int_equal(closed[2], 1);
}

static void what_is_there_is_counted_by_kind(void **state)
{
    struct restab *t = *state;
    struct reskind_count kinds[3];
    assert_int_equal(restab_kinds(t, kinds, 3), 0);
    restab_add(t, &apple, &numbers[1]);
    restab_drop(t, restab_add(t, &pear, &numbers[2]));
    assert_int_equal(restab_kinds(t, kinds, 3), 1);
    restab_add(t, &pear, &numbers[3]);
    restab_add(t, &apple, &numbers[0]);
    assert_int_equal(restab_kinds(t, kinds, 3), 2);
    assert_ptr_equal(kinds[0].kind, &apple);
    assert_int_equal(kinds[0].count, 2);
    assert_ptr_equal(kinds[1].kind, &pear);
    assert_int_equal(kinds[1].count, 1);
    assert_int_equal(restab_kinds(t, kinds, 1), 1);
    assert_int_equal(kinds[0].count, 2);
}

static void a_number_tells_its_kind_until_it_is_dropped(void **state)
{
    struct restab *t = *state;
    int32_t id = restab_add(t, &pear, &numbers[1]);
    assert_ptr_equal(restab_kind(t, id), &pear);
    restab_drop(t, id);
    assert_null(restab_kind(t, id));
    assert_null(restab_kind(t, 0));
}

#define T(f) cmocka_unit_test_setup_teardown(f, begin, finish)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(what_was_added_is_found_by_its_number),
        T(a_number_is_of_one_kind),
        T(numbers_nobody_gave_find_nothing),
        T(a_dropped_thing_is_closed_once),
        T(an_old_number_does_not_find_what_took_its_place),
        T(a_place_is_left_alone_before_its_numbers_repeat),
        T(a_full_table_closes_what_it_cannot_take),
        T(the_end_closes_all_and_the_newest_first),
        T(what_is_there_is_counted_by_kind),
        T(a_number_tells_its_kind_until_it_is_dropped),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
