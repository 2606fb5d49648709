/*
 * test_crew_state.c - the files of a kept state; and, as `test_crew_state
 * serve -c FILE`, a supervisor whose worker keeps a number, for
 * tests/super/kept-state.t. That worker does what the query of a request says
 * and dies where it is told to, which no application can.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "cgi/transport_fcgi.h"
#include "serve/crew.h"
#include "serve/keep.h"
#include "serve/reply.h"
#include "serve/super.h"
#include "serve/title.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/ptrace.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

/* ---- a worker that keeps a number --------------------------------------- */

struct fake {
    const struct child_place *place;
    struct slot *slot;
    struct fcgi *fcgi;
    int signal_fd;
    unsigned long long number;
    bool refuse;      /* to save */
    bool told;        /* to end, whatever becomes of the state */
    bool asked;       /* to save */
    char die[16];     /* where: "half", "synced", "told", "lie", "status" */
    char gate[200];   /* a file without which saving does not begin */
    const char *code; /* "which code this is" */
};

static void call(void)
{
    (void)!write(STDOUT_FILENO, "\n", 1);
}

static void await(const char *path)
{
    while (path[0] != '\0' && access(path, F_OK) != 0)
        poll(NULL, 0, 5);
}

static void die_at(const struct fake *f, const char *where)
{
    if (strcmp(f->die, where) == 0)
        raise(SIGKILL);
}

/* The value of name= in the query; "" when it is not there. */
static void word_of(struct slice query, const char *name, char *out, size_t max)
{
    out[0] = '\0';
    while (query.n > 0) {
        struct slice word = {query.p, slice_find(query, '&')};
        query = slice_from(query, word.n + 1);
        if (slice_starts(word, name))
            snprintf(out, max, "%.*s", (int)(word.n - strlen(name)),
                     word.p + strlen(name));
    }
}

static void answer(struct fake *f, struct transport *t)
{
    char text[64], path[200];
    struct slice query = reply_var(t, "QUERY_STRING");
    struct slot_request r = {.started = clock_mono()};
    slot_begin(f->slot, &r);
    slot_set(f->slot, SLOT_RUNNING);
    slot_count(f->slot, TALLY_REQUESTS);
    if (slice_is(query, "refuse") || slice_is(query, "accept"))
        f->refuse = slice_is(query, "refuse");
    if (slice_is(query, "crash"))
        raise(SIGKILL);
    if (slice_starts(query, "die="))
        word_of(query, "die=", f->die, sizeof(f->die));
    if (slice_starts(query, "gate="))
        word_of(query, "gate=", f->gate, sizeof(f->gate));
    word_of(query, "wait=", path, sizeof(path));
    await(path);
    if (slice_is(query, "asks")) {
        atomic_store(&f->slot->kept.asks, true);
        call();
    }
    if (query.n == 0)
        f->number++;
    snprintf(text, sizeof(text), "%llu %d", f->number, (int)getpid());
    struct reply reply = {.status = 200,
                          .fields = "Content-Type: text/plain\r\n",
                          .body = slice_of(text)};
    slot_end(f->slot, 1, 1);
    reply_send(t, &reply);
    slot_set(f->slot, f->told || f->asked ? SLOT_STOPPING : SLOT_IDLE);
}

/* True when it is over. */
static bool save(struct fake *f)
{
    char text[128];
    uint64_t begun = clock_mono();
    int fd = f->place->state_out;
    slot_set(f->slot, SLOT_SAVING);
    await(f->gate);
    if (f->refuse) {
        snprintf(f->slot->kept.refusal, sizeof(f->slot->kept.refusal),
                 "a fork holds the spoon");
        atomic_fetch_add(&f->slot->kept.refused, 1);
        slot_set(f->slot, SLOT_IDLE);
        f->asked = false;
        call();
        return f->told;
    }
    size_t n =
        (size_t)snprintf(text, sizeof(text), "%s %llu\n", f->code, f->number);
    (void)!write(fd, text, n / 2);
    die_at(f, "half");
    if (strcmp(f->die, "lie") == 0)
        _exit(0);
    (void)!write(fd, text + n / 2, n - n / 2);
    fsync(fd);
    die_at(f, "synced");
    f->slot->kept.duration = clock_mono() - begun + NS_PER_MS;
    atomic_store(&f->slot->kept.saved, strcmp(f->die, "more") == 0 ? n + 1 : n);
    die_at(f, "told");
    if (strcmp(f->die, "status") == 0)
        _exit(EX_SOFTWARE);
    return true;
}

static void obey(struct fake *f)
{
    struct signalfd_siginfo got;
    struct link_message m;
    enum err e;
    while (read(f->signal_fd, &got, sizeof(got)) == sizeof(got))
        if (got.ssi_signo == SIGTERM || got.ssi_signo == SIGQUIT) {
            f->told = true;
            fcgi_drain(f->fcgi, false);
        }
    while ((e = link_receive(f->place->link, &m)) == OK) {
        if (m.word != LINK_SAVE && m.word != LINK_LAST)
            continue;
        f->told = f->told || m.word == LINK_LAST;
        f->asked = f->asked || m.word == LINK_SAVE;
        fcgi_drain(f->fcgi,
                   m.word == LINK_LAST || strcmp(m.text, LINK_CLOSE) == 0);
    }
    if (e == ERR_EOF)
        f->told = true;
}

static bool begin(struct fake *f)
{
    struct fcgi_options o = {.listen_fd = f->place->listen_fd,
                             .max_conns = 50,
                             .header_timeout = NS_PER_S,
                             .write_timeout = NS_PER_S,
                             .queue = f->place->kept,
                             .max_params = 100,
                             .max_param_bytes = 65536};
    return fcgi_open(&o, &f->fcgi) == OK;
}

static bool load(struct fake *f)
{
    char text[128] = "", code[32];
    unsigned long long number = 0;
    if (f->place->state_in < 0)
        return true;
    if (getenv("FAKE_GATE") != NULL)
        await(getenv("FAKE_GATE"));
    (void)!read(f->place->state_in, text, sizeof(text) - 1);
    if (sscanf(text, "%31s %llu", code, &number) != 2) {
        fprintf(stderr, "the state is not whole\n");
        return false;
    }
    bool same = strcmp(code, f->code) == 0;
    if (!same && f->place->config->on_mismatch == MISMATCH_REFUSE) {
        fprintf(stderr, "the state is of code %s and not of %s\n", code,
                f->code);
        return false;
    }
    atomic_store(&f->slot->kept.fresh, !same);
    f->number = same ? number : 0;
    return true;
}

static void take_signals(struct fake *f)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGQUIT);
    sigprocmask(SIG_SETMASK, &set, NULL);
    f->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

/* As confine() does: a client of the supervisor must not be held open here. */
static void close_others(const struct child_place *p)
{
    int keep[] = {p->listen_fd, p->link,     p->kept[0],  p->kept[1],
                  log_fd(),     p->state_in, p->state_out};
    for (int fd = STDERR_FILENO + 1; fd < 1024; fd++) {
        bool ours = false;
        for (size_t i = 0; i < sizeof(keep) / sizeof(keep[0]); i++)
            ours = ours || keep[i] == fd;
        if (!ours)
            close(fd);
    }
}

static int fake_work(const struct child_place *place)
{
    const char *code = getenv("FAKE_CODE");
    struct fake f = {.place = place, .code = code != NULL ? code : "one"};
    struct transport *t;
    if (board_join(place->board, (uint32_t)place->slot, &f.slot) != OK)
        return EX_OSERR;
    close_others(place);
    take_signals(&f);
    struct epoll_event in = {.events = EPOLLIN};
    int wake = epoll_create1(EPOLL_CLOEXEC);
    epoll_ctl(wake, EPOLL_CTL_ADD, f.signal_fd, &in);
    epoll_ctl(wake, EPOLL_CTL_ADD, place->link, &in);
    if (!load(&f) || !begin(&f))
        return EX_CONFIG;
    slot_set(f.slot, SLOT_IDLE);
    call();
    for (;;) {
        enum err e = fcgi_next(f.fcgi, 0, wake, &t);
        if (e == OK)
            answer(&f, t);
        if (e == ERR_ABORTED)
            obey(&f);
        if (e == ERR_IO)
            return EX_IOERR;
        if (e != ERR_EOF)
            continue;
        if (save(&f))
            return atomic_load(&f.slot->kept.saved) > 0 ? EX_OK : EX_IOERR;
        fcgi_close(f.fcgi); /* it drains for good: another takes its place */
        if (!begin(&f))
            return EX_IOERR;
    }
}

/* Each finds that it has made another image. */
static int fake_make(const struct child_place *place)
{
    (void)place;
    return CREW_IMAGE_NEW;
}

static bool can_work(void)
{
    return true;
}

static int serve(int argc, char **argv)
{
    struct config config;
    struct buf errors;
    struct super_setup setup = {.argv = argv,
                                .given_fd = -1,
                                .work = fake_work,
                                .make = fake_make,
                                .check = can_work};
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "-t") == 0)
            setup.test = true;
        if (strcmp(argv[i], "-c") == 0 && i + 1 < argc)
            setup.path = argv[i + 1];
    }
    title_init(argv); /* by which workers are found */
    buf_init(&errors, 16384);
    config_init(&config);
    if (config_read(&config, setup.path, &errors) != OK) {
        fputs(buf_str(&errors), stderr);
        return EX_CONFIG;
    }
    struct log_options o = {.target = config.error_log,
                            .least = config.log_level};
    log_open(&o, NULL);
    return super_run(&config, &setup);
}

/* ---- the files ----------------------------------------------------------- */

static char dir[] = "/tmp/test_crew_state.XXXXXX";
static struct keep keep;

static const char *at(const char *suffix)
{
    static char path[2][256];
    static unsigned turn;
    char *p = path[turn++ % 2];
    snprintf(p, sizeof(path[0]), "%s/state%s", dir, suffix);
    return p;
}

static void write_text(const char *suffix, const char *text)
{
    FILE *f = fopen(at(suffix), "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    chmod(at(suffix), 0600);
}

static void has_text(const char *suffix, const char *text)
{
    char got[64] = "";
    FILE *f = fopen(at(suffix), "r");
    if (f == NULL)
        fail_msg("there is no %s", at(suffix));
    (void)!fgets(got, sizeof(got), f);
    fclose(f);
    assert_string_equal(got, text);
}

static bool is_there(const char *suffix)
{
    struct stat st;
    return lstat(at(suffix), &st) == 0;
}

/* A file system that cannot do it: these are what keep.c calls. */
static bool no_links;
static const char *no_name; /* no file gets a name with that end; NULL */

int linkat(int from_dir, const char *from, int to_dir, const char *to,
           int flags)
{
    if (!no_links)
        return (int)syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
    errno = EPERM;
    return -1;
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    if (no_name == NULL || strstr(to, no_name) == NULL)
        return (int)syscall(SYS_renameat2, from_dir, from, to_dir, to, 0);
    errno = EIO;
    return -1;
}

static int set_up(void **state)
{
    struct pool_config config = {.state = at(""), .state_keep = 2};
    struct identity id = {.change = false};
    (void)state;
    strcpy(dir + strlen(dir) - 6, "XXXXXX");
    if (mkdtemp(dir) == NULL)
        return -1;
    config.state = at("");
    keep_init(&keep, &config, &id);
    return 0;
}

static int tear_down(void **state)
{
    char command[128];
    (void)state;
    no_links = false;
    no_name = NULL;
    keep_close(&keep);
    chmod(dir, 0700);
    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    return system(command);
}

static char said[512]; /* by the last save_text() that failed */

/* What a worker writes; gives the file, to be closed. */
static int write_new(const char *text)
{
    struct why why;
    int in, out;
    assert_int_equal(keep_open(&keep, &in, &out, &why), OK);
    assert_int_equal(write(out, text, strlen(text)), (int)strlen(text));
    if (in >= 0)
        close(in);
    return out;
}

/* A worker has written it, and said so. */
static enum err save_text(const char *text, bool aside)
{
    struct why why;
    uint64_t size;
    close(write_new(text));
    enum err e = keep_commit(&keep, strlen(text), aside, &size, &why);
    keep_close(&keep);
    snprintf(said, sizeof(said), "%s", e == OK ? "" : why.text);
    return e;
}

static void refused(enum err want, const char *words)
{
    struct why why = {.text = ""};
    int in = 0, out = 0;
    assert_int_equal(keep_check(&keep, &why), want);
    assert_non_null(strstr(why.text, words));
    if (strcmp(words, "folder") == 0)
        return;
    assert_int_equal(keep_open(&keep, &in, &out, &why), want);
    assert_non_null(strstr(why.text, words));
    assert_int_equal(in, -1);
    assert_int_equal(out, -1);
}

static void the_first_start_has_nothing_to_read(void **state)
{
    struct why why;
    struct stat st;
    int in, out;
    (void)state;
    assert_int_equal(keep_check(&keep, &why), OK);
    assert_false(is_there(".new"));
    assert_int_equal(keep_open(&keep, &in, &out, &why), OK);
    assert_int_equal(in, -1);
    assert_int_equal(fstat(out, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    close(out);
    assert_true(keep_saved_at(&keep, NULL) == 0);
}

static void what_was_saved_is_read_and_older_ones_stay(void **state)
{
    char got[8] = "";
    struct why why;
    uint64_t size = 0;
    int in, out;
    (void)state;
    assert_int_equal(save_text("one", false), OK);
    has_text("", "one");
    assert_false(is_there(".1"));
    assert_int_equal(save_text("two", false), OK);
    assert_int_equal(save_text("three", false), OK);
    assert_int_equal(save_text("four", false), OK);
    has_text("", "four");
    has_text(".1", "three");
    has_text(".2", "two");
    assert_false(is_there(".3"));
    assert_false(is_there(".new"));
    assert_int_equal(keep_open(&keep, &in, &out, &why), OK);
    assert_int_equal(read(in, got, sizeof(got)), 4);
    assert_memory_equal(got, "four", 4);
    close(in);
    close(out);
    assert_true(keep_saved_at(&keep, &size) > 0);
    assert_true(size == 4);
}

static void none_or_one_may_stay(void **state)
{
    (void)state;
    keep.older = 0;
    save_text("one", false);
    save_text("two", false);
    has_text("", "two");
    assert_false(is_there(".1"));
    keep.older = 1;
    save_text("three", false);
    save_text("four", false);
    has_text(".1", "three");
    assert_false(is_there(".2"));
}

static void a_gap_is_filled_before_the_oldest_goes(void **state)
{
    (void)state;
    save_text("one", false);
    save_text("two", false);
    save_text("three", false);
    unlink(at(".1"));
    save_text("four", false);
    has_text(".1", "three");
    has_text(".2", "one");
}

static void an_interrupted_save_is_not_kept_twice(void **state)
{
    (void)state;
    save_text("one", false);
    save_text("two", false);
    unlink(at(".1"));
    assert_int_equal(link(at(""), at(".1")), 0);
    save_text("three", false);
    has_text("", "three");
    has_text(".1", "two");
    assert_false(is_there(".2"));
}

static void what_is_not_as_long_as_told_is_not_believed(void **state)
{
    struct why why;
    uint64_t size;
    (void)state;
    save_text("one", false);
    int out = write_new("two");
    assert_int_equal(keep_commit(&keep, 2, false, &size, &why), ERR_CORRUPT);
    assert_non_null(strstr(why.text, "3 bytes and not the 2"));
    assert_int_equal(ftruncate(out, 0), 0);
    assert_int_equal(keep_commit(&keep, 0, false, &size, &why), ERR_CORRUPT);
    close(out);
    keep_discard(&keep);
    assert_false(is_there(".new"));
    assert_int_equal(keep_commit(&keep, 0, false, &size, &why), ERR_IO);
    has_text("", "one");
    assert_false(is_there(".1"));
}

static void the_state_of_other_code_is_kept_aside(void **state)
{
    char command[300];
    (void)state;
    save_text("one", false);
    save_text("two", false);
    save_text("three", true);
    has_text("", "three");
    has_text(".1", "one");
    snprintf(command, sizeof(command), "grep -q two '%s'.aside-*Z", at(""));
    assert_int_equal(system(command), 0);
}

static void links_and_folders_are_no_state(void **state)
{
    (void)state;
    write_text(".other", "secret");
    assert_int_equal(symlink(at(".other"), at("")), 0);
    refused(ERR_ACCESS, "symbolic link");
    unlink(at(""));
    assert_int_equal(mkdir(at(""), 0700), 0);
    refused(ERR_ACCESS, "no regular file");
    rmdir(at(""));
    assert_int_equal(mkfifo(at(""), 0600), 0);
    refused(ERR_ACCESS, "no regular file");
}

static void a_link_in_the_way_of_the_new_file_is_not_followed(void **state)
{
    (void)state;
    write_text(".other", "precious");
    assert_int_equal(symlink(at(".other"), at(".new")), 0);
    assert_int_equal(save_text("one", false), OK);
    has_text(".other", "precious");
    has_text("", "one");
}

static void what_others_may_write_is_refused(void **state)
{
    (void)state;
    write_text("", "one");
    chmod(at(""), 0620);
    refused(ERR_ACCESS, "others may write");
}

static void a_folder_that_is_not_there_is_told(void **state)
{
    (void)state;
    snprintf(keep.path, sizeof(keep.path), "%s/none/state", dir);
    refused(ERR_NOTFOUND, "folder");
}

/* ---- who else is there --------------------------------------------------- */

static struct keep other_at(const char *path)
{
    struct pool_config config = {.state = path, .state_keep = 2};
    struct identity id = {.change = false};
    struct keep k;
    keep_init(&k, &config, &id);
    return k;
}

static void the_folder_is_not_reached_by_a_link(void **state)
{
    char path[200];
    (void)state;
    assert_int_equal(mkdir(at(".real"), 0700), 0);
    snprintf(path, sizeof(path), "%s/sub", at(".real"));
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(symlink(at(".real"), at(".link")), 0);
    snprintf(keep.path, sizeof(keep.path), "%s/state.link/state", dir);
    refused(ERR_ACCESS, "is reached by a symbolic link: name it without");
    snprintf(keep.path, sizeof(keep.path), "%s/state.link/sub/state", dir);
    refused(ERR_ACCESS, "is reached by a symbolic link: name it without");
}

static void a_folder_that_becomes_a_link_is_left_alone(void **state)
{
    struct why why;
    uint64_t size;
    (void)state;
    assert_int_equal(mkdir(at(".home"), 0700), 0);
    assert_int_equal(mkdir(at(".root"), 0700), 0);
    write_text(".root/state.new", "secret");
    snprintf(keep.path, sizeof(keep.path), "%s/state", at(".home"));
    close(write_new("one"));
    assert_int_equal(rename(at(".home"), at(".was")), 0);
    assert_int_equal(symlink(at(".root"), at(".home")), 0);
    assert_int_equal(keep_commit(&keep, 0, false, &size, &why), ERR_IO);
    assert_non_null(strstr(why.text, "symbolic link"));
    keep_discard(&keep);
    has_text(".root/state.new", "secret");
    has_text(".was/state.new", "one");
}

static void two_workers_never_have_the_same_file(void **state)
{
    struct why why = {.text = ""};
    char path[200];
    uint64_t size;
    int in, out, ours;
    (void)state;
    snprintf(path, sizeof(path), "%s/.//state", dir);
    struct keep other = other_at(path);
    assert_int_equal(keep_open(&keep, &in, &ours, &why), OK);
    assert_int_equal(keep_open(&other, &in, &out, &why), ERR_BUSY);
    assert_non_null(strstr(why.text, "another worker keeps its state in"));
    assert_int_equal(in, -1);
    assert_int_equal(out, -1);
    assert_int_equal(other.lock, -1);
    keep_close(&keep); /* the supervisor has died, and its worker not */
    assert_int_equal(keep_open(&other, &in, &out, &why), ERR_BUSY);
    keep.lock = dup(ours);
    assert_int_equal(write(ours, "one", 3), 3);
    close(ours);
    assert_int_equal(keep_open(&other, &in, &out, &why), ERR_BUSY);
    assert_int_equal(keep_commit(&keep, 3, false, &size, &why), OK);
    keep_close(&keep);
    assert_int_equal(keep_open(&other, &in, &out, &why), OK);
    has_text("", "one");
    close(in);
    close(out);
    keep_close(&other);
}

static void what_somebody_else_has_made_is_not_believed(void **state)
{
    struct why why;
    uint64_t size;
    (void)state;
    save_text("one", false);
    close(write_new("two"));
    unlink(at(".new"));
    write_text(".new", "six");
    assert_int_equal(keep_commit(&keep, 3, false, &size, &why), ERR_CORRUPT);
    assert_non_null(strstr(why.text, "is no file with a state in it; somebody "
                                     "else has made it anew"));
    has_text("", "one");
    keep_discard(&keep);
    has_text(".new", "six");
}

/* ---- what a file system may not do ----------------------------------------
 */

/* What is beside FILE under a name with the time in it. */
static const char *aside(void)
{
    static char text[64];
    char command[300];
    text[0] = '\0';
    snprintf(command, sizeof(command), "cat '%s'.aside-*", at(""));
    FILE *p = popen(command, "r");
    assert_non_null(p);
    (void)!fgets(text, sizeof(text), p);
    pclose(p);
    return text;
}

static void other_codes_state_stays_where_there_are_no_links(void **state)
{
    (void)state;
    save_text("one", false);
    no_links = true;
    assert_int_equal(save_text("two", true), OK);
    has_text("", "two");
    assert_string_equal(aside(), "one");
}

static void other_codes_state_is_not_overwritten(void **state)
{
    (void)state;
    save_text("one", false);
    no_links = true;
    no_name = ".aside";
    assert_int_equal(save_text("two", true), ERR_IO);
    has_text("", "one");
    has_text(".new", "two");
    assert_non_null(strstr(said, "state.new, as it cannot be made"));
}

static void what_cannot_have_its_name_has_another(void **state)
{
    (void)state;
    assert_int_equal(mkdir(at(""), 0700), 0);
    write_text(".new", "one");
    struct why why;
    uint64_t size;
    keep.older = 0;
    assert_int_equal(keep_commit(&keep, 3, false, &size, &why), ERR_IO);
    assert_non_null(strstr(why.text, "is whole and kept as "));
    assert_non_null(strstr(why.text, "/state.aside-"));
    assert_string_equal(aside(), "one");
    assert_false(is_there(".new"));
}

static void what_root_brings_is_read_and_not_given_away(void **state)
{
    struct why why;
    struct stat st;
    int in, out;
    (void)state;
    if (geteuid() != 0)
        skip();
    keep.change = true;
    keep.uid = keep.gid = 1234;
    write_text("", "a secret");
    refused(ERR_ACCESS, "belongs to root, and is no state");
    write_text("", "snapcgi\n and more");
    assert_int_equal(keep_check(&keep, &why), OK);
    assert_int_equal(link(at(""), at(".link")), 0);
    refused(ERR_ACCESS, "belongs to root, and is no state");
    unlink(at(".link"));
    write_text("", "snapcgi+ and more");
    assert_int_equal(keep_open(&keep, &in, &out, &why), OK);
    assert_int_equal(fstat(in, &st), 0);
    assert_int_equal(st.st_uid, 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(fstat(out, &st), 0);
    assert_int_equal(st.st_uid, 1234);
    close(in);
    close(out);
    keep_close(&keep);
    assert_int_equal(chown(at(""), 4321, 0), 0);
    refused(ERR_ACCESS, "belongs to user 4321");
}

/* ---- dying on the way ---------------------------------------------------- */

static void commit_and_exit(void)
{
    struct why why;
    uint64_t size;
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    raise(SIGSTOP);
    _exit(keep_commit(&keep, 0, false, &size, &why) == OK ? 0 : 1);
}

/* Kills a commit when it enters or leaves its nth system call. -1: cannot
 * be traced here; 0: it was through before. */
static int kill_commit_at(int n)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
        commit_and_exit();
    waitpid(pid, &status, 0);
    if (!WIFSTOPPED(status))
        return -1;
    for (int i = 0; i <= n; i++) {
        if (ptrace(PTRACE_SYSCALL, pid, NULL, NULL) != 0) {
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            return -1;
        }
        waitpid(pid, &status, 0);
        if (!WIFSTOPPED(status)) {
            assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
            return 0;
        }
    }
    kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    return 1;
}

static void a_commit_killed_anywhere_leaves_a_whole_state(void **state)
{
    char got[64], last[64] = "zero";
    int killed = 0;
    (void)state;
    save_text("older", false);
    save_text("zero", false);
    for (int n = 0; n < 1000; n++) {
        char next[64];
        snprintf(next, sizeof(next), "text%d", n);
        write_text(".new", next);
        int r = kill_commit_at(n);
        if (r < 0)
            skip();
        FILE *f = fopen(at(""), "r");
        assert_non_null(f);
        assert_non_null(fgets(got, sizeof(got), f));
        fclose(f);
        if (strcmp(got, last) != 0 && strcmp(got, next) != 0)
            fail_msg("after %d calls: %s, not %s or %s", n, got, last, next);
        strcpy(last, got);
        if (r == 0)
            break;
        killed++;
    }
    assert_true(killed > 10);
    assert_int_equal(save_text("end", false), OK);
    has_text("", "end");
    has_text(".1", last);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_start_has_nothing_to_read),
        TEST(what_was_saved_is_read_and_older_ones_stay),
        TEST(none_or_one_may_stay),
        TEST(a_gap_is_filled_before_the_oldest_goes),
        TEST(an_interrupted_save_is_not_kept_twice),
        TEST(what_is_not_as_long_as_told_is_not_believed),
        TEST(the_state_of_other_code_is_kept_aside),
        TEST(links_and_folders_are_no_state),
        TEST(a_link_in_the_way_of_the_new_file_is_not_followed),
        TEST(what_others_may_write_is_refused),
        TEST(a_folder_that_is_not_there_is_told),
        TEST(the_folder_is_not_reached_by_a_link),
        TEST(a_folder_that_becomes_a_link_is_left_alone),
        TEST(two_workers_never_have_the_same_file),
        TEST(what_somebody_else_has_made_is_not_believed),
        TEST(other_codes_state_stays_where_there_are_no_links),
        TEST(other_codes_state_is_not_overwritten),
        TEST(what_cannot_have_its_name_has_another),
        TEST(what_root_brings_is_read_and_not_given_away),
        TEST(a_commit_killed_anywhere_leaves_a_whole_state),
    };
    if (argc > 1 && strcmp(argv[1], "serve") == 0) {
        int status = serve(argc, argv);
        fflush(NULL);
        _exit(status); /* as snapcgi does: what it holds is not freed */
    }
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
