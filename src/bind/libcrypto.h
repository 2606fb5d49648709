/*
 * libcrypto.h - OpenSSL's libcrypto.so.3, opened by the first operation of
 * crypto.subtle: nothing is linked with it (base/library.h).
 */
#ifndef BIND_LIBCRYPTO_H
#define BIND_LIBCRYPTO_H

#include "base/library.h"
#include "engine/native.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/decoder.h>
#include <openssl/ec.h>
#include <openssl/encoder.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/params.h>
#include <openssl/rsa.h>

/* Sorted. Those that are macros in OpenSSL's headers cannot stand here. */
#define LIBCRYPTO_FUNCTIONS(F)                                                 \
    F(BN_CTX_free)                                                             \
    F(BN_CTX_secure_new)                                                       \
    F(BN_bin2bn)                                                               \
    F(BN_bn2binpad)                                                            \
    F(BN_clear_free)                                                           \
    F(BN_cmp)                                                                  \
    F(BN_div)                                                                  \
    F(BN_is_odd)                                                               \
    F(BN_is_one)                                                               \
    F(BN_mod_mul)                                                              \
    F(BN_mul)                                                                  \
    F(BN_num_bits)                                                             \
    F(BN_secure_new)                                                           \
    F(BN_sub)                                                                  \
    F(BN_value_one)                                                            \
    F(CRYPTO_free)                                                             \
    F(ECDSA_SIG_free)                                                          \
    F(ECDSA_SIG_get0)                                                          \
    F(ECDSA_SIG_new)                                                           \
    F(ECDSA_SIG_set0)                                                          \
    F(ERR_clear_error)                                                         \
    F(EVP_CIPHER_CTX_ctrl)                                                     \
    F(EVP_CIPHER_CTX_free)                                                     \
    F(EVP_CIPHER_CTX_new)                                                      \
    F(EVP_CIPHER_CTX_set_flags)                                                \
    F(EVP_CIPHER_fetch)                                                        \
    F(EVP_CIPHER_free)                                                         \
    F(EVP_CipherFinal_ex)                                                      \
    F(EVP_CipherInit_ex)                                                       \
    F(EVP_CipherUpdate)                                                        \
    F(EVP_Digest)                                                              \
    F(EVP_DigestSign)                                                          \
    F(EVP_DigestSignInit_ex)                                                   \
    F(EVP_DigestVerify)                                                        \
    F(EVP_DigestVerifyInit_ex)                                                 \
    F(EVP_MD_CTX_free)                                                         \
    F(EVP_MD_CTX_new)                                                          \
    F(EVP_MD_get_size)                                                         \
    F(EVP_PKEY_CTX_free)                                                       \
    F(EVP_PKEY_CTX_get_app_data)                                               \
    F(EVP_PKEY_CTX_new_from_name)                                              \
    F(EVP_PKEY_CTX_new_from_pkey)                                              \
    F(EVP_PKEY_CTX_set1_rsa_keygen_pubexp)                                     \
    F(EVP_PKEY_CTX_set_app_data)                                               \
    F(EVP_PKEY_CTX_set_cb)                                                     \
    F(EVP_PKEY_CTX_set_group_name)                                             \
    F(EVP_PKEY_CTX_set_rsa_keygen_bits)                                        \
    F(EVP_PKEY_CTX_set_rsa_padding)                                            \
    F(EVP_PKEY_CTX_set_rsa_pss_saltlen)                                        \
    F(EVP_PKEY_check)                                                          \
    F(EVP_PKEY_decrypt)                                                        \
    F(EVP_PKEY_decrypt_init_ex)                                                \
    F(EVP_PKEY_derive)                                                         \
    F(EVP_PKEY_derive_init)                                                    \
    F(EVP_PKEY_derive_set_peer)                                                \
    F(EVP_PKEY_encrypt)                                                        \
    F(EVP_PKEY_encrypt_init_ex)                                                \
    F(EVP_PKEY_free)                                                           \
    F(EVP_PKEY_fromdata)                                                       \
    F(EVP_PKEY_fromdata_init)                                                  \
    F(EVP_PKEY_generate)                                                       \
    F(EVP_PKEY_get_bits)                                                       \
    F(EVP_PKEY_get_bn_param)                                                   \
    F(EVP_PKEY_get_group_name)                                                 \
    F(EVP_PKEY_get_int_param)                                                  \
    F(EVP_PKEY_get_raw_private_key)                                            \
    F(EVP_PKEY_get_raw_public_key)                                             \
    F(EVP_PKEY_is_a)                                                           \
    F(EVP_PKEY_keygen_init)                                                    \
    F(EVP_PKEY_new_raw_private_key_ex)                                         \
    F(EVP_PKEY_new_raw_public_key_ex)                                          \
    F(EVP_PKEY_public_check)                                                   \
    F(EVP_PKEY_set_params)                                                     \
    F(EVP_PKEY_todata)                                                         \
    F(EVP_sha1)                                                                \
    F(EVP_sha256)                                                              \
    F(EVP_sha384)                                                              \
    F(EVP_sha512)                                                              \
    F(HMAC)                                                                    \
    F(OPENSSL_cleanse)                                                         \
    F(OSSL_DECODER_CTX_free)                                                   \
    F(OSSL_DECODER_CTX_new_for_pkey)                                           \
    F(OSSL_DECODER_from_data)                                                  \
    F(OSSL_ENCODER_CTX_free)                                                   \
    F(OSSL_ENCODER_CTX_new_for_pkey)                                           \
    F(OSSL_ENCODER_to_data)                                                    \
    F(OSSL_PARAM_BLD_free)                                                     \
    F(OSSL_PARAM_BLD_new)                                                      \
    F(OSSL_PARAM_BLD_push_BN)                                                  \
    F(OSSL_PARAM_BLD_push_octet_string)                                        \
    F(OSSL_PARAM_BLD_push_utf8_string)                                         \
    F(OSSL_PARAM_BLD_to_param)                                                 \
    F(OSSL_PARAM_free)                                                         \
    F(PKCS5_PBKDF2_HMAC)                                                       \
    F(d2i_ECDSA_SIG)                                                           \
    F(i2d_ECDSA_SIG)

struct libcrypto {
    LIBCRYPTO_FUNCTIONS(LIBRARY_MEMBER)
};

extern struct libcrypto crypto; /* filled by the first that opens it */

/* Opens it without a call; ERR_FAIL: why says what is missing. */
enum err libcrypto_load(struct why *why);
/* For a native; false after throwing an Error. */
bool libcrypto_need(struct call *c);

/* Most bytes of data in one operation: OpenSSL counts many of them in int. */
#define LIBCRYPTO_MAX ((size_t)1 << 30)

/* The hash that Web Crypto calls SHA-1, SHA-256, SHA-384 or SHA-512, else
 * NULL. */
const EVP_MD *libcrypto_hash(struct slice name);
/* RFC 2104. out: room for a hash; n: its bytes, may be NULL. False: OpenSSL
 * refused, or the key is longer than it can count. */
bool libcrypto_hmac(const EVP_MD *md, struct slice key, struct slice data,
                    unsigned char *out, unsigned *n);

#endif
