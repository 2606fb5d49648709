/* crypto_parts.c - keys from their numbers, and the numbers of keys. */
#include "bind/crypto_key.h"
#include "bind/libcrypto.h"

#include <string.h>

#define POINT_MAX (1 + 2 * KEY_COORDINATE_MAX)
#define RSA_BYTES (KEY_RSA_MAX / 8)

static const unsigned char *octets(struct slice s)
{
    return (const unsigned char *)s.p;
}

/* ---- from ---------------------------------------------------------------- */

/*
 * gives a number that the builder has, too: keep it until that is built. A
 * secure one, since OpenSSL wipes the builder's copy of those alone.
 */
static BIGNUM *push(OSSL_PARAM_BLD *builder, const char *name, struct slice s)
{
    BIGNUM *b = crypto.BN_secure_new();
    if (b != NULL && s.n > 0 && s.n <= RSA_BYTES &&
        crypto.BN_bin2bn(octets(s), (int)s.n, b) != NULL &&
        crypto.OSSL_PARAM_BLD_push_BN(builder, name, b))
        return b;
    crypto.BN_clear_free(b);
    return NULL;
}

static EVP_PKEY *rsa(const struct key_want *want, const struct key_parts *from)
{
    EVP_PKEY *pkey = NULL;
    BIGNUM *b[KEY_PARTS] = {NULL};
    OSSL_PARAM_BLD *builder = crypto.OSSL_PARAM_BLD_new();
    bool good =
        builder != NULL && from->count == (want->private ? KEY_PARTS : 2);
    for (int i = 0; good && i < from->count; i++) {
        b[i] = push(builder, key_rsa_names[i], from->part[i]);
        good = b[i] != NULL;
    }
    if (good)
        pkey = key_build(want, crypto.OSSL_PARAM_BLD_to_param(builder));
    for (int i = 0; i < KEY_PARTS; i++)
        crypto.BN_clear_free(b[i]);
    crypto.OSSL_PARAM_BLD_free(builder);
    return pkey;
}

/* d: empty for a public key. */
static EVP_PKEY *ec(const struct key_want *want, struct slice point,
                    struct slice d)
{
    EVP_PKEY *pkey = NULL;
    BIGNUM *b = NULL;
    OSSL_PARAM_BLD *builder = crypto.OSSL_PARAM_BLD_new();
    if (builder != NULL &&
        crypto.OSSL_PARAM_BLD_push_utf8_string(
            builder, OSSL_PKEY_PARAM_GROUP_NAME, want->curve->group, 0) &&
        crypto.OSSL_PARAM_BLD_push_octet_string(
            builder, OSSL_PKEY_PARAM_PUB_KEY, point.p, point.n) &&
        (!want->private ||
         (b = push(builder, OSSL_PKEY_PARAM_PRIV_KEY, d)) != NULL))
        pkey = key_build(want, crypto.OSSL_PARAM_BLD_to_param(builder));
    crypto.BN_clear_free(b);
    crypto.OSSL_PARAM_BLD_free(builder);
    return pkey;
}

/* RFC 7518 section 6.2: each as long as the curve's numbers are. */
static EVP_PKEY *ec_parts(const struct key_want *want,
                          const struct key_parts *from)
{
    char point[POINT_MAX] = {POINT_CONVERSION_UNCOMPRESSED};
    size_t width = want->curve->width;
    if (from->count != (want->private ? 3 : 2))
        return NULL;
    for (int i = 0; i < from->count; i++)
        if (from->part[i].n != width)
            return NULL;
    memcpy(point + 1, from->part[0].p, width);
    memcpy(point + 1 + width, from->part[1].p, width);
    return ec(want, (struct slice){point, 1 + 2 * width},
              want->private ? from->part[2] : (struct slice){NULL, 0});
}

static EVP_PKEY *public_bytes(enum key_type type, struct slice s)
{
    if (s.n != key_type_width(type))
        return NULL;
    return crypto.EVP_PKEY_new_raw_public_key_ex(NULL, key_type_name(type),
                                                 NULL, octets(s), s.n);
}

/* RFC 8037 section 2: x [, d], and x must be what d makes. */
static EVP_PKEY *okp_parts(const struct key_want *want,
                           const struct key_parts *from)
{
    unsigned char x[KEY_COORDINATE_MAX];
    size_t width = key_type_width(want->type), n = sizeof(x);
    if (from->count != (want->private ? 2 : 1))
        return NULL;
    if (!want->private)
        return public_bytes(want->type, from->part[0]);
    if (from->part[0].n != width || from->part[1].n != width)
        return NULL;
    EVP_PKEY *pkey = crypto.EVP_PKEY_new_raw_private_key_ex(
        NULL, key_type_name(want->type), NULL, octets(from->part[1]), width);
    if (pkey != NULL && crypto.EVP_PKEY_get_raw_public_key(pkey, x, &n) &&
        n == width && memcmp(x, from->part[0].p, n) == 0)
        return pkey;
    crypto.EVP_PKEY_free(pkey);
    return NULL;
}

struct key *key_from_parts(const struct key_want *want,
                           const struct key_parts *parts)
{
    EVP_PKEY *pkey = want->type == KEY_RSA  ? rsa(want, parts)
                     : want->type == KEY_EC ? ec_parts(want, parts)
                                            : okp_parts(want, parts);
    return key_new_pkey(want, pkey);
}

struct key *key_from_raw(const struct key_want *want, struct slice raw)
{
    if (want->private || want->type == KEY_RSA)
        return NULL;
    if (want->type != KEY_EC)
        return key_new_pkey(want, public_bytes(want->type, raw));
    size_t width = want->curve->width;
    char form = raw.n > 0 ? raw.p[0] : 0; /* SEC 1 section 2.3.4 */
    if ((form == 4 && raw.n == 1 + 2 * width) ||
        ((form == 2 || form == 3) && raw.n == 1 + width))
        return key_new_pkey(want, ec(want, raw, (struct slice){NULL, 0}));
    return NULL;
}

/* ---- to ------------------------------------------------------------------ */

/* width 0: as many bytes as it takes. */
static bool number(const EVP_PKEY *pkey, const char *name, size_t width,
                   struct key_parts *out)
{
    BIGNUM *b = NULL;
    unsigned char *to = out->bytes + out->count * RSA_BYTES;
    bool good = crypto.EVP_PKEY_get_bn_param(pkey, name, &b);
    if (good && width == 0)
        width = ((size_t)crypto.BN_num_bits(b) + 7) / 8;
    good = good && width <= RSA_BYTES &&
           crypto.BN_bn2binpad(b, to, (int)width) >= 0;
    crypto.BN_clear_free(b);
    if (good)
        out->part[out->count++] = (struct slice){(char *)to, width};
    return good;
}

static bool okp_bytes(const struct key *k, struct key_parts *out)
{
    unsigned char *x = out->bytes, *d = out->bytes + RSA_BYTES;
    size_t x_n = RSA_BYTES, d_n = RSA_BYTES;
    if (!crypto.EVP_PKEY_get_raw_public_key(k->pkey, x, &x_n))
        return false;
    out->part[out->count++] = (struct slice){(char *)x, x_n};
    if (!k->private)
        return true;
    if (!crypto.EVP_PKEY_get_raw_private_key(k->pkey, d, &d_n))
        return false;
    out->part[out->count++] = (struct slice){(char *)d, d_n};
    return true;
}

bool key_to_parts(const struct key *k, struct key_parts *out)
{
    static const char *const ec_names[] = {OSSL_PKEY_PARAM_EC_PUB_X,
                                           OSSL_PKEY_PARAM_EC_PUB_Y,
                                           OSSL_PKEY_PARAM_PRIV_KEY};
    bool good = true;
    out->count = 0;
    if (k->type == KEY_RSA)
        for (int i = 0; good && i < (k->private ? KEY_PARTS : 2); i++)
            good = number(k->pkey, key_rsa_names[i], 0, out);
    else if (k->type == KEY_EC)
        for (int i = 0; good && i < (k->private ? 3 : 2); i++)
            good = number(k->pkey, ec_names[i], k->curve->width, out);
    else
        good = k->type != KEY_SECRET && okp_bytes(k, out);
    return good;
}

void key_parts_wipe(struct key_parts *parts)
{
    crypto.OPENSSL_cleanse(parts->bytes, sizeof(parts->bytes));
}
