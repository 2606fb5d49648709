/*
 * engine_v8_snapshot.cc - js/ evaluated once, as a startup snapshot.
 */
#include "engine/engine_v8.hh"

#include <deque>

#include <stdlib.h>
#include <string.h>

extern "C" {
#include "engine/js_files.h"
}

/*
 * The texts stay where the program has them: an image holds a reference to
 * each (engine_references), and no copy.
 */
class Text : public v8::String::ExternalOneByteStringResource
{
  public:
    explicit Text(const struct js_file &file) : file_(file)
    {
    }
    const char *data() const override
    {
        return file_.text;
    }
    size_t length() const override
    {
        return file_.n;
    }
    void Dispose() override
    {
        /* V8 lets go of it; the program keeps it. */
    }

  private:
    const struct js_file &file_;
};

static std::deque<Text> texts; /* never moved */
static std::vector<intptr_t> references;

const intptr_t *engine_references(void)
{
    if (references.empty()) {
        references.push_back(reinterpret_cast<intptr_t>(trampoline));
        for (size_t i = 0; i < js_files_count; i++) {
            texts.emplace_back(js_files[i]);
            references.push_back(reinterpret_cast<intptr_t>(&texts[i]));
        }
        references.push_back(0);
    }
    return references.data();
}

/*
 * use(name) gives what an earlier file returned. The closure that keeps them
 * is dropped with the builder: files take what they need at load.
 */
static const char registry[] =
    "(function () {"
    "  const made = new Map();"
    "  return ["
    "    (name) => {"
    "      if (!made.has(name))"
    "        throw new Error(`use(\"${name}\"): no earlier file has that "
    "name`);"
    "      return made.get(name);"
    "    },"
    "    (name, value) => { made.set(name, value); },"
    "  ];"
    "})()";

static v8::Local<v8::Array> make_registry(v8::Local<v8::Context> context)
{
    v8::Isolate *isolate = v8::Isolate::GetCurrent();
    v8::ScriptCompiler::Source source(
        text(isolate, registry), origin_of(isolate, "snapcgi:registry", false));
    return v8::ScriptCompiler::Compile(context, &source)
        .ToLocalChecked()
        ->Run(context)
        .ToLocalChecked()
        .As<v8::Array>();
}

/* A file's text as a function, compiled once for all contexts. */
static v8::MaybeLocal<v8::UnboundScript> compile(v8::Isolate *isolate,
                                                 size_t index)
{
    std::string name = std::string("snapcgi:") + js_files[index].name;
    v8::Local<v8::String> words;
    if (!v8::String::NewExternalOneByte(isolate, &texts[index]).ToLocal(&words))
        return v8::MaybeLocal<v8::UnboundScript>();
    v8::ScriptCompiler::Source source(words,
                                      origin_of(isolate, name.c_str(), false));
    return v8::ScriptCompiler::CompileUnboundScript(isolate, &source);
}

/* What one file returns, or its module.exports. */
static v8::MaybeLocal<v8::Value> evaluate(v8::Local<v8::Context> context,
                                          v8::Local<v8::UnboundScript> script,
                                          v8::Local<v8::Object> natives,
                                          v8::Local<v8::Value> use)
{
    v8::Isolate *isolate = v8::Isolate::GetCurrent();
    v8::Local<v8::Object> module = v8::Object::New(isolate);
    v8::Local<v8::Value> exports = v8::Object::New(isolate);
    v8::Local<v8::String> exports_name = text(isolate, "exports");
    module->Set(context, exports_name, exports).Check();
    v8::Local<v8::Value> body, result;
    v8::Local<v8::Value> argv[] = {natives, use, module, exports};
    if (!script->BindToCurrentContext()->Run(context).ToLocal(&body) ||
        !body.As<v8::Function>()
             ->Call(context, v8::Undefined(isolate), 4, argv)
             .ToLocal(&result))
        return v8::MaybeLocal<v8::Value>();
    return result->IsUndefined() ? module->Get(context, exports_name) : result;
}

typedef std::vector<v8::Global<v8::UnboundScript>> Scripts;

static bool evaluate_file(v8::Local<v8::Context> context, size_t index,
                          v8::Global<v8::UnboundScript> *script,
                          v8::Local<v8::Object> natives,
                          v8::Local<v8::Array> registry_pair)
{
    v8::Isolate *isolate = v8::Isolate::GetCurrent();
    v8::Local<v8::UnboundScript> unbound;
    if (script->IsEmpty()) {
        if (!compile(isolate, index).ToLocal(&unbound))
            return false;
        script->Reset(isolate, unbound);
    }
    unbound = script->Get(isolate);
    v8::Local<v8::Value> use, provide, result;
    if (!registry_pair->Get(context, 0).ToLocal(&use) ||
        !registry_pair->Get(context, 1).ToLocal(&provide) ||
        !evaluate(context, unbound, natives, use).ToLocal(&result))
        return false;
    v8::Local<v8::Value> made[] = {text(isolate, js_files[index].name), result};
    return !provide.As<v8::Function>()
                ->Call(context, v8::Undefined(isolate), 2, made)
                .IsEmpty();
}

static enum err evaluate_all(v8::Local<v8::Context> context, Scripts *scripts,
                             struct why *why)
{
    v8::Isolate *isolate = v8::Isolate::GetCurrent();
    v8::TryCatch caught(isolate);
    v8::Local<v8::Object> natives = natives_object(context);
    v8::Local<v8::Array> pair = make_registry(context);
    for (size_t i = 0; i < js_files_count; i++) {
        if (evaluate_file(context, i, &(*scripts)[i], natives, pair))
            continue;
        struct report rep;
        report_init(&rep);
        report_fill(context, caught.Exception(), caught.Message(), &rep);
        enum err e = why_set(why, ERR_SCRIPT, "js/%s.js:%d: %s",
                             js_files[i].name, rep.line, buf_str(&rep.head));
        report_free(&rep);
        return e;
    }
    natives->SetIntegrityLevel(context, v8::IntegrityLevel::kFrozen).Check();
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
        Scripts scripts(js_files_count);
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
