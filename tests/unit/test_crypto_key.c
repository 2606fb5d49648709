/* Keys of the Web Cryptography API and what pairs of them do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bind/crypto_key.h"
#include "bind/libcrypto.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROOM 16384

static const struct slice none = {NULL, 0};

/* Out of the heap, so that the sanitizer sees its ends. */
struct bytes {
    size_t n;
    char *p;
};

static struct bytes bytes_of(const void *p, size_t n)
{
    struct bytes b = {n, malloc(n + (n == 0))};
    assert_non_null(b.p);
    if (n > 0)
        memcpy(b.p, p, n);
    return b;
}

static struct slice view(struct bytes b)
{
    return (struct slice){b.p, b.n};
}

static struct bytes hex(const char *s)
{
    struct bytes b = bytes_of(s, strlen(s) / 2);
    for (size_t i = 0; i < b.n; i++) {
        unsigned value;
        assert_int_equal(sscanf(s + 2 * i, "%2x", &value), 1);
        b.p[i] = (char)value;
    }
    return b;
}

/* What a command writes; skips the test when it cannot run. */
static struct bytes output(const char *command)
{
    char all[ROOM];
    FILE *f = popen(command, "r");
    assert_non_null(f);
    size_t n = fread(all, 1, sizeof(all), f);
    if (pclose(f) != 0 || n == 0)
        skip();
    return bytes_of(all, n);
}

static struct key_want want_of(const char *type, const char *curve,
                               bool private)
{
    struct key_want want = {.private = private};
    assert_true(key_type_of(slice_of(type), &want.type));
    want.curve = key_curve_of(slice_of(curve));
    return want;
}

struct pair {
    struct key *private, *public;
};

static struct pair make(const char *type, const char *curve, int32_t bits)
{
    struct pair pair;
    struct key_want want = want_of(type, curve, true);
    assert_int_equal(key_generate(&want, bits, SLICE("\1\0\1"), 0,
                                  &pair.private, &pair.public),
                     OK);
    assert_true(pair.private->private);
    assert_false(pair.public->private);
    return pair;
}

static void end(struct pair pair)
{
    key_free(pair.private);
    key_free(pair.public);
}

static int opens(void **state)
{
    (void)state;
    struct why why;
    if (libcrypto_load(&why) == OK)
        return 0;
    fprintf(stderr, "%s\n", why.text);
    return -1;
}

/* ---- secrets --------------------------------------------------------------
 */

static void a_secret_gives_its_bytes_until_the_last_reference_goes(void **state)
{
    (void)state;
    struct key *k = key_new_secret(SLICE("abc"));
    assert_ptr_equal(key_share(k), k);
    key_free(k);
    assert_true(slice_is(key_secret(k), "abc"));
    key_free(k);
    k = key_new_secret(none);
    assert_int_equal(key_secret(k).n, 0);
    key_free(k);
    key_free(NULL);
}

static void secrets_have_a_ceiling(void **state)
{
    (void)state;
    struct key *all[KEY_HELD_MAX / KEY_SECRET_MAX];
    size_t n = sizeof(all) / sizeof(*all);
    struct bytes b = {KEY_SECRET_MAX + 1, calloc(1, KEY_SECRET_MAX + 1)};
    assert_null(key_new_secret(view(b)));
    b.n--;
    for (size_t i = 0; i < n; i++)
        assert_non_null(all[i] = key_new_secret(view(b)));
    assert_null(key_new_secret(SLICE("1")));
    for (size_t i = 0; i < n; i++)
        key_free(all[i]);
    struct key *again = key_new_secret(SLICE("1"));
    assert_non_null(again);
    key_free(again);
    free(b.p);
}

/* ---- each kind of pair ----------------------------------------------------
 */

static const struct kind {
    const char *type, *curve;
    int32_t bits;
    size_t parts, first; /* of a private key; bytes of its first part */
    size_t raw;
    const char *scheme;
} kinds[] = {
    {"RSA", "", 1024, 8, 128, 0, "RSA-PSS"},
    {"EC", "P-256", 0, 3, 32, 65, "ECDSA"},
    {"EC", "P-384", 0, 3, 48, 97, "ECDSA"},
    {"EC", "P-521", 0, 3, 66, 133, "ECDSA"},
    {"Ed25519", "", 0, 2, 32, 32, "Ed25519"},
    {"Ed448", "", 0, 2, 57, 57, "Ed448"},
    {"X25519", "", 0, 2, 32, 32, NULL},
    {"X448", "", 0, 2, 56, 56, NULL},
};
#define KINDS (sizeof(kinds) / sizeof(*kinds))

static void same_der(const struct key *a, const struct key *b)
{
    size_t n, m;
    unsigned char *p = key_to_der(a, &n), *q = key_to_der(b, &m);
    assert_non_null(p);
    assert_non_null(q);
    assert_int_equal(n, m);
    assert_memory_equal(p, q, n);
    key_wipe(p, n);
    key_wipe(q, m);
}

/* The key read back from DER; also with a byte more and one less. */
static void through_der(const struct key_want *want, const struct key *k)
{
    size_t n;
    unsigned char *der = key_to_der(k, &n);
    struct bytes copy = bytes_of(der, n), longer = bytes_of(der, n);
    longer.p = realloc(longer.p, ++longer.n);
    longer.p[n] = 0;
    struct key *back = key_from_der(want, view(copy));
    assert_non_null(back);
    same_der(k, back);
    key_free(back);
    assert_null(key_from_der(want, view(longer)));
    copy.n--;
    assert_null(key_from_der(want, view(copy)));
    copy.n++;
    struct key_want other = *want;
    other.private = !want->private;
    assert_null(key_from_der(&other, view(copy)));
    key_wipe(der, n);
    free(copy.p);
    free(longer.p);
}

static void keys_go_out_as_der_and_come_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        struct pair pair = make(kinds[i].type, kinds[i].curve, kinds[i].bits);
        struct key_want want = want_of(kinds[i].type, kinds[i].curve, true);
        through_der(&want, pair.private);
        want.private = false;
        through_der(&want, pair.public);
        end(pair);
    }
}

static void keys_go_out_as_numbers_and_come_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        struct key_parts parts;
        struct pair pair = make(kinds[i].type, kinds[i].curve, kinds[i].bits);
        struct key_want want = want_of(kinds[i].type, kinds[i].curve, true);
        assert_true(key_to_parts(pair.private, &parts));
        assert_int_equal(parts.count, kinds[i].parts);
        assert_int_equal(parts.part[0].n, kinds[i].first);
        struct key *back = key_from_parts(&want, &parts);
        assert_non_null(back);
        same_der(back, pair.private);
        key_free(back);
        parts.count--;
        assert_null(key_from_parts(&want, &parts));
        want.private = false;
        assert_true(key_to_parts(pair.public, &parts));
        back = key_from_parts(&want, &parts);
        assert_non_null(back);
        same_der(back, pair.public);
        key_free(back);
        parts.count++;
        assert_null(key_from_parts(&want, &parts));
        key_parts_wipe(&parts);
        end(pair);
    }
}

/* Its private part is another pair's. */
static void parts_that_do_not_fit_are_no_key(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        struct key_parts one, other, mixed;
        struct pair a = make(kinds[i].type, kinds[i].curve, kinds[i].bits);
        struct pair b = make(kinds[i].type, kinds[i].curve, kinds[i].bits);
        struct key_want want = want_of(kinds[i].type, kinds[i].curve, true);
        assert_true(key_to_parts(a.private, &one));
        assert_true(key_to_parts(b.private, &other));
        for (int k = 0; k < one.count; k++) {
            mixed.count = one.count;
            memcpy(mixed.part, one.part, sizeof(mixed.part));
            mixed.part[k] = other.part[k];
            if (kinds[i].bits > 0 && k == 1)
                mixed.part[k] = SLICE("\3"); /* theirs is the same */
            assert_null(key_from_parts(&want, &mixed));
            mixed.part[k] = none;
            assert_null(key_from_parts(&want, &mixed));
        }
        end(a);
        end(b);
    }
}

static void a_public_key_has_nothing_private(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        struct key_parts parts;
        struct pair pair = make(kinds[i].type, kinds[i].curve, kinds[i].bits);
        struct key pretends = *pair.public;
        pretends.private = true;
        assert_false(key_to_parts(&pretends, &parts));
        end(pair);
    }
}

static void signatures_hold_for_what_was_signed(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        struct key_result sig;
        struct key_scheme scheme = {kinds[i].scheme, "SHA-256", 20};
        if (scheme.name == NULL)
            continue;
        struct pair pair = make(kinds[i].type, kinds[i].curve, kinds[i].bits);
        assert_true(key_sign(pair.private, &scheme, SLICE("abc"), &sig));
        assert_int_equal(sig.n, kinds[i].bits > 0 ? kinds[i].first
                                                  : 2 * kinds[i].first);
        struct bytes copy = bytes_of(sig.bytes, sig.n);
        assert_true(key_verify(pair.public, &scheme, view(copy), SLICE("abc")));
        assert_false(
            key_verify(pair.public, &scheme, view(copy), SLICE("abd")));
        assert_false(key_verify(pair.public, &scheme, none, SLICE("abc")));
        for (size_t at = 0; at < copy.n; at += copy.n / 2) {
            copy.p[at] ^= 1;
            assert_false(
                key_verify(pair.public, &scheme, view(copy), SLICE("abc")));
            copy.p[at] ^= 1;
        }
        copy.n--;
        assert_false(
            key_verify(pair.public, &scheme, view(copy), SLICE("abc")));
        free(copy.p);
        assert_true(key_sign(pair.private, &scheme, none, &sig));
        copy = bytes_of(sig.bytes, sig.n);
        assert_true(key_verify(pair.public, &scheme, view(copy), none));
        free(copy.p);
        /* Each half does its own only. */
        assert_false(key_sign(pair.public, &scheme, none, &sig));
        end(pair);
    }
}

static void schemes_are_for_their_own_keys(void **state)
{
    (void)state;
    struct key_result r;
    struct pair ec = make("EC", "P-256", 0), ed = make("Ed25519", "", 0);
    struct pair x = make("X25519", "", 0);
    struct key *secret = key_new_secret(SLICE("secret"));
    struct key_scheme pss = {"RSA-PSS", "SHA-256", 32};
    struct key_scheme eddsa = {"Ed25519", "", 0};
    struct key_scheme ecdsa = {"ECDSA", "SHA-257", 0};
    assert_false(key_sign(ec.private, &pss, none, &r));
    assert_false(key_sign(x.private, &eddsa, none, &r));
    assert_false(key_sign(ec.private, &ecdsa, none, &r));
    assert_false(key_sign(secret, &eddsa, none, &r));
    assert_false(key_agree(ed.private, ed.public, &r));
    assert_false(key_agree(ec.private, x.public, &r));
    assert_false(key_agree(ec.private, ec.private, &r));
    assert_false(key_agree(secret, secret, &r));
    assert_false(key_oaep(ec.public, "SHA-1", none, none, &r));
    assert_null(key_to_der(secret, &r.n));
    end(ec);
    end(ed);
    end(x);
    key_free(secret);
}

/* ---- RSA --------------------------------------------------------------------
 */

static void rsa_generation_is_bounded(void **state)
{
    (void)state;
    struct key_want want = want_of("RSA", "", true);
    static const struct {
        int32_t bits;
        struct slice exponent;
    } bad[] = {
        {0, SLICE("\1\0\1")},        {255, SLICE("\1\0\1")},
        {8193, SLICE("\1\0\1")},     {1024, {NULL, 0}},
        {1024, SLICE("\0")},         {1024, SLICE("\1")},
        {1024, SLICE("\1\0\0")},     {1024, SLICE("\0\0\0\0\2")},
        {1024, SLICE("\1\0\0\0\1")}, {1024, SLICE("\0\0\0\0\1")},
    };
    struct key *private, *public;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        assert_int_equal(key_generate(&want, bad[i].bits, bad[i].exponent, 0,
                                      &private, &public),
                         ERR_FAIL);
    assert_int_equal(
        key_generate(&want, 1024, SLICE("\0\0\0\0\3"), 0, &private, &public),
        OK);
    struct key_parts parts;
    assert_true(key_to_parts(public, &parts));
    assert_true(slice_is(parts.part[1], "\3"));
    key_free(private);
    key_free(public);
}

static void a_search_for_primes_ends_at_its_deadline(void **state)
{
    struct key_want want = {.type = KEY_RSA};
    struct key *private, *public;
    (void)state;
    assert_int_equal(
        key_generate(&want, 8192, SLICE("\1\0\1"), 1, &private, &public),
        ERR_FAIL);
    assert_null(private);
    assert_null(public);
}

static void rsa_numbers_that_make_no_sense_are_no_key(void **state)
{
    (void)state;
    struct key_want want = want_of("RSA", "", false);
    struct bytes large = {KEY_RSA_MAX / 8 + 1, malloc(KEY_RSA_MAX / 8 + 1)};
    memset(large.p, 0xff, large.n);
    const struct {
        struct slice n, e;
    } bad[] = {
        {view(large), SLICE("\3")},
        {SLICE("\xf0\0\0\1"), SLICE("\xf0\0\0\3")}, /* e over n */
        {SLICE("\xf0\0\0\1"), SLICE("\2")},
        {SLICE("\xf0\0\0\1"), SLICE("\1")},
        {SLICE("\xf0\0\0\1"), SLICE("\0")},
        {SLICE("\xf0\0\0\1"), {NULL, 0}},
        {SLICE("\xf0\0\0\2"), SLICE("\3")},
        {SLICE("\0"), SLICE("\3")},
        {{NULL, 0}, SLICE("\3")},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct key_parts parts = {.count = 2};
        parts.part[0] = bad[i].n;
        parts.part[1] = bad[i].e;
        assert_null(key_from_parts(&want, &parts));
    }
    struct key_parts good = {.count = 2};
    good.part[0] = (struct slice){large.p, KEY_RSA_MAX / 8};
    good.part[1] = SLICE("\3");
    struct key *k = key_from_parts(&want, &good);
    assert_non_null(k);
    key_free(k);
    free(large.p);
}

/* A SubjectPublicKeyInfo with a modulus of n bytes, all ones, and e = 3. */
static struct bytes spki_of(size_t n)
{
    static const struct {
        const char *p;
        size_t n;
        size_t after; /* bytes that its length counts, besides n */
    } heads[] = {
        {"\x30\x82", 2, 32},
        {"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\0"
         "\x03\x82",
         17, 13},
        {"\0\x30\x82", 3, 8},
        {"\x02\x82", 2, 1},
    };
    struct bytes b = {0, malloc(n + 64)};
    for (size_t i = 0; i < 4; i++) {
        size_t length = n + heads[i].after;
        memcpy(b.p + b.n, heads[i].p, heads[i].n);
        b.n += heads[i].n;
        b.p[b.n++] = (char)(length >> 8);
        b.p[b.n++] = (char)length;
    }
    b.p[b.n++] = 0;
    memset(b.p + b.n, 0xff, n);
    memcpy(b.p + b.n + n, "\x02\x01\x03", 3);
    b.n += n + 3;
    return b;
}

static void a_large_modulus_is_refused_in_der_too(void **state)
{
    (void)state;
    struct key_want want = want_of("RSA", "", false);
    for (size_t more = 0; more < 2; more++) {
        struct bytes der = spki_of(KEY_RSA_MAX / 8 + more);
        struct key *k = key_from_der(&want, view(der));
        assert_int_equal(k != NULL, more == 0);
        key_free(k);
        free(der.p);
    }
    struct bytes huge = {KEY_DER_MAX + 1, calloc(1, KEY_DER_MAX + 1)};
    assert_null(key_from_der(&want, view(huge)));
    free(huge.p);
}

static void oaep_gives_back_what_it_took(void **state)
{
    (void)state;
    struct key_result r, plain;
    struct pair pair = make("RSA", "", 1024), other = make("RSA", "", 1024);
    static const char *const hashes[] = {"SHA-1", "SHA-256", "SHA-384"};
    for (size_t i = 0; i < 3; i++) {
        struct slice label = i == 0 ? none : SLICE("a label");
        assert_true(
            key_oaep(pair.public, hashes[i], label, SLICE("hello"), &r));
        assert_int_equal(r.n, 128);
        struct bytes copy = bytes_of(r.bytes, r.n);
        assert_true(
            key_oaep(pair.private, hashes[i], label, view(copy), &plain));
        assert_int_equal(plain.n, 5);
        assert_memory_equal(plain.bytes, "hello", 5);
        assert_false(key_oaep(pair.private, hashes[i], SLICE("another"),
                              view(copy), &plain));
        assert_false(
            key_oaep(other.private, hashes[i], label, view(copy), &plain));
        copy.n--;
        assert_false(
            key_oaep(pair.private, hashes[i], label, view(copy), &plain));
        free(copy.p);
    }
    assert_true(key_oaep(pair.public, "SHA-1", none, none, &r));
    assert_true(key_oaep(pair.private, "SHA-1", none,
                         (struct slice){(char *)r.bytes, r.n}, &plain));
    assert_int_equal(plain.n, 0);
    /* 128 bytes hold no two hashes of 64. */
    assert_false(key_oaep(pair.public, "SHA-512", none, none, &r));
    char long_data[128] = {0};
    assert_false(key_oaep(pair.public, "SHA-1", none,
                          (struct slice){long_data, 87}, &r));
    assert_true(key_oaep(pair.public, "SHA-1", none,
                         (struct slice){long_data, 86}, &r));
    end(pair);
    end(other);
}

static void salts_of_pss_are_as_long_as_said(void **state)
{
    (void)state;
    struct key_result sig;
    struct pair pair = make("RSA", "", 1024);
    static const int32_t lengths[] = {0, 1, 32, 94};
    for (size_t i = 0; i < 4; i++) {
        struct key_scheme scheme = {"RSA-PSS", "SHA-256", lengths[i]};
        assert_true(key_sign(pair.private, &scheme, SLICE("a"), &sig));
        struct bytes copy = bytes_of(sig.bytes, sig.n);
        assert_true(key_verify(pair.public, &scheme, view(copy), SLICE("a")));
        scheme.salt ^= 2;
        assert_false(key_verify(pair.public, &scheme, view(copy), SLICE("a")));
        scheme.salt = -2; /* to OpenSSL: any length */
        assert_false(key_verify(pair.public, &scheme, view(copy), SLICE("a")));
        free(copy.p);
    }
    struct key_scheme scheme = {"RSA-PSS", "SHA-256", 95};
    assert_false(key_sign(pair.private, &scheme, SLICE("a"), &sig));
    scheme.salt = -1;
    assert_false(key_sign(pair.private, &scheme, SLICE("a"), &sig));
    end(pair);
}

/* ---- curves
 * ------------------------------------------------------------------- */

static void both_sides_agree(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        struct key_result one, two;
        bool agrees = kinds[i].type[0] == 'X' || kinds[i].curve[0] != '\0';
        struct pair a = make(kinds[i].type, kinds[i].curve, kinds[i].bits);
        struct pair b = make(kinds[i].type, kinds[i].curve, kinds[i].bits);
        assert_int_equal(key_agree(a.private, b.public, &one), agrees);
        if (agrees) {
            assert_true(key_agree(b.private, a.public, &two));
            assert_int_equal(one.n, kinds[i].first);
            assert_int_equal(two.n, one.n);
            assert_memory_equal(one.bytes, two.bytes, one.n);
        }
        end(a);
        end(b);
    }
    struct key_result r;
    struct pair a = make("EC", "P-256", 0), b = make("EC", "P-384", 0);
    assert_false(key_agree(a.private, b.public, &r));
    end(a);
    end(b);
}

static void an_agreement_on_zeros_is_none(void **state)
{
    (void)state;
    static const char *const types[] = {"X25519", "X448"};
    char zeros[56] = {0};
    for (size_t i = 0; i < 2; i++) {
        struct key_result r;
        struct key_want want = want_of(types[i], "", false);
        struct pair pair = make(types[i], "", 0);
        struct key *peer = key_from_raw(
            &want, (struct slice){zeros, key_type_width(want.type)});
        assert_non_null(peer);
        assert_false(key_agree(pair.private, peer, &r));
        key_free(peer);
        end(pair);
    }
}

static struct key *of_hex(const char *type, const char *x, const char *d)
{
    struct key_parts parts = {.count = d == NULL ? 1 : 2};
    struct key_want want = want_of(type, "", d != NULL);
    struct bytes one = hex(x), two = hex(d == NULL ? "" : d);
    parts.part[0] = view(one);
    parts.part[1] = view(two);
    struct key *k = key_from_parts(&want, &parts);
    assert_non_null(k);
    free(one.p);
    free(two.p);
    return k;
}

static void is_hex(const struct key_result *r, const char *wanted)
{
    struct bytes b = hex(wanted);
    assert_int_equal(r->n, b.n);
    assert_memory_equal(r->bytes, b.p, b.n);
    free(b.p);
}

static void x25519_gives_the_example_of_its_rfc(void **state)
{
    (void)state;
    struct key_result r; /* RFC 7748 section 6.1 */
    struct key *alice = of_hex(
        "X25519",
        "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a",
        "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
    struct key *bob = of_hex(
        "X25519",
        "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
        NULL);
    assert_true(key_agree(alice, bob, &r));
    is_hex(&r,
           "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
    key_free(alice);
    key_free(bob);
}

static void ed25519_gives_the_example_of_its_rfc(void **state)
{
    (void)state;
    struct key_result r; /* RFC 8032 section 7.1, test 1 */
    struct key_scheme scheme = {"Ed25519", "", 0};
    struct key *k = of_hex(
        "Ed25519",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
    assert_true(key_sign(k, &scheme, none, &r));
    is_hex(&r,
           "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555f"
           "b8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b");
    key_free(k);
}

/* y = 1 is the neutral point: to it, R = y and s = 0 sign everything. */
static void keys_that_verify_anything_verify_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        int sign;
    } all[] = {{"Ed25519", 0}, {"Ed25519", 0x80}, {"Ed448", 0}};
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        char sig[114] = {1};
        struct key_scheme scheme = {all[i].type, "", 0};
        struct key_want want = want_of(all[i].type, "", false);
        size_t width = key_type_width(want.type);
        sig[width - 1] = (char)all[i].sign;
        struct key *k = key_from_raw(&want, (struct slice){sig, width});
        assert_non_null(k);
        assert_false(key_verify(k, &scheme, (struct slice){sig, 2 * width},
                                SLICE("anything")));
        key_free(k);
    }
}

static void points_off_the_curve_are_no_key(void **state)
{
    (void)state;
    static const char *const names[] = {"P-256", "P-384", "P-521"};
    for (size_t i = 0; i < 3; i++) {
        struct key_parts parts;
        struct key_want want = want_of("EC", names[i], false);
        size_t width = want.curve->width;
        struct pair pair = make("EC", names[i], 0);
        struct bytes point = {1 + 2 * width, malloc(1 + 2 * width)};
        assert_true(key_to_parts(pair.public, &parts));
        memcpy(point.p + 1, parts.part[0].p, width);
        memcpy(point.p + 1 + width, parts.part[1].p, width);
        for (int form = 0; form < 8; form++) {
            point.p[0] = (char)form;
            struct key *k = key_from_raw(&want, view(point));
            assert_int_equal(k != NULL, form == 4);
            key_free(k);
        }
        point.p[0] = (char)(2 + (parts.part[1].p[width - 1] & 1));
        point.n = 1 + width;
        struct key *k = key_from_raw(&want, view(point));
        assert_non_null(k);
        same_der(k, pair.public); /* and not compressed any more */
        key_free(k);
        point.n = 1 + 2 * width;
        point.p[0] = 4;
        point.p[2 * width] ^= 1;
        assert_null(key_from_raw(&want, view(point)));
        memset(point.p + 1, 0, 2 * width);
        assert_null(key_from_raw(&want, view(point)));
        point.p[0] = 0;
        point.n = 1; /* the point at infinity */
        assert_null(key_from_raw(&want, view(point)));
        point.n = 0;
        assert_null(key_from_raw(&want, view(point)));
        free(point.p);
        end(pair);
    }
}

static void infinity_is_no_key_in_der_either(void **state)
{
    (void)state;
    struct key_want want = want_of("EC", "P-256", false);
    struct bytes der = hex("3019301306072a8648ce3d020106082a8648ce3d030107"
                           "03020000");
    assert_null(key_from_der(&want, view(der)));
    free(der.p);
}

static void a_raw_key_has_one_length(void **state)
{
    (void)state;
    static const char *const names[] = {"Ed25519", "Ed448", "X25519", "X448"};
    char some[64] = {9};
    for (size_t i = 0; i < 4; i++) {
        struct key_want want = want_of(names[i], "", false);
        for (size_t n = 0; n < sizeof(some); n++) {
            struct key *k = key_from_raw(&want, (struct slice){some, n});
            assert_int_equal(k != NULL, n == key_type_width(want.type));
            key_free(k);
        }
        want.private = true;
        assert_null(key_from_raw(
            &want, (struct slice){some, key_type_width(want.type)}));
    }
}

static void ecdsa_refuses_zeros(void **state)
{
    (void)state;
    struct key_result sig;
    struct key_scheme scheme = {"ECDSA", "SHA-256", 0};
    struct pair pair = make("EC", "P-256", 0);
    assert_true(key_sign(pair.private, &scheme, SLICE("a"), &sig));
    struct slice view = {(char *)sig.bytes, sig.n};
    assert_true(key_verify(pair.public, &scheme, view, SLICE("a")));
    memset(sig.bytes, 0, 32);
    assert_false(key_verify(pair.public, &scheme, view, SLICE("a")));
    memset(sig.bytes, 0, 64);
    assert_false(key_verify(pair.public, &scheme, view, SLICE("a")));
    memset(sig.bytes, 0xff, 64);
    assert_false(key_verify(pair.public, &scheme, view, SLICE("a")));
    end(pair);
}

/* ---- keys of openssl(1)
 * ------------------------------------------------------- */

#define DER                                                                    \
    "2>/dev/null | openssl pkcs8 -topk8 -nocrypt -outform DER 2>/dev/null"
#define P256 "openssl ecparam -genkey -noout -name prime256v1 "

static struct key *from_command(const char *type, const char *curve,
                                bool private, const char *command)
{
    struct key_want want = want_of(type, curve, private);
    struct bytes der = output(command);
    struct key *k = key_from_der(&want, view(der));
    free(der.p);
    return k;
}

static void keys_of_openssl_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *type, *curve, *command;
        bool private, good;
    } all[] = {
        {"EC", "P-256", P256 DER, true, true},
        {"EC", "P-384", P256 DER, true, false},
        {"RSA", "", P256 DER, true, false},
        {"EC", "P-256", P256 "| openssl ec -no_public " DER, true, true},
        {"EC", "P-256", P256 "-param_enc explicit " DER, true, false},
        {"EC", "P-256", P256 "| openssl ec -conv_form compressed " DER, true,
         true},
        {"EC", "P-256",
         P256 "| openssl ec -pubout -conv_form compressed -outform DER "
              "2>/dev/null",
         false, true},
        {"EC", "P-256",
         P256 "-param_enc explicit | openssl ec -pubout -outform DER "
              "2>/dev/null",
         false, false},
        {"EC", "P-256", "openssl ecparam -genkey -noout -name secp256k1 " DER,
         true, false},
        {"RSA", "", "openssl genrsa 1024 " DER, true, true},
        {"RSA", "", "openssl genrsa -primes 3 1024 " DER, true, false},
        {"RSA", "",
         "openssl genpkey -algorithm RSA-PSS -pkeyopt rsa_keygen_bits:1024 "
         "-outform DER 2>/dev/null",
         true, false},
        {"Ed25519", "", "openssl genpkey -algorithm ED25519 -outform DER", true,
         true},
        {"X25519", "", "openssl genpkey -algorithm ED25519 -outform DER", true,
         false},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        struct key *k = from_command(all[i].type, all[i].curve, all[i].private,
                                     all[i].command);
        if ((k != NULL) != all[i].good)
            print_error("%s\n", all[i].command);
        assert_int_equal(k != NULL, all[i].good);
        if (k != NULL) {
            struct key_want want =
                want_of(all[i].type, all[i].curve, all[i].private);
            through_der(&want, k);
        }
        key_free(k);
    }
}

static void a_private_ec_key_goes_out_with_its_public_one(void **state)
{
    (void)state;
    struct key_want want = want_of("EC", "P-256", true);
    struct bytes der = output(P256 "| openssl ec -no_public " DER);
    struct key *k = key_from_der(&want, view(der));
    struct key_parts parts;
    size_t n;
    assert_non_null(k);
    assert_true(key_to_parts(k, &parts));
    unsigned char *out = key_to_der(k, &n);
    assert_true(n > der.n + 64);
    assert_memory_equal(out + n - 64, parts.part[0].p, 32);
    assert_memory_equal(out + n - 32, parts.part[1].p, 32);
    key_wipe(out, n);
    key_free(k);
    free(der.p);
}

/* One byte changed: no key, or one that fits together all the same. */
static void damaged_keys_do_no_harm(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS; i++) {
        size_t n;
        struct pair pair = make(kinds[i].type, kinds[i].curve, kinds[i].bits);
        for (int private = 0; private < 2; private ++) {
            struct key_want want =
                want_of(kinds[i].type, kinds[i].curve, private);
            unsigned char *der =
                key_to_der(private ? pair.private : pair.public, &n);
            for (size_t at = 0; at < n; at++) {
                struct bytes copy = bytes_of(der, n);
                copy.p[at] = (char)(copy.p[at] ^ (1 << at % 8));
                key_free(key_from_der(&want, view(copy)));
                key_free(key_from_der(&want, (struct slice){copy.p, at}));
                free(copy.p);
            }
            key_wipe(der, n);
        }
        end(pair);
    }
}

/* A folder with a key of that kind in it; "" when openssl(1) has none. */
static void signed_by_openssl(const char *make_key, const char *sign,
                              const char *type, const char *curve,
                              const struct key_scheme *scheme)
{
    char dir[] = "/tmp/snapcgi-key.XXXXXX", command[512];
    assert_non_null(mkdtemp(dir));
    snprintf(command, sizeof(command), "%s -out %s/key 2>/dev/null", make_key,
             dir);
    int failed = system(command);
    struct bytes sig = {0, NULL}, der = {0, NULL};
    if (failed == 0) {
        snprintf(command, sizeof(command),
                 "printf abc | openssl dgst -sign %s/key %s", dir, sign);
        sig = output(command);
        snprintf(command, sizeof(command),
                 "openssl pkey -in %s/key -pubout -outform DER", dir);
        der = output(command);
    }
    snprintf(command, sizeof(command), "rm -r %s", dir);
    assert_int_equal(system(command), 0);
    if (failed != 0)
        skip();
    struct key_want want = want_of(type, curve, false);
    struct key *k = key_from_der(&want, view(der));
    assert_non_null(k);
    assert_true(key_verify(k, scheme, view(sig), SLICE("abc")));
    assert_false(key_verify(k, scheme, view(sig), SLICE("abd")));
    key_free(k);
    free(sig.p);
    free(der.p);
}

static void signatures_of_openssl_hold(void **state)
{
    (void)state;
    static const char *const rsa =
        "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024";
    struct key_scheme pkcs1 = {"RSASSA-PKCS1-v1_5", "SHA-384", 0};
    signed_by_openssl(rsa, "-sha384", "RSA", "", &pkcs1);
    struct key_scheme pss = {"RSA-PSS", "SHA-256", 11};
    signed_by_openssl(rsa,
                      "-sha256 -sigopt rsa_padding_mode:pss "
                      "-sigopt rsa_pss_saltlen:11",
                      "RSA", "", &pss);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_search_for_primes_ends_at_its_deadline),
        cmocka_unit_test(
            a_secret_gives_its_bytes_until_the_last_reference_goes),
        cmocka_unit_test(secrets_have_a_ceiling),
        cmocka_unit_test(keys_go_out_as_der_and_come_back),
        cmocka_unit_test(keys_go_out_as_numbers_and_come_back),
        cmocka_unit_test(parts_that_do_not_fit_are_no_key),
        cmocka_unit_test(a_public_key_has_nothing_private),
        cmocka_unit_test(signatures_hold_for_what_was_signed),
        cmocka_unit_test(schemes_are_for_their_own_keys),
        cmocka_unit_test(rsa_generation_is_bounded),
        cmocka_unit_test(rsa_numbers_that_make_no_sense_are_no_key),
        cmocka_unit_test(a_large_modulus_is_refused_in_der_too),
        cmocka_unit_test(oaep_gives_back_what_it_took),
        cmocka_unit_test(salts_of_pss_are_as_long_as_said),
        cmocka_unit_test(both_sides_agree),
        cmocka_unit_test(an_agreement_on_zeros_is_none),
        cmocka_unit_test(x25519_gives_the_example_of_its_rfc),
        cmocka_unit_test(ed25519_gives_the_example_of_its_rfc),
        cmocka_unit_test(keys_that_verify_anything_verify_nothing),
        cmocka_unit_test(points_off_the_curve_are_no_key),
        cmocka_unit_test(infinity_is_no_key_in_der_either),
        cmocka_unit_test(a_raw_key_has_one_length),
        cmocka_unit_test(ecdsa_refuses_zeros),
        cmocka_unit_test(keys_of_openssl_are_read),
        cmocka_unit_test(a_private_ec_key_goes_out_with_its_public_one),
        cmocka_unit_test(damaged_keys_do_no_harm),
        cmocka_unit_test(signatures_of_openssl_hold),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, opens, NULL);
}
