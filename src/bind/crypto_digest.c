/*
 * crypto_digest.c - SHA-1, SHA-2 and HMAC (Web Cryptography API 29 and 30);
 * natives of js/subtle.js and js/subtle_secret.js.
 */
#include "bind/crypto_key.h"
#include "bind/host.h"
#include "bind/libcrypto.h"

/* (hash, bytes): the digest */
static void digest(struct call *c)
{
    struct slice data = arg_bytes(c, 1);
    unsigned char out[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    if (!libcrypto_need(c))
        return;
    const EVP_MD *md = libcrypto_hash(arg_utf8(c, 0));
    if (md == NULL)
        throw_type(c, "no such hash");
    else if (crypto.EVP_Digest(data.p, data.n, out, &n, md, NULL) != 1)
        ret_null(c);
    else
        ret_bytes(c, (struct slice){(const char *)out, n});
}

/* Of arguments key, hash and data. False when all is said: it threw, or the
 * result is null. */
static bool hmac(struct call *c, unsigned char *out, unsigned *n)
{
    struct key *key = key_arg_secret(c, 0);
    struct slice data = arg_bytes(c, 2);

    if (key == NULL)
        return false;
    const EVP_MD *md = libcrypto_hash(arg_utf8(c, 1));
    if (md == NULL)
        throw_type(c, "no such hash");
    else if (libcrypto_hmac(md, key_secret(key), data, out, n))
        return true;
    else
        ret_null(c);
    return false;
}

/* (key, hash, data): the tag */
static void hmac_sign(struct call *c)
{
    unsigned char out[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    if (hmac(c, out, &n))
        ret_bytes(c, (struct slice){(const char *)out, n});
}

/* (key, hash, data, tag): is it theirs? */
static void hmac_verify(struct call *c)
{
    unsigned char out[EVP_MAX_MD_SIZE], differ = 0;
    unsigned n = 0;
    struct slice tag = arg_bytes(c, 3);

    if (!hmac(c, out, &n))
        return;
    /* in the same time wherever they differ */
    for (size_t i = 0; i < n && i < tag.n; i++)
        differ |= (unsigned char)(out[i] ^ (unsigned char)tag.p[i]);
    ret_bool(c, tag.n == n && differ == 0);
}

const struct native crypto_digest_natives[] = {
    {"digest", 2, digest},
    {"hmacSign", 3, hmac_sign},
    {"hmacVerify", 4, hmac_verify},
    {NULL, 0, NULL},
};
