/*
 * probe.c - one process with an engine, for the tests of seeds:
 *
 *     probe oneshot|resident IMAGE FILE.js
 *
 * prints the hash of a fixed string, then what FILE.js logs in each of two
 * contexts. And a writer of images, for what `snapcgi image` says of them:
 *
 *     probe make IMAGE KIND VERSION MACHINE|- [SECTION FILE]...
 *
 * KIND and SECTION are numbers, VERSION - is V8's.
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
    buf_init(&text, 8u << 20);
    while ((n = fread(part, 1, sizeof part, f)) > 0)
        buf_put(&text, part, n);
    fclose(f);
    *out = (struct source){
        .text = text.p, .n = text.n, .path = xstrdup(specifier)};
    return OK;
}

static struct slice whole_file(const char *path)
{
    struct source text;
    struct why why;
    must(load(NULL, path, NULL, &text, &why) == OK);
    free(text.path);
    return (struct slice){text.text, text.n};
}

static int make(int argc, char **argv)
{
    struct image_part parts[IMAGE_PARTS_MAX];
    struct image_plan plan = {.kind = (enum image_kind)atoi(argv[3]),
                              .host = image_host_here(natives),
                              .base = "00000000000000ba",
                              .created = 1795224000,
                              .clock = 2500000000,
                              .parts = parts,
                              .mode = 0644};
    struct why why;
    if (strcmp(argv[4], "-") != 0)
        plan.host.version = argv[4];
    if (strcmp(argv[5], "-") != 0) {
        plan.machine = argv[5];
        plan.pointer_n = 8;
    }
    for (int i = 6; i + 1 < argc; i += 2)
        parts[plan.count++] =
            (struct image_part){.section = (enum image_section)atoi(argv[i]),
                                .bytes = whole_file(argv[i + 1])};
    enum err e = image_write(argv[2], &plan, &why);
    if (e != OK)
        printf("%s\n", why.text);
    for (size_t i = 0; i < plan.count; i++)
        free((void *)(uintptr_t)parts[i].bytes.p);
    return e == OK ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc > 7 && strcmp(argv[1], "make") == 0)
        return make(argc, argv);
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

    if (image_open_file(argv[2], IMAGE_COPY, &here, &image, &why) != OK) {
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
