/*
 * test_task.c - what a child answers, says, or can no longer say.
 */
#include "base/task.h"

#include "base/buf.h"
#include "base/clock.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define SOON (300 * NS_PER_MS)

static enum err answers(void *arg, struct why *why)
{
    task_say("one");
    task_say("two");
    return why_set(why, *(enum err *)arg, "the reason");
}

static enum err is_killed(void *arg, struct why *why)
{
    (void)arg;
    (void)why;
    raise(SIGKILL);
    return OK;
}

static enum err leaves(void *arg, struct why *why)
{
    (void)arg;
    (void)why;
    _exit(7);
}

static enum err sleeps(void *arg, struct why *why)
{
    (void)arg;
    (void)why;
    while (true)
        pause();
    return OK;
}

static enum err chatters(void *arg, struct why *why)
{
    (void)arg;
    (void)why;
    while (true)
        task_say("and");
    return OK;
}

/* As one that was taken over might. */
static enum err closes(void *arg, struct why *why)
{
    close(task_fd());
    return sleeps(arg, why);
}

static enum err dies_with_words(void *arg, struct why *why)
{
    (void)arg;
    (void)why;
    task_answer(ERR_NOMEM, "last words");
    _exit(70);
}

static void what_it_says_and_answers_comes(void **state)
{
    (void)state;
    struct buf said;
    struct why why = {.text = ""};
    enum err e = OK;
    buf_init(&said, 1000);
    assert_int_equal(task_run(answers, &e, 0, &said, &why), OK);
    assert_string_equal(buf_str(&said), "one\ntwo\n");
    assert_string_equal(why.text, "");
    e = ERR_MISMATCH;
    assert_int_equal(task_run(answers, &e, 0, NULL, &why), ERR_MISMATCH);
    assert_string_equal(why.text, "the reason");
    assert_int_equal(task_fd(), -1);
    buf_free(&said);
}

static void how_it_ended_is_said(void **state)
{
    (void)state;
    struct why why = {.text = ""};
    assert_int_equal(task_run(is_killed, NULL, 0, NULL, &why), ERR_ABORTED);
    assert_non_null(strstr(why.text, "by signal 9"));
    assert_int_equal(task_run(leaves, NULL, 0, NULL, &why), ERR_FAIL);
    assert_non_null(strstr(why.text, "with status 7"));
    assert_int_equal(task_run(dies_with_words, NULL, 0, NULL, &why), ERR_NOMEM);
    assert_string_equal(why.text, "last words");
}

static void it_has_no_more_time_than_it_gets(void **state)
{
    (void)state;
    struct buf said;
    struct why why = {.text = ""};
    buf_init(&said, 1000);
    assert_int_equal(task_run(sleeps, NULL, SOON, NULL, &why), ERR_TIMEOUT);
    assert_non_null(strstr(why.text, "longer than 300 ms"));
    assert_int_equal(task_run(chatters, NULL, SOON, &said, &why), ERR_TIMEOUT);
    assert_int_equal(task_run(closes, NULL, SOON, NULL, &why), ERR_ABORTED);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    buf_free(&said);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_says_and_answers_comes),
        cmocka_unit_test(how_it_ended_is_said),
        cmocka_unit_test(it_has_no_more_time_than_it_gets),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
