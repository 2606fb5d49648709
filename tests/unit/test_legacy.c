/* The legacy decoders of the Encoding Standard. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bind/decode.h"
#include "bind/legacy_decode.h"

#include <stdlib.h>
#include <string.h>

/* Out of the heap, so that the sanitizer sees its ends. */
static bool feed(enum legacy e, struct legacy_decoder *d, unsigned flags,
                 struct slice in, uint16_t *to, size_t *n)
{
    char *p = malloc(in.n + (in.n == 0));
    uint16_t *out = malloc(decode_room(in.n) * sizeof(*out));
    assert_non_null(p);
    assert_non_null(out);
    if (in.n > 0)
        memcpy(p, in.p, in.n);
    assert_null(legacy_decode_open(e));
    bool ok = legacy_decode(e, d, flags, (struct slice){p, in.n}, out, n);
    assert_true(*n <= decode_room(in.n));
    if (ok)
        memcpy(to, out, *n * sizeof(*out));
    free(p);
    free(out);
    return ok;
}

/* Whole, cut in two at each place, and byte by byte: all must agree. */
static void expect(enum legacy e, struct slice in, const uint16_t *want,
                   size_t want_n)
{
    uint16_t got[256];
    size_t n, m;
    for (size_t cut = 0; cut <= in.n; cut++) {
        struct legacy_decoder d = {0};
        assert_true(
            feed(e, &d, DECODE_STREAM, (struct slice){in.p, cut}, got, &n));
        assert_true(feed(e, &d, 0, slice_from(in, cut), got + n, &m));
        assert_int_equal(n + m, want_n);
        assert_memory_equal(got, want, want_n * sizeof(*got));
    }
    struct legacy_decoder d = {0};
    n = 0;
    for (size_t i = 0; i < in.n; i++, n += m)
        assert_true(feed(e, &d, DECODE_STREAM, (struct slice){in.p + i, 1},
                         got + n, &m));
    assert_true(feed(e, &d, 0, SLICE(""), got + n, &m));
    assert_int_equal(n + m, want_n);
    assert_memory_equal(got, want, want_n * sizeof(*got));
}
#define EXPECT(e, in, want)                                                    \
    expect((enum legacy)(e), SLICE(in), want, sizeof(want) / 2 - 1)

static void every_encoding_has_its_converter(void **state)
{
    (void)state;
    for (int e = 0; e < LEGACY_COUNT; e++) {
        struct legacy_decoder d = {0};
        uint16_t got[64];
        size_t n;
        assert_true(feed((enum legacy)e, &d, 0, SLICE("AZ"), got, &n));
        assert_int_equal(n, 2);
        assert_memory_equal(got, u"AZ", 4);
    }
}

static void a_single_byte_has_its_character_or_none(void **state)
{
    (void)state;
    EXPECT(INDEX_IBM866, "a\x8f\xff", u"a\u041f\u00a0");
    EXPECT(INDEX_ISO_8859_16, "\xa4\xa7\xde\xff", u"\u20ac\u00a7\u021a\u00ff");
    EXPECT(INDEX_KOI8_U, "\xae\xbe", u"\u045e\u040e");
    EXPECT(INDEX_MACINTOSH, "\xf0", u"\uf8ff");
    EXPECT(INDEX_WINDOWS_874, "\xa1\xdb\x81", u"\u0e01\ufffd\x81");
    EXPECT(INDEX_WINDOWS_1253, "\xaa\xe1", u"\ufffd\u03b1");
    EXPECT(INDEX_WINDOWS_1255, "\xca", u"\u05ba");
    EXPECT(LEGACY_ISO_8859_8_I, "\xe0\xff", u"\u05d0\ufffd");
    EXPECT(LEGACY_USER_DEFINED, "a\x80\xff", u"a\uf780\uf7ff");
}

static void a_pair_has_its_character(void **state)
{
    (void)state;
    EXPECT(LEGACY_GBK, "\xd6\xd0\x80\xa3\xa0", u"\u4e2d\u20ac\u3000");
    EXPECT(LEGACY_BIG5, "\xa4\x40\x87\x40", u"\u4e00\u43f0");
    EXPECT(LEGACY_EUC_KR, "\xc7\xd1\x81\x41", u"\ud55c\uac02");
    EXPECT(LEGACY_SHIFT_JIS, "\x93\xfa\xb1\x80\\~", u"\u65e5\uff71\x80\\~");
    EXPECT(LEGACY_SHIFT_JIS, "\xf0\x40\xf9\xfc", u"\ue000\ue757");
    EXPECT(LEGACY_EUC_JP, "\xc6\xfc\x8e\xb1\x8f\xb0\xa1",
           u"\u65e5\uff71\u4e02");
    EXPECT(LEGACY_EUC_JP, "\xf4\xa6\x8f\xf3\xa1", u"\u7199\ufffd");
}

static void big5_has_what_icu_lacks(void **state)
{
    (void)state;
    EXPECT(LEGACY_BIG5, "\xa3\xc0\xa3\xe0\xfe\xdd", u"\u2400\u2421\u7809");
    EXPECT(LEGACY_BIG5, "\x88\x62\x88\x64\x88\xa3\x88\xa5",
           u"\u00ca\u0304\u00ca\u030c\u00ea\u0304\u00ea\u030c");
    EXPECT(LEGACY_BIG5, "\x81\x40\xfa\x40", u"\ufffd@\U00020547");
}

static void gb18030_has_four_bytes_for_the_rest(void **state)
{
    (void)state;
    EXPECT(LEGACY_GB18030, "\x81\x30\x81\x30", u"\x80");
    EXPECT(LEGACY_GB18030, "\x81\x35\xf4\x37", u"\ue7c7");
    EXPECT(LEGACY_GB18030, "\x90\x30\x81\x30\xe3\x32\x9a\x35",
           u"\U00010000\U0010ffff");
    EXPECT(LEGACY_GB18030, "\x84\x31\xa4\x39\x84\x31\xa5\x30", u"\uffff\ufffd");
    EXPECT(LEGACY_GB18030, "\xe3\x32\x9a\x36", u"\ufffd");
}

static void bytes_after_an_error_are_read_again(void **state)
{
    (void)state;
    EXPECT(LEGACY_GB18030, "\x81\x30!", u"\ufffd0!");
    EXPECT(LEGACY_GB18030, "\x81\x30\x81!", u"\ufffd0\ufffd!");
    EXPECT(LEGACY_GB18030, "\xff\x81\x7f", u"\ufffd\ufffd\x7f");
    EXPECT(LEGACY_BIG5, "\x81!\xff\x81\x80", u"\ufffd!\ufffd\ufffd");
    EXPECT(LEGACY_EUC_JP, "\x8f\xa1!\x8f!\x8e\xe0", u"\ufffd!\ufffd!\ufffd");
    EXPECT(LEGACY_SHIFT_JIS, "\x81!\xa0\xfd\x81\xfd",
           u"\ufffd!\ufffd\ufffd\ufffd");
    EXPECT(LEGACY_EUC_KR, "\x81!\xc9\xa1\x80", u"\ufffd!\ufffd\ufffd");
}

static void an_end_within_a_character_is_one_error(void **state)
{
    (void)state;
    EXPECT(LEGACY_GB18030, "a\x81\x30\x81", u"a\ufffd");
    EXPECT(LEGACY_BIG5, "a\x81", u"a\ufffd");
    EXPECT(LEGACY_EUC_JP, "a\x8f\xa1", u"a\ufffd");
    EXPECT(LEGACY_ISO_2022_JP, "\x1b$BF", u"\ufffd");
}

static void iso_2022_jp_switches_by_escapes(void **state)
{
    (void)state;
    EXPECT(LEGACY_ISO_2022_JP, "a\x1b$BF|\x1b(Bz", u"a\u65e5z");
    EXPECT(LEGACY_ISO_2022_JP, "\x1b(J\\~\x1b(I1\x1b$@F|",
           u"\u00a5\u203e\uff71\u65e5");
    EXPECT(LEGACY_ISO_2022_JP, "\x1b(B\x1b(Ba",
           u"\ufffd"
           u"a");
    EXPECT(LEGACY_ISO_2022_JP, "\x1b$Z\x1b", u"\ufffd$Z\ufffd");
    EXPECT(LEGACY_ISO_2022_JP, "\x1b(B\x1b\x1b(B", u"\ufffd");
    EXPECT(LEGACY_ISO_2022_JP, "\x1b$", u"\ufffd$");
    EXPECT(LEGACY_ISO_2022_JP, "\x1b$BF\x1b(Ba\x0e\xa1",
           u"\ufffd"
           u"a\ufffd\ufffd");
}

static void malformed_bytes_are_refused_when_fatal(void **state)
{
    static const struct {
        int e;
        struct slice in;
    } bad[] = {{INDEX_WINDOWS_874, {"a\xdb", 2}},
               {LEGACY_BIG5, {"a\x81", 2}},
               {LEGACY_GBK, {"\xff", 1}},
               {LEGACY_EUC_KR, {"\x81 ", 2}},
               {LEGACY_ISO_2022_JP, {"\x1b", 1}}};
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct legacy_decoder d = {0};
        uint16_t got[64];
        size_t n;
        assert_false(
            feed((enum legacy)bad[i].e, &d, DECODE_FATAL, bad[i].in, got, &n));
        assert_int_equal(d.held, 0);
    }
}

/* JavaScript keeps the state: nothing in it may lead out of bounds. */
static void a_state_out_of_range_is_harmless(void **state)
{
    (void)state;
    for (int e = 0; e < LEGACY_COUNT; e++) {
        struct legacy_decoder d;
        uint16_t got[64];
        size_t n;
        memset(&d, 0xff, sizeof(d));
        feed((enum legacy)e, &d, 0, SLICE("abcd"), got, &n);
        d = (struct legacy_decoder){0xff, 3, {0xfe, 0x30, 0x81}};
        feed((enum legacy)e, &d, 0, SLICE("abcd"), got, &n);
    }
}

static void only_ascii_needs_no_decoding(void **state)
{
    (void)state;
    struct legacy_decoder d = {0};
    assert_true(legacy_decode_is_ascii(LEGACY_GBK, &d, SLICE("abc")));
    assert_false(legacy_decode_is_ascii(LEGACY_GBK, &d, SLICE("ab\x81")));
    assert_false(legacy_decode_is_ascii(LEGACY_ISO_2022_JP, &d, SLICE("abc")));
    d.held = 1;
    assert_false(legacy_decode_is_ascii(LEGACY_GBK, &d, SLICE("abc")));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_encoding_has_its_converter),
        cmocka_unit_test(a_single_byte_has_its_character_or_none),
        cmocka_unit_test(a_pair_has_its_character),
        cmocka_unit_test(big5_has_what_icu_lacks),
        cmocka_unit_test(gb18030_has_four_bytes_for_the_rest),
        cmocka_unit_test(bytes_after_an_error_are_read_again),
        cmocka_unit_test(an_end_within_a_character_is_one_error),
        cmocka_unit_test(iso_2022_jp_switches_by_escapes),
        cmocka_unit_test(malformed_bytes_are_refused_when_fatal),
        cmocka_unit_test(a_state_out_of_range_is_harmless),
        cmocka_unit_test(only_ascii_needs_no_decoding),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
