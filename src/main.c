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
#include "serve/access.h"
#include "serve/ctl.h"
#include "serve/dev.h"
#include "serve/crew.h"
#include "serve/image_auto.h"
#include "serve/image_command.h"
#include "serve/listen.h"
#include "serve/oneshot.h"
#include "serve/super.h"
#include "serve/timing.h"
#include "serve/title.h"
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
    bool background;    /* -D */
    bool foreground;    /* -F */
    bool test;          /* -t */
};

/* For the supervisor, which may execute this program again. */
static char **arguments;

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

static enum err open_log(const struct config *config, struct why *why)
{
    struct log_options o = {.target = config->error_log,
                            .least = config->log_level,
                            .format = config->log_format,
                            .ident = config->syslog_ident,
                            .facility = config->syslog_facility};
    return log_open(&o, why);
}

/*
 * What a supervisor has tried before it executed this program. Nobody has
 * tried what is in the file by now.
 */
static FILE *tried_config(void)
{
    uint64_t fd;
    const char *name = getenv("SNAPCGI_TRIED");
    bool there = getenv("SNAPCGI_HANDOVER") != NULL && name != NULL &&
                 slice_u64(slice_of(name), INT32_MAX, &fd);
    unsetenv("SNAPCGI_TRIED");
    return there && lseek((int)fd, 0, SEEK_SET) == 0 ? fdopen((int)fd, "r")
                                                     : NULL;
}

/* False when there are mistakes, which are on stderr then. */
static bool parse_config(const char *path, struct config *config)
{
    struct buf errors;
    config_init(config);
    if (path == NULL)
        return true;
    buf_init(&errors, 64 * 1024);
    FILE *in = tried_config();
    enum err e = in != NULL ? config_read_stream(config, in, path, &errors)
                            : config_read(config, path, &errors);
    if (in != NULL)
        fclose(in);
    bool good = e == OK;
    fputs(buf_str(&errors), stderr);
    buf_free(&errors);
    return good;
}

static int read_config(const char *path, struct config *config)
{
    struct why why = {.text = ""};
    if (!parse_config(path, config))
        return EX_CONFIG;
    if (path == NULL || open_log(config, &why) == OK)
        return EX_OK;
    fprintf(stderr, "snapcgi: %s\n", why.text);
    return EX_CONFIG;
}

static bool is_cgi(void)
{
    return (getenv("GATEWAY_INTERFACE") != NULL ||
            getenv("REQUEST_METHOD") != NULL) &&
           !listen_is(STDIN_FILENO);
}

/*
 * The installation's own image when it is there and fits, else the one in
 * this program; one of ours that does not fit is a broken build. aloud: to
 * stderr and not to the log.
 */
static const struct image *choose_image(bool aloud)
{
    static struct image image;
    char path[PATH_MAX];
    struct why why = {.text = ""};
    struct image_host host = image_host_here(natives);
    if (image_path(path, sizeof(path))) {
        enum err e = image_open_file(path, is_cgi() ? IMAGE_MAP : IMAGE_COPY,
                                     &host, &image, &why);
        if (e == OK)
            return &image;
        bool worth = e != ERR_NOTFOUND || getenv("SNAPCGI_IMAGE") != NULL;
        if (worth && aloud)
            fprintf(stderr, "snapcgi: the image %s is not used: %s\n", path,
                    why.text);
        else if (worth)
            log_warn("the image %s is not used: %s", path, why.text);
    }
    if (image_api_size == 0) {
        image.id[0] = '-';
        return &image; /* the tests' program without an image */
    }
    if (image_open_embedded(image_api, image_api_size, &host, &image, &why) !=
        OK) {
        fprintf(stderr, "snapcgi: the built-in image cannot be used: %s\n",
                why.text);
        return NULL;
    }
    return &image;
}

/* ---- started by a web server ------------------------------------------- */

/* The arguments are ignored: they may be the query (RFC 3875 4.4). */
_Noreturn static void run_cgi(void)
{
    struct config config;
    int result = read_config(config_path(NULL), &config);
    timing_mark("config");
    const struct image *image = result == EX_OK ? choose_image(false) : NULL;
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

/* A worker's life in a child of the supervisor. */
static int work(const struct child_place *place)
{
    struct worker_setup setup = {.pool = place->config,
                                 .image = choose_image(false),
                                 .listen_fd = place->listen_fd,
                                 .watch_every = WORKER_WATCH_EVERY,
                                 .place = place};
    return setup.image != NULL ? worker_run(&setup) : EX_CONFIG;
}

/* Makes a pool's image in a child of the supervisor. */
static int make(const struct child_place *place)
{
    const struct image *api = choose_image(false);
    log_about(place->config->name, NULL, NULL);
    if (api == NULL)
        return CREW_IMAGE_NONE;
    switch (image_auto(place->config, place->identity, api)) {
    case IMAGE_AUTO_SAME:
        return CREW_IMAGE_SAME;
    case IMAGE_AUTO_NEW:
        return CREW_IMAGE_NEW;
    case IMAGE_AUTO_KILLED:
        return CREW_IMAGE_KILLED;
    case IMAGE_AUTO_NONE:
        break;
    }
    return CREW_IMAGE_NONE;
}

static bool can_work(void)
{
    return choose_image(true) != NULL; /* who tests is at the terminal */
}

static int supervise(struct config *config, const struct options *o,
                     struct pool_config *given, int given_fd)
{
    struct super_setup setup = {
        .argv = arguments,
        .path = config_path(o->config),
        .pool = o->pool,
        .given = given,
        .given_fd = given_fd,
        .test = o->test,
        .daemonize = !o->foreground && (o->background || config->daemonize),
        .work = work,
        .make = make,
        .check = can_work};
    return super_run(config, &setup);
}

/*
 * How many children the parent wants, in the variable that lighttpd and
 * spawn-fcgi use for it; 0 when it starts as many processes as it needs, as
 * mod_fcgid does.
 */
static uint64_t children_wanted(void)
{
    uint64_t n = 0;
    slice_u64(slice_of(getenv("PHP_FCGI_CHILDREN")), 4096, &n);
    return n;
}

static int run_fcgi(const struct options *o, int listen_fd, bool serve)
{
    struct config config;
    uint64_t children = children_wanted();
    bool again = getenv("SNAPCGI_HANDOVER") != NULL;
    /* Who started us may have left anything open. */
    if (!again)
        close_range(
            (unsigned)(listen_fd > 2 ? LISTEN_FDS_START + listen_fds() : 3),
            ~0U, 0);
    int result = read_config(config_path(o->config), &config);
    if (result != EX_OK && (!again || o->test))
        return result;
    if (result != EX_OK) {
        config_free(&config); /* as if it had no pool: see super_run() */
        return supervise(&config, o, NULL, -1);
    }
    struct pool_config *pool = pool_of(&config, o);
    if (pool == NULL) {
        fprintf(stderr, "snapcgi: %s has %zu pools; choose one with --pool\n",
                config.path, config.pool_count);
        return EX_CONFIG;
    }
    if (serve || children > 0) {
        if (children > 1) /* 1 is lighttpd's own idea of it */
            pool->max_children = children;
        return supervise(&config, o, pool, listen_fd);
    }
    struct worker_setup setup = {.pool = pool,
                                 .image = choose_image(false),
                                 .listen_fd = listen_fd,
                                 .watch_every = WORKER_WATCH_EVERY};
    return setup.image != NULL ? worker_run(&setup) : EX_SOFTWARE;
}

/* ---- commands ---------------------------------------------------------- */

static int run_serve(const struct options *o)
{
    struct config config;
    bool again = getenv("SNAPCGI_HANDOVER") != NULL;
    int result = read_config(config_path(o->config), &config);
    /* There are workers to look after, whatever the configuration says. */
    if (result != EX_OK && (!again || o->test))
        return result;
    return supervise(&config, o, NULL, -1);
}

static int run_dev(const struct options *o)
{
    const struct image *image = choose_image(false);
    return image != NULL ? dev_run(o->file, (unsigned)o->port, image)
                         : EX_SOFTWARE;
}

static bool check_formats(const struct config *config)
{
    bool good = true;
    for (size_t i = 0; i < config->pool_count; i++) {
        struct why why;
        struct access *format = NULL;
        const struct pool_config *p = &config->pools[i];
        if (access_parse(p->access_format, &format, &why) != OK) {
            fprintf(stderr, "%s: pool %s: %s\n", config->path, p->name,
                    why.text);
            good = false;
        }
        access_free(format);
    }
    return good;
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
    int result = EX_CONFIG;
    if (parse_config(config_path(o->config), &config) &&
        check_formats(&config)) {
        config_print(&config, stdout);
        result = EX_OK;
    }
    config_free(&config);
    return result;
}

static int run_version(const struct options *o)
{
    (void)o;
    const struct image *image = choose_image(false);
    printf("snapcgi %s\nV8 %s (%s)\nimage %s\n", PACKAGE_VERSION,
           engine_version(), V8_SUPPLY, image != NULL ? image->id : "none");
    return image != NULL ? EX_OK : EX_SOFTWARE;
}

static int run_help(const struct options *o);

#define SERVE_TAKES "cpFDt"

/* Letters of options a command takes, see known[]. */
static const struct command {
    const char *name;
    const char *takes;
    bool file; /* needs exactly one argument */
    int (*run)(const struct options *o);
    const char *usage;
} commands[] = {
    {"serve", SERVE_TAKES, false, run_serve,
     "serve [-c FILE] [--pool NAME] [-F | -D] [-t]"},
    {"ctl", "", false, NULL, "ctl [-c FILE | -s SOCKET] VERB [WORD ...]"},
    {"dev", "n", true, run_dev, "dev FILE [--port N]"},
    {"check", "ck", false, run_check, "check [-c FILE] [--keys]"},
    {"image", "", false, NULL,
     "image build | inspect | verify | diff | keygen | sign | recode ..."},
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
} known[] = {
    {"-c", 'c', true},           {"--pool", 'p', true}, {"--port", 'n', true},
    {"--keys", 'k', false},      {"-F", 'F', false},    {"-D", 'D', false},
    {"--daemonize", 'D', false}, {"-t", 't', false},    {"--test", 't', false}};

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
        if (opt->letter == 'F')
            o->foreground = true;
        if (opt->letter == 'D')
            o->background = true;
        if (opt->letter == 't')
            o->test = true;
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

/* The words after `ctl`; its options come before the verb. */
static int run_ctl(char **word)
{
    struct config config;
    const char *file = NULL, *path = NULL;
    for (; *word != NULL && (*word)[0] == '-'; word += 2) {
        if (strcmp(*word, "--help") == 0) {
            ctl_usage();
            return EX_OK;
        }
        if (word[1] == NULL)
            return misused("a value must follow", *word);
        if (strcmp(*word, "-s") == 0)
            path = word[1];
        else if (strcmp(*word, "-c") == 0)
            file = word[1];
        else
            return misused("unknown option", *word);
    }
    if (*word == NULL)
        return misused("no verb was", "given");
    config_init(&config);
    if (path == NULL && !parse_config(config_path(file), &config))
        return EX_CONFIG;
    if (path == NULL)
        path = config.control;
    if (path == NULL) {
        fprintf(stderr, "snapcgi: which supervisor? Say -s SOCKET, or -c FILE "
                        "with a configuration that has the socket of the "
                        "running one as control\n");
        return EX_CONFIG;
    }
    return ctl_run(path, (const char *const *)word);
}

static int run_command(int argc, char **argv)
{
    struct options o;
    if (argc < 2)
        return misused("no command was", "given");
    if (strcmp(argv[1], "image") == 0)
        return image_command(argc - 1, argv + 1, choose_image);
    if (strcmp(argv[1], "ctl") == 0)
        return run_ctl(argv + 2);
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
    int result = parse(argc, argv, serve ? 2 : 1, SERVE_TAKES, false, &o);
    if (result != EX_OK)
        return result;
    return run_fcgi(&o, handed ? LISTEN_FDS_START : STDIN_FILENO, serve);
}

/* The ones of the kernel may be written over, see title.h. */
static char **copy_of(char **argv)
{
    size_t n = 0;
    while (argv[n] != NULL)
        n++;
    char **copy = xalloc((n + 1) * sizeof(*copy));
    for (size_t i = 0; i < n; i++)
        copy[i] = xstrdup(argv[i]);
    return copy;
}

int main(int argc, char **argv)
{
    uint64_t started = clock_mono();
    open_standard();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a log at its limit is no reason to end */
    signal(SIGCHLD, SIG_DFL); /* ignored, nobody hears how a child ended */
    if (is_cgi()) {
        if (getenv("SNAPCGI_TIMING") != NULL)
            timing_start(started);
        run_cgi();
    }
    arguments = copy_of(argv);
    title_init(argv);
    int result = run(argc, arguments);
    /* Not exit(): V8's threads may still run, its statics must not go. */
    fflush(NULL);
    _exit(result);
}
