/*
 * test_app.c - which files an application may be made of.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "serve/app.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char home[1024]; /* real path of a temporary folder */
static struct pool_config pool;
static struct fault fault;
static char found[PATH_MAX];

static const char *at(const char *name)
{
    static char paths[4][PATH_MAX];
    static int turn;
    char *path = paths[turn++ % 4];
    snprintf(path, PATH_MAX, "%s/%s", home, name);
    return path;
}

/* For another thread. */
static const char *at_mine(const char *name)
{
    static _Thread_local char paths[2][PATH_MAX];
    static _Thread_local int turn;
    char *path = paths[turn++ % 2];
    snprintf(path, PATH_MAX, "%s/%s", home, name);
    return path;
}

static void put(const char *name, const char *text)
{
    FILE *f = fopen(at(name), "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int set_up(void **state)
{
    char real[PATH_MAX];
    char path[] = "/tmp/snapcgi-test-XXXXXX";
    (void)state;
    if (mkdtemp(path) == NULL || realpath(path, real) == NULL ||
        strlen(real) >= sizeof(home))
        return -1;
    memcpy(home, real, strlen(real) + 1);
    mkdir(at("root"), 0755);
    mkdir(at("root/lib"), 0755);
    put("root/a.js", "a");
    put("root/a.txt", "text");
    put("root/lib/b.js", "b");
    put("root/data.json", "{}");
    put("outside.js", "out");
    pool = (struct pool_config){.name = "test", .extensions = ".js .mjs"};
    memset(&fault, 0, sizeof(fault));
    return 0;
}

static int tear_down(void **state)
{
    char command[PATH_MAX + 16];
    (void)state;
    snprintf(command, sizeof(command), "rm -rf '%s'", home);
    return system(command);
}

static enum err find(const char *script)
{
    const struct request request = {.script = slice_of(script)};
    return app_find(&pool, &request, found, &fault);
}

static void with_root(void)
{
    static char root[PATH_MAX];
    snprintf(root, sizeof(root), "%s", at("root"));
    pool.root = root;
}

static void assert_refused(enum err e, int status, const char *word)
{
    assert_int_not_equal(e, OK);
    assert_int_equal(fault.status, status);
    if (strstr(fault.why.text, word) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", fault.why.text, word);
}

/* ---- which file -------------------------------------------------------- */

static void the_pools_app_answers_whatever_the_script_is(void **state)
{
    (void)state;
    pool.app = "/srv/app.js";
    assert_int_equal(find("/etc/passwd"), OK);
    assert_string_equal(found, "/srv/app.js");
}

static void a_script_under_the_root_is_found(void **state)
{
    (void)state;
    with_root();
    assert_int_equal(find(at("root/./lib/../a.js")), OK);
    assert_string_equal(found, at("root/a.js"));
}

static void a_script_outside_the_root_is_refused(void **state)
{
    (void)state;
    with_root();
    assert_refused(find(at("outside.js")), 403, "outside the root");
    assert_refused(find(at("root/../outside.js")), 403, "outside the root");
}

static void a_folder_that_begins_like_the_root_is_outside(void **state)
{
    (void)state;
    mkdir(at("root2"), 0755);
    put("root2/c.js", "c");
    with_root();
    assert_refused(find(at("root2/c.js")), 403, "outside the root");
}

static void a_link_out_of_the_root_is_refused(void **state)
{
    (void)state;
    with_root();
    assert_int_equal(symlink(at("outside.js"), at("root/link.js")), 0);
    assert_refused(find(at("root/link.js")), 403, "outside the root");
}

static void a_link_within_the_root_is_followed(void **state)
{
    (void)state;
    with_root();
    assert_int_equal(symlink("lib/b.js", at("root/link.js")), 0);
    assert_int_equal(find(at("root/link.js")), OK);
    assert_string_equal(found, at("root/lib/b.js"));
}

static void a_root_that_is_a_link_holds_what_it_points_to(void **state)
{
    (void)state;
    assert_int_equal(symlink("root", at("current")), 0);
    static char root[PATH_MAX];
    snprintf(root, sizeof(root), "%s", at("current"));
    pool.root = root;
    assert_int_equal(find(at("current/a.js")), OK);
}

static void without_a_root_any_script_will_do(void **state)
{
    (void)state;
    assert_int_equal(find(at("outside.js")), OK);
}

static void a_missing_script_is_404(void **state)
{
    (void)state;
    with_root();
    assert_refused(find(at("root/none.js")), 404, "cannot find");
}

static void no_script_at_all_is_404(void **state)
{
    (void)state;
    assert_refused(find(""), 404, "SCRIPT_FILENAME");
}

static void a_path_through_a_file_is_404(void **state)
{
    (void)state;
    assert_refused(find(at("root/a.js/x.js")), 404, "cannot find");
}

static void another_suffix_is_403(void **state)
{
    (void)state;
    with_root();
    assert_refused(find(at("root/a.txt")), 403, "extensions");
}

static void a_link_to_another_suffix_is_403(void **state)
{
    (void)state;
    with_root();
    assert_int_equal(symlink("a.txt", at("root/trick.js")), 0);
    assert_refused(find(at("root/trick.js")), 403, "extensions");
}

static void a_name_that_is_only_a_suffix_is_403(void **state)
{
    (void)state;
    put("root/.js", "");
    assert_refused(find(at("root/.js")), 403, "extensions");
}

static void a_folder_is_403(void **state)
{
    (void)state;
    mkdir(at("root/folder.js"), 0755);
    assert_refused(find(at("root/folder.js")), 403, "not a regular file");
}

static void a_fifo_is_403_and_is_not_waited_for(void **state)
{
    struct app *app;
    (void)state;
    assert_int_equal(mkfifo(at("root/fifo.js"), 0600), 0);
    assert_refused(find(at("root/fifo.js")), 403, "not a regular file");
    assert_refused(app_open(at("root/fifo.js"), NULL, &app, &fault), 403,
                   "not a regular file");
    assert_null(app);
}

/* ---- reading ----------------------------------------------------------- */

static struct app *opened(const char *name)
{
    struct app *app = NULL;
    assert_int_equal(app_open(at(name), pool.root, &app, &fault), OK);
    return app;
}

static enum err import(struct app *app, const char *specifier, const char *from,
                       struct source *out, struct why *why)
{
    const struct loader *l = app_loader(app);
    *out = (struct source){0};
    why->text[0] = '\0';
    return l->load(l->arg, specifier, from, out, why);
}

static void assert_source(struct app *app, const char *specifier,
                          const char *from, const char *text, const char *path)
{
    struct source s;
    struct why why;
    enum err e = import(app, specifier, from, &s, &why);
    if (e != OK)
        fail_msg("%s", why.text);
    assert_int_equal(s.n, strlen(text));
    assert_memory_equal(s.text, text, s.n);
    assert_string_equal(s.path, path);
    free(s.text);
    free(s.path);
}

static void assert_no_import(struct app *app, const char *specifier,
                             const char *word)
{
    struct source s;
    struct why why;
    assert_int_not_equal(import(app, specifier, app_path(app), &s, &why), OK);
    if (strstr(why.text, word) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", why.text, word);
}

static void the_application_is_what_no_one_imports(void **state)
{
    (void)state;
    struct app *app = opened("root/a.js");
    assert_source(app, app_path(app), NULL, "a", at("root/a.js"));
    app_free(app);
}

static void a_missing_application_is_404(void **state)
{
    struct app *app;
    (void)state;
    assert_refused(app_open(at("none.js"), NULL, &app, &fault), 404,
                   "cannot find");
}

static void an_unreadable_application_is_403(void **state)
{
    struct app *app;
    (void)state;
    bool root = geteuid() == 0; /* who reads everything */
    chmod(home, 0755);
    chmod(at("root/a.js"), 0);
    assert_false(root && seteuid(65534) != 0);
    enum err e = app_open(at("root/a.js"), NULL, &app, &fault);
    assert_false(root && seteuid(0) != 0);
    assert_refused(e, 403, "cannot read");
}

static void a_byte_order_mark_is_left_out(void **state)
{
    (void)state;
    put("root/bom.js", "\xef\xbb\xbf"
                       "x");
    struct app *app = opened("root/bom.js");
    assert_source(app, "", NULL, "x", at("root/bom.js"));
    app_free(app);
}

static void a_source_over_the_limit_is_refused(void **state)
{
    struct app *app;
    (void)state;
    put("root/big.js", "");
    assert_int_equal(truncate(at("root/big.js"), APP_SOURCE_MAX + 1), 0);
    assert_refused(app_open(at("root/big.js"), NULL, &app, &fault), 500,
                   "larger than");
}

static void an_empty_file_is_an_application(void **state)
{
    (void)state;
    put("root/empty.js", "");
    struct app *app = opened("root/empty.js");
    assert_source(app, "", NULL, "", at("root/empty.js"));
    app_free(app);
}

/* ---- imports ----------------------------------------------------------- */

static void an_import_is_seen_from_the_file_it_is_in(void **state)
{
    (void)state;
    struct app *app = opened("root/a.js");
    assert_source(app, "./lib/b.js", app_path(app), "b", at("root/lib/b.js"));
    assert_source(app, "../a.js", at("root/lib/b.js"), "a", at("root/a.js"));
    app_free(app);
}

static void json_is_told_by_its_suffix(void **state)
{
    struct source s;
    struct why why;
    (void)state;
    struct app *app = opened("root/a.js");
    assert_int_equal(import(app, "./data.json", app_path(app), &s, &why), OK);
    assert_true(s.json);
    free(s.text);
    free(s.path);
    app_free(app);
}

static void an_import_out_of_the_folder_is_refused(void **state)
{
    (void)state;
    struct app *app = opened("root/a.js");
    assert_no_import(app, "../outside.js", "outside the application's folder");
    assert_no_import(app, "./../../../../../etc/passwd",
                     "outside the application's folder");
    app_free(app);
}

static void an_imported_link_out_of_the_folder_is_refused(void **state)
{
    (void)state;
    assert_int_equal(symlink(at("outside.js"), at("root/link.js")), 0);
    struct app *app = opened("root/a.js");
    assert_no_import(app, "./link.js", "outside the application's folder");
    app_free(app);
}

static void with_a_root_imports_reach_all_of_it(void **state)
{
    (void)state;
    with_root();
    struct app *app = opened("root/lib/b.js");
    assert_source(app, "../a.js", app_path(app), "a", at("root/a.js"));
    app_free(app);
}

static void a_bare_import_says_to_bundle(void **state)
{
    (void)state;
    struct app *app = opened("root/a.js");
    assert_no_import(app, "lodash", "esbuild");
    assert_no_import(app, "@scope/name", "esbuild");
    assert_no_import(app, "", "esbuild");
    app_free(app);
}

static void imports_by_url_are_refused_by_name(void **state)
{
    (void)state;
    struct app *app = opened("root/a.js");
    assert_no_import(app, "node:fs", "Node.js");
    assert_no_import(app, "https://example.com/x.js", "network");
    assert_no_import(app, "/etc/passwd", "./ or ../");
    assert_no_import(app, "file:///etc/passwd", "./ or ../");
    app_free(app);
}

static void a_missing_import_names_the_file(void **state)
{
    (void)state;
    struct app *app = opened("root/a.js");
    assert_no_import(app, "./none.js", at("root/none.js"));
    app_free(app);
}

/* ---- changes ----------------------------------------------------------- */

static void an_application_left_alone_has_not_changed(void **state)
{
    (void)state;
    struct app *app = opened("root/a.js");
    assert_false(app_changed(app));
    app_free(app);
}

static void a_file_written_anew_is_a_change(void **state)
{
    (void)state;
    struct app *app = opened("root/a.js");
    put("root/a.js", "another");
    assert_true(app_changed(app));
    app_free(app);
}

static void an_imported_file_that_goes_is_a_change(void **state)
{
    (void)state;
    struct app *app = opened("root/a.js");
    assert_source(app, "./lib/b.js", app_path(app), "b", at("root/lib/b.js"));
    unlink(at("root/lib/b.js"));
    assert_true(app_changed(app));
    app_free(app);
}

static void a_link_set_to_another_file_is_a_change(void **state)
{
    (void)state;
    assert_int_equal(symlink("a.js", at("root/now.js")), 0);
    struct app *app = opened("root/now.js");
    unlink(at("root/now.js"));
    assert_int_equal(symlink("lib/b.js", at("root/now.js")), 0);
    assert_true(app_changed(app));
    app_free(app);
}

/* ---- races ------------------------------------------------------------- */

static atomic_bool swapping;

/* By turns the folder and a link to another one. */
static void *swap(void *arg)
{
    (void)arg;
    while (swapping)
        renameat2(AT_FDCWD, at_mine("root/lib"), AT_FDCWD, at_mine("root/link"),
                  RENAME_EXCHANGE);
    return NULL;
}

static void a_folder_that_becomes_a_link_lets_nothing_out(void **state)
{
    pthread_t thread;
    (void)state;
    mkdir(at("elsewhere"), 0755);
    put("elsewhere/b.js", "secret");
    assert_int_equal(symlink(at("elsewhere"), at("root/link")), 0);
    with_root();
    const char *script = at("root/lib/b.js");
    char path[PATH_MAX];
    snprintf(path, sizeof(path), "%s", script);
    swapping = true;
    assert_int_equal(pthread_create(&thread, NULL, swap, NULL), 0);
    bool out = false;
    for (int i = 0; i < 20000 && !out; i++) {
        struct app *a;
        struct source s;
        if (app_open(path, pool.root, &a, &fault) != OK)
            continue;
        const struct loader *l = app_loader(a);
        assert_int_equal(l->load(l->arg, "", NULL, &s, NULL), OK);
        out = strcmp(s.text, "b") != 0;
        free(s.text);
        free(s.path);
        app_free(a);
    }
    swapping = false;
    pthread_join(thread, NULL);
    assert_false(out);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        T(the_pools_app_answers_whatever_the_script_is),
        T(a_script_under_the_root_is_found),
        T(a_script_outside_the_root_is_refused),
        T(a_folder_that_begins_like_the_root_is_outside),
        T(a_link_out_of_the_root_is_refused),
        T(a_link_within_the_root_is_followed),
        T(a_root_that_is_a_link_holds_what_it_points_to),
        T(without_a_root_any_script_will_do),
        T(a_missing_script_is_404),
        T(no_script_at_all_is_404),
        T(a_path_through_a_file_is_404),
        T(another_suffix_is_403),
        T(a_link_to_another_suffix_is_403),
        T(a_name_that_is_only_a_suffix_is_403),
        T(a_folder_is_403),
        T(a_fifo_is_403_and_is_not_waited_for),
        T(the_application_is_what_no_one_imports),
        T(a_missing_application_is_404),
        T(an_unreadable_application_is_403),
        T(a_byte_order_mark_is_left_out),
        T(a_source_over_the_limit_is_refused),
        T(an_empty_file_is_an_application),
        T(an_import_is_seen_from_the_file_it_is_in),
        T(json_is_told_by_its_suffix),
        T(an_import_out_of_the_folder_is_refused),
        T(an_imported_link_out_of_the_folder_is_refused),
        T(with_a_root_imports_reach_all_of_it),
        T(a_bare_import_says_to_bundle),
        T(imports_by_url_are_refused_by_name),
        T(a_missing_import_names_the_file),
        T(a_folder_that_becomes_a_link_lets_nothing_out),
        T(an_application_left_alone_has_not_changed),
        T(a_file_written_anew_is_a_change),
        T(an_imported_file_that_goes_is_a_change),
        T(a_link_set_to_another_file_is_a_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
