/* crypto_der.c - keys in the forms Web Crypto calls "spki" and "pkcs8". */
#include "bind/crypto_key.h"
#include "bind/libcrypto.h"

static const char *structure(bool private)
{
    return private ? "PrivateKeyInfo" : "SubjectPublicKeyInfo";
}

static int selection(bool private)
{
    return private ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY;
}

struct key *key_from_der(const struct key_want *want, struct slice der)
{
    EVP_PKEY *pkey = NULL;
    const unsigned char *p = (const unsigned char *)der.p;
    size_t left = der.n;
    if (der.n == 0 || der.n > KEY_DER_MAX)
        return NULL;
    OSSL_DECODER_CTX *ctx = crypto.OSSL_DECODER_CTX_new_for_pkey(
        &pkey, "DER", structure(want->private), key_type_name(want->type),
        selection(want->private), NULL, NULL);
    if (ctx == NULL || !crypto.OSSL_DECODER_from_data(ctx, &p, &left) ||
        left != 0) {
        crypto.EVP_PKEY_free(pkey);
        pkey = NULL;
    }
    crypto.OSSL_DECODER_CTX_free(ctx);
    return key_new_pkey(want, pkey);
}

unsigned char *key_to_der(const struct key *k, size_t *n)
{
    unsigned char *der = NULL;
    *n = 0;
    if (k->pkey == NULL)
        return NULL;
    OSSL_ENCODER_CTX *ctx = crypto.OSSL_ENCODER_CTX_new_for_pkey(
        k->pkey, selection(k->private), "DER", structure(k->private), NULL);
    if (ctx == NULL || !crypto.OSSL_ENCODER_to_data(ctx, &der, n))
        der = NULL;
    crypto.OSSL_ENCODER_CTX_free(ctx);
    return der;
}
