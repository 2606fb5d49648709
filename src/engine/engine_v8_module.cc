/*
 * engine_v8_module.cc - applications: ES modules, JSON modules, classic
 * scripts (HTML 8.1.3; ECMA-262 16.2).
 */
#include "engine/engine_v8.hh"

#include <stdlib.h>

/* ---- paths and sources ------------------------------------------------- */

/* The file URL of an absolute path: import.meta.url. */
static std::string file_url(const std::string &path)
{
    static const char hex[] = "0123456789ABCDEF";
    static const char plain[] = "-._~/!$&'()*+,;=:@";
    std::string url = "file://";
    for (char ch : path) {
        auto b = static_cast<unsigned char>(ch);
        if (ascii_alpha(ch) || ascii_digit(ch) ||
            (ch != '\0' && std::string(plain).find(ch) != std::string::npos)) {
            url += ch;
        } else {
            url += '%';
            url += hex[b >> 4];
            url += hex[b & 15];
        }
    }
    return url;
}

static v8::Local<v8::Value> type_error(v8::Isolate *isolate,
                                       const std::string &words)
{
    return v8::Exception::TypeError(text(isolate, words.c_str()));
}

/* What the loader gave, freed at the end of a block. */
struct Source : source {
    Source() : source()
    {
    }
    ~Source()
    {
        free(text);
        free(path);
    }
    Source(const Source &) = delete;
    Source &operator=(const Source &) = delete;
};

v8::MaybeLocal<v8::String> source_string(v8::Isolate *isolate,
                                         const struct source &s)
{
    if (s.n > static_cast<size_t>(v8::String::kMaxLength))
        return v8::MaybeLocal<v8::String>();
    return v8::String::NewFromUtf8(isolate, s.text, v8::NewStringType::kNormal,
                                   static_cast<int>(s.n));
}

/* Reads a source, or throws the loader's sentence. */
static bool fetch_source(struct realm *r, const char *specifier,
                         const char *referrer, Source *out)
{
    v8::Isolate *isolate = r->engine->isolate;
    struct why why = {};
    if (r->loader == nullptr) {
        isolate->ThrowException(type_error(isolate, "nothing may be imported"));
        return false;
    }
    enum err e =
        r->loader->load(r->loader->arg, specifier, referrer, out, &why);
    if (e == OK)
        return true;
    std::string words = why.text[0] != '\0' ? why.text : err_name(e);
    isolate->ThrowException(type_error(isolate, words));
    return false;
}

/* ---- the module map (HTML 8.1.3.8) ------------------------------------- */

static void recall(struct realm *r);

static module_entry *entry_by_path(struct realm *r, const std::string &path)
{
    recall(r);
    for (module_entry &entry : r->modules)
        if (entry.path == path)
            return &entry;
    return nullptr;
}

static module_entry *entry_by_module(struct realm *r,
                                     v8::Local<v8::Module> module)
{
    recall(r);
    for (module_entry &entry : r->modules)
        if (entry.hash == module->GetIdentityHash() && entry.module == module)
            return &entry;
    return nullptr;
}

static void remember(struct realm *r, const char *path,
                     v8::Local<v8::Module> module, v8::Local<v8::Value> json)
{
    module_entry entry;
    entry.path = path;
    entry.hash = module->GetIdentityHash();
    entry.module.Reset(r->engine->isolate, module);
    if (!json.IsEmpty())
        entry.json.Reset(r->engine->isolate, json);
    r->modules.push_back(std::move(entry));
}

/*
 * An image has the map as data of its context: the paths, then the modules.
 * It is looked at when an import() or import.meta asks.
 */
static void recall(struct realm *r)
{
    v8::Isolate *isolate = r->engine->isolate;
    v8::Local<v8::Context> context = r->context.Get(isolate);
    v8::Local<v8::Array> paths;
    if (r->recalled)
        return;
    r->recalled = true;
    if (!context->GetDataFromSnapshotOnce<v8::Array>(0).ToLocal(&paths))
        return;
    for (uint32_t i = 0; i < paths->Length(); i++) {
        v8::Local<v8::Module> module;
        v8::Local<v8::Value> path = paths->Get(context, i).ToLocalChecked();
        if (context->GetDataFromSnapshotOnce<v8::Module>(i + 1).ToLocal(
                &module))
            remember(r, utf8(isolate, path).c_str(), module,
                     v8::Local<v8::Value>());
    }
}

bool engine_keeps_modules(void)
{
    /* Older ones end the process when a function closes over the scope of a
     * module. */
    return V8_MAJOR_VERSION >= 12;
}

enum err modules_check(struct realm *r, struct why *why)
{
    v8::Isolate *isolate = r->engine->isolate;
    recall(r);
    /* One that could not be linked is in nobody's use. */
    std::vector<module_entry> linked;
    for (module_entry &entry : r->modules)
        if (entry.module.Get(isolate)->GetStatus() !=
            v8::Module::kUninstantiated)
            linked.push_back(std::move(entry));
    r->modules.swap(linked);
    if (!engine_keeps_modules() && !r->modules.empty())
        return why_set(why, ERR_SCRIPT,
                       "V8 %s cannot keep ES modules in an image (%s): make "
                       "one classic script of the application",
                       v8::V8::GetVersion(), r->modules[0].path.c_str());
    for (module_entry &entry : r->modules) {
        v8::Module::Status status = entry.module.Get(isolate)->GetStatus();
        if (status != v8::Module::kEvaluated && status != v8::Module::kErrored)
            return why_set(why, ERR_SCRIPT,
                           "the module %s is still being evaluated",
                           entry.path.c_str());
    }
    return OK;
}

void modules_keep(struct realm *r, v8::Local<v8::Context> context)
{
    v8::Isolate *isolate = r->engine->isolate;
    std::vector<v8::Local<v8::Value>> paths;
    for (module_entry &entry : r->modules)
        paths.push_back(text(isolate, entry.path.c_str()));
    r->engine->creator->AddData(
        context, v8::Array::New(isolate, paths.data(), paths.size()));
    for (module_entry &entry : r->modules)
        r->engine->creator->AddData(context, entry.module.Get(isolate));
    r->modules.clear();
}

static v8::MaybeLocal<v8::Value> json_evaluate(v8::Local<v8::Context> context,
                                               v8::Local<v8::Module> module)
{
    v8::Isolate *isolate = v8::Isolate::GetCurrent();
    module_entry *entry = entry_by_module(realm_of(context), module);
    v8::Local<v8::Promise::Resolver> done;
    if (entry == nullptr ||
        module
            ->SetSyntheticModuleExport(isolate, text(isolate, "default"),
                                       entry->json.Get(isolate))
            .IsNothing() ||
        !v8::Promise::Resolver::New(context).ToLocal(&done) ||
        done->Resolve(context, v8::Undefined(isolate)).IsNothing())
        return v8::MaybeLocal<v8::Value>();
    return done->GetPromise();
}

static v8::MaybeLocal<v8::Module> compile_json(struct realm *r,
                                               v8::Local<v8::Context> context,
                                               const Source &source)
{
    v8::Isolate *isolate = r->engine->isolate;
    v8::Local<v8::String> words;
    v8::Local<v8::Value> value;
    v8::TryCatch caught(isolate);
    if (!source_string(isolate, source).ToLocal(&words) ||
        !v8::JSON::Parse(context, words).ToLocal(&value)) {
        std::string message = std::string(source.path) + " is not JSON";
        if (caught.HasCaught() && !caught.HasTerminated())
            message += ": " + utf8(isolate, caught.Exception());
        caught.Reset();
        isolate->ThrowException(
            v8::Exception::SyntaxError(text(isolate, message.c_str())));
        caught.ReThrow();
        return v8::MaybeLocal<v8::Module>();
    }
    v8::Local<v8::String> names[] = {text(isolate, "default")};
#if V8_MAJOR_VERSION >= 12
    v8::MemorySpan<const v8::Local<v8::String>> exports(names, 1);
#else
    std::vector<v8::Local<v8::String>> exports(names, names + 1);
#endif
    v8::Local<v8::Module> module = v8::Module::CreateSyntheticModule(
        isolate, text(isolate, source.path), exports, json_evaluate);
    remember(r, source.path, module, value);
    return module;
}

static v8::MaybeLocal<v8::Module> compile_module(struct realm *r,
                                                 const Source &source)
{
    v8::Local<v8::Module> module;
    if (!code_module(r->engine, source).ToLocal(&module))
        return v8::MaybeLocal<v8::Module>();
    remember(r, source.path, module, v8::Local<v8::Value>());
    return module;
}

/* "type" of an import's attributes, "" when there are none. */
static std::string attribute_type(v8::Local<v8::Context> context,
                                  v8::Local<v8::FixedArray> list, int stride)
{
    v8::Isolate *isolate = v8::Isolate::GetCurrent();
    for (int i = 0; i + 1 < list->Length(); i += stride) {
        v8::Local<v8::Value> key = list->Get(context, i).As<v8::Value>();
        if (utf8(isolate, key) == "type")
            return utf8(isolate, list->Get(context, i + 1).As<v8::Value>());
    }
    return "";
}

/*
 * HostLoadImportedModule: the same path is the same module. A JSON module
 * may be named with or without `type: "json"`: V8 10.2 knows only the older
 * spelling of attributes, and one source should do for both.
 */
static v8::MaybeLocal<v8::Module> obtain(struct realm *r,
                                         v8::Local<v8::Context> context,
                                         const std::string &specifier,
                                         const char *referrer,
                                         const std::string &type)
{
    v8::Isolate *isolate = r->engine->isolate;
    Source source;
    if (!fetch_source(r, specifier.c_str(), referrer, &source))
        return v8::MaybeLocal<v8::Module>();
    if (!type.empty() && (type != "json" || !source.json)) {
        isolate->ThrowException(type_error(
            isolate, std::string(source.path) + " is not a module of type \"" +
                         type + "\""));
        return v8::MaybeLocal<v8::Module>();
    }
    if (module_entry *entry = entry_by_path(r, source.path))
        return entry->module.Get(isolate);
    return source.json ? compile_json(r, context, source)
                       : compile_module(r, source);
}

static v8::MaybeLocal<v8::Module>
resolve_import(v8::Local<v8::Context> context, v8::Local<v8::String> specifier,
               v8::Local<v8::FixedArray> attributes,
               v8::Local<v8::Module> referrer)
{
    v8::Isolate *isolate = v8::Isolate::GetCurrent();
    struct realm *r = realm_of(context);
    module_entry *from = entry_by_module(r, referrer);
    /* Copied: the map may move while the import is loaded. */
    std::string path = from != nullptr ? from->path : "";
    return obtain(r, context, utf8(isolate, specifier), path.c_str(),
                  attribute_type(context, attributes, 3));
}

/* ---- import() and import.meta ------------------------------------------ */

static void give_namespace(const v8::FunctionCallbackInfo<v8::Value> &info)
{
    info.GetReturnValue().Set(info.Data());
}

static v8::MaybeLocal<v8::Value> imported(struct realm *r,
                                          v8::Local<v8::Context> context,
                                          const std::string &specifier,
                                          const std::string &referrer,
                                          const std::string &type)
{
    v8::Local<v8::Module> module;
    v8::Local<v8::Value> evaluated;
    if (!obtain(r, context, specifier, referrer.c_str(), type)
             .ToLocal(&module) ||
        module->InstantiateModule(context, resolve_import).IsNothing() ||
        !engine_evaluate(r->engine, context, module).ToLocal(&evaluated))
        return v8::MaybeLocal<v8::Value>();
    v8::Local<v8::Function> then;
    v8::Local<v8::Promise> result;
    if (!v8::Function::New(context, give_namespace,
                           module->GetModuleNamespace())
             .ToLocal(&then) ||
        !evaluated.As<v8::Promise>()->Then(context, then).ToLocal(&result))
        return v8::MaybeLocal<v8::Value>();
    return result;
}

static v8::MaybeLocal<v8::Promise>
import_dynamically(v8::Local<v8::Context> context, v8::Local<v8::Data>,
                   v8::Local<v8::Value> referrer,
                   v8::Local<v8::String> specifier,
                   v8::Local<v8::FixedArray> attributes)
{
    v8::Isolate *isolate = v8::Isolate::GetCurrent();
    v8::Local<v8::Promise::Resolver> done;
    if (!v8::Promise::Resolver::New(context).ToLocal(&done))
        return v8::MaybeLocal<v8::Promise>();
    v8::TryCatch caught(isolate);
    v8::Local<v8::Value> value;
    if (imported(realm_of(context), context, utf8(isolate, specifier),
                 utf8(isolate, referrer),
                 attribute_type(context, attributes, 2))
            .ToLocal(&value)) {
        done->Resolve(context, value).Check();
    } else if (caught.HasTerminated()) {
        caught.ReThrow();
        return v8::MaybeLocal<v8::Promise>();
    } else {
        done->Reject(context, caught.Exception()).Check();
    }
    return done->GetPromise();
}

static void import_meta(v8::Local<v8::Context> context,
                        v8::Local<v8::Module> module,
                        v8::Local<v8::Object> meta)
{
    v8::Isolate *isolate = v8::Isolate::GetCurrent();
    module_entry *entry = entry_by_module(realm_of(context), module);
    if (entry != nullptr)
        meta->CreateDataProperty(context, text(isolate, "url"),
                                 text(isolate, file_url(entry->path).c_str()))
            .Check();
}

void modules_install(v8::Isolate *isolate)
{
    isolate->SetHostImportModuleDynamicallyCallback(import_dynamically);
    isolate->SetHostInitializeImportMetaObjectCallback(import_meta);
}

const intptr_t modules_references[] = {
    reinterpret_cast<intptr_t>(give_namespace),
    reinterpret_cast<intptr_t>(json_evaluate), 0};

/* ---- an application ---------------------------------------------------- */

static bool has_exports(v8::Local<v8::Context> context,
                        v8::Local<v8::Module> module)
{
    v8::Local<v8::Array> names;
    return !module->GetModuleNamespace()
                .As<v8::Object>()
                ->GetOwnPropertyNames(context)
                .ToLocal(&names) ||
           names->Length() > 0;
}

/* The source as a classic script; empty when it is not one. */
static v8::MaybeLocal<v8::Script> compile_classic(struct realm *r,
                                                  const Source &source)
{
    v8::TryCatch quiet(r->engine->isolate);
    return code_script(r->engine, source);
}

static enum err settle(struct realm *r, struct report *rep)
{
    v8::Isolate *isolate = r->engine->isolate;
    v8::Local<v8::Value> argv[] = {r->application.Get(isolate)};
    enum err e = realm_call_hook(r, HOOK_APP, 1, argv, rep);
    r->state = e == OK ? REALM_READY : REALM_FAILED;
    return e;
}

static enum err run_classic(struct realm *r, v8::Local<v8::Context> context,
                            v8::Local<v8::Script> script, bool bundle,
                            struct report *rep)
{
    v8::Isolate *isolate = r->engine->isolate;
    v8::TryCatch caught(isolate);
    v8::Local<v8::Value> value;
    r->state = REALM_FAILED;
    r->modules.clear();
    if (!script->Run(context).ToLocal(&value))
        return realm_threw(r, caught, rep);
    if (!bundle)
        value = v8::Undefined(isolate);
    r->application.Reset(isolate, value);
    return settle(r, rep);
}

static enum err run_module(struct realm *r, v8::Local<v8::Context> context,
                           v8::Local<v8::Module> module, struct report *rep)
{
    v8::Isolate *isolate = r->engine->isolate;
    v8::TryCatch caught(isolate);
    v8::Local<v8::Value> evaluated;
    r->state = REALM_FAILED;
    if (!engine_evaluate(r->engine, context, module).ToLocal(&evaluated))
        return realm_threw(r, caught, rep);
    r->application.Reset(isolate, module->GetModuleNamespace());
    r->loading.Reset(isolate, evaluated.As<v8::Promise>());
    evaluated.As<v8::Promise>()->MarkAsHandled();
    r->rejections.clear();
    r->state = REALM_LOADING;
    realm_checkpoint(r);
    return realm_state(r, rep) == REALM_FAILED ? ERR_SCRIPT : OK;
}

/*
 * A file is a module, unless it neither imports nor exports and is a classic
 * script as well: then it is meant to call addEventListener("fetch").
 */
static enum err load(struct realm *r, v8::Local<v8::Context> context,
                     const char *specifier, struct report *rep)
{
    v8::Isolate *isolate = r->engine->isolate;
    v8::TryCatch caught(isolate);
    Source source;
    v8::Local<v8::Module> module;
    v8::Local<v8::Script> script;
    r->state = REALM_FAILED;
    if (!fetch_source(r, specifier, nullptr, &source))
        return realm_threw(r, caught, rep);
    if (source.json) {
        isolate->ThrowException(type_error(
            isolate, std::string(source.path) + " is JSON, not a function"));
        return realm_threw(r, caught, rep);
    }
    if (source.bundle) {
        if (code_script(r->engine, source).ToLocal(&script))
            return run_classic(r, context, script, true, rep);
        return realm_threw(r, caught, rep);
    }
    if (code_is_script(r->engine, source) &&
        compile_classic(r, source).ToLocal(&script))
        return run_classic(r, context, script, false, rep);
    if (!compile_module(r, source).ToLocal(&module)) {
        if (!caught.HasTerminated() &&
            compile_classic(r, source).ToLocal(&script))
            return run_classic(r, context, script, false, rep);
        return realm_threw(r, caught, rep);
    }
    if (module->InstantiateModule(context, resolve_import).IsNothing())
        return realm_threw(r, caught, rep);
    if (module->GetModuleRequests()->Length() == 0 &&
        !has_exports(context, module) &&
        compile_classic(r, source).ToLocal(&script))
        return run_classic(r, context, script, false, rep);
    return run_module(r, context, module, rep);
}

enum err realm_load(struct realm *r, const struct loader *loader,
                    const char *specifier, struct report *rep)
{
    r->loader = loader;
    if (r->state == REALM_READY) /* the image has it */
        return OK;
    must(r->state == REALM_EMPTY);
    Entered in(r);
    return load(r, in.context, specifier, rep);
}

bool realm_is_classic(const struct realm *r)
{
    return r->recalled && r->modules.empty();
}

enum realm_state realm_state(struct realm *r, struct report *rep)
{
    if (r->state != REALM_LOADING)
        return r->state;
    Entered in(r);
    v8::Isolate *isolate = r->engine->isolate;
    v8::Local<v8::Promise> loading = r->loading.Get(isolate);
    switch (loading->State()) {
    case v8::Promise::kPending:
        if (engine_stopped(r->engine) != STOP_NONE) {
            v8::TryCatch caught(isolate);
            realm_threw(r, caught, rep);
            r->state = REALM_FAILED;
        }
        break;
    case v8::Promise::kFulfilled:
        settle(r, rep);
        break;
    case v8::Promise::kRejected:
        if (rep != nullptr)
            report_fill(in.context, loading->Result(), v8::Local<v8::Message>(),
                        rep);
        r->state = REALM_FAILED;
        break;
    }
    return r->state;
}
