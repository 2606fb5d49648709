/*
 * test_access.c - requests as lines of the access log.
 */
#include "serve/access.h"

#include "base/clock.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const params[] = {"HTTP_HOST=www.example.org",
                                     "HTTP_USER_AGENT=a \"b\"\r\n\xff",
                                     "EMPTY=", NULL};
static struct access_entry entry;
static struct buf out;
static struct why why;

static int set_up(void **state)
{
    (void)state;
    setenv("TZ", "XXX-1", 1); /* an hour before UTC's */
    tzset();
    buf_init(&out, 65536);
    entry = (struct access_entry){
        .pool = "www",
        .method = SLICE("GET"),
        .uri = SLICE("/a.js/b"),
        .query = SLICE("c=d"),
        .script = SLICE("/srv/a b.js"),
        .remote = SLICE("192.0.2.1"),
        .user = SLICE("joe"),
        .id = SLICE("17-4"),
        .received = UINT64_C(1795255200) * NS_PER_S, /* 2026-11-21T10:00:00Z */
        .duration = UINT64_C(1234567890),
        .cpu = UINT64_C(617283945),
        .cpu_system = UINT64_C(123456789),
        .memory = 3 * 1048576 + 1025,
        .length = 12,
        .sent = 345,
        .status = 200,
        .complete = true,
        .header = SLICE("Content-Type: text/html; charset=utf-8\r\n"
                        "X-Empty:\r\nx-last: end\r\n"),
        .params = params};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buf_free(&out);
    return 0;
}

static const char *line(const char *format)
{
    struct access *a;
    if (access_parse(format, &a, &why) != OK)
        fail_msg("%s: %s", format, why.text);
    buf_clear(&out);
    access_format(a, &entry, &out);
    access_free(a);
    return buf_str(&out);
}

static void assert_line(const char *format, const char *expected)
{
    char whole[4096];
    snprintf(whole, sizeof(whole), "%s\n", expected);
    assert_string_equal(line(format), whole);
}

static void the_default_is_php_fpms(void **state)
{
    (void)state;
    assert_line("%R - %u %t \"%m %r%Q%q\" %s",
                "192.0.2.1 - joe 21/Nov/2026:11:00:00 +0100 "
                "\"GET /a.js/b?c=d\" 200");
}

static void php_fpms_example_works(void **state)
{
    (void)state;
    assert_line("%R - %u %t \"%m %r%Q%q\" %s %f %{milli}d %{kilo}M %C%%",
                "192.0.2.1 - joe 21/Nov/2026:11:00:00 +0100 "
                "\"GET /a.js/b?c=d\" 200 /srv/a b.js 1234.568 3073 50.00%");
}

static void every_letter_has_its_text(void **state)
{
    char pids[64];
    static const char *const rows[][2] = {
        {"%%", "%"},
        {"%C|%{total}C|%{user}C|%{system}C", "50.00|50.00|40.00|10.00"},
        {"%d|%{seconds}d", "1.235|1.235"},
        {"%{milli}d|%{milliseconds}d", "1234.568|1234.568"},
        {"%{mili}d|%{miliseconds}d", "1234.568|1234.568"},
        {"%{micro}d|%{microseconds}d", "1234567|1234567"},
        {"%{HTTP_HOST}e|%{EMPTY}e|%{NONE}e", "www.example.org|-|-"},
        {"%f|%l|%m|%n", "/srv/a b.js|12|GET|www"},
        {"%M|%{bytes}M", "3146753|3146753"},
        {"%{kilo}M|%{kilobytes}M", "3073|3073"},
        {"%{mega}M|%{megabytes}M", "3|3"},
        {"%{Content-Type}o|%{X-LAST}o|%{X-Empty}o|%{No}o",
         "text/html; charset=utf-8|end|-|-"},
        {"%q|%Q|%r|%R|%s|%u", "c=d|?|/a.js/b|192.0.2.1|200|joe"},
        {"%T", "21/Nov/2026:11:00:01 +0100"},
        {"%{%Y-%m-%dT%H:%M:%S%z}t", "2026-11-21T11:00:00+0100"},
        {"%{%H:%M:%S}T", "11:00:01"},
        {"%i|%b|%X", "17-4|345|+"},
        {"no letter", "no letter"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        assert_line(rows[i][0], rows[i][1]);
    snprintf(pids, sizeof(pids), "%ld %ld", (long)getpid(), (long)getppid());
    assert_line("%p %P", pids);
}

static void what_there_is_none_of_is_a_dash(void **state)
{
    (void)state;
    entry = (struct access_entry){.status = 502};
    assert_line("%R %u %m %r%Q%q %f %i %n %X", "- - - - - - - X");
    assert_line("%s %C %d %M %l %b %{A}e %{A}o", "502 0.00 0.000 0 0 0 - -");
}

static void no_input_forges_a_line_or_a_column(void **state)
{
    (void)state;
    entry.uri = SLICE("/\n\x1b \"\\\xc2\x9b\xe9\xc3\xa9");
    entry.query = SLICE("a b\"\x7f");
    entry.user = SLICE("joe - \"root\"");
    assert_line("\"%r%Q%q\"",
                "\"/\\x0a\\x1b\\x20\\x22\\x5c\\xc2\\x9b\\xe9\xc3\xa9"
                "?a\\x20b\\x22\\x7f\"");
    assert_line("%u", "joe\\x20-\\x20\\x22root\\x22");
    assert_line("%{HTTP_USER_AGENT}e", "a \\x22b\\x22\\x0d\\x0a\\xff");
}

static void a_long_text_hides_nothing_behind_it(void **state)
{
    static char big[70000];
    (void)state;
    memset(big, 'x', sizeof(big));
    entry.uri = entry.query = (struct slice){big, sizeof(big)};
    const char *all = line("%r?%q %s %X");
    assert_in_range(strlen(all), 2000, PIPE_BUF);
    assert_non_null(strstr(all, "x...?x"));
    assert_non_null(strstr(all, "x... 200 +\n"));
    all = line("%r%r%r%r%r%r%r%r%r");
    assert_in_range(strlen(all), 3000, PIPE_BUF);
    assert_string_equal(all + strlen(all) - 4, "...\n");
}

static void a_text_is_cut_between_characters(void **state)
{
    char big[3000];
    (void)state;
    for (size_t i = 0; i < sizeof(big); i += 3)
        memcpy(big + i, "\xe2\x82\xac", 3);
    entry.query = (struct slice){big, sizeof(big)};
    const char *all = line("%q");
    assert_string_equal(all + strlen(all) - 7, "\xe2\x82\xac...\n");
    assert_null(strchr(all, '\\'));
}

static void json_has_every_field(void **state)
{
    char expected[1024];
    (void)state;
    snprintf(expected, sizeof(expected),
             "{\"time\":\"2026-11-21T10:00:00.000Z\",\"pool\":\"www\","
             "\"pid\":%ld,\"request\":\"17-4\",\"remote\":\"192.0.2.1\","
             "\"user\":\"joe\",\"method\":\"GET\",\"uri\":\"/a.js/b\","
             "\"query\":\"c=d\",\"script\":\"/srv/a b.js\",\"status\":200,"
             "\"duration\":1.234568,\"cpu\":0.617284,\"memory\":3146753,"
             "\"length\":12,\"sent\":345,\"complete\":true}",
             (long)getpid());
    assert_line("json", expected);
    entry.user = entry.query = SLICE("");
    entry.complete = false;
    assert_non_null(strstr(line("json"), "\"user\":null,"));
    assert_non_null(strstr(line("json"), "\"query\":null,"));
    assert_non_null(strstr(line("json"), "\"complete\":false}\n"));
}

static void json_is_whole_whatever_comes(void **state)
{
    static char big[70000];
    static const char bytes[] = "\"\\\n\x01\xff\xe2\x82\xac";
    (void)state;
    for (size_t shift = 0; shift < 8; shift++) {
        for (size_t i = 0; i < sizeof(big); i++)
            big[i] = bytes[(i + shift) % (sizeof(bytes) - 1)];
        struct slice s = {big, sizeof(big)};
        char name[100];
        snprintf(name, sizeof(name), "%.99s", big);
        entry = (struct access_entry){.pool = name,
                                      .method = s,
                                      .uri = s,
                                      .query = s,
                                      .script = s,
                                      .remote = s,
                                      .user = s,
                                      .id = s,
                                      .received = UINT64_MAX / 2,
                                      .duration = UINT64_MAX,
                                      .cpu = UINT64_MAX,
                                      .memory = UINT64_MAX,
                                      .length = UINT64_MAX,
                                      .sent = UINT64_MAX,
                                      .status = -2000000000};
        const char *all = line("json");
        assert_in_range(strlen(all), 3000, PIPE_BUF);
        assert_non_null(strstr(all, ",\"complete\":false}\n"));
        size_t quotes = 0;
        for (const char *p = all; *p != '\0'; p++) {
            assert_true((unsigned char)*p >= 0x20 || p[1] == '\0');
            if (*p == '\\')
                p++;
            else
                quotes += *p == '"';
        }
        /* 17 names, the time and 8 texts */
        assert_int_equal(quotes, 2 * (17 + 1 + 8));
    }
}

static void a_wrong_format_is_explained(void **state)
{
    static const char *const rows[][2] = {
        {"%", "a letter must follow"},
        {"%R %", "a letter must follow"},
        {"%{x}", "a letter must follow"},
        {"%y", "%y is not known"},
        {"%{milli", "a brace is not closed: %{milli"},
        {"%{years}d", "%{years}d has an unknown unit"},
        {"%{x}R", "%R takes nothing in braces"},
        {"%{}%", "%% takes nothing in braces"},
        {"%e", "as in %{NAME}e"},
        {"%{}o", "as in %{NAME}o"},
        {"%{}t", "%{}t gives no text"},
        {"a\nb", "control character"},
        {"", "0 bytes"},
    };
    struct access *a;
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(access_parse(rows[i][0], &a, &why), ERR_SYNTAX);
        if (strstr(why.text, rows[i][1]) == NULL)
            fail_msg("%s: %s", rows[i][0], why.text);
        assert_null(a);
    }
}

static void secrets_are_refused(void **state)
{
    static const char *const formats[] = {
        "%{HTTP_AUTHORIZATION}e",
        "%{http_cookie}e",
        "%{HTTP_PROXY_AUTHORIZATION}e",
        "%{REDIRECT_HTTP_AUTHORIZATION}e",
        "%{Set-Cookie}o",
        "%{set-cookie}o",
        "%{PHP_AUTH_PW}e",
        "%{HTTP_X_API_KEY}e",
        "%{X-Api-Key}o",
        "%{X-CSRF-Token}o",
        "%{DB_PASSWORD}e",
        "%{CLIENT_SECRET}e",
    };
    struct access *a;
    (void)state;
    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
        assert_int_equal(access_parse(formats[i], &a, &why), ERR_SYNTAX);
        assert_non_null(strstr(why.text, "secret"));
    }
}

static void paths_are_suppressed_only_when_harmless(void **state)
{
    static const char paths[] = "/ping  /a.js/b";
    (void)state;
    assert_false(access_suppressed(paths, &entry)); /* a query, a body */
    entry.query = SLICE("");
    assert_false(access_suppressed(paths, &entry));
    entry.length = 0;
    assert_true(access_suppressed(paths, &entry));
    entry.method = SLICE("HEAD");
    assert_true(access_suppressed(paths, &entry));
    entry.method = SLICE("POST");
    assert_false(access_suppressed(paths, &entry));
    entry.method = SLICE("GET");
    entry.status = 299;
    assert_true(access_suppressed(paths, &entry));
    entry.status = 304;
    assert_false(access_suppressed(paths, &entry));
    entry.status = 199;
    assert_false(access_suppressed(paths, &entry));
    entry.status = 200;
    assert_false(access_suppressed("/ping", &entry));
    assert_false(access_suppressed(NULL, &entry));
    entry.uri = SLICE("");
    assert_false(access_suppressed(paths, &entry));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(the_default_is_php_fpms),
        TEST(php_fpms_example_works),
        TEST(every_letter_has_its_text),
        TEST(what_there_is_none_of_is_a_dash),
        TEST(no_input_forges_a_line_or_a_column),
        TEST(a_long_text_hides_nothing_behind_it),
        TEST(a_text_is_cut_between_characters),
        TEST(json_has_every_field),
        TEST(json_is_whole_whatever_comes),
        TEST(a_wrong_format_is_explained),
        TEST(secrets_are_refused),
        TEST(paths_are_suppressed_only_when_harmless),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
