/*
 * test_log.c - lines of the error log, as they stand in the file.
 */
#include "base/log.h"

#include "base/sink.h"
#include "base/sink_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/snapcgi-test-log-XXXXXX";
static char path[64];
static char moved[64];
static char address[64];
static char text[65536];
static char expected[1024];

static int make_folder(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/log", folder);
    snprintf(moved, sizeof(moved), "%s/log.1", folder);
    snprintf(address, sizeof(address), "%s/socket", folder);
    sink_paths.syslog = sink_paths.journal = address;
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static enum err open_as(const char *target, enum log_format format)
{
    return log_open(&(struct log_options){.target = target,
                                          .least = LOG_INFO,
                                          .format = format,
                                          .ident = "site",
                                          .facility = FACILITY_LOCAL0},
                    NULL);
}

static int open_log(void **state)
{
    (void)state;
    log_about(NULL, NULL, NULL);
    return open_as(path, LOG_FORMAT_TEXT) == OK ? 0 : -1;
}

static int close_log(void **state)
{
    (void)state;
    log_close();
    unlink(path);
    unlink(moved);
    unlink(address);
    return 0;
}

static const char *content(const char *of)
{
    FILE *f = fopen(of, "r");
    assert_non_null(f);
    text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
    fclose(f);
    return text;
}

/* Every head has the pid. */
static const char *with_pid(const char *before, const char *after)
{
    snprintf(expected, sizeof(expected), "%s[%ld]%s", before, (long)getpid(),
             after);
    return expected;
}

/* What stands after the stamp, which is 24 characters and a space. */
static const char *after_stamp(void)
{
    assert_true(strlen(content(path)) > 25);
    assert_int_equal(text[23], 'Z');
    return text + 25;
}

static void a_line_has_level_pool_pid_request_function_and_text(void **state)
{
    (void)state;
    log_about("www", "17-4", "/srv/a.js");
    log_error("no such file: %s", "b.js");
    assert_string_equal(
        after_stamp(),
        with_pid("error www", " 17-4 /srv/a.js no such file: b.js\n"));
}

static void nobody_in_particular_is_a_dash(void **state)
{
    (void)state;
    log_notice("ready");
    assert_string_equal(after_stamp(), with_pid("notice -", " - - ready\n"));
}

static void a_blank_forges_no_column(void **state)
{
    (void)state;
    log_about("www", "1", "/srv/a b\n\"c\".js");
    log_notice("x");
    assert_string_equal(
        after_stamp(),
        with_pid("notice www", " 1 /srv/a\\x20b\\x0a\\x22c\\x22.js x\n"));
}

static void of_a_long_function_the_end_is_kept(void **state)
{
    char big[4096] = "/";
    (void)state;
    for (size_t i = 1; i + 2 < sizeof(big); i += 2)
        memcpy(big + i, "\xc3\xa9", 3);
    memcpy(big + sizeof(big) - 7, "/a.js", 6);
    log_about(NULL, NULL, big);
    log_notice("x");
    assert_non_null(strstr(content(path), "\xc3\xa9/a.js x\n"));
    assert_null(strstr(text, "\\x"));
}

static void a_low_level_is_not_written(void **state)
{
    (void)state;
    log_debug("quiet");
    assert_false(log_wants(LOG_DEBUG));
    assert_string_equal(content(path), "");
    log_set_level(LOG_DEBUG);
    log_debug("loud");
    assert_string_equal(after_stamp(), with_pid("debug -", " - - loud\n"));
}

static void no_input_forges_a_line(void **state)
{
    (void)state;
    log_text(LOG_WARN, SLICE("a\nb\r\x1b[2J\0c\x7f"));
    assert_string_equal(after_stamp(),
                        with_pid("warn -", " - - a\\nb\\x0d\\x1b[2J\\x00c"
                                           "\\x7f\n"));
}

static void bytes_of_other_scripts_stay(void **state)
{
    (void)state;
    log_text(LOG_WARN, SLICE("gr\xc3\xbc\xc3\x9f"));
    assert_string_equal(after_stamp(),
                        with_pid("warn -", " - - gr\xc3\xbc\xc3\x9f\n"));
}

static void what_is_no_text_is_escaped(void **state)
{
    (void)state;
    log_text(LOG_WARN, SLICE("\xe9 \xc2\x9b \xed\xa0\x80 \xc0\xaf \xf4\x90"));
    assert_string_equal(after_stamp(),
                        with_pid("warn -", " - - \\xe9 \\xc2\\x9b \\xed\\xa0"
                                           "\\x80 \\xc0\\xaf \\xf4\\x90\n"));
}

static void the_longest_request_id_is_whole(void **state)
{
    char id[129];
    (void)state;
    memset(id, 'i', sizeof(id) - 1);
    id[128] = '\0';
    log_about("p", id, NULL);
    log_error("x");
    assert_non_null(strstr(content(path), id));
}

static void a_long_text_is_cut_and_says_so(void **state)
{
    char big[20000];
    (void)state;
    memset(big, 'x', sizeof(big));
    log_text(LOG_WARN, (struct slice){big, sizeof(big)});
    size_t n = strlen(content(path));
    assert_in_range(n, 4000, 4096);
    assert_string_equal(text + n - 5, "x...\n");
}

static void a_long_text_is_cut_between_characters(void **state)
{
    char big[8192];
    (void)state;
    for (size_t shift = 0; shift < 4; shift++) {
        truncate(path, 0);
        memset(big, 'x', shift);
        for (size_t i = shift; i + 4 <= sizeof(big); i += 4)
            memcpy(big + i, "\xf0\x9f\x98\x80", 4);
        log_text(LOG_WARN, (struct slice){big, sizeof(big)});
        size_t n = strlen(content(path));
        assert_in_range(n, 4000, 4096);
        assert_string_equal(text + n - 8, "\xf0\x9f\x98\x80...\n");
    }
}

static void a_stack_becomes_lines_of_one_stamp(void **state)
{
    (void)state;
    log_lines(LOG_ERROR, SLICE("Error: no\n    at f (a.js:1)\r\n\n"));
    const char *first = after_stamp();
    const char *second = strchr(first, '\n') + 1;
    with_pid("error -", " - - Error: no\n");
    assert_memory_equal(first, expected, strlen(expected));
    assert_string_equal(second + 25,
                        with_pid("error -", " - -     at f (a.js:1)\n"));
    assert_memory_equal(text, second, 24);
}

static void reopening_follows_logrotate(void **state)
{
    (void)state;
    log_notice("before");
    assert_int_equal(rename(path, moved), 0);
    log_notice("between");
    assert_int_equal(log_reopen(NULL), OK);
    log_notice("after");
    assert_string_equal(after_stamp(), with_pid("notice -", " - - after\n"));
    assert_non_null(strstr(content(moved), "between\n"));
}

static void an_impossible_file_is_explained(void **state)
{
    struct why why;
    struct log_options o = {.target = "/nonexistent/log"};
    (void)state;
    assert_int_equal(log_open(&o, &why), ERR_IO);
    assert_string_equal(why.text, "cannot open the log /nonexistent/log: "
                                  "No such file or directory");
    log_notice("the old log goes on");
    assert_non_null(strstr(content(path), "goes on"));
}

static void a_passed_descriptor_is_used(void **state)
{
    (void)state;
    assert_int_equal(log_file_fd(), log_fd());
    int fd = open(moved, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK, 0600);
    log_use(fd);
    log_notice("there");
    assert_non_null(strstr(content(moved), "there\n"));
    assert_string_equal(content(path), "");
    open_as("stderr", LOG_FORMAT_TEXT);
    assert_int_equal(log_file_fd(), -1);
}

static void a_full_pipe_loses_lines_and_says_so_later(void **state)
{
    int p[2];
    (void)state;
    assert_int_equal(pipe(p), 0);
    int err = dup(STDERR_FILENO);
    fflush(stderr);
    dup2(p[1], STDERR_FILENO);
    open_as("stderr", LOG_FORMAT_TEXT);
    uint64_t before = log_lost();
    for (int i = 0; i < 3000; i++)
        log_notice("a line which nobody reads, number %d", i);
    uint64_t lost = log_lost() - before;
    while (read(p[0], text, sizeof(text)) == sizeof(text))
        ;
    log_notice("at last");
    log_notice("and on");
    ssize_t n = read(p[0], text, sizeof(text) - 1);
    text[n < 0 ? 0 : n] = '\0';
    dup2(err, STDERR_FILENO);
    assert_true(lost > 0);
    assert_int_equal(log_lost() - before, lost);
    snprintf(expected, sizeof(expected),
             " - - %llu lines of this log were lost: "
             "its reader was too slow\n",
             (unsigned long long)lost);
    char *said = strstr(text, expected);
    assert_non_null(said);
    assert_non_null(strstr(said, "at last\n"));
    assert_null(strstr(said + strlen(expected), "lost"));
    close(err);
    close(p[0]);
    close(p[1]);
}

static void a_full_disk_is_named_later(void **state)
{
    (void)state;
    open_as("/dev/full", LOG_FORMAT_TEXT);
    uint64_t before = log_lost();
    log_notice("one");
    log_notice("two");
    assert_int_equal(log_lost() - before, 2);
    log_use(open(path, O_WRONLY | O_APPEND | O_NONBLOCK));
    log_notice("three");
    assert_non_null(strstr(content(path), "2 lines of this log were lost: "
                                          "No space left on device\n"));
    assert_non_null(strstr(text, "three\n"));
}

/* ---- JSON -------------------------------------------------------------- */

static const char *json_value(const char *p);

static const char *json_string(const char *p)
{
    if (*p++ != '"')
        return NULL;
    while (*p != '"') {
        if ((unsigned char)*p < 0x20)
            return NULL;
        if (*p == '\\' && p[1] == 'u') {
            for (int i = 2; i < 6; i++)
                if (strchr("0123456789abcdef", p[i]) == NULL)
                    return NULL;
            p += 6;
        } else if (*p == '\\' && strchr("\"\\n", p[1]) != NULL) {
            p += 2;
        } else if (*p == '\\') {
            return NULL;
        } else {
            p++;
        }
    }
    return p + 1;
}

/* An object of strings, numbers and nulls; gives what is behind it. */
static const char *json_object(const char *p)
{
    if (*p != '{')
        return NULL;
    do {
        p = json_string(p + 1);
        if (p == NULL || *p != ':')
            return NULL;
        p = json_value(p + 1);
    } while (p != NULL && *p == ',');
    return p != NULL && *p == '}' ? p + 1 : NULL;
}

static const char *json_value(const char *p)
{
    if (strncmp(p, "null", 4) == 0)
        return p + 4;
    if (*p == '"')
        return json_string(p);
    size_t n = strspn(p, "0123456789");
    return n > 0 ? p + n : NULL;
}

static void assert_json(const char *line)
{
    const char *end = json_object(line);
    if (end == NULL || strcmp(end, "\n") != 0)
        fail_msg("not JSON: %s", line);
    assert_true(mbstowcs(NULL, line, 0) != (size_t)-1);
}

static const char *json_line(void)
{
    assert_json(content(path));
    return text;
}

static void a_json_line_has_members(void **state)
{
    (void)state;
    open_as(path, LOG_FORMAT_JSON);
    log_about("www", "17-4", "/srv/a b.js");
    log_error("no \"%s\"\t\\", "x");
    json_line();
    assert_memory_equal(text, "{\"time\":\"20", 11);
    snprintf(expected, sizeof(expected),
             ",\"level\":\"error\",\"pool\":\"www\",\"pid\":%ld,\"request\":"
             "\"17-4\",\"function\":\"/srv/a b.js\",\"message\":"
             "\"no \\\"x\\\"\\u0009\\\\\"}\n",
             (long)getpid());
    assert_string_equal(strstr(text, ",\"level\""), expected);
}

static void nobody_in_particular_is_null_in_json(void **state)
{
    (void)state;
    open_as(path, LOG_FORMAT_JSON);
    log_notice("x");
    assert_non_null(strstr(json_line(), "\"pool\":null,"));
    assert_non_null(strstr(text, "\"request\":null,\"function\":null,"));
}

static void a_json_line_is_json_whatever_the_bytes(void **state)
{
    char all[256], big[9000];
    (void)state;
    open_as(path, LOG_FORMAT_JSON);
    for (size_t i = 0; i < sizeof(all); i++)
        all[i] = (char)i;
    log_about("p\"\x01", "i\xff\\", "/\xed\xa0\x80\x7f");
    log_text(LOG_WARN, (struct slice){all, sizeof(all)});
    assert_non_null(strstr(json_line(), "\"/\\ufffd\\ufffd\\ufffd\\u007f\""));
    for (size_t n = 3500; n < 4200; n++) {
        truncate(path, 0);
        for (size_t i = 0; i < n; i++)
            big[i] = "a\"\n\x01\xe2\x82\xac\xff"[(i + n) % 9];
        log_text(LOG_WARN, (struct slice){big, n});
        assert_in_range(strlen(json_line()), 100, PIPE_BUF);
        assert_non_null(strstr(text, "...\"}\n"));
    }
}

static void the_longest_of_all_leave_room_for_the_message(void **state)
{
    char big[2000];
    (void)state;
    memset(big, '\xff', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    open_as(path, LOG_FORMAT_JSON);
    log_about(big, big, big);
    log_notice("there is room");
    assert_non_null(strstr(json_line(), "\"there is room\"}\n"));
}

/* ---- daemons ----------------------------------------------------------- */

static int listen_here(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    snprintf(at.sun_path, sizeof(at.sun_path), "%s", address);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

static const char *heard(int fd)
{
    ssize_t n = recv(fd, text, sizeof(text) - 1, 0);
    text[n < 0 ? 0 : n] = '\0';
    return text;
}

static void syslog_gets_lines_of_its_own_form(void **state)
{
    (void)state;
    int fd = listen_here();
    assert_int_equal(open_as("syslog", LOG_FORMAT_TEXT), OK);
    log_about("www", "17", "/a.js");
    setenv("TZ", "XXX-5", 1); /* its time is local time */
    tzset();
    time_t now = time(NULL);
    log_error("no\nsuch");
    heard(fd);
    /* local0 is 16, error is 3 */
    assert_memory_equal(text, "<131>", 5);
    struct tm t = {.tm_sec = 0};
    assert_non_null(strptime(text + 5, "%b %e %H:%M:%S ", &t));
    t.tm_year = gmtime(&now)->tm_year;
    t.tm_isdst = -1;
    assert_in_range(mktime(&t), now, now + 300);
    assert_string_equal(text + 21,
                        with_pid("site", ": error www 17 /a.js no\\nsuch"));
    unsetenv("TZ");
    tzset();
    assert_int_equal(log_file_fd(), -1);
    close(fd);
}

static void syslog_can_carry_json(void **state)
{
    (void)state;
    int fd = listen_here();
    assert_int_equal(open_as("syslog", LOG_FORMAT_JSON), OK);
    log_warn("x");
    char *object = strchr((char *)(uintptr_t)heard(fd), '{');
    assert_non_null(object);
    assert_memory_equal(object - 2, ": ", 2);
    strcat(object, "\n");
    assert_json(object);
    close(fd);
}

static void the_journal_gets_fields(void **state)
{
    (void)state;
    int fd = listen_here();
    assert_int_equal(open_as("journal", LOG_FORMAT_JSON), OK);
    log_about("www", "17", "/a.js\nPRIORITY=0");
    log_warn("no\nPRIORITY=0");
    assert_string_equal(heard(fd), "PRIORITY=4\n"
                                   "SYSLOG_IDENTIFIER=site\n"
                                   "SNAPCGI_POOL=www\n"
                                   "SNAPCGI_REQUEST=17\n"
                                   "SNAPCGI_FUNCTION=/a.js\\nPRIORITY=0\n"
                                   "MESSAGE=no\\nPRIORITY=0\n");
    log_about(NULL, NULL, NULL);
    log_info("x");
    assert_string_equal(heard(fd), "PRIORITY=6\nSYSLOG_IDENTIFIER=site\n"
                                   "MESSAGE=x\n");
    close(fd);
}

static void a_line_made_elsewhere_gets_the_head_of_its_sink(void **state)
{
    struct sink to;
    (void)state;
    int fd = listen_here();
    log_about("www", NULL, NULL);
    assert_int_equal(sink_open(&to, "syslog", NULL), OK);
    assert_true(log_send(&to, LOG_INFO, SLICE("GET / 200\n")));
    assert_memory_equal(heard(fd), "<134>", 5);
    assert_string_equal(text + 21, with_pid("site", ": GET / 200"));
    sink_close(&to);
    assert_int_equal(sink_open(&to, "journal", NULL), OK);
    assert_true(log_send(&to, LOG_INFO, SLICE("GET / 200\n")));
    assert_string_equal(heard(fd), "PRIORITY=6\nSYSLOG_IDENTIFIER=site\n"
                                   "SNAPCGI_POOL=www\nMESSAGE=GET / 200\n");
    sink_close(&to);
    close(fd);
    assert_int_equal(sink_open(&to, moved, NULL), OK);
    assert_true(log_send(&to, LOG_INFO, SLICE("GET / 200\n")));
    assert_string_equal(content(moved), "GET / 200\n");
    sink_close(&to);
    assert_int_equal(sink_open(&to, "/dev/full", NULL), OK);
    assert_false(log_send(&to, LOG_INFO, SLICE("x\n")));
    assert_int_equal(to.lost, 1);
    sink_close(&to);
}

static void errno_is_left_alone(void **state)
{
    (void)state;
    errno = EXDEV;
    log_warn("x");
    assert_int_equal(errno, EXDEV);
}

static void levels_have_names(void **state)
{
    enum log_level level;
    (void)state;
    assert_true(log_level_parse("warn", &level));
    assert_int_equal(level, LOG_WARN);
    assert_false(log_level_parse("WARN", &level));
    assert_string_equal(log_level_name(LOG_DEBUG), "debug");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, open_log, close_log)
    const struct CMUnitTest tests[] = {
        TEST(a_line_has_level_pool_pid_request_function_and_text),
        TEST(nobody_in_particular_is_a_dash),
        TEST(a_blank_forges_no_column),
        TEST(of_a_long_function_the_end_is_kept),
        TEST(a_low_level_is_not_written),
        TEST(no_input_forges_a_line),
        TEST(bytes_of_other_scripts_stay),
        TEST(what_is_no_text_is_escaped),
        TEST(the_longest_request_id_is_whole),
        TEST(a_long_text_is_cut_and_says_so),
        TEST(a_long_text_is_cut_between_characters),
        TEST(a_stack_becomes_lines_of_one_stamp),
        TEST(reopening_follows_logrotate),
        TEST(an_impossible_file_is_explained),
        TEST(a_passed_descriptor_is_used),
        TEST(a_full_pipe_loses_lines_and_says_so_later),
        TEST(a_full_disk_is_named_later),
        TEST(a_json_line_has_members),
        TEST(nobody_in_particular_is_null_in_json),
        TEST(a_json_line_is_json_whatever_the_bytes),
        TEST(the_longest_of_all_leave_room_for_the_message),
        TEST(syslog_gets_lines_of_its_own_form),
        TEST(syslog_can_carry_json),
        TEST(the_journal_gets_fields),
        TEST(a_line_made_elsewhere_gets_the_head_of_its_sink),
        TEST(errno_is_left_alone),
        TEST(levels_have_names),
    };
    setlocale(LC_CTYPE, "C.UTF-8"); /* for mbstowcs() to know UTF-8 */
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
