/*
 * main.c - finds out how the program was started, and does that.
 *
 * The mode is found, not asked for: a web server gives CGI variables, or a
 * listening socket; otherwise a person (or an init system) gives a command.
 */
#include "config.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/config.h"
#include "base/log.h"
#include "bind/host.h"
#include "engine/image_build.h"
#include "engine/image_embedded.h"
#include "serve/dev.h"
#include "serve/image_command.h"
#include "serve/listen.h"
#include "serve/oneshot.h"
#include "serve/super.h"
#include "serve/timing.h"
#include "serve/worker.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#ifndef SYSCONFDIR
#define SYSCONFDIR "/etc"
#endif

/* ---- what every mode needs --------------------------------------------- */

/* What the options of a command set. */
struct options {
    const char *config; /* -c */
    const char *pool;   /* --pool */
    const char *file;   /* the one argument */
    uint64_t port;      /* --port */
    bool keys;          /* --keys */
};

/* Descriptors 0 to 2 are open, or a socket could become one of them. */
static void open_standard(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0)
            _exit(EX_OSERR);
}

/* -c, the environment, the system's own; NULL: there is none. */
static const char *config_path(const char *given)
{
    static const char installed[] = SYSCONFDIR "/snapcgi.conf";
    if (given != NULL)
        return given;
    given = getenv("SNAPCGI_CONFIG");
    if (given != NULL)
        return given;
    return access(installed, F_OK) == 0 ? installed : NULL;
}

static int read_config(const char *path, struct config *config)
{
    struct why why = {.text = ""};
    struct buf errors;
    config_init(config);
    if (path == NULL)
        return EX_OK;
    buf_init(&errors, 64 * 1024);
    int result = EX_OK;
    if (config_read(config, path, &errors) != OK) {
        fputs(buf_str(&errors), stderr);
        result = EX_CONFIG;
    } else if (log_open(config->error_log, config->log_level, &why) != OK) {
        fprintf(stderr, "snapcgi: %s\n", why.text);
        result = EX_CONFIG;
    }
    buf_free(&errors);
    return result;
}

/*
 * The installation's own image when it is there and fits, else the one in
 * this program; one of ours that does not fit is a broken build.
 */
static const struct image *choose_image(void)
{
    static struct image image;
    char path[PATH_MAX];
    struct why why = {.text = ""};
    struct image_host host = image_host_here(natives);
    if (image_path(path, sizeof(path))) {
        enum err e = image_open_file(path, &host, &image, &why);
        if (e == OK)
            return &image;
        if (e != ERR_NOTFOUND || getenv("SNAPCGI_IMAGE") != NULL)
            log_warn("the image %s is not used: %s", path, why.text);
    }
    if (image_api_size == 0) {
        image.id[0] = '-';
        return &image; /* the tests' program without an image */
    }
    if (image_open(image_api, image_api_size, &host, &image, &why) != OK) {
        fprintf(stderr, "snapcgi: the built-in image cannot be used: %s\n",
                why.text);
        return NULL;
    }
    return &image;
}

/* ---- started by a web server ------------------------------------------- */

static bool is_cgi(void)
{
    return (getenv("GATEWAY_INTERFACE") != NULL ||
            getenv("REQUEST_METHOD") != NULL) &&
           !listen_is(STDIN_FILENO);
}

/* The arguments are ignored: they may be the query (RFC 3875 4.4). */
_Noreturn static void run_cgi(void)
{
    struct config config;
    int result = read_config(config_path(NULL), &config);
    timing_mark("config");
    const struct image *image = result == EX_OK ? choose_image() : NULL;
    timing_mark("image");
    if (image != NULL)
        oneshot_run(&config, image);
    oneshot_refuse();
    _exit(result != EX_OK ? result : EX_SOFTWARE);
}

/*
 * The pool a handed-over socket is for: the one named, or the only one of a
 * file that was named. Otherwise [cgi] says how scripts are run.
 */
static struct pool_config *pool_of(struct config *config,
                                   const struct options *o)
{
    if (o->pool != NULL)
        return config_pool(config, o->pool);
    if (o->config != NULL && config->pool_count > 0)
        return config_pool(config, NULL);
    return &config->cgi;
}

static int run_fcgi(const struct options *o, int listen_fd)
{
    struct config config;
    /* Who started us may have left anything open. */
    close_range((unsigned)(listen_fd > 2 ? LISTEN_FDS_START + listen_fds() : 3),
                ~0U, 0);
    int result = read_config(config_path(o->config), &config);
    if (result != EX_OK)
        return result;
    struct pool_config *pool = pool_of(&config, o);
    if (pool == NULL) {
        fprintf(stderr, "snapcgi: %s has %zu pools; choose one with --pool\n",
                config.path, config.pool_count);
        return EX_CONFIG;
    }
    struct worker_setup setup = {.pool = pool,
                                 .image = choose_image(),
                                 .listen_fd = listen_fd,
                                 .watch_every = WORKER_WATCH_EVERY};
    return setup.image != NULL ? worker_run(&setup) : EX_SOFTWARE;
}

/* ---- commands ---------------------------------------------------------- */

static int run_serve(const struct options *o)
{
    struct config config;
    int result = read_config(config_path(o->config), &config);
    const struct image *image = result == EX_OK ? choose_image() : NULL;
    if (image == NULL)
        return result != EX_OK ? result : EX_SOFTWARE;
    return super_run(&config, o->pool, image);
}

static int run_dev(const struct options *o)
{
    const struct image *image = choose_image();
    return image != NULL ? dev_run(o->file, (unsigned)o->port, image)
                         : EX_SOFTWARE;
}

static int run_check(const struct options *o)
{
    struct config config;
    if (o->keys) {
        for (const struct config_key *k = config_table(); k->name; k++)
            printf("%s\t%s\t%s\t%s\t%s\n", k->name, k->section, k->type,
                   k->fallback != NULL ? k->fallback : "", k->help);
        return EX_OK;
    }
    struct buf errors;
    const char *path = config_path(o->config);
    buf_init(&errors, 64 * 1024);
    config_init(&config);
    int result = EX_OK;
    if (path != NULL && config_read(&config, path, &errors) != OK) {
        fputs(buf_str(&errors), stderr);
        result = EX_CONFIG;
    } else {
        config_print(&config, stdout);
    }
    buf_free(&errors);
    config_free(&config);
    return result;
}

static int run_version(const struct options *o)
{
    (void)o;
    const struct image *image = choose_image();
    printf("snapcgi %s\nV8 %s (%s)\nimage %s\n", PACKAGE_VERSION,
           engine_version(), V8_SUPPLY, image != NULL ? image->id : "none");
    return image != NULL ? EX_OK : EX_SOFTWARE;
}

static int run_help(const struct options *o);

/* Letters of options a command takes: c config, p pool, n port, k keys. */
static const struct command {
    const char *name;
    const char *takes;
    bool file; /* needs exactly one argument */
    int (*run)(const struct options *o);
    const char *usage;
} commands[] = {
    {"serve", "cp", false, run_serve, "serve [-c FILE] [--pool NAME]"},
    {"dev", "n", true, run_dev, "dev FILE [--port N]"},
    {"check", "ck", false, run_check, "check [-c FILE] [--keys]"},
    {"image", "", false, NULL, "image build --api [-o FILE]"},
    {NULL, "", false, NULL, "image verify FILE"},
    {"--version", "", false, run_version, "--version"},
    {"--help", "", false, run_help, "--help"},
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static int run_help(const struct options *o)
{
    (void)o;
    puts("snapcgi runs JavaScript functions by FastCGI and CGI.\n");
    for (size_t i = 0; i < COMMANDS; i++)
        printf("%s snapcgi %s\n", i == 0 ? "usage:" : "      ",
               commands[i].usage);
    puts("\nStarted by a web server it needs no command: CGI variables in "
         "the\nenvironment, or a listening socket as descriptor 0, say what "
         "to do.\nSee snapcgi(8) and snapcgi.conf(5).");
    return EX_OK;
}

static int misused(const char *sentence, const char *what)
{
    fprintf(stderr, "snapcgi: %s %s; see snapcgi --help\n", sentence, what);
    return EX_USAGE;
}

static const struct option {
    const char *name;
    char letter;
    bool value;
} known[] = {{"-c", 'c', true},
             {"--pool", 'p', true},
             {"--port", 'n', true},
             {"--keys", 'k', false}};

/* Reads argv[from...] as the options in takes, and one argument if file. */
static int parse(int argc, char **argv, int from, const char *takes, bool file,
                 struct options *o)
{
    *o = (struct options){.port = DEV_PORT};
    for (int i = from; i < argc; i++) {
        const struct option *opt = NULL;
        for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++)
            if (strcmp(known[k].name, argv[i]) == 0 &&
                strchr(takes, known[k].letter) != NULL)
                opt = &known[k];
        if (opt == NULL && file && o->file == NULL && argv[i][0] != '-') {
            o->file = argv[i];
            continue;
        }
        if (opt == NULL)
            return misused(argv[i][0] == '-' ? "unknown option"
                                             : "unexpected argument",
                           argv[i]);
        if (opt->value && i + 1 == argc)
            return misused("a value must follow", argv[i]);
        if (opt->letter == 'k')
            o->keys = true;
        if (opt->letter == 'c')
            o->config = argv[++i];
        if (opt->letter == 'p')
            o->pool = argv[++i];
        if (opt->letter == 'n' &&
            !slice_u64(slice_of(argv[++i]), 65535, &o->port))
            return misused("no port number:", argv[i]);
    }
    return !file || o->file != NULL ? EX_OK : misused("no FILE was", "given");
}

static int run_command(int argc, char **argv)
{
    struct options o;
    if (argc < 2)
        return misused("no command was", "given");
    if (strcmp(argv[1], "image") == 0)
        return image_command(argc - 1, argv + 1);
    for (size_t i = 0; i < COMMANDS; i++) {
        const struct command *c = &commands[i];
        if (c->run == NULL || strcmp(c->name, argv[1]) != 0)
            continue;
        int result = parse(argc, argv, 2, c->takes, c->file, &o);
        return result == EX_OK ? c->run(&o) : result;
    }
    return misused("unknown command", argv[1]);
}

/*
 * Without a command a listening socket that was handed over is served. With
 * `serve` and LISTEN_FDS the configuration's pools take the sockets; other
 * commands mean what they always do.
 */
static int run(int argc, char **argv)
{
    struct options o;
    bool serve = argc > 1 && strcmp(argv[1], "serve") == 0;
    bool command = argc > 1 && !serve && argv[1][0] != '-';
    bool handed = listen_fds() > 0;
    if (argc > 1 &&
        (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "--help") == 0))
        command = true;
    if (command || (serve && handed) || (!handed && !listen_is(STDIN_FILENO)))
        return run_command(argc, argv);
    int result = parse(argc, argv, serve ? 2 : 1, "cp", false, &o);
    if (result != EX_OK)
        return result;
    return run_fcgi(&o, handed ? LISTEN_FDS_START : STDIN_FILENO);
}

int main(int argc, char **argv)
{
    uint64_t started = clock_mono();
    open_standard();
    signal(SIGPIPE, SIG_IGN);
    if (is_cgi()) {
        if (getenv("SNAPCGI_TIMING") != NULL)
            timing_start(started);
        run_cgi();
    }
    int result = run(argc, argv);
    /* Not exit(): V8's threads may still run, its statics must not go. */
    fflush(NULL);
    _exit(result);
}
