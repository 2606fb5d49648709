/* crypto_pkey.c - keys: their names, their life, how a pair is made. */
#include "bind/crypto_key.h"
#include "base/clock.h"
#include "bind/libcrypto.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name; /* OpenSSL's, too */
    size_t width;
} types[] = {
    [KEY_SECRET] = {"", 0},      [KEY_RSA] = {"RSA", 0},
    [KEY_EC] = {"EC", 0},        [KEY_ED25519] = {"Ed25519", 32},
    [KEY_ED448] = {"Ed448", 57}, [KEY_X25519] = {"X25519", 32},
    [KEY_X448] = {"X448", 56},
};

static const struct key_curve curves[] = {
    {"P-256", "prime256v1", 32},
    {"P-384", "secp384r1", 48},
    {"P-521", "secp521r1", KEY_COORDINATE_MAX},
};

const char *const key_rsa_names[KEY_PARTS] = {
    OSSL_PKEY_PARAM_RSA_N,         OSSL_PKEY_PARAM_RSA_E,
    OSSL_PKEY_PARAM_RSA_D,         OSSL_PKEY_PARAM_RSA_FACTOR1,
    OSSL_PKEY_PARAM_RSA_FACTOR2,   OSSL_PKEY_PARAM_RSA_EXPONENT1,
    OSSL_PKEY_PARAM_RSA_EXPONENT2, OSSL_PKEY_PARAM_RSA_COEFFICIENT1,
};

static size_t held; /* bytes of all secrets */

bool key_type_of(struct slice name, enum key_type *type)
{
    for (size_t i = KEY_RSA; i < sizeof(types) / sizeof(*types); i++) {
        *type = (enum key_type)i;
        if (slice_is(name, types[i].name))
            return true;
    }
    return false;
}

const char *key_type_name(enum key_type type)
{
    return types[type].name;
}

size_t key_type_width(enum key_type type)
{
    return types[type].width;
}

const struct key_curve *key_curve_of(struct slice name)
{
    for (size_t i = 0; i < sizeof(curves) / sizeof(*curves); i++)
        if (slice_is(name, curves[i].name))
            return &curves[i];
    return NULL;
}

struct key *key_new_secret(struct slice bytes)
{
    if (bytes.n > KEY_SECRET_MAX || bytes.n > KEY_HELD_MAX - held)
        return NULL;
    struct key *k = xalloc(sizeof(*k));
    *k = (struct key){.type = KEY_SECRET, .n = bytes.n, .refs = 1};
    k->bytes = xalloc(bytes.n + 1);
    if (bytes.n > 0)
        memcpy(k->bytes, bytes.p, bytes.n);
    held += bytes.n;
    return k;
}

struct slice key_secret(const struct key *k)
{
    return (struct slice){(const char *)k->bytes, k->n};
}

struct key *key_share(struct key *k)
{
    k->refs++;
    return k;
}

void key_free(struct key *k)
{
    if (k == NULL || --k->refs > 0)
        return;
    if (k->bytes != NULL)
        crypto.OPENSSL_cleanse(k->bytes, k->n);
    held -= k->n;
    free(k->bytes);
    crypto.EVP_PKEY_free(k->pkey);
    free(k);
}

void key_wipe(void *p, size_t n)
{
    if (p == NULL)
        return;
    crypto.OPENSSL_cleanse(p, n);
    crypto.CRYPTO_free(p, __FILE__, __LINE__);
}

EVP_PKEY *key_build(const struct key_want *want, OSSL_PARAM *params)
{
    EVP_PKEY *pkey = NULL;
    EVP_PKEY_CTX *ctx =
        crypto.EVP_PKEY_CTX_new_from_name(NULL, types[want->type].name, NULL);
    int what = want->private ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY;
    if (params == NULL || ctx == NULL ||
        crypto.EVP_PKEY_fromdata_init(ctx) <= 0 ||
        crypto.EVP_PKEY_fromdata(ctx, &pkey, what, params) <= 0)
        pkey = NULL;
    crypto.EVP_PKEY_CTX_free(ctx);
    crypto.OSSL_PARAM_free(params);
    return pkey;
}

/* ---- is it sound? ------------------------------------------------------- */

/*
 * What OpenSSL's own check proves besides is that p and q are primes, which
 * takes it seconds for a large key.
 */
static bool rsa_private_fits(BIGNUM *const b[KEY_PARTS], BN_CTX *ctx)
{
    BIGNUM *n = b[0], *e = b[1], *d = b[2];
    BIGNUM *p1 = crypto.BN_secure_new(), *r = crypto.BN_secure_new();
    bool good = p1 != NULL && r != NULL && crypto.BN_mul(r, b[3], b[4], ctx) &&
                crypto.BN_cmp(r, n) == 0;
    for (int i = 0; good && i < 2; i++) {
        const BIGNUM *prime = b[3 + i], *exponent = b[5 + i];
        good = crypto.BN_sub(p1, prime, crypto.BN_value_one()) &&
               crypto.BN_mod_mul(r, d, e, p1, ctx) && crypto.BN_is_one(r) &&
               crypto.BN_div(NULL, r, d, p1, ctx) &&
               crypto.BN_cmp(r, exponent) == 0;
    }
    good = good && crypto.BN_cmp(b[7], b[3]) < 0 &&
           crypto.BN_mod_mul(r, b[7], b[4], b[3], ctx) && crypto.BN_is_one(r);
    crypto.BN_clear_free(p1);
    crypto.BN_clear_free(r);
    return good;
}

/* RFC 8017 section 3, and no number larger than the modulus. */
static bool rsa_fits(const EVP_PKEY *pkey, bool private)
{
    BIGNUM *b[KEY_PARTS] = {NULL};
    int count = private ? KEY_PARTS : 2;
    BN_CTX *ctx = crypto.BN_CTX_secure_new();
    bool good = ctx != NULL;
    for (int i = 0; good && i < count; i++)
        good = crypto.EVP_PKEY_get_bn_param(pkey, key_rsa_names[i], &b[i]) &&
               (i == 0 ? crypto.BN_num_bits(b[0]) <= KEY_RSA_MAX
                       : crypto.BN_cmp(b[i], b[0]) < 0);
    good = good && crypto.BN_is_odd(b[0]) && crypto.BN_is_odd(b[1]) &&
           !crypto.BN_is_one(b[1]) && (!private || rsa_private_fits(b, ctx));
    for (int i = 0; i < count; i++)
        crypto.BN_clear_free(b[i]);
    crypto.BN_CTX_free(ctx);
    return good;
}

/* SEC 1 section 3.2.2.1: the point is on the curve, and d makes it. */
static bool ec_fits(const struct key_want *want, EVP_PKEY *pkey)
{
    char group[32];
    size_t n;
    int spelt = 0, yes = 1;
    /* How it goes out, however it came in. */
    OSSL_PARAM form[] = {
        OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
                               "uncompressed", sizeof("uncompressed") - 1),
        OSSL_PARAM_int(OSSL_PKEY_PARAM_EC_INCLUDE_PUBLIC, &yes),
        OSSL_PARAM_END,
    };
    if (!crypto.EVP_PKEY_get_group_name(pkey, group, sizeof(group), &n) ||
        strcmp(group, want->curve->group) != 0)
        return false;
    if (crypto.EVP_PKEY_get_int_param(
            pkey, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS, &spelt) &&
        spelt)
        return false;
    EVP_PKEY_CTX *ctx = crypto.EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    bool good =
        ctx != NULL && (want->private ? crypto.EVP_PKEY_check(ctx)
                                      : crypto.EVP_PKEY_public_check(ctx)) == 1;
    crypto.EVP_PKEY_CTX_free(ctx);
    return good && crypto.EVP_PKEY_set_params(pkey, form);
}

struct key *key_new_pkey(const struct key_want *want, EVP_PKEY *pkey)
{
    bool good =
        pkey != NULL && crypto.EVP_PKEY_is_a(pkey, types[want->type].name) == 1;
    if (good && want->type == KEY_RSA)
        good = rsa_fits(pkey, want->private);
    if (good && want->type == KEY_EC)
        good = ec_fits(want, pkey);
    if (!good) {
        crypto.EVP_PKEY_free(pkey);
        return NULL;
    }
    struct key *k = xalloc(sizeof(*k));
    *k = (struct key){.type = want->type,
                      .private = want->private,
                      .curve = want->curve,
                      .pkey = pkey,
                      .refs = 1};
    return k;
}

/* ---- making a pair ------------------------------------------------------ */

/* RFC 8017 section 3.1: odd, above 1; short, so that each use is. */
static BIGNUM *exponent_number(struct slice s)
{
    while (s.n > 0 && *s.p == 0)
        s = slice_from(s, 1);
    if (s.n == 0 || s.n > KEY_EXPONENT_MAX)
        return NULL;
    BIGNUM *e = crypto.BN_bin2bn((const unsigned char *)s.p, (int)s.n, NULL);
    if (e != NULL && crypto.BN_is_odd(e) && !crypto.BN_is_one(e))
        return e;
    crypto.BN_clear_free(e);
    return NULL;
}

static bool set_rsa(EVP_PKEY_CTX *ctx, int32_t bits, struct slice exponent)
{
    BIGNUM *e = exponent_number(exponent);
    bool good = e != NULL && bits >= KEY_RSA_MAKE_MIN &&
                bits <= KEY_RSA_MAKE_MAX &&
                crypto.EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, bits) > 0 &&
                crypto.EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, e) > 0;
    crypto.BN_clear_free(e);
    return good;
}

/* gives a copy without the private part. */
static EVP_PKEY *public_half(const EVP_PKEY *pair, enum key_type type)
{
    struct key_want want = {.type = type};
    OSSL_PARAM *params = NULL;
    if (!crypto.EVP_PKEY_todata(pair, EVP_PKEY_PUBLIC_KEY, &params))
        return NULL; /* and there are no params */
    return key_build(&want, params);
}

/* The watchdog is first: a script that is late must not go on. */
#define AFTER_DEADLINE_NS (50 * NS_PER_MS)

/* OpenSSL asks with each candidate; large primes take it half a minute. */
static int in_time(EVP_PKEY_CTX *ctx)
{
    const uint64_t *deadline = crypto.EVP_PKEY_CTX_get_app_data(ctx);
    return *deadline == 0 || clock_mono() < *deadline + AFTER_DEADLINE_NS;
}

enum err key_generate(const struct key_want *want, int32_t bits,
                      struct slice exponent, uint64_t deadline,
                      struct key **private, struct key **public)
{
    enum err rc = ERR_FAIL;
    EVP_PKEY *pair = NULL, *half = NULL;
    EVP_PKEY_CTX *ctx =
        crypto.EVP_PKEY_CTX_new_from_name(NULL, types[want->type].name, NULL);
    *private = *public = NULL;
    if (ctx == NULL || crypto.EVP_PKEY_keygen_init(ctx) <= 0)
        goto out;
    crypto.EVP_PKEY_CTX_set_app_data(ctx, &deadline);
    crypto.EVP_PKEY_CTX_set_cb(ctx, in_time);
    if (want->type == KEY_RSA && !set_rsa(ctx, bits, exponent))
        goto out;
    if (want->type == KEY_EC &&
        crypto.EVP_PKEY_CTX_set_group_name(ctx, want->curve->group) <= 0)
        goto out;
    if (crypto.EVP_PKEY_generate(ctx, &pair) <= 0)
        goto out;
    half = public_half(pair, want->type);
    struct key_want one = *want;
    one.private = true;
    *private = key_new_pkey(&one, pair);
    one.private = false;
    *public = key_new_pkey(&one, half);
    if (*private != NULL && *public != NULL)
        rc = OK;
out:
    crypto.EVP_PKEY_CTX_free(ctx);
    if (rc != OK) {
        key_free(*private);
        key_free(*public);
    }
    return rc;
}
