/*
 * image_make.h - an application becomes an image: evaluated, written, tried.
 */
#ifndef SERVE_IMAGE_MAKE_H
#define SERVE_IMAGE_MAKE_H

#include "base/buf.h"
#include "base/config.h"
#include "base/err.h"

#include <sys/types.h>

struct image;

/* What is asked for; all of it borrowed. */
struct image_order {
    const char *app;          /* the application's file */
    const char *out;          /* where the image goes */
    int out_fd;               /* used instead when out is NULL; read, too */
    const char *root;         /* imports stay under it; NULL: app's folder */
    const char *from;         /* an image to start from; NULL: base */
    const struct image *base; /* the API's */
    const char *const *warm;  /* paths requested before it is written */
    size_t warm_count;
    /* By esbuild, first. So is TypeScript, and, where V8 cannot keep modules,
     * what turns out to be one; then without it there is no image. */
    bool bundle;
    const struct pool_config *config; /* limits; NULL: those of [cgi] */
    uint64_t timeout;                 /* ns, of each of its processes */
    uint64_t heap;                    /* bytes; 0: as config has it */
    /* Called in each process before anything of the application is read;
     * task_fd() must stay open. May be NULL. */
    enum err (*prepare)(void *arg, struct why *why);
    /* The same before esbuild is executed: fd must stay open besides. */
    enum err (*prepare_exec)(void *arg, int fd, struct why *why);
    void *arg;
};

/* What came of it. */
struct image_made {
    char id[17];         /* of the image */
    uint64_t bytes;      /* of the file */
    mode_t mode;         /* it should have, by who may read what is in it */
    struct buf warnings; /* a line each; the caller frees it */
};

/*
 * Makes the image in a child process, then restores it in a second one and
 * asks it for "/", with no way to other servers; nothing of V8 starts in the
 * caller. out is untouched unless all went well; else why has one sentence,
 * and the lines of warnings may say more.
 */
enum err image_make(const struct image_order *order, struct image_made *made,
                    struct why *why);

#endif
