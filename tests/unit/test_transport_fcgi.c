/*
 * test_transport_fcgi.c - a web server's side of FastCGI, by hand-made
 * records over a unix socket, against the responder.
 */
#include "base/clock.h"
#include "base/log.h"
#include "cgi/fcgi_wire.h"
#include "cgi/transport_fcgi.h"

#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <netinet/in.h>
#include <arpa/inet.h>
#include <cmocka.h>

/* ---- the two sides ----------------------------------------------------- */

static char dir[] = "/tmp/test_fcgi.XXXXXX";
static struct sockaddr_un name = {.sun_family = AF_UNIX};
static int listener = -1;

/* What the web server got: the streams, and whether END_REQUEST came. */
struct got {
    struct buf out;
    struct buf err;
    struct buf values;
    int end;     /* END_REQUEST's protocol status, -1 without */
    int unknown; /* UNKNOWN_TYPE records */
    bool closed; /* the connection ended */
};

/* The buffers are empty when a test begins, and freed after it. */
struct side {
    struct fcgi *f;
    struct transport *t;
    struct buf b;   /* records for give() */
    struct buf in;  /* what read_body() read last */
    struct got got; /* what receive() read last */
};

static struct fcgi_options options(void)
{
    return (struct fcgi_options){.listen_fd = listener,
                                 .max_conns = 4,
                                 .header_timeout = 200 * NS_PER_MS,
                                 .write_timeout = 200 * NS_PER_MS,
                                 .max_params = 100,
                                 .max_param_bytes = 65536};
}

static int set_up(void **state)
{
    static struct side s;
    listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct fcgi_options o = options();
    unlink(name.sun_path);
    if (bind(listener, (struct sockaddr *)&name, sizeof name) != 0 ||
        listen(listener, 16) != 0 || fcgi_open(&o, &s.f) != OK)
        return -1;
    s.t = NULL;
    buf_init(&s.b, 4 << 20);
    buf_init(&s.in, 4 << 20);
    buf_init(&s.got.out, 64 << 20);
    buf_init(&s.got.err, 65536);
    buf_init(&s.got.values, 65536);
    *state = &s;
    return 0;
}

static int tear_down(void **state)
{
    struct side *s = *state;
    if (s->t != NULL)
        s->t->ops->done(s->t);
    fcgi_close(s->f);
    buf_free(&s->b);
    buf_free(&s->in);
    buf_free(&s->got.out);
    buf_free(&s->got.err);
    buf_free(&s->got.values);
    close(listener);
    return 0;
}

static int client(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof name), 0);
    return fd;
}

static enum err next(struct side *s, uint64_t ms)
{
    return fcgi_next(s->f, clock_mono() + ms * NS_PER_MS, -1, &s->t);
}

/* Sends all of b, and empties it. */
static void give(int fd, struct buf *b)
{
    assert_int_equal(b->err, OK);
    assert_int_equal(send(fd, b->p, b->n, MSG_NOSIGNAL), b->n);
    buf_clear(b);
}

static void pair(struct buf *b, const char *n, const char *v)
{
    size_t len = strlen(v);
    buf_putc(b, (char)strlen(n));
    if (len < 128) {
        buf_putc(b, (char)len);
    } else {
        buf_putc(b, (char)(0x80 | len >> 24));
        buf_putc(b, (char)(len >> 16));
        buf_putc(b, (char)(len >> 8));
        buf_putc(b, (char)len);
    }
    buf_puts(b, n);
    buf_puts(b, v);
}

/* A request up to the end of its parameters; uri says which. */
static void head(struct buf *b, uint16_t id, int flags, const char *uri)
{
    struct buf p;
    buf_init(&p, 65536);
    pair(&p, "REQUEST_METHOD", "POST");
    pair(&p, "REQUEST_URI", uri);
    fcgi_put_begin(b, id, FCGI_RESPONDER, flags);
    fcgi_put(b, FCGI_PARAMS, id, buf_view(&p));
    fcgi_put(b, FCGI_PARAMS, id, SLICE(""));
    buf_free(&p);
}

static void body(struct buf *b, uint16_t id, struct slice s)
{
    if (s.n > 0)
        fcgi_put(b, FCGI_STDIN, id, s);
    fcgi_put(b, FCGI_STDIN, id, SLICE(""));
}

static void send_request(int fd, int flags, const char *uri, const char *text)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    head(&b, 1, flags, uri);
    body(&b, 1, slice_of(text));
    give(fd, &b);
    buf_free(&b);
}

/* The value of a parameter of the request s->t. */
static const char *param(struct side *s, const char *n)
{
    size_t len = strlen(n);
    for (const char *const *p = s->t->params; *p != NULL; p++)
        if (strncmp(*p, n, len) == 0 && (*p)[len] == '=')
            return *p + len + 1;
    return NULL;
}

static int ready(int fd, short events, int ms)
{
    struct pollfd pfd = {fd, events, 0};
    return poll(&pfd, 1, ms);
}

/* The whole body, waiting for it as the caller of a transport does. */
static enum err read_body(struct side *s)
{
    char p[1000];
    size_t got;
    buf_clear(&s->in);
    for (;;) {
        enum err e = s->t->ops->read(s->t, p, sizeof p, &got);
        if (e == ERR_AGAIN) {
            if (ready(s->t->read_fd, POLLIN, 1000) == 0)
                return ERR_TIMEOUT;
            continue;
        }
        if (e != OK || got == 0)
            return e;
        buf_put(&s->in, p, got);
    }
}

static void expect_body(struct side *s, enum err e, const char *text)
{
    assert_int_equal(read_body(s), e);
    assert_string_equal(buf_str(&s->in), text);
}

/* Reads n bytes within ms; false at the end. */
static bool take(int fd, void *p, size_t n, int ms)
{
    size_t at = 0;
    while (at < n) {
        if (ready(fd, POLLIN, ms) <= 0)
            return false;
        ssize_t m = recv(fd, (char *)p + at, n - at, 0);
        if (m <= 0)
            return false;
        at += (size_t)m;
    }
    return true;
}

/* Reads records until END_REQUEST, the connection's end, or silence. */
static void receive(struct side *s, int fd)
{
    unsigned char h[FCGI_HEADER_LEN];
    static char content[FCGI_MAX_LENGTH + 256];
    struct fcgi_record rec;
    struct got *g = &s->got;
    buf_clear(&g->out);
    buf_clear(&g->err);
    buf_clear(&g->values);
    g->end = -1;
    g->unknown = 0;
    while (g->end < 0 && take(fd, h, sizeof h, 50)) {
        assert_true(fcgi_header_read(h, &rec));
        assert_true(take(fd, content, (size_t)rec.length + rec.padding, 50));
        assert_int_equal((rec.length + rec.padding) % 8, 0);
        if (rec.type == FCGI_STDOUT)
            buf_put(&g->out, content, rec.length);
        else if (rec.type == FCGI_STDERR)
            buf_put(&g->err, content, rec.length);
        else if (rec.type == FCGI_GET_VALUES_RESULT)
            buf_put(&g->values, content, rec.length);
        else if (rec.type == FCGI_UNKNOWN_TYPE)
            g->unknown++;
        else if (rec.type == FCGI_END_REQUEST)
            g->end = content[4];
    }
    g->closed = ready(fd, POLLIN, 0) > 0 && recv(fd, h, 1, MSG_PEEK) <= 0;
}

static void say(struct side *s, const char *text)
{
    size_t wrote;
    assert_int_equal(s->t->ops->write(s->t, text, strlen(text), &wrote), OK);
    assert_int_equal(wrote, strlen(text));
}

static void finish(struct side *s)
{
    assert_int_equal(s->t->ops->end(s->t, true), OK);
    s->t->ops->done(s->t);
    s->t = NULL;
}

static void expect_request(struct side *s, const char *uri)
{
    assert_int_equal(next(s, 1000), OK);
    assert_string_equal(param(s, "REQUEST_URI"), uri);
}

/* A connection whose request, without a body, is s->t now. */
static int begin(struct side *s, int flags, const char *uri)
{
    int fd = client();
    send_request(fd, flags, uri, "");
    expect_request(s, uri);
    return fd;
}

/* Serves one request, which must be uri's, with a small reply. */
static void serve(struct side *s, const char *uri)
{
    expect_request(s, uri);
    s->t->last = true;
    say(s, "Status: 200 OK\r\n\r\n");
    say(s, uri);
    finish(s);
}

static void expect_reply(struct side *s, int fd, const char *text)
{
    receive(s, fd);
    assert_string_equal(buf_str(&s->got.out), text);
    assert_int_equal(s->got.end, FCGI_REQUEST_COMPLETE);
}

static void expect_end(struct side *s, int fd, int end, bool closed)
{
    receive(s, fd);
    assert_int_equal(s->got.end, end);
    assert_int_equal(s->got.closed, closed);
}

/* A request and its small reply. */
static void exchange(struct side *s, int fd, int flags, const char *uri)
{
    char reply[1100];
    snprintf(reply, sizeof reply, "Status: 200 OK\r\n\r\n%s", uri);
    send_request(fd, flags, uri, "");
    serve(s, uri);
    expect_reply(s, fd, reply);
}

/* ---- tests ------------------------------------------------------------- */

static void a_request_is_read_and_answered(void **state)
{
    struct side *s = *state;
    int fd = client();
    send_request(fd, 0, "/a", "hello");
    expect_request(s, "/a");
    assert_string_equal(s->t->name, "FastCGI");
    assert_string_equal(param(s, "REQUEST_METHOD"), "POST");
    assert_null(param(s, "FCGI_ROLE"));
    expect_body(s, OK, "hello");
    say(s, "Status: 200 OK\r\n\r\nhi");
    finish(s);
    expect_reply(s, fd, "Status: 200 OK\r\n\r\nhi");
    assert_true(s->got.closed);
    close(fd);
}

static void a_reply_said_to_be_the_last_leaves_with_the_end(void **state)
{
    struct side *s = *state;
    int fd = begin(s, 0, "/");
    s->t->last = true;
    say(s, "x");
    assert_int_equal(ready(fd, POLLIN, 0), 0);
    finish(s);
    expect_reply(s, fd, "x");
    close(fd);
}

static void a_write_is_on_its_way_at_once(void **state)
{
    struct side *s = *state;
    int fd = begin(s, 0, "/");
    say(s, "x");
    assert_int_equal(ready(fd, POLLIN, 0), 1);
    finish(s);
    close(fd);
}

static void params_live_until_done(void **state)
{
    struct side *s = *state;
    int fd = begin(s, FCGI_KEEP_CONN, "/first");
    struct transport *first = s->t;
    assert_int_equal(first->ops->end(first, true), OK);
    send_request(fd, FCGI_KEEP_CONN, "/second", "");
    expect_request(s, "/second");
    struct transport *second = s->t;
    s->t = first;
    assert_string_equal(param(s, "REQUEST_URI"), "/first");
    first->ops->done(first);
    s->t = second;
    finish(s);
    close(fd);
}

static void a_kept_connection_brings_the_next_request(void **state)
{
    struct side *s = *state;
    int fd = client();
    for (int i = 0; i < 3; i++) {
        send_request(fd, FCGI_KEEP_CONN, i % 2 ? "/odd" : "/even", "body");
        serve(s, i % 2 ? "/odd" : "/even");
        expect_reply(s, fd,
                     i % 2 ? "Status: 200 OK\r\n\r\n/odd"
                           : "Status: 200 OK\r\n\r\n/even");
    }
    close(fd);
    assert_int_equal(next(s, 20), ERR_TIMEOUT);
}

static void thousands_of_requests_are_served_alike(void **state)
{
    struct side *s = *state;
    char uri[1001] = "";
    int fd = client();
    memset(uri, 'u', 1000);
    for (int i = 0; i < 3000; i++)
        exchange(s, fd, FCGI_KEEP_CONN, uri);
    close(fd);
}

static void two_requests_sent_together_are_served_in_turn(void **state)
{
    struct side *s = *state;
    int fd = client();
    head(&s->b, 1, FCGI_KEEP_CONN, "/1");
    body(&s->b, 1, SLICE("one"));
    head(&s->b, 1, FCGI_KEEP_CONN, "/2");
    body(&s->b, 1, SLICE("two"));
    give(fd, &s->b);
    serve(s, "/1");
    assert_true(fcgi_pending(s->f));
    serve(s, "/2");
    expect_reply(s, fd, "Status: 200 OK\r\n\r\n/1");
    expect_reply(s, fd, "Status: 200 OK\r\n\r\n/2");
    assert_false(fcgi_pending(s->f));
    close(fd);
}

static void without_keep_conn_the_connection_is_closed(void **state)
{
    struct side *s = *state;
    int fd = client();
    exchange(s, fd, 0, "/");
    assert_true(s->got.closed);
    close(fd);
}

static void one_byte_a_write_makes_the_same_request(void **state)
{
    struct side *s = *state;
    int fd = client();
    head(&s->b, 7, 0, "/slow");
    body(&s->b, 7, SLICE("hello"));
    enum err e = ERR_TIMEOUT;
    size_t i = 0;
    for (; e == ERR_TIMEOUT && i < s->b.n; i++) {
        assert_int_equal(send(fd, s->b.p + i, 1, 0), 1);
        e = fcgi_next(s->f, clock_mono(), -1, &s->t);
    }
    assert_int_equal(e, OK);
    for (; i < s->b.n; i++) {
        char p[100];
        size_t got = 0;
        assert_int_equal(send(fd, s->b.p + i, 1, 0), 1);
        e = s->t->ops->read(s->t, p, sizeof p, &got);
        assert_true(e == OK || e == ERR_AGAIN);
        buf_put(&s->in, p, got);
    }
    assert_string_equal(buf_str(&s->in), "hello");
    assert_int_equal(s->t->gone_fd, s->t->write_fd);
    say(s, "ok");
    finish(s);
    expect_reply(s, fd, "ok");
    close(fd);
}

static void every_truncation_is_no_request_or_a_short_body(void **state)
{
    struct side *s = *state;
    head(&s->b, 1, FCGI_KEEP_CONN, "/cut");
    size_t whole = s->b.n;
    body(&s->b, 1, SLICE("hello"));
    for (size_t n = 0; n < s->b.n; n++) {
        int fd = client();
        assert_int_equal(send(fd, s->b.p, n, 0), n);
        close(fd);
        enum err e = next(s, 20);
        /* The padding of the last record is not missed. */
        if (n < whole) {
            assert_int_equal(e, ERR_TIMEOUT);
            continue;
        }
        assert_int_equal(e, OK);
        assert_int_equal(read_body(s), ERR_EOF);
        s->t->ops->end(s->t, true);
        s->t->ops->done(s->t);
        s->t = NULL;
    }
}

static void a_request_cut_within_is_closed_at_its_deadline(void **state)
{
    struct side *s = *state;
    head(&s->b, 1, 0, "/half");
    int half = client();
    assert_int_equal(send(half, s->b.p, s->b.n - 8, 0), s->b.n - 8);
    int silent = client();
    int whole = client();
    exchange(s, whole, 0, "/whole");
    assert_int_equal(next(s, 400), ERR_TIMEOUT);
    expect_end(s, half, -1, true);
    expect_end(s, silent, -1, true);
    close(half);
    close(silent);
    close(whole);
}

static void an_idle_kept_connection_has_no_deadline(void **state)
{
    struct side *s = *state;
    int fd = client();
    exchange(s, fd, FCGI_KEEP_CONN, "/");
    assert_int_equal(next(s, 300), ERR_TIMEOUT);
    exchange(s, fd, FCGI_KEEP_CONN, "/");
    close(fd);
}

/* The next request of a kept connection: it has begun to come. */
static void a_kept_connection_has_one_from_its_next_byte(void **state)
{
    struct side *s = *state;
    int fd = client();
    exchange(s, fd, FCGI_KEEP_CONN, "/");
    head(&s->b, 1, FCGI_KEEP_CONN, "/half");
    assert_int_equal(send(fd, s->b.p, s->b.n - 8, 0), s->b.n - 8);
    buf_clear(&s->b);
    assert_int_equal(next(s, 1000), ERR_TIMEOUT);
    expect_end(s, fd, -1, true);
    close(fd);
}

static void and_so_when_it_came_with_the_request_before(void **state)
{
    struct side *s = *state;
    int fd = client();
    head(&s->b, 1, FCGI_KEEP_CONN, "/whole");
    body(&s->b, 1, SLICE(""));
    head(&s->b, 1, FCGI_KEEP_CONN, "/half");
    assert_int_equal(send(fd, s->b.p, s->b.n - 8, 0), s->b.n - 8);
    buf_clear(&s->b);
    serve(s, "/whole");
    expect_reply(s, fd, "Status: 200 OK\r\n\r\n/whole");
    assert_int_equal(next(s, 1000), ERR_TIMEOUT);
    expect_end(s, fd, -1, true);
    close(fd);
}

/* A request inside another's body. */
static void forged_body(struct buf *b)
{
    struct buf inner;
    buf_init(&inner, 65536);
    head(&inner, 1, FCGI_KEEP_CONN, "/forged");
    body(&inner, 1, SLICE(""));
    fcgi_put(b, FCGI_STDIN, 1, buf_view(&inner));
    buf_free(&inner);
}

static void a_request_in_an_unread_body_is_never_served(void **state)
{
    struct side *s = *state;
    int fd = client();
    head(&s->b, 1, FCGI_KEEP_CONN, "/true");
    forged_body(&s->b);
    fcgi_put(&s->b, FCGI_STDIN, 1, SLICE(""));
    give(fd, &s->b);
    serve(s, "/true");
    assert_int_equal(next(s, 20), ERR_TIMEOUT);
    expect_reply(s, fd, "Status: 200 OK\r\n\r\n/true");
    /* The body was all there, so the connection lives on. */
    exchange(s, fd, FCGI_KEEP_CONN, "/after");
    close(fd);
}

static void an_unread_body_still_coming_ends_the_connection(void **state)
{
    struct side *s = *state;
    int fd = client();
    head(&s->b, 1, FCGI_KEEP_CONN, "/true");
    give(fd, &s->b);
    serve(s, "/true");
    forged_body(&s->b);
    give(fd, &s->b);
    assert_int_equal(next(s, 20), ERR_TIMEOUT);
    expect_end(s, fd, FCGI_REQUEST_COMPLETE, true);
    close(fd);
}

static void a_large_unread_body_ends_the_connection(void **state)
{
    struct side *s = *state;
    int fd = client();
    static char big[50000];
    head(&s->b, 1, FCGI_KEEP_CONN, "/big");
    for (int i = 0; i < 3; i++)
        fcgi_put(&s->b, FCGI_STDIN, 1, (struct slice){big, sizeof big});
    body(&s->b, 1, SLICE(""));
    give(fd, &s->b);
    serve(s, "/big");
    expect_end(s, fd, FCGI_REQUEST_COMPLETE, true);
    close(fd);
}

static void get_values_is_answered_alone(void **state)
{
    struct side *s = *state;
    struct buf q;
    int fd = client();
    buf_init(&q, 65536);
    pair(&q, "FCGI_MPXS_CONNS", "");
    pair(&q, "FCGI_OTHER", "");
    fcgi_put(&s->b, FCGI_GET_VALUES, 0, buf_view(&q));
    give(fd, &s->b);
    assert_int_equal(next(s, 20), ERR_TIMEOUT);
    receive(s, fd);
    assert_memory_equal(s->got.values.p,
                        "\x0f\x01"
                        "FCGI_MPXS_CONNS0",
                        18);
    assert_int_equal(s->got.values.n, 18);
    assert_false(s->got.closed);
    exchange(s, fd, 0, "/then");
    buf_free(&q);
    close(fd);
}

static void a_hundred_get_values_do_no_harm(void **state)
{
    struct side *s = *state;
    struct buf q;
    int fd = client();
    buf_init(&q, 65536);
    for (int i = 0; i < 40; i++)
        pair(&q, "FCGI_MAX_CONNS", "");
    for (int i = 0; i < 100; i++)
        fcgi_put(&s->b, FCGI_GET_VALUES, 0, buf_view(&q));
    head(&s->b, 1, 0, "/alive");
    body(&s->b, 1, SLICE(""));
    give(fd, &s->b);
    serve(s, "/alive");
    receive(s, fd);
    assert_int_equal(s->got.values.n, 100 * 17);
    assert_int_equal(s->got.end, FCGI_REQUEST_COMPLETE);
    buf_free(&q);
    close(fd);
}

static void an_unknown_management_type_is_told(void **state)
{
    struct side *s = *state;
    int fd = client();
    fcgi_put(&s->b, 77, 0, SLICE("content to be thrown away"));
    head(&s->b, 1, 0, "/alive");
    body(&s->b, 1, SLICE(""));
    give(fd, &s->b);
    serve(s, "/alive");
    receive(s, fd);
    assert_int_equal(s->got.unknown, 1);
    close(fd);
}

static void other_roles_are_unknown(void **state)
{
    struct side *s = *state;
    static const int roles[] = {FCGI_AUTHORIZER, FCGI_FILTER, 9, 0, 257};
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        int fd = client();
        fcgi_put_begin(&s->b, 1, roles[i], FCGI_KEEP_CONN);
        fcgi_put(&s->b, FCGI_PARAMS, 1, SLICE("\1\1ab"));
        fcgi_put(&s->b, FCGI_PARAMS, 1, SLICE(""));
        fcgi_put(&s->b, FCGI_STDIN, 1, SLICE(""));
        give(fd, &s->b);
        assert_int_equal(next(s, 20), ERR_TIMEOUT);
        expect_end(s, fd, FCGI_UNKNOWN_ROLE, false);
        exchange(s, fd, 0, "/responder");
        close(fd);
    }
}

static void a_second_request_at_the_same_time_is_refused(void **state)
{
    struct side *s = *state;
    int fd = client();
    head(&s->b, 1, 0, "/one");
    fcgi_put_begin(&s->b, 2, FCGI_RESPONDER, 0);
    fcgi_put(&s->b, FCGI_PARAMS, 2, SLICE(""));
    body(&s->b, 1, SLICE(""));
    give(fd, &s->b);
    expect_request(s, "/one");
    say(s, "one");
    expect_end(s, fd, FCGI_CANT_MPX_CONN, false);
    finish(s);
    expect_reply(s, fd, "one");
    close(fd);
}

static void records_of_other_requests_are_skipped(void **state)
{
    struct side *s = *state;
    int fd = client();
    fcgi_put(&s->b, FCGI_STDIN, 5, SLICE("stale"));
    fcgi_put(&s->b, FCGI_ABORT_REQUEST, 5, SLICE(""));
    head(&s->b, 1, 0, "/one");
    fcgi_put(&s->b, FCGI_STDIN, 1, SLICE("he"));
    fcgi_put(&s->b, FCGI_STDIN, 5, SLICE(""));
    fcgi_put(&s->b, FCGI_STDIN, 1, SLICE("llo"));
    body(&s->b, 1, SLICE(""));
    give(fd, &s->b);
    assert_int_equal(next(s, 1000), OK);
    expect_body(s, OK, "hello");
    finish(s);
    close(fd);
}

static void malformed_records_end_the_connection(void **state)
{
    struct side *s = *state;
    static const struct {
        const char *label;
        struct slice bytes;
    } rows[] = {
        {"version 2", SLICE("\2\1\0\1\0\10\0\0\0\1\0\0\0\0\0\0")},
        {"HTTP", SLICE("GET / HTTP/1.0\r\n\r\n")},
        {"a short BEGIN", SLICE("\1\1\0\1\0\4\4\0\0\1\0\0\0\0\0\0")},
        {"BEGIN of request 0", SLICE("\1\1\0\0\0\10\0\0\0\1\0\0\0\0\0\0")},
        {"BEGIN twice", SLICE("\1\1\0\1\0\10\0\0\0\1\0\0\0\0\0\0"
                              "\1\1\0\1\0\10\0\0\0\1\0\0\0\0\0\0")},
        {"STDIN before the parameters' end",
         SLICE("\1\1\0\1\0\10\0\0\0\1\0\0\0\0\0\0\1\5\0\1\0\0\0\0")},
        {"an unknown type", SLICE("\1\1\0\1\0\10\0\0\0\1\0\0\0\0\0\0"
                                  "\1\143\0\1\0\0\0\0")},
        {"GET_VALUES of a cut pair", SLICE("\1\11\0\0\0\1\7\0\5.......")},
        {"GET_VALUES too long", SLICE("\1\11\0\0\4\1\0\0")},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int fd = client();
        print_message("# %s\n", rows[i].label);
        send(fd, rows[i].bytes.p, rows[i].bytes.n, 0);
        assert_int_equal(next(s, 20), ERR_TIMEOUT);
        receive(s, fd);
        assert_true(s->got.closed);
        close(fd);
    }
}

static void refused_params(struct side *s, struct slice params,
                           const char *status)
{
    int fd = client();
    fcgi_put_begin(&s->b, 1, FCGI_RESPONDER, FCGI_KEEP_CONN);
    while (params.n > 0) {
        size_t n = params.n < 60000 ? params.n : 60000;
        fcgi_put(&s->b, FCGI_PARAMS, 1, (struct slice){params.p, n});
        params = slice_from(params, n);
    }
    fcgi_put(&s->b, FCGI_PARAMS, 1, SLICE(""));
    body(&s->b, 1, SLICE(""));
    give(fd, &s->b);
    assert_int_equal(next(s, 20), ERR_TIMEOUT);
    expect_end(s, fd, FCGI_REQUEST_COMPLETE, true);
    assert_memory_equal(buf_str(&s->got.out), status, strlen(status));
    close(fd);
}

static void unsound_parameters_are_400(void **state)
{
    struct side *s = *state;
    static const struct slice unsound[] = {
        SLICE("\1"), SLICE("\1\1a"), SLICE("\0\1a"), SLICE("\1\3ab\0c"),
        SLICE("\3\1a\0bc"), SLICE("\3\1a=bc"),
        /* These lengths end a process whose libfcgi sees them. */
        SLICE("\xff\xff\xff\xfe\xff\xff\xff\xfe"),
        SLICE("\xff\xff\xff\xff\xff\xff\xff\xff")};
    for (size_t i = 0; i < sizeof unsound / sizeof *unsound; i++)
        refused_params(s, unsound[i], "Status: 400");
}

static void too_many_parameters_are_431(void **state)
{
    struct side *s = *state;
    struct buf p;
    buf_init(&p, 1 << 20);
    for (int i = 0; i < 101; i++)
        pair(&p, "A", "b");
    refused_params(s, buf_view(&p), "Status: 431");
    buf_free(&p);
}

static void too_large_parameters_are_431(void **state)
{
    struct side *s = *state;
    static char big[65600];
    struct buf p;
    memset(big, 'x', sizeof big - 1);
    buf_init(&p, 1 << 20);
    pair(&p, "BIG", big);
    refused_params(s, buf_view(&p), "Status: 431");
    buf_free(&p);
}

static void large_parameters_over_many_records_arrive(void **state)
{
    struct side *s = *state;
    static char big[60001];
    struct buf p;
    int fd = client();
    memset(big, 'x', sizeof big - 1);
    buf_init(&p, 1 << 20);
    pair(&p, "BIG", big);
    pair(&p, "MORE", big + 54490);
    pair(&p, "EMPTY", "");
    assert_true(p.n > FCGI_FULL_RECORD);
    fcgi_put_begin(&s->b, 1, FCGI_RESPONDER, 0);
    for (size_t at = 0; at < p.n; at += 777) {
        struct slice rest = slice_from(buf_view(&p), at);
        rest.n = rest.n < 777 ? rest.n : 777;
        fcgi_put(&s->b, FCGI_PARAMS, 1, rest);
    }
    fcgi_put(&s->b, FCGI_PARAMS, 1, SLICE(""));
    body(&s->b, 1, SLICE(""));
    give(fd, &s->b);
    assert_int_equal(next(s, 1000), OK);
    assert_string_equal(param(s, "BIG"), big);
    assert_int_equal(strlen(param(s, "MORE")), 5510);
    assert_string_equal(param(s, "EMPTY"), "");
    finish(s);
    buf_free(&p);
    close(fd);
}

static void padding_of_any_length_is_skipped(void **state)
{
    struct side *s = *state;
    int fd = client();
    static char zeros[256];
    const struct {
        int type;
        struct slice content;
    } recs[] = {{FCGI_BEGIN_REQUEST, SLICE("\0\1\0\0\0\0\0\0")},
                {FCGI_PARAMS, SLICE("\1\1Ab")},
                {FCGI_PARAMS, SLICE("\1\1Cd")},
                {FCGI_PARAMS, SLICE("")},
                {FCGI_STDIN, SLICE("hello")},
                {FCGI_STDIN, SLICE("")}};
    for (size_t i = 0; i < sizeof recs / sizeof *recs; i++) {
        unsigned char h[8];
        struct slice c = recs[i].content;
        struct fcgi_record rec = {recs[i].type, 1, (uint16_t)c.n,
                                  (uint8_t)(255 - i)};
        fcgi_header_write(h, rec);
        buf_put(&s->b, h, sizeof h);
        buf_slice(&s->b, c);
        buf_put(&s->b, zeros, rec.padding);
    }
    give(fd, &s->b);
    assert_int_equal(next(s, 1000), OK);
    assert_string_equal(param(s, "A"), "b");
    assert_string_equal(param(s, "C"), "d");
    expect_body(s, OK, "hello");
    finish(s);
    close(fd);
}

static void an_abort_among_the_parameters_is_no_request(void **state)
{
    struct side *s = *state;
    int fd = client();
    fcgi_put_begin(&s->b, 1, FCGI_RESPONDER, FCGI_KEEP_CONN);
    fcgi_put(&s->b, FCGI_PARAMS, 1, SLICE("\1\1ab"));
    fcgi_put(&s->b, FCGI_ABORT_REQUEST, 1, SLICE(""));
    give(fd, &s->b);
    assert_int_equal(next(s, 20), ERR_TIMEOUT);
    expect_end(s, fd, FCGI_REQUEST_COMPLETE, false);
    exchange(s, fd, 0, "/next");
    close(fd);
}

static void an_abort_in_the_body_is_told(void **state)
{
    struct side *s = *state;
    int fd = client();
    head(&s->b, 1, FCGI_KEEP_CONN, "/");
    fcgi_put(&s->b, FCGI_STDIN, 1, SLICE("hel"));
    fcgi_put(&s->b, FCGI_ABORT_REQUEST, 1, SLICE(""));
    give(fd, &s->b);
    assert_int_equal(next(s, 1000), OK);
    expect_body(s, ERR_ABORTED, "hel");
    assert_true(s->t->ops->gone(s->t));
    s->t->ops->end(s->t, false);
    close(fd);
}

static void an_abort_after_the_body_is_seen(void **state)
{
    struct side *s = *state;
    int fd = begin(s, FCGI_KEEP_CONN, "/");
    assert_true(s->t->gone_fd >= 0);
    assert_false(s->t->ops->gone(s->t));
    fcgi_put(&s->b, FCGI_GET_VALUES, 0, SLICE(""));
    give(fd, &s->b);
    assert_false(s->t->ops->gone(s->t));
    fcgi_put(&s->b, FCGI_ABORT_REQUEST, 1, SLICE(""));
    give(fd, &s->b);
    assert_int_equal(ready(s->t->gone_fd, POLLIN | POLLRDHUP, 1000), 1);
    assert_true(s->t->ops->gone(s->t));
    close(fd);
}

static void a_peer_that_closes_is_seen(void **state)
{
    struct side *s = *state;
    int fd = begin(s, 0, "/");
    assert_false(s->t->ops->gone(s->t));
    close(fd);
    assert_true(s->t->ops->gone(s->t));
    size_t wrote;
    assert_int_equal(s->t->ops->write(s->t, "x", 1, &wrote), ERR_EOF);
}

static void a_peer_that_closes_in_its_body_is_seen(void **state)
{
    struct side *s = *state;
    int fd = client();
    head(&s->b, 1, 0, "/");
    fcgi_put(&s->b, FCGI_STDIN, 1, SLICE("hel"));
    give(fd, &s->b);
    assert_int_equal(next(s, 1000), OK);
    assert_false(s->t->ops->gone(s->t));
    close(fd);
    assert_int_equal(ready(s->t->gone_fd, s->t->gone_events, 1000), 1);
    assert_true(s->t->ops->gone(s->t));
    assert_int_equal(read_body(s), ERR_EOF);
}

static void an_abort_behind_an_unread_body_is_seen(void **state)
{
    struct side *s = *state;
    int fd = client();
    head(&s->b, 1, FCGI_KEEP_CONN, "/");
    fcgi_put(&s->b, FCGI_STDIN, 1, SLICE("hel"));
    give(fd, &s->b);
    assert_int_equal(next(s, 1000), OK);
    assert_false(s->t->ops->gone(s->t));
    fcgi_put(&s->b, FCGI_STDIN, 1, SLICE("lo"));
    fcgi_put(&s->b, FCGI_ABORT_REQUEST, 2, SLICE(""));
    give(fd, &s->b);
    assert_int_equal(ready(s->t->gone_fd, s->t->gone_events, 1000), 1);
    assert_false(s->t->ops->gone(s->t));
    fcgi_put(&s->b, FCGI_ABORT_REQUEST, 1, SLICE(""));
    give(fd, &s->b);
    assert_int_equal(ready(s->t->gone_fd, s->t->gone_events, 1000), 1);
    assert_true(s->t->ops->gone(s->t));
    assert_int_equal(read_body(s), ERR_ABORTED);
    close(fd);
}

static void a_look_for_an_abort_takes_nothing_from_the_body(void **state)
{
    struct side *s = *state;
    static char p[60000];
    for (size_t i = 0; i < sizeof p; i++)
        p[i] = (char)(i * 7 + i / 1000);
    int fd = client();
    head(&s->b, 1, 0, "/");
    fcgi_put(&s->b, FCGI_STDIN, 1, (struct slice){p, sizeof p});
    fcgi_put(&s->b, FCGI_STDIN, 1, SLICE(""));
    give(fd, &s->b);
    assert_int_equal(next(s, 1000), OK);
    /* As much as there is room for; then bytes are no news any more. */
    for (int i = 0; i < 10; i++)
        assert_false(s->t->ops->gone(s->t));
    assert_int_equal(s->t->gone_events, POLLRDHUP);
    assert_int_equal(ready(s->t->gone_fd, s->t->gone_events, 20), 0);
    assert_int_equal(read_body(s), OK);
    assert_int_equal(s->in.n, sizeof p);
    assert_memory_equal(s->in.p, p, sizeof p);
    close(fd);
}

static void a_body_that_is_not_there_yet_is_waited_for(void **state)
{
    struct side *s = *state;
    char p[100];
    size_t got;
    int fd = client();
    head(&s->b, 1, 0, "/");
    give(fd, &s->b);
    assert_int_equal(next(s, 1000), OK);
    assert_int_equal(s->t->ops->read(s->t, p, sizeof p, &got), ERR_AGAIN);
    body(&s->b, 1, SLICE("hello"));
    /* Half a header is nothing yet. */
    assert_int_equal(send(fd, s->b.p, 4, 0), 4);
    assert_int_equal(s->t->ops->read(s->t, p, sizeof p, &got), ERR_AGAIN);
    assert_int_equal(send(fd, s->b.p + 4, s->b.n - 4, 0), s->b.n - 4);
    assert_int_equal(s->t->ops->read(s->t, p, sizeof p, &got), OK);
    assert_int_equal(got, 5);
    assert_int_equal(s->t->ops->read(s->t, p, sizeof p, &got), OK);
    assert_int_equal(got, 0);
    finish(s);
    close(fd);
}

static void a_large_body_arrives_whole(void **state)
{
    struct side *s = *state;
    enum { RECORDS = 30, SIZE = 65535 };
    static char p[SIZE];
    int fd = client();
    head(&s->b, 1, FCGI_KEEP_CONN, "/");
    for (int i = 0; i < RECORDS; i++) {
        for (size_t k = 0; k < SIZE; k++)
            p[k] = (char)(k * 7 + (size_t)i);
        fcgi_put(&s->b, FCGI_STDIN, 1, (struct slice){p, SIZE});
    }
    body(&s->b, 1, SLICE(""));
    if (fork() == 0) {
        for (size_t at = 0; at < s->b.n;)
            at += (size_t)send(fd, s->b.p + at, s->b.n - at, 0);
        _exit(0);
    }
    assert_int_equal(next(s, 1000), OK);
    assert_int_equal(read_body(s), OK);
    assert_int_equal(s->in.n, RECORDS * SIZE);
    for (size_t i = 0; i < s->in.n; i++)
        if (s->in.p[i] != (char)(i % SIZE * 7 + i / SIZE))
            fail_msg("byte %zu differs", i);
    finish(s);
    close(fd);
}

/* Writes all of p, waiting as the caller of a transport does. */
static void write_all(struct side *s, const char *p, size_t n)
{
    size_t at = 0;
    while (at < n) {
        size_t wrote = 0;
        enum err e = s->t->ops->write(s->t, p + at, n - at, &wrote);
        at += wrote;
        if (e == ERR_AGAIN) {
            assert_int_equal(wrote, 0);
            assert_int_equal(ready(s->t->write_fd, POLLOUT, 1000), 1);
            continue;
        }
        assert_int_equal(e, OK);
    }
}

static void a_large_reply_arrives_whole(void **state)
{
    struct side *s = *state;
    enum { SIZE = 3000001 };
    char *p = malloc(SIZE);
    int report[2];
    assert_non_null(p);
    assert_int_equal(pipe(report), 0);
    for (size_t i = 0; i < SIZE; i++)
        p[i] = (char)(i * 31 + i / 1000);
    int fd = begin(s, 0, "/");
    if (fork() == 0) {
        receive(s, fd);
        bool same = s->got.out.n == SIZE &&
                    memcmp(s->got.out.p, p, SIZE) == 0 &&
                    s->got.end == FCGI_REQUEST_COMPLETE;
        if (write(report[1], same ? "y" : "n", 1) != 1)
            _exit(1);
        _exit(0);
    }
    write_all(s, p, SIZE);
    finish(s);
    char same = 0;
    assert_int_equal(read(report[0], &same, 1), 1);
    assert_int_equal(same, 'y');
    close(report[0]);
    close(report[1]);
    free(p);
    close(fd);
}

static void a_slow_reader_makes_writes_say_again(void **state)
{
    struct side *s = *state;
    static char p[1000000];
    size_t sum = 0;
    size_t wrote;
    enum err e;
    int fd = begin(s, 0, "/");
    while ((e = s->t->ops->write(s->t, p, sizeof p, &wrote)) == OK)
        sum += wrote;
    assert_int_equal(e, ERR_AGAIN);
    assert_true(sum > 0);
    /* A record is open: the end cannot be told, and is not. */
    uint64_t before = clock_mono();
    assert_true(s->t->ops->end(s->t, true) != OK);
    assert_true(clock_mono() - before < 500 * NS_PER_MS);
    close(fd);
}

static void an_incomplete_reply_has_no_end(void **state)
{
    struct side *s = *state;
    int fd = begin(s, FCGI_KEEP_CONN, "/");
    say(s, "part");
    assert_int_equal(s->t->ops->end(s->t, false), OK);
    expect_end(s, fd, -1, true);
    assert_string_equal(buf_str(&s->got.out), "part");
    close(fd);
}

static void calls_after_the_end_are_out_of_order(void **state)
{
    struct side *s = *state;
    char p[1];
    size_t n;
    int fd = begin(s, 0, "/");
    assert_int_equal(s->t->ops->end(s->t, true), OK);
    assert_int_equal(s->t->ops->end(s->t, true), ERR_ORDER);
    assert_int_equal(s->t->ops->write(s->t, "x", 1, &n), ERR_ORDER);
    assert_int_equal(s->t->ops->read(s->t, p, 1, &n), ERR_ORDER);
    assert_false(s->t->ops->gone(s->t));
    close(fd);
}

static void a_readable_wake_descriptor_interrupts(void **state)
{
    struct side *s = *state;
    int wake[2];
    assert_int_equal(pipe(wake), 0);
    assert_int_equal(write(wake[1], "x", 1), 1);
    assert_int_equal(fcgi_next(s->f, 0, wake[0], &s->t), ERR_ABORTED);
    close(wake[0]);
    close(wake[1]);
}

static void draining_closes_after_the_reply_and_accepts_nobody(void **state)
{
    struct side *s = *state;
    int fd = begin(s, FCGI_KEEP_CONN, "/1");
    fcgi_drain(s->f, false);
    int late = client();
    send_request(late, 0, "/late", "");
    say(s, "x");
    finish(s);
    expect_end(s, fd, FCGI_REQUEST_COMPLETE, true);
    assert_int_equal(next(s, 1000), ERR_EOF);
    close(fd);
    close(late);
}

/* ---- two processes of one socket, in one -------------------------------- */

static int queue[2];

/* s serves the socket as before, and *other does too; both have the queue. */
static void open_two(struct side *s, struct fcgi **other)
{
    struct fcgi_options o = options();
    int type = SOCK_SEQPACKET | SOCK_NONBLOCK;
    assert_int_equal(socketpair(AF_UNIX, type, 0, queue), 0);
    o.queue = queue;
    o.max_conns = 64;
    fcgi_close(s->f);
    assert_int_equal(fcgi_open(&o, &s->f), OK);
    assert_int_equal(fcgi_open(&o, other), OK);
}

static void close_two(struct fcgi *other)
{
    fcgi_close(other);
    close(queue[0]);
    close(queue[1]);
}

static void expect_closed(struct side *s, int fd)
{
    receive(s, fd);
    assert_true(s->got.closed);
    close(fd);
}

static int kept_client(struct side *s)
{
    int fd = client();
    send_request(fd, FCGI_KEEP_CONN, "/kept", "");
    serve(s, "/kept");
    expect_end(s, fd, FCGI_REQUEST_COMPLETE, false);
    return fd;
}

static void kept_connections_go_to_who_is_idle(void **state)
{
    struct side *s = *state;
    struct fcgi *other, *busy;
    int fd[40];
    open_two(s, &other);
    busy = s->f;
    for (int i = 0; i < 40; i++)
        fd[i] = kept_client(s);
    fcgi_give(busy);
    s->f = other;
    for (int i = 0; i < 40; i++) {
        send_request(fd[i], FCGI_KEEP_CONN, "/other", "");
        serve(s, "/other");
        expect_end(s, fd[i], FCGI_REQUEST_COMPLETE, false);
    }
    fcgi_close(busy);
    for (int i = 0; i < 40; i++) {
        send_request(fd[i], 0, "/last", "");
        serve(s, "/last");
        expect_end(s, fd[i], FCGI_REQUEST_COMPLETE, true);
        close(fd[i]);
    }
    s->f = NULL;
    struct fcgi_options o = options();
    assert_int_equal(fcgi_open(&o, &s->f), OK);
    close_two(other);
}

static void what_has_begun_is_not_given(void **state)
{
    struct side *s = *state;
    struct fcgi *other;
    int fd = client();
    open_two(s, &other);
    head(&s->b, 1, 0, "/begun");
    size_t n = s->b.n / 2;
    assert_int_equal(send(fd, s->b.p, n, MSG_NOSIGNAL), n);
    assert_int_equal(next(s, 50), ERR_TIMEOUT);
    fcgi_give(s->f);
    assert_int_equal(send(fd, s->b.p + n, s->b.n - n, MSG_NOSIGNAL),
                     s->b.n - n);
    buf_clear(&s->b);
    serve(s, "/begun");
    expect_end(s, fd, FCGI_REQUEST_COMPLETE, true);
    close(fd);
    close_two(other);
}

/* One that was accepted and has sent nothing keeps its deadline. */
static void a_deadline_goes_along(void **state)
{
    struct side *s = *state;
    struct fcgi *other;
    int fd = client();
    open_two(s, &other);
    assert_int_equal(next(s, 50), ERR_TIMEOUT);
    fcgi_give(s->f);
    struct fcgi *first = s->f;
    s->f = other;
    assert_int_equal(next(s, 1000), ERR_TIMEOUT);
    expect_closed(s, fd);
    s->f = first;
    close_two(other);
}

static void with_nobody_to_take_they_stay_or_are_closed(void **state)
{
    struct side *s = *state;
    struct fcgi *other;
    open_two(s, &other);
    int fd = kept_client(s), idle = kept_client(s);
    assert_int_equal(shutdown(queue[1], SHUT_WR), 0);
    fcgi_give(s->f);
    send_request(fd, FCGI_KEEP_CONN, "/stays", "");
    serve(s, "/stays");
    expect_end(s, fd, FCGI_REQUEST_COMPLETE, false);
    /* At the end: who has asked is served, who has not is not waited for. */
    send_request(fd, FCGI_KEEP_CONN, "/end", "");
    fcgi_drain(s->f, true);
    serve(s, "/end");
    assert_int_equal(next(s, 1000), ERR_EOF);
    expect_end(s, fd, FCGI_REQUEST_COMPLETE, true);
    expect_closed(s, idle);
    close(fd);
    close_two(other);
}

static void the_last_one_takes_what_is_on_its_way(void **state)
{
    struct side *s = *state;
    struct fcgi *other;
    open_two(s, &other);
    int fd = kept_client(s), idle = kept_client(s);
    fcgi_drain(s->f, false);
    assert_int_equal(next(s, 1000), ERR_EOF);
    send_request(fd, FCGI_KEEP_CONN, "/left", "");
    struct fcgi *first = s->f;
    s->f = other;
    fcgi_drain(s->f, true);
    serve(s, "/left");
    expect_end(s, fd, FCGI_REQUEST_COMPLETE, true);
    assert_int_equal(next(s, 1000), ERR_EOF);
    expect_closed(s, idle);
    close(fd);
    s->f = first;
    close_two(other);
}

/* Its places are taken by some who say nothing: they make room. */
static void a_full_table_leaves_nobody_in_the_queue(void **state)
{
    struct side *s = *state;
    struct fcgi *other, *first;
    int fd[64], given[40];
    open_two(s, &other);
    first = s->f;
    s->f = other;
    for (int i = 0; i < 64; i++)
        fd[i] = kept_client(s);
    s->f = first;
    for (int i = 0; i < 40; i++)
        given[i] = kept_client(s);
    fcgi_give(first);
    s->f = other;
    assert_int_equal(next(s, 500), ERR_TIMEOUT);
    for (int i = 0; i < 40; i++) {
        send_request(given[i], FCGI_KEEP_CONN, "/given", "");
        serve(s, "/given");
        expect_end(s, given[i], FCGI_REQUEST_COMPLETE, false);
        close(given[i]);
    }
    for (int i = 0; i < 64; i++)
        close(fd[i]);
    s->f = first;
    close_two(other);
}

/* The next descriptor shows whether one more is open than before. */
static int lowest_free(void)
{
    int fd = dup(STDERR_FILENO);
    close(fd);
    return fd;
}

static void damaged_messages_in_the_queue_do_no_harm(void **state)
{
    struct side *s = *state;
    struct fcgi *other;
    int fd, on = 1;
    union {
        char bytes[CMSG_SPACE(sizeof fd)];
        struct cmsghdr align;
    } a;
    open_two(s, &other);
    fd = kept_client(s);
    int before = lowest_free();
    /* With credentials before the descriptor, too. */
    for (int round = 0; round < 2; round++) {
        for (size_t n = 0; n < 20; n++) {
            char text[20] = "";
            struct iovec iov = {text, n};
            struct msghdr msg = {.msg_iov = &iov,
                                 .msg_iovlen = 1,
                                 .msg_control = n < 16 ? a.bytes : NULL,
                                 .msg_controllen = n < 16 ? sizeof a.bytes : 0};
            memset(&a, 0, sizeof a);
            a.align.cmsg_level = SOL_SOCKET;
            a.align.cmsg_type = SCM_RIGHTS;
            a.align.cmsg_len = CMSG_LEN(sizeof fd);
            memcpy(CMSG_DATA(&a.align), &fd, sizeof fd);
            assert_int_equal(sendmsg(queue[1], &msg, MSG_NOSIGNAL), n);
            assert_false(fcgi_pending(other));
        }
        setsockopt(queue[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
    }
    assert_int_equal(lowest_free(), before);
    fcgi_give(s->f);
    struct fcgi *first = s->f;
    s->f = other;
    send_request(fd, FCGI_KEEP_CONN, "/given", "");
    serve(s, "/given");
    expect_end(s, fd, FCGI_REQUEST_COMPLETE, false);
    close(fd);
    s->f = first;
    close_two(other);
}

/* Its socket lives on, and yet nobody else will look into the queue. */
static void an_ended_queue_is_emptied_by_who_drains(void **state)
{
    struct side *s = *state;
    struct fcgi *other;
    open_two(s, &other);
    int fd = kept_client(s), idle = kept_client(s);
    fcgi_give(s->f);
    send_request(fd, FCGI_KEEP_CONN, "/left", "");
    assert_int_equal(shutdown(queue[1], SHUT_WR), 0);
    struct fcgi *first = s->f;
    s->f = other;
    fcgi_drain(s->f, false);
    serve(s, "/left");
    assert_int_equal(next(s, 1000), ERR_EOF);
    expect_end(s, fd, FCGI_REQUEST_COMPLETE, true);
    expect_closed(s, idle);
    close(fd);
    s->f = first;
    close_two(other);
}

static void the_longest_idle_connection_makes_room(void **state)
{
    struct side *s = *state;
    int fd[5];
    for (int i = 0; i < 5; i++) {
        assert_int_equal(next(s, i < 4 ? 1 : 500), ERR_TIMEOUT);
        fd[i] = client();
        send_request(fd[i], FCGI_KEEP_CONN, "/", "");
        serve(s, "/");
    }
    for (int i = 0; i < 5; i++) {
        receive(s, fd[i]);
        assert_int_equal(s->got.closed, i == 0);
        close(fd[i]);
    }
}

/* Better not kept than closed while a request is on its way. */
static void who_has_asked_makes_no_room(void **state)
{
    struct side *s = *state;
    int fd[12];
    for (int i = 0; i < 4; i++)
        fd[i] = kept_client(s);
    /* After the last of the table a new one has its turn. */
    send_request(fd[3], FCGI_KEEP_CONN, "/kept", "");
    serve(s, "/kept");
    expect_end(s, fd[3], FCGI_REQUEST_COMPLETE, false);
    assert_int_equal(next(s, 500), ERR_TIMEOUT);
    for (int i = 0; i < 12; i++) {
        if (i >= 4)
            fd[i] = client();
        send_request(fd[i], FCGI_KEEP_CONN, "/", "");
    }
    for (int i = 0; i < 12; i++)
        serve(s, "/");
    int kept = 0;
    for (int i = 0; i < 12; i++) {
        receive(s, fd[i]);
        assert_int_equal(s->got.end, FCGI_REQUEST_COMPLETE);
        kept += s->got.closed ? 0 : 1;
        close(fd[i]);
    }
    assert_int_equal(kept, 4);
}

static void without_descriptors_it_waits_and_does_not_spin(void **state)
{
    struct side *s = *state;
    struct rlimit old, none;
    FILE *log = tmpfile();
    int err = dup(STDERR_FILENO);
    assert_non_null(log);
    dup2(fileno(log), STDERR_FILENO);
    log_set_level(LOG_WARN);
    int fd = client();
    send_request(fd, 0, "/", "");
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = old;
    none.rlim_cur = (rlim_t)fd + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    enum err e = next(s, 300);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    log_set_level(LOG_ERROR);
    dup2(err, STDERR_FILENO);
    close(err);
    assert_int_equal(e, ERR_TIMEOUT);
    /* Each try that fails says so. */
    int tries = 0;
    rewind(log);
    for (int c; (c = fgetc(log)) != EOF;)
        tries += c == '\n';
    fclose(log);
    assert_in_range(tries, 1, 4);
    serve(s, "/");
    expect_reply(s, fd, "Status: 200 OK\r\n\r\n/");
    close(fd);
}

static void signals_stay_as_they_were(void **state)
{
    (void)state;
    struct sigaction now;
    static const int signals[] = {SIGPIPE, SIGUSR1, SIGTERM};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(sigaction(signals[i], NULL, &now), 0);
        assert_true(now.sa_handler == SIG_DFL);
    }
}

/* A responder on a TCP port of loopback, with a list of web servers. */
static enum err tcp_request(const char *addrs, enum err *opened)
{
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof in;
    struct fcgi_options o = options();
    struct side s = {0};
    o.listen_fd = socket(AF_INET, SOCK_STREAM, 0);
    o.web_server_addrs = addrs;
    assert_int_equal(bind(o.listen_fd, (struct sockaddr *)&in, len), 0);
    assert_int_equal(listen(o.listen_fd, 4), 0);
    getsockname(o.listen_fd, (struct sockaddr *)&in, &len);
    *opened = fcgi_open(&o, &s.f);
    enum err e = ERR_FAIL;
    if (*opened == OK) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&in, len), 0);
        send_request(fd, 0, "/tcp", "");
        e = next(&s, 100);
        if (e == OK)
            finish(&s);
        fcgi_close(s.f);
        close(fd);
    }
    close(o.listen_fd);
    return e;
}

static void only_listed_web_servers_may_connect_by_tcp(void **state)
{
    (void)state;
    enum err opened;
    assert_int_equal(tcp_request(NULL, &opened), OK);
    assert_int_equal(tcp_request("192.0.2.1, 127.0.0.1", &opened), OK);
    assert_int_equal(tcp_request("::ffff:127.0.0.1", &opened), OK);
    assert_int_equal(tcp_request("192.0.2.1", &opened), ERR_TIMEOUT);
    assert_int_equal(tcp_request("", &opened), ERR_TIMEOUT);
    assert_int_equal(tcp_request("localhost", &opened), ERR_FAIL);
    assert_int_equal(opened, ERR_SYNTAX);
}

static void damaged_requests_do_no_harm(void **state)
{
    struct side *s = *state;
    unsigned seed = 1;
    fcgi_put(&s->b, FCGI_GET_VALUES, 0, SLICE("\16\0FCGI_MAX_CONNS"));
    head(&s->b, 1, FCGI_KEEP_CONN, "/fuzz");
    body(&s->b, 1, SLICE("hello"));
    head(&s->b, 1, FCGI_KEEP_CONN, "/fuzz");
    body(&s->b, 1, SLICE(""));
    for (int i = 0; i < 3000; i++) {
        char copy[1024];
        memcpy(copy, s->b.p, s->b.n);
        for (int k = 0; k < 1 + i % 3; k++)
            copy[(size_t)rand_r(&seed) % s->b.n] = (char)rand_r(&seed);
        int fd = client();
        assert_int_equal(send(fd, copy, s->b.n, MSG_NOSIGNAL), s->b.n);
        shutdown(fd, SHUT_WR);
        while (fcgi_next(s->f, clock_mono() + NS_PER_MS / 10, -1, &s->t) ==
               OK) {
            size_t wrote;
            read_body(s);
            s->t->ops->write(s->t, "x", 1, &wrote);
            s->t->ops->gone(s->t);
            s->t->ops->end(s->t, true);
            s->t->ops->done(s->t);
        }
        s->t = NULL;
        close(fd);
    }
}

static void busy_kept_connections_do_not_keep_new_ones_out(void **state)
{
    struct side *s = *state;
    bool served = false;
    int kept = client();
    exchange(s, kept, FCGI_KEEP_CONN, "/kept");
    int fresh = client();
    send_request(fresh, 0, "/fresh", "");
    for (int i = 0; i < 3 && !served; i++) {
        send_request(kept, FCGI_KEEP_CONN, "/kept", "");
        assert_int_equal(next(s, 1000), OK);
        served = strcmp(param(s, "REQUEST_URI"), "/fresh") == 0;
        finish(s);
    }
    assert_true(served);
    close(kept);
    close(fresh);
}

static void a_peer_that_asks_and_never_reads_gets_no_damaged_reply(void **state)
{
    struct side *s = *state;
    int fd = client();
    for (int i = 0; i < 400; i++)
        fcgi_put(&s->b, FCGI_GET_VALUES, 0, SLICE("\x0e\0FCGI_MAX_CONNS"));
    for (int i = 0; i < 100; i++) {
        if (send(fd, s->b.p, s->b.n, MSG_DONTWAIT | MSG_NOSIGNAL) <
            (ssize_t)s->b.n)
            break;
        if (next(s, 1) == OK)
            break;
    }
    buf_clear(&s->b);
    head(&s->b, 1, 0, "/x");
    body(&s->b, 1, SLICE(""));
    send(fd, s->b.p, s->b.n, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (next(s, 50) == OK) {
        static char large[60000];
        size_t wrote;
        s->t->ops->write(s->t, large, sizeof large, &wrote);
        receive(s, fd); /* asserts that each record is sound */
        s->t->ops->write(s->t, large, sizeof large, &wrote);
        receive(s, fd);
        s->t->ops->done(s->t);
        s->t = NULL;
    }
    close(fd);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    log_set_level(LOG_ERROR);
    if (mkdtemp(dir) == NULL)
        return 99;
    snprintf(name.sun_path, sizeof name.sun_path, "%s/s", dir);
    const struct CMUnitTest tests[] = {
        T(a_request_is_read_and_answered),
        T(a_reply_said_to_be_the_last_leaves_with_the_end),
        T(a_write_is_on_its_way_at_once),
        T(params_live_until_done),
        T(a_kept_connection_brings_the_next_request),
        T(busy_kept_connections_do_not_keep_new_ones_out),
        T(a_peer_that_asks_and_never_reads_gets_no_damaged_reply),
        T(thousands_of_requests_are_served_alike),
        T(two_requests_sent_together_are_served_in_turn),
        T(without_keep_conn_the_connection_is_closed),
        T(one_byte_a_write_makes_the_same_request),
        T(every_truncation_is_no_request_or_a_short_body),
        T(a_request_cut_within_is_closed_at_its_deadline),
        T(an_idle_kept_connection_has_no_deadline),
        T(a_kept_connection_has_one_from_its_next_byte),
        T(and_so_when_it_came_with_the_request_before),
        T(a_request_in_an_unread_body_is_never_served),
        T(an_unread_body_still_coming_ends_the_connection),
        T(a_large_unread_body_ends_the_connection),
        T(get_values_is_answered_alone),
        T(a_hundred_get_values_do_no_harm),
        T(an_unknown_management_type_is_told),
        T(other_roles_are_unknown),
        T(a_second_request_at_the_same_time_is_refused),
        T(records_of_other_requests_are_skipped),
        T(malformed_records_end_the_connection),
        T(unsound_parameters_are_400),
        T(too_many_parameters_are_431),
        T(too_large_parameters_are_431),
        T(large_parameters_over_many_records_arrive),
        T(padding_of_any_length_is_skipped),
        T(an_abort_among_the_parameters_is_no_request),
        T(an_abort_in_the_body_is_told),
        T(an_abort_after_the_body_is_seen),
        T(a_peer_that_closes_is_seen),
        T(a_peer_that_closes_in_its_body_is_seen),
        T(an_abort_behind_an_unread_body_is_seen),
        T(a_look_for_an_abort_takes_nothing_from_the_body),
        T(a_body_that_is_not_there_yet_is_waited_for),
        T(a_large_body_arrives_whole),
        T(a_large_reply_arrives_whole),
        T(a_slow_reader_makes_writes_say_again),
        T(an_incomplete_reply_has_no_end),
        T(calls_after_the_end_are_out_of_order),
        T(a_readable_wake_descriptor_interrupts),
        T(draining_closes_after_the_reply_and_accepts_nobody),
        T(kept_connections_go_to_who_is_idle),
        T(what_has_begun_is_not_given),
        T(a_deadline_goes_along),
        T(with_nobody_to_take_they_stay_or_are_closed),
        T(the_last_one_takes_what_is_on_its_way),
        T(a_full_table_leaves_nobody_in_the_queue),
        T(damaged_messages_in_the_queue_do_no_harm),
        T(an_ended_queue_is_emptied_by_who_drains),
        T(the_longest_idle_connection_makes_room),
        T(who_has_asked_makes_no_room),
        T(without_descriptors_it_waits_and_does_not_spin),
        T(signals_stay_as_they_were),
        T(only_listed_web_servers_may_connect_by_tcp),
        T(damaged_requests_do_no_harm),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(name.sun_path);
    rmdir(dir);
    return failed;
}
