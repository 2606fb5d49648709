/*
 * mksnap.c - makes the image that the program carries, when it is built.
 *
 *     mksnap IMAGE
 */
#include "bind/host.h"
#include "bind/warm.h"
#include "engine/image_build.h"

#include <stdio.h>
#include <sys/stat.h>

int main(int argc, char **argv)
{
    struct why why = {.text = ""};
    struct stat st;

    if (argc != 2) {
        fprintf(stderr, "usage: mksnap IMAGE\n");
        return 64;
    }
    if (image_build_api(argv[1], natives, warm_realm, &why) != OK) {
        fprintf(stderr, "mksnap: %s\n", why.text);
        return 70;
    }
    if (stat(argv[1], &st) == 0)
        printf("%s: %lld bytes, V8 %s\n", argv[1], (long long)st.st_size,
               engine_version());
    return 0;
}
