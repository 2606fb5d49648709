/*
 * image_trust.c - hashes, keys and signatures; OpenSSL is opened when asked.
 */
#include "serve/image_trust.h"

#include "base/io.h"
#include "bind/libcrypto.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIGNATURE_N 64
#define SECTION_N (IMAGE_KEY_N + SIGNATURE_N)
#define PEM_MAX 16384 /* bytes of a key's file */

static enum err openssl(struct why *why)
{
    struct why inner = {.text = ""};
    if (libcrypto_load(&inner) == OK)
        return OK;
    return why_set(why, ERR_FAIL, "OpenSSL 3 is needed: %s", inner.text);
}

static enum err refused(const char *what, struct why *why)
{
    crypto.ERR_clear_error();
    return why_set(why, ERR_FAIL, "OpenSSL refuses %s", what);
}

/* ---- hashes ------------------------------------------------------------- */

enum err image_trust_sha256(struct slice bytes, unsigned char out[static 32],
                            struct why *why)
{
    const void *p = bytes.n > 0 ? bytes.p : "";
    enum err e = openssl(why);
    if (e != OK)
        return e;
    if (crypto.EVP_Digest(p, bytes.n, out, NULL, crypto.EVP_sha256(), NULL) !=
        1)
        return refused("SHA-256", why);
    return OK;
}

void image_trust_hex(const unsigned char *p, size_t n, char *hex)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        hex[2 * i] = digits[p[i] >> 4];
        hex[2 * i + 1] = digits[p[i] & 15];
    }
    hex[2 * n] = '\0';
}

enum err image_trust_finger(const unsigned char key[static IMAGE_KEY_N],
                            char out[static IMAGE_FINGER_N], struct why *why)
{
    unsigned char sha256[32] = {0};
    struct slice bytes = {(const char *)key, IMAGE_KEY_N};
    enum err e = image_trust_sha256(bytes, sha256, why);
    image_trust_hex(sha256, IMAGE_FINGER_N / 2, out);
    return e;
}

enum err image_trust_digest(struct image_part *parts, size_t count,
                            struct why *why)
{
    enum err e = OK;
    for (size_t i = 0; e == OK && i < count; i++)
        e = image_trust_sha256(parts[i].bytes, parts[i].sha256, why);
    return e;
}

static bool is_known(const struct image_part *part)
{
    static const unsigned char none[IMAGE_SHA256_N];
    return memcmp(part->sha256, none, sizeof none) != 0;
}

static enum err digests_right(const struct image_part *parts, size_t count,
                              struct why *why)
{
    unsigned char sha256[32];
    for (size_t i = 0; i < count; i++) {
        if (!is_known(&parts[i]))
            continue;
        enum err e = image_trust_sha256(parts[i].bytes, sha256, why);
        if (e != OK)
            return e;
        if (memcmp(sha256, parts[i].sha256, sizeof sha256) != 0)
            return why_set(why, ERR_CORRUPT,
                           "the image is damaged: the SHA-256 of its section "
                           "%s does not match",
                           image_section_name(parts[i].section));
    }
    return OK;
}

enum err image_trust_whole(const struct image *img, struct why *why)
{
    struct image_part parts[IMAGE_PARTS_MAX];
    unsigned char key[IMAGE_KEY_N];
    size_t count = image_parts(img, parts);
    enum err e = image_whole(img, why);
    if (e == OK)
        e = digests_right(parts, count, why);
    if (e == OK && parts[count - 1].section == SECTION_SIGNATURE)
        e = image_trust_signer(img, key, why);
    return e;
}

/* ---- keys --------------------------------------------------------------- */

static enum err read_pem(const char *path, bool private, struct buf *out,
                         struct why *why)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    enum err e = ERR_IO;
    if (fd < 0)
        return why_set(why, errno == ENOENT ? ERR_NOTFOUND : ERR_IO, "%s: %s",
                       path, strerror(errno));
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > PEM_MAX)
        why_set(why, e = ERR_SYNTAX, "%s is not a key file", path);
    else if (private && (st.st_mode & 077) != 0)
        why_set(why, e = ERR_ACCESS,
                "others may read the private key %s: chmod 600 would end that",
                path);
    else if (buf_reserve(out, PEM_MAX) != OK)
        why_set(why, e = ERR_NOMEM, "no memory for %s", path);
    else if (io_read_at(fd, out->p, PEM_MAX, 0, &out->n) == ERR_IO)
        why_set(why, e, "%s: %s", path, strerror(errno));
    else
        e = OK;
    close(fd);
    return e;
}

/* gives *key. */
static enum err read_key(const char *path, bool private, EVP_PKEY **key,
                         struct why *why)
{
    int selection = private ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY;
    struct buf pem;
    enum err e = openssl(why);
    if (e != OK)
        return e;
    buf_init(&pem, PEM_MAX);
    e = read_pem(path, private, &pem, why);
    *key = NULL;
    if (e == OK) {
        const unsigned char *p = (const unsigned char *)pem.p;
        size_t n = pem.n;
        OSSL_DECODER_CTX *ctx = crypto.OSSL_DECODER_CTX_new_for_pkey(
            key, "PEM", NULL, "ED25519", selection, NULL, NULL);
        if (ctx == NULL || crypto.OSSL_DECODER_from_data(ctx, &p, &n) != 1 ||
            *key == NULL || crypto.EVP_PKEY_is_a(*key, "ED25519") != 1)
            e = why_set(why, ERR_SYNTAX,
                        "%s is not %s Ed25519 key in PEM that needs no "
                        "passphrase",
                        path, private ? "a private" : "a public");
        crypto.OSSL_DECODER_CTX_free(ctx);
        crypto.ERR_clear_error();
    }
    if (pem.p != NULL)
        crypto.OPENSSL_cleanse(pem.p, pem.cap);
    buf_free(&pem);
    if (e != OK) {
        crypto.EVP_PKEY_free(*key);
        *key = NULL;
    }
    return e;
}

static enum err public_half(EVP_PKEY *pkey, unsigned char out[static 32],
                            struct why *why)
{
    size_t n = IMAGE_KEY_N;
    if (crypto.EVP_PKEY_get_raw_public_key(pkey, out, &n) != 1 ||
        n != IMAGE_KEY_N)
        return refused("the public key", why);
    return OK;
}

/* ---- a new pair --------------------------------------------------------- */

static enum err write_new(const char *path, mode_t mode, const void *p,
                          size_t n, struct why *why)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (fd < 0 && errno == EEXIST)
        return why_set(why, ERR_BUSY, "%s is there already, and is kept", path);
    if (fd < 0)
        return why_set(why, ERR_IO, "%s: %s", path, strerror(errno));
    bool good = io_write(fd, p, n, NULL) == OK && fsync(fd) == 0;
    if (close(fd) == 0 && good)
        return OK;
    why_set(why, ERR_IO, "%s: %s", path, strerror(errno));
    unlink(path);
    return ERR_IO;
}

static enum err write_pem(const char *path, EVP_PKEY *pkey, bool private,
                          struct why *why)
{
    unsigned char *pem = NULL;
    size_t n = 0;
    enum err e;
    OSSL_ENCODER_CTX *ctx = crypto.OSSL_ENCODER_CTX_new_for_pkey(
        pkey, private ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY, "PEM",
        private ? "PrivateKeyInfo" : "SubjectPublicKeyInfo", NULL);
    if (ctx == NULL || crypto.OSSL_ENCODER_to_data(ctx, &pem, &n) != 1)
        e = refused("to write a key", why);
    else
        e = write_new(path, private ? 0600 : 0644, pem, n, why);
    if (pem != NULL)
        crypto.OPENSSL_cleanse(pem, n);
    crypto.CRYPTO_free(pem, __FILE__, __LINE__);
    crypto.OSSL_ENCODER_CTX_free(ctx);
    return e;
}

static enum err write_pair(const char *name, EVP_PKEY *pkey, struct why *why)
{
    char private[4096], public[4096];
    if ((size_t)snprintf(private, sizeof private, "%s.key", name) >=
            sizeof private ||
        (size_t)snprintf(public, sizeof public, "%s.pub", name) >=
            sizeof public)
        return why_set(why, ERR_TOOBIG, "the name is too long");
    enum err e = write_pem(private, pkey, true, why);
    if (e != OK)
        return e;
    e = write_pem(public, pkey, false, why);
    if (e != OK)
        unlink(private);
    return e;
}

enum err image_trust_keygen(const char *name,
                            char finger[static IMAGE_FINGER_N], struct why *why)
{
    unsigned char public[IMAGE_KEY_N];
    EVP_PKEY *pkey = NULL;
    EVP_PKEY_CTX *ctx = NULL;
    enum err e = openssl(why);
    if (e != OK)
        return e;
    ctx = crypto.EVP_PKEY_CTX_new_from_name(NULL, "ED25519", NULL);
    if (ctx == NULL || crypto.EVP_PKEY_keygen_init(ctx) <= 0 ||
        crypto.EVP_PKEY_generate(ctx, &pkey) <= 0)
        e = refused("to make a key", why);
    if (e == OK && (e = public_half(pkey, public, why)) == OK &&
        (e = image_trust_finger(public, finger, why)) == OK)
        e = write_pair(name, pkey, why);
    crypto.EVP_PKEY_free(pkey);
    crypto.EVP_PKEY_CTX_free(ctx);
    return e;
}

/* ---- signatures --------------------------------------------------------- */

static enum err sign(EVP_PKEY *pkey, struct slice message,
                     unsigned char out[static SIGNATURE_N], struct why *why)
{
    size_t n = SIGNATURE_N;
    EVP_MD_CTX *ctx = crypto.EVP_MD_CTX_new();
    bool good =
        ctx != NULL &&
        crypto.EVP_DigestSignInit_ex(ctx, NULL, NULL, NULL, NULL, pkey, NULL) ==
            1 &&
        crypto.EVP_DigestSign(ctx, out, &n, (const unsigned char *)message.p,
                              message.n) == 1 &&
        n == SIGNATURE_N;
    crypto.EVP_MD_CTX_free(ctx);
    return good ? OK : refused("to sign", why);
}

static enum err signature_right(const unsigned char key[static IMAGE_KEY_N],
                                const unsigned char *signature,
                                struct slice message, struct why *why)
{
    EVP_PKEY *pkey = crypto.EVP_PKEY_new_raw_public_key_ex(
        NULL, "ED25519", NULL, key, IMAGE_KEY_N);
    EVP_MD_CTX *ctx = crypto.EVP_MD_CTX_new();
    bool good = pkey != NULL && ctx != NULL &&
                crypto.EVP_DigestVerifyInit_ex(ctx, NULL, NULL, NULL, NULL,
                                               pkey, NULL) == 1 &&
                crypto.EVP_DigestVerify(ctx, signature, SIGNATURE_N,
                                        (const unsigned char *)message.p,
                                        message.n) == 1;
    crypto.EVP_MD_CTX_free(ctx);
    crypto.EVP_PKEY_free(pkey);
    crypto.ERR_clear_error();
    return good ? OK
                : why_set(why, ERR_CORRUPT,
                          "the image's signature does not match: it was "
                          "changed after it was signed");
}

/* A section whose SHA-256 is not known would not be covered. */
static enum err all_covered(const struct image *img, struct why *why)
{
    struct image_part parts[IMAGE_PARTS_MAX];
    size_t count = image_parts(img, parts);
    for (size_t i = 0; i < count; i++)
        if (parts[i].section != SECTION_SIGNATURE && !is_known(&parts[i]))
            return why_set(why, ERR_CORRUPT,
                           "the image's signature does not cover its section "
                           "%s",
                           image_section_name(parts[i].section));
    return OK;
}

enum err image_trust_signer(const struct image *img,
                            unsigned char key[static IMAGE_KEY_N],
                            struct why *why)
{
    struct slice section;
    struct buf message;
    enum err e = image_section(img, SECTION_SIGNATURE, &section, why);
    if (e != OK)
        return e == ERR_NOTFOUND ? why_set(why, e, "the image is not signed")
                                 : e;
    if (section.n != SECTION_N)
        return why_set(why, ERR_CORRUPT,
                       "the image's signature has %zu bytes, "
                       "%d are right",
                       section.n, SECTION_N);
    if ((e = openssl(why)) != OK || (e = all_covered(img, why)) != OK)
        return e;
    memcpy(key, section.p, IMAGE_KEY_N);
    buf_init(&message, 64 * 1024);
    image_signed(img->bytes, &message);
    e = message.err;
    if (e == OK)
        e = signature_right(key, (const unsigned char *)section.p + IMAGE_KEY_N,
                            buf_view(&message), why);
    buf_free(&message);
    return e;
}

enum err image_trust_require(const struct image *img, const char *pub,
                             struct why *why)
{
    unsigned char wanted[IMAGE_KEY_N], key[IMAGE_KEY_N];
    char ours[IMAGE_FINGER_N], theirs[IMAGE_FINGER_N];
    EVP_PKEY *pkey;
    enum err e = read_key(pub, false, &pkey, why);
    if (e != OK)
        return e;
    e = public_half(pkey, wanted, why);
    crypto.EVP_PKEY_free(pkey);
    if (e == OK)
        e = image_trust_finger(wanted, ours, why);
    if (e == OK)
        e = image_trust_signer(img, key, why);
    if (e == ERR_NOTFOUND)
        return why_set(why, ERR_ACCESS,
                       "the image is not signed, and must be by the key %s "
                       "(%s)",
                       ours, pub);
    if (e == OK)
        e = image_trust_finger(key, theirs, why);
    if (e == OK && memcmp(key, wanted, sizeof key) != 0)
        return why_set(why, ERR_ACCESS,
                       "the image is signed by the key %s, and must be by %s "
                       "(%s)",
                       theirs, ours, pub);
    return e == OK ? image_trust_whole(img, why) : e;
}

/* Header and table are made twice: a signature is over both, and among the
 * sections. */
static enum err put_signature(const struct image_plan *plan, EVP_PKEY *pkey,
                              unsigned char section[static SECTION_N],
                              struct why *why)
{
    struct buf head, message;
    buf_init(&head, 64 * 1024);
    buf_init(&message, 64 * 1024);
    enum err e = public_half(pkey, section, why);
    if (e == OK)
        e = image_head(plan, &head, why);
    if (e == OK) {
        image_signed(buf_view(&head), &message);
        e = sign(pkey, buf_view(&message), section + IMAGE_KEY_N, why);
    }
    buf_free(&head);
    buf_free(&message);
    return e;
}

static enum err write_signed(const char *path, const struct image *img,
                             EVP_PKEY *pkey, struct why *why)
{
    unsigned char section[SECTION_N] = {0};
    struct image_part parts[IMAGE_PARTS_MAX];
    struct image_plan plan;
    struct stat st;
    size_t count = image_parts(img, parts);
    if (parts[count - 1].section == SECTION_SIGNATURE)
        count--;
    must(count < IMAGE_PARTS_MAX);
    enum err e = image_trust_digest(parts, count, why);
    if (e != OK)
        return e;
    parts[count] =
        (struct image_part){.section = SECTION_SIGNATURE,
                            .bytes = {(const char *)section, sizeof section}};
    image_plan_of(img, &plan);
    plan.parts = parts;
    plan.count = count + 1;
    plan.mode = stat(path, &st) == 0 ? st.st_mode & 0777 : 0600;
    if ((e = put_signature(&plan, pkey, section, why)) != OK ||
        (e = image_trust_digest(&parts[count], 1, why)) != OK)
        return e;
    return image_write(path, &plan, why);
}

enum err image_trust_sign(const char *path, const char *key,
                          char finger[static IMAGE_FINGER_N], struct why *why)
{
    unsigned char public[IMAGE_KEY_N];
    char real[PATH_MAX]; /* a link to the image stays one */
    struct image img;
    EVP_PKEY *pkey;
    if (realpath(path, real) == NULL)
        return why_set(why, errno == ENOENT ? ERR_NOTFOUND : ERR_IO, "%s: %s",
                       path, strerror(errno));
    enum err e = image_open_file(real, IMAGE_COPY, NULL, &img, why);
    if (e != OK)
        return e;
    struct why inner = {.text = ""};
    if ((e = image_trust_whole(&img, &inner)) != OK)
        why_set(why, e, "%s: %s", path, inner.text);
    else if ((e = read_key(key, true, &pkey, why)) == OK) {
        e = public_half(pkey, public, why);
        if (e == OK)
            e = image_trust_finger(public, finger, why);
        if (e == OK)
            e = write_signed(real, &img, pkey, why);
        crypto.EVP_PKEY_free(pkey);
    }
    image_close(&img);
    return e;
}
