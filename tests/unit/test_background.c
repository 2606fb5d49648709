/*
 * test_background.c - what a shell sees of a command that goes to the
 * background.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "serve/background.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define PATIENCE 60000 /* ms */

static int link_to[2];  /* the supervisor's word to the test */
static int terminal[2]; /* what it prints */
static int hold[2];     /* closed: it may go on */

static int set_up(void **state)
{
    (void)state;
    return pipe2(link_to, O_CLOEXEC) | pipe2(terminal, O_CLOEXEC) |
           pipe2(hold, O_CLOEXEC);
}

static int tear_down(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        close(link_to[i]);
        close(terminal[i]);
        close(hold[i]);
    }
    return 0;
}

static void tell(char c)
{
    (void)!write(link_to[1], &c, 1);
}

static bool readable(int fd, int ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, ms) == 1;
}

static char told(void)
{
    char c = '\0';
    return readable(link_to[0], PATIENCE) && read(link_to[0], &c, 1) == 1 ? c
                                                                          : '-';
}

/* Runs the supervisor as a shell would run the command. */
static pid_t command(void (*supervisor)(void))
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct why why;
        signal(SIGINT, SIG_DFL); /* a shell's background job ignores it */
        dup2(terminal[1], 1);
        dup2(terminal[1], 2);
        close(hold[1]);
        if (background_fork(&why) == OK)
            supervisor();
        _exit(99);
    }
    return pid;
}

static int status_of(pid_t pid)
{
    int status = -1;
    uint64_t end = clock_mono() + PATIENCE * NS_PER_MS;
    while (waitpid(pid, &status, WNOHANG) == 0)
        if (clock_mono() < end)
            poll(NULL, 0, 5);
        else
            kill(pid, SIGKILL);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void wait_to_go_on(void)
{
    char c;
    (void)!read(hold[0], &c, 1);
}

static bool is_null(int fd)
{
    struct stat a, b;
    return fstat(fd, &a) == 0 && stat("/dev/null", &b) == 0 &&
           a.st_rdev == b.st_rdev;
}

static void starts(void)
{
    int signal_of_parent = 0;
    wait_to_go_on();
    tell(getsid(0) == getpid() ? 's' : '-');
    puts("starting");
    background_started();
    tell(is_null(0) && is_null(1) && is_null(2) ? 'n' : '-');
    prctl(PR_GET_PDEATHSIG, &signal_of_parent);
    tell(signal_of_parent == 0 ? 'p' : '-');
    background_started(); /* a second time is nothing */
    _exit(7);             /* too late to matter to the command */
}

static void the_command_ends_once_all_is_started(void **state)
{
    char text[64] = "";
    (void)state;
    pid_t pid = command(starts);
    int status;
    poll(NULL, 0, 20);
    assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
    close(hold[1]);
    hold[1] = -1;
    assert_int_equal(status_of(pid), 0);
    assert_int_equal(told(), 's');
    assert_int_equal(told(), 'n');
    assert_int_equal(told(), 'p');
    assert_true(read(terminal[0], text, sizeof(text) - 1) > 0);
    assert_string_equal(text, "starting\n");
}

static void fails(void)
{
    fprintf(stderr, "snapcgi: no\n");
    _exit(78);
}

static void a_failure_is_printed_and_its_status_passed_on(void **state)
{
    char text[64] = "";
    (void)state;
    assert_int_equal(status_of(command(fails)), 78);
    assert_true(read(terminal[0], text, sizeof(text) - 1) > 0);
    assert_string_equal(text, "snapcgi: no\n");
}

static void crashes(void)
{
    signal(SIGABRT, SIG_DFL);
    kill(getpid(), SIGKILL);
}

static void a_crash_is_said(void **state)
{
    char text[256] = "";
    (void)state;
    assert_int_equal(status_of(command(crashes)), 70);
    assert_true(read(terminal[0], text, sizeof(text) - 1) > 0);
    assert_non_null(strstr(text, "signal 9"));
}

static void leaves_a_child(void)
{
    if (fork() == 0) {
        wait_to_go_on();
        _exit(0);
    }
    _exit(69);
}

static void a_child_left_over_does_not_keep_the_command(void **state)
{
    (void)state;
    assert_int_equal(status_of(command(leaves_a_child)), 69);
}

static void stays(void)
{
    tell('r');
    wait_to_go_on();
    _exit(0);
}

static void who_ends_the_command_ends_the_start(void **state)
{
    (void)state;
    pid_t pid = command(stays);
    assert_int_equal(told(), 'r');
    kill(pid, SIGINT);
    assert_int_equal(status_of(pid), -SIGINT);
    /* The supervisor's end of the terminal closes with it. */
    close(terminal[1]);
    terminal[1] = -1;
    assert_true(readable(terminal[0], PATIENCE));
}

static void without_a_fork_nothing_is_let_go(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        dup2(terminal[1], 0);
        background_started();
        _exit(is_null(0) ? 1 : 0);
    }
    assert_int_equal(status_of(pid), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        T(the_command_ends_once_all_is_started),
        T(a_failure_is_printed_and_its_status_passed_on),
        T(a_crash_is_said),
        T(a_child_left_over_does_not_keep_the_command),
        T(who_ends_the_command_ends_the_start),
        T(without_a_fork_nothing_is_let_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
