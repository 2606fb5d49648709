/*
 * oneshot.c - as few steps as possible between exec and the reply.
 */
#include "serve/oneshot.h"

#include "bind/host.h"
#include "cgi/transport_cgi.h"
#include "engine/engine.h"
#include "serve/handler.h"
#include "serve/pool.h"
#include "serve/timing.h"
#include "serve/watchdog.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char late_reply[] = "Status: 504 Gateway Timeout\r\n"
                                 "Content-Type: text/plain\r\n"
                                 "Content-Length: 20\r\n"
                                 "\r\n"
                                 "504 Gateway Timeout\n";
static const char late_line[] =
    "snapcgi: the request took longer than its time limit and was ended\n";
static const char refusal[] = "Status: 500 Internal Server Error\r\n"
                              "Content-Type: text/plain\r\n"
                              "Content-Length: 26\r\n"
                              "\r\n"
                              "500 Internal Server Error\n";

/* Bytes of a reply are on their way: a second head must not follow. */
static volatile sig_atomic_t wrote;
static enum err (*inner_write)(struct transport *t, const void *p, size_t n,
                               size_t *out);

static enum err noted_write(struct transport *t, const void *p, size_t n,
                            size_t *out)
{
    wrote = 1;
    return inner_write(t, p, n, out);
}

static void say(int fd, const char *text, size_t n)
{
    if (write(fd, text, n) < 0)
        return; /* nobody is left to be told */
}

/* In the signal handler: only calls that signal-safety(7) allows. */
static void last_words(int sig)
{
    (void)sig;
    if (!wrote)
        say(STDOUT_FILENO, late_reply, sizeof(late_reply) - 1);
    say(log_fd(), late_line, sizeof(late_line) - 1);
    _exit(0);
}

void oneshot_refuse(void)
{
    say(STDOUT_FILENO, refusal, sizeof(refusal) - 1);
}

/*
 * Apache's Action runs this program as the script, with the function's file
 * as the path after it. REDIRECT_STATUS shows that the server did that: a
 * client that names the program itself must not choose the file.
 */
static void follow_action(void)
{
    struct stat script, program;
    const char *name = getenv("SCRIPT_FILENAME");
    const char *path = getenv("PATH_TRANSLATED");
    if (name == NULL || path == NULL || getenv("REDIRECT_STATUS") == NULL)
        return;
    if (stat(name, &script) == 0 && stat("/proc/self/exe", &program) == 0 &&
        script.st_dev == program.st_dev && script.st_ino == program.st_ino &&
        setenv("SCRIPT_FILENAME", path, 1) != 0)
        unsetenv("SCRIPT_FILENAME");
}

_Noreturn void oneshot_run(const struct config *config,
                           const struct image *image)
{
    follow_action();
    struct pool_config one = config->cgi;
    struct transport_ops ops;
    struct handler handler;
    struct cgi_options cgi = {.environment = (const char *const *)environ,
                              .in = STDIN_FILENO,
                              .out = STDOUT_FILENO,
                              .err = STDERR_FILENO};
    struct engine_setup engine = {
        .mode = ENGINE_ONESHOT, .tables = natives, .fatal = handler_fatal};
    /* The realm is left as it is: the process ends with the request. */
    one.reset = RESET_NONE;
    one.max_requests = 0;
    one.watch = false;
    struct pool_setup pool = {.config = &one, .image = image};
    struct transport *t = cgi_open(&cgi);
    ops = *t->ops;
    inner_write = ops.write;
    ops.write = noted_write;
    t->ops = &ops;
    watchdog_start_alarm(last_words);
    timing_mark("start");
    engine_start(&engine);
    timing_mark("engine");
    handler_init(&handler, &one, pool_new(&pool), true);
    handler_run(&handler, t);
    timing_print();
    _exit(0);
}
