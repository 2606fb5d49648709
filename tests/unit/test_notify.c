/*
 * test_notify.c - what an init system hears, and what children do not see.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "serve/notify.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char home[64];
static char path[96];
static char text[64];
static char heard[4096];
static int init; /* the init system's socket */

/* at: "/path" or "@name" */
static void listen_at(const char *at)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    size_t n = strlen(at);
    memcpy(a.sun_path, at, n);
    if (at[0] == '@')
        a.sun_path[0] = '\0';
    assert_int_equal(
        bind(init, (struct sockaddr *)&a,
             (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)),
        0);
    setenv("NOTIFY_SOCKET", at, 1);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(home, sizeof(home), "/tmp/snapcgi-test-XXXXXX");
    if (mkdtemp(home) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/notify", home);
    init = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    log_set_level(LOG_ERROR);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    close(init);
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    notify_open();
    log_set_level(LOG_NOTICE);
    unlink(path);
    return rmdir(home);
}

/* The next message, "" when there is none. */
static const char *hear(void)
{
    ssize_t n = recv(init, heard, sizeof(heard) - 1, 0);
    heard[n > 0 ? n : 0] = '\0';
    return heard;
}

static void a_message_is_a_datagram(void **state)
{
    (void)state;
    listen_at(path);
    notify_open();
    notify_send("READY=1\nSTATUS=%d pools", 3);
    notify_send("STOPPING=1");
    assert_string_equal(hear(), "READY=1\nSTATUS=3 pools");
    assert_string_equal(hear(), "STOPPING=1");
    assert_string_equal(hear(), "");
}

static void the_abstract_name_space_is_known(void **state)
{
    char name[64];
    (void)state;
    snprintf(name, sizeof(name), "@snapcgi-test-%d", (int)getpid());
    listen_at(name);
    notify_open();
    notify_send("READY=1");
    assert_string_equal(hear(), "READY=1");
}

static void nothing_is_left_in_the_environment(void **state)
{
    (void)state;
    listen_at(path);
    setenv("WATCHDOG_USEC", "1000000", 1);
    setenv("WATCHDOG_PID", "1", 1);
    notify_open();
    assert_null(getenv("NOTIFY_SOCKET"));
    assert_null(getenv("WATCHDOG_USEC"));
    assert_null(getenv("WATCHDOG_PID"));
}

static void a_re_execution_finds_it_again(void **state)
{
    (void)state;
    listen_at(path);
    setenv("WATCHDOG_USEC", "4000000", 1);
    notify_open();
    notify_export();
    assert_string_equal(getenv("NOTIFY_SOCKET"), path);
    assert_null(getenv("WATCHDOG_PID"));
    notify_open();
    notify_send("READY=1");
    assert_string_equal(hear(), "READY=1");
    assert_int_equal(notify_watchdog(), 2 * NS_PER_S);
}

static void without_an_init_system_nothing_happens(void **state)
{
    (void)state;
    setenv("WATCHDOG_USEC", "1000000", 1);
    notify_open();
    notify_send("READY=1");
    assert_int_equal(notify_watchdog(), 0);
    notify_export();
    assert_null(getenv("NOTIFY_SOCKET"));
}

static void an_init_system_that_has_gone_is_no_error(void **state)
{
    (void)state;
    listen_at(path);
    notify_open();
    unlink(path);
    notify_send("READY=1");
    notify_send("READY=1");
    assert_string_equal(hear(), "");
}

static void what_is_no_address_is_left_alone(void **state)
{
    static const char *const bad[] = {"", "/", "@", "relative", "vsock:2:1"};
    char longest[120];
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        setenv("NOTIFY_SOCKET", bad[i], 1);
        setenv("WATCHDOG_USEC", "1000000", 1);
        notify_open();
        notify_send("READY=1");
        assert_int_equal(notify_watchdog(), 0);
        assert_null(getenv("NOTIFY_SOCKET"));
    }
    memset(longest, 'x', sizeof(longest));
    longest[0] = '/';
    longest[108] = '\0';
    setenv("NOTIFY_SOCKET", longest, 1);
    notify_open();
    notify_send("READY=1");
}

static void a_message_has_a_longest_size(void **state)
{
    (void)state;
    listen_at(path);
    notify_open();
    notify_send("STATUS=%0*d", 2 * NOTIFY_MAX, 1);
    assert_int_equal(strlen(hear()), NOTIFY_MAX - 1);
}

static void a_full_queue_does_not_hold_up_for_long(void **state)
{
    (void)state;
    listen_at(path);
    notify_open();
    /* As many as fit, and one that does not. */
    int most = 1;
    socklen_t n = sizeof(most);
    assert_int_equal(setsockopt(init, SOL_SOCKET, SO_RCVBUF, &most, n), 0);
    uint64_t start = clock_mono();
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    while (sendto(fd, "x", 1, 0, (struct sockaddr *)&a, sizeof(a)) == 1)
        ;
    close(fd);
    notify_send("WATCHDOG=1");
    assert_true(clock_mono() - start < 30 * NS_PER_S);
}

static void the_watchdog_wants_half_the_time(void **state)
{
    static const struct {
        const char *usec;
        uint64_t ns;
    } cases[] = {{"30000000", 15 * NS_PER_S},
                 {"1", 500},
                 {"0", 0},
                 {"", 0},
                 {"-1", 0},
                 {"soon", 0},
                 {"18446744073709551615", 0}};
    (void)state;
    listen_at(path);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        setenv("NOTIFY_SOCKET", path, 1);
        setenv("WATCHDOG_USEC", cases[i].usec, 1);
        notify_open();
        assert_int_equal(notify_watchdog(), cases[i].ns);
    }
    setenv("NOTIFY_SOCKET", path, 1);
    notify_open();
    assert_int_equal(notify_watchdog(), 0);
}

static void the_watchdog_may_be_for_another_process(void **state)
{
    (void)state;
    listen_at(path);
    setenv("WATCHDOG_USEC", "2000000", 1);
    setenv("WATCHDOG_PID", "1", 1);
    notify_open();
    assert_int_equal(notify_watchdog(), 0);
    setenv("NOTIFY_SOCKET", path, 1);
    setenv("WATCHDOG_USEC", "2000000", 1);
    snprintf(text, sizeof(text), "%d", (int)getpid());
    setenv("WATCHDOG_PID", text, 1);
    notify_open();
    assert_int_equal(notify_watchdog(), NS_PER_S);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        T(a_message_is_a_datagram),
        T(the_abstract_name_space_is_known),
        T(nothing_is_left_in_the_environment),
        T(a_re_execution_finds_it_again),
        T(without_an_init_system_nothing_happens),
        T(an_init_system_that_has_gone_is_no_error),
        T(what_is_no_address_is_left_alone),
        T(a_message_has_a_longest_size),
        T(a_full_queue_does_not_hold_up_for_long),
        T(the_watchdog_wants_half_the_time),
        T(the_watchdog_may_be_for_another_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
