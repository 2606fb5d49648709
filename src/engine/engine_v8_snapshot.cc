/*
 * engine_v8_snapshot.cc - js/ evaluated once, as a startup snapshot.
 */
#include "engine/engine_v8.hh"

#include <stdlib.h>
#include <string.h>

extern "C" {
#include "engine/js_files.h"
}

static enum err evaluate_all(v8::Local<v8::Context> context, Scripts *scripts,
                             struct why *why)
{
    v8::Isolate *isolate = v8::Isolate::GetCurrent();
    v8::TryCatch caught(isolate);
    files_install(context);
    for (size_t i = 0; i < js_files_count; i++) {
        if (js_files[i].lazy || files_evaluate(context, scripts, i))
            continue;
        struct report rep;
        report_init(&rep);
        report_fill(context, caught.Exception(), caught.Message(), &rep);
        enum err e = why_set(why, ERR_SCRIPT, "js/%s.js:%d: %s",
                             js_files[i].name, rep.line, buf_str(&rep.head));
        report_free(&rep);
        return e;
    }
    files_seal(context);
    isolate->PerformMicrotaskCheckpoint();
    if (context->GetNumberOfEmbedderDataFields() <= SLOT_HOOKS ||
        !context->GetEmbedderData(SLOT_HOOKS)->IsArray())
        return why_set(why, ERR_SCRIPT, "no file of js/ called setHooks");
    return OK;
}

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
    enum err e = evaluate_all(context, scripts, why);
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
            e = evaluate_all(context, &scripts, why);
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
