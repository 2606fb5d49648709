/* test_io.c - writes and reads that come in parts, end early, or fail. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define LARGE (1024u * 1024) /* no pipe holds it */

static char large[LARGE + 4096]; /* more than is written */
static pid_t parent;
static volatile sig_atomic_t *signals; /* what the parent got; shared */

static void on_signal(int s)
{
    (void)s;
    ++*signals;
}

static int set_up(void **state)
{
    struct sigaction once = {.sa_handler = on_signal}; /* no SA_RESTART */
    (void)state;
    parent = getpid();
    signals = mmap(NULL, sizeof *signals, PROT_READ | PROT_WRITE,
                   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (size_t i = 0; i < LARGE; i++)
        large[i] = (char)(i * 7 / 3);
    signal(SIGXFSZ, SIG_IGN);
    return signals == MAP_FAILED ? -1 : sigaction(SIGUSR1, &once, NULL);
}

static bool is_asleep(pid_t pid)
{
    char path[64], text[256] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY);
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    return n > 0 && strstr(text, ") S ") != NULL;
}

/* In a child: the parent waits in a call, and a signal ends that. */
static void interrupt_parent(void)
{
    sig_atomic_t before = *signals;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (!is_asleep(parent))
        usleep(1000);
    kill(parent, SIGUSR1);
    while (*signals == before)
        usleep(1000);
}

static int file_of(const char *text)
{
    int fd = memfd_create("test", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(io_write(fd, text, strlen(text), NULL), OK);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

/* The first signal ends a call that has written something, the second one
 * that has not. */
static void take_late(int fd)
{
    struct buf got;
    buf_init(&got, LARGE);
    interrupt_parent();
    interrupt_parent();
    enum err e = io_read_all(fd, &got);
    _exit(e == OK && got.n == LARGE && memcmp(got.p, large, LARGE) == 0 ? 0
                                                                        : 1);
}

static void give_in_parts(int fd)
{
    interrupt_parent();
    for (size_t n = 0; n < LARGE; n += 4096)
        if (write(fd, large + n, 4096) != 4096)
            _exit(1);
    interrupt_parent();
    _exit(0);
}

static void ends_well(pid_t pid)
{
    int status = -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    assert_int_equal(status, 0);
}

static void a_write_goes_on_after_a_signal(void **state)
{
    (void)state;
    int ends[2];
    size_t wrote = 0;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[1]);
        take_late(ends[0]);
    }
    assert_int_equal(io_write(ends[1], large, LARGE, &wrote), OK);
    assert_int_equal(wrote, LARGE);
    close(ends[0]);
    close(ends[1]);
    ends_well(pid);
}

static void a_write_that_fails_says_how_far_it_came(void **state)
{
    (void)state;
    struct rlimit old, less;
    size_t wrote = 9;
    int fd = open("/dev/full", O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(io_write(fd, "x", 1, &wrote), ERR_IO);
    assert_int_equal(errno, ENOSPC);
    assert_int_equal(wrote, 0);
    assert_int_equal(io_write(fd, NULL, 0, &wrote), OK);
    close(fd);
    fd = file_of("");
    getrlimit(RLIMIT_FSIZE, &old);
    less = (struct rlimit){.rlim_cur = 1000, .rlim_max = old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &less);
    enum err e = io_write(fd, large, LARGE, &wrote);
    int failed = errno;
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(e, ERR_IO);
    assert_int_equal(failed, EFBIG);
    assert_int_equal(wrote, 1000);
    close(fd);
}

static void a_part_of_a_file_is_read(void **state)
{
    (void)state;
    char part[8] = "";
    size_t got = 9;
    int fd = file_of("0123456789");
    assert_int_equal(io_read_at(fd, part, 3, 4, &got), OK);
    assert_int_equal(got, 3);
    assert_string_equal(part, "456");
    assert_int_equal(io_read_at(fd, part, 7, 6, &got), ERR_EOF);
    assert_int_equal(got, 4);
    assert_string_equal(part, "6789");
    assert_int_equal(io_read_at(fd, part, 1, 10, &got), ERR_EOF);
    assert_int_equal(got, 0);
    assert_int_equal(io_read_at(fd, NULL, 0, 10, &got), OK);
    assert_int_equal(lseek(fd, 0, SEEK_CUR), 0); /* is left where it was */
    close(fd);
    assert_int_equal(io_read_at(fd, part, 1, 0, &got), ERR_IO);
    assert_int_equal(errno, EBADF);
    assert_int_equal(got, 0);
}

static void a_whole_file_is_read_to_its_end(void **state)
{
    (void)state;
    struct buf out;
    int ends[2];
    buf_init(&out, LARGE);
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0)
        give_in_parts(ends[1]);
    close(ends[1]);
    assert_int_equal(io_read_all(ends[0], &out), OK);
    assert_int_equal(out.n, LARGE);
    assert_memory_equal(out.p, large, LARGE);
    close(ends[0]);
    ends_well(pid);
    buf_free(&out);
}

static void what_is_read_comes_after_what_was_there(void **state)
{
    (void)state;
    struct buf out;
    int fd = file_of("def");
    buf_init(&out, 100);
    buf_puts(&out, "abc");
    assert_int_equal(io_read_all(fd, &out), OK);
    assert_string_equal(buf_str(&out), "abcdef");
    assert_int_equal(io_read_all(fd, &out), OK); /* it is at its end */
    assert_string_equal(buf_str(&out), "abcdef");
    buf_free(&out);
    close(fd);
}

static void a_file_as_large_as_its_ceiling_is_read(void **state)
{
    (void)state;
    struct buf out;
    int fd = file_of("12345");
    buf_init(&out, 5);
    assert_int_equal(io_read_all(fd, &out), OK);
    assert_int_equal(out.n, 5);
    buf_free(&out);
    lseek(fd, 0, SEEK_SET);
    buf_init(&out, 4);
    assert_int_equal(io_read_all(fd, &out), ERR_TOOBIG);
    assert_int_equal(out.err, ERR_TOOBIG);
    assert_int_equal(out.n, 4);
    buf_free(&out);
    close(fd);
}

static void what_cannot_be_read_is_an_error(void **state)
{
    (void)state;
    struct buf out;
    int fd = open("/", O_RDONLY | O_DIRECTORY);
    buf_init(&out, 100);
    assert_int_equal(io_read_all(fd, &out), ERR_IO);
    assert_int_equal(errno, EISDIR);
    assert_int_equal(out.n, 0);
    buf_free(&out);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_write_goes_on_after_a_signal),
        cmocka_unit_test(a_write_that_fails_says_how_far_it_came),
        cmocka_unit_test(a_part_of_a_file_is_read),
        cmocka_unit_test(a_whole_file_is_read_to_its_end),
        cmocka_unit_test(what_is_read_comes_after_what_was_there),
        cmocka_unit_test(a_file_as_large_as_its_ceiling_is_read),
        cmocka_unit_test(what_cannot_be_read_is_an_error),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, set_up, NULL);
}
