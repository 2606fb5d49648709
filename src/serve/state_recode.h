/*
 * state_recode.h - a state file in another form, when a key is set or changed.
 */
#ifndef SERVE_STATE_RECODE_H
#define SERVE_STATE_RECODE_H

#include "base/err.h"

#include <stdint.h>

/*
 * Replaces the file at path in one step, with its owner and mode. key and
 * new_key: key files (state_key.h), NULL for none: what it is encrypted with,
 * and what it is to be. *bytes: of the new file. On an error it is as it was.
 */
enum err state_recode(const char *path, const char *key, const char *new_key,
                      bool compress, uint64_t *bytes, struct why *why);

#endif
