/*
 * probe.c - one process with an engine, for the tests of seeds:
 *
 *     probe oneshot|resident IMAGE FILE.js
 *
 * prints the hash of a fixed string, then what FILE.js logs in each of two
 * contexts. One that ends it from another thread, N times, about when its
 * code begins to run, and prints how often it was ended and how often not:
 *
 *     probe end IMAGE FILE.js N
 *
 * And a writer of images, for what `snapcgi image` says of them:
 *
 *     probe make IMAGE KIND VERSION MACHINE|- [SECTION FILE]...
 *
 * KIND and SECTION are numbers, VERSION - is V8's.
 */
#include "bind/host.h"
#include "base/clock.h"
#include "engine/image_build.h"

#include <pthread.h>
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

static struct {
    struct engine *engine;
    uint64_t after; /* ns */
    pthread_barrier_t both;
} ender;

static void *end_after(void *arg)
{
    (void)arg;
    for (;;) {
        pthread_barrier_wait(&ender.both);
        uint64_t then = clock_mono() + ender.after;
        while (clock_mono() < then)
            ;
        engine_terminate(ender.engine, STOP_TIME);
        pthread_barrier_wait(&ender.both);
    }
    return NULL;
}

/*
 * What was ended too early is ended later the next time, and the other way
 * round: so most are ended about the moment at which the code begins to run.
 */
static int end_often(const struct image *image, const char *path, int n)
{
    struct engine_limits limits = {0};
    struct loader loader = {.load = load};
    struct host host = {.origin = clock_mono()};
    struct report rep;
    pthread_t thread;
    int ended = 0;
    must(pthread_barrier_init(&ender.both, NULL, 2) == 0);
    must(pthread_create(&thread, NULL, end_after, NULL) == 0);
    report_init(&rep);
    for (int i = 0; i < n; i++) {
        struct realm *realm;
        must(engine_new(image, &limits, &ender.engine) == OK);
        must(realm_new(ender.engine, &host, &realm) == OK);
        pthread_barrier_wait(&ender.both);
        bool early = realm_load(realm, &loader, path, &rep) != OK;
        pthread_barrier_wait(&ender.both);
        engine_free(ender.engine);
        ended += early;
        if (early)
            ender.after += 1000 + (uint64_t)i % 7 * 200;
        else if (ender.after > 4000)
            ender.after -= 1000 + (uint64_t)i % 5 * 300;
    }
    report_free(&rep);
    printf("ended %d not %d\n", ended, n - ended);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 7 && strcmp(argv[1], "make") == 0)
        return make(argc, argv);
    bool ends = argc == 5 && strcmp(argv[1], "end") == 0;
    if (argc != 4 && !ends)
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
    if (ends)
        return end_often(&image, argv[3], atoi(argv[4]));
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
