/* libcrypto.c - the list of libcrypto.h, filled once. */
#include "bind/libcrypto.h"

#include <limits.h>

static const char *const names[] = {LIBCRYPTO_FUNCTIONS(LIBRARY_NAME) NULL};
struct libcrypto crypto;
static bool opened;

enum err libcrypto_load(struct why *why)
{
    enum err rc = OK;
    if (!opened)
        rc = library_open("libcrypto.so.3", names, &crypto, why);
    opened = rc == OK;
    return rc;
}

bool libcrypto_need(struct call *c)
{
    struct why why = {0};
    if (libcrypto_load(&why) == OK)
        return true;
    throw_error(c, "crypto.subtle needs OpenSSL 3: %s", why.text);
    return false;
}

const EVP_MD *libcrypto_hash(struct slice name)
{
    if (slice_is(name, "SHA-1"))
        return crypto.EVP_sha1();
    if (slice_is(name, "SHA-256"))
        return crypto.EVP_sha256();
    if (slice_is(name, "SHA-384"))
        return crypto.EVP_sha384();
    if (slice_is(name, "SHA-512"))
        return crypto.EVP_sha512();
    return NULL;
}

bool libcrypto_hmac(const EVP_MD *md, struct slice key, struct slice data,
                    unsigned char *out, unsigned *n)
{
    /* no bytes are none, and not those of the call before */
    const void *p = key.n > 0 ? key.p : "", *in = data.p;
    return key.n <= INT_MAX &&
           crypto.HMAC(md, p, (int)key.n, in, data.n, out, n) != NULL;
}
