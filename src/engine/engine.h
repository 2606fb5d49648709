/*
 * engine.h - JavaScript as a machine: the one door to V8.
 *
 * A process starts the engine once, loads one image, and makes isolates
 * (struct engine) from it; an isolate holds contexts (struct realm), each a
 * fresh global object with the whole of js/ in it, ready for an application.
 * One thread uses an engine; engine_terminate() and engine_stack() may come
 * from another.
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"
#include "engine/native.h"

#include <stdint.h>

struct image;  /* image.h */
struct engine; /* an isolate */
struct realm;  /* a context in it */

enum engine_mode {
    ENGINE_ONESHOT,  /* one request and exit: the image's own hash seed */
    ENGINE_RESIDENT, /* many requests: a new hash seed at each start */
    /* Can be written as an image: no optimised code, no WebAssembly, no
     * SharedArrayBuffer; V8 gives such an isolate none. A new hash seed. */
    ENGINE_BUILD
};

struct engine_setup {
    enum engine_mode mode;
    /*
     * Those that all files of js/ have, NULL, those that lazy files have
     * besides (they are in no image), NULL. Must outlive all.
     */
    const struct native *const *tables;
    /*
     * V8 cannot go on (out of memory, a broken invariant). Called once, in
     * no state to run JavaScript; may write(2) last words. The process then
     * ends with status 70. NULL: the log gets one line.
     */
    void (*fatal)(const char *what);
    /*
     * With ENGINE_BUILD: the image has a hash seed that was drawn for it
     * alone, and no other is drawn: V8 needs 3 ms for that, and would hash
     * anew what is in the image.
     */
    bool seeded;
};

/* Starts V8 in this process; once, before any other call, on one thread. */
void engine_start(const struct engine_setup *setup);
/* "13.6.233.17-node.53"; may be called before engine_start. */
const char *engine_version(void);
/* Identity of the V8 library in use: its build id. 0 when unknown. */
uint64_t engine_build(void);
/* A number that changes with the flags V8 is always started with. */
uint64_t engine_flags(void);
/* A number that changes with names, arities and order of the tables. */
uint64_t engine_fingerprint(const struct native *const *tables);

struct engine_limits {
    size_t heap;    /* bytes of JavaScript heap, 0: V8's own default */
    size_t buffers; /* bytes in ArrayBuffers, 0: no limit */
};

/*
 * image: borrowed, must outlive the engine. The same image in all calls. One
 * without a payload: each realm evaluates js/ anew, so that tests can compare.
 */
enum err engine_new(const struct image *image,
                    const struct engine_limits *limits, struct engine **out);
void engine_free(struct engine *e); /* and its realms; may be NULL */

/* Why JavaScript was ended: at its wall time, processor time, heap limit. */
enum engine_stop { STOP_NONE, STOP_TIME, STOP_CPU, STOP_HEAP };
/*
 * Any thread: ends what runs, or will run, with an error JavaScript cannot
 * catch. The first reason given is the one that stays.
 */
void engine_terminate(struct engine *e, enum engine_stop why);
enum engine_stop engine_stopped(const struct engine *e);

/* text: lines "    at name (path:line:column)", the innermost first. */
typedef void engine_stack_fn(struct slice text);
/*
 * Any thread: fn gets the stack of the JavaScript that runs, at most depth
 * frames, on the engine's own thread and between two of its instructions.
 * That is soon; or late, in a long operation of V8; or when JavaScript runs
 * next, if none does now. fn must know whether that is still wanted. One fn
 * and one depth for an engine.
 */
void engine_stack(struct engine *e, unsigned depth, engine_stack_fn *fn);

struct engine_use {
    size_t heap_used;  /* bytes */
    size_t heap_total; /* bytes committed */
    size_t buffers;    /* bytes in ArrayBuffers */
};
void engine_use(struct engine *e, struct engine_use *out);
/* The hash of a string in this isolate: shows the seed, for tests. */
uint32_t engine_hash(struct engine *e, struct slice text);
/* Runs the tasks V8 has put off; call it while nothing is served. */
void engine_idle(struct engine *e);
/*
 * What the engine has compiled of applications is kept for the engines that
 * come after it in this process, which then neither parse nor compile it. Call
 * it when some requests were served: what they needed is compiled then. It
 * works at the first call for a text, the 2nd, 4th, 8th and so on; 10 ms for
 * a text of 750 KB. All that is kept has 32 MB at most, the last used.
 */
void engine_keep_code(struct engine *e);
/* Bytes of it now, with the texts; how often some was used. For tests. */
size_t engine_code(uint64_t *times);
/* V8's own threads work on what JavaScript waits for (WebAssembly); nothing
 * tells when they are done but realm_turn(). */
bool engine_busy(const struct engine *e);

/* A context. host is what call_host() gives to natives; borrowed. */
enum err realm_new(struct engine *e, void *host, struct realm **out);
void realm_free(struct realm *r);
void realm_set_host(struct realm *r, void *host);

/* What went wrong in JavaScript, for a person. */
struct report {
    struct buf text; /* "TypeError: x is not a function\n    at file:1:2\n" */
    struct buf head; /* its first line */
    struct buf file; /* path, may be empty */
    int line;        /* 1-based, 0 unknown */
    int column;      /* 1-based, 0 unknown */
};
void report_init(struct report *r);
void report_free(struct report *r);

/* One source text, as loader gives it. */
struct source {
    char *text; /* malloc'd; the engine frees it */
    size_t n;   /* bytes, UTF-8 */
    char *path; /* malloc'd: absolute and unique, names the module */
    bool json;  /* a JSON module */
    /* A classic script whose value is the application's namespace (or
     * undefined): serve/image_bundle.h. Only as what realm_load() loads. */
    bool bundle;
};

/*
 * Finds what `specifier` means in the module at path referrer (NULL for the
 * application itself) and reads it. A refusal is a sentence in why; it
 * becomes the message of the import's TypeError.
 */
struct loader {
    enum err (*load)(void *arg, const char *specifier, const char *referrer,
                     struct source *out, struct why *why);
    void *arg;
};

enum realm_state {
    REALM_EMPTY,   /* nothing loaded */
    REALM_LOADING, /* top-level await in progress: run the loop */
    REALM_READY,   /* the application can take requests */
    REALM_FAILED   /* it threw, or has no handler; the report says */
};

/*
 * Loads and starts the application named by specifier. OK, then follow
 * realm_state(); or ERR_SCRIPT (also when terminated), with rep filled.
 * loader is borrowed until the realm is freed (dynamic imports use it).
 */
enum err realm_load(struct realm *r, const struct loader *loader,
                    const char *specifier, struct report *rep);
/* Can this V8 write an image of ES modules? */
bool engine_keeps_modules(void);
/* Is it a classic script, of no modules? Once it is REALM_READY. */
bool realm_is_classic(const struct realm *r);
/* Where loading stands; on REALM_FAILED fills rep (may be NULL). */
enum realm_state realm_state(struct realm *r, struct report *rep);

/* Entries that js/ offers to C, in the order js/hooks hands them over. */
enum hook {
    HOOK_APP,      /* (namespace or undefined): finds the handler, or throws */
    HOOK_REQUEST,  /* (rid): a request is there; starts the handler */
    HOOK_TIMERS,   /* (): the moment asked for by native.timerWake is here */
    HOOK_READABLE, /* (rid): more body can be read */
    HOOK_WRITABLE, /* (rid): the reply can take more */
    HOOK_ABORT,    /* (rid): the client has gone */
    HOOK_END,      /* (rid): the exchange is over; streams are closed */
    HOOK_REJECTED, /* (promise, reason): nobody handled a rejection */
    HOOK_HANDLED,  /* (promise, reason): handled after HOOK_REJECTED */
    HOOK_FETCH,    /* (id): a subrequest has news */
    HOOK_WASM,     /* (id, source): WebAssembly's streaming functions */
    HOOK_WATCH,    /* (1 or 0): begin, or end, to tell native.drew of draws */
    HOOK_KEEP,     /* (): forget what is not to be in an image */
    HOOK_PAUSE,    /* (): is about to be written; js/state.js */
    HOOK_RESUME,   /* (): goes on after that */
    HOOK_THAW,     /* (): another's frozen value is there */
    /* js/absent.js. (0): is about to be written. Throws a sentence. (1): the
     * realm is there; (1306): the same where this V8, 13.6, leaves things out
     * because it can be written. */
    HOOK_ABSENT,
    HOOK_COUNT
};

/*
 * Calls one with a number. OK, or ERR_SCRIPT with rep filled (may be NULL).
 * Microtasks run before it returns.
 */
enum err realm_hook(struct realm *r, enum hook h, int32_t arg,
                    struct report *rep);
/*
 * Runs what is ready: microtasks, V8's own tasks, unhandled rejections
 * (reported through HOOK_REJECTED). ERR_SCRIPT only when terminated.
 */
enum err realm_turn(struct realm *r, struct report *rep);

/* ---- making an image -------------------------------------------------- */

/*
 * Called with a realm in which all files are evaluated, to run what should
 * be in the image compiled. That realm itself is not in the image.
 */
typedef enum err warm_fn(struct realm *r, struct report *rep);

/*
 * Evaluates js/ (js_files.h) in a new context and gives the snapshot as
 * malloc'd bytes (taken by the caller). The process must be in ENGINE_BUILD.
 * Anything wrong, use() of a later name too, is ERR_SCRIPT with a sentence.
 */
enum err engine_snapshot(warm_fn *warm, void **out, size_t *n, struct why *why);

/*
 * The realm, its application in it, as a snapshot in malloc'd bytes (taken by
 * the caller). The process must be in ENGINE_BUILD, the realm REALM_READY and
 * without a request, and no other realm in the engine. What an image cannot
 * hold is ERR_SCRIPT with a sentence, and the realm can go on; realm_unkept()
 * says more. After OK, nothing of the engine may be used.
 */
enum err realm_write(struct realm *r, void **out, size_t *n, struct why *why);

/*
 * Collects all garbage and lets finalizers run, so that what is used, and held
 * in C, is what is needed. Between requests; the larger the heap, the longer.
 */
void realm_collect(struct realm *r);

/* ---- looking into a realm ---------------------------------------------- */

struct restab; /* restab.h */

/*
 * What the realm has that cannot be in an image: objects that V8 keeps partly
 * outside its heap (all of Intl), callbacks of finalization that are due, and
 * what is in `held` (may be NULL), the table of its host. Appends to out a
 * line for each, at most 20 and "and 3 more": what it is, the variable that
 * holds it with path and line, what to do. Returns how many there are.
 *
 * serving: it takes requests, and is not being started; the advice differs.
 * Collects garbage, and takes time and memory as a census does: call it when
 * it is known that there is something. Finds nothing in a heap over 128 MB.
 */
size_t realm_unkept(struct realm *r, const struct restab *held, bool serving,
                    struct buf *out);

/*
 * Appends what the application holds as a JSON object of at most 64 KB:
 *
 * {"objects":[{"name":"Map","count":3,"bytes":1234},...],
 *  "holders":[{"name":"routes","where":"/srv/app.js","line":12,
 *              "bytes":45678},...],
 *  "total":{"count":5,"bytes":56789}}
 *
 * The application's is what can be reached only through its functions, the
 * variables of its modules and scripts, and the globals it has made; not what
 * js/ or V8 would have without it. What it only hands to the API (arguments of
 * a timer, a property of URL.prototype) counts as the API's.
 *
 * objects: the 20 constructors with most bytes; a Map has the bytes of its
 * table, an array those of its elements. "(string)", "(function)", "(code)",
 * "(source)" and the like are what V8 has besides objects; an object without
 * a prototype is an "Object". holders: the 20 variables and globals with most
 * bytes that would be free without the value they hold; what two of them share
 * is in neither. where is null and line 0 when the text does not tell.
 *
 * Collects garbage; takes 2 to 5 seconds and up to 1 KB of memory for each of a
 * million objects. For a heap over 32 MB the lists are empty and total null.
 */
enum err realm_census(struct realm *r, struct buf *json, struct why *why);

#endif
