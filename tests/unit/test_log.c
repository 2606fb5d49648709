/*
 * test_log.c - lines of the error log, as they stand in the file.
 */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/snapcgi-test-log-XXXXXX";
static char path[64];
static char moved[64];
static char text[65536];

static int make_folder(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/log", folder);
    snprintf(moved, sizeof(moved), "%s/log.1", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static int open_log(void **state)
{
    (void)state;
    log_about(NULL, NULL);
    return log_open(path, LOG_INFO, NULL) == OK ? 0 : -1;
}

static int close_log(void **state)
{
    (void)state;
    log_close();
    unlink(path);
    unlink(moved);
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

/* What stands after the stamp, which is 24 characters and a space. */
static const char *after_stamp(void)
{
    assert_true(strlen(content(path)) > 25);
    assert_int_equal(text[23], 'Z');
    return text + 25;
}

static void a_line_has_level_pool_request_and_text(void **state)
{
    (void)state;
    log_about("www", "17-4");
    log_error("no such file: %s", "a.js");
    assert_string_equal(after_stamp(), "error www 17-4 no such file: a.js\n");
}

static void nobody_in_particular_is_a_dash(void **state)
{
    (void)state;
    log_notice("ready");
    assert_string_equal(after_stamp(), "notice - - ready\n");
}

static void a_low_level_is_not_written(void **state)
{
    (void)state;
    log_debug("quiet");
    assert_false(log_wants(LOG_DEBUG));
    assert_string_equal(content(path), "");
    log_set_level(LOG_DEBUG);
    log_debug("loud");
    assert_string_equal(after_stamp(), "debug - - loud\n");
}

static void no_input_forges_a_line(void **state)
{
    (void)state;
    log_text(LOG_WARN, SLICE("a\nb\r\x1b[2J\0c\x7f"));
    assert_string_equal(after_stamp(),
                        "warn - - a\\nb\\x0d\\x1b[2J\\x00c\\x7f\n");
}

static void bytes_of_other_scripts_stay(void **state)
{
    (void)state;
    log_text(LOG_WARN, SLICE("gr\xc3\xbc\xc3\x9f"));
    assert_string_equal(after_stamp(), "warn - - gr\xc3\xbc\xc3\x9f\n");
}

static void the_longest_request_id_is_whole(void **state)
{
    char id[129];
    (void)state;
    memset(id, 'i', sizeof(id) - 1);
    id[128] = '\0';
    log_about("p", id);
    log_error("x");
    assert_non_null(strstr(content(path), id));
    log_about(NULL, NULL);
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

static void a_stack_becomes_lines_of_one_stamp(void **state)
{
    (void)state;
    log_lines(LOG_ERROR, SLICE("Error: no\n    at f (a.js:1)\r\n\n"));
    const char *first = after_stamp();
    const char *second = strchr(first, '\n') + 1;
    assert_memory_equal(first, "error - - Error: no\n", 20);
    assert_string_equal(second + 25, "error - -     at f (a.js:1)\n");
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
    assert_string_equal(after_stamp(), "notice - - after\n");
    assert_non_null(strstr(content(moved), "between\n"));
}

static void an_impossible_file_is_explained(void **state)
{
    struct why why;
    (void)state;
    assert_int_equal(log_open("/nonexistent/log", LOG_INFO, &why), ERR_IO);
    assert_string_equal(why.text, "cannot open the log /nonexistent/log: "
                                  "No such file or directory");
    log_notice("the old log goes on");
    assert_non_null(strstr(content(path), "goes on"));
}

static void a_full_pipe_drops_and_counts(void **state)
{
    int p[2];
    (void)state;
    assert_int_equal(pipe(p), 0);
    int err = dup(STDERR_FILENO);
    log_open("stderr", LOG_INFO, NULL);
    fflush(stderr);
    dup2(p[1], STDERR_FILENO);
    uint64_t before = log_dropped();
    for (int i = 0; i < 3000; i++)
        log_notice("a line which nobody reads, number %d", i);
    dup2(err, STDERR_FILENO);
    assert_true(log_dropped() > before);
    close(err);
    close(p[0]);
    close(p[1]);
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
        TEST(a_line_has_level_pool_request_and_text),
        TEST(nobody_in_particular_is_a_dash),
        TEST(a_low_level_is_not_written),
        TEST(no_input_forges_a_line),
        TEST(bytes_of_other_scripts_stay),
        TEST(the_longest_request_id_is_whole),
        TEST(a_long_text_is_cut_and_says_so),
        TEST(a_stack_becomes_lines_of_one_stamp),
        TEST(reopening_follows_logrotate),
        TEST(an_impossible_file_is_explained),
        TEST(a_full_pipe_drops_and_counts),
        TEST(errno_is_left_alone),
        TEST(levels_have_names),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
