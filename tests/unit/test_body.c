/*
 * test_body.c - the natives of one exchange, with a script of plain C values
 * in the engine's place and a transport of memory.
 */
#include "bind/body.h"
#include "bind/host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- the script's side: native.h over C values -------------------------- */

enum kind { UNDEFINED, NUMBER, BOOLEAN, STRING, BYTES, LIST };
struct value {
    enum kind kind;
    double number;
    struct slice text;
    const char *const *list; /* NULL-ended */
};

struct call {
    struct host *host;
    struct value args[6];
    struct value result;
    bool null;
    void *taken;
    char listed[512]; /* "a|b|" */
    char thrown[256];
};

void *call_host(struct call *c)
{
    return c->host;
}

bool arg_is_undefined(struct call *c, int i)
{
    return c->args[i].kind == UNDEFINED;
}

bool arg_is_string(struct call *c, int i)
{
    return c->args[i].kind == STRING;
}

bool arg_bool(struct call *c, int i)
{
    return c->args[i].number != 0;
}

double arg_num(struct call *c, int i)
{
    return c->args[i].number;
}

int32_t arg_int(struct call *c, int i)
{
    return (int32_t)c->args[i].number;
}

struct slice arg_utf8(struct call *c, int i)
{
    return c->args[i].text;
}

struct slice arg_latin1(struct call *c, int i)
{
    return c->args[i].text;
}

struct slice arg_bytes(struct call *c, int i)
{
    return c->args[i].text;
}

uint32_t arg_list_count(struct call *c, int i)
{
    uint32_t n = 0;
    while (c->args[i].list != NULL && c->args[i].list[n] != NULL)
        n++;
    return n;
}

struct slice arg_list_latin1(struct call *c, int i, uint32_t k)
{
    return slice_of(c->args[i].list[k]);
}

void ret_null(struct call *c)
{
    c->null = true;
}

void ret_bool(struct call *c, bool v)
{
    c->result = (struct value){.kind = BOOLEAN, .number = v};
}

void ret_bytes_take(struct call *c, void *p, size_t n)
{
    c->taken = p;
    c->result = (struct value){.kind = BYTES, .text = {p, n}};
}

void ret_list(struct call *c)
{
    c->result.kind = LIST;
}

void list_latin1(struct call *c, struct slice s)
{
    size_t at = strlen(c->listed);
    snprintf(c->listed + at, sizeof c->listed - at, "%.*s|", (int)s.n, s.p);
}

void list_utf8(struct call *c, struct slice s)
{
    list_latin1(c, s);
}

void list_num(struct call *c, double v)
{
    char text[32];
    snprintf(text, sizeof text, "%.0f", v);
    list_latin1(c, slice_of(text));
}

static void keep(struct call *c, const char *fmt, va_list ap)
    __attribute__((format(printf, 2, 0)));
static void keep(struct call *c, const char *fmt, va_list ap)
{
    vsnprintf(c->thrown, sizeof c->thrown, fmt, ap);
}

void throw_type(struct call *c, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    keep(c, fmt, ap);
    va_end(ap);
}

void throw_range(struct call *c, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    keep(c, fmt, ap);
    va_end(ap);
}

/* ---- the web server's side ---------------------------------------------- */

struct memory {
    struct transport transport;
    const char *body; /* what is still to come; NULL: nothing now */
    enum err body_end;
    struct buf wire;
    size_t takes; /* bytes write accepts before ERR_AGAIN */
    enum err broken;
};

static enum err memory_read(struct transport *t, void *p, size_t max,
                            size_t *got)
{
    struct memory *m = (struct memory *)t;
    *got = 0;
    if (m->body == NULL)
        return ERR_AGAIN;
    *got = strlen(m->body) < max ? strlen(m->body) : max;
    memcpy(p, m->body, *got);
    m->body += *got;
    return *got == 0 ? m->body_end : OK;
}

static enum err memory_write(struct transport *t, const void *p, size_t n,
                             size_t *wrote)
{
    struct memory *m = (struct memory *)t;
    *wrote = 0;
    if (m->broken != OK)
        return m->broken;
    *wrote = n < m->takes ? n : m->takes;
    m->takes -= *wrote;
    assert_int_equal(buf_put(&m->wire, p, *wrote), OK);
    return *wrote == 0 ? ERR_AGAIN : OK;
}

static const struct transport_ops memory_ops = {.read = memory_read,
                                                .write = memory_write};
static const struct response_rules rules = {.max_bytes = 1000};
static struct memory memory;
static struct request request;
static struct exchange exchange;
static struct host host;

static int set_up(void **state)
{
    (void)state;
    memory =
        (struct memory){.transport = {.ops = &memory_ops}, .takes = SIZE_MAX};
    buf_init(&memory.wire, 10 << 20);
    request = (struct request){.method = SLICE("POST"),
                               .url = SLICE("http://example.org/")};
    host = (struct host){.exchange = &exchange};
    exchange_init(&exchange, &memory.transport, &request, &rules, 1, 20);
    log_set_level(LOG_ERROR + 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    exchange_free(&exchange);
    buf_free(&memory.wire);
    return 0;
}

static struct call call(const char *name, struct value a, struct value b,
                        struct value c, struct value d, struct value e)
{
    struct call one = {.host = &host,
                       .args = {{NUMBER, 1, {0}, 0}, a, b, c, d, e}};
    const struct native *n = body_natives;
    while (strcmp(n->name, name) != 0)
        n++;
    n->fn(&one);
    return one;
}

static const struct value NONE;

static struct value number(double v)
{
    return (struct value){.kind = NUMBER, .number = v};
}

static struct value string(const char *s)
{
    return (struct value){.kind = STRING, .text = slice_of(s)};
}

static struct value fields(const char *const *list)
{
    return (struct value){.kind = LIST, .list = list};
}

static struct call read_body(void)
{
    return call("bodyRead", number(65536), NONE, NONE, NONE, NONE);
}

static struct call send_reply(int status, const char *const *list,
                              struct value body, bool stream)
{
    return call("replySend", number(status), string(""), fields(list), body,
                number(stream));
}

static struct call write_chunk(struct slice s)
{
    return call("replyWrite", (struct value){.kind = BYTES, .text = s}, NONE,
                NONE, NONE, NONE);
}

static struct call end_reply(bool ok)
{
    return call("replyEnd", number(ok), string("Error: x"), NONE, NONE, NONE);
}

static const char *wire(void)
{
    exchange_flush(&exchange);
    return buf_str(&memory.wire);
}

static const char *wire_body(void)
{
    const char *end = strstr(wire(), "\r\n\r\n");
    assert_non_null(end);
    return end + 4;
}

static const char *const nothing[] = {NULL};

/* ---- the request --------------------------------------------------------- */

static void a_body_is_read_to_its_length_and_then_ends(void **state)
{
    (void)state;
    request.body = BODY_LENGTH;
    request.content_length = 5;
    memory.body = "helloMORE";
    struct call c = read_body();
    assert_memory_equal(c.taken, "hello", 5);
    assert_int_equal(c.result.text.n, 5);
    free(c.taken);
    assert_true(read_body().null);
    assert_string_equal(memory.body, "MORE");
}

static void a_short_body_is_an_error(void **state)
{
    (void)state;
    request.body = BODY_LENGTH;
    request.content_length = 5;
    memory.body = "hel";
    free(read_body().taken);
    assert_string_equal(read_body().thrown,
                        "The request body ended after 3 of 5 bytes");
    assert_string_equal(read_body().thrown,
                        "The request body ended after 3 of 5 bytes");
    assert_int_equal(exchange.body_err, ERR_EOF);
}

static void a_body_over_the_limit_is_an_error(void **state)
{
    (void)state;
    request.body = BODY_TO_EOF;
    memory.body = "123456789012345678901";
    assert_string_equal(read_body().thrown,
                        "The request body is larger than 20 bytes");
}

static void a_body_of_unknown_length_ends_with_the_transport(void **state)
{
    (void)state;
    request.body = BODY_TO_EOF;
    memory.body = "abc";
    free(read_body().taken);
    assert_true(read_body().null);
    assert_true(exchange.body_done);
}

static void a_client_that_goes_is_no_end(void **state)
{
    (void)state;
    request.body = BODY_TO_EOF;
    memory.body = "";
    memory.body_end = ERR_ABORTED;
    assert_string_equal(read_body().thrown,
                        "The client went away during the request body");
}

static void a_read_that_must_wait_says_so(void **state)
{
    (void)state;
    request.body = BODY_TO_EOF;
    struct call c = read_body();
    assert_int_equal(c.result.kind, UNDEFINED);
    assert_false(c.null);
    assert_true(exchange.want_read);
}

static void an_earlier_request_cannot_read_this_one(void **state)
{
    (void)state;
    exchange.rid = 2;
    assert_string_equal(read_body().thrown, "The request is over");
    host.exchange = NULL;
    assert_string_equal(read_body().thrown, "The request is over");
}

static void the_head_is_given_as_a_list(void **state)
{
    (void)state;
    struct header one = {SLICE("x-a"), SLICE("1")};
    request.headers = (struct headers){.list = &one, .count = 1};
    request.body = BODY_LENGTH;
    request.content_length = 7;
    assert_string_equal(
        call("requestHead", NONE, NONE, NONE, NONE, NONE).listed,
        "POST|http://example.org/|1|7|");
    assert_string_equal(
        call("requestHeaders", NONE, NONE, NONE, NONE, NONE).listed, "x-a|1|");
}

/* ---- the reply ----------------------------------------------------------- */

static void a_fixed_body_gets_its_length(void **state)
{
    (void)state;
    static const char *const list[] = {"X-A", "1", "Content-Length", "99",
                                       NULL};
    assert_false(send_reply(200, list, string("hello"), false).result.number);
    assert_non_null(strstr(wire(), "Content-Length: 5\r\n"));
    assert_null(strstr(wire(), "99"));
    assert_non_null(strstr(wire(), "X-A: 1\r\n"));
    assert_string_equal(wire_body(), "hello");
    assert_true(exchange_done(&exchange));
}

static void head_keeps_the_length_and_drops_the_body(void **state)
{
    (void)state;
    request.head = true;
    send_reply(200, nothing, string("hello"), false);
    assert_non_null(strstr(wire(), "Content-Length: 5\r\n"));
    assert_string_equal(wire_body(), "");
    assert_true(exchange_done(&exchange));
}

static void head_without_a_body_believes_the_script(void **state)
{
    (void)state;
    static const char *const list[] = {"Content-Length", "99", NULL};
    request.head = true;
    send_reply(200, list, NONE, false);
    assert_non_null(strstr(wire(), "Content-Length: 99\r\n"));
}

static void a_stream_for_head_is_not_wanted(void **state)
{
    (void)state;
    request.head = true;
    assert_false(send_reply(200, nothing, NONE, true).result.number);
    assert_int_equal(exchange.reply, REPLY_WHOLE);
}

static void a_second_reply_is_refused(void **state)
{
    (void)state;
    send_reply(200, nothing, NONE, false);
    assert_string_equal(send_reply(200, nothing, NONE, false).thrown,
                        "The reply was already sent");
}

static void a_bad_field_leaves_room_for_an_error_page(void **state)
{
    (void)state;
    static const char *const list[] = {"x-a", "1\r\nx-b: 2", NULL};
    assert_string_not_equal(send_reply(200, list, NONE, false).thrown, "");
    assert_int_equal(exchange.reply, REPLY_NONE);
    call("replyError", string("TypeError: secret"), NONE, NONE, NONE, NONE);
    assert_non_null(strstr(wire(), "Status: 500 "));
    assert_string_equal(wire_body(), "500 Internal Server Error\n");
}

static void an_error_shows_itself_where_asked_for(void **state)
{
    (void)state;
    exchange.show_errors = true;
    call("replyError", string("TypeError: here"), NONE, NONE, NONE, NONE);
    assert_string_equal(wire_body(),
                        "500 Internal Server Error\n\nTypeError: here\n");
}

static void a_page_of_ours_names_the_request_once(void **state)
{
    (void)state;
    request.id = SLICE("abc-1");
    exchange_fail(&exchange, 404, SLICE(""));
    const char *field = strstr(wire(), "\r\nX-Request-Id: abc-1\r\n");
    assert_non_null(field);
    assert_null(strstr(field + 4, "X-Request-Id"));
    assert_string_equal(wire_body(), "404 Not Found\n\nRequest abc-1\n");
}

static void a_method_not_allowed_has_a_list_of_those_that_are(void **state)
{
    (void)state;
    exchange_fail(&exchange, 405, SLICE(""));
    assert_non_null(strstr(wire(), "\r\nAllow: GET, HEAD, POST"));
}

static void a_page_fits_the_smallest_header_allowed(void **state)
{
    static const struct response_rules small = {.max_bytes = 512};
    static char id[128];
    (void)state;
    memset(id, 'x', sizeof id);
    request.id = (struct slice){id, sizeof id};
    exchange.rules = &small;
    exchange_fail(&exchange, 405, SLICE(""));
    assert_int_equal(exchange.reply, REPLY_WHOLE);
}

static void a_stream_goes_out_in_order(void **state)
{
    (void)state;
    assert_true(send_reply(200, nothing, NONE, true).result.number);
    assert_null(strstr(wire(), "Content-Length"));
    assert_true(write_chunk(SLICE("ab")).result.number);
    write_chunk(SLICE("cd"));
    assert_false(exchange_done(&exchange));
    end_reply(true);
    assert_string_equal(wire_body(), "abcd");
    assert_true(exchange_done(&exchange));
}

static void a_full_buffer_makes_the_script_wait(void **state)
{
    (void)state;
    static char half[EXCHANGE_HIGH_WATER / 2];
    struct slice s = {half, sizeof half};
    send_reply(200, nothing, NONE, true);
    memory.takes = 0;
    assert_true(write_chunk(s).result.number);
    assert_false(write_chunk(s).result.number);
    assert_string_not_equal(write_chunk(s).thrown, "");
    exchange_flush(&exchange);
    assert_false(exchange_writable(&exchange));
    memory.takes = SIZE_MAX;
    exchange_flush(&exchange);
    assert_true(exchange_writable(&exchange));
    assert_false(exchange_writable(&exchange));
    assert_true(write_chunk(s).result.number);
}

static void a_large_body_is_kept_where_the_transport_stopped(void **state)
{
    (void)state;
    static char large[300 * 1024 + 1];
    for (size_t i = 0; i + 1 < sizeof large; i++)
        large[i] = (char)('a' + i % 26);
    memory.takes = 100000;
    send_reply(200, nothing, string(large), false);
    assert_int_equal(exchange_flush(&exchange), ERR_AGAIN);
    assert_false(exchange_done(&exchange));
    memory.takes = SIZE_MAX;
    assert_string_equal(wire_body(), large);
    assert_true(exchange_done(&exchange));
}

static void a_stream_over_its_length_is_cut(void **state)
{
    (void)state;
    static const char *const list[] = {"Content-Length", "3", NULL};
    send_reply(200, list, NONE, true);
    write_chunk(SLICE("ab"));
    wire();
    assert_non_null(strstr(write_chunk(SLICE("cd")).thrown, "longer"));
    assert_int_equal(exchange.reply, REPLY_FAILED);
    assert_string_equal(wire_body(), "abc");
}

static void a_stream_under_its_length_is_incomplete(void **state)
{
    (void)state;
    static const char *const list[] = {"Content-Length", "3", NULL};
    send_reply(200, list, NONE, true);
    write_chunk(SLICE("ab"));
    wire();
    end_reply(true);
    assert_int_equal(exchange.reply, REPLY_FAILED);
    assert_non_null(strstr(exchange.why.text, "after 2 of the 3 bytes"));
}

static void a_stream_that_fails_keeps_what_it_gave(void **state)
{
    (void)state;
    send_reply(200, nothing, NONE, true);
    write_chunk(SLICE("ab"));
    wire();
    write_chunk(SLICE("cd"));
    end_reply(false);
    assert_int_equal(exchange.reply, REPLY_FAILED);
    assert_string_equal(wire_body(), "abcd");
}

static void a_stream_that_fails_before_anything_is_out_is_a_500(void **state)
{
    (void)state;
    memory.takes = 0;
    send_reply(200, nothing, NONE, true);
    write_chunk(SLICE("ab"));
    exchange_flush(&exchange);
    end_reply(false);
    assert_int_equal(exchange.reply, REPLY_WHOLE);
    assert_int_equal(exchange.status, 500);
    memory.takes = SIZE_MAX;
    assert_string_equal(wire_body(), "500 Internal Server Error\n");
    assert_null(strstr(wire(), "Status: 200"));
}

static void a_wrong_length_seen_before_anything_is_out_is_a_500(void **state)
{
    (void)state;
    static const char *const list[] = {"Content-Length", "3", NULL};
    send_reply(200, list, NONE, true);
    write_chunk(SLICE("abcd"));
    assert_int_equal(exchange.status, 500);
    assert_string_equal(wire_body(), "500 Internal Server Error\n");
    assert_true(exchange_done(&exchange));
}

static void a_peer_that_goes_ends_the_reply(void **state)
{
    (void)state;
    send_reply(200, nothing, NONE, true);
    memory.broken = ERR_EOF;
    assert_int_equal(exchange_flush(&exchange), ERR_EOF);
    assert_int_equal(exchange.reply, REPLY_FAILED);
    assert_string_equal(write_chunk(SLICE("x")).thrown, "the client has gone");
}

static void a_failure_after_the_head_is_not_a_page(void **state)
{
    (void)state;
    send_reply(200, nothing, NONE, true);
    wire();
    exchange_fail(&exchange, 504, SLICE("late\n"));
    assert_int_equal(exchange.reply, REPLY_FAILED);
    assert_null(strstr(wire(), "504"));
}

/* ---- the realm ----------------------------------------------------------- */

static void the_environment_is_a_flat_list(void **state)
{
    (void)state;
    static const char *const env[] = {"A", "1", "B", "2", NULL};
    host.env = env;
    assert_string_equal(call("envList", NONE, NONE, NONE, NONE, NONE).listed,
                        "A|1|B|2|");
}

/* ---- how long a reply may be --------------------------------------------- */

static void
a_body_over_the_limit_is_refused_before_anything_is_out(void **state)
{
    (void)state;
    exchange.max_reply = 4;
    struct call c = send_reply(200, nothing, string("hello"), false);
    assert_string_equal(c.thrown, "The response's body is larger than 4 bytes "
                                  "(max_response)");
    assert_int_equal(exchange.reply, REPLY_NONE);
    exchange.max_reply = 5;
    send_reply(200, nothing, string("hello"), false);
    assert_string_equal(wire_body(), "hello");
}

static void a_length_over_the_limit_is_refused(void **state)
{
    static const char *const list[] = {"Content-Length", "99", NULL};
    (void)state;
    exchange.max_reply = 98;
    struct call c = send_reply(200, list, NONE, true);
    assert_non_null(strstr(c.thrown, "max_response"));
    assert_int_equal(exchange.reply, REPLY_NONE);
}

static void without_a_body_its_length_is_no_matter(void **state)
{
    static const char *const list[] = {"Content-Length", "99", NULL};
    (void)state;
    exchange.max_reply = 4;
    request.head = true;
    assert_string_equal(send_reply(200, list, NONE, false).thrown, "");
    assert_non_null(strstr(wire(), "Content-Length: 99\r\n"));
    request.head = false;
}

static void
a_stream_over_the_limit_is_an_error_while_nothing_is_out(void **state)
{
    (void)state;
    exchange.max_reply = 4;
    send_reply(200, nothing, NONE, true);
    struct call c = write_chunk(SLICE("hello"));
    assert_string_equal(c.thrown, "the reply's body is longer than the limit "
                                  "of 4 bytes (max_response)");
    assert_non_null(strstr(wire(), "Status: 500 "));
    assert_null(strstr(wire(), "hell\r"));
    assert_true(exchange_done(&exchange));
}

static void a_stream_over_the_limit_is_cut_after_that(void **state)
{
    (void)state;
    exchange.max_reply = 8;
    send_reply(200, nothing, NONE, true);
    assert_string_equal(write_chunk(SLICE("hello")).thrown, "");
    assert_non_null(strstr(wire(), "hello"));
    assert_non_null(
        strstr(write_chunk(SLICE("hello")).thrown, "(max_response)"));
    assert_int_equal(exchange.reply, REPLY_FAILED);
    assert_non_null(strstr(exchange.why.text, "(max_response)"));
}

static void the_head_is_kept_for_who_asks(void **state)
{
    static const char *const list[] = {"X-A", "1", NULL};
    struct buf head;
    (void)state;
    buf_init(&head, 1000);
    exchange.head = &head;
    send_reply(200, list, string("hello"), false);
    wire();
    assert_non_null(strstr(buf_str(&head), "X-A: 1\r\n"));
    assert_null(strstr(buf_str(&head), "hello"));
    buf_free(&head);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_body_is_read_to_its_length_and_then_ends),
        CASE(a_short_body_is_an_error),
        CASE(a_body_over_the_limit_is_an_error),
        CASE(a_body_of_unknown_length_ends_with_the_transport),
        CASE(a_client_that_goes_is_no_end),
        CASE(a_read_that_must_wait_says_so),
        CASE(an_earlier_request_cannot_read_this_one),
        CASE(the_head_is_given_as_a_list),
        CASE(a_fixed_body_gets_its_length),
        CASE(head_keeps_the_length_and_drops_the_body),
        CASE(head_without_a_body_believes_the_script),
        CASE(a_stream_for_head_is_not_wanted),
        CASE(a_second_reply_is_refused),
        CASE(a_bad_field_leaves_room_for_an_error_page),
        CASE(an_error_shows_itself_where_asked_for),
        CASE(a_page_of_ours_names_the_request_once),
        CASE(a_method_not_allowed_has_a_list_of_those_that_are),
        CASE(a_page_fits_the_smallest_header_allowed),
        CASE(a_stream_goes_out_in_order),
        CASE(a_full_buffer_makes_the_script_wait),
        CASE(a_large_body_is_kept_where_the_transport_stopped),
        CASE(a_stream_over_its_length_is_cut),
        CASE(a_body_over_the_limit_is_refused_before_anything_is_out),
        CASE(a_length_over_the_limit_is_refused),
        CASE(without_a_body_its_length_is_no_matter),
        CASE(a_stream_over_the_limit_is_an_error_while_nothing_is_out),
        CASE(a_stream_over_the_limit_is_cut_after_that),
        CASE(the_head_is_kept_for_who_asks),
        CASE(a_stream_under_its_length_is_incomplete),
        CASE(a_stream_that_fails_keeps_what_it_gave),
        CASE(a_stream_that_fails_before_anything_is_out_is_a_500),
        CASE(a_wrong_length_seen_before_anything_is_out_is_a_500),
        CASE(a_peer_that_goes_ends_the_reply),
        CASE(a_failure_after_the_head_is_not_a_page),
        CASE(the_environment_is_a_flat_list)};
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests_name("body", tests, NULL, NULL);
}
