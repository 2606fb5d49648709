/*
 * test_pidfile.c - a process id on disk, and whether it is true.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "serve/pidfile.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char home[64];
static char path[96];
static char text[64];
static struct pidfile one;
static struct why why;

static int set_up(void **state)
{
    (void)state;
    snprintf(home, sizeof(home), "/tmp/snapcgi-test-XXXXXX");
    if (mkdtemp(home) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/pid", home);
    one.fd = -1;
    why.text[0] = '\0';
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    pidfile_close(&one);
    unlink(path);
    return rmdir(home);
}

static void put(const char *s)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(s, f);
    fclose(f);
}

/* Not by this process: its lock would go. */
static void assert_holds(pid_t pid)
{
    char command[128], got[64] = "";
    snprintf(command, sizeof(command), "cat %s", path);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    size_t n = fread(got, 1, sizeof(got) - 1, f);
    pclose(f);
    snprintf(text, sizeof(text), "%d\n", (int)pid);
    assert_int_equal(n, strlen(text));
    assert_string_equal(got, text);
}

static void assert_said(const char *word)
{
    if (strstr(why.text, word) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", why.text, word);
}

/* Another supervisor that lives until the pipe is closed. */
static pid_t other(int ends[2])
{
    char c;
    int ready[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct pidfile p;
        close(ends[1]);
        if (pidfile_open(&p, path, NULL) != OK)
            _exit(1);
        (void)!write(ready[1], "", 1);
        (void)!read(ends[0], &c, 1);
        pidfile_close(&p);
        _exit(0);
    }
    close(ends[0]);
    close(ready[1]);
    assert_int_equal(read(ready[0], &c, 1), 1);
    close(ready[0]);
    return pid;
}

static void it_holds_the_id_and_anyone_may_read_it(void **state)
{
    struct stat st;
    (void)state;
    mode_t was = umask(0077);
    assert_int_equal(pidfile_open(&one, path, &why), OK);
    umask(was);
    assert_holds(getpid());
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0644);
    assert_int_equal(fcntl(one.fd, F_GETFD), FD_CLOEXEC);
    pidfile_close(&one);
    assert_int_equal(access(path, F_OK), -1);
    pidfile_close(&one); /* nothing */
}

static void one_left_over_is_replaced(void **state)
{
    static const char *const old[] = {"", "1\n", "2147483647\n", " 12 \r\n"};
    (void)state;
    for (size_t i = 0; i < sizeof(old) / sizeof(old[0]); i++) {
        put(old[i]);
        assert_int_equal(pidfile_open(&one, path, &why), OK);
        assert_holds(getpid());
        pidfile_close(&one);
    }
}

static void another_that_lives_is_named(void **state)
{
    int ends[2], status;
    (void)state;
    pid_t pid = other(ends);
    assert_int_equal(pidfile_open(&one, path, &why), ERR_BUSY);
    assert_int_equal(one.fd, -1);
    snprintf(text, sizeof(text), "process %d,", (int)pid);
    assert_said(text);
    assert_said(path);
    assert_holds(pid);
    close(ends[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(access(path, F_OK), -1);
}

static void a_killed_one_is_replaced(void **state)
{
    int ends[2];
    (void)state;
    pid_t pid = other(ends);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    close(ends[1]);
    assert_holds(pid);
    assert_int_equal(pidfile_open(&one, path, &why), OK);
    assert_holds(getpid());
}

static void what_is_no_pid_file_is_left_alone(void **state)
{
    static const char *const precious[] = {"root:x:0:0\n", "12 13\n", "-1\n",
                                           "00000000000000000001\n"};
    (void)state;
    for (size_t i = 0; i < sizeof(precious) / sizeof(precious[0]); i++) {
        put(precious[i]);
        assert_int_equal(pidfile_open(&one, path, &why), ERR_BUSY);
        assert_said("is no pid file");
        FILE *f = fopen(path, "r");
        assert_non_null(fgets(text, sizeof(text), f));
        fclose(f);
        assert_string_equal(text, precious[i]);
    }
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(pidfile_open(&one, path, &why), ERR_BUSY);
    unlink(path);
    char target[112];
    snprintf(target, sizeof(target), "%s/target", home);
    assert_int_equal(symlink(target, path), 0);
    assert_int_equal(pidfile_open(&one, path, &why), ERR_IO);
    assert_said("symbolic link");
    assert_int_equal(unlink(target), -1);
}

/* Its owner could have any process stopped. */
static void a_file_of_somebody_else_is_left_alone(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    put("1\n");
    assert_int_equal(chown(path, 65534, 65534), 0);
    assert_int_equal(pidfile_open(&one, path, &why), ERR_ACCESS);
    assert_non_null(strstr(why.text, "belongs to another user (65534)"));
    assert_int_equal(one.fd, -1);
}

static void a_missing_folder_is_said(void **state)
{
    (void)state;
    assert_int_equal(pidfile_open(&one, "/nonexistent/pid", &why), ERR_IO);
    assert_said("/nonexistent/pid");
    assert_said("No such file");
}

static void a_child_neither_removes_nor_unlocks_it(void **state)
{
    int status;
    (void)state;
    assert_int_equal(pidfile_open(&one, path, &why), OK);
    pid_t pid = fork();
    if (pid == 0) {
        pidfile_close(&one);
        _exit(access(path, F_OK) == 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    pid = fork();
    if (pid == 0) {
        struct pidfile p;
        _exit(pidfile_open(&p, path, NULL) == ERR_BUSY ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void a_file_that_is_anothers_by_now_stays(void **state)
{
    (void)state;
    assert_int_equal(pidfile_open(&one, path, &why), OK);
    unlink(path);
    put("1\n");
    pidfile_close(&one);
    assert_int_equal(access(path, F_OK), 0);
}

/* As super.c hands it over: the descriptor stays open across execve(2). */
static void a_re_execution_keeps_it(void **state)
{
    char command[256];
    int status;
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        if (pidfile_open(&one, path, NULL) != OK)
            _exit(1);
        fcntl(one.fd, F_SETFD, 0);
        snprintf(command, sizeof(command), "read pid < %s; test $pid = $$",
                 path);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(2);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(pidfile_open(&one, path, &why), OK);
    struct pidfile again;
    assert_int_equal(pidfile_take(&again, path, one.fd, &why), OK);
    assert_int_equal(again.fd, one.fd);
    free(one.path);
    one = again;
    pidfile_close(&one);
    assert_int_equal(access(path, F_OK), -1);
}

static void one_that_was_removed_is_written_again(void **state)
{
    (void)state;
    assert_int_equal(pidfile_open(&one, path, &why), OK);
    unlink(path);
    struct pidfile before = one;
    assert_int_equal(pidfile_take(&one, path, before.fd, &why), OK);
    free(before.path);
    assert_holds(getpid());
}

static void one_that_is_anothers_by_now_is_not_taken(void **state)
{
    int ends[2];
    (void)state;
    assert_int_equal(pidfile_open(&one, path, &why), OK);
    unlink(path);
    pid_t pid = other(ends);
    struct pidfile before = one;
    assert_int_equal(pidfile_take(&one, path, before.fd, &why), ERR_BUSY);
    free(before.path);
    assert_int_equal(one.fd, -1);
    assert_holds(pid);
    close(ends[1]);
    waitpid(pid, NULL, 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        T(it_holds_the_id_and_anyone_may_read_it),
        T(one_left_over_is_replaced),
        T(another_that_lives_is_named),
        T(a_killed_one_is_replaced),
        T(what_is_no_pid_file_is_left_alone),
        T(a_file_of_somebody_else_is_left_alone),
        T(a_missing_folder_is_said),
        T(a_child_neither_removes_nor_unlocks_it),
        T(a_file_that_is_anothers_by_now_stays),
        T(a_re_execution_keeps_it),
        T(one_that_was_removed_is_written_again),
        T(one_that_is_anothers_by_now_is_not_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
