/*
 * code.c - what engines keep of compiled texts for those that come after them.
 *
 *     code oneshot|resident IMAGE
 */
#include "bind/host.h"
#include "base/clock.h"
#include "engine/image_build.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CEILING (32u << 20)

static struct image image;
static int number;
static bool failed;

static void ok(bool good, const char *what)
{
    printf("%sok %d - %s\n", good ? "" : "not ", ++number, what);
    failed = failed || !good;
}

static enum err load(void *arg, const char *specifier, const char *referrer,
                     struct source *out, struct why *why)
{
    const char *text = arg;
    (void)referrer;
    (void)why;
    *out = (struct source){
        .text = xstrdup(text), .n = strlen(text), .path = xstrdup(specifier)};
    return OK;
}

/* Loads the text in a new engine, twice. The texts throw, and the report of
 * the second time says which one it was. */
static void run(const char *path, const char *text, struct report *rep)
{
    struct engine_limits limits = {0};
    struct loader loader = {load, (void *)(uintptr_t)text};
    struct host host = {.origin = clock_mono()};
    struct engine *e;
    must(engine_new(&image, &limits, &e) == OK);
    for (int i = 0; i < 2; i++) {
        struct realm *r;
        must(realm_new(e, &host, &r) == OK);
        buf_clear(&rep->text);
        realm_load(r, &loader, path, rep);
        realm_free(r);
    }
    engine_keep_code(e);
    engine_free(e);
}

static uint64_t uses(void)
{
    uint64_t times;
    engine_code(&times);
    return times;
}

static size_t bytes(void)
{
    uint64_t times;
    return engine_code(&times);
}

static bool threw(const char *path, const char *text, const char *words)
{
    struct report rep;
    report_init(&rep);
    run(path, text, &rep);
    bool found = strstr(buf_str(&rep.text), words) != NULL;
    if (!found)
        printf("# %s\n", buf_str(&rep.text));
    report_free(&rep);
    return found;
}

static void in_oneshot(void)
{
    threw("/a.js", "throw Error('one'); export {}", "Error: one");
    threw("/a.js", "throw Error('one'); export {}", "Error: one");
    ok(bytes() == 0 && uses() == 0, "a process of one request keeps nothing");
}

static void in_resident(void)
{
    const char *one = "\nthrow Error('one'); export {}";
    const char *two = "\nthrow Error('two'); export {}";
    const char *old = "\nthrow Error('old'); with (this) {}";
    bool good = threw("/a.js", one, "one\n    at /a.js:2:7");
    ok(good && uses() == 0, "the first engine compiles a module");
    good = threw("/a.js", one, "one\n    at /a.js:2:7");
    ok(good && uses() == 1, "the second takes what it has compiled");
    good = threw("/a.js", two, "two\n    at /a.js:2:7");
    ok(good && uses() == 1, "not for another text of the same length");
    good = threw("/b.js", one, "one\n    at /b.js:2:7");
    ok(good && uses() == 1, "not for another path");
    good = threw("/a.js", one, "one\n    at /a.js:2:7");
    ok(good && uses() == 2, "and again for the first");
    good = threw("/c.js", old, "old\n    at /c.js:2:7") && uses() == 2 &&
           threw("/c.js", old, "old\n    at /c.js:2:7") && uses() == 3;
    ok(good, "a classic script too");

    static char large[1u << 20];
    size_t most = 0;
    memset(large, ' ', sizeof(large) - 1);
    for (int i = 0; i < 50; i++) {
        char path[32];
        snprintf(path, sizeof(path), "/large%d.js", i);
        memcpy(large, one, strlen(one));
        threw(path, large, "one");
        if (bytes() > most)
            most = bytes();
    }
    ok(most > CEILING / 2 && most <= CEILING, "there is a ceiling");
    uint64_t before = uses();
    good = threw("/a.js", one, "one") && threw("/large49.js", large, "one");
    ok(good && uses() == before + 1, "what was not used for long has gone");
}

int main(int argc, char **argv)
{
    struct image_host here = image_host_here(natives);
    struct why why = {.text = ""};
    if (argc != 3)
        return 64;
    bool oneshot = strcmp(argv[1], "oneshot") == 0;
    struct engine_setup setup = {
        .mode = oneshot ? ENGINE_ONESHOT : ENGINE_RESIDENT, .tables = natives};
    if (image_open_file(argv[2], IMAGE_COPY, &here, &image, &why) != OK) {
        printf("Bail out! %s\n", why.text);
        return 1;
    }
    engine_start(&setup);
    if (oneshot)
        in_oneshot();
    else
        in_resident();
    printf("1..%d\n", number);
    image_close(&image);
    return failed ? 1 : 0;
}
