/*
 * state_key.h - the key that state files are encrypted with.
 *
 * Nothing of V8 and of OpenSSL is here: the supervisor reads the file, while
 * it may, and its children inherit the bytes.
 */
#ifndef SERVE_STATE_KEY_H
#define SERVE_STATE_KEY_H

#include "base/err.h"

#define STATE_KEY_N 32u /* AES-256 */

struct state_key {
    unsigned char bytes[STATE_KEY_N];
};

/*
 * Reads a file of 32 bytes, or of 64 hexadecimal digits and at most a line
 * end after them, which nobody but its owner may read or write. No sentence
 * repeats what is in it.
 */
enum err state_key_read(const char *path, struct state_key *key,
                        struct why *why);
/* Leaves zeros. */
void state_key_wipe(struct state_key *key);

#endif
