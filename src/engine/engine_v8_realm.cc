/*
 * engine_v8_realm.cc - contexts: made, entered by hooks, turned, ended.
 */
#include "engine/engine_v8.hh"

extern "C" {
#include "base/log.h"
}

/*
 * In the place of a realm that was freed. V8 holds its context for as long as
 * it likes, and may run finalizers of it.
 */
alignas(8) static char over;

static void *in_slot(v8::Local<v8::Context> context)
{
    if (context->GetNumberOfEmbedderDataFields() <= SLOT_REALM)
        return nullptr;
    return context->GetAlignedPointerFromEmbedderData(SLOT_REALM);
}

struct realm *realm_of(v8::Local<v8::Context> context)
{
    void *p = in_slot(context);
    return p != &over ? static_cast<struct realm *>(p) : nullptr;
}

bool realm_is_over(v8::Local<v8::Context> context)
{
    return in_slot(context) == &over;
}

struct realm *realm_adopt(struct engine *e, v8::Local<v8::Context> context)
{
    auto *r = new struct realm;
    r->engine = e;
    r->host = nullptr;
    r->loader = nullptr;
    r->state = e->loaded ? REALM_READY : REALM_EMPTY;
    r->recalled = !e->loaded;
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
    if (e->blob.data == nullptr) {
        v8::Context::Scope within(context);
        struct why why;
        if (files_all(context, &e->scripts, &why) != OK) {
            log_error("%s", why.text);
            return ERR_FAIL;
        }
    }
    *out = realm_adopt(e, context);
    realm_set_host(*out, host);
    if (e->loaded || e->creator != nullptr)
        snapshot_complete(*out, context);
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
        wasm_drop(r);
        v8::Local<v8::Context> context = r->context.Get(r->engine->isolate);
        context->SetAlignedPointerInEmbedderData(SLOT_REALM, &over);
        /* No reaction to what V8 itself settles later, as a compilation. */
        context->DetachGlobal();
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

bool realm_hook_inside(struct realm *r, enum hook h, int argc,
                       v8::Local<v8::Value> *argv)
{
    v8::Isolate *isolate = r->engine->isolate;
    v8::Local<v8::Context> context = r->context.Get(isolate);
    v8::Local<v8::Array> hooks =
        context->GetEmbedderData(SLOT_HOOKS).As<v8::Array>();
    v8::Local<v8::Value> hook;
    return hooks->Get(context, static_cast<uint32_t>(h)).ToLocal(&hook) &&
           !hook.As<v8::Function>()
                ->Call(context, v8::Undefined(isolate), argc, argv)
                .IsEmpty();
}

enum err realm_call_hook(struct realm *r, enum hook h, int argc,
                         v8::Local<v8::Value> *argv, struct report *rep)
{
    v8::TryCatch caught(r->engine->isolate);
    if (!realm_hook_inside(r, h, argc, argv))
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
        realm_call_hook(r, one.handled ? HOOK_HANDLED : HOOK_REJECTED, 2, argv,
                        nullptr);
    }
}

enum err realm_turn(struct realm *r, struct report *rep)
{
    Entered in(r);
    v8::Isolate *isolate = r->engine->isolate;
    v8::TryCatch caught(isolate);
    engine_pump(r->engine);
    realm_checkpoint(r);
    if (engine_stopped(r->engine) != STOP_NONE)
        return realm_threw(r, caught, rep);
    if (!r->rejections.empty())
        report_rejections(r);
    return OK;
}

/* ---- rejections --------------------------------------------------------- */

void promise_reject(v8::PromiseRejectMessage message)
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
             v8::Global<v8::Value>(isolate, message.GetValue()), false});
        break;
    case v8::kPromiseHandlerAddedAfterReject:
        for (size_t i = 0; i < r->rejections.size(); i++) {
            if (r->rejections[i].promise == promise) {
                r->rejections.erase(r->rejections.begin() +
                                    static_cast<ptrdiff_t>(i));
                return;
            }
        }
        /* It was reported, or is not ours to report: js/ knows. */
        r->rejections.push_back(
            {v8::Global<v8::Promise>(isolate, promise),
             v8::Global<v8::Value>(isolate, promise->Result()), true});
        break;
    default:
        break;
    }
}
