/*
 * engine_v8.cc - the life of the engine, its isolates and its contexts.
 */
#include "config.h"

#include "engine/engine_v8.hh"

#include <libplatform/libplatform.h>

#include <errno.h>
#include <link.h>
#include <new>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

extern "C" {
#include "base/hash.h"
#include "base/log.h"
#include "engine/image.h"
}

/* What a heap at its limit is granted so that it can unwind (facts: less
 * turns more of the hostile cases into a dead process). */
static const size_t heap_headroom = size_t{256} << 20;

static std::unique_ptr<v8::Platform> platform;
static enum engine_mode mode;
static void (*fatal_words)(const char *what);

/* ---- process ----------------------------------------------------------- */

static bool entropy(unsigned char *p, size_t n)
{
    while (n > 0) {
        ssize_t got = getrandom(p, n, 0);
        if (got < 0) {
            if (errno == EINTR)
                continue;
            return false;
        }
        p += got;
        n -= static_cast<size_t>(got);
    }
    return true;
}

[[noreturn]] static void dead(const char *what)
{
    if (fatal_words != nullptr)
        fatal_words(what);
    else
        log_error("V8 cannot go on: %s", what);
    _exit(70);
}

static void fatal_error(const char *where, const char *what)
{
    char line[256];
    snprintf(line, sizeof line, "%s (%s)", what, where != nullptr ? where : "");
    dead(line);
}

#if V8_MAJOR_VERSION >= 11
static void out_of_memory(const char *where, const v8::OOMDetails &details)
{
    bool heap = details.is_heap_oom;
#else
static void out_of_memory(const char *where, bool heap)
{
#endif
    char line[256];
    snprintf(line, sizeof line, "out of memory (%s%s)",
             heap ? "JavaScript heap, " : "", where != nullptr ? where : "");
    dead(line);
}

[[noreturn]] static void no_memory()
{
    dead("out of memory (operator new)");
}

/* Of every mode: an image made with others is refused. */
#if V8_MAJOR_VERSION >= 13
/* A loop that it unrolls may lose its interrupt check: then nothing ends it,
 * neither engine_terminate() nor the heap limit. */
static const char common_flags[] = "--no-turboshaft-loop-unrolling";
#elif V8_MAJOR_VERSION < 12
/* import ... assert { type: "json" }; later engines have `with`. */
static const char common_flags[] = "--harmony-import-assertions";
#else
static const char common_flags[] = "";
#endif

static const char *mode_flags(bool seeded)
{
    switch (mode) {
    case ENGINE_ONESHOT:
        /* No threads to start, no copy of the builtins for short calls. */
        return "--single-threaded --no-short-builtin-calls";
    case ENGINE_RESIDENT:
        return "--rehash-snapshot";
    case ENGINE_BUILD:
        return seeded
                   ? "--single-threaded --no-flush-bytecode"
                   : "--single-threaded --no-flush-bytecode --rehash-snapshot";
    }
    return "";
}

void engine_start(const struct engine_setup *setup)
{
    must(platform == nullptr);
    mode = setup->mode;
    natives_flatten(setup->tables);
    fatal_words = setup->fatal;
    std::set_new_handler(no_memory);
    v8::V8::SetEntropySource(entropy);
    v8::V8::SetFlagsFromString(mode_flags(setup->seeded));
    v8::V8::SetFlagsFromString(common_flags);
    platform = mode == ENGINE_RESIDENT
                   ? v8::platform::NewDefaultPlatform(1)
                   : v8::platform::NewSingleThreadedDefaultPlatform();
    v8::V8::InitializePlatform(platform.get());
    v8::V8::Initialize();
}

uint64_t engine_flags(void)
{
    uint64_t h = HASH_START;
    hash_add(&h, common_flags, strlen(common_flags));
    return h;
}

const char *engine_version(void)
{
    return v8::V8::GetVersion();
}

#ifdef V8_BUILD_ID
uint64_t engine_build(void)
{
    return V8_BUILD_ID; /* linked in: configure's checksum of the archive */
}
#else
struct build_search {
    uintptr_t inside; /* an address in the library looked for */
    uint64_t id;
};

/* The first bytes of the GNU build id note of the object around `inside`. */
static int build_note(struct dl_phdr_info *o, size_t, void *arg)
{
    auto *search = static_cast<struct build_search *>(arg);
    bool ours = false;
    for (int i = 0; i < o->dlpi_phnum; i++) {
        const ElfW(Phdr) &ph = o->dlpi_phdr[i];
        uintptr_t from = o->dlpi_addr + ph.p_vaddr;
        if (ph.p_type == PT_LOAD && search->inside >= from &&
            search->inside < from + ph.p_memsz)
            ours = true;
    }
    if (!ours)
        return 0;
    for (int i = 0; i < o->dlpi_phnum; i++) {
        const ElfW(Phdr) &ph = o->dlpi_phdr[i];
        if (ph.p_type != PT_NOTE)
            continue;
        const char *p =
            reinterpret_cast<const char *>(o->dlpi_addr + ph.p_vaddr);
        const char *end = p + ph.p_memsz;
        while (p + sizeof(ElfW(Nhdr)) <= end) {
            const auto *note = reinterpret_cast<const ElfW(Nhdr) *>(p);
            const char *desc = p + sizeof *note + ((note->n_namesz + 3) & ~3u);
            if (note->n_type == NT_GNU_BUILD_ID &&
                note->n_descsz >= sizeof search->id) {
                memcpy(&search->id, desc, sizeof search->id);
                return 1;
            }
            p = desc + ((note->n_descsz + 3) & ~3u);
        }
    }
    return 1;
}

uint64_t engine_build(void)
{
    struct build_search search = {
        reinterpret_cast<uintptr_t>(&v8::V8::GetVersion), 0};
    dl_iterate_phdr(build_note, &search);
    return search.id;
}
#endif

/* ---- isolates ---------------------------------------------------------- */

bool Buffers::take(size_t n)
{
    size_t was = used_.fetch_add(n, std::memory_order_relaxed);
    if (limit_ != 0 && (n > limit_ || was > limit_ - n)) {
        give(n);
        return false;
    }
    return true;
}

void Buffers::give(size_t n)
{
    used_.fetch_sub(n, std::memory_order_relaxed);
}

void *Buffers::Allocate(size_t n)
{
    if (!take(n))
        return nullptr;
    void *p = calloc(n > 0 ? n : 1, 1);
    if (p == nullptr)
        give(n);
    return p;
}

void *Buffers::AllocateUninitialized(size_t n)
{
    if (!take(n))
        return nullptr;
    void *p = malloc(n > 0 ? n : 1);
    if (p == nullptr)
        give(n);
    return p;
}

void Buffers::Free(void *p, size_t n)
{
    free(p);
    give(n);
}

static size_t near_heap_limit(void *data, size_t current, size_t initial)
{
    auto *e = static_cast<struct engine *>(data);
    engine_terminate(e, STOP_HEAP);
    /* Once: who does not end with that much more ends the process. */
    return current < initial + heap_headroom ? initial + heap_headroom
                                             : current;
}

enum err engine_new(const struct image *image,
                    const struct engine_limits *limits, struct engine **out)
{
    auto *e = new struct engine;
    e->buffers = new Buffers(limits->buffers);
    e->blob = {static_cast<const char *>(image->payload),
               static_cast<int>(image->payload_n)};
    v8::Isolate::CreateParams params;
    if (e->blob.data != nullptr)
        params.snapshot_blob = &e->blob;
    params.external_references = engine_references();
    params.array_buffer_allocator = e->buffers;
    if (limits->heap != 0)
        params.constraints.ConfigureDefaultsFromHeapSize(0, limits->heap);
    e->isolate = v8::Isolate::Allocate();
    e->creator = nullptr;
    e->loaded = image->kind != IMAGE_API && e->blob.data != nullptr;
    e->keeps_code = mode == ENGINE_RESIDENT && !e->loaded;
    if (mode == ENGINE_BUILD)
        snapshot_begin(e, params, limits->heap);
    else
        v8::Isolate::Initialize(e->isolate, params);
    e->isolate->SetMicrotasksPolicy(v8::MicrotasksPolicy::kExplicit);
    e->isolate->SetFatalErrorHandler(fatal_error);
    e->isolate->SetOOMErrorHandler(out_of_memory);
    e->isolate->AddNearHeapLimitCallback(near_heap_limit, e);
    e->isolate->SetPromiseRejectCallback(promise_reject);
    e->isolate->AddMessageListener(uncaught);
    e->isolate->SetCaptureStackTraceForUncaughtExceptions(false);
    modules_install(e->isolate);
    wasm_install(e->isolate);
    *out = e;
    return OK;
}

void engine_free(struct engine *e)
{
    if (e == nullptr)
        return;
    while (!e->realms.empty())
        realm_free(e->realms.back());
    e->units.clear();
    e->scripts.clear(); /* before the heap they are in */
    e->isolate->RemoveNearHeapLimitCallback(near_heap_limit, 0);
    v8::platform::NotifyIsolateShutdown(platform.get(), e->isolate);
    if (e->creator != nullptr)
        delete e->creator; /* and its isolate */
    else
        e->isolate->Dispose();
    delete e->buffers;
    delete e;
}

void engine_terminate(struct engine *e, enum engine_stop why)
{
    int none = STOP_NONE;
    e->stopping++;
    e->stop.compare_exchange_strong(none, why);
    if (!e->evaluating)
        e->isolate->TerminateExecution();
    e->stopping--;
}

/* From here on V8 can be ended. */
static void evaluated(v8::Isolate *isolate, void *data)
{
    auto *e = static_cast<struct engine *>(data);
    if (e->evaluating.exchange(false) && engine_stopped(e) != STOP_NONE)
        isolate->TerminateExecution();
}

/*
 * V8 ends the process (a CHECK of SourceTextModule::Evaluate) when it sees
 * that it is to terminate after it has begun and before it has marked the
 * module. So nobody tells it until the module's own code runs, where V8 takes
 * the interrupt, or until all is over.
 */
v8::MaybeLocal<v8::Value> engine_evaluate(struct engine *e,
                                          v8::Local<v8::Context> context,
                                          v8::Local<v8::Module> module)
{
    e->evaluating = true;
    while (e->stopping > 0) /* on another thread: it may not have seen that */
        sched_yield();
    e->isolate->RequestInterrupt(evaluated, e);
    v8::MaybeLocal<v8::Value> value = module->Evaluate(context);
    evaluated(e->isolate, e);
    return value;
}

enum engine_stop engine_stopped(const struct engine *e)
{
    return static_cast<enum engine_stop>(e->stop.load());
}

void engine_use(struct engine *e, struct engine_use *out)
{
    v8::HeapStatistics heap;
    e->isolate->GetHeapStatistics(&heap);
    out->heap_used = heap.used_heap_size();
    out->heap_total = heap.total_physical_size();
    out->buffers = e->buffers->used();
#if V8_MAJOR_VERSION < 12
    if (e->creator != nullptr) /* V8's own allocator has them */
        out->buffers = heap.external_memory();
#endif
}

uint32_t engine_hash(struct engine *e, struct slice s)
{
    v8::Isolate::Scope inside(e->isolate);
    v8::HandleScope handles(e->isolate);
    v8::Local<v8::String> string =
        v8::String::NewFromUtf8(e->isolate, s.p, v8::NewStringType::kNormal,
                                static_cast<int>(s.n))
            .ToLocalChecked();
    return static_cast<uint32_t>(string->GetIdentityHash());
}

bool engine_pump(struct engine *e)
{
    bool any = false;
    /* A task ends with the finalizer that was ended, and the next finalizer
     * is another task. */
    while (engine_stopped(e) == STOP_NONE &&
           v8::platform::PumpMessageLoop(platform.get(), e->isolate))
        any = true;
    return any;
}

bool engine_busy(const struct engine *e)
{
    return e->isolate->HasPendingBackgroundTasks();
}

void engine_idle(struct engine *e)
{
    v8::Isolate::Scope inside(e->isolate);
    engine_pump(e);
}
