/*
 * test_config.c - the INI file: values, defaults and complaints.
 */
#include "base/buf.h"
#include "base/clock.h"
#include "base/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define MB (UINT64_C(1) << 20)
#define POOL "[pool a]\nlisten = 9000\napp = /srv/a.js\n"

struct t {
    struct config c;
    struct buf errors;
};

static char folder[] = "/tmp/snapcgi-test-config-XXXXXX";
static char env_path[64];

static int make_folder(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(env_path, sizeof(env_path), "%s/env", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(env_path);
    return rmdir(folder);
}

static int set_up(void **state)
{
    struct t *t = xalloc(sizeof(*t));
    config_init(&t->c);
    buf_init(&t->errors, 16384);
    *state = t;
    return 0;
}

static int tear_down(void **state)
{
    struct t *t = *state;
    config_free(&t->c);
    buf_free(&t->errors);
    free(t);
    return 0;
}

static enum err read_bytes(struct t *t, const char *text, size_t n)
{
    buf_clear(&t->errors);
    FILE *in = fmemopen((void *)(uintptr_t)text, n, "r");
    assert_non_null(in);
    enum err e = config_read_stream(&t->c, in, "/etc/s.conf", &t->errors);
    fclose(in);
    return e;
}

static enum err read_text(struct t *t, const char *text)
{
    return read_bytes(t, text, strlen(text));
}

static void good(struct t *t, const char *text)
{
    enum err e = read_text(t, text);
    assert_string_equal(buf_str(&t->errors), "");
    assert_int_equal(e, OK);
}

/* sentence: the whole complaint; nothing of the file may be kept. */
static void bad(struct t *t, const char *text, const char *sentence)
{
    assert_int_equal(read_text(t, text), ERR_SYNTAX);
    assert_string_equal(buf_str(&t->errors), sentence);
    assert_int_equal(t->c.pool_count, 0);
    assert_null(t->c.path);
}

static void write_env(const char *text)
{
    FILE *f = fopen(env_path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static const char *env_get(const struct pool_config *p, const char *name)
{
    for (size_t i = 0; p->env[i] != NULL; i += 2)
        if (strcmp(p->env[i], name) == 0)
            return p->env[i + 1];
    return NULL;
}

static void an_empty_file_gives_the_defaults(void **state)
{
    struct t *t = *state;
    good(t, "\n");
    assert_int_equal(t->c.pool_count, 0);
    assert_string_equal(t->c.error_log, "stderr");
    assert_int_equal(t->c.log_level, LOG_NOTICE);
    assert_true(t->c.cgi.request_timeout == 30 * NS_PER_S);
    assert_true(t->c.cgi.heap_limit == 128 * MB);
    assert_string_equal(t->c.cgi.name, "cgi");
    assert_null(t->c.cgi.env[0]);
}

static void every_kind_of_value_is_read(void **state)
{
    struct t *t = *state;
    good(t, "[global]\nlog_level = debug\nerror_log = log/error.log\n"
            "[pool www]\n"
            "listen = /run/www.sock\nlisten.mode = 0600\n"
            "listen.backlog = 7\nlisten.owner = www-data\nlisten.group=33\n"
            "root = /var/www/\nextensions = .js .cjs\nreset = isolate\n"
            "spare = 2\nwatch = off\nrequest_timeout = 1500ms\n"
            "heap_limit = 1g\nmax_body = 100K\nshow_errors = yes\n"
            "env[GREETING] = hello world\n");
    const struct pool_config *p = config_pool(&t->c, "www");
    assert_non_null(p);
    assert_int_equal(t->c.log_level, LOG_DEBUG);
    assert_string_equal(t->c.error_log, "/etc/log/error.log");
    assert_string_equal(p->listen, "/run/www.sock");
    assert_int_equal(p->listen_mode, 0600);
    assert_int_equal(p->listen_backlog, 7);
    assert_string_equal(p->listen_owner, "www-data");
    assert_string_equal(p->listen_group, "33");
    assert_string_equal(p->root, "/var/www");
    assert_string_equal(p->extensions, ".js .cjs");
    assert_int_equal(p->reset, RESET_ISOLATE);
    assert_int_equal(p->spare, 2);
    assert_false(p->watch);
    assert_true(p->request_timeout == 1500 * NS_PER_MS);
    assert_true(p->heap_limit == 1024 * MB);
    assert_int_equal(p->max_body, 102400);
    assert_true(p->show_errors);
    assert_string_equal(env_get(p, "GREETING"), "hello world");
    assert_int_equal(p->line, 4);
}

static void a_plain_number_is_seconds(void **state)
{
    struct t *t = *state;
    good(t, "[cgi]\nrequest_timeout = 2\nmax_body = 3\n");
    assert_true(t->c.cgi.request_timeout == 2 * NS_PER_S);
    assert_int_equal(t->c.cgi.max_body, 3);
    assert_int_equal(t->c.cgi.line, 1);
}

static void pools_keep_their_order(void **state)
{
    struct t *t = *state;
    good(t, POOL "[pool b]\nlisten = 9001\nroot = /b\n"
                 "[pool c]\nlisten = fd 0\n");
    assert_int_equal(t->c.pool_count, 3);
    assert_string_equal(t->c.pools[0].name, "a");
    assert_string_equal(t->c.pools[2].name, "c");
    assert_null(config_pool(&t->c, NULL));
    assert_null(config_pool(&t->c, "d"));
}

static void the_only_pool_needs_no_name(void **state)
{
    struct t *t = *state;
    good(t, POOL);
    assert_string_equal(config_pool(&t->c, NULL)->name, "a");
}

static void a_relative_path_starts_at_the_files_folder(void **state)
{
    struct t *t = *state;
    good(t, "[pool a]\nlisten = 9000\napp = app/a.js\n");
    assert_string_equal(t->c.pools[0].app, "/etc/app/a.js");
}

static void comments_and_indents_are_allowed(void **state)
{
    struct t *t = *state;
    good(t, "\xef\xbb\xbf# one\r\n; two\n[pool a] ; three\n"
            "  listen = 9000 ; four\n\tapp = /a#b.js\t; five\r\n");
    assert_string_equal(t->c.pools[0].listen, "9000");
    assert_string_equal(t->c.pools[0].app, "/a#b.js");
}

static void a_long_value_is_whole(void **state)
{
    struct t *t = *state;
    char text[4200] = "[cgi]\nenv[A] = ";
    size_t n = strlen(text);
    memset(text + n, 'x', 4000);
    good(t, text);
    assert_int_equal(strlen(env_get(&t->c.cgi, "A")), 4000);
}

static void a_line_that_is_too_long_is_an_error(void **state)
{
    struct t *t = *state;
    char text[6000] = "[cgi]\nenv[A] = ";
    size_t n = strlen(text);
    memset(text + n, 'x', 5000);
    bad(t, text, "/etc/s.conf:2: this line is longer than 4096 bytes\n");
}

static void a_file_without_end_is_an_error(void **state)
{
    struct t *t = *state;
    assert_int_equal(config_read(&t->c, "/dev/zero", &t->errors), ERR_SYNTAX);
    assert_string_equal(buf_str(&t->errors),
                        "/dev/zero:1: the file is longer than 1048576 bytes\n");
}

static void a_folder_is_no_file(void **state)
{
    struct t *t = *state;
    assert_int_equal(config_read(&t->c, "/", &t->errors), ERR_SYNTAX);
    assert_string_equal(buf_str(&t->errors),
                        "/:1: cannot read on: Is a directory\n");
}

static void a_missing_file_is_an_error(void **state)
{
    struct t *t = *state;
    assert_int_equal(config_read(&t->c, "/nonexistent", &t->errors),
                     ERR_NOTFOUND);
    assert_string_equal(
        buf_str(&t->errors),
        "/nonexistent: cannot open it: No such file or directory\n");
}

static void a_nul_byte_is_an_error(void **state)
{
    struct t *t = *state;
    static const char text[] = "[cgi]\nmax_body = 1\0m\n";
    assert_int_equal(read_bytes(t, text, sizeof(text) - 1), ERR_SYNTAX);
    assert_string_equal(buf_str(&t->errors),
                        "/etc/s.conf:2: this line holds a NUL byte\n");
}

static void a_control_character_is_an_error(void **state)
{
    bad(*state, "[cgi]\nroot = /a\x1b[2J\n",
        "/etc/s.conf:2: this line holds a control character\n");
}

static void every_mistake_is_told(void **state)
{
    bad(*state,
        "[cgi]\nmax_body = x\nnonsense\nheap_limit = 1k\nreset = none\n",
        "/etc/s.conf:2: max_body = x is not a size (a number and k, m or g)\n"
        "/etc/s.conf:3: this line is neither [section] nor key = value\n"
        "/etc/s.conf:4: heap_limit = 1k is out of range (8m to 64g)\n"
        "/etc/s.conf:5: reset is not a key of this section but of "
        "[pool NAME]\n");
}

static void no_more_than_twenty_mistakes_are_told(void **state)
{
    struct t *t = *state;
    char text[1000] = "[cgi]\n";
    for (int i = 0; i < 50; i++)
        strcat(text, "x\n");
    assert_int_equal(read_text(t, text), ERR_SYNTAX);
    size_t lines = 0;
    for (const char *p = buf_str(&t->errors); *p != '\0'; p++)
        lines += *p == '\n';
    assert_int_equal(lines, 20);
}

static void a_repeated_key_is_an_error(void **state)
{
    bad(*state, "[cgi]\nmax_body = 1\nmax_params = 20\nmax_body = 2\n",
        "/etc/s.conf:4: max_body is set on line 2 already\n");
}

static void a_repeated_section_is_an_error(void **state)
{
    bad(*state, POOL "[cgi]\n[pool  a ]\nlisten = 1\nnonsense_key = 1\n",
        "/etc/s.conf:5: this section began on line 1 already\n");
}

static void long_pool_names_are_told_apart(void **state)
{
    struct t *t = *state;
#define LONG "abcdefghijklmnopqrstuvwxyz0123456789_abcdefghijklmnopqrstuvwxy"
    good(t, "[pool " LONG ".1]\nlisten = 1\nroot = /\n"
            "[pool " LONG ".2]\nlisten = 2\nroot = /\n");
    assert_int_equal(t->c.pool_count, 2);
    bad(t, "[pool " LONG ".12]\n",
        "/etc/s.conf:1: a pool's section is [pool NAME], with 1 to 64 "
        "letters, digits, '_', '.' or '-' in NAME\n");
}

static void an_empty_pool_is_checked_too(void **state)
{
    bad(*state, "[pool a]\n", "/etc/s.conf:1: this pool has no listen\n");
}

static void an_unknown_section_is_an_error(void **state)
{
    bad(*state, "[www]\nlisten = 9000\n[pool1]\n[pool]\n[cgi\n",
        "/etc/s.conf:1: unknown section [www]; there are [global], [cgi] and "
        "[pool NAME]\n"
        "/etc/s.conf:3: a pool's section is [pool NAME], with 1 to 64 "
        "letters, digits, '_', '.' or '-' in NAME\n"
        "/etc/s.conf:4: a pool's section is [pool NAME], with 1 to 64 "
        "letters, digits, '_', '.' or '-' in NAME\n"
        "/etc/s.conf:5: a section is written [name] on a line of its own\n");
}

static void an_unknown_key_is_an_error_with_a_hint(void **state)
{
    bad(*state, "[cgi]\nheaplimit = 1g\nxyzzy = 1\nmax_bdy = 1\n",
        "/etc/s.conf:2: unknown key heaplimit; did you mean heap_limit?\n"
        "/etc/s.conf:3: unknown key xyzzy\n"
        "/etc/s.conf:4: unknown key max_bdy; did you mean max_body?\n");
}

static void a_key_before_any_section_is_an_error(void **state)
{
    bad(*state, "log_level = info\n",
        "/etc/s.conf:1: a key must stand in a section, such as [global]\n");
}

static void a_value_is_required(void **state)
{
    bad(*state, "[global]\nerror_log =\n",
        "/etc/s.conf:2: error_log has no value\n");
}

static void wrong_values_are_explained(void **state)
{
    bad(*state,
        "[global]\nlog_level = loud\n"
        "[pool a]\nlisten = nowhere\nroot = /\nlisten.mode = 0888\n"
        "watch = maybe\nrequest_timeout = 1.5s\nspare = -1\n"
        "extensions = js\nlisten.owner = a b\nmax_requests = 9999999999\n"
        "body_timeout = 99999999999999999999h\n",
        "/etc/s.conf:2: log_level = loud is not one of "
        "debug|info|notice|warn|error\n"
        "/etc/s.conf:4: listen = nowhere is none of /path, host:port, "
        "[v6]:port, port, fd 0\n"
        "/etc/s.conf:6: listen.mode = 0888 is not an octal mode such as "
        "0660\n"
        "/etc/s.conf:7: watch = maybe is neither on nor off\n"
        "/etc/s.conf:8: request_timeout = 1.5s is not a time (a number and "
        "ms, s, m or h)\n"
        "/etc/s.conf:9: spare = -1 is not a whole number\n"
        "/etc/s.conf:10: extensions = js is not a list such as .js .mjs\n"
        "/etc/s.conf:11: listen.owner = a b is not the name of a user or "
        "group\n"
        "/etc/s.conf:12: max_requests = 9999999999 is out of range (0 to "
        "1000000000)\n"
        "/etc/s.conf:13: body_timeout = 99999999999999999999h is out of range "
        "(10ms to 1h)\n"
        "/etc/s.conf:3: this pool has no listen\n");
}

static void addresses_take_these_forms(void **state)
{
    static const char *const yes[] = {
        "9000",        "127.0.0.1:9000", "[::1]:9000", "localhost:65535",
        "/run/a.sock", "*:80",           "fd 0"};
    static const char *const no[] = {
        "0",     "65536",      "fd 3", "::1:9000", "[::g]:9000", "host:",
        ":9000", "run/a.sock", "/",    "a b:9000", "127.0.0.1",  "[::1]"};
    char text[200];
    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        snprintf(text, sizeof(text), "[pool a]\nlisten = %s\nroot = /\n",
                 yes[i]);
        good(*state, text);
    }
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
        snprintf(text, sizeof(text), "[pool a]\nlisten = %s\nroot = /\n",
                 no[i]);
        assert_int_equal(read_text(*state, text), ERR_SYNTAX);
    }
}

/* start: "key = " and the path's first bytes; before: how many of the whole
 * come before those that follow. */
static void check_path(struct t *t, const char *section, const char *start,
                       size_t before, const char *end)
{
    char path[200] = "", text[400], line[100];
    memset(path, 'x', 108 - before);
    snprintf(text, sizeof(text), "%s%s%s\n%s", section, start, path, end);
    snprintf(line, sizeof(line), "/etc/s.conf:2: %sxx", start);
    assert_int_equal(read_text(t, text), ERR_SYNTAX);
    assert_ptr_equal(strstr(buf_str(&t->errors), line), buf_str(&t->errors));
    assert_non_null(strstr(buf_str(&t->errors),
                           "x is too long for a unix socket, whose whole path "
                           "has 107 bytes at most; take a shorter one\n"));
    path[strlen(path) - 1] = '\0';
    snprintf(text, sizeof(text), "%s%s%s\n%s", section, start, path, end);
    good(t, text);
}

static void a_socket_path_must_fit(void **state)
{
    check_path(*state, "[pool a]\n", "listen = /", 1, "root = /\n");
    check_path(*state, "[global]\n", "status_listen = /", 1, "");
    check_path(*state, "[global]\n", "control = /", 1, "");
    check_path(*state, "[global]\n", "control = ", strlen("/etc/"), "");
}

static void what_there_is_one_of_has_its_own_socket(void **state)
{
    bad(*state,
        "[global]\nlog_level = info\nstatus_listen = 9000\ncontrol = /c\n" POOL
        "[pool b]\nlisten = /c\nroot = /\n",
        "/etc/s.conf:3: status_listen = 9000 is the listen of pool a of line "
        "5, too: give it another\n"
        "/etc/s.conf:4: control = /c is the listen of pool b of line 8, too: "
        "give it another\n");
    good(*state, "[global]\nstatus_listen = 9001\ncontrol = /c\n" POOL);
}

static void the_pages_of_a_pool_are_paths(void **state)
{
    struct t *t = *state;
    bad(t,
        POOL "status_path = status\nping.path = http://a/ping\n"
             "access.suppress_path = /a b\n",
        "/etc/s.conf:4: status_path = status is not the path of a URL: it "
        "begins with / and has no query\n"
        "/etc/s.conf:5: ping.path = http://a/ping is not the path of a URL: "
        "it begins with / and has no query\n"
        "/etc/s.conf:6: access.suppress_path = /a b has b in it, which is not "
        "a path that begins with /; a list has blanks between its words\n");
    bad(t, POOL "status_path = /status?full\n",
        "/etc/s.conf:4: status_path = /status?full is not the path of a URL: "
        "it begins with / and has no query\n");
    good(t, POOL "status_path = /status\nping.path = /\n"
                 "access.suppress_path = /a  /b\t/c\n");
    assert_string_equal(t->c.pools[0].status_path, "/status");
    assert_string_equal(t->c.pools[0].access_suppress, "/a  /b\t/c");
}

static void lists_of_names_are_looked_at(void **state)
{
    struct t *t = *state;
    bad(t, POOL "groups = video, audio\nkeep_env = TZ LANG=C\n",
        "/etc/s.conf:4: groups = video, audio has video, in it, which is not "
        "the name of a group; a list has blanks between its words\n"
        "/etc/s.conf:5: keep_env = TZ LANG=C has LANG=C in it, which is not "
        "the name of a variable (letters, digits, _); a list has blanks "
        "between its words\n");
    bad(t, POOL "groups = video -x\nkeep_env = 1st\n",
        "/etc/s.conf:4: groups = video -x has -x in it, which is not the name "
        "of a group; a list has blanks between its words\n"
        "/etc/s.conf:5: keep_env = 1st has 1st in it, which is not the name "
        "of a variable (letters, digits, _); a list has blanks between its "
        "words\n");
    good(t, POOL "groups = video  44 www-data\nkeep_env = TZ\tLC_ALL _x1\n");
    assert_string_equal(t->c.pools[0].groups, "video  44 www-data");
    assert_string_equal(t->c.pools[0].keep_env, "TZ\tLC_ALL _x1");
}

static void a_pool_runs_an_app_or_a_root(void **state)
{
    bad(*state,
        "[pool a]\nlisten = 1\n[pool b]\nlisten = 2\napp = /a\nroot = /b\n",
        "/etc/s.conf:1: this pool has neither app nor root\n"
        "/etc/s.conf:3: app and root exclude each other\n");
}

static void two_pools_cannot_listen_at_one_place(void **state)
{
    bad(*state, POOL "[pool b]\nlisten = 9000\nroot = /\n",
        "/etc/s.conf:4: pool a of line 1 has the same listen\n");
}

static void spare_is_at_most_spare_max(void **state)
{
    bad(*state, POOL "spare = 5\n",
        "/etc/s.conf:1: spare is more than spare_max\n");
}

static void keys_may_have_the_prefix_of_php_fpm(void **state)
{
    struct t *t = *state;
    good(t, "[global]\npm.log_level = debug\n" POOL
            "pm = ondemand\npm.max_children = 3\npm.listen.mode = 0600\n"
            "pm.process_idle_timeout = 1m\npm.request_timeout = 2s\n");
    assert_int_equal(t->c.log_level, LOG_DEBUG);
    assert_int_equal(t->c.pools[0].pm, PM_ONDEMAND);
    assert_int_equal(t->c.pools[0].max_children, 3);
    assert_int_equal(t->c.pools[0].listen_mode, 0600);
    assert_true(t->c.pools[0].process_idle_timeout == 60 * NS_PER_S);
    assert_true(t->c.pools[0].request_timeout == 2 * NS_PER_S);
}

static void a_key_with_and_without_the_prefix_is_the_same(void **state)
{
    bad(*state, POOL "max_children = 3\npm.max_children = 4\n",
        "/etc/s.conf:5: pm.max_children is set on line 4 already\n");
}

static void the_prefix_makes_no_key_of_what_is_none(void **state)
{
    bad(*state, POOL "pm. = 1\npm.pm.spare = 1\npm.nonsense = 1\n",
        "/etc/s.conf:4: unknown key pm.; did you mean pm?\n"
        "/etc/s.conf:5: unknown key pm.pm.spare\n"
        "/etc/s.conf:6: unknown key pm.nonsense\n");
}

static void env_values_have_no_prefix(void **state)
{
    bad(*state, POOL "pm.env[A] = topsecret\npm.env[NAME] = topsecret\n",
        "/etc/s.conf:4: unknown key pm.env[A]\n"
        "/etc/s.conf:5: unknown key pm.env[NAME]\n");
}

static void a_log_goes_to_a_word_or_a_path(void **state)
{
    static const char *const words[] = {"stderr", "syslog", "journal"};
    struct t *t = *state;
    char text[200];
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        snprintf(text, sizeof(text),
                 "[global]\nerror_log = %s\n" POOL "access.log = %s\n",
                 words[i], words[i]);
        good(t, text);
        assert_string_equal(t->c.error_log, words[i]);
        assert_string_equal(t->c.pools[0].access_log, words[i]);
    }
    /* Only the whole word in lower case is one. */
    good(t, "[global]\nerror_log = Syslog\n" POOL
            "access.log = /syslog\nslowlog = log/slow\n");
    assert_string_equal(t->c.error_log, "/etc/Syslog");
    assert_string_equal(t->c.pools[0].access_log, "/syslog");
    assert_string_equal(t->c.pools[0].slowlog, "/etc/log/slow");
}

static void an_access_format_is_taken_as_it_is(void **state)
{
    struct t *t = *state;
    good(t, POOL);
    assert_string_equal(t->c.pools[0].access_format,
                        "%R - %u %t \"%m %r%Q%q\" %s");
    assert_null(t->c.pools[0].access_log);
    good(t, POOL "access.format = \"%{%H:%M}t\";%s = %%   ; a comment\n"
                 "access.suppress_path = /ping /health\n");
    assert_string_equal(t->c.pools[0].access_format, "\"%{%H:%M}t\";%s = %%");
    assert_string_equal(t->c.pools[0].access_suppress, "/ping /health");
}

static void the_process_manager_is_one_of_three(void **state)
{
    struct t *t = *state;
    static const char *const words[] = {"dynamic", "static", "ondemand"};
    char text[200];
    for (int i = 0; i < 3; i++) {
        snprintf(text, sizeof(text), POOL "pm = %s\n", words[i]);
        good(t, text);
        assert_int_equal((int)t->c.pools[0].pm, i);
    }
    bad(t, POOL "pm = Static\npm.max_children = 0\n",
        "/etc/s.conf:4: pm = Static is not one of "
        "dynamic|static|ondemand\n"
        "/etc/s.conf:5: pm.max_children = 0 is out of range (1 to 4096)\n");
}

static void min_spare_servers_is_at_most_max_spare_servers(void **state)
{
    static const char pool[] = POOL "min_spare_servers = 5\n";
    struct t *t = *state;
    char text[200];
    bad(t, pool,
        "/etc/s.conf:1: min_spare_servers is more than "
        "max_spare_servers\n");
    snprintf(text, sizeof(text), "%smax_spare_servers = 5\n", pool);
    good(t, text);
    /* The other ways of choosing look at neither. */
    snprintf(text, sizeof(text), "%spm = static\n", pool);
    good(t, text);
    snprintf(text, sizeof(text), "%spm = ondemand\n", pool);
    good(t, text);
}

static void names_are_those_of_users_and_groups(void **state)
{
    struct t *t = *state;
    good(t, "[global]\nstatus_user = _snap\nstatus_listen.group = web.1\n"
            "syslog.ident = snap-2\n" POOL
            "user = www-data\ngroup = 33\ngroups = video  audio\n");
    assert_string_equal(t->c.status_user, "_snap");
    assert_string_equal(t->c.status.listen_group, "web.1");
    assert_string_equal(t->c.syslog_ident, "snap-2");
    assert_string_equal(t->c.pools[0].user, "www-data");
    assert_string_equal(t->c.pools[0].group, "33");
    assert_string_equal(t->c.pools[0].groups, "video  audio");
    bad(t, POOL "user = -root\ngroup = a:b\n",
        "/etc/s.conf:4: user = -root is not the name of a user or group\n"
        "/etc/s.conf:5: group = a:b is not the name of a user or group\n");
}

static void the_status_socket_is_an_address(void **state)
{
    struct t *t = *state;
    good(t, POOL);
    assert_null(t->c.status.listen);
    assert_int_equal(t->c.status.listen_mode, 0660);
    good(t, "[global]\nstatus_listen = /run/status.sock\n"
            "status_listen.mode = 0600\nprocess.max = 7\n");
    assert_string_equal(t->c.status.listen, "/run/status.sock");
    assert_int_equal(t->c.status.listen_mode, 0600);
    assert_int_equal(t->c.process_max, 7);
    bad(t, "[global]\nstatus_listen = nowhere\n",
        "/etc/s.conf:2: status_listen = nowhere is none of /path, "
        "host:port, [v6]:port, port, fd 0\n");
}

static void a_mode_has_a_ceiling(void **state)
{
    bad(*state, POOL "umask = 1000\nlisten.mode = 7777\n",
        "/etc/s.conf:4: umask = 1000 is over 0777\n"
        "/etc/s.conf:5: listen.mode = 7777 is over 0777\n");
}

static void a_single_request_has_no_process_manager(void **state)
{
    bad(*state,
        "[cgi]\npm.max_children = 2\nslowlog_timeout = 1\n"
        "cpu_limit = 1s\ncontrol = /x\n",
        "/etc/s.conf:2: pm.max_children is not a key of this section but of "
        "[pool NAME]\n"
        "/etc/s.conf:3: slowlog_timeout is not a key of this section but of "
        "[pool NAME]\n"
        "/etc/s.conf:5: control is not a key of this section but of "
        "[global]\n");
}

static void env_names_are_identifiers(void **state)
{
    struct t *t = *state;
    bad(t,
        "[cgi]\nenv[A-B] = topsecret\nenv[] = topsecret\nenv[A = topsecret\n"
        "env[C] = 1\nenv[C] = topsecret\n[global]\nenv[D] = topsecret\n",
        "/etc/s.conf:2: the name of an env value is made of letters, digits "
        "and _, not of 'A-B'\n"
        "/etc/s.conf:3: the name of an env value is made of letters, digits "
        "and _, not of ''\n"
        "/etc/s.conf:4: an env value is written env[NAME] = value\n"
        "/etc/s.conf:6: C is set on line 5 already\n"
        "/etc/s.conf:8: env[NAME] is not a key of this section but of "
        "[pool NAME]\n");
}

static void an_env_value_may_be_empty(void **state)
{
    struct t *t = *state;
    good(t, "[cgi]\nenv[A] =\n");
    assert_string_equal(env_get(&t->c.cgi, "A"), "");
}

static void an_env_file_is_read_literally(void **state)
{
    struct t *t = *state;
    char text[200];
    write_env("# comment\n\nA=one\nB = x\n");
    snprintf(text, sizeof(text), "[cgi]\nenv_file = %s\n", env_path);
    assert_int_equal(read_text(t, text), ERR_SYNTAX);
    write_env("# comment\n\nA=one ; two # $three\r\nB=\"a 'b' \"\n"
              "  C='$(d)\\n'\nD=\n");
    good(t, text);
    assert_string_equal(env_get(&t->c.cgi, "A"), "one ; two # $three");
    assert_string_equal(env_get(&t->c.cgi, "B"), "a 'b' ");
    assert_string_equal(env_get(&t->c.cgi, "C"), "$(d)\\n");
    assert_string_equal(env_get(&t->c.cgi, "D"), "");
}

static void env_overrides_env_file(void **state)
{
    struct t *t = *state;
    char text[200];
    write_env("A=1\nB=2\n");
    snprintf(text, sizeof(text), "[cgi]\nenv[A] = mine\nenv_file = %s\n",
             env_path);
    good(t, text);
    assert_string_equal(env_get(&t->c.cgi, "A"), "mine");
    assert_string_equal(env_get(&t->c.cgi, "B"), "2");
    assert_null(t->c.cgi.env[4]);
}

static void mistakes_in_an_env_file_keep_its_secrets(void **state)
{
    struct t *t = *state;
    char text[200], sentences[1000];
    write_env("A=\"topsecret\nB='topsecret' x\ntopsecret\nC=1\nC=topsecret\n");
    snprintf(text, sizeof(text), "[cgi]\nenv_file = %s\n", env_path);
    snprintf(sentences, sizeof(sentences),
             "%s:1: a quote is not closed\n"
             "%s:2: text follows the closing quote\n"
             "%s:3: this line is not NAME=value\n"
             "%s:5: C is set on line 4 already\n",
             env_path, env_path, env_path, env_path);
    bad(t, text, sentences);
}

static void a_missing_env_file_is_an_error(void **state)
{
    bad(*state, "[cgi]\nenv_file = none.env\n",
        "/etc/none.env: cannot open it: No such file or directory\n");
}

static void a_failed_read_keeps_nothing(void **state)
{
    struct t *t = *state;
    good(t, POOL);
    bad(t, "[cgi]\nmax_body = 1\nx = y\n", "/etc/s.conf:3: unknown key x\n");
    assert_true(t->c.cgi.max_body == 8 * MB);
}

static char *print(const struct config *c)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    config_print(c, out);
    fclose(out);
    return text;
}

static void what_is_printed_reads_back_the_same(void **state)
{
    struct t *t = *state;
    good(t, "[global]\nlog_level = warn\nerror_log = journal\n" POOL
            "pm = static\npm.max_children = 2\numask = 27\n"
            "access.format = %s \"%r\"\nstatus_path = /status\n"
            "request_timeout = 90\nwait_until_timeout = 0\nmax_body = 1000\n"
            "heap_limit = 2048m\nbody_timeout = 60s\nlisten.mode = 600\n"
            "listen.owner = root\n[cgi]\nroot = /x\n");
    char *first = print(&t->c);
    assert_non_null(strstr(first, "request_timeout = 90s\n"));
    assert_non_null(strstr(first, "wait_until_timeout = 0\n"));
    assert_non_null(strstr(first, "max_body = 1000\n"));
    assert_non_null(strstr(first, "heap_limit = 2g\n"));
    assert_non_null(strstr(first, "body_timeout = 1m\n"));
    assert_non_null(strstr(first, "listen.mode = 0600\n"));
    assert_non_null(strstr(first, "pm = static\n"));
    assert_non_null(strstr(first, "max_children = 2\n"));
    assert_non_null(strstr(first, "umask = 0027\n"));
    assert_non_null(strstr(first, "access.format = %s \"%r\"\n"));
    assert_non_null(strstr(first, "error_log = journal\n"));
    assert_null(strstr(first, "slowlog ="));
    assert_null(strstr(first, "listen.group"));
    good(t, first);
    char *second = print(&t->c);
    assert_string_equal(first, second);
    free(first);
    free(second);
}

static void secrets_are_not_printed(void **state)
{
    struct t *t = *state;
    good(t, "[cgi]\nenv[KEY] = topsecret\n");
    char *text = print(&t->c);
    assert_non_null(strstr(text, "env[KEY] = (set)\n"));
    assert_null(strstr(text, "topsecret"));
    free(text);
}

#define KEEPS "[pool a]\nlisten = 9000\napp = /srv/a.js\nstate = a.state\n"

static void an_image_is_beside_or_auto_or_a_file(void **state)
{
    struct t *t = *state;
    good(t, POOL);
    assert_string_equal(config_pool(&t->c, "a")->image, "beside");
    assert_string_equal(config_pool(&t->c, "a")->image_cache,
                        "/var/cache/snapcgi");
    good(t, POOL "image = off\n");
    assert_string_equal(config_pool(&t->c, "a")->image, "off");
    good(t, POOL "image = auto\nimage_warm = / /a?b=c&d\n[cgi]\nimage = "
                 "a.img\n");
    assert_string_equal(config_pool(&t->c, "a")->image_warm, "/ /a?b=c&d");
    assert_string_equal(config_pool(&t->c, "a")->image, "auto");
    assert_string_equal(t->c.cgi.image, "/etc/a.img");
    bad(t, POOL "image = auto\nimage_key = k.pub\n",
        "/etc/s.conf:4: image cannot be auto beside image_key: what is made "
        "here is not signed; build and sign it at deploy, and name it by image "
        "= FILE\n");
    bad(t, POOL "image_warm = a\n",
        "/etc/s.conf:4: image_warm = a has a in it, which is not a path that "
        "begins with /, and maybe a query; a list has blanks between its "
        "words\n");
    bad(t, POOL "image_warm = / /a#b\n",
        "/etc/s.conf:4: image_warm = / /a#b has /a#b in it, which is not a "
        "path that begins with /, and maybe a query; a list has blanks between "
        "its words\n");
}

static void a_key_can_be_set_by_itself(void **state)
{
    struct t *t = *state;
    struct pool_config *p = &t->c.cgi;
    struct why why;
    assert_int_equal(config_set(p, "image_timeout", "90", &why), OK);
    assert_int_equal(config_set(p, "heap_limit", "64m", &why), OK);
    assert_true(p->image_timeout == 90 * NS_PER_S);
    assert_true(p->heap_limit == 64 * MB);
    assert_int_equal(config_set(p, "heap_limit", "7m", &why), ERR_RANGE);
    assert_string_equal(why.text, "is out of range (8m to 64g)");
    assert_int_equal(config_set(p, "heap_limit", "much", &why), ERR_SYNTAX);
    assert_int_equal(config_set(p, "heap_limit", "", &why), ERR_SYNTAX);
    assert_true(p->heap_limit == 64 * MB);
}

static void typescript_and_jsx_are_known_by_their_names(void **state)
{
    (void)state;
    assert_true(config_app_needs_image("/srv/a.ts"));
    assert_true(config_app_needs_image("/srv/a.b.tsx"));
    assert_true(config_app_needs_image("a.mts"));
    assert_true(config_app_needs_image("a.jsx"));
    assert_false(config_app_needs_image("/srv/a.ts/a.js"));
    assert_false(config_app_needs_image("/srv/ts"));
    assert_false(config_app_needs_image("a.mjs"));
}

static void state_decides_how_many_workers_there_are(void **state)
{
    struct t *t = *state;
    good(t, KEEPS);
    struct pool_config *p = config_pool(&t->c, "a");
    assert_string_equal(p->state, "/etc/a.state");
    assert_int_equal(p->max_children, 1);
    assert_int_equal(p->reset, RESET_NONE);
    assert_int_equal(p->pm, PM_STATIC);
    assert_int_equal(p->state_keep, 1);
    assert_int_equal(p->on_mismatch, MISMATCH_REFUSE);
    good(t, KEEPS "hibernate_after = 1m\nstate_compress = zstd\n"
                  "max_children = 1\nreset = none\npm = ondemand\n"
                  "on_mismatch = fresh\nstate_keep = 0\n");
    p = config_pool(&t->c, "a");
    assert_int_equal(p->pm, PM_ONDEMAND);
    assert_int_equal(p->state_compress, STATE_ZSTD);
    assert_int_equal(p->on_mismatch, MISMATCH_FRESH);
    assert_int_equal(p->state_keep, 0);
}

static void what_state_decides_may_not_be_set_otherwise(void **state)
{
    struct t *t = *state;
    bad(t, KEEPS "max_children = 2\nreset = context\npm = ondemand\n",
        "/etc/s.conf:5: max_children cannot be that beside state: only one "
        "worker can keep it; remove it\n"
        "/etc/s.conf:6: reset cannot be that beside state: what is kept is "
        "never reset; remove it\n"
        "/etc/s.conf:7: pm cannot be that beside state: the one worker always "
        "runs without hibernate_after; remove it\n");
    bad(t, KEEPS "hibernate_after = 1s\npm = static\n",
        "/etc/s.conf:6: pm cannot be that beside state: the one worker runs on "
        "demand with hibernate_after; remove it\n");
    bad(t, "[pool a]\nlisten = 9000\nroot = /srv\nstate = /s\n",
        "/etc/s.conf:4: state is that of one application, and this pool has no "
        "app\n");
}

static void keys_of_state_mean_nothing_without_it(void **state)
{
    struct t *t = *state;
    bad(t, POOL "save_every = 1s\nstate_key = k\n",
        "/etc/s.conf:4: save_every says how state is kept, and this pool keeps "
        "none: set state, or remove it\n"
        "/etc/s.conf:5: state_key says how state is kept, and this pool keeps "
        "none: set state, or remove it\n");
}

static void two_pools_do_not_share_a_state_file(void **state)
{
    static const char *const there[] = {"a.state", "/etc/a.state.new",
                                        "/etc/a.state.12"};
    struct t *t = *state;
    char text[512];
    for (size_t i = 0; i < sizeof(there) / sizeof(there[0]); i++) {
        snprintf(text, sizeof(text),
                 KEEPS "[pool b]\nlisten = 9001\napp = /b.js\nstate = %s\n",
                 there[i]);
        bad(t, text,
            "/etc/s.conf:8: pool a of line 1 keeps its state there, too: give "
            "each a file of its own\n");
    }
    good(t, KEEPS "[pool b]\nlisten = 9001\napp = /b.js\nstate = a.state.x\n");
}

static void a_pool_with_state_reads_back_the_same(void **state)
{
    struct t *t = *state;
    good(t, KEEPS "hibernate_after = 90s\nstate_limit = 2g\nimage = auto\n");
    char *first = print(&t->c);
    assert_non_null(strstr(first, "state = /etc/a.state\n"));
    assert_non_null(strstr(first, "hibernate_after = 90s\n"));
    assert_non_null(strstr(first, "pm = ondemand\n"));
    good(t, first);
    char *second = print(&t->c);
    assert_string_equal(first, second);
    free(first);
    free(second);
    good(t, POOL);
    first = print(&t->c);
    assert_null(strstr(first, "state_limit"));
    free(first);
}

static void the_path_of_a_state_file_is_bounded(void **state)
{
    struct t *t = *state;
    char text[512];
    snprintf(text, sizeof(text),
             "[pool a]\nlisten = 9000\napp = /a.js\n"
             "state = /%0200d\n",
             0);
    bad(t, text,
        "/etc/s.conf:4: the whole path of state has 200 bytes at most; take a "
        "shorter one\n");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_empty_file_gives_the_defaults),
        TEST(every_kind_of_value_is_read),
        TEST(a_plain_number_is_seconds),
        TEST(pools_keep_their_order),
        TEST(the_only_pool_needs_no_name),
        TEST(a_relative_path_starts_at_the_files_folder),
        TEST(comments_and_indents_are_allowed),
        TEST(a_long_value_is_whole),
        TEST(a_line_that_is_too_long_is_an_error),
        TEST(a_file_without_end_is_an_error),
        TEST(a_folder_is_no_file),
        TEST(a_missing_file_is_an_error),
        TEST(a_nul_byte_is_an_error),
        TEST(a_control_character_is_an_error),
        TEST(every_mistake_is_told),
        TEST(no_more_than_twenty_mistakes_are_told),
        TEST(a_repeated_key_is_an_error),
        TEST(a_repeated_section_is_an_error),
        TEST(long_pool_names_are_told_apart),
        TEST(an_empty_pool_is_checked_too),
        TEST(an_unknown_section_is_an_error),
        TEST(an_unknown_key_is_an_error_with_a_hint),
        TEST(a_key_before_any_section_is_an_error),
        TEST(a_value_is_required),
        TEST(wrong_values_are_explained),
        TEST(addresses_take_these_forms),
        TEST(a_socket_path_must_fit),
        TEST(what_there_is_one_of_has_its_own_socket),
        TEST(the_pages_of_a_pool_are_paths),
        TEST(lists_of_names_are_looked_at),
        TEST(a_pool_runs_an_app_or_a_root),
        TEST(two_pools_cannot_listen_at_one_place),
        TEST(spare_is_at_most_spare_max),
        TEST(keys_may_have_the_prefix_of_php_fpm),
        TEST(a_key_with_and_without_the_prefix_is_the_same),
        TEST(the_prefix_makes_no_key_of_what_is_none),
        TEST(env_values_have_no_prefix),
        TEST(a_log_goes_to_a_word_or_a_path),
        TEST(an_access_format_is_taken_as_it_is),
        TEST(the_process_manager_is_one_of_three),
        TEST(min_spare_servers_is_at_most_max_spare_servers),
        TEST(names_are_those_of_users_and_groups),
        TEST(the_status_socket_is_an_address),
        TEST(a_mode_has_a_ceiling),
        TEST(a_single_request_has_no_process_manager),
        TEST(env_names_are_identifiers),
        TEST(an_env_value_may_be_empty),
        TEST(an_env_file_is_read_literally),
        TEST(env_overrides_env_file),
        TEST(mistakes_in_an_env_file_keep_its_secrets),
        TEST(a_missing_env_file_is_an_error),
        TEST(a_failed_read_keeps_nothing),
        TEST(what_is_printed_reads_back_the_same),
        TEST(secrets_are_not_printed),
        TEST(an_image_is_beside_or_auto_or_a_file),
        TEST(a_key_can_be_set_by_itself),
        TEST(typescript_and_jsx_are_known_by_their_names),
        TEST(state_decides_how_many_workers_there_are),
        TEST(what_state_decides_may_not_be_set_otherwise),
        TEST(keys_of_state_mean_nothing_without_it),
        TEST(two_pools_do_not_share_a_state_file),
        TEST(the_path_of_a_state_file_is_bounded),
        TEST(a_pool_with_state_reads_back_the_same),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
