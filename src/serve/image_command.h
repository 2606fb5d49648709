/*
 * image_command.h - `snapcgi image build|verify`.
 */
#ifndef SERVE_IMAGE_COMMAND_H
#define SERVE_IMAGE_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

/* argv[0] is "image". Gives the exit status. */
int image_command(int argc, char **argv);

/*
 * Where an installation's own image is looked for: $SNAPCGI_IMAGE, else
 * snapcgi.img beside the program. path holds PATH_MAX bytes; false when the
 * program's own place cannot be told.
 */
bool image_path(char *path, size_t n);

#endif
