/*
 * crypto_kdf.c - HKDF (RFC 5869) and PBKDF2 (RFC 8018 section 5.2); natives
 * of js/subtle_secret.js.
 *
 * HKDF is made of HMAC here: that of OpenSSL 3.0 refuses an empty key and an
 * info of over 1024 bytes.
 */
#include "bind/crypto_key.h"
#include "bind/host.h"
#include "bind/libcrypto.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* PBKDF2's ceilings, those of js/subtle_secret.js: a native cannot be
 * interrupted, and this many rounds take some seconds. */
#define ROUNDS_MAX 10e6
#define OUTPUT_MAX (1 << 20)

#define HKDF_BLOCKS 255

struct kdf {
    const EVP_MD *md;
    size_t size; /* bytes of the hash */
    struct slice secret;
    struct slice salt;
};

/* Arguments key, hash and salt. False after throwing. */
static bool kdf_args(struct call *c, struct kdf *k)
{
    struct key *key = key_arg_secret(c, 0);

    if (key == NULL)
        return false;
    k->secret = key_secret(key);
    k->md = libcrypto_hash(arg_utf8(c, 1));
    k->salt = arg_bytes(c, 2);
    if (k->md != NULL)
        k->size = (size_t)crypto.EVP_MD_get_size(k->md);
    else
        throw_type(c, "no such hash");
    return k->md != NULL;
}

/*
 * RFC 5869 section 2.3. block has room for a hash, info and the counter, and
 * holds the info where it belongs; n is a whole number of hashes.
 */
static bool expand(const struct kdf *k, struct slice prk, unsigned char *block,
                   size_t info, unsigned char *out, size_t n)
{
    struct slice from = {(const char *)block + k->size, info + 1};

    for (size_t done = 0; done < n; done += k->size) {
        block[k->size + info] = (unsigned char)(done / k->size + 1);
        if (!libcrypto_hmac(k->md, prk, from, out + done, NULL))
            return false;
        memcpy(block, out + done, k->size);
        from = (struct slice){(const char *)block, k->size + info + 1};
    }
    return true;
}

/* takes p (may be NULL): the result, or null when good is false. */
static void give(struct call *c, bool good, unsigned char *p, size_t n)
{
    if (good) {
        ret_bytes_take(c, p, n);
        return;
    }
    free(p);
    ret_null(c);
}

/* (key, hash, salt, info, bytes) */
static void hkdf(struct call *c)
{
    struct kdf k = {0};
    unsigned char prk[EVP_MAX_MD_SIZE];
    struct slice info = arg_bytes(c, 3);
    double wanted = arg_num(c, 4);
    bool good = false;

    if (!kdf_args(c, &k))
        return;
    if (!(wanted >= 0 && wanted <= HKDF_BLOCKS * (double)k.size) ||
        info.n > LIBCRYPTO_MAX) {
        ret_null(c);
        return;
    }
    size_t n = ((size_t)wanted + k.size - 1) / k.size * k.size;
    size_t room = k.size + info.n + 1;
    unsigned char *block = malloc(room), *out = malloc(n + 1);
    if (block != NULL && out != NULL) {
        if (info.n > 0)
            memcpy(block + k.size, info.p, info.n);
        good = libcrypto_hmac(k.md, k.salt, k.secret, prk, NULL) &&
               expand(&k, (struct slice){(const char *)prk, k.size}, block,
                      info.n, out, n);
        crypto.OPENSSL_cleanse(prk, sizeof(prk));
        crypto.OPENSSL_cleanse(block, room);
    }
    free(block);
    give(c, good, out, (size_t)wanted);
}

/* (key, hash, salt, iterations, bytes) */
static void pbkdf2(struct call *c)
{
    struct kdf k = {0};
    double rounds = arg_num(c, 3), wanted = arg_num(c, 4);

    if (!kdf_args(c, &k))
        return;
    if (!(rounds >= 1 && wanted >= 1 && wanted <= OUTPUT_MAX) ||
        !(rounds * ceil(wanted / (double)k.size) <= ROUNDS_MAX) ||
        k.salt.n > LIBCRYPTO_MAX) {
        ret_null(c);
        return;
    }
    const char *secret = k.secret.n > 0 ? k.secret.p : "";
    const void *salt = k.salt.n > 0 ? k.salt.p : "";
    unsigned char *out = malloc((size_t)wanted);
    bool good = out != NULL && crypto.PKCS5_PBKDF2_HMAC(
                                   secret, (int)k.secret.n, salt, (int)k.salt.n,
                                   (int)rounds, k.md, (int)wanted, out) == 1;
    give(c, good, out, (size_t)wanted);
}

const struct native crypto_kdf_natives[] = {
    {"hkdf", 5, hkdf},
    {"pbkdf2", 5, pbkdf2},
    {NULL, 0, NULL},
};
