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
    if (e == OK) {
        *n = static_cast<size_t>(blob.raw_size);
        *out = malloc(*n);
        if (*out == nullptr)
            e = why_set(why, ERR_NOMEM, "no memory for the image");
        else
            memcpy(*out, blob.data, *n);
    }
    delete[] blob.data;
    return e;
}
