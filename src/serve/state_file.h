/*
 * state_file.h - the bytes of an image in a state file: as they are,
 * compressed, encrypted, or both.
 *
 * A file that is neither is the image itself (engine/image.h). Another has a
 * header of its own before it, laid out in state_file.c. What is given back
 * was authenticated as a whole where there is a key.
 */
#ifndef SERVE_STATE_FILE_H
#define SERVE_STATE_FILE_H

#include "base/err.h"
#include "base/slice.h"
#include "engine/image.h"
#include "serve/state_key.h"

struct state_form {
    bool compress;               /* zstd */
    const struct state_key *key; /* borrowed; NULL: not encrypted */
    uint64_t limit;              /* bytes of the image; 0 is none */
};

/*
 * Opens the libraries that a form needs, while they can be found: before
 * chroot(2). ERR_FAIL says which one is missing and who asked for it.
 * Without it they are opened when needed.
 */
enum err state_file_prepare(const struct state_form *form, struct why *why);

/*
 * Writes parts, one after the other, to fd from where it stands and syncs it;
 * *written (may be NULL) is the file's bytes then. name stands in the
 * sentence. Whatever fails, the file is emptied; ERR_TOOBIG when over the
 * limit. SIGXFSZ must be ignored.
 */
enum err state_file_write(int fd, const char *name, const struct slice *parts,
                          size_t count, const struct state_form *form,
                          uint64_t *written, struct why *why);

/* The same with the container of a plan: head, parts, and what is between. */
enum err state_file_write_image(int fd, const char *name,
                                const struct image_plan *plan,
                                const struct state_form *form,
                                uint64_t *written, struct why *why);

/*
 * Reads fd, a regular file, from its first byte, wherever it stands, and
 * gives the image: *n bytes at *bytes, aligned as image sections are, the
 * caller's to free with state_file_free(). limit: bytes of the image, 0 is
 * none; it is checked before any memory is asked for.
 *
 * ERR_ACCESS: encrypted and no key, another key, or a key and not encrypted.
 * ERR_CORRUPT: damaged or cut short. ERR_MISMATCH: of a later program.
 * ERR_TOOBIG: over limit. ERR_FAIL: a library is missing. ERR_IO, ERR_NOMEM.
 * Of a plain file nothing is checked here: image_open() does.
 */
enum err state_file_read(int fd, const char *name, const struct state_key *key,
                         uint64_t limit, void **bytes, size_t *n,
                         struct why *why);
/* Wipes and frees; bytes may be NULL. */
void state_file_free(void *bytes, size_t n);

#endif
