/*
 * test_fetch_multi.c - connections that are kept, and whose they are.
 *
 * Plays the server itself, so that a reply comes when it is wanted.
 */
#include "bind/fetch_multi.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define REPLY "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
#define PATIENCE 5000 /* ms */

static int listener;
static char url[64];
static CURL *over[8]; /* transfers that ended well */
static size_t over_n;

static void on_done(CURL *easy, CURLcode code)
{
    assert_int_equal(code, CURLE_OK);
    assert_true(over_n < 8);
    over[over_n++] = easy;
}

static bool is_over(const CURL *easy)
{
    for (size_t i = 0; i < over_n; i++)
        if (over[i] == easy)
            return true;
    return false;
}

static bool readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return poll(&p, 1, 1) == 1;
}

static size_t take(char *p, size_t one, size_t n, void *arg)
{
    (void)p;
    (void)arg;
    return one * n;
}

static CURL *start(void)
{
    const struct libcurl *curl = libcurl_get();
    CURL *easy = curl->curl_easy_init();
    assert_non_null(easy);
    curl->curl_easy_setopt(easy, CURLOPT_URL, url);
    curl->curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl->curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
    assert_int_equal(fetch_multi_add(easy), OK);
    return easy;
}

/* Drives until fd can be read from. */
static void drive_until(int fd)
{
    uint64_t end = clock_mono() + PATIENCE * NS_PER_MS;
    while (!readable(fd)) {
        assert_true(clock_mono() < end);
        fetch_multi_drive(on_done);
    }
}

static void drive_to_end(const CURL *easy)
{
    uint64_t end = clock_mono() + PATIENCE * NS_PER_MS;
    while (!is_over(easy)) {
        assert_true(clock_mono() < end);
        fetch_multi_drive(on_done);
    }
}

static int accept_one(void)
{
    drive_until(listener);
    int fd = accept(listener, NULL, NULL);
    assert_true(fd >= 0);
    return fd;
}

static void take_request(int fd)
{
    char text[4096];
    drive_until(fd);
    ssize_t n = read(fd, text, sizeof(text) - 1);
    assert_true(n > 4);
    text[n] = '\0';
    assert_non_null(strstr(text, "\r\n\r\n"));
}

static void reply(int fd)
{
    assert_int_equal(write(fd, REPLY, strlen(REPLY)), strlen(REPLY));
}

/* ---- what happens between two looks at the sockets ----------------------- */

static CURLMcode (*real_action)(CURLM *, curl_socket_t, int, int *);
static int late_fd = -1; /* who replies now, if anybody */
static CURL **late;      /* what begins now, if anything */

static CURLMcode action(CURLM *multi, curl_socket_t fd, int events, int *left)
{
    CURLMcode code = real_action(multi, fd, events, left);
    CURL **begins = late;
    late = NULL;
    if (late_fd >= 0)
        reply(late_fd);
    late_fd = -1;
    if (begins != NULL)
        *begins = start();
    return code;
}

/* The table is the process's own: libcurl_open() filled it. */
static void stand_between(void)
{
    union {
        const struct libcurl *seen;
        struct libcurl *own;
    } table = {.seen = libcurl_get()};
    real_action = table.own->curl_multi_socket_action;
    table.own->curl_multi_socket_action = action;
}

static void one_taken_again_at_once_is_not_idle(void **state)
{
    (void)state;
    CURL *first = start();
    int one = accept_one();
    take_request(one);
    CURL *other = start();
    int two = accept_one();
    take_request(two);

    /* second begins in the step in which first ends, on what first had */
    CURL *second = NULL, *third = NULL;
    late = &second;
    reply(one);
    take_request(one);
    assert_true(is_over(first));

    /* the reply comes when the sockets were looked at and third will begin */
    late_fd = one;
    late = &third;
    reply(two);
    drive_to_end(other);
    drive_to_end(second);
    const struct libcurl *curl = libcurl_get();
    curl->curl_easy_cleanup(first);
    curl->curl_easy_cleanup(second);
    curl->curl_easy_cleanup(other);
    fetch_multi_remove(third);
    curl->curl_easy_cleanup(third);
    close(one);
    close(two);
}

static int set_up(void **state)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(a);
    struct why why;
    (void)state;
    listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&a, n) != 0 ||
        listen(listener, 8) != 0 ||
        getsockname(listener, (struct sockaddr *)&a, &n) != 0 ||
        fetch_multi_open(&why) != OK)
        return -1;
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/",
             (unsigned)ntohs(a.sin_port));
    stand_between();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_taken_again_at_once_is_not_idle),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, set_up, NULL);
}
