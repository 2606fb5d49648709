/*
 * test_transport_cgi.c - one exchange over pipes, sockets and files.
 */
#include "cgi/transport_cgi.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

/* Both ends of the three descriptors; -1 once closed. */
struct side {
    int to_in; /* the web server's ends */
    int from_out;
    struct cgi_options o;
    struct transport *t;
};

static const char *const five[] = {"CONTENT_LENGTH=5", NULL};
static const char *const none[] = {"REQUEST_METHOD=POST", NULL};

static void pair(int kind, int *read_end, int *write_end)
{
    int fd[2];
    if (kind == 0)
        assert_int_equal(pipe(fd), 0);
    else
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
    *read_end = fd[0];
    *write_end = fd[1];
}

static struct side open_side(int kind, const char *const *env)
{
    struct side s = {.o.environment = env};
    pair(kind, &s.o.in, &s.to_in);
    pair(kind, &s.from_out, &s.o.out);
    s.t = cgi_open(&s.o);
    return s;
}

static void close_side(struct side *s)
{
    if (s->t != NULL)
        s->t->ops->done(s->t);
    int fds[] = {s->o.in, s->o.out, s->from_out, s->to_in};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static void put(int fd, const char *s)
{
    assert_int_equal(write(fd, s, strlen(s)), strlen(s));
}

static enum err get(struct side *s, char *p, size_t max, size_t *got)
{
    enum err e = s->t->ops->read(s->t, p, max, got);
    p[*got] = '\0';
    return e;
}

static void a_body_is_read_up_to_its_length(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        struct side s = open_side(kind, five);
        char p[100];
        size_t got;
        put(s.to_in, "hello and more");
        assert_int_equal(get(&s, p, 99, &got), OK);
        assert_string_equal(p, "hello");
        assert_int_equal(get(&s, p, 99, &got), OK);
        assert_int_equal(got, 0);
        /* RFC 3875 4.2: the rest was not read. */
        assert_int_equal(read(s.o.in, p, 99), 9);
        close_side(&s);
    }
}

static void a_short_body_is_an_error(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        struct side s = open_side(kind, five);
        char p[100];
        size_t got;
        put(s.to_in, "hell");
        close(s.to_in);
        s.to_in = -1;
        assert_int_equal(get(&s, p, 99, &got), OK);
        assert_string_equal(p, "hell");
        assert_int_equal(get(&s, p, 99, &got), ERR_EOF);
        close_side(&s);
    }
}

static void without_a_length_the_body_goes_to_the_end(void **state)
{
    (void)state;
    struct side s = open_side(0, none);
    char p[100];
    size_t got;
    put(s.to_in, "hello and more");
    assert_int_equal(get(&s, p, 99, &got), OK);
    assert_int_equal(got, 14);
    assert_int_equal(get(&s, p, 99, &got), ERR_AGAIN);
    close(s.to_in);
    s.to_in = -1;
    assert_int_equal(get(&s, p, 99, &got), OK);
    assert_int_equal(got, 0);
    close_side(&s);
}

static void a_body_not_there_yet_is_waited_for(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        struct side s = open_side(kind, five);
        char p[100];
        size_t got;
        assert_int_equal(get(&s, p, 99, &got), ERR_AGAIN);
        put(s.to_in, "he");
        assert_int_equal(get(&s, p, 99, &got), OK);
        assert_int_equal(got, 2);
        assert_int_equal(get(&s, p, 99, &got), ERR_AGAIN);
        put(s.to_in, "llo");
        assert_int_equal(get(&s, p, 99, &got), OK);
        assert_int_equal(got, 3);
        close_side(&s);
    }
}

static void a_body_may_be_a_file(void **state)
{
    (void)state;
    char name[] = "/tmp/test_cgi.XXXXXX";
    struct side s = open_side(0, five);
    char p[100];
    size_t got;
    int fd = mkstemp(name);
    assert_true(fd >= 0);
    put(fd, "hello and more");
    lseek(fd, 0, SEEK_SET);
    dup2(fd, s.o.in);
    s.t->ops->done(s.t);
    s.t = cgi_open(&s.o);
    assert_int_equal(get(&s, p, 99, &got), OK);
    assert_string_equal(p, "hello");
    close(fd);
    unlink(name);
    close_side(&s);
}

static void a_closed_stdin_is_an_error(void **state)
{
    (void)state;
    struct side s = open_side(0, five);
    char p[100];
    size_t got;
    close(s.o.in);
    assert_int_equal(get(&s, p, 99, &got), ERR_IO);
    s.o.in = -1;
    close_side(&s);
}

static void a_reply_is_written_at_once(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        struct side s = open_side(kind, none);
        char p[100];
        size_t wrote;
        assert_int_equal(s.t->ops->write(s.t, "hello", 5, &wrote), OK);
        assert_int_equal(wrote, 5);
        assert_int_equal(read(s.from_out, p, 100), 5);
        close_side(&s);
    }
}

static void a_full_pipe_says_again_and_never_blocks(void **state)
{
    (void)state;
    static char big[300000];
    for (int kind = 0; kind < 2; kind++) {
        struct side s = open_side(kind, none);
        size_t wrote;
        size_t sum = 0;
        enum err e;
        int flags = fcntl(s.o.out, F_GETFL);
        while ((e = s.t->ops->write(s.t, big, sizeof big, &wrote)) == OK)
            sum += wrote;
        assert_int_equal(e, ERR_AGAIN);
        assert_true(sum >= PIPE_BUF);
        /* The description is shared: its flags are left alone. */
        assert_int_equal(fcntl(s.o.out, F_GETFL), flags);
        assert_int_equal(flags & O_NONBLOCK, 0);
        close_side(&s);
    }
}

static void a_nearly_full_pipe_does_not_block_either(void **state)
{
    (void)state;
    static char big[65536 - 100];
    struct side s = open_side(0, none);
    size_t wrote;
    assert_int_equal(write(s.o.out, big, sizeof big), sizeof big);
    assert_int_equal(s.t->ops->write(s.t, big, 4096, &wrote), ERR_AGAIN);
    close_side(&s);
}

static void a_server_that_left_is_seen(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN);
    for (int kind = 0; kind < 2; kind++) {
        struct side s = open_side(kind, none);
        size_t wrote;
        assert_false(s.t->ops->gone(s.t));
        close(s.from_out);
        s.from_out = -1;
        assert_true(s.t->ops->gone(s.t));
        if (s.t->gone_fd >= 0) {
            struct pollfd pfd = {s.t->gone_fd, s.t->gone_events, 0};
            assert_int_equal(poll(&pfd, 1, 0), 1);
        }
        assert_int_equal(s.t->ops->write(s.t, "x", 1, &wrote), ERR_EOF);
        close_side(&s);
    }
}

static void the_end_closes_the_reply_and_leaves_a_descriptor(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        struct side s = open_side(kind, none);
        char p[10];
        size_t n;
        assert_int_equal(s.t->ops->end(s.t, true), OK);
        assert_int_equal(read(s.from_out, p, 10), 0);
        assert_int_equal(write(s.o.out, "lost", 4), 4);
        assert_int_equal(s.t->ops->end(s.t, true), ERR_ORDER);
        assert_int_equal(s.t->ops->write(s.t, "x", 1, &n), ERR_ORDER);
        assert_false(s.t->ops->gone(s.t));
        close_side(&s);
    }
}

static void params_are_the_environment(void **state)
{
    (void)state;
    struct side s = open_side(0, five);
    assert_ptr_equal(s.t->params, five);
    assert_string_equal(s.t->name, "CGI");
    close_side(&s);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_is_read_up_to_its_length),
        cmocka_unit_test(a_short_body_is_an_error),
        cmocka_unit_test(without_a_length_the_body_goes_to_the_end),
        cmocka_unit_test(a_body_not_there_yet_is_waited_for),
        cmocka_unit_test(a_body_may_be_a_file),
        cmocka_unit_test(a_closed_stdin_is_an_error),
        cmocka_unit_test(a_reply_is_written_at_once),
        cmocka_unit_test(a_full_pipe_says_again_and_never_blocks),
        cmocka_unit_test(a_nearly_full_pipe_does_not_block_either),
        cmocka_unit_test(a_server_that_left_is_seen),
        cmocka_unit_test(the_end_closes_the_reply_and_leaves_a_descriptor),
        cmocka_unit_test(params_are_the_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
