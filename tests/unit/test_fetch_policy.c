/*
 * test_fetch_policy.c - where fetch() may go, by name and by address.
 */
#include "bind/fetch_policy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cmocka.h>

static struct why why;

/* Whether host may be asked for, and then connected to at address. */
static enum err may(const char *allow, const char *deny, const char *host,
                    const char *address, uint16_t port)
{
    struct pool_config c = {.fetch_allow = allow, .fetch_deny = deny};
    struct fetch_rules r;
    struct fetch_host h = {.name = slice_of(host), .port = port};
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } a = {.v6 = {.sin6_family = AF_INET6}};
    why.text[0] = '\0';
    fetch_rules_init(&r, &c);
    if (inet_pton(AF_INET6, address, &a.v6.sin6_addr) == 1) {
        a.v6.sin6_port = htons(port);
    } else {
        a.v4.sin_family = AF_INET;
        a.v4.sin_port = htons(port);
        assert_int_equal(inet_pton(AF_INET, address, &a.v4.sin_addr), 1);
    }
    enum err e = fetch_policy_host(&r, &h, &why);
    if (e == OK)
        e = fetch_policy_address(&r, &h, &a.any, &why);
    fetch_rules_free(&r);
    return e;
}

static void the_default_lets_out_and_not_in(void **state)
{
    (void)state;
    assert_int_equal(may("public", NULL, "a.example", "8.8.8.8", 80), OK);
    assert_int_equal(may("public", NULL, "a.example", "2600::1", 443), OK);
    assert_int_equal(may("public", NULL, "a.example", "127.0.0.1", 80),
                     ERR_ACCESS);
    assert_string_equal(
        why.text,
        "the address 127.0.0.1 is not in fetch_allow and is not public");
    assert_int_equal(may("public", NULL, "localhost", "::1", 80), ERR_ACCESS);
    assert_int_equal(
        may("public", NULL, "[::ffff:7f00:1]", "::ffff:127.0.0.1", 80),
        ERR_ACCESS);
    assert_int_equal(may("public", NULL, "meta.example", "169.254.169.254", 80),
                     ERR_ACCESS);
}

static void an_address_may_be_added(void **state)
{
    (void)state;
    assert_int_equal(may("public 127.0.0.1:8080", NULL, "x", "127.0.0.1", 8080),
                     OK);
    assert_int_equal(may("public 127.0.0.1:8080", NULL, "x", "127.0.0.1", 8081),
                     ERR_ACCESS);
    assert_int_equal(may("10.0.0.0/8", NULL, "x", "8.8.8.8", 80), ERR_ACCESS);
    assert_string_equal(why.text, "the address 8.8.8.8 is not in fetch_allow");
}

static void a_name_is_allowed_with_all_its_addresses(void **state)
{
    (void)state;
    assert_int_equal(may("public db.local", NULL, "db.local", "10.0.0.5", 80),
                     OK);
    assert_int_equal(may("public *.local", NULL, "db.local", "10.0.0.5", 80),
                     OK);
    assert_int_equal(may("public db.local", NULL, "other", "10.0.0.5", 80),
                     ERR_ACCESS);
}

static void a_name_is_refused_before_it_is_looked_up(void **state)
{
    (void)state;
    assert_int_equal(may("db.local", NULL, "a.example", "8.8.8.8", 80),
                     ERR_ACCESS);
    assert_string_equal(why.text, "a.example is not in fetch_allow");
    assert_int_equal(may("public", "*.example", "a.example", "8.8.8.8", 80),
                     ERR_ACCESS);
    assert_string_equal(why.text, "a.example is in fetch_deny");
}

static void deny_counts_before_allow(void **state)
{
    (void)state;
    assert_int_equal(may("all", "10.0.0.0/8", "a", "10.0.0.1", 80), ERR_ACCESS);
    assert_string_equal(why.text, "the address 10.0.0.1 is in fetch_deny");
    assert_int_equal(may("all", "10.0.0.0/8", "a", "64:ff9b::10.0.0.1", 80),
                     ERR_ACCESS);
    assert_int_equal(may("all", "10.0.0.0/8", "a", "11.0.0.1", 80), OK);
    assert_int_equal(may("db.local", "10.0.0.0/8", "db.local", "10.0.0.1", 80),
                     ERR_ACCESS);
    assert_int_equal(may("db.local", "db.local:81", "db.local", "1.1.1.1", 81),
                     ERR_ACCESS);
    assert_int_equal(may("db.local", "db.local:81", "db.local", "1.1.1.1", 80),
                     OK);
    assert_int_equal(may("all", "all", "a", "8.8.8.8", 80), ERR_ACCESS);
}

static void what_is_no_internet_address_is_refused(void **state)
{
    struct pool_config c = {.fetch_allow = "all"};
    struct fetch_rules r;
    struct fetch_host h = {.name = SLICE("a"), .port = 80};
    union {
        struct sockaddr any;
        struct sockaddr_un un;
    } a = {.un = {.sun_family = AF_UNIX, .sun_path = "/tmp/x"}};
    (void)state;
    fetch_rules_init(&r, &c);
    assert_int_equal(fetch_policy_address(&r, &h, &a.any, &why), ERR_ACCESS);
    fetch_rules_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_default_lets_out_and_not_in),
        cmocka_unit_test(an_address_may_be_added),
        cmocka_unit_test(a_name_is_allowed_with_all_its_addresses),
        cmocka_unit_test(a_name_is_refused_before_it_is_looked_up),
        cmocka_unit_test(deny_counts_before_allow),
        cmocka_unit_test(what_is_no_internet_address_is_refused),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
