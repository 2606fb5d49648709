/*
 * image_bundle.h - an application made into one script by esbuild.
 *
 * V8 before 12 cannot keep ES modules in an image, one classic script it can;
 * and a bundle may be of TypeScript and of npm packages. esbuild is a program
 * of its own, found in PATH: nothing of it is linked.
 */
#ifndef SERVE_IMAGE_BUNDLE_H
#define SERVE_IMAGE_BUNDLE_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define IMAGE_BUNDLE_TEXT_MAX (16u * 1024 * 1024) /* bytes of the script */
#define IMAGE_BUNDLE_FILES_MAX 16384 /* files in it: APP_FILES_MAX */

/*
 * The script is strict code, as modules are, also where a file in it was a
 * classic script. Its lines are its own: where a report has the path under
 * which the caller loads it, the line is one of text, in which esbuild's
 * comments ("// lib/a.js") say whose code follows. Functions keep their names
 * but where two at the top of different files have the same one.
 * import.meta.url is the application's file in all of it.
 */
struct image_bundle {
    struct buf text; /* UTF-8 */
    bool module;     /* else a classic script whose value is the namespace,
                        undefined when there is none: struct source.bundle */
    /* Real paths of the files in it, the application's first; owned. They may
     * be anywhere: packages are looked for in the folders above, too. Nothing
     * tells of tsconfig.json and package.json. */
    char **inputs;
    size_t count;
    struct buf warnings; /* a line each: "file:line:column: words" */
};

/*
 * Bundles the application in the file app. timeout in ns, 0 without limit.
 * may_be_module: with top-level await it becomes one ES module; else that is
 * an error. Gives *out, to be freed whatever comes of it.
 *
 * Starts SNAPCGI_ESBUILD (an absolute path) or the first esbuild of PATH (of
 * its absolute folders), as whoever the caller is by now, with three variables
 * in its environment. It needs fork and execve; writes below TMPDIR (/tmp)
 * only, and that is removed. ERR_NOTFOUND: no esbuild, or no such file.
 * ERR_SCRIPT: its first complaint, further ones are in warnings. ERR_TIMEOUT,
 * ERR_TOOBIG, ERR_IO, ERR_ACCESS, ERR_FAIL. Always a sentence in why.
 */
enum err image_bundle_make(const char *app, bool may_be_module,
                           uint64_t timeout, struct image_bundle *out,
                           struct why *why);
void image_bundle_free(struct image_bundle *b);

#endif
