/* crypto_use.c - what key pairs do: sign, verify, encrypt, agree. */
#include "bind/crypto_key.h"
#include "bind/libcrypto.h"

#include <string.h>

#define DER_MAX 160 /* bytes of an ECDSA signature in DER, of any curve */

static const struct way {
    const char *scheme;
    enum key_type type;
    int padding;
} ways[] = {
    {"RSASSA-PKCS1-v1_5", KEY_RSA, RSA_PKCS1_PADDING},
    {"RSA-PSS", KEY_RSA, RSA_PKCS1_PSS_PADDING},
    {"ECDSA", KEY_EC, 0},
    {"Ed25519", KEY_ED25519, 0},
    {"Ed448", KEY_ED448, 0},
};

static const struct way *find_way(const struct key *k, const char *scheme)
{
    for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++)
        if (strcmp(ways[i].scheme, scheme) == 0 && ways[i].type == k->type)
            return &ways[i];
    return NULL;
}

/* OpenSSL takes no NULL for "nothing". */
static const unsigned char *octets(struct slice s)
{
    return (const unsigned char *)(s.p == NULL ? "" : s.p);
}

/* ---- ECDSA: DER and r, s ------------------------------------------------- */

static bool to_raw(const unsigned char *der, size_t n, size_t width,
                   struct key_result *out)
{
    ECDSA_SIG *sig = crypto.d2i_ECDSA_SIG(NULL, &der, (long)n);
    const BIGNUM *r, *s;
    if (sig == NULL)
        return false;
    crypto.ECDSA_SIG_get0(sig, &r, &s);
    bool good = crypto.BN_bn2binpad(r, out->bytes, (int)width) >= 0 &&
                crypto.BN_bn2binpad(s, out->bytes + width, (int)width) >= 0;
    out->n = 2 * width;
    crypto.ECDSA_SIG_free(sig);
    return good;
}

/* Bytes of DER in der[DER_MAX], 0 when raw is none. */
static size_t from_raw(struct slice raw, size_t width, unsigned char *der)
{
    int n = 0;
    if (raw.n != 2 * width)
        return 0;
    ECDSA_SIG *sig = crypto.ECDSA_SIG_new();
    BIGNUM *r = crypto.BN_bin2bn(octets(raw), (int)width, NULL);
    BIGNUM *s = crypto.BN_bin2bn(octets(raw) + width, (int)width, NULL);
    if (sig != NULL && r != NULL && s != NULL &&
        crypto.ECDSA_SIG_set0(sig, r, s)) {
        r = s = NULL; /* they are its own now */
        if (crypto.i2d_ECDSA_SIG(sig, NULL) <= DER_MAX)
            n = crypto.i2d_ECDSA_SIG(sig, &der);
    }
    crypto.BN_clear_free(r);
    crypto.BN_clear_free(s);
    crypto.ECDSA_SIG_free(sig);
    return n > 0 ? (size_t)n : 0;
}

/* ---- signatures -----------------------------------------------------------
 */

static bool set_padding(EVP_PKEY_CTX *ctx, const struct way *way, int32_t salt)
{
    if (way->padding == 0)
        return true;
    if (crypto.EVP_PKEY_CTX_set_rsa_padding(ctx, way->padding) <= 0)
        return false;
    /* Below 0 are OpenSSL's special values. */
    return way->padding != RSA_PKCS1_PSS_PADDING ||
           (salt >= 0 &&
            crypto.EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, salt) > 0);
}

static const char *digest_name(const struct way *way, const char *hash)
{
    return way->type == KEY_RSA || way->type == KEY_EC ? hash : NULL;
}

bool key_sign(const struct key *k, const struct key_scheme *scheme,
              struct slice data, struct key_result *out)
{
    unsigned char der[DER_MAX];
    EVP_PKEY_CTX *pctx = NULL;
    const struct way *way = find_way(k, scheme->name);
    if (way == NULL || !k->private)
        return false;
    bool ecdsa = k->type == KEY_EC;
    out->n = ecdsa ? sizeof(der) : sizeof(out->bytes);
    EVP_MD_CTX *ctx = crypto.EVP_MD_CTX_new();
    bool good =
        ctx != NULL &&
        crypto.EVP_DigestSignInit_ex(ctx, &pctx, digest_name(way, scheme->hash),
                                     NULL, NULL, k->pkey, NULL) > 0 &&
        set_padding(pctx, way, scheme->salt) &&
        crypto.EVP_DigestSign(ctx, ecdsa ? der : out->bytes, &out->n,
                              octets(data), data.n) > 0 &&
        (!ecdsa || to_raw(der, out->n, k->curve->width, out));
    crypto.EVP_MD_CTX_free(ctx);
    return good;
}

/*
 * Points that some small number makes neutral: with such a key a signature
 * holds for any message. OpenSSL lets them pass, Web Cryptography does not
 * (Secure Curves, "Verify" of Ed25519 and Ed448). Those of Ed25519 are all
 * encodings of y = 0, 1, -1 and of the two y of order 8; the sign of x, the
 * highest bit, is left out.
 */
#define FF7 "\xff\xff\xff\xff\xff\xff\xff"
#define FF28 FF7 FF7 FF7 FF7
#define ZERO7 "\0\0\0\0\0\0\0"
#define ZERO28 ZERO7 ZERO7 ZERO7 ZERO7

static const struct {
    enum key_type type;
    const char *y; /* little-endian */
} small[] = {
    {KEY_ED25519, ZERO28 "\0\0\0\0"},
    {KEY_ED25519, "\1" ZERO28 "\0\0\0"},
    {KEY_ED25519, "\xec" FF28 "\xff\xff\x7f"},
    {KEY_ED25519, "\xed" FF28 "\xff\xff\x7f"},
    {KEY_ED25519, "\xee" FF28 "\xff\xff\x7f"},
    {KEY_ED25519, "\x26\xe8\x95\x8f\xc2\xb2\x27\xb0\x45\xc3\xf4\x89\xf2\xef"
                  "\x98\xf0\xd5\xdf\xac\x05\xd3\xc6\x33\x39\xb1\x38\x02\x88"
                  "\x6d\x53\xfc\x05"},
    {KEY_ED25519, "\xc7\x17\x6a\x70\x3d\x4d\xd8\x4f\xba\x3c\x0b\x76\x0d\x10"
                  "\x67\x0f\x2a\x20\x53\xfa\x2c\x39\xcc\xc6\x4e\xc7\xfd\x77"
                  "\x92\xac\x03\x7a"},
    {KEY_ED448, ZERO28 ZERO28 "\0"},
    {KEY_ED448, "\1" ZERO28 ZERO28},
    {KEY_ED448, "\xfe" FF7 FF7 FF7 "\xff\xff\xff\xff\xff\xff\xfe" FF7 FF7 FF7
                "\xff\xff\xff\xff\xff\xff\0"},
};

static bool is_small(enum key_type type, const unsigned char *point)
{
    size_t last = key_type_width(type) - 1;
    for (size_t i = 0; i < sizeof(small) / sizeof(*small); i++)
        if (small[i].type == type && memcmp(small[i].y, point, last) == 0 &&
            (unsigned char)small[i].y[last] == (point[last] & 0x7f))
            return true;
    return false;
}

/* Is the key, or the signature's R, such a point? */
static bool has_small(const struct key *k, struct slice signature)
{
    unsigned char x[KEY_COORDINATE_MAX];
    size_t n = sizeof(x), width = key_type_width(k->type);
    if (k->type != KEY_ED25519 && k->type != KEY_ED448)
        return false;
    return signature.n < width || is_small(k->type, octets(signature)) ||
           !crypto.EVP_PKEY_get_raw_public_key(k->pkey, x, &n) ||
           is_small(k->type, x);
}

bool key_verify(const struct key *k, const struct key_scheme *scheme,
                struct slice signature, struct slice data)
{
    unsigned char der[DER_MAX];
    EVP_PKEY_CTX *pctx = NULL;
    const struct way *way = find_way(k, scheme->name);
    if (way == NULL || k->private || has_small(k, signature))
        return false;
    if (k->type == KEY_EC) {
        signature.n = from_raw(signature, k->curve->width, der);
        signature.p = (const char *)der;
        if (signature.n == 0)
            return false;
    }
    EVP_MD_CTX *ctx = crypto.EVP_MD_CTX_new();
    bool good = ctx != NULL &&
                crypto.EVP_DigestVerifyInit_ex(ctx, &pctx,
                                               digest_name(way, scheme->hash),
                                               NULL, NULL, k->pkey, NULL) > 0 &&
                set_padding(pctx, way, scheme->salt) &&
                crypto.EVP_DigestVerify(ctx, octets(signature), signature.n,
                                        octets(data), data.n) == 1;
    crypto.EVP_MD_CTX_free(ctx);
    return good;
}

/* ---- encryption and agreement ----------------------------------------------
 */

bool key_oaep(const struct key *k, const char *hash, struct slice label,
              struct slice data, struct key_result *out)
{
    /* Not written to: OSSL_PARAM only has no const. */
    void *name = (void *)(uintptr_t)hash;
    OSSL_PARAM params[] = {
        OSSL_PARAM_utf8_string(OSSL_ASYM_CIPHER_PARAM_PAD_MODE,
                               OSSL_PKEY_RSA_PAD_MODE_OAEP,
                               sizeof(OSSL_PKEY_RSA_PAD_MODE_OAEP) - 1),
        OSSL_PARAM_utf8_string(OSSL_ASYM_CIPHER_PARAM_OAEP_DIGEST, name,
                               strlen(hash)),
        OSSL_PARAM_utf8_string(OSSL_ASYM_CIPHER_PARAM_MGF1_DIGEST, name,
                               strlen(hash)),
        label.n == 0 ? (OSSL_PARAM)OSSL_PARAM_END
                     : (OSSL_PARAM)OSSL_PARAM_octet_string(
                           OSSL_ASYM_CIPHER_PARAM_OAEP_LABEL,
                           (void *)(uintptr_t)label.p, label.n),
        OSSL_PARAM_END,
    };
    if (k->type != KEY_RSA)
        return false;
    EVP_PKEY_CTX *ctx = crypto.EVP_PKEY_CTX_new_from_pkey(NULL, k->pkey, NULL);
    bool good = false;
    out->n = sizeof(out->bytes);
    if (ctx != NULL && k->private)
        good = crypto.EVP_PKEY_decrypt_init_ex(ctx, params) > 0 &&
               crypto.EVP_PKEY_decrypt(ctx, out->bytes, &out->n, octets(data),
                                       data.n) > 0;
    else if (ctx != NULL)
        good = crypto.EVP_PKEY_encrypt_init_ex(ctx, params) > 0 &&
               crypto.EVP_PKEY_encrypt(ctx, out->bytes, &out->n, octets(data),
                                       data.n) > 0;
    crypto.EVP_PKEY_CTX_free(ctx);
    return good;
}

bool key_agree(const struct key *private, const struct key *public,
               struct key_result *out)
{
    if (!private->private || public->private || private->type != public->type ||
        private->curve != public->curve)
        return false;
    bool can = private->type == KEY_EC || private->type == KEY_X25519 ||
               private->type == KEY_X448;
    EVP_PKEY_CTX *ctx =
        can ? crypto.EVP_PKEY_CTX_new_from_pkey(NULL, private->pkey, NULL)
            : NULL;
    out->n = sizeof(out->bytes);
    bool good = ctx != NULL && crypto.EVP_PKEY_derive_init(ctx) > 0 &&
                crypto.EVP_PKEY_derive_set_peer(ctx, public->pkey) > 0 &&
                crypto.EVP_PKEY_derive(ctx, out->bytes, &out->n) > 0;
    crypto.EVP_PKEY_CTX_free(ctx);
    return good;
}
