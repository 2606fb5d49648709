/*
 * engine_v8_value.cc - natives that need the engine itself: what a value is,
 * structured clone, moved buffers, microtasks. First in the list of tables.
 */
#include "engine/engine_v8.hh"

#include <stdlib.h>

/* ---- what a value is --------------------------------------------------- */

typedef bool (v8::Value::*is_fn)() const;

/* The order is js/console.js's: kind i + 1. First match wins. */
static const is_fn kinds[] = {
    &v8::Value::IsPromise,
    &v8::Value::IsMap,
    &v8::Value::IsSet,
    &v8::Value::IsDate,
    &v8::Value::IsRegExp,
    &v8::Value::IsNativeError,
    &v8::Value::IsArrayBuffer,
    &v8::Value::IsSharedArrayBuffer,
    &v8::Value::IsTypedArray,
    &v8::Value::IsDataView,
    &v8::Value::IsProxy,
    &v8::Value::IsWeakMap,
    &v8::Value::IsWeakSet,
    nullptr /* 14: WeakRef, by name */,
    &v8::Value::IsSymbolObject,
    nullptr /* 16: the other boxes */,
    &v8::Value::IsArgumentsObject,
    &v8::Value::IsMapIterator,
    &v8::Value::IsSetIterator,
    &v8::Value::IsGeneratorObject,
    &v8::Value::IsModuleNamespaceObject,
    &v8::Value::IsAsyncFunction,
    &v8::Value::IsGeneratorFunction,
    &v8::Value::IsExternal,
};

enum { KIND_BOX = 16 };

static void kind_of(struct call *c)
{
    v8::Local<v8::Value> v = c->info[0];
    int kind = 0;
    if (v->IsObject()) {
        for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
            if (kinds[i] != nullptr && ((*v)->*kinds[i])()) {
                kind = static_cast<int>(i) + 1;
                break;
            }
        }
        if (kind == 0 && (v->IsNumberObject() || v->IsStringObject() ||
                          v->IsBooleanObject() || v->IsBigIntObject()))
            kind = KIND_BOX;
    }
    ret_int(c, kind);
}

static void promise_state(struct call *c)
{
    if (!c->info[0]->IsPromise()) {
        throw_type(c, "not a promise");
        return;
    }
    v8::Local<v8::Promise> p = c->info[0].As<v8::Promise>();
    ret_list(c);
    list_num(c, p->State());
    c->list.push_back(p->State() == v8::Promise::kPending
                          ? v8::Local<v8::Value>(v8::Undefined(c->isolate))
                          : p->Result());
    list_bool(c, p->HasHandler());
}

static void proxy_target(struct call *c)
{
    if (!c->info[0]->IsProxy()) {
        throw_type(c, "not a proxy");
        return;
    }
    v8::Local<v8::Proxy> p = c->info[0].As<v8::Proxy>();
    ret_list(c);
    c->list.push_back(p->GetTarget());
    c->list.push_back(p->GetHandler());
}

/* What an iterator or a weak collection holds, without running it. */
static void entries(struct call *c)
{
    bool pairs = false;
    v8::Local<v8::Array> found;
    if (!c->info[0]->IsObject() ||
        !c->info[0].As<v8::Object>()->PreviewEntries(&pairs).ToLocal(&found)) {
        ret_null(c);
        return;
    }
    ret_list(c);
    c->list.push_back(found);
    list_bool(c, pairs);
}

/* ---- microtasks and hooks ---------------------------------------------- */

static void microtask(struct call *c)
{
    if (c->info[0]->IsFunction())
        c->isolate->EnqueueMicrotask(c->info[0].As<v8::Function>());
    else
        throw_type(c, "not a function");
}

static void set_hooks(struct call *c)
{
    if (c->info[0]->IsArray() &&
        c->info[0].As<v8::Array>()->Length() == HOOK_COUNT)
        c->context->SetEmbedderData(SLOT_HOOKS, c->info[0]);
    else
        throw_type(c, "takes an array of %d functions", HOOK_COUNT);
}

/* ---- buffers ----------------------------------------------------------- */

static v8::Local<v8::ArrayBuffer> moved(v8::Isolate *isolate,
                                        v8::Local<v8::ArrayBuffer> from)
{
    std::shared_ptr<v8::BackingStore> store = from->GetBackingStore();
#if V8_MAJOR_VERSION >= 11
    from->Detach(v8::Local<v8::Value>()).Check();
#else
    from->Detach();
#endif
    return v8::ArrayBuffer::New(isolate, std::move(store));
}

static void transfer_buffer(struct call *c)
{
    if (!c->info[0]->IsArrayBuffer() ||
        !c->info[0].As<v8::ArrayBuffer>()->IsDetachable()) {
        throw_type(c, "the buffer cannot be detached");
        return;
    }
    c->info.GetReturnValue().Set(
        moved(c->isolate, c->info[0].As<v8::ArrayBuffer>()));
}

static bool detached(v8::Local<v8::ArrayBuffer> buffer)
{
#if V8_MAJOR_VERSION >= 11
    return buffer->WasDetached();
#else
    /* 10.2 has no such question, but its serializer asks it. */
    if (buffer->ByteLength() != 0)
        return false;
    v8::Isolate *isolate = v8::Isolate::GetCurrent();
    v8::TryCatch caught(isolate);
    v8::ValueSerializer probe(isolate);
    return probe.WriteValue(isolate->GetCurrentContext(), buffer).IsNothing();
#endif
}

static void is_detached(struct call *c)
{
    ret_bool(c, c->info[0]->IsArrayBuffer() &&
                    detached(c->info[0].As<v8::ArrayBuffer>()));
}

/* ---- structured clone (HTML 2.7) --------------------------------------- */

/* clone(): what to copy, what to move, and js/clone.js's functions. */
enum {
    CLONE_VALUE,
    CLONE_LIST,    /* Array of objects to transfer */
    CLONE_COPY,    /* (object, become): the copy of a platform object */
    CLONE_REFUSE,  /* (message): a DataCloneError */
    CLONE_FOREIGN, /* (object): is it a platform object? */
    CLONE_MOVE,    /* (object, become): transfers one that is no buffer */
    CLONE_BECOME,  /* passed on */
    CLONE_ARITY
};

/*
 * Platform objects are copied by JavaScript while they are met, and stand in
 * the serialised bytes as their number in `copies`.
 */
struct Cloning : v8::ValueSerializer::Delegate,
                 v8::ValueDeserializer::Delegate {
    struct call *c;
    v8::ValueSerializer *out = nullptr;
    v8::ValueDeserializer *in = nullptr;
    /* Global: V8 calls from inside handle scopes of its own. */
    std::vector<v8::Global<v8::Object>> copies;
    std::vector<v8::Global<v8::SharedArrayBuffer>> shared;
    std::vector<v8::CompiledWasmModule> modules;
    /* Prototypes of no platform object: Object's, and that last met. */
    v8::Global<v8::Value> plain, last;

    explicit Cloning(struct call *call) : c(call)
    {
    }
    v8::MaybeLocal<v8::Value> ask(int function, v8::Local<v8::Value> about)
    {
        v8::Local<v8::Value> argv[] = {about, c->info[CLONE_BECOME]};
        return c->info[function].As<v8::Function>()->Call(
            c->context, v8::Undefined(c->isolate), 2, argv);
    }
    void ThrowDataCloneError(v8::Local<v8::String> message) override
    {
        v8::Local<v8::Value> error;
        if (ask(CLONE_REFUSE, message).ToLocal(&error))
            c->isolate->ThrowException(error);
    }
#if V8_MAJOR_VERSION >= 12
    bool HasCustomHostObject(v8::Isolate *) override
    {
        return true;
    }
    /* Called for each object: a question to js/ for each class, about. */
    v8::Maybe<bool> IsHostObject(v8::Isolate *isolate,
                                 v8::Local<v8::Object> object) override
    {
        if (object->InternalFieldCount() > 0)
            return v8::Just(true);
        v8::Local<v8::Value> proto = object->GetPrototypeV2();
        if (plain.IsEmpty())
            plain.Reset(isolate, v8::Object::New(isolate)->GetPrototypeV2());
        v8::Local<v8::Value> foreign;
        if (proto->IsNull() || plain == proto || last == proto)
            return v8::Just(false);
        if (!ask(CLONE_FOREIGN, object).ToLocal(&foreign))
            return v8::Nothing<bool>();
        if (foreign->IsFalse())
            last.Reset(isolate, proto);
        return v8::Just(foreign->IsTrue());
    }
#endif
    v8::Maybe<bool> WriteHostObject(v8::Isolate *,
                                    v8::Local<v8::Object> object) override
    {
        v8::Local<v8::Value> copy;
        if (!ask(CLONE_COPY, object).ToLocal(&copy))
            return v8::Nothing<bool>();
        out->WriteUint32(static_cast<uint32_t>(copies.size()));
        copies.emplace_back(c->isolate, copy.As<v8::Object>());
        return v8::Just(true);
    }
    v8::MaybeLocal<v8::Object> ReadHostObject(v8::Isolate *) override
    {
        uint32_t i;
        if (in->ReadUint32(&i) && i < copies.size())
            return copies[i].Get(c->isolate);
        return v8::MaybeLocal<v8::Object>();
    }
    v8::Maybe<uint32_t>
    GetSharedArrayBufferId(v8::Isolate *,
                           v8::Local<v8::SharedArrayBuffer> buffer) override
    {
        for (size_t i = 0; i < shared.size(); i++)
            if (shared[i] == buffer)
                return v8::Just(static_cast<uint32_t>(i));
        shared.emplace_back(c->isolate, buffer);
        return v8::Just(static_cast<uint32_t>(shared.size() - 1));
    }
    v8::MaybeLocal<v8::SharedArrayBuffer>
    GetSharedArrayBufferFromId(v8::Isolate *, uint32_t id) override
    {
        if (id >= shared.size())
            return v8::MaybeLocal<v8::SharedArrayBuffer>();
        /* another object over the same memory */
        return v8::SharedArrayBuffer::New(
            c->isolate, shared[id].Get(c->isolate)->GetBackingStore());
    }
    v8::Maybe<uint32_t>
    GetWasmModuleTransferId(v8::Isolate *,
                            v8::Local<v8::WasmModuleObject> module) override
    {
        modules.push_back(module->GetCompiledModule());
        return v8::Just(static_cast<uint32_t>(modules.size() - 1));
    }
    v8::MaybeLocal<v8::WasmModuleObject>
    GetWasmModuleFromId(v8::Isolate *isolate, uint32_t id) override
    {
        if (id < modules.size())
            return v8::WasmModuleObject::FromCompiledModule(isolate,
                                                            modules[id]);
        return v8::MaybeLocal<v8::WasmModuleObject>();
    }
};

typedef std::vector<v8::Local<v8::Object>> Objects;

static bool transfer_list(struct call *c, Objects *list)
{
    v8::Local<v8::Array> given = c->info[CLONE_LIST].As<v8::Array>();
    for (uint32_t i = 0; i < given->Length(); i++) {
        v8::Local<v8::Value> v;
        if (!given->Get(c->context, i).ToLocal(&v) || !v->IsObject())
            return false;
        list->push_back(v.As<v8::Object>());
    }
    return true;
}

/* 2.7.7 step 5, once the value is serialised. False after a throw. */
static bool move_all(struct call *c, Cloning *cloning, const Objects &list)
{
    for (size_t i = 0; i < list.size(); i++) {
        if (!list[i]->IsArrayBuffer()) {
            if (cloning->ask(CLONE_MOVE, list[i]).IsEmpty())
                return false;
            continue;
        }
        v8::Local<v8::ArrayBuffer> buffer = list[i].As<v8::ArrayBuffer>();
        if (detached(buffer)) {
            cloning->ThrowDataCloneError(text(
                c->isolate, "An ArrayBuffer to transfer is detached already"));
            return false;
        }
        if (!buffer->IsDetachable()) {
            throw_type(c, "an ArrayBuffer to transfer cannot be detached");
            return false;
        }
        cloning->in->TransferArrayBuffer(static_cast<uint32_t>(i),
                                         moved(c->isolate, buffer));
    }
    return true;
}

static void clone(struct call *c)
{
    Cloning cloning(c);
    Objects list;
    if (!c->info[CLONE_LIST]->IsArray() || !c->info[CLONE_COPY]->IsFunction() ||
        !c->info[CLONE_REFUSE]->IsFunction() ||
        !c->info[CLONE_FOREIGN]->IsFunction() ||
        !c->info[CLONE_MOVE]->IsFunction()) {
        throw_type(c, "takes a value, an array and four functions");
        return;
    }
    if (!transfer_list(c, &list))
        return;
    v8::ValueSerializer out(c->isolate, &cloning);
    cloning.out = &out;
    out.WriteHeader();
    for (size_t i = 0; i < list.size(); i++)
        if (list[i]->IsArrayBuffer())
            out.TransferArrayBuffer(static_cast<uint32_t>(i),
                                    list[i].As<v8::ArrayBuffer>());
    if (out.WriteValue(c->context, c->info[CLONE_VALUE]).IsNothing())
        return;
    std::pair<uint8_t *, size_t> bytes = out.Release();
    v8::ValueDeserializer in(c->isolate, bytes.first, bytes.second, &cloning);
    cloning.in = &in;
    v8::Local<v8::Value> result;
    if (move_all(c, &cloning, list) &&
        in.ReadHeader(c->context).FromMaybe(false) &&
        in.ReadValue(c->context).ToLocal(&result))
        c->info.GetReturnValue().Set(result);
    free(bytes.first);
}

const struct native value_natives[] = {
    {"HostObject", 0, nullptr},
    {"clone", CLONE_ARITY, clone},
    {"entries", 1, entries},
    {"isDetached", 1, is_detached},
    {"kindOf", 1, kind_of},
    {"microtask", 1, microtask},
    {"promiseState", 1, promise_state},
    {"proxyTarget", 1, proxy_target},
    {"setHooks", 1, set_hooks},
    {"transferBuffer", 1, transfer_buffer},
    {nullptr, 0, nullptr},
};
