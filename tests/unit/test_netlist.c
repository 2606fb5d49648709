/*
 * test_netlist.c - lists of networks and hosts.
 */
#include "base/netlist.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct netlist list_of(const char *text)
{
    struct netlist l;
    struct why why = {.text = ""};
    enum err e = netlist_parse(slice_of(text), &l, &why);
    assert_string_equal(why.text, "");
    assert_int_equal(e, OK);
    return l;
}

static void address(const char *text, uint8_t out[16])
{
    if (inet_pton(AF_INET6, text, out) == 1)
        return;
    memset(out, 0, 10);
    memset(out + 10, 0xff, 2);
    assert_int_equal(inet_pton(AF_INET, text, out + 12), 1);
}

static bool has(const char *list, const char *what, uint16_t port)
{
    uint8_t a[16];
    struct netlist l = list_of(list);
    address(what, a);
    bool yes = netlist_has_address(&l, a, port);
    netlist_free(&l);
    return yes;
}

static bool names(const char *list, const char *host, uint16_t port)
{
    struct netlist l = list_of(list);
    bool yes = netlist_has_host(&l, slice_of(host), port);
    netlist_free(&l);
    return yes;
}

static bool is_public(const char *text)
{
    uint8_t a[16];
    address(text, a);
    return netlist_public(a);
}

static void a_network_has_its_addresses(void **state)
{
    (void)state;
    assert_true(has("10.0.0.0/8", "10.255.0.1", 80));
    assert_false(has("10.0.0.0/8", "11.0.0.1", 80));
    assert_true(has("192.0.2.7", "192.0.2.7", 80));
    assert_false(has("192.0.2.7", "192.0.2.6", 80));
    assert_true(has("192.0.2.128/25", "192.0.2.129", 80));
    assert_false(has("192.0.2.128/25", "192.0.2.127", 80));
    assert_true(has("fd00::/8", "fd12::1", 80));
    assert_false(has("fd00::/8", "fe80::1", 80));
    assert_true(has("0.0.0.0/0", "8.8.8.8", 80));
    assert_false(has("0.0.0.0/0", "2600::1", 80));
    assert_true(has("::/0", "2600::1", 80));
    assert_true(has("all", "127.0.0.1", 1));
    assert_false(has("", "127.0.0.1", 1));
}

static void ipv4_in_ipv6_is_ipv4(void **state)
{
    (void)state;
    assert_true(has("10.0.0.0/8", "::ffff:10.0.0.1", 80));
    assert_true(has("10.0.0.0/8", "64:ff9b::10.0.0.1", 80));
    assert_true(has("64:ff9b::/96", "64:ff9b::10.0.0.1", 80));
    assert_true(has("::ffff:10.0.0.0/104", "10.1.2.3", 80));
}

static void no_address_is_loopback(void **state)
{
    (void)state;
    assert_true(has("127.0.0.0/8", "0.0.0.0", 80));
    assert_true(has("127.0.0.1", "::ffff:0.0.0.0", 80));
    assert_true(has("127.0.0.1", "64:ff9b::0.0.0.0", 80));
    assert_true(has("::1", "::", 80));
    assert_true(has("0.0.0.0", "0.0.0.0", 80));
    assert_true(has("::", "::", 80));
    assert_false(has("0.0.0.0", "127.0.0.1", 80));
    assert_false(has("127.0.0.1", "0.0.0.1", 80));
    assert_false(has("::1", "::2", 80));
}

static void a_word_may_have_a_port(void **state)
{
    (void)state;
    assert_true(has("127.0.0.1:8080", "127.0.0.1", 8080));
    assert_false(has("127.0.0.1:8080", "127.0.0.1", 8081));
    assert_true(has("[::1]:80", "::1", 80));
    assert_false(has("[::1]:80", "::1", 81));
    assert_true(has("[::1]", "::1", 81));
    assert_true(has("[fd00::/8]:443 10.0.0.0/8:80", "10.0.0.1", 80));
    assert_true(has("all:443", "127.0.0.1", 443));
    assert_false(has("public:443", "8.8.8.8", 80));
    assert_true(names("api.example:81", "api.example", 81));
    assert_false(names("api.example:81", "api.example", 80));
}

static void a_host_is_a_name_or_what_is_below(void **state)
{
    (void)state;
    assert_true(names("API.example.org", "api.Example.org", 80));
    assert_true(names("api.example.org", "api.example.org.", 80));
    assert_false(names("example.org", "api.example.org", 80));
    assert_true(names("*.example.org", "api.example.org", 80));
    assert_true(names("*.example.org", "a.b.example.org", 80));
    assert_false(names("*.example.org", "example.org", 80));
    assert_false(names("*.example.org", ".example.org", 80));
    assert_false(names("*.example.org", "badexample.org", 80));
    assert_true(names("x_y-1.local localhost", "localhost", 80));
    /* an address is no name */
    assert_false(names("127.0.0.1", "127.0.0.1", 80));
    assert_false(names("all public", "example.org", 80));
}

static void nonsense_is_refused(void **state)
{
    static const char *const bad[] = {
        "10.0.0.0/33", "10.0.0/8",   "::1/129",
        "[::1",        "[::1]x:80",  "1.2.3",
        "1.2.3.4.5",   "256.1.1.1",  "a..b",
        ".a",          "a.",         "*",
        "*.",          "*a.example", "a.*.example",
        "a:0",         "a:65536",    "a:x",
        "a:",          ":80",        "a:1:2",
        "http://a/",   "a/8",        "a,b",
        "10.0.0.1/-1", "::1:80:",    "ex\xc3\xa4mple",
        "a@b",         "10.0.0.1/",  "[10.0.0.1/8]:",
    };
    struct netlist l;
    struct why why;
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        enum err e = netlist_parse(slice_of(bad[i]), &l, &why);
        if (e != ERR_SYNTAX)
            print_error("taken: %s\n", bad[i]);
        assert_int_equal(e, ERR_SYNTAX);
        assert_null(l.words);
        assert_int_equal(l.count, 0);
        assert_non_null(strstr(why.text, bad[i]));
    }
}

static void a_list_has_an_end(void **state)
{
    char text[NETLIST_MAX * 2 + 3] = "";
    struct netlist l;
    struct why why;
    (void)state;
    for (size_t i = 0; i <= NETLIST_MAX; i++)
        strcat(text, "a ");
    assert_int_equal(netlist_parse(slice_of(text), &l, &why), ERR_TOOBIG);
    text[NETLIST_MAX * 2] = '\0';
    assert_int_equal(netlist_parse(slice_of(text), &l, &why), OK);
    assert_int_equal(l.count, NETLIST_MAX);
    netlist_free(&l);
}

static void an_inner_address_is_not_public(void **state)
{
    static const char *const inner[] = {
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.1",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.1.1.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::10.0.0.1",
        "::8.8.8.8",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::10.0.0.1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2001:10::1",
        "2002:7f00:1::",
        "3fff::1",
        "5f00::1",
        "fc00::1",
        "fd00::1",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(inner) / sizeof(inner[0]); i++) {
        if (is_public(inner[i]))
            print_error("public: %s\n", inner[i]);
        assert_false(is_public(inner[i]));
        assert_false(has("public", inner[i], 80));
    }
}

static void an_outer_address_is_public(void **state)
{
    static const char *const outer[] = {
        "1.1.1.1",          "8.8.8.8",      "9.255.255.255", "11.0.0.0",
        "100.63.0.1",       "100.128.0.1",  "126.255.255.1", "128.0.0.1",
        "172.15.0.1",       "172.32.0.1",   "192.0.1.1",     "192.167.0.1",
        "198.17.0.1",       "198.20.0.1",   "223.255.255.1", "2600::1",
        "2001:200::1",      "2001:4860::1", "2003::1",       "::ffff:8.8.8.8",
        "64:ff9b::8.8.8.8", "2a00:1450::1",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(outer) / sizeof(outer[0]); i++) {
        if (!is_public(outer[i]))
            print_error("not public: %s\n", outer[i]);
        assert_true(is_public(outer[i]));
        assert_true(has("public", outer[i], 80));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_network_has_its_addresses),
        cmocka_unit_test(ipv4_in_ipv6_is_ipv4),
        cmocka_unit_test(no_address_is_loopback),
        cmocka_unit_test(a_word_may_have_a_port),
        cmocka_unit_test(a_host_is_a_name_or_what_is_below),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(a_list_has_an_end),
        cmocka_unit_test(an_inner_address_is_not_public),
        cmocka_unit_test(an_outer_address_is_public),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
