/* test_image_sources.c - which files an image was made of, and whether they
 * still are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "bind/libcrypto.h"
#include "serve/image_sources.h"
#include "serve/image_trust.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/snapcgi-sources-XXXXXX";
static char main_path[64], other_path[64];

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static int set_up(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(main_path, sizeof main_path, "%s/app.js", folder);
    snprintf(other_path, sizeof other_path, "%s/\xc3\xa9 %%\n.json", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(main_path);
    unlink(other_path);
    return rmdir(folder);
}

static struct image_source of(const char *path, const char *text,
                              enum image_source_type type)
{
    struct stat st = {.st_size = 0};
    stat(path, &st);
    return (struct image_source){.path = path,
                                 .type = type,
                                 .size = (uint64_t)st.st_size,
                                 .mtime = st.st_mtim,
                                 .text = slice_of(text)};
}

/* Skips where OpenSSL is missing. */
static void encoded(const char *how, const struct image_source *files,
                    size_t count, struct buf *out)
{
    struct why why = {.text = ""};
    if (libcrypto_load(&why) != OK)
        skip();
    buf_init(out, IMAGE_SOURCES_MAX);
    assert_int_equal(image_sources_encode(how, files, count, out, &why), OK);
}

static void both_here(struct buf *out)
{
    put(main_path, "one");
    put(other_path, "{}");
    struct image_source files[] = {of(main_path, "one", SOURCE_MODULE),
                                   of(other_path, "{}", SOURCE_JSON)};
    encoded("main x", files, 2, out);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    struct buf text, how;
    struct image_sources at;
    struct image_source f;
    struct why why = {.text = ""};
    char hex[65];
    buf_init(&how, 100);
    both_here(&text);
    assert_null(memchr(text.p, 0xc3, text.n));
    assert_int_equal(image_sources_open(&at, buf_view(&text), &how, &why), OK);
    assert_string_equal(buf_str(&how), "main x");
    assert_int_equal(image_sources_next(&at, &f, &why), OK);
    assert_string_equal(f.path, main_path);
    assert_int_equal(f.type, SOURCE_MODULE);
    assert_true(f.size == 3);
    image_trust_hex(f.sha256, sizeof f.sha256, hex);
    assert_string_equal(hex, "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e71"
                             "43c0add73ff431ed");
    assert_int_equal(image_sources_next(&at, &f, &why), OK);
    assert_string_equal(f.path, other_path);
    assert_int_equal(f.type, SOURCE_JSON);
    assert_int_equal(image_sources_next(&at, &f, &why), ERR_NOTFOUND);
    buf_free(&text);
    buf_free(&how);
}

static void files_as_they_were_are_current(void **state)
{
    (void)state;
    struct buf text;
    struct why why = {.text = ""};
    both_here(&text);
    assert_int_equal(image_sources_current(buf_view(&text), &why), OK);
    put(other_path, "{ }");
    assert_int_equal(image_sources_current(buf_view(&text), &why),
                     ERR_MISMATCH);
    assert_non_null(strstr(why.text, ".json has changed"));
    put(other_path, "[]"); /* as long as before */
    struct timespec then[2] = {{.tv_sec = 100}, {.tv_sec = 100}};
    assert_int_equal(utimensat(AT_FDCWD, other_path, then, 0), 0);
    assert_int_equal(image_sources_current(buf_view(&text), &why),
                     ERR_MISMATCH);
    assert_non_null(strstr(why.text, "written to since"));
    unlink(other_path);
    assert_int_equal(image_sources_current(buf_view(&text), &why),
                     ERR_MISMATCH);
    assert_non_null(strstr(why.text, "No such file"));
    assert_int_equal(image_sources_current(buf_view(&text), NULL),
                     ERR_MISMATCH);
    buf_free(&text);
}

static void what_has_the_same_content_is_unchanged(void **state)
{
    (void)state;
    struct buf text;
    struct why why = {.text = ""};
    struct timespec then[2] = {{.tv_sec = 100}, {.tv_sec = 100}};
    both_here(&text);
    assert_int_equal(image_sources_unchanged(buf_view(&text), false, &why), OK);
    assert_int_equal(utimensat(AT_FDCWD, other_path, then, 0), 0);
    assert_int_equal(image_sources_unchanged(buf_view(&text), false, &why), OK);
    put(other_path, "\xef\xbb\xbf{}"); /* a mark is no part of the text */
    assert_int_equal(image_sources_unchanged(buf_view(&text), false, &why), OK);
    put(other_path, "[]");
    assert_int_equal(utimensat(AT_FDCWD, other_path, then, 0), 0);
    assert_int_equal(image_sources_unchanged(buf_view(&text), false, &why),
                     ERR_MISMATCH);
    assert_non_null(strstr(why.text, ".json is not what it was"));
    put(other_path, "");
    assert_int_equal(image_sources_unchanged(buf_view(&text), false, &why),
                     ERR_MISMATCH);
    unlink(other_path);
    assert_int_equal(image_sources_unchanged(buf_view(&text), false, &why),
                     ERR_MISMATCH);
    assert_non_null(strstr(why.text, "No such file"));
    buf_free(&text);
}

static enum err walk(const char *text, struct why *why)
{
    struct image_sources at;
    struct image_source f;
    size_t n = strlen(text);
    char *copy = malloc(n + 1);
    memcpy(copy, text, n);
    enum err e = image_sources_open(&at, (struct slice){copy, n}, NULL, why);
    while (e == OK)
        e = image_sources_next(&at, &f, why);
    free(copy);
    return e;
}

#define H "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static void what_is_no_list_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "main x",
        "main\t\n",
        "main %zz\n",
        "main %0\n",
        "main %00\n",
        "x\n\n",
        "x\n" H " 1 2.000000000 module /a",
        "x\n" H "0 1 2.000000000 module /a\n",
        "x\n" H " 1 2.00000000 module /a\n",
        "x\n" H " 1 2 module /a\n",
        "x\n" H " -1 2.000000000 module /a\n",
        "x\n" H " 1 2.000000000 wasm /a\n",
        "x\n" H " 1 2.000000000 module a\n",
        "x\n" H " 1 2.000000000 module \n",
        "x\n" H " 1 2.000000000 module /a%00b\n",
        "x\n" H " 1 2.000000000 module /\xff\n",
        "x\n" H " 99999999999999999999 2.000000000 module /a\n",
    };
    struct why why;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        why.text[0] = '\0';
        assert_int_equal(walk(bad[i], &why), ERR_CORRUPT);
        assert_true(strlen(why.text) > 10);
    }
    assert_int_equal(walk("x\n" H " 1 2.000000000 module /a b\n", &why),
                     ERR_NOTFOUND);
    assert_int_equal(walk("x\n" H " 1 -2.000000000 script /%C3%a9\n", &why),
                     ERR_NOTFOUND);
    struct buf longest;
    buf_init(&longest, 20000);
    buf_puts(&longest, "x\n" H " 1 2.000000000 module /");
    while (longest.n < 10000)
        buf_putc(&longest, 'a');
    buf_putc(&longest, '\n');
    assert_int_equal(walk(buf_str(&longest), &why), ERR_CORRUPT);
    buf_free(&longest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(files_as_they_were_are_current),
        cmocka_unit_test(what_has_the_same_content_is_unchanged),
        cmocka_unit_test(what_is_no_list_is_refused),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
