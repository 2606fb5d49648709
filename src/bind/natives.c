/*
 * natives.c - every table there is, in the order an image knows them by.
 */
#include "bind/host.h"

const struct native *const natives[] = {
    body_natives,
    console_natives,
    random_natives,
    text_natives,
    timers_natives,
    url_natives,
    NULL,
    /* for lazy files */
    crypto_cipher_natives,
    crypto_digest_natives,
    crypto_kdf_natives,
    crypto_key_natives,
    crypto_sign_natives,
    fetch_natives,
    legacy_natives,
    resource_natives,
    state_natives,
    zlib_natives,
    NULL,
};
