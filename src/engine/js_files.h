/*
 * js_files.h - the texts of js/ in their order, in this program's read-only
 * data. js/embed.sh writes the source.
 *
 * Each text is a whole function expression, wrapped for the builder, in
 * ASCII: V8 uses the bytes where they are.
 */
#ifndef ENGINE_JS_FILES_H
#define ENGINE_JS_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct js_file {
    const char *name; /* "url": what later files use() */
    const char *text; /* (function (native, use, module, exports) {...}) */
    size_t n;         /* bytes */
    bool lazy;        /* not in the image: evaluated when first used */
};

extern const struct js_file js_files[];
extern const size_t js_files_count;
extern const uint64_t js_hash; /* over all names and texts */

#endif
