/*
 * test_confine.c - who a process is after the stairs, and what it lost.
 *
 * Each walk down is a child of its own, for there is no way back. What only
 * root can do is skipped for others.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "serve/confine.h"
#include "serve/seccomp.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534
#define CHECK(cond)                                                            \
    do {                                                                       \
        if (!(cond)) {                                                         \
            fprintf(stderr, "line %d: %s (errno %d)\n", __LINE__, #cond,       \
                    errno);                                                    \
            _exit(1);                                                          \
        }                                                                      \
    } while (0)

static struct pool_config pool;
static struct identity id;
static struct why why;
static const int none[] = {-1};
static const int *keep;
static char home[64];

static int set_up(void **state)
{
    (void)state;
    pool = (struct pool_config){.name = "test",
                                .umask = 0022,
                                .seccomp = SECCOMP_OFF,
                                .keep_env = "TZ LANG"};
    why.text[0] = '\0';
    keep = none;
    snprintf(home, sizeof(home), "/tmp/snapcgi-test-XXXXXX");
    return mkdtemp(home) != NULL ? chmod(home, 0755) : -1;
}

static int tear_down(void **state)
{
    (void)state;
    return rmdir(home);
}

static void needs_root(void)
{
    if (geteuid() != 0 || getpwuid(NOBODY) == NULL)
        skip();
}

static void assert_said(const char *word)
{
    if (strstr(why.text, word) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", why.text, word);
}

/* A child walks down and looks around. */
static void walk_then(void (*what)(void))
{
    int status = -1;
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (confine_resolve(&pool, &id, &why) != OK ||
            confine(&pool, &id, keep, &why) != OK) {
            fprintf(stderr, "%s\n", why.text);
            _exit(2);
        }
        what();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* What /proc/self/status says of a name, with one blank between words. */
static const char *status_of(const char *name)
{
    static char line[512], value[512];
    FILE *f = fopen("/proc/self/status", "r");
    CHECK(f != NULL);
    value[0] = '\0';
    while (fgets(line, sizeof(line), f) != NULL) {
        size_t n = strlen(name);
        if (strncmp(line, name, n) != 0 || line[n] != ':')
            continue;
        for (char *w = strtok(line + n + 1, " \t\n"); w != NULL;
             w = strtok(NULL, " \t\n"))
            snprintf(value + strlen(value), sizeof(value) - strlen(value),
                     "%s%s", value[0] != '\0' ? " " : "", w);
    }
    fclose(f);
    return value;
}

static void check_status(const char *name, const char *wanted)
{
    const char *is = status_of(name);
    if (strcmp(is, wanted) == 0)
        return;
    fprintf(stderr, "%s is \"%s\", not \"%s\"\n", name, is, wanted);
    _exit(1);
}

/* ---- who -------------------------------------------------------------- */

static void see_nobody(void)
{
    check_status("Uid", "65534 65534 65534 65534");
    check_status("Gid", "65534 65534 65534 65534");
    check_status("CapEff", "0000000000000000");
    check_status("CapPrm", "0000000000000000");
    check_status("CapInh", "0000000000000000");
    check_status("CapAmb", "0000000000000000");
    check_status("NoNewPrivs", "1");
    check_status("Groups", "65534");
    CHECK(setuid(0) == -1 && seteuid(0) == -1 && setgid(0) == -1);
    CHECK(setgroups(0, NULL) == -1);
    CHECK(open("/etc/shadow", O_RDONLY) == -1);
    CHECK(kill(getppid(), 0) == -1 && errno == EPERM);
}

static void a_user_is_changed_to_for_good(void **state)
{
    (void)state;
    needs_root();
    pool.user = "nobody";
    walk_then(see_nobody);
}

static void see_groups(void)
{
    check_status("Gid", "12 12 12 12");
    check_status("Groups", "7 9");
}

static void group_and_groups_are_those_named(void **state)
{
    (void)state;
    needs_root();
    pool.user = "nobody";
    pool.group = "12";
    pool.groups = " 7\t9 ";
    walk_then(see_groups);
}

static void see_number(void)
{
    check_status("Uid", "54321 54321 54321 54321");
    check_status("Groups", "54322");
}

static void a_number_without_an_entry_needs_a_group(void **state)
{
    (void)state;
    needs_root();
    pool.user = "54321";
    assert_int_equal(confine_resolve(&pool, &id, &why), ERR_NOTFOUND);
    assert_said("set group");
    pool.group = "54322";
    walk_then(see_number);
}

static void unknown_names_are_said(void **state)
{
    (void)state;
    pool.user = "no-such-user";
    assert_int_equal(confine_resolve(&pool, &id, &why), ERR_NOTFOUND);
    assert_said("there is no user no-such-user");
    pool.user = NULL;
    pool.group = "no-such-group";
    assert_int_equal(confine_resolve(&pool, &id, &why), ERR_NOTFOUND);
    assert_said("there is no group no-such-group");
    pool.group = NULL;
    pool.groups = "0 no-such-either";
    assert_int_equal(confine_resolve(&pool, &id, &why), ERR_NOTFOUND);
    assert_said("there is no group no-such-either");
}

static void too_many_groups_are_refused(void **state)
{
    char many[1024] = "";
    (void)state;
    for (int i = 0; i <= IDENTITY_GROUPS; i++)
        snprintf(many + strlen(many), sizeof(many) - strlen(many), "%d ", i);
    pool.groups = many;
    assert_int_equal(confine_resolve(&pool, &id, &why), ERR_TOOBIG);
    assert_said("more than 64");
}

static void see_root(void)
{
    check_status("Uid", "0 0 0 0");
    check_status("CapEff", "0000000000000002"); /* to open any file */
    check_status("NoNewPrivs", "1");
    CHECK(chroot("/") == -1 && setgid(7) == -1);
}

static void root_that_stays_has_no_other_power(void **state)
{
    (void)state;
    needs_root();
    walk_then(see_root);
    pool.user = "root";
    walk_then(see_root);
}

static void see_bound(void)
{
    int sig = 0;
    CHECK(prctl(PR_GET_PDEATHSIG, &sig) == 0 && sig == SIGKILL);
}

static void it_still_ends_with_its_parent(void **state)
{
    (void)state;
    walk_then(see_bound);
    needs_root();
    pool.user = "nobody";
    walk_then(see_bound);
}

/* ---- what it has ------------------------------------------------------ */

static int held[4];

static void see_descriptors(void)
{
    CHECK(fcntl(held[1], F_GETFD) != -1 && fcntl(held[3], F_GETFD) != -1);
    CHECK(fcntl(held[0], F_GETFD) == -1 && fcntl(held[2], F_GETFD) == -1);
    CHECK(fcntl(2, F_GETFD) != -1);
}

static void only_kept_descriptors_stay_in_whatever_order(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++)
        held[i] = open("/dev/null", O_RDONLY);
    const int two[] = {held[3], held[1], -1};
    keep = two;
    walk_then(see_descriptors);
    for (int i = 0; i < 4; i++)
        close(held[i]);
}

static const char *secret;

static void see_environment(void)
{
    CHECK(secret[0] == '\0'); /* nor is it left in memory */
    CHECK(getenv("TZ") != NULL && strcmp(getenv("TZ"), "UTC") == 0);
    CHECK(getenv("TEST_SECRET") == NULL && getenv("PATH") == NULL);
    CHECK(getenv("TZX") == NULL && getenv("T") == NULL);
}

static void of_the_environment_only_named_variables_stay(void **state)
{
    (void)state;
    setenv("TZ", "UTC", 1);
    setenv("TZX", "no", 1);
    setenv("T", "no", 1);
    setenv("TEST_SECRET", "no", 1);
    secret = getenv("TEST_SECRET");
    walk_then(see_environment);
}

static void see_limits(void)
{
    struct rlimit files, core, space;
    CHECK(getrlimit(RLIMIT_NOFILE, &files) == 0 &&
          getrlimit(RLIMIT_CORE, &core) == 0 &&
          getrlimit(RLIMIT_AS, &space) == 0);
    CHECK(files.rlim_cur == 123 && files.rlim_max == 123);
    CHECK(core.rlim_cur == 0 && core.rlim_max == 0);
    CHECK(pool.rlimit_as == 0 || space.rlim_max == pool.rlimit_as);
    CHECK(umask(0) == 0027);
    CHECK(prctl(PR_GET_DUMPABLE) == 0);
}

static void limits_and_umask_are_those_asked_for(void **state)
{
    (void)state;
    pool.rlimit_files = 123;
    pool.umask = 0027;
#ifndef __SANITIZE_ADDRESS__
    pool.rlimit_as = UINT64_C(1) << 36;
#endif
    walk_then(see_limits);
}

static void see_dumpable(void)
{
    CHECK(prctl(PR_GET_DUMPABLE) == 1);
}

static void it_can_be_dumped_only_with_rlimit_core(void **state)
{
    (void)state;
    struct rlimit now;
    getrlimit(RLIMIT_CORE, &now);
    if (now.rlim_max == 0 && geteuid() != 0)
        skip();
    pool.rlimit_core = 4096;
    walk_then(see_dumpable);
    needs_root();
    pool.user = "nobody";
    walk_then(see_dumpable);
}

/* ---- folders ---------------------------------------------------------- */

static void see_chroot(void)
{
    char here[64];
    struct stat st;
    CHECK(getcwd(here, sizeof(here)) != NULL && strcmp(here, "/in") == 0);
    CHECK(stat("/in", &st) == 0 && stat("/etc", &st) == -1);
    CHECK(stat("../../../etc", &st) == -1);
}

static void chroot_and_chdir_in_it(void **state)
{
    char in[80];
    (void)state;
    needs_root();
    snprintf(in, sizeof(in), "%s/in", home);
    assert_int_equal(mkdir(in, 0755), 0);
    pool.user = "nobody";
    pool.chroot = home;
    pool.chdir = "/in";
    walk_then(see_chroot);
    pool.chdir = NULL;
    rmdir(in);
}

static void see_home(void)
{
    char here[64];
    CHECK(getcwd(here, sizeof(here)) != NULL && strcmp(here, home) == 0);
}

static void chdir_alone(void **state)
{
    (void)state;
    pool.chdir = home;
    walk_then(see_home);
}

static void folders_that_are_not_there_are_said(void **state)
{
    (void)state;
    pool.chroot = "/no/such";
    assert_int_equal(confine_resolve(&pool, &id, &why), ERR_NOTFOUND);
    assert_said("chroot = /no/such");
    pool.chroot = "/etc/passwd";
    assert_int_equal(confine_resolve(&pool, &id, &why), ERR_NOTFOUND);
    assert_said("no folder");
    pool.chroot = home;
    pool.chdir = "/gone";
    assert_int_equal(confine_resolve(&pool, &id, &why), ERR_NOTFOUND);
    assert_said("/gone");
    pool.chroot = NULL;
    assert_int_equal(confine_resolve(&pool, &id, &why), ERR_NOTFOUND);
    assert_said("chdir = /gone");
}

/* ---- what is said ------------------------------------------------------- */

static char said[4096];

/* The lines confine_explain() logs, as this user or as nobody. */
static void explain(bool as_nobody)
{
    int p[2], status;
    size_t n = 0;
    ssize_t got;
    assert_int_equal(pipe(p), 0);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(p[1], STDERR_FILENO);
        close(p[1]);
        if (as_nobody && (setgroups(0, NULL) != 0 || setgid(NOBODY) != 0 ||
                          setuid(NOBODY) != 0))
            _exit(1);
        confine_explain(&pool);
        /* and what it says is no reason not to start */
        _exit(confine_resolve(&pool, &id, &why) == OK && !id.change ? 0 : 2);
    }
    close(p[1]);
    while ((got = read(p[0], said + n, sizeof(said) - 1 - n)) > 0)
        n += (size_t)got;
    said[n] = '\0';
    close(p[0]);
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
}

static void assert_logged(const char *word, bool yes)
{
    if ((strstr(said, word) != NULL) != yes)
        fail_msg("\"%s\" is %s in \"%s\"", word, yes ? "not" : "", said);
}

static void root_without_user_is_warned_of(void **state)
{
    (void)state;
    needs_root();
    explain(false);
    assert_logged("pool test runs as root, and so does its JavaScript: set "
                  "user = NAME in [pool test]",
                  true);
}

static void without_root_what_cannot_be_done_is_said_once(void **state)
{
    (void)state;
    needs_root();
    pool.user = "root";
    pool.groups = "7";
    pool.chroot = home;
    pool.rlimit_files = 1000000000;
    explain(true);
    assert_logged("not started by root, so without user, groups, chroot: "
                  "workers run as uid 65534 and gid 65534",
                  true);
    assert_logged("rlimit_files stays at", true);
    assert_logged("raise LimitNOFILE= of its systemd unit", true);
    assert_logged("runs as root", false);
}

static void without_root_nothing_is_said_of_who_it_is_already(void **state)
{
    (void)state;
    needs_root();
    pool.user = "nobody";
    pool.group = "65534";
    pool.groups = "65534";
    explain(true);
    assert_string_equal(said, "");
}

/* ---- all of it ---------------------------------------------------------- */

static void see_filter(void)
{
    check_status("Seccomp", "2");
    CHECK(fork() == -1);
}

static void the_filter_is_last(void **state)
{
    (void)state;
    if (seccomp_prepare(&why) == ERR_NOTFOUND)
        skip();
#ifdef __SANITIZE_ADDRESS__
    skip(); /* LeakSanitizer's calls are allowed there */
#endif
    pool.seccomp = SECCOMP_ON;
    walk_then(see_filter);
    pool.seccomp = SECCOMP_AUTO;
    walk_then(see_filter);
    needs_root();
    pool.user = "nobody";
    walk_then(see_filter);
}

static void see_no_filter(void)
{
    check_status("Seccomp", "0");
    check_status("NoNewPrivs", "1");
}

static void without_the_filter_the_rest_holds(void **state)
{
    (void)state;
    if (strcmp(status_of("Seccomp"), "0") != 0)
        skip();
    walk_then(see_no_filter);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_user_is_changed_to_for_good),
        TEST(group_and_groups_are_those_named),
        TEST(a_number_without_an_entry_needs_a_group),
        TEST(unknown_names_are_said),
        TEST(too_many_groups_are_refused),
        TEST(root_that_stays_has_no_other_power),
        TEST(it_still_ends_with_its_parent),
        TEST(only_kept_descriptors_stay_in_whatever_order),
        TEST(of_the_environment_only_named_variables_stay),
        TEST(limits_and_umask_are_those_asked_for),
        TEST(it_can_be_dumped_only_with_rlimit_core),
        TEST(chroot_and_chdir_in_it),
        TEST(chdir_alone),
        TEST(folders_that_are_not_there_are_said),
        TEST(root_without_user_is_warned_of),
        TEST(without_root_what_cannot_be_done_is_said_once),
        TEST(without_root_nothing_is_said_of_who_it_is_already),
        TEST(the_filter_is_last),
        TEST(without_the_filter_the_rest_holds),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
