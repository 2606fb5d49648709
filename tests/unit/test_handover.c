/*
 * test_handover.c - what is left for the program to come.
 */
#include "serve/handover.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static struct handover_item item(const char *kind, int fd, const char *text)
{
    struct handover_item it = {.fd = {fd, -1}, .number = {7, 0, UINT64_MAX}};
    snprintf(it.kind, sizeof(it.kind), "%s", kind);
    snprintf(it.text, sizeof(it.text), "%s", text);
    return it;
}

static void what_was_written_is_read_again(void **state)
{
    struct handover out = {NULL, 0}, in;
    struct handover_item a = item("listen", 0, "/run/a b.sock");
    struct handover_item b = item("worker", -1, "");
    int fd;
    (void)state;
    handover_add(&out, &a);
    handover_add(&out, &b);
    assert_int_equal(handover_write(&out, &fd), OK);
    handover_read(&in);
    assert_int_equal(in.count, 2);
    assert_string_equal(in.items[0].kind, "listen");
    assert_string_equal(in.items[0].text, "/run/a b.sock");
    assert_int_equal(in.items[0].fd[0], 0);
    assert_int_equal(in.items[0].fd[1], -1);
    assert_true(in.items[0].number[2] == UINT64_MAX);
    assert_string_equal(in.items[1].text, "");
    assert_null(getenv("SNAPCGI_HANDOVER"));
    handover_free(&in);
    handover_free(&out);
}

static void descriptors_outlive_exec_only_when_told(void **state)
{
    struct handover h = {NULL, 0};
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct handover_item a = item("client", fd, "");
    (void)state;
    handover_add(&h, &a);
    handover_keep(&h, true);
    assert_int_equal(fcntl(fd, F_GETFD), 0);
    handover_keep(&h, false);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    close(fd);
    handover_free(&h);
}

static void taken_items_are_not_found_again(void **state)
{
    struct handover h = {NULL, 0};
    struct handover_item a = item("board", -1, "www");
    (void)state;
    handover_add(&h, &a);
    assert_null(handover_find(&h, "board", "other"));
    assert_null(handover_find(&h, "listen", "www"));
    struct handover_item *it = handover_find(&h, "board", NULL);
    assert_non_null(it);
    it->taken = true;
    assert_null(handover_find(&h, "board", "www"));
    handover_free(&h);
}

/* A descriptor with that text, named as if a supervisor had left it. */
static void leave(const char *text)
{
    char number[16];
    FILE *f = tmpfile();
    assert_non_null(f);
    fputs(text, f);
    fflush(f);
    snprintf(number, sizeof(number), "%d", dup(fileno(f)));
    setenv("SNAPCGI_HANDOVER", number, 1);
    fclose(f);
}

static void lines_of_another_version_are_skipped(void **state)
{
    struct handover h;
    (void)state;
    leave("future one two three\n\nlisten 3\n"
          "pid -1 -1 1 2 3 4 5 6 /run/snapcgi.pid\n"
          "averyverylongkindofitem -1 -1 1 2 3 4 5 6 x\n");
    handover_read(&h);
    assert_int_equal(h.count, 1);
    assert_string_equal(h.items[0].text, "/run/snapcgi.pid");
    handover_free(&h);
}

static void nothing_left_is_nothing_read(void **state)
{
    struct handover h;
    (void)state;
    unsetenv("SNAPCGI_HANDOVER");
    handover_read(&h);
    assert_int_equal(h.count, 0);
    setenv("SNAPCGI_HANDOVER", "999", 1);
    handover_read(&h);
    assert_int_equal(h.count, 0);
    setenv("SNAPCGI_HANDOVER", "rubbish", 1);
    handover_read(&h);
    assert_int_equal(h.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read_again),
        cmocka_unit_test(descriptors_outlive_exec_only_when_told),
        cmocka_unit_test(taken_items_are_not_found_again),
        cmocka_unit_test(lines_of_another_version_are_skipped),
        cmocka_unit_test(nothing_left_is_nothing_read),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
