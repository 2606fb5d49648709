/*
 * test_image_bundle.c - an application made into one script. Where esbuild is
 * not installed, only what does not need it is tested.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "serve/image_bundle.h"
#include "serve/image_bundle_parts.h"

#include <dirent.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLENTY (300 * NS_PER_S)

static char home[512]; /* real path of a temporary folder */
static char temp[600]; /* TMPDIR: where bundles are made */
static char *path;     /* PATH as it was */
static struct image_bundle made;
static struct why why;

static const char *at(const char *name)
{
    static char paths[4][PATH_MAX];
    static int turn;
    char *full = paths[turn++ % 4];
    snprintf(full, PATH_MAX, "%s/%s", home, name);
    return full;
}

static void put(const char *name, const char *text)
{
    FILE *f = fopen(at(name), "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int drop(const char *name, const struct stat *st, int type,
                struct FTW *place)
{
    (void)st, (void)type, (void)place;
    return remove(name);
}

static int set_up(void **state)
{
    char real[PATH_MAX];
    char name[] = "/tmp/snapcgi-test-XXXXXX";
    (void)state;
    if (mkdtemp(name) == NULL || realpath(name, real) == NULL ||
        strlen(real) >= sizeof(home))
        return -1;
    strcpy(home, real);
    path = strdup(getenv("PATH") != NULL ? getenv("PATH") : "/usr/bin:/bin");
    snprintf(temp, sizeof(temp), "%s/temp", home);
    return mkdir(temp, 0700) | mkdir(at("lib"), 0700) | mkdir(at("bin"), 0700) |
           mkdir(at("node_modules"), 0700) |
           mkdir(at("node_modules/pack"), 0700) | setenv("TMPDIR", temp, 1);
}

static int tear_down(void **state)
{
    (void)state;
    free(path);
    return nftw(home, drop, 8, FTW_DEPTH | FTW_PHYS);
}

static int fresh(void **state)
{
    (void)state;
    unsetenv("SNAPCGI_ESBUILD");
    setenv("PATH", path, 1);
    why.text[0] = '\0';
    return 0;
}

/* Whatever came of it, nothing stays in TMPDIR. */
static int clean(void **state)
{
    int entries = 0;
    DIR *d = opendir(temp);
    (void)state;
    image_bundle_free(&made);
    while (d != NULL && readdir(d) != NULL)
        entries++;
    if (d != NULL)
        closedir(d);
    return entries == 2 ? 0 : -1;
}

static enum err make(const char *name, bool may_be_module)
{
    enum err e =
        image_bundle_make(at(name), may_be_module, PLENTY, &made, &why);
    if (e != OK)
        assert_string_not_equal(why.text, "");
    return e;
}

static bool has(const char *text, const char *part)
{
    if (strstr(text, part) != NULL)
        return true;
    print_message("# \"%s\" is not in: %s\n", part, text);
    return false;
}

static bool has_input(const char *name)
{
    for (size_t i = 0; i < made.count; i++)
        if (strcmp(made.inputs[i], at(name)) == 0)
            return true;
    return false;
}

static void need_esbuild(void)
{
    char program[PATH_MAX];
    struct buf folders;
    buf_init(&folders, 64 * 1024);
    image_bundle_path(&folders);
    enum err e = image_bundle_find(buf_str(&folders), program, NULL);
    buf_free(&folders);
    if (e == OK)
        return;
    print_message("# esbuild is not installed\n");
    skip();
}

/* A program to be run in esbuild's place. */
static void pretend(const char *script)
{
    put("bin/esbuild", script);
    assert_int_equal(chmod(at("bin/esbuild"), 0700), 0);
    setenv("SNAPCGI_ESBUILD", at("bin/esbuild"), 1);
}

/* ---- finding it ---------------------------------------------------------- */

static void without_esbuild_it_says_how_to_get_it(void **state)
{
    (void)state;
    put("app.js", "export default {}");
    setenv("PATH", at("lib"), 1);
    assert_int_equal(make("app.js", true), ERR_NOTFOUND);
    assert_true(has(why.text, "install esbuild"));
    assert_true(has(why.text, "SNAPCGI_ESBUILD"));
}

static void relative_folders_of_path_are_not_used(void **state)
{
    (void)state;
    struct buf folders;
    put("app.js", "export default {}");
    pretend("#!/bin/sh\nexit 0\n");
    unsetenv("SNAPCGI_ESBUILD");
    setenv("PATH", "bin:./bin::.:", 1);
    assert_int_equal(chdir(home), 0);
    assert_int_equal(make("app.js", true), ERR_NOTFOUND);
    assert_int_equal(chdir("/"), 0);
    setenv("PATH", ".:/a::b:/c d:", 1);
    buf_init(&folders, 100);
    image_bundle_path(&folders);
    assert_string_equal(buf_str(&folders), "PATH=/a:/c d");
    buf_free(&folders);
}

static void snapcgi_esbuild_is_an_absolute_path_of_a_program(void **state)
{
    (void)state;
    put("app.js", "export default {}");
    setenv("SNAPCGI_ESBUILD", "bin/esbuild", 1);
    assert_int_equal(make("app.js", true), ERR_ACCESS);
    assert_true(has(why.text, "absolute"));
    setenv("SNAPCGI_ESBUILD", at("app.js"), 1); /* may not be executed */
    assert_int_equal(make("app.js", true), ERR_NOTFOUND);
    assert_true(has(why.text, at("app.js")));
    setenv("SNAPCGI_ESBUILD", at("bin"), 1);
    assert_int_equal(make("app.js", true), ERR_NOTFOUND);
}

static void an_application_that_is_no_file_is_named(void **state)
{
    (void)state;
    pretend("#!/bin/sh\nexit 0\n");
    assert_int_equal(make("nothing.js", true), ERR_NOTFOUND);
    assert_true(has(why.text, at("nothing.js")));
    assert_int_equal(make("lib", true), ERR_ACCESS);
    assert_true(has(why.text, "not a regular file"));
}

/* ---- running it ---------------------------------------------------------- */

static void one_that_fails_is_quoted(void **state)
{
    (void)state;
    put("app.js", "export default {}");
    pretend("#!/bin/sh\necho 'no such option: --bundle' >&2\nexit 1\n");
    assert_int_equal(make("app.js", true), ERR_FAIL);
    assert_true(has(why.text, at("bin/esbuild")));
    assert_true(has(why.text, "no such option: --bundle"));
    pretend("#!/bin/sh\nexit 3\n");
    assert_int_equal(make("app.js", true), ERR_FAIL);
    assert_true(has(why.text, "status 3"));
    pretend("#!/bin/sh\nkill -9 $$\n");
    assert_int_equal(make("app.js", true), ERR_FAIL);
    assert_true(has(why.text, "signal 9"));
    pretend("#!/nowhere/at/all\n");
    assert_int_equal(make("app.js", true), ERR_FAIL);
    assert_true(has(why.text, "cannot run"));
}

static void one_that_writes_nothing_is_an_error(void **state)
{
    (void)state;
    put("app.js", "export default {}");
    pretend("#!/bin/sh\nexit 0\n");
    assert_int_equal(make("app.js", true), ERR_IO);
    assert_true(has(why.text, "made no script"));
}

/* One that is not reaped yet is gone. */
static bool is_gone(int pid)
{
    char name[64];
    char life = 'Z';
    snprintf(name, sizeof(name), "/proc/%d/stat", pid);
    FILE *f = fopen(name, "r");
    if (f == NULL)
        return true;
    if (fscanf(f, "%*d (%*[^)]) %c", &life) != 1)
        life = 'Z';
    fclose(f);
    return life == 'Z' || life == 'X';
}

static void one_that_does_not_end_is_killed_with_its_children(void **state)
{
    (void)state;
    static const char *const scripts[] = {
        "#!/bin/sh\nsleep 1000 & echo $! >$TMPDIR/../../child\nwait\n",
        /* with its words ended, and with words that do not */
        "#!/bin/sh\nexec >&- 2>&-\nsleep 1000\n",
        "#!/bin/sh\nwhile :; do echo words; done\n"};
    int child = 0;
    put("app.js", "export default {}");
    for (size_t i = 0; i < 3; i++) {
        pretend(scripts[i]);
        assert_int_equal(
            image_bundle_make(at("app.js"), true, NS_PER_S / 2, &made, &why),
            ERR_TIMEOUT);
        assert_true(has(why.text, "took longer than 500 ms"));
        image_bundle_free(&made);
    }
    FILE *f = fopen(at("child"), "r");
    if (f == NULL) /* it was too slow to say */
        return;
    int n = fscanf(f, "%d", &child);
    fclose(f);
    for (int i = 0; n == 1 && i < 6000 && !is_gone(child); i++)
        poll(NULL, 0, 10);
    assert_true(n != 1 || is_gone(child));
}

static void a_script_has_a_ceiling(void **state)
{
    (void)state;
    put("app.js", "export default {}");
    pretend("#!/bin/sh\nfor a; do case $a in --outfile=*)\n"
            "head -c 16777217 /dev/zero >${a#*=};; esac; done\n");
    assert_int_equal(make("app.js", true), ERR_TOOBIG);
    assert_true(has(why.text, "larger than 16777216 bytes"));
}

static void words_without_end_are_cut(void **state)
{
    (void)state;
    put("app.js", "export default {}");
    pretend("#!/bin/sh\n"
            "for i in 1 2 3 4 5 6 7 8 9 0; do\n"
            "for j in 1 2 3 4 5 6 7 8 9 0; do\n"
            "for k in 1 2 3 4 5 6 7 8 9 0; do\n"
            "echo 'x [ERROR] 90123456789012345678901234567890'\n"
            "done; done; done; exit 1\n");
    assert_int_equal(make("app.js", true), ERR_SCRIPT);
    assert_string_equal(why.text, "90123456789012345678901234567890");
    assert_true(made.warnings.n <= 16 * 1024);
}

static void it_gets_little_of_this_process(void **state)
{
    (void)state;
    put("app.js", "export default {}");
    setenv("SECRET", "sesame", 1);
    pretend("#!/bin/sh\n"
            "read line && exit 9\n"
            "[ $(ls /proc/self/fd | wc -l) = 4 ] || exit 8\n"
            "[ -z \"$SECRET\" ] && [ \"$HOME\" = /nonexistent ] || exit 7\n"
            "for a; do case $a in --outfile=*) o=${a#*=};;\n"
            "--metafile=*) m=${a#*=};; esac; done\n"
            "echo 'undefined' >$o; echo left >$TMPDIR/other; pwd -P >&2\n"
            "echo '{\"inputs\":{\"app.js\":{}}}' >$m\n");
    assert_int_equal(make("app.js", true), OK);
    assert_string_equal(buf_str(&made.text), "undefined\n");
    unsetenv("SECRET");
}

/* ---- what it says -------------------------------------------------------- */

static struct bundle_note note_of(const char *said)
{
    struct slice rest = slice_of(said);
    struct bundle_note note;
    image_bundle_note(&rest, &note);
    return note;
}

static void a_message_has_words_and_a_place(void **state)
{
    (void)state;
    struct slice rest = SLICE("\xe2\x96\xb2 [WARNING] one [id]\n\n"
                              "    a:b.js:6:18:\n      6 | x\n\n"
                              "  more is here:\n\n    c.js:1:2:\n"
                              "\xe2\x9c\x98 [ERROR] two\n\n"
                              "\xe2\x9c\x98 [ERROR] three\n    /d.js:4:0:\n"
                              "1 warning and 2 errors\n");
    struct bundle_note note;
    struct buf line;
    buf_init(&line, 1000);
    assert_true(image_bundle_note(&rest, &note));
    assert_false(note.error);
    image_bundle_line(&note, "/srv", &line);
    assert_string_equal(buf_str(&line), "/srv/a:b.js:6:19: one [id]");
    assert_true(image_bundle_note(&rest, &note));
    assert_true(note.error);
    buf_clear(&line);
    image_bundle_line(&note, "/srv", &line);
    assert_string_equal(buf_str(&line), "two");
    assert_true(image_bundle_note(&rest, &note));
    buf_clear(&line);
    image_bundle_line(&note, "/", &line);
    assert_string_equal(buf_str(&line), "/d.js:4:1: three");
    assert_false(image_bundle_note(&rest, &note));
    buf_free(&line);
}

static void odd_places_are_none(void **state)
{
    (void)state;
    static const char *const odd[] = {"",
                                      "    :\n",
                                      "    ::\n",
                                      "    1:2:\n",
                                      "    a:b:\n",
                                      "    a:1:\n",
                                      "    a:1:99999999999999999999:\n",
                                      "a.js:1:2:\n"};
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        char said[100];
        snprintf(said, sizeof(said), "x [ERROR] words\n\n%s", odd[i]);
        assert_true(slice_is(note_of(said).words, "words"));
        assert_int_equal(note_of(said).file.n, 0);
    }
    assert_int_equal(note_of("one two three [ERROR] x\n").words.n, 0);
    assert_int_equal(note_of("[ERROR] ").words.n, 0);
}

/* The names in a list, each in brackets. */
static const char *names_in(const char *text, bool *whole)
{
    static char out[1000];
    struct bundle_files files = {.rest = slice_of(text)};
    struct buf name, all;
    buf_init(&name, 100);
    buf_init(&all, sizeof(out) - 1);
    while (image_bundle_file(&files, &name))
        buf_printf(&all, "[%s]", buf_str(&name));
    snprintf(out, sizeof(out), "%s", buf_str(&all));
    *whole = files.depth == 0;
    buf_free(&name);
    buf_free(&all);
    return out;
}

static void names_of_files_are_read_as_json(void **state)
{
    (void)state;
    bool whole;
    assert_string_equal(
        names_in("{\"x\": {\"no\": 1}, \"inputs\": {\"a.js\": {\"imports\": "
                 "[{\"path\": \"no\"}], \"format\": \"esm\"}, "
                 "\"b \\\"\\\\\\/\\n\\u00e9\\u20ac\\ud83d\\ude00}\": {}},"
                 "\"outputs\": {\"no\": {\"inputs\": {\"no\": {}}}}}",
                 &whole),
        "[a.js][b \"\\/\n\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80}]");
    assert_true(whole);
    assert_string_equal(names_in("{\"inputs\": {}}", &whole), "");
    assert_true(whole);
}

static void a_list_cut_anywhere_is_not_whole(void **state)
{
    (void)state;
    static const char list[] = "{\"inputs\":{\"a\\u00e9\\\"\":{\"b\":[1]}}}";
    for (size_t n = 1; n < sizeof(list) - 1; n++) {
        char *part = strndup(list, n); /* for the sanitizer's eyes */
        bool whole = true;
        names_in(part, &whole);
        assert_false(whole);
        free(part);
    }
}

/* ---- with esbuild -------------------------------------------------------- */

static void typescript_json_and_a_package_become_one_script(void **state)
{
    (void)state;
    need_esbuild();
    put("app.ts", "#!/usr/bin/env snapcgi\n"
                  "import { greet } from './lib/greet.js';\n"
                  "import words from './lib/words.json';\n"
                  "import pack from 'pack';\n"
                  "interface Named { name: string }\n"
                  "const who: Named = { name: words.name };\n"
                  "export default { fetch: () => greet(who.name) + pack\n"
                  "  + import.meta.url + process.env.NODE_ENV };\n");
    put("lib/greet.js", "import t from './words.txt?x';\n"
                        "export const greet = (w) => t + w;\n");
    put("lib/words.json", "{\"name\": \"\xc3\xa9\"}");
    put("lib/words.txt", "text");
    put("node_modules/pack/package.json",
        "{\"exports\": {\"worker\": \"./w.js\", \"default\": \"./d.js\"}}");
    put("node_modules/pack/w.js", "module.exports = 'of a worker';\n");
    assert_int_equal(make("app.ts", false), OK);
    const char *text = buf_str(&made.text);
    assert_false(made.module);
    assert_true(strncmp(text, "#!", 2) == 0);
    assert_true(has(text, "(function () { \"use strict\";"));
    assert_true(has(text, "\"\xc3\xa9\""));
    assert_true(has(text, "of a worker"));
    assert_true(has(text, "production"));
    assert_null(strstr(text, "process.env"));
    assert_true(has(text, "\"file:///"));
    assert_null(strstr(text, "interface"));
    assert_int_equal(made.count, 5);
    assert_string_equal(made.inputs[0], at("app.ts"));
    assert_true(has_input("lib/greet.js"));
    assert_true(has_input("lib/words.json"));
    assert_true(has_input("lib/words.txt"));
    assert_true(has_input("node_modules/pack/w.js"));
}

static void odd_names_are_names(void **state)
{
    (void)state;
    need_esbuild();
    put("-a=b \"c\" %\xc3\xa9.js", "import './lib/\xf0\x9f\x98\x80 x.js';"
                                   "export default import.meta.url;");
    put("lib/\xf0\x9f\x98\x80 x.js", "globalThis.x = 1;");
    assert_int_equal(make("-a=b \"c\" %\xc3\xa9.js", false), OK);
    assert_true(has(buf_str(&made.text), "/-a=b%20%22c%22%20%25%C3%A9.js\""));
    assert_int_equal(made.count, 2);
    assert_true(has_input("lib/\xf0\x9f\x98\x80 x.js"));
}

static void top_level_await_becomes_a_module_where_one_will_do(void **state)
{
    (void)state;
    need_esbuild();
    put("lib/slow.js", "export const x = await 1;\n");
    put("app.js", "import { x } from './lib/slow.js';\nexport default x;\n");
    assert_int_equal(make("app.js", true), OK);
    assert_true(made.module);
    assert_true(has(buf_str(&made.text), "await 1"));
    assert_null(strstr(buf_str(&made.text), "snapcgi_bundle"));
    assert_int_equal(made.count, 2);
    image_bundle_free(&made);
    assert_int_equal(make("app.js", false), ERR_SCRIPT);
    assert_true(has(why.text, at("lib/slow.js")));
    assert_true(has(why.text, ":1:18: "));
    assert_true(has(why.text, "top-level await cannot be kept in an image by "
                              "V8 1"));
}

static void an_error_in_the_code_has_its_place(void **state)
{
    (void)state;
    need_esbuild();
    put("app.js", "import './lib/bad.js';\nimport 'no-such-package';\n");
    put("lib/bad.js", "let a = {};\nlet b = ;\n");
    assert_int_equal(make("app.js", true), ERR_SCRIPT);
    char both[4096];
    snprintf(both, sizeof(both), "%s\n%s", why.text, buf_str(&made.warnings));
    assert_true(has(both, at("lib/bad.js")));
    assert_true(has(both, "bad.js:2:9: Unexpected \";\""));
    assert_true(has(both, "app.js:2:8: Could not resolve \"no-such-package\""));
}

static void modules_of_node_are_named(void **state)
{
    (void)state;
    need_esbuild();
    put("app.js", "import 'node:fs';\n");
    assert_int_equal(make("app.js", true), ERR_SCRIPT);
    assert_true(has(why.text, "app.js:1:8: cannot import \"node:fs\": modules "
                              "of Node.js are not available here"));
    image_bundle_free(&made);
    put("app.js", "import 'path';\n");
    assert_int_equal(make("app.js", true), ERR_SCRIPT);
    assert_true(has(why.text, "cannot import \"path\": modules of Node.js"));
}

static void a_warning_is_a_line(void **state)
{
    (void)state;
    need_esbuild();
    put("app.js", "export default { a: 1, a: 2 };\n");
    assert_int_equal(make("app.js", true), OK);
    assert_true(has(buf_str(&made.warnings), "/app.js:1:24: Duplicate key"));
    assert_int_equal(made.warnings.p[made.warnings.n - 1], '\n');
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, clean)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(without_esbuild_it_says_how_to_get_it),
        TEST(relative_folders_of_path_are_not_used),
        TEST(snapcgi_esbuild_is_an_absolute_path_of_a_program),
        TEST(an_application_that_is_no_file_is_named),
        TEST(one_that_fails_is_quoted),
        TEST(one_that_writes_nothing_is_an_error),
        TEST(one_that_does_not_end_is_killed_with_its_children),
        TEST(a_script_has_a_ceiling),
        TEST(words_without_end_are_cut),
        TEST(it_gets_little_of_this_process),
        TEST(a_message_has_words_and_a_place),
        TEST(odd_places_are_none),
        TEST(names_of_files_are_read_as_json),
        TEST(a_list_cut_anywhere_is_not_whole),
        TEST(typescript_json_and_a_package_become_one_script),
        TEST(odd_names_are_names),
        TEST(top_level_await_becomes_a_module_where_one_will_do),
        TEST(an_error_in_the_code_has_its_place),
        TEST(modules_of_node_are_named),
        TEST(a_warning_is_a_line),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
