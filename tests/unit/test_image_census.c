/* test_image_census.c - the census of an image, read from its JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "serve/image_census.h"

#define GOOD                                                                   \
    "{\"objects\":[{\"name\":\"Map\",\"count\":3,\"bytes\":120},"              \
    "{\"name\":\"a\\u0000b\",\"count\":1,\"bytes\":9,\"more\":[{}]}],\n"       \
    "\"holders\":[{\"name\":\"routes\",\"where\":\"/srv/app.js\",\"line\":12," \
    "\"bytes\":45678}],\"later\":null,\"total\":{\"count\":4,\"bytes\":129}}"

static void rows_are_read(void **state)
{
    (void)state;
    struct image_census c;
    struct why why = {.text = ""};
    assert_int_equal(image_census_read(SLICE(GOOD), &c, &why), OK);
    assert_int_equal(c.objects.count, 2);
    assert_string_equal(c.objects.row[0].name, "Map");
    assert_true(c.objects.row[0].count == 3 && c.objects.row[0].bytes == 120);
    assert_int_equal(c.holders.count, 1);
    assert_string_equal(c.holders.row[0].where, "/srv/app.js");
    assert_true(c.holders.row[0].line == 12);
    assert_true(c.count == 4 && c.bytes == 129);
    image_census_free(&c);
}

static void what_is_not_known_is_null(void **state)
{
    (void)state;
    struct image_census c;
    struct why why = {.text = ""};
    assert_int_equal(
        image_census_read(SLICE("{\"holders\":[{\"name\":\"a\",\"where\":null,"
                                "\"line\":0,\"bytes\":1}],\"total\":null}"),
                          &c, &why),
        OK);
    assert_int_equal(c.holders.count, 1);
    assert_true(c.count == 0 && c.bytes == 0);
    image_census_free(&c);
}

static void any_part_of_it_is_refused(void **state)
{
    (void)state;
    struct image_census c;
    struct why why;
    for (size_t n = 0; n < sizeof(GOOD) - 1; n++) {
        char *copy = malloc(n + 1);
        memcpy(copy, GOOD, n);
        assert_int_equal(image_census_read((struct slice){copy, n}, &c, &why),
                         ERR_CORRUPT);
        image_census_free(&c);
        free(copy);
    }
}

static void what_is_too_much_is_refused(void **state)
{
    (void)state;
    struct image_census c;
    struct why why;
    struct buf text;
    buf_init(&text, 1 << 20);
    for (int rows = IMAGE_CENSUS_ROWS; rows <= IMAGE_CENSUS_ROWS + 1; rows++) {
        buf_clear(&text);
        buf_puts(&text, "{\"objects\":[");
        for (int i = 0; i < rows; i++)
            buf_puts(&text, i > 0 ? ",{}" : "{}");
        buf_puts(&text, "]}");
        assert_int_equal(image_census_read(buf_view(&text), &c, &why),
                         rows > IMAGE_CENSUS_ROWS ? ERR_CORRUPT : OK);
        image_census_free(&c);
    }
    assert_int_equal(
        image_census_read(SLICE("{\"objects\":[{}],\"objects\":[{}]}"), &c,
                          &why),
        ERR_CORRUPT);
    image_census_free(&c);
    assert_int_equal(
        image_census_read(SLICE("{\"objects\":[{\"name\":\"a\",\"name\":"
                                "\"b\"}]}"),
                          &c, &why),
        OK);
    assert_string_equal(c.objects.row[0].name, "b");
    image_census_free(&c);
    buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_read),
        cmocka_unit_test(what_is_not_known_is_null),
        cmocka_unit_test(any_part_of_it_is_refused),
        cmocka_unit_test(what_is_too_much_is_refused),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
