/*
 * engine_v8_wasm.cc - WebAssembly.compileStreaming and instantiateStreaming
 * (WebAssembly Web API 3): V8 asks for the bytes of a source, js/wasm.js
 * gives them.
 */
#include "engine/engine_v8.hh"

#include <string.h>

/* V8 has the promise for a source and calls back with it when it is there. */
static void streaming(const v8::FunctionCallbackInfo<v8::Value> &info)
{
    v8::Isolate *isolate = info.GetIsolate();
    v8::HandleScope handles(isolate);
    struct realm *r = realm_of(isolate->GetCurrentContext());
    std::shared_ptr<v8::WasmStreaming> s =
        v8::WasmStreaming::Unpack(isolate, info.Data());
    if (r == nullptr) {
        s->Abort(v8::MaybeLocal<v8::Value>());
        return;
    }
    r->streamings.push_back(s);
    v8::Local<v8::Value> argv[] = {
        v8::Integer::New(isolate, static_cast<int>(r->streamings.size()) - 1),
        info[0]};
    realm_hook_inside(r, HOOK_WASM, 2, argv);
}

void wasm_install(v8::Isolate *isolate)
{
    isolate->SetWasmStreamingCallback(streaming);
}

/* Whose bytes never end V8 would keep, and the context with it. */
void wasm_drop(struct realm *r)
{
    std::vector<std::shared_ptr<v8::WasmStreaming>> all;
    all.swap(r->streamings);
    for (std::shared_ptr<v8::WasmStreaming> &one : all)
        if (one != nullptr)
            one->Abort(v8::MaybeLocal<v8::Value>());
}

/* That compilation, if it still waits. */
static std::shared_ptr<v8::WasmStreaming> *waiting(struct call *c)
{
    struct realm *r = realm_of(c->context);
    int32_t id = arg_int(c, 0);
    if (r == nullptr || id < 0 ||
        static_cast<size_t>(id) >= r->streamings.size() ||
        r->streamings[static_cast<size_t>(id)] == nullptr)
        return nullptr;
    return &r->streamings[static_cast<size_t>(id)];
}

/* (id, bytes) */
static void wasm_bytes(struct call *c)
{
    std::shared_ptr<v8::WasmStreaming> *s = waiting(c);
    struct slice bytes = arg_bytes(c, 1);
    if (s != nullptr && bytes.n > 0)
        (*s)->OnBytesReceived(reinterpret_cast<const uint8_t *>(bytes.p),
                              bytes.n);
}

/* (id) */
static void wasm_end(struct call *c)
{
    std::shared_ptr<v8::WasmStreaming> *s = waiting(c);
    if (s == nullptr)
        return;
    std::shared_ptr<v8::WasmStreaming> last = std::move(*s);
    last->Finish();
}

/* (id, reason): the promise is rejected with it. */
static void wasm_fail(struct call *c)
{
    std::shared_ptr<v8::WasmStreaming> *s = waiting(c);
    if (s == nullptr)
        return;
    std::shared_ptr<v8::WasmStreaming> last = std::move(*s);
    last->Abort(c->info[1]);
}

const struct native wasm_natives[] = {
    {"wasmBytes", 2, wasm_bytes},
    {"wasmEnd", 1, wasm_end},
    {"wasmFail", 2, wasm_fail},
    {nullptr, 0, nullptr},
};
