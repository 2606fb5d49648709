/*
 * engine_v8.cc - the life of the engine, its isolates and its contexts.
 */
#include "config.h"

#include "engine/engine_v8.hh"

#include <libplatform/libplatform.h>

#include <errno.h>
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

extern "C" {
#include "base/log.h"
#include "engine/image.h"
}

/* What a heap at its limit is granted so that it can unwind (facts: less
 * turns more of the hostile cases into a dead process). */
static const size_t heap_headroom = size_t{256} << 20;

static std::unique_ptr<v8::Platform> platform;
static void (*fatal_words)(const char *what);
const struct native *const *engine_tables;

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

static const char *mode_flags(enum engine_mode mode)
{
    switch (mode) {
    case ENGINE_ONESHOT:
        /* No threads to start, no copy of the builtins for short calls. */
        return "--single-threaded --no-short-builtin-calls";
    case ENGINE_RESIDENT:
        return "--rehash-snapshot";
    case ENGINE_BUILD:
        return "--single-threaded --rehash-snapshot";
    }
    return "";
}

void engine_start(const struct engine_setup *setup)
{
    must(platform == nullptr);
    engine_tables = setup->tables;
    natives_flatten(setup->tables);
    fatal_words = setup->fatal;
    v8::V8::SetEntropySource(entropy);
    v8::V8::SetFlagsFromString(mode_flags(setup->mode));
#if V8_MAJOR_VERSION < 12
    /* import ... assert { type: "json" }; later engines have `with`. */
    v8::V8::SetFlagsFromString("--harmony-import-assertions");
#endif
    if (setup->flags != nullptr)
        v8::V8::SetFlagsFromString(setup->flags);
    platform = setup->mode == ENGINE_RESIDENT
                   ? v8::platform::NewDefaultPlatform(1)
                   : v8::platform::NewSingleThreadedDefaultPlatform();
    v8::V8::InitializePlatform(platform.get());
    v8::V8::Initialize();
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

struct engine *engine_of(v8::Isolate *isolate)
{
    return static_cast<struct engine *>(isolate->GetData(0));
}

static size_t near_heap_limit(void *data, size_t current, size_t initial)
{
    auto *e = static_cast<struct engine *>(data);
    e->stop = STOP_HEAP;
    e->isolate->TerminateExecution();
    /* It must be more than `current`, or V8 ends the process. */
    return (current > initial ? current : initial) + heap_headroom;
}

static void promise_reject(v8::PromiseRejectMessage message)
{
    v8::Local<v8::Promise> promise = message.GetPromise();
    v8::Isolate *isolate = v8::Isolate::GetCurrent();
    v8::HandleScope handles(isolate);
    v8::Local<v8::Context> context = isolate->GetCurrentContext();
    struct realm *r = context.IsEmpty() ? nullptr : realm_of(context);
    if (r == nullptr)
        return;
    switch (message.GetEvent()) {
    case v8::kPromiseRejectWithNoHandler:
        r->rejections.push_back(
            {v8::Global<v8::Promise>(isolate, promise),
             v8::Global<v8::Value>(isolate, message.GetValue())});
        break;
    case v8::kPromiseHandlerAddedAfterReject:
        for (size_t i = 0; i < r->rejections.size(); i++) {
            if (r->rejections[i].promise == promise) {
                r->rejections.erase(r->rejections.begin() +
                                    static_cast<ptrdiff_t>(i));
                break;
            }
        }
        break;
    default:
        break;
    }
}

enum err engine_new(const struct image *image,
                    const struct engine_limits *limits, struct engine **out)
{
    auto *e = new struct engine;
    e->buffers = new Buffers(limits->buffers);
    e->blob = {static_cast<const char *>(image->payload),
               static_cast<int>(image->payload_n)};
    v8::Isolate::CreateParams params;
    params.snapshot_blob = &e->blob;
    params.external_references = engine_references();
    params.array_buffer_allocator = e->buffers;
    if (limits->heap != 0)
        params.constraints.ConfigureDefaultsFromHeapSize(0, limits->heap);
    e->isolate = v8::Isolate::Allocate();
    e->isolate->SetData(0, e);
    v8::Isolate::Initialize(e->isolate, params);
    e->isolate->SetMicrotasksPolicy(v8::MicrotasksPolicy::kExplicit);
    e->isolate->SetFatalErrorHandler(fatal_error);
    e->isolate->SetOOMErrorHandler(out_of_memory);
    e->isolate->AddNearHeapLimitCallback(near_heap_limit, e);
    e->isolate->SetPromiseRejectCallback(promise_reject);
    e->isolate->SetCaptureStackTraceForUncaughtExceptions(false);
    modules_install(e->isolate);
    *out = e;
    return OK;
}

void engine_free(struct engine *e)
{
    if (e == nullptr)
        return;
    while (!e->realms.empty())
        realm_free(e->realms.back());
    e->isolate->RemoveNearHeapLimitCallback(near_heap_limit, 0);
    v8::platform::NotifyIsolateShutdown(platform.get(), e->isolate);
    e->isolate->Dispose();
    delete e->buffers;
    delete e;
}

void engine_terminate(struct engine *e)
{
    int none = STOP_NONE;
    e->stop.compare_exchange_strong(none, STOP_TERMINATED);
    e->isolate->TerminateExecution();
}

enum engine_stop engine_stopped(const struct engine *e)
{
    return static_cast<enum engine_stop>(e->stop.load());
}

void engine_resume(struct engine *e)
{
    e->stop = STOP_NONE;
    e->isolate->CancelTerminateExecution();
}

void engine_use(struct engine *e, struct engine_use *out)
{
    v8::HeapStatistics heap;
    e->isolate->GetHeapStatistics(&heap);
    out->heap_used = heap.used_heap_size();
    out->heap_total = heap.total_physical_size();
    out->buffers = e->buffers->used();
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

void engine_idle(struct engine *e)
{
    v8::Isolate::Scope inside(e->isolate);
    while (v8::platform::PumpMessageLoop(platform.get(), e->isolate)) {
    }
}

/* ---- contexts ---------------------------------------------------------- */

struct realm *realm_of(v8::Local<v8::Context> context)
{
    if (context->GetNumberOfEmbedderDataFields() <= SLOT_REALM)
        return nullptr;
    return static_cast<struct realm *>(
        context->GetAlignedPointerFromEmbedderData(SLOT_REALM));
}

struct realm *realm_adopt(struct engine *e, v8::Local<v8::Context> context)
{
    auto *r = new struct realm;
    r->engine = e;
    r->host = nullptr;
    r->loader = nullptr;
    r->state = REALM_EMPTY;
    r->context.Reset(e->isolate, context);
    context->SetAlignedPointerInEmbedderData(SLOT_REALM, r);
    e->realms.push_back(r);
    return r;
}

enum err realm_new(struct engine *e, void *host, struct realm **out)
{
    v8::Isolate::Scope inside(e->isolate);
    v8::HandleScope handles(e->isolate);
    v8::Local<v8::Context> context = v8::Context::New(e->isolate);
    if (context.IsEmpty())
        return ERR_FAIL;
    *out = realm_adopt(e, context);
    realm_set_host(*out, host);
    return OK;
}

void realm_free(struct realm *r)
{
    if (r == nullptr)
        return;
    std::vector<struct realm *> &all = r->engine->realms;
    for (size_t i = 0; i < all.size(); i++) {
        if (all[i] == r) {
            all.erase(all.begin() + static_cast<ptrdiff_t>(i));
            break;
        }
    }
    {
        v8::Isolate::Scope inside(r->engine->isolate);
        v8::HandleScope handles(r->engine->isolate);
        /* What still refers to the context must not find a dead realm. */
        r->context.Get(r->engine->isolate)
            ->SetAlignedPointerInEmbedderData(SLOT_REALM, nullptr);
        r->engine->isolate->ContextDisposedNotification();
    }
    delete r;
}

void realm_set_host(struct realm *r, void *host)
{
    r->host = host;
}

void realm_checkpoint(struct realm *r)
{
    r->engine->isolate->PerformMicrotaskCheckpoint();
}

enum err realm_call_hook(struct realm *r, enum hook h, int argc,
                         v8::Local<v8::Value> *argv, struct report *rep)
{
    v8::Isolate *isolate = r->engine->isolate;
    v8::Local<v8::Context> context = r->context.Get(isolate);
    v8::TryCatch caught(isolate);
    v8::Local<v8::Array> hooks =
        context->GetEmbedderData(SLOT_HOOKS).As<v8::Array>();
    v8::Local<v8::Value> hook;
    if (!hooks->Get(context, static_cast<uint32_t>(h)).ToLocal(&hook))
        return realm_threw(r, caught, rep);
    v8::Local<v8::Value> result;
    if (!hook.As<v8::Function>()
             ->Call(context, v8::Undefined(isolate), argc, argv)
             .ToLocal(&result))
        return realm_threw(r, caught, rep);
    realm_checkpoint(r);
    if (engine_stopped(r->engine) != STOP_NONE)
        return realm_threw(r, caught, rep);
    return OK;
}

enum err realm_hook(struct realm *r, enum hook h, int32_t arg,
                    struct report *rep)
{
    Entered in(r);
    v8::Local<v8::Value> argv[] = {v8::Integer::New(r->engine->isolate, arg)};
    return realm_call_hook(r, h, 1, argv, rep);
}

/* Rejections nobody handled by the end of a microtask checkpoint. */
static void report_rejections(struct realm *r)
{
    v8::Isolate *isolate = r->engine->isolate;
    std::vector<rejection> unhandled;
    unhandled.swap(r->rejections);
    for (rejection &one : unhandled) {
        v8::Local<v8::Value> argv[] = {one.promise.Get(isolate),
                                       one.reason.Get(isolate)};
        realm_call_hook(r, HOOK_REJECTED, 2, argv, nullptr);
    }
}

enum err realm_turn(struct realm *r, struct report *rep)
{
    Entered in(r);
    v8::Isolate *isolate = r->engine->isolate;
    v8::TryCatch caught(isolate);
    while (v8::platform::PumpMessageLoop(platform.get(), isolate)) {
    }
    realm_checkpoint(r);
    if (engine_stopped(r->engine) != STOP_NONE)
        return realm_threw(r, caught, rep);
    if (!r->rejections.empty())
        report_rejections(r);
    return OK;
}

/* ---- what was thrown, for a person ------------------------------------- */

std::string utf8(v8::Isolate *isolate, v8::Local<v8::Value> v)
{
    v8::String::Utf8Value value(isolate, v);
    return *value != nullptr
               ? std::string(*value, static_cast<size_t>(value.length()))
               : std::string();
}

void report_init(struct report *r)
{
    buf_init(&r->text, 64 * 1024);
    buf_init(&r->head, 4 * 1024);
    buf_init(&r->file, 4 * 1024);
    r->line = 0;
    r->column = 0;
}

void report_free(struct report *r)
{
    buf_free(&r->text);
    buf_free(&r->head);
    buf_free(&r->file);
}

/* As much of s as b still takes: a report is cut rather than lost. */
static void put_cut(struct buf *b, const std::string &s)
{
    size_t room = b->max > b->n ? b->max - b->n : 0;
    buf_put(b, s.data(), s.size() < room ? s.size() : room);
}

/* The stack of an error, or what String() makes of anything else. */
static std::string described(v8::Local<v8::Context> context,
                             v8::Local<v8::Value> thrown)
{
    v8::Isolate *isolate = v8::Isolate::GetCurrent();
    if (thrown->IsObject()) {
        v8::Local<v8::Value> stack;
        if (thrown.As<v8::Object>()
                ->Get(context, text(isolate, "stack"))
                .ToLocal(&stack) &&
            stack->IsString() && stack.As<v8::String>()->Length() > 0)
            return utf8(isolate, stack);
    }
    v8::Local<v8::String> detail;
    if (thrown->ToDetailString(context).ToLocal(&detail))
        return utf8(isolate, detail);
    return "an object that cannot be shown";
}

static void report_place(v8::Local<v8::Context> context,
                         v8::Local<v8::Message> message, struct report *rep)
{
    v8::Isolate *isolate = v8::Isolate::GetCurrent();
    v8::Local<v8::Value> name = message->GetScriptResourceName();
    if (name.IsEmpty() || !name->IsString())
        return;
    buf_clear(&rep->file);
    put_cut(&rep->file, utf8(isolate, name));
    rep->line = message->GetLineNumber(context).FromMaybe(0);
    rep->column = message->GetStartColumn(context).FromMaybe(-1) + 1;
}

static void report_causes(v8::Local<v8::Context> context,
                          v8::Local<v8::Value> thrown, struct report *rep)
{
    v8::Isolate *isolate = v8::Isolate::GetCurrent();
    for (int depth = 0; depth < 4 && thrown->IsNativeError(); depth++) {
        v8::Local<v8::Value> cause;
        if (!thrown.As<v8::Object>()
                 ->Get(context, text(isolate, "cause"))
                 .ToLocal(&cause) ||
            cause->IsUndefined())
            return;
        put_cut(&rep->text, "caused by: " + described(context, cause) + "\n");
        thrown = cause;
    }
}

void report_fill(v8::Local<v8::Context> context, v8::Local<v8::Value> thrown,
                 v8::Local<v8::Message> message, struct report *rep)
{
    v8::Isolate *isolate = v8::Isolate::GetCurrent();
    v8::HandleScope handles(isolate);
    v8::TryCatch quiet(isolate);
    if (message.IsEmpty())
        message = v8::Exception::CreateMessage(isolate, thrown);
    report_place(context, message, rep);
    std::string words = described(context, thrown);
    if (words.compare(0, 9, "Uncaught ") == 0)
        words.erase(0, 9);
    buf_clear(&rep->text);
    buf_clear(&rep->head);
    put_cut(&rep->head, words.substr(0, words.find('\n')));
    put_cut(&rep->text, words + "\n");
    /* A SyntaxError's stack does not say where; its message does. */
    std::string place =
        std::string(buf_str(&rep->file)) + ":" + std::to_string(rep->line);
    if (rep->line > 0 && words.find(place) == std::string::npos)
        put_cut(&rep->text,
                "    at " + place + ":" + std::to_string(rep->column) + "\n");
    report_causes(context, thrown, rep);
}

enum err realm_threw(struct realm *r, const v8::TryCatch &caught,
                     struct report *rep)
{
    if (rep == nullptr)
        return ERR_SCRIPT;
    v8::Isolate *isolate = r->engine->isolate;
    enum engine_stop stop = engine_stopped(r->engine);
    if (stop != STOP_NONE || caught.HasTerminated() || !caught.HasCaught()) {
        const char *words = stop == STOP_HEAP
                                ? "Error: the heap limit was reached"
                                : "Error: the time limit was reached";
        buf_clear(&rep->head);
        buf_clear(&rep->text);
        buf_puts(&rep->head, words);
        buf_printf(&rep->text, "%s\n", words);
        return ERR_SCRIPT;
    }
    report_fill(r->context.Get(isolate), caught.Exception(), caught.Message(),
                rep);
    return ERR_SCRIPT;
}
