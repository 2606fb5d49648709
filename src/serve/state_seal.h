/*
 * state_seal.h - AES-256-GCM over the pieces of a state file.
 *
 * Each file has a key of its own, made of the pool's key and the file's
 * header: no nonce is used twice, however often a pool saves, and under
 * another header nothing opens. A piece is bound to its number and to being
 * the last, so none can be left out, doubled, moved or cut off.
 */
#ifndef SERVE_STATE_SEAL_H
#define SERVE_STATE_SEAL_H

#include "bind/libcrypto.h"
#include "serve/state_key.h"

#define SEAL_CHECK_N 16u /* tells one key from another */
#define SEAL_TAG_N 16u   /* NIST SP 800-38D, the longest */

struct state_seal {
    EVP_CIPHER *cipher;
    EVP_CIPHER_CTX *context; /* owned; NULL: sealed nothing yet */
    uint64_t number;         /* of the next piece, from 0 */
    unsigned char check[SEAL_CHECK_N];
};

/*
 * head: what the file's key is made from, beside key; it holds a salt. Opens
 * OpenSSL. ERR_FAIL with a sentence; state_seal_free() in any case.
 */
enum err state_seal_init(struct state_seal *s, const struct state_key *key,
                         struct slice head, bool writing, struct why *why);
void state_seal_free(struct state_seal *s);

/* n bytes at p, in place, at most INT_MAX, with SEAL_TAG_N after them.
 * False: OpenSSL refused, or they are not what was sealed. */
bool state_seal_close(struct state_seal *s, unsigned char *p, size_t n,
                      bool last);
bool state_seal_open(struct state_seal *s, unsigned char *p, size_t n,
                     bool last);

#endif
