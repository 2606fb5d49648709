/*
 * crypto_cipher.c - AES-CBC, AES-CTR, AES-GCM and AES-KW (Web Cryptography
 * API 25 to 28); natives of js/subtle_secret.js.
 */
#include "bind/crypto_key.h"
#include "bind/host.h"
#include "bind/libcrypto.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK 16
#define GCM_IV_MAX 128 /* bytes that OpenSSL 3.0 takes */
#define LONG_IV_MAX (1 << 20)

struct aes {
    bool threw;
    struct slice secret;
    EVP_CIPHER *cipher;
    EVP_CIPHER_CTX *ctx;
    unsigned char *out; /* room for the data, a block and a tag */
    size_t n;           /* bytes of the result */
};

/* For the key that argument 0 is. False when nothing can be done with it;
 * aes_end() is for both. */
static bool aes_begin(struct call *c, struct aes *a, const char *mode,
                      struct slice data)
{
    struct key *key = key_arg_secret(c, 0);
    char name[24];

    *a = (struct aes){.threw = key == NULL};
    if (key == NULL || data.n > LIBCRYPTO_MAX)
        return false;
    a->secret = key_secret(key);
    snprintf(name, sizeof(name), "AES-%zu-%s", a->secret.n * 8 % 1024, mode);
    a->cipher = crypto.EVP_CIPHER_fetch(NULL, name, NULL);
    a->ctx = crypto.EVP_CIPHER_CTX_new();
    a->out = malloc(data.n + 2 * BLOCK);
    return a->cipher != NULL && a->ctx != NULL && a->out != NULL;
}

/* Nothing when an error was thrown. */
static void aes_end(struct call *c, struct aes *a, bool good)
{
    if (a->threw)
        return;
    crypto.EVP_CIPHER_CTX_free(a->ctx);
    crypto.EVP_CIPHER_free(a->cipher);
    crypto.ERR_clear_error();
    if (good) {
        ret_bytes_take(c, a->out, a->n);
        return;
    }
    if (a->out != NULL) /* what was decrypted before the tag was wrong */
        crypto.OPENSSL_cleanse(a->out, a->n);
    free(a->out);
    ret_null(c);
}

static bool aes_init(struct aes *a, const void *iv, bool encrypt)
{
    const void *key = a->secret.p;
    return crypto.EVP_CipherInit_ex(a->ctx, a->cipher, NULL, key, iv,
                                    encrypt) == 1;
}

/* Appends to the result. */
static bool aes_update(struct aes *a, struct slice data)
{
    const void *p = data.p;
    int n = 0;

    if (data.n > 0 &&
        crypto.EVP_CipherUpdate(a->ctx, a->out + a->n, &n, p, (int)data.n) != 1)
        return false;
    a->n += (size_t)n;
    return true;
}

static bool aes_final(struct aes *a)
{
    int n = 0;

    if (crypto.EVP_CipherFinal_ex(a->ctx, a->out + a->n, &n) != 1)
        return false;
    a->n += (size_t)n;
    return true;
}

/* (key, encrypt, iv, data) */
static void aes_cbc(struct call *c)
{
    struct aes a;
    struct slice iv = arg_bytes(c, 2), data = arg_bytes(c, 3);
    bool good = aes_begin(c, &a, "CBC", data) && iv.n == BLOCK &&
                aes_init(&a, iv.p, arg_bool(c, 1)) && aes_update(&a, data) &&
                aes_final(&a);

    aes_end(c, &a, good);
}

/* ---- CTR ----------------------------------------------------------------- */

/* How many blocks there are before the low bits of the counter are all zero
 * again; at most UINT32_MAX. */
static uint64_t blocks_left(const unsigned char *counter, int bits)
{
    uint64_t high = 0, low = 0;

    for (int i = 0; i < 8; i++) {
        high = high << 8 | counter[i];
        low = low << 8 | counter[8 + i];
    }
    /* 2^bits less the counter, as a number of 128 bits */
    high = ~high + (low == 0);
    low = -low;
    high &= bits <= 64 ? 0 : UINT64_MAX >> (128 - bits);
    low &= bits >= 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
    if (high == 0 && low == 0 && bits <= 32)
        return UINT64_C(1) << bits;
    if (high > 0 || low > UINT32_MAX || low == 0)
        return UINT32_MAX;
    return low;
}

static void clear_low_bits(unsigned char *counter, int bits)
{
    for (int i = BLOCK - 1; bits > 0; i--, bits -= 8)
        counter[i] = (unsigned char)(bits >= 8 ? 0 : counter[i] & 0xff << bits);
}

/* OpenSSL counts with all 128 bits; where ours wrap the data is cut. */
static bool ctr_run(struct aes *a, unsigned char *counter, int bits,
                    struct slice data)
{
    size_t blocks = (data.n + BLOCK - 1) / BLOCK;
    uint64_t left = blocks_left(counter, bits);

    /* the same counter twice would give the plaintext away */
    if (bits < 32 && blocks > UINT64_C(1) << bits)
        return false;
    struct slice head = data;
    if (blocks > left)
        head.n = (size_t)left * BLOCK;
    if (!aes_init(a, counter, true) || !aes_update(a, head))
        return false;
    clear_low_bits(counter, bits);
    struct slice tail = slice_from(data, head.n);
    return tail.n == 0 || (aes_init(a, counter, true) && aes_update(a, tail));
}

/* (key, counter, its bits, data); the same both ways */
static void aes_ctr(struct call *c)
{
    struct aes a;
    unsigned char counter[BLOCK];
    struct slice given = arg_bytes(c, 1), data = arg_bytes(c, 3);
    int bits = arg_int(c, 2);
    bool good = aes_begin(c, &a, "CTR", data) && given.n == BLOCK &&
                bits >= 1 && bits <= 128;

    if (good) {
        memcpy(counter, given.p, BLOCK);
        good = ctr_run(&a, counter, bits, data);
    }
    aes_end(c, &a, good);
}

/* ---- GCM ----------------------------------------------------------------- */

/*
 * An element of the field of NIST SP 800-38D section 6.3; the first bit is
 * the highest of `high`.
 */
struct field {
    uint64_t high, low;
};

/* In the same time for all values: one of them is secret. */
static struct field field_product(struct field x, struct field y)
{
    struct field z = {0, 0};

    for (int i = 0; i < 128; i++) {
        uint64_t take = -(x.high >> 63), over = -(y.low & 1);
        z.high ^= y.high & take;
        z.low ^= y.low & take;
        y.low = y.low >> 1 | y.high << 63;
        y.high = y.high >> 1 ^ (over & UINT64_C(0xe1) << 56);
        x.high = x.high << 1 | x.low >> 63;
        x.low <<= 1;
    }
    return z;
}

/* To the power of 2^128 - 2. */
static struct field field_inverse(struct field x)
{
    struct field r = {UINT64_C(1) << 63, 0};

    for (int i = 1; i < 128; i++) {
        x = field_product(x, x);
        r = field_product(r, x);
    }
    return r;
}

static struct field field_read(struct slice bytes)
{
    unsigned char b[BLOCK] = {0};
    struct field x = {0, 0};

    memcpy(b, bytes.p, bytes.n < BLOCK ? bytes.n : BLOCK);
    for (int i = 0; i < 8; i++) {
        x.high = x.high << 8 | b[i];
        x.low = x.low << 8 | b[8 + i];
    }
    return x;
}

/*
 * OpenSSL 3.0 takes no IV over 128 bytes. It is only hashed into the first
 * counter (SP 800-38D section 7.1 step 2), and so is one of 16 bytes: this
 * finds the one with the same hash.
 */
static void short_iv(struct field h, struct slice iv, unsigned char *out)
{
    struct field s = {0, 0}, x;

    for (size_t i = 0; i < iv.n; i += BLOCK) {
        x = field_read(slice_from(iv, i));
        s = field_product((struct field){s.high ^ x.high, s.low ^ x.low}, h);
    }
    /* both end in a block with the length in bits: theirs on, ours off */
    s.low ^= iv.n * 8 ^ BLOCK * 8;
    s = field_product(s, field_inverse(h));
    for (int i = 0; i < 8; i++) {
        out[i] = (unsigned char)(s.high >> (56 - 8 * i));
        out[8 + i] = (unsigned char)(s.low >> (56 - 8 * i));
    }
}

/* out: the key's hash key. */
static bool hash_key(const struct aes *a, struct field *out)
{
    static const unsigned char zero[BLOCK];
    unsigned char h[2 * BLOCK];
    char name[24];
    int n = 0;

    snprintf(name, sizeof(name), "AES-%zu-ECB", a->secret.n * 8 % 1024);
    EVP_CIPHER *ecb = crypto.EVP_CIPHER_fetch(NULL, name, NULL);
    const void *key = a->secret.p;
    bool good =
        ecb != NULL &&
        crypto.EVP_CipherInit_ex(a->ctx, ecb, NULL, key, NULL, 1) == 1 &&
        crypto.EVP_CipherUpdate(a->ctx, h, &n, zero, BLOCK) == 1 && n == BLOCK;
    *out = good ? field_read((struct slice){(const char *)h, BLOCK})
                : (struct field){0, 0};
    crypto.OPENSSL_cleanse(h, sizeof(h));
    crypto.EVP_CIPHER_free(ecb);
    return good;
}

static bool gcm_init(struct aes *a, struct slice iv, bool encrypt)
{
    unsigned char other[BLOCK];
    struct field h;

    if (iv.n > GCM_IV_MAX) {
        if (iv.n > LONG_IV_MAX || !hash_key(a, &h))
            return false;
        short_iv(h, iv, other);
        crypto.OPENSSL_cleanse(&h, sizeof(h));
        iv = (struct slice){(const char *)other, BLOCK};
    }
    /* first the cipher alone: the length must be known before the bytes */
    const void *key = a->secret.p, *p = iv.p;
    return crypto.EVP_CipherInit_ex(a->ctx, a->cipher, NULL, NULL, NULL,
                                    encrypt) == 1 &&
           crypto.EVP_CIPHER_CTX_ctrl(a->ctx, EVP_CTRL_AEAD_SET_IVLEN,
                                      (int)iv.n, NULL) == 1 &&
           crypto.EVP_CipherInit_ex(a->ctx, NULL, NULL, key, p, encrypt) == 1;
}

static bool gcm_add(struct aes *a, struct slice more)
{
    int n = 0;
    const void *p = more.p;

    return more.n == 0 ||
           (more.n <= LIBCRYPTO_MAX &&
            crypto.EVP_CipherUpdate(a->ctx, NULL, &n, p, (int)more.n) == 1);
}

static bool gcm_seal(struct aes *a, struct slice data, int tag)
{
    if (!aes_update(a, data) || !aes_final(a) ||
        crypto.EVP_CIPHER_CTX_ctrl(a->ctx, EVP_CTRL_AEAD_GET_TAG, tag,
                                   a->out + a->n) != 1)
        return false;
    a->n += (size_t)tag;
    return true;
}

static bool gcm_open(struct aes *a, struct slice data, int tag)
{
    unsigned char theirs[BLOCK];

    if (data.n < (size_t)tag)
        return false;
    data.n -= (size_t)tag;
    memcpy(theirs, data.p + data.n, (size_t)tag);
    return crypto.EVP_CIPHER_CTX_ctrl(a->ctx, EVP_CTRL_AEAD_SET_TAG, tag,
                                      theirs) == 1 &&
           aes_update(a, data) && aes_final(a);
}

/* (key, encrypt, iv, additional data, bytes of the tag, data) */
static void aes_gcm(struct call *c)
{
    struct aes a;
    bool encrypt = arg_bool(c, 1);
    struct slice iv = arg_bytes(c, 2), more = arg_bytes(c, 3);
    struct slice data = arg_bytes(c, 5);
    int tag = arg_int(c, 4);
    bool good = aes_begin(c, &a, "GCM", data) && tag >= 4 && tag <= BLOCK &&
                gcm_init(&a, iv, encrypt) && gcm_add(&a, more);

    if (good)
        good = encrypt ? gcm_seal(&a, data, tag) : gcm_open(&a, data, tag);
    aes_end(c, &a, good);
}

/* ---- KW ------------------------------------------------------------------ */

/* (key, wrap, data): RFC 3394 */
static void aes_kw(struct call *c)
{
    struct aes a;
    bool wrap = arg_bool(c, 1);
    struct slice data = arg_bytes(c, 2);
    bool good = aes_begin(c, &a, "WRAP", data) && data.n % 8 == 0 &&
                data.n >= (wrap ? 16 : 24);

    if (good) {
        crypto.EVP_CIPHER_CTX_set_flags(a.ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
        good = aes_init(&a, NULL, wrap) && aes_update(&a, data);
    }
    aes_end(c, &a, good);
}

const struct native crypto_cipher_natives[] = {
    {"aesCbc", 4, aes_cbc}, {"aesCtr", 4, aes_ctr}, {"aesGcm", 6, aes_gcm},
    {"aesKw", 3, aes_kw},   {NULL, 0, NULL},
};
