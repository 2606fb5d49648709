/* Decoders of the Encoding Standard and forgiving-base64. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bind/base64.h"
#include "bind/decode.h"

#include <stdlib.h>
#include <string.h>

/* Out of the heap, so that the sanitizer sees its ends. */
static struct slice heap_copy(struct slice s)
{
    char *p = malloc(s.n + (s.n == 0));
    assert_non_null(p);
    if (s.n > 0)
        memcpy(p, s.p, s.n);
    return (struct slice){p, s.n};
}

static bool feed(enum encoding e, struct decoder *d, unsigned flags,
                 struct slice in, uint16_t *to, size_t *n)
{
    struct slice s = heap_copy(in);
    uint16_t *out = malloc(decode_room(s.n) * sizeof(*out));
    assert_non_null(out);
    bool ok = decode(e, d, flags, s, out, n);
    if (ok) {
        assert_true(*n <= decode_room(s.n));
        memcpy(to, out, *n * sizeof(*out));
    }
    free((char *)(uintptr_t)s.p);
    free(out);
    return ok;
}

/* Whole, cut in two at each place, and byte by byte: all must agree. */
static void expect(enum encoding e, unsigned flags, struct slice in,
                   const uint16_t *want, size_t want_n)
{
    uint16_t got[256];
    size_t n, m;
    for (size_t cut = 0; cut <= in.n; cut++) {
        struct decoder d = {0};
        assert_true(feed(e, &d, flags | DECODE_STREAM,
                         (struct slice){in.p, cut}, got, &n));
        assert_true(feed(e, &d, flags, slice_from(in, cut), got + n, &m));
        assert_int_equal(n + m, want_n);
        assert_memory_equal(got, want, want_n * sizeof(*got));
    }
    struct decoder d = {0};
    n = 0;
    for (size_t i = 0; i < in.n; i++, n += m)
        assert_true(feed(e, &d, flags | DECODE_STREAM,
                         (struct slice){in.p + i, 1}, got + n, &m));
    assert_true(feed(e, &d, flags, SLICE(""), got + n, &m));
    assert_int_equal(n + m, want_n);
    assert_memory_equal(got, want, want_n * sizeof(*got));
}
#define EXPECT(e, flags, in, want)                                             \
    expect(e, flags, SLICE(in), want, sizeof(want) / 2 - 1)

static bool fatal(enum encoding e, struct slice in)
{
    struct decoder d = {0};
    uint16_t got[64];
    size_t n;
    return !feed(e, &d, DECODE_FATAL, in, got, &n);
}

static void utf8_of_every_length_is_decoded(void **state)
{
    (void)state;
    EXPECT(ENCODING_UTF8, 0, "", u"");
    EXPECT(ENCODING_UTF8, 0, "abcdefgh ijklmnopq", u"abcdefgh ijklmnopq");
    EXPECT(ENCODING_UTF8, 0, "a\xc3\xa9\xe2\x82\xac\xf0\x9d\x8c\x86z",
           u"a\u00e9\u20ac\U0001d306z");
    EXPECT(ENCODING_UTF8, 0, "\xf4\x8f\xbf\xbf\xed\x9f\xbf\xee\x80\x80",
           u"\U0010ffff\ud7ff\ue000");
}

static void each_maximal_subpart_becomes_one_replacement(void **state)
{
    (void)state;
    EXPECT(ENCODING_UTF8, 0,
           "a\xff"
           "b",
           u"a\ufffd"
           u"b");
    EXPECT(ENCODING_UTF8, 0, "\x80\xbf", u"\ufffd\ufffd");
    EXPECT(ENCODING_UTF8, 0,
           "\xe2\x82"
           "a",
           u"\ufffd"
           u"a");
    EXPECT(ENCODING_UTF8, 0,
           "\xf0\x9d\x8c"
           "a",
           u"\ufffd"
           u"a");
    EXPECT(ENCODING_UTF8, 0, "\xf0\x9d\xe2\x82\xac", u"\ufffd\u20ac");
    /* the Unicode Standard's own row of examples, table 3-8 */
    EXPECT(ENCODING_UTF8, 0,
           "\x61\xf1\x80\x80\xe1\x80\xc2\x62\x80\x63\x80\xbf\x64",
           u"a\ufffd\ufffd\ufffd"
           u"b\ufffd"
           u"c\ufffd\ufffd"
           u"d");
}

static void overlong_and_surrogate_forms_are_malformed(void **state)
{
    (void)state;
    EXPECT(ENCODING_UTF8, 0, "\xc0\x80", u"\ufffd\ufffd");
    EXPECT(ENCODING_UTF8, 0, "\xe0\x9f\xbf", u"\ufffd\ufffd\ufffd");
    EXPECT(ENCODING_UTF8, 0, "\xed\xa0\x80", u"\ufffd\ufffd\ufffd");
    EXPECT(ENCODING_UTF8, 0, "\xf0\x8f\xbf\xbf", u"\ufffd\ufffd\ufffd\ufffd");
    EXPECT(ENCODING_UTF8, 0, "\xf4\x90\x80\x80", u"\ufffd\ufffd\ufffd\ufffd");
    EXPECT(ENCODING_UTF8, 0, "\xf5\x80", u"\ufffd\ufffd");
}

static void a_character_cut_off_at_the_end_is_one_replacement(void **state)
{
    (void)state;
    EXPECT(ENCODING_UTF8, 0, "a\xf0\x9d\x8c", u"a\ufffd");
    EXPECT(ENCODING_UTF8, 0, "a\xc3", u"a\ufffd");
    EXPECT(ENCODING_UTF16LE, 0, "a\0b", u"a\ufffd");
    EXPECT(ENCODING_UTF16LE, 0, "\x34\xd8", u"\ufffd");
    EXPECT(ENCODING_UTF16LE, 0, "\x34\xd8\x06", u"\ufffd");
}

static void utf16_is_decoded_in_both_orders(void **state)
{
    (void)state;
    EXPECT(ENCODING_UTF16LE, 0, "z\0\x34\xd8\x06\xdf\xac\x20",
           u"z\U0001d306\u20ac");
    EXPECT(ENCODING_UTF16BE, 0, "\0z\xd8\x34\xdf\x06\x20\xac",
           u"z\U0001d306\u20ac");
}

static void a_lone_surrogate_becomes_a_replacement(void **state)
{
    (void)state;
    EXPECT(ENCODING_UTF16LE, 0, "\x34\xd8z\0", u"\ufffdz");
    EXPECT(ENCODING_UTF16LE, 0, "\x06\xdfz\0", u"\ufffdz");
    EXPECT(ENCODING_UTF16LE, 0, "\x34\xd8\x34\xd8\x06\xdf",
           u"\ufffd\U0001d306");
    EXPECT(ENCODING_UTF16BE, 0, "\xdf\x06\xd8\x34", u"\ufffd\ufffd");
}

static void windows1252_has_its_own_c1_range(void **state)
{
    (void)state;
    EXPECT(ENCODING_WINDOWS1252, DECODE_FATAL, "a\x80\x81\x9f\xa0\xff",
           u"a\u20ac\x81\u0178\u00a0\u00ff");
}

static void a_byte_order_mark_is_dropped_once(void **state)
{
    (void)state;
    EXPECT(ENCODING_UTF8, 0, "\xef\xbb\xbf\xef\xbb\xbfz", u"\ufeffz");
    EXPECT(ENCODING_UTF8, 0, "z\xef\xbb\xbf", u"z\ufeff");
    EXPECT(ENCODING_UTF16LE, 0, "\xff\xfez\0", u"z");
    EXPECT(ENCODING_UTF16BE, 0, "\xfe\xff\0z", u"z");
    EXPECT(ENCODING_UTF16BE, 0, "\xff\xfe\0z", u"\ufffez");
}

static void a_byte_order_mark_is_kept_when_asked(void **state)
{
    (void)state;
    EXPECT(ENCODING_UTF8, DECODE_IGNORE_BOM, "\xef\xbb\xbfz", u"\ufeffz");
    EXPECT(ENCODING_UTF16LE, DECODE_IGNORE_BOM, "\xff\xfez\0", u"\ufeffz");
}

static void malformed_bytes_are_refused_when_fatal(void **state)
{
    (void)state;
    assert_true(fatal(ENCODING_UTF8, SLICE("a\xff")));
    assert_true(fatal(ENCODING_UTF8, SLICE("a\xe2\x82")));
    assert_true(fatal(ENCODING_UTF16LE, SLICE("\x34\xd8z\0")));
    assert_true(fatal(ENCODING_UTF16LE, SLICE("a")));
    assert_false(fatal(ENCODING_UTF8, SLICE("a\xe2\x82\xac")));
}

static void a_refusal_leaves_a_new_decoder(void **state)
{
    (void)state;
    struct decoder d = {0};
    uint16_t got[64];
    size_t n;
    assert_true(feed(ENCODING_UTF8, &d, DECODE_FATAL | DECODE_STREAM,
                     SLICE("a\xe2\x82"), got, &n));
    assert_false(feed(ENCODING_UTF8, &d, DECODE_FATAL | DECODE_STREAM,
                      SLICE("z"), got, &n));
    assert_int_equal(d.held, 0);
    assert_int_equal(d.started, 0);
}

static void a_state_out_of_range_is_harmless(void **state)
{
    (void)state;
    struct decoder d = {.held = 200};
    uint16_t got[64];
    size_t n;
    assert_true(feed(ENCODING_UTF8, &d, 0, SLICE("ok"), got, &n));
    assert_int_equal(n, 2);
}

static void plain_text_needs_no_decoding(void **state)
{
    (void)state;
    struct decoder d = {0};
    struct slice longer = SLICE("0123456789012345678901234567890123456789"
                                "\xc3\xa9");
    assert_true(decode_is_latin1(ENCODING_UTF8, &d, SLICE("")));
    assert_int_equal(d.started, 0);
    assert_false(decode_is_latin1(ENCODING_UTF8, &d, longer));
    longer.n = 40;
    assert_true(decode_is_latin1(ENCODING_UTF8, &d, longer));
    assert_int_equal(d.started, 1);
    assert_true(decode_is_latin1(ENCODING_WINDOWS1252, &d, SLICE("\xe9\x7f")));
    assert_false(decode_is_latin1(ENCODING_WINDOWS1252, &d, SLICE("\x80")));
    assert_false(decode_is_latin1(ENCODING_UTF16LE, &d, SLICE("a\0")));
    d.held = 1;
    assert_false(decode_is_latin1(ENCODING_UTF8, &d, SLICE("a")));
}

static void check_base64(struct slice plain, const char *text)
{
    char out[64];
    size_t n;
    assert_int_equal(base64_encoded_size(plain.n), strlen(text));
    base64_encode(plain, out);
    assert_memory_equal(out, text, strlen(text));
    assert_true(base64_decode(slice_of(text), out, &n));
    assert_int_equal(n, plain.n);
    assert_memory_equal(out, plain.p, n);
}

static void base64_goes_there_and_back(void **state)
{
    (void)state;
    check_base64(SLICE(""), "");
    check_base64(SLICE("f"), "Zg==");
    check_base64(SLICE("fo"), "Zm8=");
    check_base64(SLICE("foo"), "Zm9v");
    check_base64(SLICE("foob"), "Zm9vYg==");
    check_base64(SLICE("\xff\xfe\xfb\x00\x10"), "//77ABA=");
}

static bool decodes_to(const char *text, const char *want)
{
    char *out = malloc(base64_decoded_room(strlen(text)));
    size_t n;
    assert_non_null(out);
    bool ok = base64_decode(slice_of(text), out, &n) &&
              slice_is((struct slice){out, n}, want);
    free(out);
    return ok;
}

static void base64_forgives_space_and_absent_padding(void **state)
{
    (void)state;
    assert_true(decodes_to(" Z\tm\n8\f\r", "fo"));
    assert_true(decodes_to("Zg", "f"));
    assert_true(decodes_to("Zm8 =", "fo"));
    assert_true(decodes_to("Zh==", "f"));
}

static void malformed_base64_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "Z",    "=",    "Zg=",    "Zg===", "Z===",     "Zm9v=",
        "Zg=a", "Z-==", "Zm9v==", "Zm9vY", "\xc2\xa0", "Zg==Zg"};
    char out[64];
    size_t n;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        assert_false(base64_decode(slice_of(texts[i]), out, &n));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_of_every_length_is_decoded),
        cmocka_unit_test(each_maximal_subpart_becomes_one_replacement),
        cmocka_unit_test(overlong_and_surrogate_forms_are_malformed),
        cmocka_unit_test(a_character_cut_off_at_the_end_is_one_replacement),
        cmocka_unit_test(utf16_is_decoded_in_both_orders),
        cmocka_unit_test(a_lone_surrogate_becomes_a_replacement),
        cmocka_unit_test(windows1252_has_its_own_c1_range),
        cmocka_unit_test(a_byte_order_mark_is_dropped_once),
        cmocka_unit_test(a_byte_order_mark_is_kept_when_asked),
        cmocka_unit_test(malformed_bytes_are_refused_when_fatal),
        cmocka_unit_test(a_refusal_leaves_a_new_decoder),
        cmocka_unit_test(a_state_out_of_range_is_harmless),
        cmocka_unit_test(plain_text_needs_no_decoding),
        cmocka_unit_test(base64_goes_there_and_back),
        cmocka_unit_test(base64_forgives_space_and_absent_padding),
        cmocka_unit_test(malformed_base64_is_refused),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
