/*
 * engine_v8_files.cc - the texts of js/, as functions that a context has
 * called: all but the lazy ones when the image is made, those on first use.
 */
#include "engine/engine_v8.hh"

#include <deque>

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

static void lazy_value(v8::Local<v8::Name> name,
                       const v8::PropertyCallbackInfo<v8::Value> &info);

const intptr_t *engine_references(void)
{
    if (references.empty()) {
        references.push_back(reinterpret_cast<intptr_t>(trampoline));
        references.push_back(reinterpret_cast<intptr_t>(lazy_value));
        for (const intptr_t *p = modules_references; *p != 0; p++)
            references.push_back(*p);
        for (size_t i = 0; i < js_files_count; i++) {
            texts.emplace_back(js_files[i]);
            references.push_back(reinterpret_cast<intptr_t>(&texts[i]));
        }
        references.push_back(0);
    }
    return references.data();
}

/*
 * What SLOT_FILES holds: [object of name to what the file gave, natives,
 * natives of lazy files], the last undefined until the first of them.
 *
 * A script may have put accessors on Object.prototype and Array.prototype by
 * the time a lazy file is evaluated: what is read is there, and what is new is
 * defined and not assigned.
 */
enum { FILES_MADE, FILES_NATIVES, FILES_LAZY, FILES_PARTS };

static v8::Local<v8::Value> files_part(v8::Local<v8::Context> context,
                                       uint32_t part)
{
    return context->GetEmbedderData(SLOT_FILES)
        .As<v8::Array>()
        ->Get(context, part)
        .ToLocalChecked();
}

static void files_install(v8::Local<v8::Context> context)
{
    v8::Isolate *isolate = v8::Isolate::GetCurrent();
    v8::Local<v8::Value> parts[] = {
        v8::Object::New(isolate, v8::Null(isolate), nullptr, nullptr, 0),
        natives_object(context, false), v8::Undefined(isolate)};
    context->SetEmbedderData(SLOT_FILES,
                             v8::Array::New(isolate, parts, FILES_PARTS));
}

/* A file's text as a function, compiled once for all contexts. */
static v8::MaybeLocal<v8::UnboundScript> compile(v8::Isolate *isolate,
                                                 Scripts *scripts, size_t index)
{
    if (scripts->empty())
        scripts->resize(js_files_count);
    v8::Global<v8::UnboundScript> *kept = &(*scripts)[index];
    if (!kept->IsEmpty())
        return kept->Get(isolate);
    std::string name = std::string("snapcgi:") + js_files[index].name;
    v8::Local<v8::String> words;
    if (!v8::String::NewExternalOneByte(isolate, &texts[index]).ToLocal(&words))
        return v8::MaybeLocal<v8::UnboundScript>();
    v8::ScriptCompiler::Source source(words,
                                      origin_of(isolate, name.c_str(), false));
    v8::Local<v8::UnboundScript> script;
    if (!v8::ScriptCompiler::CompileUnboundScript(isolate, &source)
             .ToLocal(&script))
        return v8::MaybeLocal<v8::UnboundScript>();
    kept->Reset(isolate, script);
    return script;
}

static void freeze(v8::Local<v8::Context> context, v8::Local<v8::Object> object)
{
    object->SetIntegrityLevel(context, v8::IntegrityLevel::kFrozen).Check();
}

/* What a file knows as `native`. */
static v8::Local<v8::Object> natives_for(v8::Local<v8::Context> context,
                                         bool lazy)
{
    v8::Local<v8::Value> all = files_part(context, FILES_NATIVES);
    v8::Local<v8::Value> more = files_part(context, FILES_LAZY);
    if (!lazy)
        return all.As<v8::Object>();
    if (more->IsObject())
        return more.As<v8::Object>();
    v8::Local<v8::Object> made = natives_object(context, true);
#if V8_MAJOR_VERSION >= 13
    made->SetPrototypeV2(context, all).Check();
#else
    made->SetPrototype(context, all).Check();
#endif
    freeze(context, made);
    context->GetEmbedderData(SLOT_FILES)
        .As<v8::Array>()
        ->Set(context, FILES_LAZY, made)
        .Check();
    return made;
}

/* What one file returns, or its module.exports. */
static v8::MaybeLocal<v8::Value> evaluate(v8::Local<v8::Context> context,
                                          v8::Local<v8::UnboundScript> script,
                                          bool lazy)
{
    v8::Isolate *isolate = v8::Isolate::GetCurrent();
    v8::Local<v8::Object> module = v8::Object::New(isolate);
    v8::Local<v8::Value> exports = v8::Object::New(isolate);
    v8::Local<v8::String> exports_name = text(isolate, "exports");
    module->CreateDataProperty(context, exports_name, exports).Check();
    v8::Local<v8::Object> natives = natives_for(context, lazy);
    v8::Local<v8::Value> body, use, result;
    if (!natives->Get(context, text(isolate, "use")).ToLocal(&use))
        return v8::MaybeLocal<v8::Value>();
    v8::Local<v8::Value> argv[] = {natives, use, module, exports};
    if (!script->BindToCurrentContext()->Run(context).ToLocal(&body) ||
        !body.As<v8::Function>()
             ->Call(context, v8::Undefined(isolate), 4, argv)
             .ToLocal(&result))
        return v8::MaybeLocal<v8::Value>();
    return result->IsUndefined() ? module->Get(context, exports_name) : result;
}

static bool files_evaluate(v8::Local<v8::Context> context, Scripts *scripts,
                           size_t index)
{
    v8::Isolate *isolate = v8::Isolate::GetCurrent();
    v8::Local<v8::UnboundScript> script;
    v8::Local<v8::Value> result;
    return compile(isolate, scripts, index).ToLocal(&script) &&
           evaluate(context, script, js_files[index].lazy).ToLocal(&result) &&
           !files_part(context, FILES_MADE)
                .As<v8::Object>()
                ->Set(context, text(isolate, js_files[index].name), result)
                .IsNothing();
}

enum err files_all(v8::Local<v8::Context> context, Scripts *scripts,
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
    freeze(context, natives_for(context, false));
    isolate->PerformMicrotaskCheckpoint();
    if (context->GetNumberOfEmbedderDataFields() <= SLOT_HOOKS ||
        !context->GetEmbedderData(SLOT_HOOKS)->IsArray())
        return why_set(why, ERR_SCRIPT, "no file of js/ called setHooks");
    return OK;
}

/* ---- as natives ---------------------------------------------------------- */

/* What that file gave, if it was evaluated. */
static bool find_made(v8::Local<v8::Context> context, v8::Local<v8::Value> name,
                      v8::Local<v8::Value> *out)
{
    v8::Local<v8::Object> made =
        files_part(context, FILES_MADE).As<v8::Object>();
    *out = made->Get(context, name).ToLocalChecked(); /* of no prototype */
    return !(*out)->IsUndefined();
}

static v8::MaybeLocal<v8::Value> use_file(v8::Local<v8::Context> context,
                                          v8::Local<v8::Value> name)
{
    v8::Isolate *isolate = v8::Isolate::GetCurrent();
    v8::Local<v8::Value> found;
    if (find_made(context, name, &found) && !found->IsNull())
        return found;
    struct realm *r = realm_of(context);
    std::string wanted = utf8(isolate, name);
    for (size_t i = 0; i < js_files_count && found->IsUndefined(); i++) {
        if (!js_files[i].lazy || wanted != js_files[i].name || r == nullptr)
            continue;
        v8::Local<v8::Object> made =
            files_part(context, FILES_MADE).As<v8::Object>();
        /* null: on its way. A file that needs itself must not find it. */
        if (made->Set(context, name, v8::Null(isolate)).IsNothing())
            return v8::MaybeLocal<v8::Value>();
        if (files_evaluate(context, &r->engine->scripts, i))
            return made->Get(context, name);
        /* where execution was ended V8 does nothing, and nothing is lost */
        made->Delete(context, name).FromMaybe(false);
        return v8::MaybeLocal<v8::Value>();
    }
    isolate->ThrowException(
        v8::Exception::Error(text(isolate, ("use(\"" + wanted +
                                            "\"): no earlier file of js/ "
                                            "has that name")
                                               .c_str())));
    return v8::MaybeLocal<v8::Value>();
}

static void use(struct call *c)
{
    v8::Local<v8::Value> v;
    if (use_file(c->context, c->info[0]).ToLocal(&v))
        c->info.GetReturnValue().Set(v);
}

static void used(struct call *c)
{
    v8::Local<v8::Value> v;
    if (find_made(c->context, c->info[0], &v) && !v->IsNull())
        c->info.GetReturnValue().Set(v);
}

/* (name): a lazy file has done its work, and shall not be in an image. */
static void forget(struct call *c)
{
    files_part(c->context, FILES_MADE)
        .As<v8::Object>()
        ->Delete(c->context, c->info[0])
        .FromMaybe(false);
}

/* The value of a global of a lazy file; V8 keeps what it returns. */
static void lazy_value(v8::Local<v8::Name> name,
                       const v8::PropertyCallbackInfo<v8::Value> &info)
{
    v8::Local<v8::Context> context = info.GetIsolate()->GetCurrentContext();
    v8::Local<v8::Value> file, value;
    if (use_file(context, info.Data()).ToLocal(&file) &&
        file.As<v8::Object>()->Get(context, name).ToLocal(&value))
        info.GetReturnValue().Set(value);
}

/* (file, name, enumerable): a global that is made when it is looked at. */
static void lazy_global(struct call *c)
{
    auto attributes =
        c->info[2]->BooleanValue(c->isolate) ? v8::None : v8::DontEnum;
    if (!c->info[0]->IsString() || !c->info[1]->IsString())
        throw_type(c, "takes two names");
    else
        c->context->Global()
            ->SetLazyDataProperty(c->context, c->info[1].As<v8::Name>(),
                                  lazy_value, c->info[0], attributes)
            .Check();
}

const struct native files_natives[] = {
    {"forget", 1, forget}, {"lazyGlobal", 3, lazy_global}, {"use", 1, use},
    {"used", 1, used},     {nullptr, 0, nullptr},
};
