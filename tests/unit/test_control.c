/*
 * test_control.c - who asks the supervisor, how, and how long that may take.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/log.h"
#include "serve/control.h"
#include "serve/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#define NOBODY 65534
#define FOREVER (100 * CONTROL_PATIENCE)

static char home[64];
static char path[96];
static struct loop loop;
static struct control *control;
static struct why why;
static struct buf said;    /* to a client */
static struct buf asked;   /* "word|word|\n" for each request */
static int last_client;    /* who asked last */
static enum err reply;     /* what the supervisor says to "say" */
static const char *speech; /* with these words */

static enum err serve(void *arg, const struct control_request *q,
                      struct buf *out)
{
    (void)arg;
    for (int i = 0; q->word[i] != NULL; i++)
        buf_printf(&asked, "%s|", q->word[i]);
    buf_puts(&asked, "\n");
    last_client = q->client;
    if (strcmp(q->word[0], "ping") == 0)
        return buf_puts(out, "pong\n");
    if (strcmp(q->word[0], "wait") == 0)
        return ERR_AGAIN;
    if (strcmp(q->word[0], "within") == 0) {
        control_answer(control, q->client, true, SLICE("at once"));
        return ERR_AGAIN;
    }
    if (strcmp(q->word[0], "huge") == 0) {
        for (size_t i = 0; i < CONTROL_ANSWER / 16 + 1; i++)
            buf_puts(out, "0123456789abcde\n");
        return OK;
    }
    if (strcmp(q->word[0], "large") == 0) {
        for (int i = 0; i < 65536; i++)
            buf_puts(out, "0123456789abcde\n");
        return OK;
    }
    buf_puts(out, speech);
    return reply;
}

static int set_up(void **state)
{
    (void)state;
    snprintf(home, sizeof(home), "/tmp/snapcgi-test-XXXXXX");
    if (mkdtemp(home) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/control.sock", home);
    loop_init(&loop);
    buf_init(&said, 64 * 1024 * 1024);
    buf_init(&asked, 64 * 1024);
    why.text[0] = '\0';
    last_client = 0;
    reply = OK;
    speech = "";
    return control_open(path, &loop, serve, NULL, &control, &why) != OK;
}

static int tear_down(void **state)
{
    (void)state;
    control_close(control, true);
    control = NULL;
    loop_free(&loop);
    buf_free(&said);
    buf_free(&asked);
    unlink(path);
    return rmdir(home);
}

static int dial(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    return fd;
}

static void put(int fd, const char *text)
{
    size_t n = strlen(text);
    assert_int_equal(send(fd, text, n, MSG_NOSIGNAL), n);
}

/* What can be done now is done. */
static void settle(void)
{
    while (loop_wait(&loop, clock_mono() + 20 * NS_PER_MS) == OK)
        ;
}

/* Takes what is there; true at the end. */
static bool take(int fd)
{
    ssize_t n;
    do {
        assert_int_equal(buf_reserve(&said, 4096), OK);
        n = recv(fd, said.p + said.n, 4096, MSG_DONTWAIT);
        if (n > 0)
            said.n += (size_t)n;
    } while (n > 0);
    return n == 0 || errno == ECONNRESET;
}

/* Turns the loop until the supervisor ends the connection. */
static void assert_answered(int fd, const char *text)
{
    uint64_t end = clock_mono() + 60 * NS_PER_S;
    buf_clear(&said);
    while (!take(fd)) {
        loop_wait(&loop, clock_mono() + 20 * NS_PER_MS);
        assert_true(clock_mono() < end);
    }
    if (text != NULL)
        assert_string_equal(buf_str(&said), text);
    close(fd);
}

static void assert_open(int fd)
{
    settle();
    buf_clear(&said);
    assert_false(take(fd));
}

static void assert_asks(const char *line, const char *text)
{
    int fd = dial();
    put(fd, line);
    assert_answered(fd, text);
}

/* ---- the socket -------------------------------------------------------- */

static void the_socket_is_its_users_alone(void **state)
{
    struct stat st;
    (void)state;
    control_close(control, true);
    mode_t was = umask(0);
    enum err e = control_open(path, &loop, serve, NULL, &control, &why);
    umask(was);
    assert_int_equal(e, OK);
    assert_int_equal(lstat(path, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(fcntl(control_fd(control), F_GETFD), FD_CLOEXEC);
}

static void one_left_over_is_replaced(void **state)
{
    (void)state;
    control_close(control, false); /* as a killed supervisor leaves it */
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(control_open(path, &loop, serve, NULL, &control, &why),
                     OK);
    assert_asks("ping\n", "ok\npong\n");
}

static void one_that_answers_is_refused_and_goes_on(void **state)
{
    struct control *other = NULL;
    (void)state;
    assert_int_equal(control_open(path, &loop, serve, NULL, &other, &why),
                     ERR_BUSY);
    assert_non_null(strstr(why.text, path));
    assert_asks("ping\n", "ok\npong\n");
}

static void a_relative_path_is_refused(void **state)
{
    struct control *other = NULL;
    (void)state;
    assert_int_equal(control_open("9000", &loop, serve, NULL, &other, &why),
                     ERR_SYNTAX);
}

static void it_is_taken_over_with_its_file(void **state)
{
    (void)state;
    int fd = dup(control_fd(control));
    control_close(control, false);
    int early = dial(); /* nobody is there to accept it, and it waits */
    put(early, "ping\n");
    assert_int_equal(control_take(path, fd, &loop, serve, NULL, &control, &why),
                     OK);
    assert_int_equal(fcntl(control_fd(control), F_GETFD), FD_CLOEXEC);
    assert_answered(early, "ok\npong\n");
    control_close(control, true);
    control = NULL;
    assert_int_equal(access(path, F_OK), -1);
}

static void another_descriptor_is_not_taken(void **state)
{
    struct control *other = NULL;
    (void)state;
    int fd = dup(control_fd(control));
    assert_int_equal(
        control_take("/other", fd, &loop, serve, NULL, &other, &why),
        ERR_MISMATCH);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    fd = open("/dev/null", O_RDONLY);
    assert_int_equal(control_take(path, fd, &loop, serve, NULL, &other, &why),
                     ERR_FAIL);
}

/* ---- requests ---------------------------------------------------------- */

static void a_line_is_words(void **state)
{
    (void)state;
    assert_asks("  ping   a  b \n", "ok\npong\n");
    assert_string_equal(buf_str(&asked), "ping|a|b|\n");
    assert_asks("ping\r\n", "ok\npong\n");
    assert_asks("ping 2 3 4 5 6 7 8\n", "ok\npong\n");
}

static void a_line_may_come_in_pieces(void **state)
{
    (void)state;
    int fd = dial();
    put(fd, "pi");
    assert_open(fd);
    put(fd, "ng\nand more");
    assert_answered(fd, "ok\npong\n");
    assert_string_equal(buf_str(&asked), "ping|\n");
}

static void who_writes_no_more_has_said_it_all(void **state)
{
    (void)state;
    int fd = dial();
    put(fd, "ping");
    shutdown(fd, SHUT_WR);
    assert_answered(fd, "ok\npong\n");
    fd = dial(); /* or has said nothing */
    shutdown(fd, SHUT_WR);
    assert_answered(fd, "");
}

static void what_is_no_request_is_refused(void **state)
{
    char line[CONTROL_LINE + 2];
    (void)state;
    assert_asks("\n", "error: the request is empty\n");
    assert_asks("  \n", "error: the request is empty\n");
    assert_asks("ping\x1b[2J\n",
                "error: the request has a control character in it\n");
    assert_asks("1 2 3 4 5 6 7 8 9\n",
                "error: the request has too many words\n");
    memset(line, 'x', sizeof(line));
    line[CONTROL_LINE] = '\0';
    assert_asks(line, "error: the request is too long\n");
    assert_string_equal(buf_str(&asked), "");
    line[CONTROL_LINE - 1] = '\n';
    assert_asks(line, "ok\n");
    int fd = dial();
    assert_int_equal(send(fd, "a\0b\n", 4, 0), 4);
    assert_answered(fd, "error: the request has a control character in it\n");
}

static void what_the_supervisor_refuses_is_a_sentence(void **state)
{
    (void)state;
    reply = ERR_NOTFOUND;
    speech = "there is no pool x";
    assert_asks("say\n", "error: there is no pool x\n");
    speech = "line 1: no\nline 2: no\n";
    assert_asks("say\n", "error: line 1: no\nline 2: no\n");
    speech = "";
    assert_asks("say\n", "error: not found\n");
}

static void an_answer_may_be_large_but_not_without_end(void **state)
{
    (void)state;
    assert_asks("large\n", NULL);
    assert_int_equal(said.n, 3 + 65536 * 16);
    assert_asks("huge\n", "error: the answer is too large; ask for one pool, "
                          "or without full\n");
}

/* ---- answers put off --------------------------------------------------- */

static void an_answer_may_come_later(void **state)
{
    (void)state;
    int fd = dial();
    put(fd, "wait\n");
    assert_open(fd);
    assert_int_equal(control_expire(control, clock_mono() + FOREVER), 0);
    assert_open(fd);
    assert_true(control_client_fd(control, last_client) >= 0);
    control_answer(control, last_client, false, SLICE("it failed"));
    assert_int_equal(control_client_fd(control, last_client), -1);
    control_answer(control, last_client, true, SLICE("twice"));
    assert_answered(fd, "error: it failed\n");
    assert_asks("within\n", "ok\nat once\n");
}

static void who_waits_may_write_no_more(void **state)
{
    (void)state;
    int fd = dial();
    put(fd, "wait\n");
    shutdown(fd, SHUT_WR);
    assert_open(fd);
    control_answer(control, last_client, true, SLICE(""));
    assert_answered(fd, "ok\n");
}

static void who_waits_and_goes_is_forgotten(void **state)
{
    (void)state;
    int fd = dial();
    put(fd, "wait\n");
    settle();
    close(fd);
    settle();
    assert_int_equal(control_client_fd(control, last_client), -1);
    control_answer(control, last_client, true, SLICE("x"));
    assert_asks("ping\n", "ok\npong\n");
}

static void who_waits_outlives_a_re_execution(void **state)
{
    (void)state;
    int fd = dial();
    put(fd, "wait\n");
    settle();
    int kept = dup(control_client_fd(control, last_client));
    control_close(control, true);
    assert_int_equal(control_open(path, &loop, serve, NULL, &control, &why),
                     OK);
    int number = control_resume(control, kept);
    assert_true(number > 0);
    assert_open(fd);
    control_answer(control, number, true, SLICE("done"));
    assert_answered(fd, "ok\ndone\n");
    assert_int_equal(control_resume(control, -1), -1);
}

/* ---- who is slow, and who is too many ---------------------------------- */

static void who_says_nothing_is_sent_away(void **state)
{
    (void)state;
    int fd = dial();
    uint64_t before = clock_mono();
    settle();
    uint64_t next = control_expire(control, clock_mono());
    assert_in_range(next, before + 1, clock_mono() + CONTROL_PATIENCE);
    assert_open(fd);
    control_expire(control, next);
    assert_answered(fd, "error: the request did not come in time\n");
    assert_int_equal(control_expire(control, clock_mono()), 0);
}

static void who_does_not_read_is_cut(void **state)
{
    (void)state;
    int fd = dial();
    put(fd, "large\n");
    settle();
    uint64_t next = control_expire(control, clock_mono());
    assert_int_not_equal(next, 0);
    assert_asks("ping\n", "ok\npong\n"); /* nobody waits for it */
    assert_int_equal(control_expire(control, next), 0);
    assert_answered(fd, NULL);
    assert_true(said.n < 65536 * 16);
}

static void who_is_too_many_is_told_so(void **state)
{
    int fd[CONTROL_CLIENTS];
    (void)state;
    for (int i = 0; i < CONTROL_CLIENTS; i++) {
        fd[i] = dial();
        put(fd[i], "wait\n");
        settle();
    }
    assert_asks("ping\n", "error: too many ask at once; try again\n");
    close(fd[3]);
    settle();
    assert_asks("ping\n", "ok\npong\n");
    for (int i = 0; i < CONTROL_CLIENTS; i++)
        if (i != 3)
            close(fd[i]);
}

static void without_descriptors_it_pauses(void **state)
{
    struct rlimit was, few;
    (void)state;
    log_set_level(LOG_ERROR);
    int fd = dial();
    put(fd, "ping\n");
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
    few = was;
    few.rlim_cur = (rlim_t)fd; /* all under it are in use */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    loop_wait(&loop, clock_mono() + NS_PER_S);
    bool spins = !loop_empty(&loop);
    uint64_t next = control_expire(control, clock_mono());
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
    log_set_level(LOG_NOTICE);
    assert_false(spins);
    assert_int_not_equal(next, 0);
    control_expire(control, next);
    assert_answered(fd, "ok\npong\n");
}

static void another_user_is_refused(void **state)
{
    int status;
    (void)state;
    if (geteuid() != 0)
        skip();
    /* Whoever opened the door to it: the mode is not all that guards. */
    chmod(home, 0711);
    chmod(path, 0666);
    log_set_level(LOG_ERROR);
    pid_t pid = fork();
    if (pid == 0) {
        char text[128];
        struct sockaddr_un at = {.sun_family = AF_UNIX};
        snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0 ||
            connect(fd, (struct sockaddr *)&at, sizeof(at)) != 0)
            _exit(2);
        (void)!send(fd, "ping\n", 5, MSG_NOSIGNAL);
        ssize_t n = recv(fd, text, sizeof(text), 0);
        _exit(n > 0 && strncmp(text, "error: only root", 16) == 0 ? 0 : 1);
    }
    while (waitpid(pid, &status, WNOHANG) == 0)
        loop_wait(&loop, clock_mono() + 20 * NS_PER_MS);
    log_set_level(LOG_NOTICE);
    assert_int_equal(status, 0);
    assert_string_equal(buf_str(&asked), "");
}

/* ---- snapcgi ctl ------------------------------------------------------- */

/* Runs ctl in a child; gives its status, and what it printed in said. */
static int ctl(const char *socket, const char *a, const char *b)
{
    const char *const words[] = {a, b, NULL};
    int status, ends[2];
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        fcntl(ends[1], F_SETFL, 0);
        dup2(ends[1], 1);
        dup2(ends[1], 2);
        int result = ctl_run(socket, words);
        fflush(NULL);
        _exit(result);
    }
    close(ends[1]);
    buf_clear(&said);
    ssize_t n;
    do {
        loop_wait(&loop, clock_mono() + 5 * NS_PER_MS);
        assert_int_equal(buf_reserve(&said, 65536), OK);
        n = read(ends[0], said.p + said.n, 65536);
        if (n > 0)
            said.n += (size_t)n;
    } while (n > 0 || (n < 0 && errno == EAGAIN));
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void assert_said(const char *word)
{
    if (strstr(buf_str(&said), word) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", buf_str(&said), word);
}

static void ctl_prints_the_answer(void **state)
{
    (void)state;
    assert_int_equal(ctl(path, "ping", NULL), 0);
    assert_string_equal(buf_str(&said), "pong\n");
    assert_int_equal(ctl(path, "ping", "www"), 0);
    assert_string_equal(buf_str(&asked), "ping|\nping|www|\n");
    assert_int_equal(ctl(path, "large", NULL), 0);
    assert_int_equal(said.n, 65536 * 16);
}

static void ctl_fails_when_the_supervisor_refuses(void **state)
{
    (void)state;
    reply = ERR_SYNTAX;
    speech = "line 3 is wrong\nline 4 is, too";
    assert_int_equal(ctl(path, "reload", NULL), 1);
    assert_string_equal(buf_str(&said),
                        "snapcgi: line 3 is wrong\nline 4 is, too\n");
}

static void ctl_writes_no_control_character(void **state)
{
    (void)state;
    speech = "a\tb\x1b]0;x\x07 \xc3\xa9 \xc2\x9b\x7f\n";
    assert_int_equal(ctl(path, "say", NULL), 0);
    assert_string_equal(buf_str(&said), "a\tb?]0;x? \xc3\xa9 ??\n");
}

static void ctl_says_that_nobody_is_there(void **state)
{
    (void)state;
    control_close(control, false);
    control = NULL;
    assert_int_equal(ctl(path, "ping", NULL), EX_UNAVAILABLE);
    assert_said(path);
    assert_said("does not run");
    unlink(path);
    assert_int_equal(ctl(path, "ping", NULL), EX_UNAVAILABLE);
    assert_said("there is no");
}

static void ctl_says_that_it_may_not(void **state)
{
    int status;
    (void)state;
    if (geteuid() != 0)
        skip();
    chmod(home, 0711);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        const char *const words[] = {"ping", NULL};
        int null = open("/dev/null", O_WRONLY);
        dup2(null, 2);
        if (setgid(NOBODY) != 0 || setuid(NOBODY) != 0)
            _exit(2);
        _exit(ctl_run(path, words));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), EX_NOPERM);
}

static void ctl_says_that_there_was_no_answer(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) { /* another supervisor, which ends as soon as it is asked */
        char text[64];
        struct pollfd p = {.fd = control_fd(control), .events = POLLIN};
        poll(&p, 1, 60000);
        int fd = accept(p.fd, NULL, NULL);
        _exit(recv(fd, text, sizeof(text), 0) > 0 ? 0 : 1);
    }
    loop_watch(&loop, control_fd(control), 0, NULL, NULL);
    assert_int_equal(ctl(path, "stop", NULL), EX_UNAVAILABLE);
    assert_said("without an answer");
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void ctl_refuses_what_is_no_word(void **state)
{
    char longest[CONTROL_LINE + 1];
    (void)state;
    assert_int_equal(ctl(path, NULL, NULL), EX_USAGE);
    assert_int_equal(ctl(path, "", NULL), EX_USAGE);
    assert_int_equal(ctl(path, "more", "a b"), EX_USAGE);
    assert_int_equal(ctl(path, "more", "a\nstop"), EX_USAGE);
    memset(longest, 'x', sizeof(longest));
    longest[CONTROL_LINE] = '\0';
    assert_int_equal(ctl(path, longest, NULL), EX_USAGE);
    assert_int_equal(ctl(longest, "ping", NULL), EX_USAGE);
    assert_string_equal(buf_str(&asked), "");
    longest[CONTROL_LINE - 1] = '\0'; /* and its line end */
    assert_int_equal(ctl(path, longest, NULL), 0);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        T(the_socket_is_its_users_alone),
        T(one_left_over_is_replaced),
        T(one_that_answers_is_refused_and_goes_on),
        T(a_relative_path_is_refused),
        T(it_is_taken_over_with_its_file),
        T(another_descriptor_is_not_taken),
        T(a_line_is_words),
        T(a_line_may_come_in_pieces),
        T(who_writes_no_more_has_said_it_all),
        T(what_is_no_request_is_refused),
        T(what_the_supervisor_refuses_is_a_sentence),
        T(an_answer_may_be_large_but_not_without_end),
        T(an_answer_may_come_later),
        T(who_waits_may_write_no_more),
        T(who_waits_and_goes_is_forgotten),
        T(who_waits_outlives_a_re_execution),
        T(who_says_nothing_is_sent_away),
        T(who_does_not_read_is_cut),
        T(who_is_too_many_is_told_so),
        T(without_descriptors_it_pauses),
        T(another_user_is_refused),
        T(ctl_prints_the_answer),
        T(ctl_fails_when_the_supervisor_refuses),
        T(ctl_writes_no_control_character),
        T(ctl_says_that_nobody_is_there),
        T(ctl_says_that_it_may_not),
        T(ctl_says_that_there_was_no_answer),
        T(ctl_refuses_what_is_no_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
