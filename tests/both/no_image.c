/*
 * no_image.c - in place of image_embedded.c: the program then evaluates js/
 * as source in every context. modes.t compares.
 */
#include "engine/image_embedded.h"

const unsigned char image_api[1] = {0};
const size_t image_api_size = 0;
