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

struct side {
    struct fcgi *f;
    struct transport *t;
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
    *state = &s;
    return 0;
}

static int tear_down(void **state)
{
    struct side *s = *state;
    if (s->t != NULL)
        s->t->ops->done(s->t);
    fcgi_close(s->f);
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

static void give(int fd, const struct buf *b)
{
    assert_int_equal(b->err, OK);
    assert_int_equal(send(fd, b->p, b->n, MSG_NOSIGNAL), b->n);
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

/* The whole body, waiting for it as the caller of a transport does. */
static enum err read_body(struct side *s, struct buf *out)
{
    char p[1000];
    size_t got;
    for (;;) {
        enum err e = s->t->ops->read(s->t, p, sizeof p, &got);
        if (e == ERR_AGAIN) {
            struct pollfd pfd = {s->t->read_fd, POLLIN, 0};
            if (poll(&pfd, 1, 1000) == 0)
                return ERR_TIMEOUT;
            continue;
        }
        if (e != OK || got == 0)
            return e;
        buf_put(out, p, got);
    }
}

/* What the web server got: the streams, and whether END_REQUEST came. */
struct got {
    struct buf out;
    struct buf err;
    struct buf values;
    int end;     /* END_REQUEST's protocol status, -1 without */
    int unknown; /* UNKNOWN_TYPE records */
    bool closed; /* the connection ended */
    size_t records;
};

static void got_init(struct got *g)
{
    *g = (struct got){.end = -1};
    buf_init(&g->out, 64 << 20);
    buf_init(&g->err, 65536);
    buf_init(&g->values, 65536);
}

static void got_free(struct got *g)
{
    buf_free(&g->out);
    buf_free(&g->err);
    buf_free(&g->values);
}

/* Reads n bytes within ms; false at the end. */
static bool take(int fd, void *p, size_t n, int ms)
{
    size_t at = 0;
    while (at < n) {
        struct pollfd pfd = {fd, POLLIN, 0};
        if (poll(&pfd, 1, ms) <= 0)
            return false;
        ssize_t m = recv(fd, (char *)p + at, n - at, 0);
        if (m <= 0)
            return false;
        at += (size_t)m;
    }
    return true;
}

/* Reads records until END_REQUEST, the connection's end, or silence. */
static void receive(int fd, struct got *g)
{
    unsigned char h[FCGI_HEADER_LEN];
    static char content[FCGI_MAX_LENGTH + 256];
    struct fcgi_record rec;
    g->end = -1;
    while (g->end < 0 && take(fd, h, sizeof h, 50)) {
        assert_true(fcgi_header_read(h, &rec));
        assert_true(take(fd, content, (size_t)rec.length + rec.padding, 50));
        assert_int_equal((rec.length + rec.padding) % 8, 0);
        struct slice s = {content, rec.length};
        g->records++;
        if (rec.type == FCGI_STDOUT)
            buf_slice(&g->out, s);
        else if (rec.type == FCGI_STDERR)
            buf_slice(&g->err, s);
        else if (rec.type == FCGI_GET_VALUES_RESULT)
            buf_slice(&g->values, s);
        else if (rec.type == FCGI_UNKNOWN_TYPE)
            g->unknown++;
        else if (rec.type == FCGI_END_REQUEST)
            g->end = content[4];
    }
    struct pollfd pfd = {fd, POLLIN, 0};
    g->closed = poll(&pfd, 1, 0) > 0 && recv(fd, h, 1, MSG_PEEK) <= 0;
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

/* Serves one request, which must be uri's, with a small reply. */
static void serve(struct side *s, const char *uri)
{
    assert_int_equal(next(s, 1000), OK);
    assert_string_equal(param(s, "REQUEST_URI"), uri);
    s->t->last = true;
    say(s, "Status: 200 OK\r\n\r\n");
    say(s, uri);
    finish(s);
}

static void expect_reply(int fd, const char *text)
{
    struct got g;
    got_init(&g);
    receive(fd, &g);
    assert_string_equal(buf_str(&g.out), text);
    assert_int_equal(g.end, FCGI_REQUEST_COMPLETE);
    got_free(&g);
}

/* ---- tests ------------------------------------------------------------- */

static void a_request_is_read_and_answered(void **state)
{
    struct side *s = *state;
    struct buf in;
    struct got g;
    int fd = client();
    send_request(fd, 0, "/a", "hello");
    assert_int_equal(next(s, 1000), OK);
    assert_string_equal(s->t->name, "FastCGI");
    assert_string_equal(param(s, "REQUEST_URI"), "/a");
    assert_string_equal(param(s, "REQUEST_METHOD"), "POST");
    assert_null(param(s, "FCGI_ROLE"));
    buf_init(&in, 1000);
    assert_int_equal(read_body(s, &in), OK);
    assert_string_equal(buf_str(&in), "hello");
    say(s, "Status: 200 OK\r\n\r\nhi");
    finish(s);
    got_init(&g);
    receive(fd, &g);
    assert_string_equal(buf_str(&g.out), "Status: 200 OK\r\n\r\nhi");
    assert_int_equal(g.end, FCGI_REQUEST_COMPLETE);
    assert_true(g.closed);
    got_free(&g);
    buf_free(&in);
    close(fd);
}

static void a_reply_said_to_be_the_last_leaves_with_the_end(void **state)
{
    struct side *s = *state;
    int fd = client();
    send_request(fd, 0, "/", "");
    assert_int_equal(next(s, 1000), OK);
    s->t->last = true;
    say(s, "x");
    struct pollfd pfd = {fd, POLLIN, 0};
    assert_int_equal(poll(&pfd, 1, 0), 0);
    finish(s);
    expect_reply(fd, "x");
    close(fd);
}

static void a_write_is_on_its_way_at_once(void **state)
{
    struct side *s = *state;
    int fd = client();
    send_request(fd, 0, "/", "");
    assert_int_equal(next(s, 1000), OK);
    say(s, "x");
    struct pollfd pfd = {fd, POLLIN, 0};
    assert_int_equal(poll(&pfd, 1, 0), 1);
    finish(s);
    close(fd);
}

static void params_live_until_done(void **state)
{
    struct side *s = *state;
    int fd = client();
    send_request(fd, FCGI_KEEP_CONN, "/first", "");
    assert_int_equal(next(s, 1000), OK);
    struct transport *first = s->t;
    assert_int_equal(first->ops->end(first, true), OK);
    send_request(fd, FCGI_KEEP_CONN, "/second", "");
    assert_int_equal(next(s, 1000), OK);
    assert_string_equal(param(s, "REQUEST_URI"), "/second");
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
        expect_reply(fd, i % 2 ? "Status: 200 OK\r\n\r\n/odd"
                               : "Status: 200 OK\r\n\r\n/even");
    }
    close(fd);
    assert_int_equal(next(s, 20), ERR_TIMEOUT);
}

static void thousands_of_requests_are_served_alike(void **state)
{
    struct side *s = *state;
    char uri[1001] = "";
    char reply[1100];
    int fd = client();
    memset(uri, 'u', 1000);
    snprintf(reply, sizeof reply, "Status: 200 OK\r\n\r\n%s", uri);
    for (int i = 0; i < 3000; i++) {
        send_request(fd, FCGI_KEEP_CONN, uri, "");
        serve(s, uri);
        expect_reply(fd, reply);
    }
    close(fd);
}

static void two_requests_sent_together_are_served_in_turn(void **state)
{
    struct side *s = *state;
    struct buf b;
    int fd = client();
    buf_init(&b, 65536);
    head(&b, 1, FCGI_KEEP_CONN, "/1");
    body(&b, 1, SLICE("one"));
    head(&b, 1, FCGI_KEEP_CONN, "/2");
    body(&b, 1, SLICE("two"));
    give(fd, &b);
    serve(s, "/1");
    assert_true(fcgi_pending(s->f));
    serve(s, "/2");
    expect_reply(fd, "Status: 200 OK\r\n\r\n/1");
    expect_reply(fd, "Status: 200 OK\r\n\r\n/2");
    assert_false(fcgi_pending(s->f));
    buf_free(&b);
    close(fd);
}

static void without_keep_conn_the_connection_is_closed(void **state)
{
    struct side *s = *state;
    int fd = client();
    struct got g;
    send_request(fd, 0, "/", "");
    serve(s, "/");
    got_init(&g);
    receive(fd, &g);
    assert_true(g.closed);
    got_free(&g);
    close(fd);
}

static void one_byte_a_write_makes_the_same_request(void **state)
{
    struct side *s = *state;
    struct buf b, in;
    int fd = client();
    buf_init(&b, 65536);
    buf_init(&in, 1000);
    head(&b, 7, 0, "/slow");
    body(&b, 7, SLICE("hello"));
    enum err e = ERR_TIMEOUT;
    size_t i = 0;
    for (; e == ERR_TIMEOUT && i < b.n; i++) {
        assert_int_equal(send(fd, b.p + i, 1, 0), 1);
        e = fcgi_next(s->f, clock_mono(), -1, &s->t);
    }
    assert_int_equal(e, OK);
    for (; i < b.n; i++) {
        char p[100];
        size_t got = 0;
        assert_int_equal(send(fd, b.p + i, 1, 0), 1);
        e = s->t->ops->read(s->t, p, sizeof p, &got);
        assert_true(e == OK || e == ERR_AGAIN);
        buf_put(&in, p, got);
    }
    assert_string_equal(buf_str(&in), "hello");
    assert_int_equal(s->t->gone_fd, s->t->write_fd);
    say(s, "ok");
    finish(s);
    expect_reply(fd, "ok");
    buf_free(&b);
    buf_free(&in);
    close(fd);
}

static void every_truncation_is_no_request_or_a_short_body(void **state)
{
    struct side *s = *state;
    struct buf b, in;
    buf_init(&b, 65536);
    buf_init(&in, 1000);
    head(&b, 1, FCGI_KEEP_CONN, "/cut");
    size_t whole = b.n;
    body(&b, 1, SLICE("hello"));
    for (size_t n = 0; n < b.n; n++) {
        int fd = client();
        assert_int_equal(send(fd, b.p, n, 0), n);
        close(fd);
        enum err e = next(s, 20);
        /* The padding of the last record is not missed. */
        if (n < whole) {
            assert_int_equal(e, ERR_TIMEOUT);
            continue;
        }
        assert_int_equal(e, OK);
        buf_clear(&in);
        assert_int_equal(read_body(s, &in), ERR_EOF);
        s->t->ops->end(s->t, true);
        s->t->ops->done(s->t);
        s->t = NULL;
    }
    buf_free(&b);
    buf_free(&in);
}

static void a_request_cut_within_is_closed_at_its_deadline(void **state)
{
    struct side *s = *state;
    struct buf b;
    struct got g;
    buf_init(&b, 65536);
    head(&b, 1, 0, "/half");
    int half = client();
    assert_int_equal(send(half, b.p, b.n - 8, 0), b.n - 8);
    int silent = client();
    int whole = client();
    send_request(whole, 0, "/whole", "");
    serve(s, "/whole");
    assert_int_equal(next(s, 400), ERR_TIMEOUT);
    got_init(&g);
    receive(half, &g);
    assert_true(g.closed);
    receive(silent, &g);
    assert_true(g.closed);
    got_free(&g);
    buf_free(&b);
    close(half);
    close(silent);
    close(whole);
}

static void an_idle_kept_connection_has_no_deadline(void **state)
{
    struct side *s = *state;
    int fd = client();
    send_request(fd, FCGI_KEEP_CONN, "/", "");
    serve(s, "/");
    expect_reply(fd, "Status: 200 OK\r\n\r\n/");
    assert_int_equal(next(s, 300), ERR_TIMEOUT);
    send_request(fd, FCGI_KEEP_CONN, "/", "");
    serve(s, "/");
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
    struct buf b;
    int fd = client();
    buf_init(&b, 65536);
    head(&b, 1, FCGI_KEEP_CONN, "/true");
    forged_body(&b);
    fcgi_put(&b, FCGI_STDIN, 1, SLICE(""));
    give(fd, &b);
    serve(s, "/true");
    assert_int_equal(next(s, 20), ERR_TIMEOUT);
    /* The body was all there, so the connection lives on. */
    send_request(fd, FCGI_KEEP_CONN, "/after", "");
    serve(s, "/after");
    buf_free(&b);
    close(fd);
}

static void an_unread_body_still_coming_ends_the_connection(void **state)
{
    struct side *s = *state;
    struct buf b;
    struct got g;
    int fd = client();
    buf_init(&b, 65536);
    head(&b, 1, FCGI_KEEP_CONN, "/true");
    give(fd, &b);
    serve(s, "/true");
    buf_clear(&b);
    forged_body(&b);
    give(fd, &b);
    assert_int_equal(next(s, 20), ERR_TIMEOUT);
    got_init(&g);
    receive(fd, &g);
    assert_int_equal(g.end, FCGI_REQUEST_COMPLETE);
    assert_true(g.closed);
    got_free(&g);
    buf_free(&b);
    close(fd);
}

static void a_large_unread_body_ends_the_connection(void **state)
{
    struct side *s = *state;
    struct buf b;
    struct got g;
    int fd = client();
    static char big[50000];
    buf_init(&b, 1 << 20);
    head(&b, 1, FCGI_KEEP_CONN, "/big");
    for (int i = 0; i < 3; i++)
        fcgi_put(&b, FCGI_STDIN, 1, (struct slice){big, sizeof big});
    body(&b, 1, SLICE(""));
    give(fd, &b);
    serve(s, "/big");
    got_init(&g);
    receive(fd, &g);
    assert_int_equal(g.end, FCGI_REQUEST_COMPLETE);
    assert_true(g.closed);
    got_free(&g);
    buf_free(&b);
    close(fd);
}

static void get_values_is_answered_alone(void **state)
{
    struct side *s = *state;
    struct buf b, q;
    struct got g;
    int fd = client();
    buf_init(&b, 65536);
    buf_init(&q, 65536);
    pair(&q, "FCGI_MPXS_CONNS", "");
    pair(&q, "FCGI_OTHER", "");
    fcgi_put(&b, FCGI_GET_VALUES, 0, buf_view(&q));
    give(fd, &b);
    assert_int_equal(next(s, 20), ERR_TIMEOUT);
    got_init(&g);
    receive(fd, &g);
    assert_memory_equal(g.values.p,
                        "\x0f\x01"
                        "FCGI_MPXS_CONNS0",
                        18);
    assert_int_equal(g.values.n, 18);
    assert_false(g.closed);
    send_request(fd, 0, "/then", "");
    serve(s, "/then");
    got_free(&g);
    buf_free(&b);
    buf_free(&q);
    close(fd);
}

static void a_hundred_get_values_do_no_harm(void **state)
{
    struct side *s = *state;
    struct buf b, q;
    struct got g;
    int fd = client();
    buf_init(&b, 1 << 20);
    buf_init(&q, 65536);
    for (int i = 0; i < 40; i++)
        pair(&q, "FCGI_MAX_CONNS", "");
    for (int i = 0; i < 100; i++)
        fcgi_put(&b, FCGI_GET_VALUES, 0, buf_view(&q));
    head(&b, 1, 0, "/alive");
    body(&b, 1, SLICE(""));
    give(fd, &b);
    serve(s, "/alive");
    got_init(&g);
    receive(fd, &g);
    assert_int_equal(g.values.n, 100 * 17);
    assert_int_equal(g.end, FCGI_REQUEST_COMPLETE);
    got_free(&g);
    buf_free(&b);
    buf_free(&q);
    close(fd);
}

static void an_unknown_management_type_is_told(void **state)
{
    struct side *s = *state;
    struct buf b;
    struct got g;
    int fd = client();
    buf_init(&b, 65536);
    fcgi_put(&b, 77, 0, SLICE("content to be thrown away"));
    head(&b, 1, 0, "/alive");
    body(&b, 1, SLICE(""));
    give(fd, &b);
    serve(s, "/alive");
    got_init(&g);
    receive(fd, &g);
    assert_int_equal(g.unknown, 1);
    got_free(&g);
    buf_free(&b);
    close(fd);
}

static void other_roles_are_unknown(void **state)
{
    struct side *s = *state;
    static const int roles[] = {FCGI_AUTHORIZER, FCGI_FILTER, 9, 0, 257};
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        struct buf b;
        struct got g;
        int fd = client();
        buf_init(&b, 65536);
        fcgi_put_begin(&b, 1, roles[i], FCGI_KEEP_CONN);
        fcgi_put(&b, FCGI_PARAMS, 1, SLICE("\1\1ab"));
        fcgi_put(&b, FCGI_PARAMS, 1, SLICE(""));
        fcgi_put(&b, FCGI_STDIN, 1, SLICE(""));
        send(fd, b.p, b.n, 0);
        assert_int_equal(next(s, 20), ERR_TIMEOUT);
        got_init(&g);
        receive(fd, &g);
        assert_int_equal(g.end, FCGI_UNKNOWN_ROLE);
        assert_false(g.closed);
        send_request(fd, 0, "/responder", "");
        serve(s, "/responder");
        got_free(&g);
        buf_free(&b);
        close(fd);
    }
}

static void a_second_request_at_the_same_time_is_refused(void **state)
{
    struct side *s = *state;
    struct buf b;
    struct got g;
    int fd = client();
    buf_init(&b, 65536);
    head(&b, 1, 0, "/one");
    fcgi_put_begin(&b, 2, FCGI_RESPONDER, 0);
    fcgi_put(&b, FCGI_PARAMS, 2, SLICE(""));
    body(&b, 1, SLICE(""));
    give(fd, &b);
    assert_int_equal(next(s, 1000), OK);
    assert_string_equal(param(s, "REQUEST_URI"), "/one");
    say(s, "one");
    got_init(&g);
    receive(fd, &g);
    assert_int_equal(g.end, FCGI_CANT_MPX_CONN);
    finish(s);
    expect_reply(fd, "one");
    got_free(&g);
    buf_free(&b);
    close(fd);
}

static void records_of_other_requests_are_skipped(void **state)
{
    struct side *s = *state;
    struct buf b, in;
    int fd = client();
    buf_init(&b, 65536);
    buf_init(&in, 1000);
    fcgi_put(&b, FCGI_STDIN, 5, SLICE("stale"));
    fcgi_put(&b, FCGI_ABORT_REQUEST, 5, SLICE(""));
    head(&b, 1, 0, "/one");
    fcgi_put(&b, FCGI_STDIN, 1, SLICE("he"));
    fcgi_put(&b, FCGI_STDIN, 5, SLICE(""));
    fcgi_put(&b, FCGI_STDIN, 1, SLICE("llo"));
    body(&b, 1, SLICE(""));
    give(fd, &b);
    assert_int_equal(next(s, 1000), OK);
    assert_int_equal(read_body(s, &in), OK);
    assert_string_equal(buf_str(&in), "hello");
    finish(s);
    buf_free(&b);
    buf_free(&in);
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
        struct got g;
        int fd = client();
        print_message("# %s\n", rows[i].label);
        send(fd, rows[i].bytes.p, rows[i].bytes.n, 0);
        assert_int_equal(next(s, 20), ERR_TIMEOUT);
        got_init(&g);
        receive(fd, &g);
        assert_true(g.closed);
        got_free(&g);
        close(fd);
    }
}

static void refused_params(struct side *s, struct slice params,
                           const char *status)
{
    struct buf b;
    struct got g;
    int fd = client();
    buf_init(&b, 1 << 20);
    fcgi_put_begin(&b, 1, FCGI_RESPONDER, FCGI_KEEP_CONN);
    while (params.n > 0) {
        size_t n = params.n < 60000 ? params.n : 60000;
        fcgi_put(&b, FCGI_PARAMS, 1, (struct slice){params.p, n});
        params = slice_from(params, n);
    }
    fcgi_put(&b, FCGI_PARAMS, 1, SLICE(""));
    body(&b, 1, SLICE(""));
    give(fd, &b);
    assert_int_equal(next(s, 20), ERR_TIMEOUT);
    got_init(&g);
    receive(fd, &g);
    assert_memory_equal(buf_str(&g.out), status, strlen(status));
    assert_int_equal(g.end, FCGI_REQUEST_COMPLETE);
    assert_true(g.closed);
    got_free(&g);
    buf_free(&b);
    close(fd);
}

static void unsound_parameters_are_400(void **state)
{
    struct side *s = *state;
    refused_params(s, SLICE("\1"), "Status: 400");
    refused_params(s, SLICE("\1\1a"), "Status: 400");
    refused_params(s, SLICE("\0\1a"), "Status: 400");
    refused_params(s, SLICE("\1\3ab\0c"), "Status: 400");
    refused_params(s, SLICE("\3\1a\0bc"), "Status: 400");
    refused_params(s, SLICE("\3\1a=bc"), "Status: 400");
    /* These lengths end a process whose libfcgi sees them. */
    refused_params(s, SLICE("\xff\xff\xff\xfe\xff\xff\xff\xfe"), "Status: 400");
    refused_params(s, SLICE("\xff\xff\xff\xff\xff\xff\xff\xff"), "Status: 400");
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
    struct buf b, p;
    int fd = client();
    memset(big, 'x', sizeof big - 1);
    buf_init(&b, 1 << 20);
    buf_init(&p, 1 << 20);
    pair(&p, "BIG", big);
    pair(&p, "MORE", big + 54490);
    pair(&p, "EMPTY", "");
    assert_true(p.n > FCGI_FULL_RECORD);
    fcgi_put_begin(&b, 1, FCGI_RESPONDER, 0);
    for (size_t at = 0; at < p.n; at += 777) {
        struct slice rest = slice_from(buf_view(&p), at);
        rest.n = rest.n < 777 ? rest.n : 777;
        fcgi_put(&b, FCGI_PARAMS, 1, rest);
    }
    fcgi_put(&b, FCGI_PARAMS, 1, SLICE(""));
    body(&b, 1, SLICE(""));
    give(fd, &b);
    assert_int_equal(next(s, 1000), OK);
    assert_string_equal(param(s, "BIG"), big);
    assert_int_equal(strlen(param(s, "MORE")), 5510);
    assert_string_equal(param(s, "EMPTY"), "");
    finish(s);
    buf_free(&b);
    buf_free(&p);
    close(fd);
}

static void padding_of_any_length_is_skipped(void **state)
{
    struct side *s = *state;
    struct buf b, in;
    int fd = client();
    static char zeros[256];
    buf_init(&b, 65536);
    buf_init(&in, 1000);
    const struct {
        int type;
        struct slice content;
    } recs[] = {{FCGI_BEGIN_REQUEST, SLICE("\0\1\0\0\0\0\0\0")},
                {FCGI_PARAMS, SLICE("\1\1AbC")},
                {FCGI_PARAMS, SLICE("\1d")},
                {FCGI_PARAMS, SLICE("")},
                {FCGI_STDIN, SLICE("hello")},
                {FCGI_STDIN, SLICE("")}};
    for (size_t i = 0; i < sizeof recs / sizeof *recs; i++) {
        unsigned char h[8];
        struct slice c = recs[i].content;
        if (i == 1)
            c.n = 4;
        if (i == 2)
            c = SLICE("\1\1Cd");
        struct fcgi_record rec = {recs[i].type, 1, (uint16_t)c.n,
                                  (uint8_t)(255 - i)};
        fcgi_header_write(h, rec);
        buf_put(&b, h, sizeof h);
        buf_slice(&b, c);
        buf_put(&b, zeros, rec.padding);
    }
    give(fd, &b);
    assert_int_equal(next(s, 1000), OK);
    assert_string_equal(param(s, "A"), "b");
    assert_string_equal(param(s, "C"), "d");
    assert_int_equal(read_body(s, &in), OK);
    assert_string_equal(buf_str(&in), "hello");
    finish(s);
    buf_free(&b);
    buf_free(&in);
    close(fd);
}

static void an_abort_among_the_parameters_is_no_request(void **state)
{
    struct side *s = *state;
    struct buf b;
    struct got g;
    int fd = client();
    buf_init(&b, 65536);
    fcgi_put_begin(&b, 1, FCGI_RESPONDER, FCGI_KEEP_CONN);
    fcgi_put(&b, FCGI_PARAMS, 1, SLICE("\1\1ab"));
    fcgi_put(&b, FCGI_ABORT_REQUEST, 1, SLICE(""));
    give(fd, &b);
    assert_int_equal(next(s, 20), ERR_TIMEOUT);
    got_init(&g);
    receive(fd, &g);
    assert_int_equal(g.end, FCGI_REQUEST_COMPLETE);
    send_request(fd, 0, "/next", "");
    serve(s, "/next");
    got_free(&g);
    buf_free(&b);
    close(fd);
}

static void an_abort_in_the_body_is_told(void **state)
{
    struct side *s = *state;
    struct buf b, in;
    int fd = client();
    buf_init(&b, 65536);
    buf_init(&in, 1000);
    head(&b, 1, FCGI_KEEP_CONN, "/");
    fcgi_put(&b, FCGI_STDIN, 1, SLICE("hel"));
    fcgi_put(&b, FCGI_ABORT_REQUEST, 1, SLICE(""));
    give(fd, &b);
    assert_int_equal(next(s, 1000), OK);
    assert_int_equal(read_body(s, &in), ERR_ABORTED);
    assert_string_equal(buf_str(&in), "hel");
    assert_true(s->t->ops->gone(s->t));
    s->t->ops->end(s->t, false);
    buf_free(&b);
    buf_free(&in);
    close(fd);
}

static void an_abort_after_the_body_is_seen(void **state)
{
    struct side *s = *state;
    struct buf b;
    int fd = client();
    send_request(fd, FCGI_KEEP_CONN, "/", "");
    assert_int_equal(next(s, 1000), OK);
    assert_true(s->t->gone_fd >= 0);
    assert_false(s->t->ops->gone(s->t));
    buf_init(&b, 65536);
    fcgi_put(&b, FCGI_GET_VALUES, 0, SLICE(""));
    give(fd, &b);
    assert_false(s->t->ops->gone(s->t));
    buf_clear(&b);
    fcgi_put(&b, FCGI_ABORT_REQUEST, 1, SLICE(""));
    give(fd, &b);
    struct pollfd pfd = {s->t->gone_fd, POLLIN | POLLRDHUP, 0};
    assert_int_equal(poll(&pfd, 1, 1000), 1);
    assert_true(s->t->ops->gone(s->t));
    buf_free(&b);
    close(fd);
}

static void a_peer_that_closes_is_seen(void **state)
{
    struct side *s = *state;
    int fd = client();
    send_request(fd, 0, "/", "");
    assert_int_equal(next(s, 1000), OK);
    assert_false(s->t->ops->gone(s->t));
    close(fd);
    assert_true(s->t->ops->gone(s->t));
    size_t wrote;
    assert_int_equal(s->t->ops->write(s->t, "x", 1, &wrote), ERR_EOF);
}

static void a_peer_that_closes_in_its_body_is_seen(void **state)
{
    struct side *s = *state;
    struct buf b, in;
    int fd = client();
    buf_init(&b, 65536);
    buf_init(&in, 1000);
    head(&b, 1, 0, "/");
    fcgi_put(&b, FCGI_STDIN, 1, SLICE("hel"));
    give(fd, &b);
    assert_int_equal(next(s, 1000), OK);
    assert_int_equal(s->t->gone_fd, -1);
    assert_false(s->t->ops->gone(s->t));
    close(fd);
    assert_int_equal(read_body(s, &in), ERR_EOF);
    assert_true(s->t->ops->gone(s->t));
    buf_free(&b);
    buf_free(&in);
}

static void a_body_that_is_not_there_yet_is_waited_for(void **state)
{
    struct side *s = *state;
    struct buf b;
    char p[100];
    size_t got;
    int fd = client();
    buf_init(&b, 65536);
    head(&b, 1, 0, "/");
    give(fd, &b);
    assert_int_equal(next(s, 1000), OK);
    assert_int_equal(s->t->ops->read(s->t, p, sizeof p, &got), ERR_AGAIN);
    buf_clear(&b);
    body(&b, 1, SLICE("hello"));
    /* Half a header is nothing yet. */
    assert_int_equal(send(fd, b.p, 4, 0), 4);
    assert_int_equal(s->t->ops->read(s->t, p, sizeof p, &got), ERR_AGAIN);
    assert_int_equal(send(fd, b.p + 4, b.n - 4, 0), b.n - 4);
    assert_int_equal(s->t->ops->read(s->t, p, sizeof p, &got), OK);
    assert_int_equal(got, 5);
    assert_int_equal(s->t->ops->read(s->t, p, sizeof p, &got), OK);
    assert_int_equal(got, 0);
    finish(s);
    buf_free(&b);
    close(fd);
}

static void a_large_body_arrives_whole(void **state)
{
    struct side *s = *state;
    enum { RECORDS = 30, SIZE = 65535 };
    static char p[SIZE];
    struct buf b, in;
    int fd = client();
    buf_init(&b, 4 << 20);
    buf_init(&in, 4 << 20);
    head(&b, 1, FCGI_KEEP_CONN, "/");
    for (int i = 0; i < RECORDS; i++) {
        for (size_t k = 0; k < SIZE; k++)
            p[k] = (char)(k * 7 + (size_t)i);
        fcgi_put(&b, FCGI_STDIN, 1, (struct slice){p, SIZE});
    }
    body(&b, 1, SLICE(""));
    if (fork() == 0) {
        for (size_t at = 0; at < b.n;)
            at += (size_t)send(fd, b.p + at, b.n - at, 0);
        _exit(0);
    }
    assert_int_equal(next(s, 1000), OK);
    assert_int_equal(read_body(s, &in), OK);
    assert_int_equal(in.n, RECORDS * SIZE);
    for (size_t i = 0; i < in.n; i++)
        if (in.p[i] != (char)(i % SIZE * 7 + i / SIZE))
            fail_msg("byte %zu differs", i);
    finish(s);
    buf_free(&b);
    buf_free(&in);
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
            struct pollfd pfd = {s->t->write_fd, POLLOUT, 0};
            assert_int_equal(wrote, 0);
            assert_int_equal(poll(&pfd, 1, 1000), 1);
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
    int fd = client();
    assert_non_null(p);
    assert_int_equal(pipe(report), 0);
    for (size_t i = 0; i < SIZE; i++)
        p[i] = (char)(i * 31 + i / 1000);
    send_request(fd, 0, "/", "");
    assert_int_equal(next(s, 1000), OK);
    if (fork() == 0) {
        struct got g;
        got_init(&g);
        receive(fd, &g);
        bool same = g.out.n == SIZE && memcmp(g.out.p, p, SIZE) == 0 &&
                    g.end == FCGI_REQUEST_COMPLETE;
        if (write(report[1], same ? "y" : "n", 1) != 1)
            _exit(1);
        _exit(0);
    }
    s->t->ops->complain(s->t, SLICE("among the records"));
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
    int fd = client();
    send_request(fd, 0, "/", "");
    assert_int_equal(next(s, 1000), OK);
    while ((e = s->t->ops->write(s->t, p, sizeof p, &wrote)) == OK)
        sum += wrote;
    assert_int_equal(e, ERR_AGAIN);
    assert_true(sum > 0);
    /* A record is open: the end cannot be told, and is not. */
    struct got g;
    got_init(&g);
    uint64_t before = clock_mono();
    assert_true(s->t->ops->end(s->t, true) != OK);
    assert_true(clock_mono() - before < 500 * NS_PER_MS);
    got_free(&g);
    close(fd);
}

static void an_incomplete_reply_has_no_end(void **state)
{
    struct side *s = *state;
    struct got g;
    int fd = client();
    send_request(fd, FCGI_KEEP_CONN, "/", "");
    assert_int_equal(next(s, 1000), OK);
    say(s, "part");
    assert_int_equal(s->t->ops->end(s->t, false), OK);
    got_init(&g);
    receive(fd, &g);
    assert_string_equal(buf_str(&g.out), "part");
    assert_int_equal(g.end, -1);
    assert_true(g.closed);
    got_free(&g);
    close(fd);
}

static void a_complaint_is_a_line_of_stderr(void **state)
{
    struct side *s = *state;
    struct got g;
    int fd = client();
    send_request(fd, 0, "/", "");
    assert_int_equal(next(s, 1000), OK);
    s->t->ops->complain(s->t, SLICE("it\nfailed"));
    say(s, "x");
    finish(s);
    got_init(&g);
    receive(fd, &g);
    assert_string_equal(buf_str(&g.err), "it failed\n");
    assert_string_equal(buf_str(&g.out), "x");
    got_free(&g);
    close(fd);
}

static void calls_after_the_end_are_out_of_order(void **state)
{
    struct side *s = *state;
    char p[1];
    size_t n;
    int fd = client();
    send_request(fd, 0, "/", "");
    assert_int_equal(next(s, 1000), OK);
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
    struct got g;
    int fd = client();
    send_request(fd, FCGI_KEEP_CONN, "/1", "");
    assert_int_equal(next(s, 1000), OK);
    fcgi_drain(s->f);
    int late = client();
    send_request(late, 0, "/late", "");
    say(s, "x");
    finish(s);
    got_init(&g);
    receive(fd, &g);
    assert_int_equal(g.end, FCGI_REQUEST_COMPLETE);
    assert_true(g.closed);
    assert_int_equal(next(s, 1000), ERR_EOF);
    got_free(&g);
    close(fd);
    close(late);
}

static void the_longest_idle_connection_makes_room(void **state)
{
    struct side *s = *state;
    int fd[5];
    struct got g;
    for (int i = 0; i < 5; i++) {
        fd[i] = client();
        send_request(fd[i], FCGI_KEEP_CONN, "/", "");
        serve(s, "/");
    }
    got_init(&g);
    for (int i = 0; i < 5; i++) {
        receive(fd[i], &g);
        assert_int_equal(g.closed, i == 0);
        close(fd[i]);
    }
    got_free(&g);
}

static void without_descriptors_it_waits_and_does_not_spin(void **state)
{
    struct side *s = *state;
    struct rlimit old, none;
    struct rusage before, after;
    log_set_level(LOG_ERROR);
    int fd = client();
    send_request(fd, 0, "/", "");
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    none = old;
    none.rlim_cur = (rlim_t)fd + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    getrusage(RUSAGE_SELF, &before);
    enum err e = next(s, 300);
    getrusage(RUSAGE_SELF, &after);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(e, ERR_TIMEOUT);
    long us = (after.ru_utime.tv_sec - before.ru_utime.tv_sec) * 1000000 +
              after.ru_utime.tv_usec - before.ru_utime.tv_usec;
    assert_true(us < 100000);
    serve(s, "/");
    expect_reply(fd, "Status: 200 OK\r\n\r\n/");
    log_set_level(LOG_ERROR);
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
    struct buf b;
    unsigned seed = 1;
    buf_init(&b, 65536);
    fcgi_put(&b, FCGI_GET_VALUES, 0, SLICE("\16\0FCGI_MAX_CONNS"));
    head(&b, 1, FCGI_KEEP_CONN, "/fuzz");
    body(&b, 1, SLICE("hello"));
    head(&b, 1, FCGI_KEEP_CONN, "/fuzz");
    body(&b, 1, SLICE(""));
    for (int i = 0; i < 3000; i++) {
        char copy[1024];
        memcpy(copy, b.p, b.n);
        for (int k = 0; k < 1 + i % 3; k++)
            copy[(size_t)rand_r(&seed) % b.n] = (char)rand_r(&seed);
        int fd = client();
        assert_int_equal(send(fd, copy, b.n, MSG_NOSIGNAL), b.n);
        shutdown(fd, SHUT_WR);
        while (fcgi_next(s->f, clock_mono() + NS_PER_MS / 10, -1, &s->t) ==
               OK) {
            struct buf in;
            size_t wrote;
            buf_init(&in, 1000);
            read_body(s, &in);
            s->t->ops->write(s->t, "x", 1, &wrote);
            s->t->ops->gone(s->t);
            s->t->ops->end(s->t, true);
            s->t->ops->done(s->t);
            buf_free(&in);
        }
        s->t = NULL;
        close(fd);
    }
    buf_free(&b);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

static void busy_kept_connections_do_not_keep_new_ones_out(void **state)
{
    struct side *s = *state;
    bool served = false;
    int kept = client();
    send_request(kept, FCGI_KEEP_CONN, "/kept", "");
    serve(s, "/kept");
    expect_reply(kept, "Status: 200 OK\r\n\r\n/kept");
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
    struct buf b;
    int fd = client();
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 400; i++)
        fcgi_put(&b, FCGI_GET_VALUES, 0, SLICE("\x0e\0FCGI_MAX_CONNS"));
    for (int i = 0; i < 100; i++) {
        if (send(fd, b.p, b.n, MSG_DONTWAIT | MSG_NOSIGNAL) < (ssize_t)b.n)
            break;
        if (next(s, 1) == OK)
            break;
    }
    buf_clear(&b);
    head(&b, 1, 0, "/x");
    body(&b, 1, SLICE(""));
    send(fd, b.p, b.n, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (next(s, 50) == OK) {
        static char large[60000];
        size_t wrote;
        struct got g;
        s->t->ops->write(s->t, large, sizeof large, &wrote);
        got_init(&g);
        receive(fd, &g); /* asserts that each record is sound */
        s->t->ops->write(s->t, large, sizeof large, &wrote);
        receive(fd, &g);
        got_free(&g);
        s->t->ops->done(s->t);
        s->t = NULL;
    }
    close(fd);
    buf_free(&b);
}

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
        T(a_body_that_is_not_there_yet_is_waited_for),
        T(a_large_body_arrives_whole),
        T(a_large_reply_arrives_whole),
        T(a_slow_reader_makes_writes_say_again),
        T(an_incomplete_reply_has_no_end),
        T(a_complaint_is_a_line_of_stderr),
        T(calls_after_the_end_are_out_of_order),
        T(a_readable_wake_descriptor_interrupts),
        T(draining_closes_after_the_reply_and_accepts_nobody),
        T(the_longest_idle_connection_makes_room),
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
