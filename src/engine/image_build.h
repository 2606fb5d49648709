/*
 * image_build.h - makes the API image: js/ evaluated, written, tried out.
 */
#ifndef ENGINE_IMAGE_BUILD_H
#define ENGINE_IMAGE_BUILD_H

#include "engine/engine.h"
#include "engine/image.h"

/* What this program can load. engine_start() need not have been called. */
struct image_host image_host_here(const struct native *const *tables);

/*
 * Writes the image to path in a child process, then loads it and starts a
 * small application in a second one; V8 does not start in the caller. The
 * sentence in why is the child's. path is untouched unless all went well.
 * warm: see engine_snapshot().
 */
enum err image_build_api(const char *path, const struct native *const *tables,
                         warm_fn *warm, struct why *why);

/*
 * Tries an opened image, which fits this program, in a child process: restores
 * it; starts a function, or has the application of the image.
 */
enum err image_try(const struct image *image,
                   const struct native *const *tables, struct why *why);

#endif
