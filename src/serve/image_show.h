/*
 * image_show.h - an image for a person: what is in it, and what is not in
 * another. As text, or as one JSON object.
 */
#ifndef SERVE_IMAGE_SHOW_H
#define SERVE_IMAGE_SHOW_H

#include "base/buf.h"
#include "engine/image.h"

#define IMAGE_SHOW_MAX (64u * 1024 * 1024) /* bytes of text */

struct image_shown {
    const char *path; /* borrowed */
    struct image image;
    void *bytes; /* owned */
    size_t n;
};

/*
 * Opens the image at path, which may be one of another program; or a state
 * file, by the key in the file key (NULL: none) when it is encrypted.
 */
enum err image_show_open(const char *path, const char *key,
                         struct image_shown *out, struct why *why);
void image_show_close(struct image_shown *s);

/*
 * Appends all there is to say, and whether it fits host. ERR_CORRUPT when
 * something of it is damaged, which is then among what is said.
 */
enum err image_show_inspect(const struct image_shown *s,
                            const struct image_host *host, bool json,
                            struct buf *out);

/* Appends what differs; *same: nothing does. Fails where a section of either
 * cannot be read. */
enum err image_show_diff(const struct image_shown *a,
                         const struct image_shown *b, bool json,
                         struct buf *out, bool *same, struct why *why);

#endif
