/*
 * engine_v8.hh - what the engine's own .cc files share. Nobody else includes
 * it: the rest of the program sees engine.h and native.h.
 */
#ifndef ENGINE_ENGINE_V8_HH
#define ENGINE_ENGINE_V8_HH

#include <v8.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

extern "C" {
#include "engine/engine.h"
}

/* Slots of a context's embedder data; 0 is the inspector's by custom. */
enum { SLOT_REALM = 1, SLOT_HOOKS = 2, SLOT_FILES = 3 };

/* The files of js/ compiled, by index; empty until one is. */
typedef std::vector<v8::Global<v8::UnboundScript>> Scripts;

/* ArrayBuffer memory under a budget. */
class Buffers : public v8::ArrayBuffer::Allocator
{
  public:
    explicit Buffers(size_t limit) : limit_(limit)
    {
    }
    void *Allocate(size_t n) override;
    void *AllocateUninitialized(size_t n) override;
    void Free(void *p, size_t n) override;
    /* Counts memory made elsewhere; false when over the budget. */
    bool take(size_t n);
    void give(size_t n);
    size_t used() const
    {
        return used_.load(std::memory_order_relaxed);
    }

  private:
    size_t limit_;
    std::atomic<size_t> used_{0};
};

/* A text of an application, for all engines; engine_v8_code.cc. */
struct code {
    std::string path;
    std::string text;
    bool script = false;       /* it can be compiled as one, and then is */
    std::vector<uint8_t> data; /* V8's code cache of it, or empty */
    unsigned asked = 0;        /* how often engine_keep_code() met it */
};

/* What one engine has compiled of a text, for its realms. */
struct unit {
    std::shared_ptr<code> of;
    v8::Global<v8::String> words;
    v8::Global<v8::UnboundModuleScript> module;
    v8::Global<v8::UnboundScript> script;
};

struct engine {
    v8::Isolate *isolate;
    Buffers *buffers;
    v8::StartupData blob;
    std::atomic<int> stop{STOP_NONE};
    std::atomic<int> stopping{0};        /* calls of engine_terminate() */
    std::atomic<bool> evaluating{false}; /* engine_evaluate() */
    std::atomic<unsigned> stack_depth{0};
    std::atomic<engine_stack_fn *> stack_fn{nullptr};
    std::vector<struct realm *> realms;
    Scripts scripts;              /* of lazy files */
    std::vector<unit> units;      /* of applications */
    bool keeps_code;              /* there are more realms to come */
    bool loaded;                  /* the image has an application */
    v8::SnapshotCreator *creator; /* with ENGINE_BUILD, else nullptr */
    size_t handles;               /* bytes of V8's own global handles */
};

struct module_entry {
    std::string path;
    int hash; /* Module::GetIdentityHash */
    v8::Global<v8::Module> module;
    v8::Global<v8::Value> json; /* of a JSON module */
};

struct rejection {
    v8::Global<v8::Promise> promise;
    v8::Global<v8::Value> reason;
    bool handled; /* after it was reported */
};

struct realm {
    struct engine *engine;
    v8::Global<v8::Context> context;
    void *host;
    const struct loader *loader;
    enum realm_state state;
    v8::Global<v8::Promise> loading;   /* the evaluation of the application */
    v8::Global<v8::Value> application; /* namespace, undefined if classic */
    std::vector<module_entry> modules;
    bool recalled; /* modules of the image are among them */
    std::vector<rejection> rejections;
    /* Compilations that wait for bytes, by number; see engine_v8_wasm.cc. */
    std::vector<std::shared_ptr<v8::WasmStreaming>> streamings;
};

/* One native call; see native.h. */
struct call {
    const v8::FunctionCallbackInfo<v8::Value> &info;
    v8::Isolate *isolate;
    v8::Local<v8::Context> context;
    const struct native *native;
    bool thrown;
    bool listing;
    std::vector<v8::Local<v8::Value>> list;
    std::vector<void *> scratch; /* freed when the native returns */
    size_t small_used;
    alignas(16) char small[1024]; /* what most arguments fit in */

    call(const v8::FunctionCallbackInfo<v8::Value> &i, const struct native *n)
        : info(i), isolate(i.GetIsolate()),
          context(isolate->GetCurrentContext()), native(n), thrown(false),
          listing(false), small_used(0)
    {
    }
    ~call();
    void *lend(size_t n);
    /* That many bytes more can be lent without an allocation. */
    size_t small_left() const
    {
        return sizeof small - small_used;
    }
    void small_take(size_t n)
    {
        n = (n + 15) & ~size_t{15};
        small_used += n < small_left() ? n : small_left();
    }
};

/* Enters isolate and context for the life of a block. */
struct Entered {
    v8::Isolate::Scope isolate;
    v8::HandleScope handles;
    v8::Local<v8::Context> context;
    v8::Context::Scope inside;

    explicit Entered(struct realm *r)
        : isolate(r->engine->isolate), handles(r->engine->isolate),
          context(r->context.Get(r->engine->isolate)), inside(context)
    {
    }
};

/* engine_v8.cc */
/* Runs what V8 itself has to do on this thread; false: there was nothing. */
bool engine_pump(struct engine *e);
/* Module::Evaluate, which engine_terminate() may end. */
v8::MaybeLocal<v8::Value> engine_evaluate(struct engine *e,
                                          v8::Local<v8::Context> context,
                                          v8::Local<v8::Module> module);

/* engine_v8_snapshot.cc */
/* Makes the isolate one that can be written. */
void snapshot_begin(struct engine *e, const v8::Isolate::CreateParams &params,
                    size_t heap);
/* What V8 leaves out of such isolates and adds to others. */
void snapshot_complete(struct realm *r, v8::Local<v8::Context> context);

/* engine_v8_realm.cc */
struct realm *realm_adopt(struct engine *e, v8::Local<v8::Context> context);
/* nullptr before it has one, and when that is over. */
struct realm *realm_of(v8::Local<v8::Context> context);
bool realm_is_over(v8::Local<v8::Context> context);
enum err realm_call_hook(struct realm *r, enum hook h, int argc,
                         v8::Local<v8::Value> *argv, struct report *rep);
/* From within JavaScript: no microtasks run; false after a throw. */
bool realm_hook_inside(struct realm *r, enum hook h, int argc,
                       v8::Local<v8::Value> *argv);
void realm_checkpoint(struct realm *r);
void promise_reject(v8::PromiseRejectMessage message);

/* engine_v8_report.cc */
enum err realm_threw(struct realm *r, const v8::TryCatch &caught,
                     struct report *rep);
void report_fill(v8::Local<v8::Context> context, v8::Local<v8::Value> thrown,
                 v8::Local<v8::Message> message, struct report *rep);
/* What V8's own tasks threw; V8 itself would print it to stdout. */
void uncaught(v8::Local<v8::Message> message, v8::Local<v8::Value> data);
/* A string's bytes as UTF-8, for a message; "" when there are none. */
std::string utf8(v8::Isolate *isolate, v8::Local<v8::Value> v);

/* engine_v8_heap.cc */
/* Makes harmless what V8 would write so that a restored heap is broken. */
void heap_mend(struct realm *r);

/* engine_v8_call.cc */
void trampoline(const v8::FunctionCallbackInfo<v8::Value> &info);
void natives_flatten(const struct native *const *tables);
/* The natives of all files, or those that lazy files have besides. */
v8::Local<v8::Object> natives_object(v8::Local<v8::Context> context, bool lazy);

/* engine_v8_files.cc */
/* What an image refers to outside itself. */
const intptr_t *engine_references(void);
/* Evaluates all but the lazy files in a new context; it must be entered. */
enum err files_all(v8::Local<v8::Context> context, Scripts *scripts,
                   struct why *why);
extern const struct native files_natives[];

/* engine_v8_module.cc */
void modules_install(v8::Isolate *isolate);
/* Callbacks that an image may hold; 0 ends. */
extern const intptr_t modules_references[];
/* Can its modules be in an image? Then the whole map is in memory. */
enum err modules_check(struct realm *r, struct why *why);
/* They become data of the context; the map is empty then. */
void modules_keep(struct realm *r, v8::Local<v8::Context> context);

v8::MaybeLocal<v8::String> source_string(v8::Isolate *isolate,
                                         const struct source &s);

/* engine_v8_code.cc */
/* They throw; the context is the one entered. */
v8::MaybeLocal<v8::Module> code_module(struct engine *e,
                                       const struct source &s);
v8::MaybeLocal<v8::Script> code_script(struct engine *e,
                                       const struct source &s);
/* Was that text compiled as a script before? */
bool code_is_script(struct engine *e, const struct source &s);

/* engine_v8_value.cc: natives that look into values; first table of all. */
extern const struct native value_natives[];

/* engine_v8_wasm.cc */
void wasm_install(v8::Isolate *isolate);
/* Gives up the compilations of a realm that ends; in its isolate. */
void wasm_drop(struct realm *r);
extern const struct native wasm_natives[];

static inline v8::Local<v8::String> text(v8::Isolate *isolate, const char *s)
{
    return v8::String::NewFromUtf8(isolate, s).ToLocalChecked();
}

/* Where a source text is from, for stacks and messages. */
static inline v8::ScriptOrigin origin_of(v8::Isolate *isolate, const char *name,
                                         bool module)
{
#if V8_MAJOR_VERSION >= 12
    return v8::ScriptOrigin(text(isolate, name), 0, 0, false, -1,
                            v8::Local<v8::Value>(), false, false, module);
#else
    return v8::ScriptOrigin(isolate, text(isolate, name), 0, 0, false, -1,
                            v8::Local<v8::Value>(), false, false, module);
#endif
}

#endif
