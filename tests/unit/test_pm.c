/*
 * test_pm.c - how many workers a pool should have.
 */
#include "serve/pm.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct pool_config pool(enum pm_mode mode)
{
    return (struct pool_config){.pm = mode,
                                .max_children = 8,
                                .start_servers = 2,
                                .min_spare_servers = 2,
                                .max_spare_servers = 4,
                                .max_spawn_rate = 32,
                                .process_idle_timeout = 10 * NS_PER_S};
}

/* A manager that has started its first workers. */
static struct pm settled(const struct pool_config *c)
{
    struct pm p;
    struct pm_view none = {.idle = 2};
    pm_init(&p, c);
    pm_next(&p, &none);
    return p;
}

static struct pm_step next(struct pm *p, struct pm_view v)
{
    return pm_next(p, &v);
}

static void static_starts_them_all(void **state)
{
    struct pool_config c = pool(PM_STATIC);
    struct pm p;
    (void)state;
    pm_init(&p, &c);
    assert_int_equal(next(&p, (struct pm_view){.idle = 0}).start, 8);
    assert_int_equal(next(&p, (struct pm_view){.busy = 8}).start, 0);
    assert_int_equal(next(&p, (struct pm_view){.idle = 5}).start, 3);
    assert_false(next(&p, (struct pm_view){.idle = 8}).stop_one);
}

static void process_max_is_no_reason_to_keep_old_workers(void **state)
{
    struct pool_config c = pool(PM_STATIC);
    struct pm p;
    (void)state;
    pm_init(&p, &c);
    struct pm_step s =
        next(&p, (struct pm_view){.old = 4, .idle = 3, .full = true});
    assert_int_equal(s.start, 0);
    assert_true(s.retire);
    assert_false(next(&p, (struct pm_view){.old = 4, .idle = 3}).retire);
    assert_false(
        next(&p, (struct pm_view){.old = 4, .starting = 1, .full = true})
            .retire);
    /* The last of a pool stay until there is another. */
    assert_false(next(&p, (struct pm_view){.old = 4, .full = true}).retire);
}

static void dynamic_starts_with_start_servers(void **state)
{
    struct pool_config c = pool(PM_DYNAMIC);
    struct pm p;
    (void)state;
    c.start_servers = 5;
    pm_init(&p, &c);
    assert_int_equal(next(&p, (struct pm_view){.idle = 0}).start, 5);
}

static void more_start_servers_than_children_are_no_more(void **state)
{
    struct pool_config c = pool(PM_DYNAMIC);
    struct pm p;
    (void)state;
    c.start_servers = 50;
    pm_init(&p, &c);
    assert_int_equal(next(&p, (struct pm_view){.idle = 0}).start, 8);
}

static void a_lack_that_lasts_is_met_faster(void **state)
{
    struct pool_config c = pool(PM_DYNAMIC);
    struct pm p = settled(&c);
    (void)state;
    c.max_children = 100;
    c.min_spare_servers = 50;
    c.max_spare_servers = 60;
    assert_int_equal(next(&p, (struct pm_view){.busy = 1}).start, 1);
    assert_int_equal(next(&p, (struct pm_view){.busy = 1}).start, 2);
    assert_int_equal(next(&p, (struct pm_view){.busy = 1}).start, 4);
    assert_int_equal(next(&p, (struct pm_view){.idle = 55}).start, 0);
    assert_int_equal(next(&p, (struct pm_view){.busy = 1}).start, 1);
}

static void those_that_start_count_as_spare(void **state)
{
    struct pool_config c = pool(PM_DYNAMIC);
    struct pm p = settled(&c);
    (void)state;
    assert_int_equal(next(&p, (struct pm_view){.busy = 2, .starting = 2}).start,
                     0);
}

static void too_many_spare_ones_go_one_at_a_time(void **state)
{
    struct pool_config c = pool(PM_DYNAMIC);
    struct pm p = settled(&c);
    (void)state;
    assert_false(next(&p, (struct pm_view){.idle = 4}).stop_one);
    assert_true(next(&p, (struct pm_view){.idle = 5}).stop_one);
}

static void max_children_is_the_end_and_is_said_once(void **state)
{
    struct pool_config c = pool(PM_DYNAMIC);
    struct pm p = settled(&c);
    (void)state;
    struct pm_step s = next(&p, (struct pm_view){.busy = 8});
    assert_int_equal(s.start, 0);
    assert_true(s.reached);
    assert_false(next(&p, (struct pm_view){.busy = 8}).reached);
    next(&p, (struct pm_view){.busy = 4, .idle = 4});
    assert_true(next(&p, (struct pm_view){.busy = 8}).reached);
}

static void ondemand_starts_when_somebody_waits(void **state)
{
    struct pool_config c = pool(PM_ONDEMAND);
    struct pm p;
    (void)state;
    pm_init(&p, &c);
    assert_int_equal(next(&p, (struct pm_view){.idle = 0}).start, 0);
    assert_int_equal(next(&p, (struct pm_view){.waiting = true}).start, 1);
    struct pm_view starting = {.waiting = true, .starting = 1};
    assert_int_equal(pm_next(&p, &starting).start, 0);
    struct pm_view busy = {.waiting = true, .busy = 3};
    assert_int_equal(pm_next(&p, &busy).start, 1);
}

static void ondemand_stops_those_idle_too_long(void **state)
{
    struct pool_config c = pool(PM_ONDEMAND);
    struct pm p;
    (void)state;
    pm_init(&p, &c);
    struct pm_view v = {.idle = 1, .idle_longest = 9 * NS_PER_S};
    assert_false(pm_next(&p, &v).stop_one);
    v.idle_longest = 10 * NS_PER_S;
    assert_true(pm_next(&p, &v).stop_one);
}

static void more_and_fewer_move_the_most(void **state)
{
    struct pool_config c = pool(PM_STATIC);
    struct pm p;
    (void)state;
    pm_init(&p, &c);
    p.extra = 2;
    assert_int_equal(pm_most(&p), 10);
    assert_int_equal(next(&p, (struct pm_view){.idle = 8}).start, 2);
    p.extra = -1;
    assert_true(next(&p, (struct pm_view){.idle = 8}).stop_one);
    p.extra = -100;
    assert_int_equal(pm_most(&p), 1);
}

static void state_has_one_worker_whoever_asks(void **state)
{
    struct pool_config c = pool(PM_STATIC);
    struct pm p;
    (void)state;
    c.state = "/s";
    pm_init(&p, &c);
    p.extra = 3;
    assert_int_equal(pm_most(&p), 1);
    assert_int_equal(next(&p, (struct pm_view){.idle = 0}).start, 1);
}

static void old_ones_go_when_others_are_ready(void **state)
{
    struct pool_config c = pool(PM_DYNAMIC);
    struct pm p = settled(&c);
    (void)state;
    struct pm_view v = {.old = 5, .old_busy = 3};
    struct pm_step s = pm_next(&p, &v);
    assert_int_equal(s.start, 3);
    assert_false(s.retire);
    v.starting = 3;
    s = pm_next(&p, &v);
    assert_int_equal(s.start, 0);
    assert_false(s.retire);
    v.starting = 1;
    v.idle = 2;
    assert_false(pm_next(&p, &v).retire);
    v.starting = 0;
    v.idle = 3;
    assert_true(pm_next(&p, &v).retire);
}

static void ondemand_replaces_with_at_least_one(void **state)
{
    struct pool_config c = pool(PM_ONDEMAND);
    struct pm p;
    (void)state;
    pm_init(&p, &c);
    struct pm_view v = {.old = 4};
    struct pm_step s = pm_next(&p, &v);
    assert_int_equal(s.start, 1);
    v.idle = 1;
    assert_true(pm_next(&p, &v).retire);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(static_starts_them_all),
        cmocka_unit_test(process_max_is_no_reason_to_keep_old_workers),
        cmocka_unit_test(dynamic_starts_with_start_servers),
        cmocka_unit_test(more_start_servers_than_children_are_no_more),
        cmocka_unit_test(a_lack_that_lasts_is_met_faster),
        cmocka_unit_test(those_that_start_count_as_spare),
        cmocka_unit_test(too_many_spare_ones_go_one_at_a_time),
        cmocka_unit_test(max_children_is_the_end_and_is_said_once),
        cmocka_unit_test(ondemand_starts_when_somebody_waits),
        cmocka_unit_test(ondemand_stops_those_idle_too_long),
        cmocka_unit_test(more_and_fewer_move_the_most),
        cmocka_unit_test(state_has_one_worker_whoever_asks),
        cmocka_unit_test(old_ones_go_when_others_are_ready),
        cmocka_unit_test(ondemand_replaces_with_at_least_one),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
