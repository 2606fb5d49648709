/*
 * test_response.c - the head of a reply as the web server reads it.
 */
#include "cgi/response.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define PAIRS 8

struct row {
    const char *label;
    int status;
    const char *reason;
    uint64_t length;
    bool head;
    bool sendfile;
    const char *fields[2 * PAIRS + 1];
    const char *want; /* NULL: refused with err */
    enum err err;
};

#define UNKNOWN RESPONSE_LENGTH_UNKNOWN

static const struct row rows[] = {
    {"a plain reply",
     200,
     "",
     5,
     false,
     false,
     {"Content-Type", "text/plain"},
     "Status: 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\n",
     OK},
    {"a reason of one's own",
     404,
     "Nope",
     UNKNOWN,
     false,
     false,
     {NULL},
     "Status: 404 Nope\r\n\r\n",
     OK},
    {"a status without a phrase still has one",
     599,
     "",
     UNKNOWN,
     false,
     false,
     {NULL},
     "Status: 599 Unknown\r\n\r\n",
     OK},
    {"204 has no length",
     204,
     "",
     0,
     false,
     false,
     {NULL},
     "Status: 204 No Content\r\n\r\n",
     OK},
    {"304 has no length",
     304,
     "",
     0,
     false,
     false,
     {"ETag", "\"a\""},
     "Status: 304 Not Modified\r\nETag: \"a\"\r\n\r\n",
     OK},
    {"an empty body has length 0",
     200,
     "",
     0,
     false,
     false,
     {NULL},
     "Status: 200 OK\r\nContent-Length: 0\r\n\r\n",
     OK},
    {"HEAD keeps the length of GET",
     200,
     "",
     9,
     true,
     false,
     {NULL},
     "Status: 200 OK\r\nContent-Length: 9\r\n\r\n",
     OK},
    {"HEAD without a body says no length",
     200,
     "",
     0,
     true,
     false,
     {NULL},
     "Status: 200 OK\r\n\r\n",
     OK},
    {"hop-by-hop and server fields are dropped",
     200,
     "",
     UNKNOWN,
     false,
     false,
     {"Transfer-Encoding", "chunked", "Connection", "close", "Keep-Alive", "1",
      "Upgrade", "x", "Trailer", "x", "Proxy-Thing", "x", "TE", "x", "status",
      "500"},
     "Status: 200 OK\r\n\r\n",
     OK},
    {"X-CGI fields are dropped",
     200,
     "",
     UNKNOWN,
     false,
     false,
     {"X-CGI-Anything", "x", "X-Own", "y"},
     "Status: 200 OK\r\nX-Own: y\r\n\r\n",
     OK},
    {"a length of the script's is dropped",
     200,
     "",
     3,
     false,
     false,
     {"Content-Length", "999"},
     "Status: 200 OK\r\nContent-Length: 3\r\n\r\n",
     OK},
    {"sendfile fields are dropped",
     200,
     "",
     UNKNOWN,
     false,
     false,
     {"X-Sendfile", "/etc/passwd", "X-Accel-Redirect", "/p",
      "X-LIGHTTPD-send-file", "/p", "X-Sendfile2", "/p 0-"},
     "Status: 200 OK\r\n\r\n",
     OK},
    {"sendfile fields pass where allowed",
     200,
     "",
     UNKNOWN,
     false,
     true,
     {"X-Sendfile", "/f"},
     "Status: 200 OK\r\nX-Sendfile: /f\r\n\r\n",
     OK},
    {"two cookies stay two",
     200,
     "",
     UNKNOWN,
     false,
     false,
     {"Set-Cookie", "a=1", "Set-Cookie", "b=2, c"},
     "Status: 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2, c\r\n\r\n",
     OK},
    {"a redirect says its status",
     302,
     "",
     UNKNOWN,
     false,
     false,
     {"Location", "/x"},
     "Status: 302 Found\r\nLocation: /x\r\n\r\n",
     OK},
    {"201 keeps its location",
     201,
     "",
     UNKNOWN,
     false,
     false,
     {"Location", "/x"},
     "Status: 201 Created\r\nLocation: /x\r\n\r\n",
     OK},
    {"200 has no location, which CGI would follow",
     200,
     "",
     UNKNOWN,
     false,
     false,
     {"Location", "/x"},
     "Status: 200 OK\r\n\r\n",
     OK},
    {"space around a value goes",
     200,
     "",
     UNKNOWN,
     false,
     false,
     {"A", " \tb "},
     "Status: 200 OK\r\nA: b\r\n\r\n",
     OK},
    {"status 199", 199, "", 0, false, false, {NULL}, NULL, ERR_RANGE},
    {"status 103", 103, "", 0, false, false, {NULL}, NULL, ERR_RANGE},
    {"status 600", 600, "", 0, false, false, {NULL}, NULL, ERR_RANGE},
    {"status 0", 0, "", 0, false, false, {NULL}, NULL, ERR_RANGE},
    {"a line end in a reason",
     200,
     "OK\r\nX: y",
     0,
     false,
     false,
     {NULL},
     NULL,
     ERR_SYNTAX},
    {"a line end in a value",
     200,
     "",
     0,
     false,
     false,
     {"A", "b\r\nX: y"},
     NULL,
     ERR_SYNTAX},
    {"a bare CR in a value",
     200,
     "",
     0,
     false,
     false,
     {"A", "b\rc"},
     NULL,
     ERR_SYNTAX},
    {"a folded line",
     200,
     "",
     0,
     false,
     false,
     {"A", "b\n c"},
     NULL,
     ERR_SYNTAX},
    {"a space in a name",
     200,
     "",
     0,
     false,
     false,
     {"A b", "c"},
     NULL,
     ERR_SYNTAX},
    {"a colon in a name",
     200,
     "",
     0,
     false,
     false,
     {"A:", "c"},
     NULL,
     ERR_SYNTAX},
    {"an empty name", 200, "", 0, false, false, {"", "c"}, NULL, ERR_SYNTAX},
    {"a malformed field that would be dropped",
     200,
     "",
     0,
     false,
     false,
     {"Connection", "a\nb"},
     NULL,
     ERR_SYNTAX},
    {"two content types",
     200,
     "",
     0,
     false,
     false,
     {"Content-Type", "a/b", "content-type", "c/d"},
     NULL,
     ERR_SYNTAX},
};

static void each_row_gives_its_head(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *r = &rows[i];
        struct response_rules rules = {4096, r->sendfile};
        struct arena a;
        struct headers h;
        struct buf out;
        struct why why = {""};
        arena_init(&a);
        headers_init(&h, &a);
        buf_init(&out, 65536);
        for (size_t k = 0; r->fields[k] != NULL; k += 2)
            headers_add(&h, slice_of(r->fields[k]), slice_of(r->fields[k + 1]));
        print_message("# %s\n", r->label);
        enum err e = response_head(r->status, slice_of(r->reason), &h,
                                   r->length, r->head, &rules, &out, &why);
        assert_int_equal(e, r->err);
        assert_string_equal(buf_str(&out), r->want != NULL ? r->want : "");
        assert_true((r->want == NULL) == (why.text[0] != '\0'));
        buf_free(&out);
        arena_free(&a);
    }
}

static void a_nul_in_a_value_is_refused(void **state)
{
    (void)state;
    struct header f = {SLICE("A"), SLICE("b\0c")};
    struct headers h = {.list = &f, .count = 1};
    struct response_rules rules = {4096, false};
    struct buf out;
    buf_init(&out, 65536);
    assert_int_equal(
        response_head(200, SLICE(""), &h, 0, false, &rules, &out, NULL),
        ERR_SYNTAX);
    assert_int_equal(out.n, 0);
    buf_free(&out);
}

static void a_head_over_its_limit_leaves_nothing(void **state)
{
    (void)state;
    struct header f = {SLICE("A"), SLICE("0123456789")};
    struct headers h = {.list = &f, .count = 1};
    struct response_rules rules = {20, false};
    struct buf out;
    struct why why;
    buf_init(&out, 65536);
    buf_puts(&out, "before");
    assert_int_equal(
        response_head(200, SLICE(""), &h, 0, false, &rules, &out, &why),
        ERR_TOOBIG);
    assert_string_equal(buf_str(&out), "before");
    buf_free(&out);
}

static void statuses_without_a_body_are_known(void **state)
{
    (void)state;
    assert_true(response_null_body(204));
    assert_true(response_null_body(205));
    assert_true(response_null_body(304));
    assert_false(response_null_body(200));
    assert_string_equal(response_reason(503), "Service Unavailable");
    assert_string_equal(response_reason(299), "");
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_gives_its_head),
        cmocka_unit_test(a_nul_in_a_value_is_refused),
        cmocka_unit_test(a_head_over_its_limit_leaves_nothing),
        cmocka_unit_test(statuses_without_a_body_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
