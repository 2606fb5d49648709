/*
 * test_meta.c - what CGI variables mean, one row a case.
 */
#include "cgi/meta.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define VARS 12

struct row {
    const char *label;
    const char *env[VARS + 1]; /* REQUEST_METHOD=GET, HTTP_HOST=h.test are
                                * added unless said */
    const char *field;         /* what is looked at: see look() */
    const char *want;          /* NULL: absent */
    int status;                /* not 0: refused so */
};

static const struct row rows[] = {
    /* Rule 1: the URL is REQUEST_URI put behind scheme and host. */
    {"1 path and query",
     {"REQUEST_URI=/a/b?c=d"},
     "url",
     "http://h.test/a/b?c=d",
     0},
    {"1 two slashes are no host",
     {"REQUEST_URI=//evil.test/x"},
     "url",
     "http://h.test//evil.test/x",
     0},
    {"1 encoded bytes stay",
     {"REQUEST_URI=/a%2Fb%41"},
     "url",
     "http://h.test/a%2Fb%41",
     0},
    {"1 a fragment goes", {"REQUEST_URI=/a#frag"}, "url", "http://h.test/a", 0},
    {"1 absolute-form gives its path",
     {"REQUEST_URI=http://other.test/p?q"},
     "url",
     "http://h.test/p?q",
     0},
    {"1 absolute-form without a path",
     {"REQUEST_URI=http://other.test"},
     "url",
     "http://h.test/",
     0},
    {"1 absolute-form with a query only",
     {"REQUEST_URI=https://other.test?q=/x"},
     "url",
     "http://h.test/?q=/x",
     0},
    {"1 a colon in a query is no scheme",
     {"REQUEST_URI=/a?u=http://x/"},
     "url",
     "http://h.test/a?u=http://x/",
     0},
    {"1 asterisk-form",
     {"REQUEST_METHOD=OPTIONS", "REQUEST_URI=*"},
     "url",
     "http://h.test/",
     0},
    {"1 no leading slash", {"REQUEST_URI=a/b"}, "", NULL, 400},
    {"1 authority-form", {"REQUEST_URI=h.test:80"}, "", NULL, 400},
    {"1 SCRIPT_NAME does not count beside it",
     {"REQUEST_URI=/a", "SCRIPT_NAME=/s", "PATH_INFO=/i"},
     "url",
     "http://h.test/a",
     0},
    {"14 raw bytes are encoded",
     {"REQUEST_URI=/\xc3\xa9?\xe9"},
     "url",
     "http://h.test/%C3%A9?%E9",
     0},
    {"14 controls are encoded, not dropped",
     {"REQUEST_URI=/a\tb c\n\x7f"},
     "url",
     "http://h.test/a%09b%20c%0A%7F",
     0},
    {"1 a backslash in a path is no slash",
     {"REQUEST_URI=/a\\..\\b?c\\d"},
     "url",
     "http://h.test/a%5C..%5Cb?c\\d",
     0},
    /* Rule 2: without it, from the decoded variables. */
    {"2 script, path and query",
     {"SCRIPT_NAME=/s", "PATH_INFO=/a b?%", "QUERY_STRING=x=1"},
     "url",
     "http://h.test/s/a%20b%3F%25?x=1",
     0},
    {"2 nothing at all", {NULL}, "url", "http://h.test/", 0},
    {"2 an empty REQUEST_URI is none",
     {"REQUEST_URI=", "SCRIPT_NAME=/s"},
     "url",
     "http://h.test/s",
     0},
    {"2 a script name without a slash",
     {"SCRIPT_NAME=s"},
     "url",
     "http://h.test/s",
     0},
    {"2 a hash in a query is data",
     {"QUERY_STRING=a#b"},
     "url",
     "http://h.test/?a%23b",
     0},
    /* Rule 3: the scheme. */
    {"3 HTTPS=on", {"HTTPS=on"}, "url", "https://h.test/", 0},
    {"3 HTTPS=1", {"HTTPS=1"}, "url", "https://h.test/", 0},
    {"3 HTTPS=OFF", {"HTTPS=OFF"}, "url", "http://h.test/", 0},
    {"3 HTTPS=0", {"HTTPS=0"}, "url", "http://h.test/", 0},
    {"3 HTTPS empty", {"HTTPS="}, "url", "http://h.test/", 0},
    {"3 REQUEST_SCHEME", {"REQUEST_SCHEME=https"}, "url", "https://h.test/", 0},
    {"3 a strange REQUEST_SCHEME",
     {"REQUEST_SCHEME=javascript"},
     "url",
     "http://h.test/",
     0},
    {"3 X-Forwarded-Proto is the client's",
     {"HTTP_X_FORWARDED_PROTO=https"},
     "url",
     "http://h.test/",
     0},
    /* Rule 4: the host. */
    {"4 with a port",
     {"HTTP_HOST=h.test:8080"},
     "url",
     "http://h.test:8080/",
     0},
    {"4 an IPv6 address",
     {"HTTP_HOST=[2001:db8::1]:8080"},
     "url",
     "http://[2001:db8::1]:8080/",
     0},
    {"4 a user in the host", {"HTTP_HOST=evil@x.test"}, "", NULL, 400},
    {"4 a slash", {"HTTP_HOST=a/b"}, "", NULL, 400},
    {"4 a backslash", {"HTTP_HOST=a\\b"}, "", NULL, 400},
    {"4 a question mark", {"HTTP_HOST=a?b"}, "", NULL, 400},
    {"4 a hash", {"HTTP_HOST=a#b"}, "", NULL, 400},
    {"4 a space", {"HTTP_HOST=a b"}, "", NULL, 400},
    {"4 raw bytes", {"HTTP_HOST=\xe9.test"}, "", NULL, 400},
    {"4 a port that is none", {"HTTP_HOST=a:b"}, "", NULL, 400},
    {"4 a port too large", {"HTTP_HOST=a:65536"}, "", NULL, 400},
    {"4 only a port", {"HTTP_HOST=:80"}, "", NULL, 400},
    {"4 an open bracket", {"HTTP_HOST=[::1"}, "", NULL, 400},
    {"4 text behind a bracket", {"HTTP_HOST=[::1]x"}, "", NULL, 400},
    {"4 no Host: the server's name",
     {"HTTP_HOST=", "SERVER_NAME=s.test", "SERVER_PORT=80"},
     "url",
     "http://s.test/",
     0},
    {"4 the server's port where unusual",
     {"HTTP_HOST=", "SERVER_NAME=s.test", "SERVER_PORT=8080"},
     "url",
     "http://s.test:8080/",
     0},
    {"4 443 is usual for https",
     {"HTTP_HOST=", "SERVER_NAME=s.test", "SERVER_PORT=443", "HTTPS=on"},
     "url",
     "https://s.test/",
     0},
    {"4 a bare IPv6 name",
     {"HTTP_HOST=", "SERVER_NAME=::1"},
     "url",
     "http://[::1]/",
     0},
    {"4 a configured pattern is no name",
     {"HTTP_HOST=", "SERVER_NAME=~^(www\\.)?x$"},
     "url",
     "http://localhost/",
     0},
    {"4 X-Forwarded-Host is the client's",
     {"HTTP_X_FORWARDED_HOST=x.test"},
     "url",
     "http://h.test/",
     0},
    /* Rule 5: fields. */
    {"5 a field", {"HTTP_X_OWN=v"}, "x-own", "v", 0},
    {"5 space around a value goes", {"HTTP_X_OWN= v\t"}, "x-own", "v", 0},
    {"5 an empty value stays", {"HTTP_X_OWN="}, "x-own", "", 0},
    {"5 Proxy goes", {"HTTP_PROXY=http://evil/"}, "proxy", NULL, 0},
    {"5 Connection goes", {"HTTP_CONNECTION=close"}, "connection", NULL, 0},
    {"5 Keep-Alive goes", {"HTTP_KEEP_ALIVE=1"}, "keep-alive", NULL, 0},
    {"5 Proxy-Connection goes",
     {"HTTP_PROXY_CONNECTION=1"},
     "proxy-connection",
     NULL,
     0},
    {"5 TE goes", {"HTTP_TE=trailers"}, "te", NULL, 0},
    {"5 Trailer goes", {"HTTP_TRAILER=x"}, "trailer", NULL, 0},
    {"5 Upgrade goes", {"HTTP_UPGRADE=websocket"}, "upgrade", NULL, 0},
    {"5 Expect goes", {"HTTP_EXPECT=100-continue"}, "expect", NULL, 0},
    {"5 Transfer-Encoding goes",
     {"HTTP_TRANSFER_ENCODING=chunked"},
     "transfer-encoding",
     NULL,
     0},
    {"5 HTTP_CONTENT_TYPE goes",
     {"HTTP_CONTENT_TYPE=a/b"},
     "content-type",
     NULL,
     0},
    {"5 HTTP_CONTENT_LENGTH goes",
     {"HTTP_CONTENT_LENGTH=77"},
     "content-length",
     NULL,
     0},
    {"5 other variables are no fields",
     {"PATH=/bin", "X_OWN=v"},
     "x-own",
     NULL,
     0},
    {"5 a name that is no token", {"HTTP_A B=v"}, "a b", NULL, 0},
    {"5 a control character in a value", {"HTTP_X_OWN=a\rb"}, "", NULL, 400},
    /* Rule 6: twice. */
    {"6 a field twice is joined",
     {"HTTP_X_DUP=one", "HTTP_X_DUP=two"},
     "x-dup",
     "one, two",
     0},
    {"6 a cookie twice is joined its way",
     {"HTTP_COOKIE=a=1", "HTTP_COOKIE=b=2", "HTTP_COOKIE=c=3"},
     "cookie",
     "a=1; b=2; c=3",
     0},
    {"6 two hosts", {"HTTP_HOST=a", "HTTP_HOST=a"}, "", NULL, 400},
    {"6 any other variable twice",
     {"SCRIPT_FILENAME=/a", "SCRIPT_FILENAME=/b"},
     "",
     NULL,
     400},
    {"6 an unknown one twice", {"FOO=a", "FOO=a"}, "", NULL, 400},
    {"6 REMOTE_USER twice", {"REMOTE_USER=a", "REMOTE_USER=b"}, "", NULL, 400},
    /* Rule 7: commas of a cookie are data. */
    {"7 a cookie is not split",
     {"HTTP_COOKIE=a=1, b=2"},
     "cookie",
     "a=1, b=2",
     0},
    /* Rule 8: type and length have their own variables. */
    {"8 the type",
     {"CONTENT_TYPE=a/b", "HTTP_CONTENT_TYPE=c/d"},
     "content-type",
     "a/b",
     0},
    {"8 an empty type is none", {"CONTENT_TYPE="}, "content-type", NULL, 0},
    {"8 an empty length is none",
     {"CONTENT_LENGTH="},
     "content-length",
     NULL,
     0},
    {"8 a length",
     {"REQUEST_METHOD=POST", "CONTENT_LENGTH=3"},
     "content-length",
     "3",
     0},
    {"8 GET with length 0 has no body",
     {"CONTENT_LENGTH=0"},
     "body",
     "none",
     0},
    /* Rule 9: the length. */
    {"9 POST",
     {"REQUEST_METHOD=POST", "CONTENT_LENGTH=12"},
     "body",
     "length 12",
     0},
    {"9 POST of nothing",
     {"REQUEST_METHOD=POST", "CONTENT_LENGTH=0"},
     "body",
     "length 0",
     0},
    {"9 a sign", {"REQUEST_METHOD=POST", "CONTENT_LENGTH=+5"}, "", NULL, 400},
    {"9 negative", {"REQUEST_METHOD=POST", "CONTENT_LENGTH=-5"}, "", NULL, 400},
    {"9 a space", {"REQUEST_METHOD=POST", "CONTENT_LENGTH= 5"}, "", NULL, 400},
    {"9 two", {"REQUEST_METHOD=POST", "CONTENT_LENGTH=5,5"}, "", NULL, 400},
    {"9 text", {"REQUEST_METHOD=POST", "CONTENT_LENGTH=abc"}, "", NULL, 400},
    {"9 a bad one with GET", {"CONTENT_LENGTH=abc"}, "", NULL, 400},
    {"9 over the limit",
     {"REQUEST_METHOD=POST", "CONTENT_LENGTH=1000001"},
     "",
     NULL,
     413},
    {"9 over 64 bits",
     {"REQUEST_METHOD=POST", "CONTENT_LENGTH=99999999999999999999"},
     "",
     NULL,
     413},
    /* Rule 10: without a length. */
    {"10 chunked",
     {"REQUEST_METHOD=POST", "HTTP_TRANSFER_ENCODING=chunked"},
     "body",
     "eof",
     0},
    {"10 POST without either", {"REQUEST_METHOD=POST"}, "body", "eof", 0},
    {"10 DELETE without either", {"REQUEST_METHOD=DELETE"}, "body", "none", 0},
    {"10 DELETE chunked",
     {"REQUEST_METHOD=DELETE", "HTTP_TRANSFER_ENCODING=Chunked"},
     "body",
     "eof",
     0},
    {"10 a computed length beside chunked",
     {"REQUEST_METHOD=POST", "HTTP_TRANSFER_ENCODING=chunked",
      "CONTENT_LENGTH=4"},
     "body",
     "length 4",
     0},
    /* Rule 11: other codings. */
    {"11 gzip",
     {"REQUEST_METHOD=POST", "HTTP_TRANSFER_ENCODING=gzip, chunked"},
     "",
     NULL,
     501},
    /* Rule 12: GET and HEAD have none. */
    {"12 GET with a length", {"CONTENT_LENGTH=5"}, "body", "none", 0},
    {"12 HEAD chunked",
     {"REQUEST_METHOD=HEAD", "HTTP_TRANSFER_ENCODING=chunked"},
     "body",
     "none",
     0},
    /* Rule 13: the method. */
    {"13 lower case is normalised",
     {"REQUEST_METHOD=post"},
     "method",
     "POST",
     0},
    {"13 others keep their case",
     {"REQUEST_METHOD=patch"},
     "method",
     "patch",
     0},
    {"13 an extension", {"REQUEST_METHOD=PROPFIND"}, "method", "PROPFIND", 0},
    {"13 HEAD is told", {"REQUEST_METHOD=head"}, "head", "yes", 0},
    {"13 empty", {"REQUEST_METHOD="}, "", NULL, 400},
    {"13 no token", {"REQUEST_METHOD=GE T"}, "", NULL, 400},
    {"13 TRACE", {"REQUEST_METHOD=TRACE"}, "", NULL, 405},
    {"13 TRACK", {"REQUEST_METHOD=track"}, "", NULL, 405},
    {"13 CONNECT", {"REQUEST_METHOD=CONNECT"}, "", NULL, 405},
    /* Rule 14: bytes. */
    {"14 a value's bytes stay",
     {"HTTP_X_OWN=\xe9\xff"},
     "x-own",
     "\xe9\xff",
     0},
    /* Rule 15: authorization. */
    {"15 as a field",
     {"HTTP_AUTHORIZATION=Basic x"},
     "authorization",
     "Basic x",
     0},
    {"15 redirected",
     {"REDIRECT_HTTP_AUTHORIZATION=Basic y"},
     "authorization",
     "Basic y",
     0},
    {"15 the field counts first",
     {"HTTP_AUTHORIZATION=Basic x", "REDIRECT_HTTP_AUTHORIZATION=Basic y"},
     "authorization",
     "Basic x",
     0},
    {"15 the user", {"REMOTE_USER=u"}, "user", "u", 0},
    /* Rule 16: the script. */
    {"16 a plain name",
     {"SCRIPT_FILENAME=/srv/a.js"},
     "script",
     "/srv/a.js",
     0},
    {"16 percent signs of a plain name stay",
     {"SCRIPT_FILENAME=/a%20b.js"},
     "script",
     "/a%20b.js",
     0},
    {"16 a handler's form is not decoded",
     {"SCRIPT_FILENAME=proxy:fcgi://localhost//srv/a%20b.js"},
     "script",
     "/srv/a%20b.js",
     0},
    {"16 ProxyPass's form",
     {"SCRIPT_FILENAME=proxy:fcgi://localhost:9000/srv/a.js"},
     "script",
     "/srv/a.js",
     0},
    {"16 a % in it may be encoded or not",
     {"SCRIPT_FILENAME=proxy:fcgi://localhost:9000/srv/%73ecret.js"},
     "",
     NULL,
     400},
    {"16 the balancer's form",
     {"SCRIPT_FILENAME=proxy:balancer://cluster//srv/a.js"},
     "script",
     "/srv/a.js",
     0},
    {"16 a question mark", {"SCRIPT_FILENAME=/srv/a.js?x"}, "", NULL, 400},
    {"16 a question mark behind a proxy",
     {"SCRIPT_FILENAME=proxy:fcgi://h/srv/a.js?x=y"},
     "",
     NULL,
     400},
    {"16 an encoded one",
     {"SCRIPT_FILENAME=proxy:fcgi://h/srv/a.php%3Fx.js"},
     "",
     NULL,
     400},
    {"16 an encoded NUL",
     {"SCRIPT_FILENAME=proxy:fcgi://h/srv/a.js%00.html"},
     "",
     NULL,
     400},
    {"16 bad encoding", {"SCRIPT_FILENAME=proxy:fcgi://h/a%2"}, "", NULL, 400},
    {"16 no path", {"SCRIPT_FILENAME=proxy:fcgi://h"}, "script", "", 0},
    {"16 PATH_TRANSLATED stands in",
     {"PATH_TRANSLATED=/srv/b.js"},
     "script",
     "/srv/b.js",
     0},
    {"16 and only then",
     {"SCRIPT_FILENAME=/srv/a.js", "PATH_TRANSLATED=/srv/b.js"},
     "script",
     "/srv/a.js",
     0},
    {"16 neither", {NULL}, "script", "", 0},
    /* The rest. */
    {"an identity", {"HTTP_X_REQUEST_ID=aB3-._9"}, "id", "aB3-._9", 0},
    {"a strange identity", {"HTTP_X_REQUEST_ID=a b"}, "id", "", 0},
    {"an empty identity", {"HTTP_X_REQUEST_ID="}, "id", "", 0},
    {"the peer", {"REMOTE_ADDR=192.0.2.1"}, "addr", "192.0.2.1", 0},
    {"junk in the environment", {"=x", "novalue"}, "url", "http://h.test/", 0},
};

static const struct meta_limits usual = {
    .max_params = 100, .max_bytes = 65536, .max_body = 1000000};

/* Text of one field of the request, NULL when it has none. */
static const char *look(const struct request *r, const char *field, char *out,
                        size_t max)
{
    static const char *const kinds[] = {"none", "length", "eof"};
    struct slice s = {"", 0};
    struct header *h;
    if (strcmp(field, "url") == 0)
        s = r->url;
    else if (strcmp(field, "method") == 0)
        s = r->method;
    else if (strcmp(field, "script") == 0)
        s = r->script;
    else if (strcmp(field, "id") == 0)
        s = r->id;
    else if (strcmp(field, "user") == 0)
        s = r->remote_user;
    else if (strcmp(field, "addr") == 0)
        s = r->remote_addr;
    else if (strcmp(field, "head") == 0)
        s = r->head ? SLICE("yes") : SLICE("no");
    else if (strcmp(field, "body") == 0)
        s = slice_of(kinds[r->body]);
    else if ((h = headers_find(&r->headers, field)) != NULL)
        s = h->value;
    else
        return NULL;
    if (strcmp(field, "body") == 0 && r->body == BODY_LENGTH)
        snprintf(out, max, "length %llu",
                 (unsigned long long)r->content_length);
    else
        snprintf(out, max, "%.*s", (int)s.n, s.p != NULL ? s.p : "");
    return out;
}

static bool has(const char *const *env, const char *name)
{
    return meta_var(env, name) != NULL;
}

static void run(const struct row *row, const struct meta_limits *limits)
{
    const char *env[VARS + 3];
    size_t n = 0;
    while (row->env[n] != NULL) {
        env[n] = row->env[n];
        n++;
    }
    env[n] = NULL;
    if (!has(env, "REQUEST_METHOD"))
        env[n++] = "REQUEST_METHOD=GET";
    env[n] = NULL;
    if (!has(env, "HTTP_HOST"))
        env[n++] = "HTTP_HOST=h.test";
    env[n] = NULL;

    struct arena a;
    struct request r;
    struct fault fault;
    char text[512];
    arena_init(&a);
    print_message("# %s\n", row->label);
    enum err e = meta_parse(env, limits, &a, &r, &fault);
    assert_int_equal(fault.status, row->status);
    assert_int_equal(e, row->status == 0 ? OK : ERR_SYNTAX);
    if (row->status != 0) {
        assert_true(fault.why.text[0] != '\0');
    } else {
        const char *got = look(&r, row->field, text, sizeof text);
        if (row->want == NULL)
            assert_null(got);
        else
            assert_string_equal(got, row->want);
    }
    arena_free(&a);
}

static void each_rule_holds(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        run(&rows[i], &usual);
}

static void a_trusted_proxy_says_scheme_and_host(void **state)
{
    (void)state;
    struct meta_limits trusting = usual;
    trusting.trust_forwarded = true;
    static const struct row trusted[] = {
        {"the proxy's scheme",
         {"HTTP_X_FORWARDED_PROTO=https"},
         "url",
         "https://h.test/",
         0},
        {"the first of a list",
         {"HTTP_X_FORWARDED_PROTO=https, http"},
         "url",
         "https://h.test/",
         0},
        {"no scheme",
         {"HTTP_X_FORWARDED_PROTO=gopher", "HTTPS=on"},
         "url",
         "https://h.test/",
         0},
        {"the proxy's host",
         {"HTTP_X_FORWARDED_HOST=a.test, b.test"},
         "url",
         "http://a.test/",
         0},
        {"a bad one", {"HTTP_X_FORWARDED_HOST=a@b"}, "", NULL, 400},
    };
    for (size_t i = 0; i < sizeof trusted / sizeof *trusted; i++)
        run(&trusted[i], &trusting);
}

static void where_no_script_is_asked_for_none_is_refused(void **state)
{
    (void)state;
    struct meta_limits one = usual;
    one.no_script = true;
    static const struct row asked[] = {
        {"encoded by ProxyPass",
         {"SCRIPT_FILENAME=proxy:fcgi://h:9000/a%20b"},
         "script",
         "",
         0},
        {"a question mark", {"SCRIPT_FILENAME=/a?b"}, "script", "", 0},
    };
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++)
        run(&asked[i], &one);
}

static void too_many_variables_are_431(void **state)
{
    (void)state;
    struct meta_limits few = usual;
    few.max_params = 3;
    static const struct row three = {"three", {"A=1"}, "method", "GET", 0};
    static const struct row four = {"four", {"A=1", "B=2"}, "", NULL, 431};
    run(&three, &few);
    run(&four, &few);
}

static void too_many_bytes_of_variables_are_431(void **state)
{
    (void)state;
    struct meta_limits few = usual;
    few.max_bytes = 40;
    static const struct row small = {"small", {"A=1"}, "method", "GET", 0};
    static const struct row large = {"large", {"A=1234567890"}, "", NULL, 431};
    run(&small, &few);
    run(&large, &few);
}

static void a_refused_head_request_is_still_known_as_head(void **state)
{
    (void)state;
    const char *const env[] = {"REQUEST_METHOD=HEAD", "HTTP_HOST=a@b", NULL};
    struct arena a;
    struct request r;
    struct fault fault;
    arena_init(&a);
    assert_int_equal(meta_parse(env, &usual, &a, &r, &fault), ERR_SYNTAX);
    assert_true(r.head);
    arena_free(&a);
}

static void an_identity_of_129_characters_is_dropped(void **state)
{
    (void)state;
    char id[200] = "HTTP_X_REQUEST_ID=";
    size_t n = strlen(id);
    memset(id + n, 'a', 129);
    id[n + 129] = '\0';
    const char *const env[] = {"REQUEST_METHOD=GET", id, NULL};
    struct arena a;
    struct request r;
    struct fault fault;
    arena_init(&a);
    assert_int_equal(meta_parse(env, &usual, &a, &r, &fault), OK);
    assert_int_equal(r.id.n, 0);
    id[n + 128] = '\0';
    assert_int_equal(meta_parse(env, &usual, &a, &r, &fault), OK);
    assert_int_equal(r.id.n, 128);
    arena_free(&a);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_rule_holds),
        cmocka_unit_test(a_trusted_proxy_says_scheme_and_host),
        cmocka_unit_test(where_no_script_is_asked_for_none_is_refused),
        cmocka_unit_test(too_many_variables_are_431),
        cmocka_unit_test(too_many_bytes_of_variables_are_431),
        cmocka_unit_test(a_refused_head_request_is_still_known_as_head),
        cmocka_unit_test(an_identity_of_129_characters_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
