/* zlib's streams, piece by piece. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bind/zstream.h"

#include <stdlib.h>
#include <string.h>

#define ROOM (1 << 20)

/*
 * Runs all of in through a new stream, `step` bytes in and `piece` out at a
 * time, into out. *left: the bytes not used.
 */
static enum err run(enum zformat format, bool decompress, struct slice in,
                    size_t step, size_t piece, char *out, size_t *n,
                    size_t *left, enum zstate *state)
{
    struct zstream *z;
    enum err rc = OK;
    size_t at = 0;
    *n = 0;
    assert_int_equal(zstream_new(format, decompress, &z), OK);
    do {
        size_t end = at + step < in.n ? at + step : in.n;
        do {
            char *to = malloc(piece);
            size_t used, made;
            assert_non_null(to);
            rc = zstream_run(z, (struct slice){in.p + at, end - at},
                             end == in.n, to, piece, &used, &made, state);
            assert_true(used <= end - at && made <= piece);
            assert_true(*n + made <= ROOM);
            memcpy(out + *n, to, made);
            *n += made;
            at += used;
            free(to);
        } while (rc == OK && *state == ZSTATE_FULL);
        assert_true(rc != OK || *state == ZSTATE_END || at == end);
    } while (rc == OK && *state == ZSTATE_HUNGRY && at < in.n);
    *left = in.n - at;
    zstream_free(z);
    return rc;
}

struct texts {
    char *plain, *small, *back;
    size_t small_n;
};

static int make(void **state)
{
    struct texts *t = malloc(sizeof(*t));
    assert_non_null(t);
    t->plain = malloc(ROOM);
    t->small = malloc(ROOM);
    t->back = malloc(ROOM);
    for (unsigned i = 0, x = 1; i < ROOM; i++) {
        x = x * 1103515245 + 12345;
        t->plain[i] = (char)(x >> 29);
    }
    *state = t;
    return 0;
}

static int drop(void **state)
{
    struct texts *t = *state;
    free(t->plain);
    free(t->small);
    free(t->back);
    free(t);
    return 0;
}

static void squeeze(struct texts *t, enum zformat f, size_t n)
{
    enum zstate state;
    size_t left;
    assert_int_equal(run(f, false, (struct slice){t->plain, n}, ROOM, 65536,
                         t->small, &t->small_n, &left, &state),
                     OK);
    assert_int_equal(state, ZSTATE_END);
    assert_int_equal(left, 0);
}

static void every_format_goes_there_and_back(void **state)
{
    struct texts *t = *state;
    static const size_t sizes[] = {0, 1, 1000, 300000};
    for (int f = ZFORMAT_DEFLATE; f <= ZFORMAT_GZIP; f++)
        for (size_t i = 0; i < 4; i++) {
            enum zstate end;
            size_t n, left;
            squeeze(t, (enum zformat)f, sizes[i]);
            assert_int_equal(run((enum zformat)f, true,
                                 (struct slice){t->small, t->small_n}, 777, 501,
                                 t->back, &n, &left, &end),
                             OK);
            assert_int_equal(end, ZSTATE_END);
            assert_int_equal(n, sizes[i]);
            assert_memory_equal(t->back, t->plain, n);
        }
}

static void what_is_cut_off_is_hungry(void **state)
{
    struct texts *t = *state;
    enum zstate end;
    size_t n, left;
    squeeze(t, ZFORMAT_GZIP, 1000);
    for (size_t cut = 0; cut < t->small_n; cut++) {
        assert_int_equal(run(ZFORMAT_GZIP, true, (struct slice){t->small, cut},
                             ROOM, 65536, t->back, &n, &left, &end),
                         OK);
        assert_int_equal(end, ZSTATE_HUNGRY);
        assert_int_equal(left, 0);
    }
}

static void bytes_after_the_end_are_left(void **state)
{
    struct texts *t = *state;
    enum zstate end;
    size_t n, left;
    squeeze(t, ZFORMAT_DEFLATE_RAW, 1000);
    memcpy(t->small + t->small_n, "more", 4);
    assert_int_equal(run(ZFORMAT_DEFLATE_RAW, true,
                         (struct slice){t->small, t->small_n + 4}, ROOM, 65536,
                         t->back, &n, &left, &end),
                     OK);
    assert_int_equal(end, ZSTATE_END);
    assert_int_equal(left, 4);
    assert_int_equal(n, 1000);
}

static void what_is_not_compressed_is_corrupt(void **state)
{
    struct texts *t = *state;
    enum zstate end;
    size_t n, left;
    assert_int_equal(run(ZFORMAT_GZIP, true, SLICE("plain text"), ROOM, 65536,
                         t->back, &n, &left, &end),
                     ERR_CORRUPT);
    squeeze(t, ZFORMAT_DEFLATE_RAW, 1000);
    assert_int_equal(run(ZFORMAT_DEFLATE, true,
                         (struct slice){t->small, t->small_n}, ROOM, 65536,
                         t->back, &n, &left, &end),
                     ERR_CORRUPT);
    squeeze(t, ZFORMAT_DEFLATE, 1000);
    t->small[t->small_n - 1] ^= 1;
    assert_int_equal(run(ZFORMAT_DEFLATE, true,
                         (struct slice){t->small, t->small_n}, ROOM, 65536,
                         t->back, &n, &left, &end),
                     ERR_CORRUPT);
    /* a preset dictionary, which nobody can give */
    assert_int_equal(run(ZFORMAT_DEFLATE, true,
                         SLICE("\x78\xbb\x00\x00\x00\x01\x03\x00"), ROOM, 65536,
                         t->back, &n, &left, &end),
                     ERR_CORRUPT);
}

static void output_keeps_to_its_room(void **state)
{
    struct texts *t = *state;
    enum zstate end;
    size_t n, left;
    memset(t->plain, 0, 500000);
    squeeze(t, ZFORMAT_DEFLATE_RAW, 500000);
    assert_true(t->small_n < 1000);
    assert_int_equal(run(ZFORMAT_DEFLATE_RAW, true,
                         (struct slice){t->small, t->small_n}, ROOM, 100,
                         t->back, &n, &left, &end),
                     OK);
    assert_int_equal(n, 500000);
}

static void an_ended_stream_takes_nothing(void **state)
{
    struct zstream *z;
    struct texts *t = *state;
    enum zstate end;
    size_t used, n;
    squeeze(t, ZFORMAT_GZIP, 10);
    assert_int_equal(zstream_new(ZFORMAT_GZIP, true, &z), OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(zstream_run(z, (struct slice){t->small, t->small_n},
                                     false, t->back, ROOM, &used, &n, &end),
                         OK);
        assert_int_equal(end, ZSTATE_END);
        assert_int_equal(used, i == 0 ? t->small_n : 0);
        assert_int_equal(n, i == 0 ? 10 : 0);
    }
    zstream_free(z);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_format_goes_there_and_back, make,
                                        drop),
        cmocka_unit_test_setup_teardown(what_is_cut_off_is_hungry, make, drop),
        cmocka_unit_test_setup_teardown(bytes_after_the_end_are_left, make,
                                        drop),
        cmocka_unit_test_setup_teardown(what_is_not_compressed_is_corrupt, make,
                                        drop),
        cmocka_unit_test_setup_teardown(output_keeps_to_its_room, make, drop),
        cmocka_unit_test_setup_teardown(an_ended_stream_takes_nothing, make,
                                        drop),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
