/*
 * test_link.c - words and descriptors between supervisor and worker.
 */
#include "serve/link.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct line {
    int supervisor, worker;
};

static int set_up(void **state)
{
    static struct line l;
    *state = &l;
    return link_open(&l.supervisor, &l.worker) == OK ? 0 : -1;
}

static int tear_down(void **state)
{
    struct line *l = *state;
    close(l->supervisor);
    close(l->worker);
    return 0;
}

static void a_word_and_its_text_arrive(void **state)
{
    struct line *l = *state;
    struct link_message m = {.word = LINK_LEVEL, .text = "debug"}, got;
    assert_int_equal(link_send(l->supervisor, &m), OK);
    assert_int_equal(link_receive(l->worker, &got), OK);
    assert_int_equal(got.word, LINK_LEVEL);
    assert_string_equal(got.text, "debug");
    assert_int_equal(got.fd[0], -1);
    assert_int_equal(link_receive(l->worker, &got), ERR_AGAIN);
}

static void how_to_save_arrives_to_the_last_byte(void **state)
{
    struct line *l = *state;
    struct link_message m = {.word = LINK_SAVE}, got;
    struct link_save how, then;
    memset(&how, 0xa5, sizeof(how)); /* a key has zeros, and anything else */
    how.key[0] = 0;
    memcpy(m.text, &how, sizeof(how));
    assert_int_equal(link_send(l->supervisor, &m), OK);
    assert_int_equal(link_receive(l->worker, &got), OK);
    memcpy(&then, got.text, sizeof(then));
    assert_memory_equal(&then, &how, sizeof(how));
}

static ino_t inode(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

static void descriptors_arrive_in_their_places(void **state)
{
    struct line *l = *state;
    int a[2], b[2];
    struct link_message got;
    assert_int_equal(pipe(a) + pipe(b), 0);
    struct link_message m = {.word = LINK_LOGS, .fd = {a[0], -1, b[0]}};
    assert_int_equal(link_send(l->supervisor, &m), OK);
    assert_int_equal(link_receive(l->worker, &got), OK);
    assert_int_equal(inode(got.fd[LINK_ERROR_LOG]), inode(a[0]));
    assert_int_equal(got.fd[LINK_ACCESS_LOG], -1);
    assert_int_equal(inode(got.fd[LINK_SLOW_LOG]), inode(b[0]));
    close(got.fd[LINK_ERROR_LOG]);
    close(got.fd[LINK_SLOW_LOG]);
    for (int i = 0; i < 2; i++) {
        close(a[i]);
        close(b[i]);
    }
}

static void the_end_of_the_other_side_is_told(void **state)
{
    struct line *l = *state;
    struct link_message m = {.word = LINK_LAST}, got;
    close(l->supervisor);
    l->supervisor = -1;
    assert_int_equal(link_receive(l->worker, &got), ERR_EOF);
    assert_int_equal(link_send(l->worker, &m), ERR_EOF);
}

/* Nor can it send a socket whose end takes an hour. */
static void a_worker_sends_nothing(void **state)
{
    struct line *l = *state;
    struct link_message m = {.word = LINK_LOGS, .fd = {0, 1, 2}};
    assert_int_equal(link_send(l->worker, &m), ERR_EOF);
    m.word = LINK_LEVEL;
    assert_int_equal(link_send(l->worker, &m), ERR_EOF);
    assert_int_equal(link_send(l->supervisor, &m), OK);
}

static void one_who_does_not_read_is_not_waited_for(void **state)
{
    struct line *l = *state;
    struct link_message m = {.word = LINK_LAST};
    enum err e = OK;
    for (int i = 0; i < 100000 && e == OK; i++)
        e = link_send(l->supervisor, &m);
    assert_int_equal(e, ERR_AGAIN);
}

static void what_is_no_message_is_refused(void **state)
{
    struct line *l = *state;
    struct link_message got;
    assert_int_equal(send(l->supervisor, "hello", 5, 0), 5);
    assert_int_equal(link_receive(l->worker, &got), ERR_SYNTAX);
}

#define test(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        test(a_word_and_its_text_arrive),
        test(how_to_save_arrives_to_the_last_byte),
        test(descriptors_arrive_in_their_places),
        test(the_end_of_the_other_side_is_told),
        test(a_worker_sends_nothing),
        test(one_who_does_not_read_is_not_waited_for),
        test(what_is_no_message_is_refused),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
