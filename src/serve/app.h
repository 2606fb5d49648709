/*
 * app.h - one application: which file it is, and the source texts it is of.
 *
 * Sources are read once and kept, so that a fresh realm costs no file
 * access; app_changed() tells when they are old. Nothing outside the
 * application's own folder (or the pool's root) is ever read.
 */
#ifndef SERVE_APP_H
#define SERVE_APP_H

#include "base/config.h"
#include "cgi/meta.h"
#include "engine/engine.h"

#include <limits.h>

#define APP_SOURCE_MAX (16u * 1024 * 1024) /* bytes of one source file */
#define APP_FILES_MAX 16384                /* source files of one application */

struct app;
struct image_bundle;

/*
 * Which file answers: the pool's app, or else the request's script when it
 * has an allowed suffix and, where the pool has a root, really is under it.
 * Without a root any script that the web server names will do. Opens
 * nothing. On failure *fault has 403, 404 or 500 and a sentence.
 */
enum err app_find(const struct pool_config *config,
                  const struct request *request, char path[static PATH_MAX],
                  struct fault *fault);

/*
 * Reads the file at path, which must be a regular one. Gives *out. Imports
 * are held to root, or to the file's own folder when root is NULL.
 */
enum err app_open(const char *path, const char *root, struct app **out,
                  struct fault *fault);
/*
 * The same for one that an image has evaluated: nothing is read but what it
 * imports later, and none of its files need be there. path: absolute. sources:
 * that section of the image (image_sources.h), lent until app_free(); without
 * one it is never changed.
 */
struct app *app_attach(const char *path, const char *root,
                       struct slice sources);
/*
 * bundle (borrowed as long as a) is loaded in the place of its main file; all
 * that is in it counts as read, wherever it is.
 */
enum err app_bundle(struct app *a, const struct image_bundle *bundle,
                    struct fault *fault);
void app_free(struct app *a); /* may be NULL */

/* The specifier and the loader for realm_load(); lent until app_free(). */
const char *app_path(const struct app *a);
const struct loader *app_loader(const struct app *a);

/* Appends what was read, as image_sources.h has it. classic: its main file is
 * no module. */
enum err app_sources(const struct app *a, bool classic, struct buf *out,
                     struct why *why);

/* True when a file read so far is gone or another one; one stat(2) each. */
bool app_changed(const struct app *a);

#endif
