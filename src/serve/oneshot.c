/*
 * oneshot.c - as few steps as possible between exec and the reply.
 */
#include "serve/oneshot.h"

#include "base/clock.h"
#include "bind/host.h"
#include "cgi/transport_cgi.h"
#include "engine/engine.h"
#include "serve/handler.h"
#include "serve/image_choose.h"
#include "serve/image_guard.h"
#include "serve/pool.h"
#include "serve/timing.h"
#include "serve/watchdog.h"

#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

static uint64_t write_timeout;

static const char late_line[] =
    "snapcgi: the request took longer than its time limit and was ended\n";
static const char costly_line[] =
    "snapcgi: the request used more processor time than cpu_limit and was "
    "ended\n";
static const char refusal[] = "Status: 500 Internal Server Error\r\n"
                              "Content-Type: text/plain\r\n"
                              "Content-Length: 26\r\n"
                              "\r\n"
                              "500 Internal Server Error\n";

static void say(int fd, const char *text, size_t n)
{
    if (write(fd, text, n) < 0)
        return; /* nobody is left to be told */
}

/* As much as stdout takes, which may be a pipe that is full. */
static void say_all(struct slice s)
{
    uint64_t until = clock_mono() + write_timeout;
    while (s.n > 0) {
        struct pollfd p = {.fd = STDOUT_FILENO, .events = POLLOUT};
        if (poll(&p, 1, clock_poll_ms(until)) <= 0)
            return;
        ssize_t n = write(STDOUT_FILENO, s.p, s.n < PIPE_BUF ? s.n : PIPE_BUF);
        if (n <= 0)
            return;
        s = slice_from(s, (size_t)n);
    }
}

/*
 * In the signal handler: only calls that signal-safety(7) allows. When bytes
 * are on the move it comes again soon.
 */
static void last_words(int sig)
{
    struct slice rest;
    bool cpu = sig == SIGPROF;
    if (!handler_rest(cpu, &rest))
        return;
    say_all(rest);
    int log = log_file_fd() >= 0 ? log_file_fd() : STDERR_FILENO;
    if (cpu)
        say(log, costly_line, sizeof(costly_line) - 1);
    else
        say(log, late_line, sizeof(late_line) - 1);
    _exit(0);
}

static void fatal(const char *what)
{
    image_guard_fault();
    handler_fatal(what);
}

void oneshot_refuse(void)
{
    say(STDOUT_FILENO, refusal, sizeof(refusal) - 1);
}

_Noreturn void oneshot_run(const struct config *config,
                           const struct image *image)
{
    struct pool_config one = config->cgi;
    struct handler handler;
    struct cgi_options cgi = {.environment = (const char *const *)environ,
                              .in = STDIN_FILENO,
                              .out = STDOUT_FILENO};
    struct engine_setup engine = {
        .mode = ENGINE_ONESHOT, .tables = natives, .fatal = fatal};
    /* The realm is left as it is: the process ends with the request. */
    one.reset = RESET_NONE;
    one.max_requests = 0;
    one.watch = false;
    struct image_choice choice = {
        .config = &one, .hold = IMAGE_MAP, .place = {.fd = -1}};
    struct pool_setup pool = {.config = &one,
                              .image = image,
                              .find = image_choose,
                              .arg = &choice,
                              .read = image_guard_end};
    struct transport *t = cgi_open(&cgi);
    write_timeout = one.write_timeout;
    watchdog_start_alarm(last_words);
    timing_mark("start");
    engine_start(&engine);
    timing_mark("engine");
    handler_init(&handler, &one, pool_new(&pool), true);
    handler_run(&handler, t);
    timing_print();
    _exit(0);
}
