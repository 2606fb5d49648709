/*
 * image_embedded.h - the API image in this program's read-only data.
 */
#ifndef ENGINE_IMAGE_EMBEDDED_H
#define ENGINE_IMAGE_EMBEDDED_H

#include <stddef.h>

/* Page aligned; give both to image_open(). */
extern const unsigned char image_api[];
extern const size_t image_api_size;

#endif
