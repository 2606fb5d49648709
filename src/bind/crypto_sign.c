/*
 * crypto_sign.c - natives of what key pairs do.
 *
 * null is "the operation failed"; js/ makes the OperationError.
 */
#include "bind/crypto_key.h"
#include "bind/host.h"
#include "bind/libcrypto.h"

/* Ends the result, which may be secret. */
static void ret_result(struct call *c, bool good, struct key_result *r)
{
    if (good)
        ret_bytes(c, (struct slice){(char *)r->bytes, r->n});
    else
        ret_null(c);
    crypto.OPENSSL_cleanse(r->bytes, sizeof(r->bytes));
}

/* (id, scheme, hash, salt length, ...) */
static struct key_scheme scheme_args(struct call *c)
{
    double salt = arg_num(c, 3);
    return (struct key_scheme){
        .name = arg_utf8(c, 1).p,
        .hash = arg_utf8(c, 2).p,
        .salt = salt >= 0 && salt <= KEY_RSA_MAX ? (int32_t)salt : -1,
    };
}

/* (..., data) -> signature or null */
static void sign(struct call *c)
{
    struct key_result r;
    struct key *k = key_arg(c, 0);
    struct key_scheme scheme = scheme_args(c);
    struct slice data = arg_bytes(c, 4);
    if (k != NULL && scheme.name != NULL && scheme.hash != NULL)
        ret_result(c, key_sign(k, &scheme, data, &r), &r);
}

/* (..., signature, data) -> bool */
static void verify(struct call *c)
{
    struct key *k = key_arg(c, 0);
    struct key_scheme scheme = scheme_args(c);
    struct slice signature = arg_bytes(c, 4), data = arg_bytes(c, 5);
    if (k != NULL && scheme.name != NULL && scheme.hash != NULL)
        ret_bool(c, key_verify(k, &scheme, signature, data));
}

static void oaep(struct call *c, bool private)
{
    struct key_result r;
    struct key *k = key_arg(c, 0);
    const char *hash = arg_utf8(c, 1).p;
    struct slice label = arg_bytes(c, 2), data = arg_bytes(c, 3);
    if (k != NULL && hash != NULL)
        ret_result(
            c, k->private == private && key_oaep(k, hash, label, data, &r), &r);
}

/* (id of a public key, hash, label, data) -> bytes or null */
static void rsa_encrypt(struct call *c)
{
    oaep(c, false);
}

/* (id of a private key, hash, label, data) -> bytes or null */
static void rsa_decrypt(struct call *c)
{
    oaep(c, true);
}

/* (private id, public id) -> bytes or null */
static void agree(struct call *c)
{
    struct key_result r;
    struct key *private = key_arg(c, 0), *public = key_arg(c, 1);
    if (private != NULL && public != NULL)
        ret_result(c, key_agree(private, public, &r), &r);
}

const struct native crypto_sign_natives[] = {
    {"keyAgree", 2, agree},         {"rsaDecrypt", 4, rsa_decrypt},
    {"rsaEncrypt", 4, rsa_encrypt}, {"sign", 5, sign},
    {"verify", 6, verify},          {NULL, 0, NULL},
};
