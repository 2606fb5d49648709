/*
 * warm.h - a few requests that no client made, while an image is built.
 *
 * V8 compiles a function when it is first called. What these requests call
 * is in the image compiled, so that a first real request need not.
 */
#ifndef BIND_WARM_H
#define BIND_WARM_H

#include "engine/engine.h"

/* For image_build_api(): loads a small application into r and asks it. */
enum err warm_realm(struct realm *r, struct report *rep);

#endif
