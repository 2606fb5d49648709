/*
 * crypto_key.h - keys of the Web Cryptography API, outside of JavaScript.
 *
 * A key is a secret (bytes) or one half of a key pair (OpenSSL's EVP_PKEY).
 * It never changes. JavaScript knows it by a number of host.resources; the
 * numbers of one key count as references, and its memory is wiped with the
 * last. All functions need an open libcrypto (bind/libcrypto.h).
 */
#ifndef BIND_CRYPTO_KEY_H
#define BIND_CRYPTO_KEY_H

#include "base/err.h"
#include "base/slice.h"
#include "engine/native.h"

#include <openssl/types.h>
#include <stdint.h>

#define KEY_SECRET_MAX ((size_t)1 << 20)        /* bytes of one secret */
#define KEY_HELD_MAX ((size_t)64 * 1024 * 1024) /* and of all at once */
#define KEY_DER_MAX ((size_t)32 * 1024)         /* bytes of DER read */
#define KEY_RSA_MAX 16384                       /* bits of a modulus */
#define KEY_RSA_MAKE_MIN 256                    /* of one made here */
#define KEY_RSA_MAKE_MAX 8192
#define KEY_EXPONENT_MAX 4    /* bytes of the public exponent made with */
#define KEY_COORDINATE_MAX 66 /* bytes, of P-521 */

enum key_type {
    KEY_SECRET,
    KEY_RSA,
    KEY_EC,
    KEY_ED25519,
    KEY_ED448,
    KEY_X25519,
    KEY_X448
};

/* A curve as Web Cryptography names it. */
struct key_curve {
    const char *name;  /* "P-256" */
    const char *group; /* OpenSSL's name */
    size_t width;      /* bytes of a coordinate and of the private number */
};

struct key {
    enum key_type type;
    bool private;                  /* of the two halves; false for a secret */
    const struct key_curve *curve; /* KEY_EC only, else NULL */
    EVP_PKEY *pkey;                /* NULL for a secret */
    unsigned char *bytes;          /* a secret's, malloc'd; else NULL */
    size_t n;
    int refs;
};

/* What a key consists of, big-endian, in the order of a JWK's members:
 * RSA n, e [, d, p, q, dp, dq, qi]; EC x, y [, d]; the others x [, d]. */
#define KEY_PARTS 8
struct key_parts {
    struct slice part[KEY_PARTS]; /* borrowed, or into bytes */
    int count;
    unsigned char bytes[KEY_PARTS * KEY_RSA_MAX / 8];
};

/* OpenSSL's names of the numbers of an RSA key, in that order. */
extern const char *const key_rsa_names[KEY_PARTS];

/* What is wanted; curve is NULL unless type is KEY_EC. */
struct key_want {
    enum key_type type;
    const struct key_curve *curve;
    bool private;
};

/* By the name JavaScript uses: "RSA", "EC", "Ed25519" ...; false: none. */
bool key_type_of(struct slice name, enum key_type *type);
const char *key_type_name(enum key_type type);
size_t key_type_width(enum key_type type); /* bytes of a raw key, or 0 */
/* NULL: no such curve. */
const struct key_curve *key_curve_of(struct slice name);

/* takes params, which may be NULL; gives what they describe, unchecked: that is
 * for key_new_pkey(). NULL: OpenSSL refused. */
EVP_PKEY *key_build(const struct key_want *want, OSSL_PARAM *params);
/* NULL: too large, or KEY_HELD_MAX is reached. */
struct key *key_new_secret(struct slice bytes);
/* takes pkey, which may be NULL. NULL: it is not what is wanted, or its
 * parts do not fit together. */
struct key *key_new_pkey(const struct key_want *want, EVP_PKEY *pkey);
struct key *key_share(struct key *k); /* gives k once more */
void key_free(struct key *k);         /* gives one back; may be NULL */
/* Lends while k lives; empty for other keys. */
struct slice key_secret(const struct key *k);

/* A pair; RSA: bits and the exponent's big-endian bytes. A search that is not
 * over by the deadline (monotonic ns, 0 none) fails. */
enum err key_generate(const struct key_want *want, int32_t bits,
                      struct slice exponent, uint64_t deadline,
                      struct key **private, struct key **public);
/* SubjectPublicKeyInfo (RFC 5280) or PrivateKeyInfo (RFC 5208, RFC 8410);
 * NULL as of key_new_pkey(). */
struct key *key_from_der(const struct key_want *want, struct slice der);
/* A public key: a point (SEC 1 section 2.3.3), or the bytes of a curve that
 * knows no other form. */
struct key *key_from_raw(const struct key_want *want, struct slice raw);
struct key *key_from_parts(const struct key_want *want,
                           const struct key_parts *parts);

/* gives n bytes: end them with key_wipe(). NULL: it failed. */
unsigned char *key_to_der(const struct key *k, size_t *n);
/* After it, whatever it said, key_parts_wipe(). */
bool key_to_parts(const struct key *k, struct key_parts *out);
void key_parts_wipe(struct key_parts *parts);
/* Ends n bytes that OpenSSL allocated; p may be NULL. */
void key_wipe(void *p, size_t n);

/* What an operation gives; wipe what is secret. */
struct key_result {
    size_t n;
    unsigned char bytes[KEY_RSA_MAX / 8];
};

/* By the names of Web Cryptography. */
struct key_scheme {
    const char *name; /* "RSASSA-PKCS1-v1_5", "RSA-PSS", "ECDSA", "Ed25519" */
    const char *hash; /* "SHA-256"; not for Ed25519 and Ed448 */
    int32_t salt;     /* RSA-PSS: bytes, not negative */
};

/* False: the key is not for that, or OpenSSL refused. An ECDSA signature is
 * r and s, each as wide as the curve's numbers (IEEE P1363). */
bool key_sign(const struct key *k, const struct key_scheme *scheme,
              struct slice data, struct key_result *out);
bool key_verify(const struct key *k, const struct key_scheme *scheme,
                struct slice signature, struct slice data);
/* RSA-OAEP; a public key encrypts and a private one decrypts. */
bool key_oaep(const struct key *k, const char *hash, struct slice label,
              struct slice data, struct key_result *out);
/* ECDH's whole x (SEC 1 section 3.3.1), or X25519 and X448 (RFC 7748);
 * false, too, when that is all zeros. */
bool key_agree(const struct key *private, const struct key *public,
               struct key_result *out);

/* ---- natives ---------------------------------------------------------- */

/* Lends argument i's key until the native returns. NULL after throwing: a
 * TypeError when it is none, an Error when libcrypto cannot be opened. */
struct key *key_arg(struct call *c, int i);
/* The same, and it must be a secret. */
struct key *key_arg_secret(struct call *c, int i);
/* takes k (may be NULL: the result is null); the result is its number. */
void ret_key(struct call *c, struct key *k);

#endif
