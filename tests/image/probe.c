/*
 * probe.c - one process with an engine, for the tests of seeds:
 *
 *     probe oneshot|resident IMAGE FILE.js
 *
 * prints the hash of a fixed string, then what FILE.js logs in each of two
 * contexts.
 */
#include "bind/host.h"
#include "base/clock.h"
#include "engine/image_build.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum err load(void *arg, const char *specifier, const char *referrer,
                     struct source *out, struct why *why)
{
    struct buf text;
    char part[4096];
    size_t n;

    (void)arg;
    (void)referrer;
    FILE *f = fopen(specifier, "r");
    if (f == NULL)
        return why_set(why, ERR_NOTFOUND, "%s is not there", specifier);
    buf_init(&text, 1u << 20);
    while ((n = fread(part, 1, sizeof part, f)) > 0)
        buf_put(&text, part, n);
    fclose(f);
    *out = (struct source){.text = xstrndup(text.p, text.n),
                           .n = text.n,
                           .path = xstrdup(specifier)};
    buf_free(&text);
    return OK;
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 64;
    struct image_host here = image_host_here(natives);
    struct engine_setup setup = {.mode = strcmp(argv[1], "oneshot") == 0
                                             ? ENGINE_ONESHOT
                                             : ENGINE_RESIDENT,
                                 .tables = natives};
    struct engine_limits limits = {0};
    struct loader loader = {.load = load};
    struct host host = {.origin = clock_mono()};
    struct why why = {.text = ""};
    struct image image;
    struct engine *engine;
    struct report rep;

    if (image_open_file(argv[2], &here, &image, &why) != OK) {
        printf("%s\n", why.text);
        return 1;
    }
    engine_start(&setup);
    report_init(&rep);
    if (engine_new(&image, &limits, &engine) != OK)
        return 1;
    printf("hash %u\n", engine_hash(engine, SLICE("snapcgi")));
    fflush(stdout);
    for (int i = 0; i < 2; i++) {
        struct realm *realm;
        if (realm_new(engine, &host, &realm) != OK ||
            realm_load(realm, &loader, argv[3], &rep) != OK) {
            printf("%s", buf_str(&rep.text));
            return 1;
        }
        realm_free(realm);
    }
    engine_free(engine);
    report_free(&rep);
    image_close(&image);
    return 0;
}
