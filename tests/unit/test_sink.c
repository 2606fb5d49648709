/*
 * test_sink.c - places that take lines, take none, and come back.
 */
#include "base/sink.h"

#include "base/sink_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/snapcgi-test-sink-XXXXXX";
static char path[64], moved[64], address[64];
static char text[1 << 20];
static struct sink sink;
static struct why why;
static int saved_stderr;

static int make_folder(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
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

static int set_up(void **state)
{
    (void)state;
    sink = (struct sink){.fd = -1};
    why.text[0] = '\0';
    saved_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);
    return saved_stderr < 0;
}

static int tear_down(void **state)
{
    (void)state;
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    sink_close(&sink);
    unlink(path);
    unlink(moved);
    unlink(address);
    return 0;
}

static bool put(const char *line)
{
    return sink_write(&sink, line, strlen(line));
}

static const char *content(const char *of)
{
    int fd = open(of, O_RDONLY);
    assert_true(fd >= 0);
    ssize_t n = read(fd, text, sizeof(text) - 1);
    assert_true(n >= 0);
    text[n] = '\0';
    close(fd);
    return text;
}

static void opened(const char *name)
{
    if (sink_open(&sink, name, &why) != OK)
        fail_msg("%s: %s", name, why.text);
}

/* ---- files ------------------------------------------------------------- */

static void a_file_is_appended_to(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        opened(path);
        assert_int_equal(sink.kind, SINK_FILE);
        assert_true(put("one\n"));
        sink_close(&sink);
    }
    assert_string_equal(content(path), "one\none\n");
}

static void a_file_that_cannot_be_opened_is_explained(void **state)
{
    (void)state;
    assert_int_equal(sink_open(&sink, "/nonexistent/log", &why), ERR_IO);
    assert_string_equal(why.text, "cannot open the log /nonexistent/log: "
                                  "No such file or directory");
    assert_int_equal(sink.kind, SINK_NONE);
    assert_int_equal(sink_open(&sink, folder, &why), ERR_IO);
}

/* Who may write to the folder of a log must not choose what root writes to. */
static void a_link_of_somebody_else_is_not_followed(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    opened(path);
    put("before\n");
    assert_int_equal(rename(path, moved), 0);
    assert_int_equal(symlink("elsewhere", path), 0);
    assert_int_equal(lchown(path, 65534, 65534), 0);
    assert_int_equal(sink_reopen(&sink, &why), ERR_IO);
    assert_non_null(strstr(why.text, "a symbolic link that belongs to another "
                                     "user (65534)"));
    put("after\n");
    assert_string_equal(content(moved), "before\nafter\n");
    sink_close(&sink);
    assert_int_equal(sink_open(&sink, path, &why), ERR_IO);
    assert_int_equal(access(path, F_OK), -1);
}

static void a_link_of_root_or_our_own_is_followed(void **state)
{
    (void)state;
    assert_int_equal(symlink("log.1", path), 0);
    opened(path);
    put("there\n");
    assert_string_equal(content(moved), "there\n");
    sink_close(&sink);
    opened("/dev/fd/2"); /* two links, both of the kernel or of root */
}

static void a_moved_file_is_followed_by_reopening(void **state)
{
    (void)state;
    opened(path);
    put("before\n");
    assert_int_equal(rename(path, moved), 0);
    put("between\n");
    assert_int_equal(sink_reopen(&sink, &why), OK);
    put("after\n");
    assert_string_equal(content(moved), "before\nbetween\n");
    assert_string_equal(content(path), "after\n");
}

static void a_missing_folder_leaves_the_old_file_in_use(void **state)
{
    char inner[80], file[128], away[80];
    (void)state;
    snprintf(inner, sizeof(inner), "%s/in", folder);
    snprintf(file, sizeof(file), "%s/log", inner);
    snprintf(away, sizeof(away), "%s/away", folder);
    assert_int_equal(mkdir(inner, 0700), 0);
    opened(file);
    assert_int_equal(rename(inner, away), 0);
    assert_int_equal(sink_reopen(&sink, &why), ERR_IO);
    assert_non_null(strstr(why.text, file));
    assert_true(put("still here\n"));
    snprintf(file, sizeof(file), "%s/log", away);
    assert_string_equal(content(file), "still here\n");
    unlink(file);
    rmdir(away);
}

static void a_truncated_copy_goes_on_at_the_start(void **state)
{
    (void)state;
    opened(path);
    put("a long line that logrotate has copied away\n");
    assert_int_equal(truncate(path, 0), 0);
    put("next\n");
    assert_string_equal(content(path), "next\n");
}

static void another_processs_descriptor_takes_its_place(void **state)
{
    (void)state;
    opened(path);
    int fd = open(moved, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK, 0600);
    int old = sink.fd;
    sink_use(&sink, fd);
    assert_true(put("there\n"));
    assert_string_equal(content(moved), "there\n");
    assert_int_equal(fcntl(old, F_GETFD), -1);
}

static void a_full_disk_loses_lines_and_counts_them(void **state)
{
    (void)state;
    opened("/dev/full");
    assert_false(put("one\n"));
    assert_false(put("two\n"));
    assert_int_equal(sink.lost, 2);
    assert_int_equal(sink.error, ENOSPC);
    sink_use(&sink, open(path, O_WRONLY | O_CREAT | O_APPEND, 0600));
    assert_true(put("three\n"));
    assert_int_equal(sink.lost, 2);
}

/* RLIMIT_FSIZE cuts a line as a disk that has few bytes left does. */
static void a_line_that_was_cut_is_ended_before_the_next(void **state)
{
    struct rlimit old, few = {6, RLIM_INFINITY};
    (void)state;
    opened(path);
    getrlimit(RLIMIT_FSIZE, &old);
    few.rlim_max = old.rlim_max;
    setrlimit(RLIMIT_FSIZE, &few);
    bool cut = put("first line\n"), none = put("none\n");
    setrlimit(RLIMIT_FSIZE, &old);
    assert_false(cut);
    assert_false(none);
    assert_int_equal(sink.lost, 2);
    assert_true(put("last\n"));
    assert_true(put("and on\n"));
    assert_string_equal(content(path), "first \nlast\nand on\n");
}

static void a_fifo_that_nobody_reads_is_no_log(void **state)
{
    (void)state;
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(sink_open(&sink, path, &why), ERR_IO);
}

/* Lines into what nobody reads, until one is lost. */
static void fill(void)
{
    for (int i = 0; i < 100000 && put("a line of a few words\n"); i++)
        ;
    assert_int_equal(sink.lost, 1);
    assert_int_equal(sink.error, EAGAIN);
}

static void a_full_fifo_loses_lines_until_it_is_read(void **state)
{
    (void)state;
    assert_int_equal(mkfifo(path, 0600), 0);
    int reader = open(path, O_RDONLY | O_NONBLOCK);
    opened(path);
    fill();
    assert_false(put("nor this\n"));
    while (read(reader, text, sizeof(text)) > 0)
        ;
    assert_true(put("this\n"));
    ssize_t n = read(reader, text, sizeof(text));
    assert_int_equal(n, 5);
    close(reader);
    assert_false(put("the reader has gone\n"));
    assert_int_equal(sink.error, EPIPE);
    assert_int_equal(sink.lost, 3);
}

/* ---- stderr ------------------------------------------------------------ */

static void stderr_takes_lines_and_keeps_its_flags(void **state)
{
    int p[2];
    (void)state;
    assert_int_equal(pipe(p), 0);
    dup2(p[1], STDERR_FILENO);
    opened("stderr");
    assert_true(put("hello\n"));
    assert_int_equal(read(p[0], text, 100), 6);
    fill();
    assert_int_equal(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK, 0);
    close(p[0]);
    assert_false(put("the reader has gone\n"));
    close(p[1]);
}

static void stderr_before_it_is_opened_does_not_wait_either(void **state)
{
    int p[2];
    (void)state;
    assert_int_equal(pipe(p), 0);
    dup2(p[1], STDERR_FILENO);
    sink = (struct sink)SINK_UNOPENED;
    fill();
    close(p[0]);
    close(p[1]);
}

static void a_copy_of_stderr_takes_its_place(void **state)
{
    int p[2];
    (void)state;
    assert_int_equal(pipe(p), 0);
    sink = (struct sink)SINK_UNOPENED;
    sink_use(&sink, p[1]);
    assert_true(put("copy\n"));
    fill();
    assert_true(fcntl(STDERR_FILENO, F_GETFD) >= 0);
    close(p[0]);
}

/* Between poll(2) and write(2) of one, another takes the last room. */
static void many_that_share_a_full_pipe_do_not_wait(void **state)
{
    char big[PIPE_BUF];
    int p[2], go[2], status;
    pid_t pid[4];
    (void)state;
    memset(big, 'x', sizeof(big));
    for (int round = 0; round < 200; round++) {
        assert_int_equal(pipe(p) + pipe(go), 0);
        for (int i = 0; i < 4; i++) {
            pid[i] = fork();
            if (pid[i] != 0)
                continue;
            char c;
            close(go[1]);
            dup2(p[1], STDERR_FILENO);
            sink_open(&sink, "stderr", NULL);
            alarm(20);
            if (read(go[0], &c, 1) < 0)
                _exit(1);
            for (int k = 0; k < 40; k++)
                sink_write(&sink, big, sizeof(big));
            _exit(0);
        }
        close(go[1]);
        for (int i = 0; i < 4; i++) {
            assert_int_equal(waitpid(pid[i], &status, 0), pid[i]);
            assert_int_equal(status, 0);
        }
        close(go[0]);
        close(p[0]);
        close(p[1]);
    }
}

static void a_socket_as_stderr_does_not_wait(void **state)
{
    int p[2];
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, p), 0);
    dup2(p[1], STDERR_FILENO);
    opened("stderr");
    assert_true(put("hello\n"));
    fill();
    close(p[0]);
    close(p[1]);
}

static void a_closed_stderr_loses_lines(void **state)
{
    (void)state;
    close(STDERR_FILENO);
    enum err e = sink_open(&sink, "stderr", &why);
    bool ok = put("x\n");
    dup2(saved_stderr, STDERR_FILENO);
    assert_int_equal(e, OK);
    assert_false(ok);
    assert_int_equal(sink.lost, 1);
}

/* ---- daemons ----------------------------------------------------------- */

static int listen_here(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    snprintf(at.sun_path, sizeof(at.sun_path), "%s", address);
    unlink(address);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

static void assert_heard(int fd, const char *line)
{
    ssize_t n = recv(fd, text, sizeof(text) - 1, 0);
    text[n < 0 ? 0 : n] = '\0';
    assert_string_equal(text, line);
}

static void a_datagram_is_a_line(void **state)
{
    static const char *const names[] = {"syslog", "journal"};
    (void)state;
    for (int i = 0; i < 2; i++) {
        int fd = listen_here();
        opened(names[i]);
        assert_true(put("one"));
        assert_true(put("two"));
        assert_heard(fd, "one");
        assert_heard(fd, "two");
        sink_close(&sink);
        close(fd);
    }
}

static void a_daemon_that_is_not_there_is_explained(void **state)
{
    (void)state;
    assert_int_equal(sink_open(&sink, "syslog", &why), ERR_IO);
    assert_non_null(strstr(why.text, address));
    assert_non_null(strstr(why.text, "start it or set another log"));
    assert_int_equal(sink.kind, SINK_NONE);
}

static void a_daemon_started_again_is_found_again(void **state)
{
    (void)state;
    close(listen_here());
    int fd = listen_here();
    opened("syslog");
    close(fd);
    assert_false(put("lost"));
    fd = listen_here();
    sink.retry = UINT64_MAX; /* it was looked for a moment ago */
    assert_false(put("lost"));
    assert_int_equal(sink.lost, 2);
    sink.retry = 0;
    assert_true(put("found"));
    assert_heard(fd, "found");
    close(fd);
}

static void a_daemon_is_found_by_reopening_or_kept(void **state)
{
    (void)state;
    int fd = listen_here();
    opened("journal");
    unlink(address);
    assert_int_equal(sink_reopen(&sink, &why), ERR_IO);
    assert_true(put("the old one"));
    assert_heard(fd, "the old one");
    int next = listen_here();
    assert_int_equal(sink_reopen(&sink, &why), OK);
    assert_true(put("the new one"));
    assert_heard(next, "the new one");
    close(fd);
    close(next);
}

static void a_daemon_that_does_not_read_loses_lines(void **state)
{
    (void)state;
    int fd = listen_here();
    opened("syslog");
    fill();
    while (recv(fd, text, sizeof(text), 0) > 0)
        ;
    assert_true(put("again"));
    close(fd);
}

/* What a chroot leaves: a connection, and no path. */
static void a_path_that_is_gone_does_no_harm(void **state)
{
    (void)state;
    int fd = listen_here();
    opened("syslog");
    unlink(address);
    assert_true(put("still"));
    assert_heard(fd, "still");
    close(fd);
    assert_false(put("lost"));
    assert_int_equal(sink.lost, 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_file_is_appended_to),
        TEST(a_file_that_cannot_be_opened_is_explained),
        TEST(a_link_of_somebody_else_is_not_followed),
        TEST(a_link_of_root_or_our_own_is_followed),
        TEST(a_moved_file_is_followed_by_reopening),
        TEST(a_missing_folder_leaves_the_old_file_in_use),
        TEST(a_truncated_copy_goes_on_at_the_start),
        TEST(another_processs_descriptor_takes_its_place),
        TEST(a_full_disk_loses_lines_and_counts_them),
        TEST(a_line_that_was_cut_is_ended_before_the_next),
        TEST(a_fifo_that_nobody_reads_is_no_log),
        TEST(a_full_fifo_loses_lines_until_it_is_read),
        TEST(stderr_takes_lines_and_keeps_its_flags),
        TEST(stderr_before_it_is_opened_does_not_wait_either),
        TEST(a_copy_of_stderr_takes_its_place),
        TEST(many_that_share_a_full_pipe_do_not_wait),
        TEST(a_socket_as_stderr_does_not_wait),
        TEST(a_closed_stderr_loses_lines),
        TEST(a_datagram_is_a_line),
        TEST(a_daemon_that_is_not_there_is_explained),
        TEST(a_daemon_started_again_is_found_again),
        TEST(a_daemon_is_found_by_reopening_or_kept),
        TEST(a_daemon_that_does_not_read_loses_lines),
        TEST(a_path_that_is_gone_does_no_harm),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
