/*
 * image_command.c - images for a person at a terminal.
 */
#include "serve/image_command.h"

#include "bind/host.h"
#include "bind/warm.h"
#include "engine/image_build.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

bool image_path(char *path, size_t n)
{
    const char *set = getenv("SNAPCGI_IMAGE");
    if (set != NULL)
        return (size_t)snprintf(path, n, "%s", set) < n;
    ssize_t got = readlink("/proc/self/exe", path, n);
    if (got <= 0 || (size_t)got >= n)
        return false;
    path[got] = '\0';
    char *slash = strrchr(path, '/');
    size_t room = slash != NULL ? n - (size_t)(slash + 1 - path) : 0;
    return room > 0 && (size_t)snprintf(slash + 1, room, "snapcgi.img") < room;
}

static int usage(void)
{
    fprintf(stderr, "usage: snapcgi image build --api [-o FILE]\n"
                    "       snapcgi image verify FILE\n");
    return EX_USAGE;
}

static int build(const char *path)
{
    struct why why = {.text = ""};
    if (image_build_api(path, natives, warm_realm, &why) != OK) {
        fprintf(stderr, "snapcgi: %s\n", why.text);
        return EX_SOFTWARE;
    }
    printf("%s\n", path);
    return EX_OK;
}

static int verify(const char *path)
{
    struct image_host host = image_host_here(natives);
    struct why why = {.text = ""};
    struct image image;

    enum err e = image_open_file(path, &host, &image, &why);
    if (e == OK) {
        image_close(&image);
        e = image_try(path, natives, &why);
    }
    if (e != OK) {
        fprintf(stderr, "snapcgi: %s\n", why.text);
        return e == ERR_NOTFOUND ? EX_NOINPUT : EX_DATAERR;
    }
    printf("%s: image %s, V8 %s, %zu bytes\n", path, image.id, image.version,
           image.payload_n);
    return EX_OK;
}

int image_command(int argc, char **argv)
{
    char path[PATH_MAX];

    if (argc == 3 && strcmp(argv[1], "verify") == 0)
        return verify(argv[2]);
    if (argc < 3 || strcmp(argv[1], "build") != 0 ||
        strcmp(argv[2], "--api") != 0)
        return usage();
    if (argc == 5 && strcmp(argv[3], "-o") == 0)
        return build(argv[4]);
    if (argc != 3)
        return usage();
    if (!image_path(path, sizeof path)) {
        fprintf(stderr, "snapcgi: the program's own folder cannot be told; "
                        "name a file with -o\n");
        return EX_OSERR;
    }
    return build(path);
}
