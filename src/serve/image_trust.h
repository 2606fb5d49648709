/*
 * image_trust.h - who made an image, and is it to the last byte what they
 * made: SHA-256 (FIPS 180-4) and Ed25519 (RFC 8032), by OpenSSL.
 *
 * The section "signature" is 96 bytes: the public key, and its signature over
 * what image_signed() says. That covers each section by its SHA-256, so an
 * image is signed only when all of them are known.
 */
#ifndef SERVE_IMAGE_TRUST_H
#define SERVE_IMAGE_TRUST_H

#include "base/slice.h"
#include "engine/image.h"

#define IMAGE_KEY_N 32
#define IMAGE_FINGER_N 17 /* with the NUL */

/* All of them: ERR_FAIL where OpenSSL is missing or refuses. */
enum err image_trust_sha256(struct slice bytes, unsigned char out[static 32],
                            struct why *why);
/* hex: 2 n digits in lower case and a NUL. */
void image_trust_hex(const unsigned char *p, size_t n, char *hex);
/* How a public key is told from others: 16 hex digits of its SHA-256. */
enum err image_trust_finger(const unsigned char key[static IMAGE_KEY_N],
                            char out[static IMAGE_FINGER_N], struct why *why);

/* Fills in each part's SHA-256. */
enum err image_trust_digest(struct image_part *parts, size_t count,
                            struct why *why);
/*
 * Verifies all of an image: checksums, gaps, every SHA-256 that is known, and
 * the signature when there is one. ERR_CORRUPT and a sentence.
 */
enum err image_trust_whole(const struct image *img, struct why *why);
/*
 * The key that signed it, its signature verified, of the sections' bytes only
 * what image_trust_whole() verified. ERR_NOTFOUND: not signed.
 */
enum err image_trust_signer(const struct image *img,
                            unsigned char key[static IMAGE_KEY_N],
                            struct why *why);
/*
 * Is all of it what the owner of the public key in the file pub signed?
 * ERR_ACCESS when it is not signed, or by another.
 */
enum err image_trust_require(const struct image *img, const char *pub,
                             struct why *why);

/*
 * Makes NAME.key (PEM, PKCS #8, mode 0600) and NAME.pub (PEM). Neither is
 * ever written over: ERR_BUSY. finger is the new key's.
 */
enum err image_trust_keygen(const char *name,
                            char finger[static IMAGE_FINGER_N],
                            struct why *why);
/*
 * Signs the image at path, whoever made it, with the private key in the file
 * key: verified first, then replaced in one step, its mode kept.
 */
enum err image_trust_sign(const char *path, const char *key,
                          char finger[static IMAGE_FINGER_N], struct why *why);

#endif
