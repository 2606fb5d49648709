/*
 * test_listen.c - sockets that are there, left over, or somebody else's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "serve/listen.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char home[64];
static char path[96];
static char text[64];
static struct pool_config pool;
static struct listener one, two;
static struct why why;

static int set_up(void **state)
{
    (void)state;
    snprintf(home, sizeof(home), "/tmp/snapcgi-test-XXXXXX");
    if (mkdtemp(home) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/s", home);
    pool = (struct pool_config){.name = "test",
                                .listen = path,
                                .listen_backlog = 16,
                                .listen_mode = 0660};
    one = two = (struct listener){.fd = -1};
    why.text[0] = '\0';
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    listen_close(&one);
    listen_close(&two);
    unlink(path);
    return rmdir(home);
}

static bool exists(const char *name)
{
    struct stat st;
    return lstat(name, &st) == 0;
}

static bool can_connect(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    bool ok = connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0;
    close(fd);
    return ok;
}

static void assert_said(const char *word)
{
    if (strstr(why.text, word) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", why.text, word);
}

static void a_path_is_a_unix_socket_that_answers(void **state)
{
    (void)state;
    assert_int_equal(listen_open(&one, &pool, &why), OK);
    assert_true(can_connect());
    assert_true(listen_is(one.fd));
    assert_int_equal(fcntl(one.fd, F_GETFD), FD_CLOEXEC);
}

static void its_mode_is_the_one_asked_for_whatever_the_umask(void **state)
{
    struct stat st;
    (void)state;
    mode_t was = umask(0077);
    assert_int_equal(listen_open(&one, &pool, &why), OK);
    mode_t after = umask(was);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0660);
    assert_int_equal(after, 0077);
}

static void a_socket_nobody_answers_is_replaced(void **state)
{
    (void)state;
    assert_int_equal(listen_open(&one, &pool, &why), OK);
    close(one.fd); /* as a killed process leaves it */
    one.fd = -1;
    one.path[0] = '\0';
    assert_true(exists(path));
    assert_int_equal(listen_open(&two, &pool, &why), OK);
    assert_true(can_connect());
}

static void a_socket_in_use_is_refused(void **state)
{
    (void)state;
    assert_int_equal(listen_open(&one, &pool, &why), OK);
    assert_int_equal(listen_open(&two, &pool, &why), ERR_BUSY);
    assert_said("another process listens");
    assert_true(can_connect());
}

static void a_file_that_is_no_socket_is_left_alone(void **state)
{
    (void)state;
    close(open(path, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(listen_open(&one, &pool, &why), ERR_BUSY);
    assert_said("is not a socket");
    assert_true(exists(path));
}

static void closing_removes_the_file(void **state)
{
    (void)state;
    assert_int_equal(listen_open(&one, &pool, &why), OK);
    listen_close(&one);
    assert_false(exists(path));
}

static void closing_leaves_a_file_that_is_anothers_by_now(void **state)
{
    (void)state;
    assert_int_equal(listen_open(&one, &pool, &why), OK);
    char moved[128];
    snprintf(moved, sizeof(moved), "%s.old", path);
    assert_int_equal(rename(path, moved), 0);
    assert_int_equal(listen_open(&two, &pool, &why), OK);
    listen_close(&one);
    assert_true(can_connect());
    unlink(moved);
}

static void a_path_of_107_bytes_is_the_longest(void **state)
{
    char longest[120];
    (void)state;
    memset(longest, 'x', sizeof(longest));
    memcpy(longest, path, strlen(path));
    longest[108] = '\0';
    pool.listen = longest;
    assert_int_equal(listen_open(&one, &pool, &why), ERR_TOOBIG);
    longest[107] = '\0';
    assert_int_equal(listen_open(&one, &pool, &why), OK);
    listen_close(&one);
}

static void a_missing_folder_is_said(void **state)
{
    (void)state;
    pool.listen = "/nonexistent/s";
    assert_int_equal(listen_open(&one, &pool, &why), ERR_IO);
    assert_said("/nonexistent/s");
}

static void an_unknown_owner_is_refused_and_nothing_stays(void **state)
{
    (void)state;
    pool.listen_owner = "no-such-user";
    assert_int_equal(listen_open(&one, &pool, &why), ERR_NOTFOUND);
    assert_said("no-such-user");
    assert_false(exists(path));
}

static void an_owner_may_be_a_number(void **state)
{
    struct stat st;
    (void)state;
    snprintf(text, sizeof(text), "%u", (unsigned)getuid());
    pool.listen_owner = text;
    assert_int_equal(listen_open(&one, &pool, &why), OK);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_uid, getuid());
}

/* Where a TCP listener is bound, as host order. */
static uint32_t address_of(const struct listener *l, uint16_t *port)
{
    struct sockaddr_in at = {0};
    socklen_t n = sizeof(at);
    assert_int_equal(getsockname(l->fd, (struct sockaddr *)&at, &n), 0);
    assert_int_equal(at.sin_family, AF_INET);
    *port = ntohs(at.sin_port);
    return ntohl(at.sin_addr.s_addr);
}

static void a_bare_port_is_on_this_machine_only(void **state)
{
    uint16_t port;
    (void)state;
    pool.listen = "0";
    assert_int_equal(listen_open(&one, &pool, &why), OK);
    assert_int_equal(address_of(&one, &port), INADDR_LOOPBACK);
}

static void a_star_is_every_address(void **state)
{
    uint16_t port;
    (void)state;
    pool.listen = "*:0";
    assert_int_equal(listen_open(&one, &pool, &why), OK);
    assert_int_equal(address_of(&one, &port), INADDR_ANY);
}

static void a_port_in_use_is_refused(void **state)
{
    uint16_t port;
    (void)state;
    pool.listen = "127.0.0.1:0";
    assert_int_equal(listen_open(&one, &pool, &why), OK);
    address_of(&one, &port);
    snprintf(text, sizeof(text), "127.0.0.1:%u", port);
    pool.listen = text;
    assert_int_equal(listen_open(&two, &pool, &why), ERR_BUSY);
    assert_said(text);
}

static void v6_is_written_in_brackets(void **state)
{
    (void)state;
    pool.listen = "::1:9000";
    assert_int_equal(listen_open(&one, &pool, &why), ERR_SYNTAX);
    pool.listen = "[::1]:0";
    enum err e = listen_open(&one, &pool, &why);
    if (e == ERR_IO && strstr(why.text, "assign") != NULL)
        return; /* a machine without IPv6 */
    assert_int_equal(e, OK);
}

static void what_is_no_address_is_refused(void **state)
{
    static const char *const bad[] = {
        "localhost",      "127.0.0.1:", ":9000", "127.0.0.1:99999",
        "127.0.0.1:http", "[]:1",       "fd",    "fd x"};
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        pool.listen = bad[i];
        assert_int_equal(listen_open(&one, &pool, &why), ERR_SYNTAX);
        assert_said(bad[i]);
    }
}

static void a_descriptor_must_listen(void **state)
{
    int pair[2];
    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(listen_take(&one, pair[0], &why), ERR_FAIL);
    assert_said("not a listening socket");
    close(pair[0]);
    close(pair[1]);
}

static void a_listening_descriptor_is_taken_and_its_path_stays(void **state)
{
    (void)state;
    assert_int_equal(listen_open(&one, &pool, &why), OK);
    snprintf(text, sizeof(text), "fd %d", dup(one.fd));
    pool.listen = text;
    assert_int_equal(listen_open(&two, &pool, &why), OK);
    listen_close(&two);
    assert_true(exists(path));
}

static void listen_fds_count_only_for_the_process_named(void **state)
{
    (void)state;
    setenv("LISTEN_FDS", "2", 1);
    setenv("LISTEN_PID", "1", 1);
    assert_int_equal(listen_fds(), 0);
    snprintf(text, sizeof(text), "%d", (int)getpid());
    setenv("LISTEN_PID", text, 1);
    assert_int_equal(listen_fds(), 2);
    unsetenv("LISTEN_FDS");
    assert_int_equal(listen_fds(), 0);
    unsetenv("LISTEN_PID");
}

static void handed_sockets_are_found_by_their_names(void **state)
{
    char pid[16];
    (void)state;
    snprintf(pid, sizeof(pid), "%d", (int)getpid());
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "3", 1);
    setenv("LISTEN_FDNAMES", "hello:www:", 1);
    assert_int_equal(listen_named("hello"), LISTEN_FDS_START);
    assert_int_equal(listen_named("www"), LISTEN_FDS_START + 1);
    assert_int_equal(listen_named("ww"), -1);
    setenv("LISTEN_FDS", "1", 1);
    assert_int_equal(listen_named("www"), -1);
    unsetenv("LISTEN_FDNAMES");
    assert_int_equal(listen_named("hello"), -1);
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_PID");
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        T(a_path_is_a_unix_socket_that_answers),
        T(its_mode_is_the_one_asked_for_whatever_the_umask),
        T(a_socket_nobody_answers_is_replaced),
        T(a_socket_in_use_is_refused),
        T(a_file_that_is_no_socket_is_left_alone),
        T(closing_removes_the_file),
        T(closing_leaves_a_file_that_is_anothers_by_now),
        T(a_path_of_107_bytes_is_the_longest),
        T(a_missing_folder_is_said),
        T(an_unknown_owner_is_refused_and_nothing_stays),
        T(an_owner_may_be_a_number),
        T(a_bare_port_is_on_this_machine_only),
        T(a_star_is_every_address),
        T(a_port_in_use_is_refused),
        T(v6_is_written_in_brackets),
        T(what_is_no_address_is_refused),
        T(a_descriptor_must_listen),
        T(a_listening_descriptor_is_taken_and_its_path_stays),
        T(listen_fds_count_only_for_the_process_named),
        T(handed_sockets_are_found_by_their_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
