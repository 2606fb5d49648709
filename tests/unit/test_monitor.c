/*
 * test_monitor.c - the monitor in a process of its own, with web servers that
 * wait and pools whose workers are only words on a board.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "cgi/fcgi_wire.h"
#include "serve/monitor.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define POOLS 2
#define BACKLOG 64
#define PATIENCE_MS 60000 /* for anything at all, on a slow machine */

static char dir[] = "/tmp/test_monitor.XXXXXX";
static char log_path[64];
static struct config config;
static struct pool_config pool_config[POOLS];
static struct monitor_pool pools[POOLS];
static struct sockaddr_un at[POOLS + 1]; /* the last is the status page's */
static int status_fd;
static int link_fd; /* our end */
static pid_t monitor;
static rlim_t files; /* the monitor's limit, 0: as it is */

/* ---- the set-up -------------------------------------------------------- */

static int listen_at(int i)
{
    at[i].sun_family = AF_UNIX;
    snprintf(at[i].sun_path, sizeof at[i].sun_path, "%s/%d", dir, i);
    unlink(at[i].sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(fd, (struct sockaddr *)&at[i], sizeof at[i]) != 0 ||
        listen(fd, BACKLOG) != 0)
        return -1;
    return fd;
}

static int set_up(void **state)
{
    static const char *const names[POOLS] = {"www", "api"};
    (void)state;
    monitor = 0;
    files = 0;
    snprintf(log_path, sizeof log_path, "%s/log", dir);
    unlink(log_path);
    for (int i = 0; i < POOLS; i++) {
        pool_config[i] = (struct pool_config){.name = names[i],
                                              .queue_limit = 2,
                                              .retry_after = 1500 * NS_PER_MS,
                                              .max_params = 100,
                                              .max_param_bytes = 65536};
        pools[i].config = &pool_config[i];
        pools[i].listen_fd = listen_at(i);
        if (board_new(names[i], 4, &pools[i].board) != OK)
            return -1;
        board_head(pools[i].board)->max_children = 1;
    }
    status_fd = listen_at(POOLS);
    return status_fd >= 0 ? 0 : -1;
}

/* It must end, and well. */
static void ends(void)
{
    int status = -1;
    uint64_t deadline = clock_mono() + PATIENCE_MS * NS_PER_MS;
    while (waitpid(monitor, &status, WNOHANG) == 0) {
        assert_true(clock_mono() < deadline);
        poll(NULL, 0, 5);
    }
    monitor = 0;
    assert_int_equal(status, 0);
}

/* As the supervisor's end does. */
static void end_monitor(void)
{
    close(link_fd);
    ends();
}

static int tear_down(void **state)
{
    (void)state;
    if (monitor > 0) {
        close(link_fd);
        kill(monitor, SIGKILL);
        waitpid(monitor, NULL, 0);
    }
    for (int i = 0; i < POOLS; i++) {
        board_free(pools[i].board);
        close(pools[i].listen_fd);
    }
    close(status_fd);
    return 0;
}

static void child(int link)
{
    struct monitor_setup setup = {.config = &config,
                                  .pools = pools,
                                  .count = POOLS,
                                  .status_fd = status_fd,
                                  .link_fd = link};
    int log = open(log_path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(log, STDERR_FILENO);
    close(log);
    for (int i = 0; i < POOLS; i++)
        if (board_watch(pools[i].board) != OK)
            _exit(99);
    int line = monitor_queue_open();
    for (int fd = STDERR_FILENO + 1; fd < 1024; fd++)
        if (fd != line && fd != pools[0].listen_fd &&
            fd != pools[1].listen_fd && fd != status_fd && fd != link)
            close(fd);
    if (files != 0)
        setrlimit(RLIMIT_NOFILE, &(struct rlimit){files, files});
    exit(monitor_run(&setup));
}

static void start_monitor(void)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    monitor = fork();
    assert_true(monitor >= 0);
    if (monitor == 0) {
        close(pair[0]);
        child(pair[1]);
    }
    close(pair[1]);
    link_fd = pair[0];
}

static struct slot *worker(int pool, enum slot_state state)
{
    int i = board_claim(pools[pool].board);
    assert_true(i >= 0);
    struct slot *s = board_slot(pools[pool].board, (uint32_t)i);
    slot_set(s, state);
    board_head(pools[pool].board)->spawned++;
    return s;
}

static uint64_t shed(int pool)
{
    return atomic_load(&board_shed(pools[pool].board)->count);
}

static uint64_t waiting(int pool)
{
    uint64_t n, most;
    assert_int_equal(monitor_queue(pools[pool].listen_fd, &n, &most), OK);
    return n;
}

/* Until *f(pool) is n; fails the test when that takes for ever. */
static void until(uint64_t (*f)(int), int pool, uint64_t n)
{
    uint64_t deadline = clock_mono() + PATIENCE_MS * NS_PER_MS;
    while (f(pool) != n) {
        assert_true(clock_mono() < deadline);
        poll(NULL, 0, 5);
    }
}

/* ---- a web server ------------------------------------------------------ */

static void pair(struct buf *b, const char *name, const char *value)
{
    buf_putc(b, (char)strlen(name));
    buf_putc(b, (char)strlen(value));
    buf_puts(b, name);
    buf_puts(b, value);
}

static int dial(int i)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at[i], sizeof at[i]), 0);
    return fd;
}

/* The records of a request; keep is always asked for. */
static void request(struct buf *b, const char *method, const char *uri,
                    const char *query, const char *body)
{
    struct buf params;
    buf_init(&params, 4096);
    buf_init(b, 65536);
    pair(&params, "REQUEST_METHOD", method);
    pair(&params, "REQUEST_URI", uri);
    pair(&params, "QUERY_STRING", query);
    fcgi_put_begin(b, 1, FCGI_RESPONDER, FCGI_KEEP_CONN);
    fcgi_put(b, FCGI_PARAMS, 1, buf_view(&params));
    fcgi_put(b, FCGI_PARAMS, 1, SLICE(""));
    if (body != NULL)
        fcgi_put(b, FCGI_STDIN, 1, slice_of(body));
    else
        fcgi_put(b, FCGI_STDIN, 1, SLICE(""));
    buf_free(&params);
}

static void give(int fd, const char *p, size_t n)
{
    assert_int_equal(send(fd, p, n, MSG_NOSIGNAL), n);
}

static int ask(int i, const char *method, const char *uri, const char *query,
               const char *body)
{
    struct buf b;
    int fd = dial(i);
    request(&b, method, uri, query, body);
    give(fd, b.p, b.n);
    buf_free(&b);
    return fd;
}

static int get(int i, const char *query)
{
    return ask(i, "GET", "/status", query, NULL);
}

/* The reply as a string until the next call; fd is closed by both sides. */
static const char *reply(int fd)
{
    static char text[1 << 20];
    struct buf in;
    size_t n = 0;
    buf_init(&in, 2 << 20);
    for (;;) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        assert_int_equal(poll(&p, 1, PATIENCE_MS), 1);
        assert_int_equal(buf_reserve(&in, 65536), OK);
        ssize_t got = recv(fd, in.p + in.n, 65536, 0);
        if (got <= 0)
            break;
        in.n += (size_t)got;
    }
    close(fd);
    bool ended = false;
    for (size_t i = 0; i + 8 <= in.n;) {
        const unsigned char *h = (const unsigned char *)in.p + i;
        size_t length = (size_t)h[4] << 8 | h[5];
        assert_true(i + 8 + length + h[6] <= in.n);
        if (h[1] == FCGI_STDOUT) {
            memcpy(text + n, h + 8, length);
            n += length;
        }
        ended = ended || h[1] == FCGI_END_REQUEST;
        i += 8 + length + h[6];
    }
    buf_free(&in);
    text[n] = '\0';
    assert_true(ended);
    return text;
}

static void says(const char *text, const char *what)
{
    if (strstr(text, what) == NULL)
        fail_msg("no \"%s\" in:\n%s", what, text);
}

static void is_turned_away(int fd)
{
    const char *text = reply(fd);
    says(text, "Status: 503 Service Unavailable\r\n");
    says(text, "Retry-After: 2\r\n");
    says(text, "Cache-Control: no-store\r\n");
    says(text, "\r\n\r\nThis service is busy.");
}

static char *log_said(void)
{
    static char text[65536];
    int fd = open(log_path, O_RDONLY);
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

/* ---- the queue --------------------------------------------------------- */

static void the_queue_of_a_unix_socket_is_known(void **state)
{
    (void)state;
    uint64_t n, most;
    assert_int_equal(monitor_queue(pools[0].listen_fd, &n, &most), OK);
    assert_int_equal(n, 0);
    assert_int_equal(most, BACKLOG);
    int a = dial(0), b = dial(0), c = dial(1);
    assert_int_equal(waiting(0), 2);
    assert_int_equal(waiting(1), 1);
    close(accept(pools[0].listen_fd, NULL, NULL));
    assert_int_equal(waiting(0), 1);
    close(a);
    close(b);
    close(c);
}

static void the_queue_of_a_tcp_socket_is_known(void **state)
{
    (void)state;
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof in;
    uint64_t n, most;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(listen(fd, 7), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
    int peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(peer, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(monitor_queue(fd, &n, &most), OK);
    assert_int_equal(n, 1);
    assert_int_equal(most, 7);
    close(peer);
    close(fd);
}

static void what_is_no_socket_has_no_queue(void **state)
{
    (void)state;
    uint64_t n, most;
    int fd = open("/dev/null", O_RDONLY);
    assert_int_equal(monitor_queue(fd, &n, &most), ERR_IO);
    close(fd);
    assert_int_equal(monitor_queue(-1, &n, &most), ERR_IO);
}

/* ---- the status page --------------------------------------------------- */

static void the_status_page_is_served_while_all_are_busy(void **state)
{
    (void)state;
    worker(0, SLOT_RUNNING);
    worker(1, SLOT_RUNNING);
    start_monitor();
    const char *text = reply(get(POOLS, ""));
    says(text, "Status: 200 OK\r\n");
    says(text, "Content-Type: text/plain; charset=utf-8\r\n");
    says(text, "Content-Security-Policy: default-src 'none';");
    says(text, "pool:                 www\n");
    says(text, "pool:                 api\n");
    says(text, "active processes:     1\n");
    says(reply(get(POOLS, "json&pool=api")), "\r\n\r\n{\"pool\":\"api\"");
    says(reply(get(POOLS, "html")), "Content-Type: text/html;");
    says(reply(get(POOLS, "openmetrics&full")), "# EOF\n");
    end_monitor();
}

static void a_pool_that_is_not_there_is_404(void **state)
{
    (void)state;
    start_monitor();
    says(reply(get(POOLS, "html&pool=nope")), "Status: 404 Not Found\r\n");
    end_monitor();
}

static void ping_is_answered(void **state)
{
    (void)state;
    start_monitor();
    const char *text = reply(ask(POOLS, "GET", "/x/ping?full", "full", NULL));
    says(text, "Status: 200 OK\r\n");
    says(text, "\r\n\r\npong");
    end_monitor();
}

static void head_gets_no_body(void **state)
{
    (void)state;
    start_monitor();
    const char *text = reply(ask(POOLS, "HEAD", "/ping", "", NULL));
    says(text, "Content-Length: 4\r\n");
    assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\n");
    end_monitor();
}

static void other_methods_are_405(void **state)
{
    (void)state;
    start_monitor();
    const char *text = reply(ask(POOLS, "POST", "/status", "", NULL));
    says(text, "Status: 405 Method Not Allowed\r\n");
    says(text, "Allow: GET, HEAD\r\n");
    end_monitor();
}

/* ---- turning away ------------------------------------------------------ */

static void those_over_the_limit_are_turned_away(void **state)
{
    (void)state;
    int fd[5];
    worker(0, SLOT_RUNNING);
    worker(1, SLOT_IDLE);
    for (int i = 0; i < 5; i++) {
        fd[i] = get(0, "");
        close(get(1, "")); /* the idle worker will come for them */
    }
    start_monitor();
    for (int i = 0; i < 3; i++)
        is_turned_away(fd[i]);
    until(shed, 0, 3);
    assert_int_equal(waiting(0), 2);
    /* A later look changes nothing. */
    says(reply(get(POOLS, "")), "shed:                 3\n");
    assert_int_equal(waiting(1), 5);
    assert_int_equal(shed(1), 0);
    end_monitor();
    assert_int_equal(waiting(0), 2);
    says(log_said(), "pool www is overloaded: 3 requests were turned away");
    assert_null(strstr(log_said(), "pool api"));
    close(fd[3]);
    close(fd[4]);
}

static void turning_away_goes_on_while_more_come(void **state)
{
    (void)state;
    int kept[2] = {get(0, ""), get(0, "")};
    worker(0, SLOT_FINISHING);
    start_monitor();
    for (int i = 0; i < 200; i++) {
        int fd = get(0, "");
        if (i % 20 == 19)
            until(waiting, 0, 2);
        close(fd);
    }
    until(shed, 0, 200);
    end_monitor();
    size_t lines = 0;
    for (const char *p = log_said(); (p = strchr(p, '\n')) != NULL; p++)
        lines++;
    assert_in_range(lines, 1, 100);
    close(kept[0]);
    close(kept[1]);
}

static void three_quarters_of_the_backlog_is_the_default(void **state)
{
    (void)state;
    int fd[BACKLOG];
    pool_config[0].queue_limit = 0;
    worker(0, SLOT_RUNNING);
    for (int i = 0; i < BACKLOG; i++)
        fd[i] = get(0, "");
    start_monitor();
    until(waiting, 0, BACKLOG * 3 / 4);
    until(shed, 0, BACKLOG / 4);
    end_monitor();
    for (int i = 0; i < BACKLOG; i++)
        close(fd[i]);
}

static void a_pool_that_may_start_more_is_not_overloaded(void **state)
{
    (void)state;
    int fd[5], other[5];
    board_head(pools[0].board)->max_children = 2;
    worker(0, SLOT_RUNNING);
    worker(1, SLOT_RUNNING);
    for (int i = 0; i < 5; i++) {
        fd[i] = get(0, "");
        other[i] = get(1, "");
    }
    start_monitor();
    until(shed, 1, 3); /* pools are looked at in their order */
    assert_int_equal(shed(0), 0);
    worker(0, SLOT_STARTING);
    until(shed, 0, 3);
    end_monitor();
    for (int i = 0; i < 5; i++) {
        close(fd[i]);
        close(other[i]);
    }
}

static void a_request_in_pieces_is_heard_to_its_end(void **state)
{
    (void)state;
    struct buf b;
    worker(0, SLOT_RUNNING);
    pool_config[0].queue_limit = 1;
    request(&b, "GET", "/", "", NULL);
    int half = dial(0), kept = get(0, "");
    give(half, b.p, 20);
    start_monitor();
    until(waiting, 0, 1);
    assert_int_equal(shed(0), 0);
    give(half, b.p + 20, b.n - 20);
    is_turned_away(half);
    assert_int_equal(waiting(0), 1);
    end_monitor();
    buf_free(&b);
    close(kept);
}

static void an_unread_body_does_not_destroy_the_reply(void **state)
{
    (void)state;
    static char body[30000];
    memset(body, 'x', sizeof body - 1);
    worker(0, SLOT_RUNNING);
    int fd[3];
    for (int i = 0; i < 3; i++)
        fd[i] = ask(0, "POST", "/", "", body);
    start_monitor();
    is_turned_away(fd[0]);
    end_monitor();
    close(fd[1]);
    close(fd[2]);
}

static void who_waits_where_no_worker_is_gets_503(void **state)
{
    (void)state;
    worker(1, SLOT_STARTING);
    int slow = get(1, ""), fd = get(0, "");
    start_monitor();
    is_turned_away(fd);
    assert_int_equal(shed(0), 1);
    /* A worker that takes its time is waited for. */
    assert_int_equal(shed(1), 0);
    end_monitor();
    says(log_said(), "pool www is overloaded");
    close(slow);
}

static void workers_that_end_as_they_start_are_not_waited_for(void **state)
{
    (void)state;
    worker(0, SLOT_STARTING);
    int fd = get(0, "");
    start_monitor();
    /* It has looked once. */
    says(reply(get(POOLS, "pool=www")), "starting processes:   1\n");
    board_release(pools[0].board, 0);
    worker(0, SLOT_STARTING);
    is_turned_away(fd);
    end_monitor();
}

static void a_paused_pool_keeps_who_waits_up_to_its_limit(void **state)
{
    (void)state;
    int fd[5];
    board_head(pools[0].board)->phase = BOARD_PAUSED;
    fd[0] = get(0, "");
    fd[1] = get(0, "");
    int other = get(1, "");
    start_monitor();
    is_turned_away(other); /* so long nobody waits where no worker is */
    assert_int_equal(shed(0), 0);
    for (int i = 2; i < 5; i++)
        fd[i] = get(0, "");
    until(shed, 0, 3);
    assert_int_equal(waiting(0), 2);
    end_monitor();
    for (int i = 0; i < 5; i++)
        close(fd[i]);
}

static void a_worker_that_saves_and_ends_is_waited_for(void **state)
{
    (void)state;
    worker(0, SLOT_SAVING);
    board_head(pools[0].board)->phase = BOARD_SAVING;
    int fd = get(0, ""), other = get(1, "");
    start_monitor();
    says(reply(get(POOLS, "pool=www")), "stopping processes:   1\n");
    board_release(pools[0].board, 0);
    is_turned_away(other);
    assert_int_equal(shed(0), 0);
    /* And no longer than until the next one does not start. */
    board_head(pools[0].board)->phase = BOARD_RUNNING;
    is_turned_away(fd);
    end_monitor();
}

static void few_descriptors_are_lived_with(void **state)
{
    (void)state;
    int fd[41];
    worker(0, SLOT_RUNNING);
    for (int i = 0; i < 41; i++)
        fd[i] = get(0, "");
    files = 12;
    start_monitor();
    for (int i = 0; i < 39; i++)
        is_turned_away(fd[i]);
    assert_int_equal(waiting(0), 2);
    says(reply(get(POOLS, "")), "shed:                 39\n");
    end_monitor();
    close(fd[39]);
    close(fd[40]);
}

static void a_pool_whose_socket_is_gone_harms_no_other(void **state)
{
    (void)state;
    int fd[3];
    worker(0, SLOT_RUNNING);
    worker(1, SLOT_RUNNING);
    close(pools[0].listen_fd);
    pools[0].listen_fd = 900;
    for (int i = 0; i < 3; i++)
        fd[i] = get(1, "");
    start_monitor();
    is_turned_away(fd[0]);
    says(reply(get(POOLS, "")), "Status: 200 OK");
    says(log_said(), "pool www: the kernel does not tell");
    end_monitor();
    close(fd[1]);
    close(fd[2]);
}

static void without_a_status_page_pools_are_watched(void **state)
{
    (void)state;
    int fd[3], old = status_fd;
    worker(0, SLOT_RUNNING);
    status_fd = -1;
    for (int i = 0; i < 3; i++)
        fd[i] = get(0, "");
    start_monitor();
    is_turned_away(fd[0]);
    end_monitor();
    status_fd = old;
    close(fd[1]);
    close(fd[2]);
}

static void a_word_from_the_supervisor_ends_it(void **state)
{
    (void)state;
    start_monitor();
    says(reply(get(POOLS, "")), "Status: 200 OK");
    give(link_fd, "x", 1);
    ends();
    close(link_fd);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_queue_of_a_unix_socket_is_known),
        TEST(the_queue_of_a_tcp_socket_is_known),
        TEST(what_is_no_socket_has_no_queue),
        TEST(the_status_page_is_served_while_all_are_busy),
        TEST(a_pool_that_is_not_there_is_404),
        TEST(ping_is_answered),
        TEST(head_gets_no_body),
        TEST(other_methods_are_405),
        TEST(those_over_the_limit_are_turned_away),
        TEST(turning_away_goes_on_while_more_come),
        TEST(three_quarters_of_the_backlog_is_the_default),
        TEST(a_pool_that_may_start_more_is_not_overloaded),
        TEST(a_request_in_pieces_is_heard_to_its_end),
        TEST(an_unread_body_does_not_destroy_the_reply),
        TEST(who_waits_where_no_worker_is_gets_503),
        TEST(a_paused_pool_keeps_who_waits_up_to_its_limit),
        TEST(a_worker_that_saves_and_ends_is_waited_for),
        TEST(workers_that_end_as_they_start_are_not_waited_for),
        TEST(few_descriptors_are_lived_with),
        TEST(a_pool_whose_socket_is_gone_harms_no_other),
        TEST(without_a_status_page_pools_are_watched),
        TEST(a_word_from_the_supervisor_ends_it),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    if (mkdtemp(dir) == NULL)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    for (int i = 0; i <= POOLS; i++)
        unlink(at[i].sun_path);
    unlink(log_path);
    rmdir(dir);
    return failed;
}
