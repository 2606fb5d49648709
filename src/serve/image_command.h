/*
 * image_command.h - `snapcgi image ...`.
 */
#ifndef SERVE_IMAGE_COMMAND_H
#define SERVE_IMAGE_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

struct image;

/* Gives the image of the JavaScript environment, or NULL after saying why. */
typedef const struct image *image_api_fn(bool aloud);

/* argv[0] is "image". Gives the exit status. */
int image_command(int argc, char **argv, image_api_fn *api);

/*
 * Where an installation's own image is looked for: $SNAPCGI_IMAGE, else
 * snapcgi.img beside the program. path holds PATH_MAX bytes; false when the
 * program's own place cannot be told.
 */
bool image_path(char *path, size_t n);

#endif
