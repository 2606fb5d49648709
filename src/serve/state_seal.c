/*
 * state_seal.c - HMAC-SHA-512 of the header gives the file's key (its first
 * 32 bytes) and what tells whether it is the right one (the next 16). The
 * nonce is the number of the piece, the associated data that and "last".
 */
#include "serve/state_seal.h"

#include <string.h>

#define MAC_N 64u
#define NONCE_N 12u

static void put_number(unsigned char *p, uint64_t number)
{
    for (int i = 0; i < 8; i++)
        p[i] = (unsigned char)(number >> 8 * i);
}

enum err state_seal_init(struct state_seal *s, const struct state_key *key,
                         struct slice head, bool writing, struct why *why)
{
    unsigned char mac[MAC_N];
    struct slice secret = {(const char *)key->bytes, sizeof key->bytes};
    struct why inner = {.text = ""};
    enum err e = ERR_FAIL;

    *s = (struct state_seal){.number = 0};
    if (libcrypto_load(&inner) != OK)
        return why_set(why, e, "a state file with a key needs OpenSSL 3: %s",
                       inner.text);
    s->cipher = crypto.EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    s->context = crypto.EVP_CIPHER_CTX_new();
    if (s->cipher != NULL && s->context != NULL &&
        libcrypto_hmac(crypto.EVP_sha512(), secret, head, mac, NULL) &&
        crypto.EVP_CipherInit_ex(s->context, s->cipher, NULL, mac, NULL,
                                 writing) == 1)
        e = OK;
    if (e == OK)
        memcpy(s->check, mac + STATE_KEY_N, SEAL_CHECK_N);
    else
        why_set(why, e, "OpenSSL has no AES-256-GCM or HMAC for state files");
    explicit_bzero(mac, sizeof mac);
    return e;
}

void state_seal_free(struct state_seal *s)
{
    if (s->cipher == NULL && s->context == NULL)
        return;
    crypto.EVP_CIPHER_CTX_free(s->context);
    crypto.EVP_CIPHER_free(s->cipher);
    explicit_bzero(s, sizeof *s);
}

/* Everything of a piece but its tag; what the context does, it was told. */
static bool run(struct state_seal *s, unsigned char *p, size_t n, bool last)
{
    unsigned char nonce[NONCE_N] = {0}, about[9];
    int done = 0;

    put_number(nonce, s->number);
    put_number(about, s->number++);
    about[8] = last;
    return crypto.EVP_CipherInit_ex(s->context, NULL, NULL, NULL, nonce, -1) ==
               1 &&
           crypto.EVP_CipherUpdate(s->context, NULL, &done, about,
                                   sizeof about) == 1 &&
           (n == 0 ||
            crypto.EVP_CipherUpdate(s->context, p, &done, p, (int)n) == 1);
}

bool state_seal_close(struct state_seal *s, unsigned char *p, size_t n,
                      bool last)
{
    int none = 0;
    return run(s, p, n, last) &&
           crypto.EVP_CipherFinal_ex(s->context, p + n, &none) == 1 &&
           crypto.EVP_CIPHER_CTX_ctrl(s->context, EVP_CTRL_AEAD_GET_TAG,
                                      SEAL_TAG_N, p + n) == 1;
}

bool state_seal_open(struct state_seal *s, unsigned char *p, size_t n,
                     bool last)
{
    unsigned char rest[SEAL_TAG_N];
    int none = 0;
    return run(s, p, n, last) &&
           crypto.EVP_CIPHER_CTX_ctrl(s->context, EVP_CTRL_AEAD_SET_TAG,
                                      SEAL_TAG_N, p + n) == 1 &&
           crypto.EVP_CipherFinal_ex(s->context, rest, &none) == 1;
}
