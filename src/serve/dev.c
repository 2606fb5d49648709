/*
 * dev.c - a web server and a worker, both ours for as long as it takes.
 */
#include "serve/dev.h"

#include "base/buf.h"
#include "base/clock.h"
#include "serve/app.h"
#include "serve/listen.h"
#include "serve/worker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#define START_NS (5 * NS_PER_S) /* the web server must answer by then */
#define RESPAWN_MS 300          /* between two workers, at least */

struct dev {
    const char *server; /* lighttpd's path */
    unsigned port;
    char folder[64]; /* temporary */
    char socket[80];
    char conf[80];
    char errors[80];
    struct config config;
    struct pool_config pool;
    struct listener listener;
    const struct image *image;
    pid_t server_pid;
    pid_t worker_pid;
    sigset_t signals; /* blocked here, as they were before */
    sigset_t before;
};

/* ---- what is needed ---------------------------------------------------- */

static const char *find_server(void)
{
    static const char *const places[] = {
        "/usr/sbin/lighttpd", "/usr/local/sbin/lighttpd", "/usr/bin/lighttpd",
        "/usr/local/bin/lighttpd", "/opt/homebrew/bin/lighttpd"};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        if (access(places[i], X_OK) == 0)
            return places[i];
    return NULL;
}

static struct sockaddr_in here(unsigned port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

/* Is the port free? 0 becomes one that is. */
static int choose_port(unsigned *port)
{
    struct sockaddr_in at = here(*port);
    socklen_t n = sizeof(at);
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int failed = fd < 0 ? errno : 0;
    if (failed == 0) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 ||
            listen(fd, 1) != 0 ||
            getsockname(fd, (struct sockaddr *)&at, &n) != 0)
            failed = errno;
        close(fd);
    }
    if (failed == 0) {
        *port = ntohs(at.sin_port);
        return EX_OK;
    }
    fprintf(stderr, "snapcgi: port %u of 127.0.0.1 cannot be used: %s%s\n",
            *port, strerror(failed),
            failed == EADDRINUSE ? "; choose another with --port N (0: any)"
                                 : "");
    return EX_UNAVAILABLE;
}

static int make_files(struct dev *d)
{
    const char *tmp = getenv("TMPDIR");
    int n = snprintf(d->folder, sizeof(d->folder), "%s/snapcgi-dev-XXXXXX",
                     tmp != NULL && strlen(tmp) < 40 ? tmp : "/tmp");
    if (n >= (int)sizeof(d->folder) || mkdtemp(d->folder) == NULL) {
        fprintf(stderr, "snapcgi: cannot make a temporary folder: %s\n",
                strerror(errno));
        d->folder[0] = '\0';
        return EX_CANTCREAT;
    }
    snprintf(d->socket, sizeof(d->socket), "%s/socket", d->folder);
    snprintf(d->conf, sizeof(d->conf), "%s/conf", d->folder);
    snprintf(d->errors, sizeof(d->errors), "%s/errors", d->folder);
    FILE *f = fopen(d->conf, "we");
    if (f == NULL) {
        fprintf(stderr, "snapcgi: cannot write %s: %s\n", d->conf,
                strerror(errno));
        return EX_CANTCREAT;
    }
    fprintf(f,
            "server.modules = ( \"mod_fastcgi\" )\n"
            "server.document-root = \"%s\"\n"
            "server.bind = \"127.0.0.1\"\n"
            "server.port = %u\n"
            "server.errorlog = \"%s\"\n"
            "server.upload-dirs = ( \"%s\" )\n"
            "server.stream-response-body = 1\n"
            "fastcgi.server = ( \"/\" => (( \"socket\" => \"%s\",\n"
            "    \"check-local\" => \"disable\",\n"
            "    \"fix-root-scriptname\" => \"enable\" )) )\n",
            d->folder, d->port, d->errors, d->folder, d->socket);
    if (fclose(f) != 0) {
        fprintf(stderr, "snapcgi: cannot write %s: %s\n", d->conf,
                strerror(errno));
        return EX_CANTCREAT;
    }
    return EX_OK;
}

static void remove_files(struct dev *d)
{
    if (d->folder[0] == '\0')
        return;
    listen_close(&d->listener);
    unlink(d->conf);
    unlink(d->errors);
    rmdir(d->folder);
}

/* ---- processes --------------------------------------------------------- */

/* A child that ends when we do; 0 in the child. */
static pid_t spawn(struct dev *d)
{
    pid_t parent = getpid();
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        fprintf(stderr, "snapcgi: fork: %s\n", strerror(errno));
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        if (getppid() != parent)
            _exit(EX_UNAVAILABLE);
        sigprocmask(SIG_SETMASK, &d->before, NULL);
    }
    return pid;
}

static bool start_worker(struct dev *d)
{
    d->worker_pid = spawn(d);
    if (d->worker_pid != 0)
        return d->worker_pid > 0;
    struct worker_setup setup = {.pool = &d->pool,
                                 .image = d->image,
                                 .listen_fd = d->listener.fd,
                                 .watch_every = 0};
    _exit(worker_run(&setup));
}

static bool start_server(struct dev *d)
{
    d->server_pid = spawn(d);
    if (d->server_pid != 0)
        return d->server_pid > 0;
    /* Its own group: Ctrl-C is for us, and we end it. */
    setpgid(0, 0);
    execl(d->server, "lighttpd", "-D", "-f", d->conf, (char *)NULL);
    _exit(EX_OSERR);
}

static void stop(pid_t *pid)
{
    if (*pid <= 0)
        return;
    kill(*pid, SIGTERM);
    while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR)
        ;
    *pid = 0;
}

static bool answers(unsigned port)
{
    struct sockaddr_in at = here(port);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool ok = fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0;
    if (fd >= 0)
        close(fd);
    return ok;
}

static void show_errors(const struct dev *d)
{
    char text[4096];
    int fd = open(d->errors, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof(text)) : 0;
    fprintf(stderr, "snapcgi: lighttpd has ended\n%.*s", n > 0 ? (int)n : 0,
            text);
    if (fd >= 0)
        close(fd);
}

static bool server_has_ended(struct dev *d)
{
    if (waitpid(d->server_pid, NULL, WNOHANG) != d->server_pid)
        return false;
    d->server_pid = 0;
    show_errors(d);
    return true;
}

/* A worker whose V8 ran out of memory has ended: here is the next. */
static bool replace_worker(struct dev *d)
{
    int status;
    if (waitpid(d->worker_pid, &status, WNOHANG) != d->worker_pid)
        return true;
    d->worker_pid = 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == EX_CONFIG)
        return false;
    log_warn("the worker has ended and is replaced");
    struct timespec pause = {.tv_nsec = RESPAWN_MS * (long)NS_PER_MS};
    nanosleep(&pause, NULL);
    return start_worker(d);
}

static int wait_for_end(struct dev *d)
{
    uint64_t until = clock_mono() + START_NS;
    bool said = false;
    for (;;) {
        struct timespec soon = {.tv_nsec = 20 * (long)NS_PER_MS};
        int sig = sigtimedwait(&d->signals, NULL, said ? NULL : &soon);
        if (sig == SIGCHLD) {
            if (server_has_ended(d) || !replace_worker(d))
                return EX_UNAVAILABLE;
        } else if (sig > 0) {
            return EX_OK;
        }
        if (said)
            continue;
        said = answers(d->port);
        if (said)
            printf("http://127.0.0.1:%u/ runs %s; Ctrl-C ends it\n", d->port,
                   d->pool.app);
        fflush(stdout);
        if (!said && clock_mono() > until) {
            show_errors(d);
            return EX_UNAVAILABLE;
        }
    }
}

/* sigtimedwait() with NULL waits for ever, as sigwaitinfo() does. */
static void block_signals(struct dev *d)
{
    static const int ours[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCHLD};
    sigemptyset(&d->signals);
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        sigaddset(&d->signals, ours[i]);
    sigprocmask(SIG_BLOCK, &d->signals, &d->before);
}

static void settle(struct dev *d, const char *app)
{
    config_init(&d->config);
    d->pool = d->config.cgi;
    d->pool.name = "dev";
    d->pool.app = app;
    d->pool.root = NULL;
    d->pool.listen = d->socket;
    d->pool.listen_mode = 0600;
    d->pool.reset = RESET_CONTEXT;
    d->pool.watch = true;
    d->pool.show_errors = true;
}

int dev_run(const char *path, unsigned port, const struct image *image)
{
    char app[PATH_MAX];
    struct why why = {.text = ""};
    struct dev d = {.port = port, .image = image, .listener.fd = -1};
    if (realpath(path, app) == NULL) {
        fprintf(stderr, "snapcgi: cannot find %s: %s\n", path, strerror(errno));
        return EX_NOINPUT;
    }
    d.server = find_server();
    if (d.server == NULL) {
        fprintf(stderr, "snapcgi: dev needs the web server lighttpd: install "
                        "the package lighttpd\n");
        return EX_UNAVAILABLE;
    }
    int result = choose_port(&d.port);
    if (result != EX_OK)
        return result;
    log_set_level(LOG_INFO);
    block_signals(&d);
    settle(&d, app);
    result = make_files(&d);
    if (result == EX_OK && listen_open(&d.listener, &d.pool, &why) != OK) {
        fprintf(stderr, "snapcgi: %s\n", why.text);
        result = EX_UNAVAILABLE;
    }
    if (result == EX_OK)
        result =
            start_worker(&d) && start_server(&d) ? wait_for_end(&d) : EX_OSERR;
    stop(&d.server_pid);
    stop(&d.worker_pid);
    remove_files(&d);
    config_free(&d.config);
    return result;
}
