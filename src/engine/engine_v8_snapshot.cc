/*
 * engine_v8_snapshot.cc - js/ evaluated once, as a startup snapshot.
 */
#include "engine/engine_v8.hh"

#include <stdlib.h>
#include <string.h>

/*
 * A context of its own for the warm-up: compiled code belongs to the script,
 * which the image's context shares; nothing else of it goes into the image.
 */
static enum err warm_up(v8::Isolate *isolate, Scripts *scripts,
                        Buffers *buffers, warm_fn *warm, struct why *why)
{
    v8::HandleScope handles(isolate);
    v8::Local<v8::Context> context = v8::Context::New(isolate);
    v8::Context::Scope inside(context);
    enum err e = files_all(context, scripts, why);
    if (e != OK || warm == nullptr)
        return e;
    struct engine engine = {};
    engine.isolate = isolate;
    engine.buffers = buffers;
    struct realm *r = realm_adopt(&engine, context);
    struct report rep;
    report_init(&rep);
    e = warm(r, &rep);
    if (e != OK)
        why_set(why, e, "the warm-up failed: %s", buf_str(&rep.head));
    report_free(&rep);
    realm_free(r);
    return e;
}

/* ---- an isolate that can be written ------------------------------------ */

static size_t handles_used(v8::Isolate *isolate)
{
    v8::HeapStatistics heap;
    isolate->GetHeapStatistics(&heap);
    return heap.used_global_handles_size();
}

/* What one more handle adds to that. */
static size_t handle_size(v8::Isolate *isolate)
{
    v8::HandleScope handles(isolate);
    size_t before = handles_used(isolate);
    v8::Global<v8::Value> one(isolate, v8::Undefined(isolate));
    return handles_used(isolate) - before;
}

void snapshot_begin(struct engine *e, const v8::Isolate::CreateParams &params,
                    size_t heap)
{
#if V8_MAJOR_VERSION >= 12
    (void)heap; /* is in params */
    e->creator = new v8::SnapshotCreator(e->isolate, params);
#else
    /* It takes no limits but by a flag, and no allocator: there is no limit
     * of ArrayBuffers here. */
    char limit[48];
    snprintf(limit, sizeof limit, "--max-heap-size=%zu", heap >> 20);
    if (heap != 0)
        v8::V8::SetFlagsFromString(limit);
    e->creator =
        new v8::SnapshotCreator(e->isolate, params.external_references,
                                e->blob.data != nullptr ? &e->blob : nullptr);
#endif
    e->handles = handles_used(e->isolate);
}

/* Those that the engine itself holds. */
static size_t handles_own(const struct realm *r)
{
    size_t n = 1 + !r->loading.IsEmpty() + !r->application.IsEmpty();
    for (const module_entry &entry : r->modules)
        n += 1 + !entry.json.IsEmpty();
    for (const v8::Global<v8::UnboundScript> &script : r->engine->scripts)
        n += !script.IsEmpty();
    return n + 2 * r->rejections.size();
}

void snapshot_complete(struct realm *r, v8::Local<v8::Context> context)
{
    v8::Isolate *isolate = r->engine->isolate;
    v8::Context::Scope inside(context);
    int what = r->engine->creator == nullptr
                   ? 1
                   : V8_MAJOR_VERSION * 100 + V8_MINOR_VERSION;
    v8::Local<v8::Value> argv[] = {v8::Integer::New(isolate, what)};
    realm_hook_inside(r, HOOK_ABSENT, 1, argv);
}

/* The last to refuse: what it takes away is not put back. */
static enum err take_absent(struct realm *r, struct why *why)
{
    struct report rep;
    v8::Local<v8::Value> argv[] = {v8::Integer::New(r->engine->isolate, 0)};
    report_init(&rep);
    enum err e = realm_call_hook(r, HOOK_ABSENT, 1, argv, &rep);
    if (e != OK)
        why_set(why, e, "%s", buf_str(&rep.head));
    report_free(&rep);
    return e;
}

/*
 * What waits to be collected is no reason to refuse. Once more where something
 * ran: a finalizer may have let go of the last of something.
 */
static void collect(struct realm *r)
{
    bool ran = true;
    for (int i = 0; i < 2 && ran; i++) {
        r->engine->isolate->LowMemoryNotification();
        ran = engine_pump(r->engine);
        realm_checkpoint(r);
    }
}

static enum err check(struct realm *r, struct why *why)
{
    v8::Isolate *isolate = r->engine->isolate;
    enum err e = realm_call_hook(r, HOOK_KEEP, 0, nullptr, nullptr);
    if (e != OK)
        return why_set(why, e, "JavaScript was ended");
    collect(r);
    heap_mend(r);
    if ((e = modules_check(r, why)) != OK)
        return e;
    size_t own = handles_own(r) * handle_size(isolate);
    if (handles_used(isolate) > r->engine->handles + own)
        return why_set(why, ERR_SCRIPT,
                       "something in the application cannot be in an image");
    return take_absent(r, why);
}

static enum err blob_take(v8::StartupData blob, void **out, size_t *n,
                          struct why *why)
{
    enum err e = OK;
    *n = static_cast<size_t>(blob.raw_size);
    *out = malloc(*n);
    if (*out == nullptr)
        e = why_set(why, ERR_NOMEM, "no memory for an image of %zu bytes", *n);
    else
        memcpy(*out, blob.data, *n);
    delete[] blob.data;
    return e;
}

void realm_collect(struct realm *r)
{
    Entered in(r);
    collect(r);
}

enum err realm_write(struct realm *r, void **out, size_t *n, struct why *why)
{
    struct engine *engine = r->engine;
    must(engine->creator != nullptr && r->state == REALM_READY);
    {
        Entered in(r);
        enum err e = check(r, why);
        if (e != OK)
            return e;
        modules_keep(r, in.context);
        in.context->SetAlignedPointerInEmbedderData(SLOT_REALM, nullptr);
        engine->creator->SetDefaultContext(in.context);
        r->context.Reset();
        r->loading.Reset();
        r->application.Reset();
        r->rejections.clear();
        engine->scripts.clear();
        engine->isolate->RemoveMessageListeners(uncaught);
    }
    return blob_take(engine->creator->CreateBlob(
                         v8::SnapshotCreator::FunctionCodeHandling::kKeep),
                     out, n, why);
}

/* ---- js/ ---------------------------------------------------------------- */

enum err engine_snapshot(warm_fn *warm, void **out, size_t *n, struct why *why)
{
    Buffers buffers(0); /* the collector may free into it until the end */
    v8::SnapshotCreator creator(engine_references());
    v8::Isolate *isolate = creator.GetIsolate();
    isolate->SetMicrotasksPolicy(v8::MicrotasksPolicy::kExplicit);
    modules_install(isolate);
    enum err e;
    {
        Scripts scripts;
        e = warm_up(isolate, &scripts, &buffers, warm, why);
        v8::HandleScope handles(isolate);
        v8::Local<v8::Context> context = v8::Context::New(isolate);
        v8::Context::Scope inside(context);
        if (e == OK)
            e = files_all(context, &scripts, why);
        /* CreateBlob must follow whatever happened, so a context is set. */
        creator.SetDefaultContext(context);
    }
    v8::StartupData blob =
        creator.CreateBlob(v8::SnapshotCreator::FunctionCodeHandling::kKeep);
    if (e == OK && !blob.CanBeRehashed())
        e = why_set(why, ERR_SCRIPT,
                    "the image cannot be given a new hash seed at start");
    if (e == OK)
        return blob_take(blob, out, n, why);
    delete[] blob.data;
    return e;
}
