/*
 * engine_v8_code.cc - texts of applications compiled once.
 *
 * Realms of one engine share what is compiled: V8 finds it again by the text,
 * if the string of it is at hand. Engines of one process share V8's code
 * cache. That one is checked for the length of the text and nothing else, so
 * it is kept with the text and looked for by all of it.
 */
#include "engine/engine_v8.hh"

#include <list>

#include <string.h>

/* Bytes of all texts and caches of the process. */
static const size_t code_ceiling = size_t{32} << 20;

/* The last used first. The thread of the engines alone uses it. */
static std::list<std::shared_ptr<code>> codes;
static uint64_t taken;

static size_t size_of(const code &c)
{
    return sizeof c + c.path.size() + c.text.size() + c.data.size();
}

/* Now the last used; what is over the ceiling goes. */
static void touch(const std::shared_ptr<code> &used)
{
    size_t sum = 0;
    codes.remove(used);
    codes.push_front(used);
    for (auto at = codes.begin(); at != codes.end();) {
        sum += size_of(**at);
        if (sum <= code_ceiling) {
            at++;
            continue;
        }
        /* An engine may hold it still, for its text. */
        std::vector<uint8_t>().swap((*at)->data);
        at = codes.erase(at);
    }
}

static bool is_of(const code &c, const struct source &s)
{
    return c.text.size() == s.n && c.path == s.path &&
           memcmp(c.text.data(), s.text, s.n) == 0;
}

static std::shared_ptr<code> code_of(const struct source &s)
{
    for (const std::shared_ptr<code> &c : codes)
        if (is_of(*c, s))
            return c;
    auto made = std::make_shared<code>();
    made->path = s.path;
    made->text.assign(s.text, s.n);
    return made;
}

/* What the engine has of the text; nullptr where nothing is kept. */
static unit *unit_of(struct engine *e, const struct source &s)
{
    if (!e->keeps_code)
        return nullptr;
    for (unit &u : e->units) {
        if (u.of->path != s.path)
            continue;
        if (!is_of(*u.of, s)) {
            u = unit();
            u.of = code_of(s);
            touch(u.of);
        }
        return &u;
    }
    e->units.emplace_back();
    e->units.back().of = code_of(s);
    touch(e->units.back().of);
    return &e->units.back();
}

static bool words_of(struct engine *e, const struct source &s, unit *u,
                     v8::Local<v8::String> *out)
{
    v8::Isolate *isolate = e->isolate;
    if (u != nullptr && !u->words.IsEmpty()) {
        *out = u->words.Get(isolate);
        return true;
    }
    if (!source_string(isolate, s).ToLocal(out)) {
        std::string why = std::string(s.path) + " is too long for a string";
        isolate->ThrowException(
            v8::Exception::TypeError(text(isolate, why.c_str())));
        return false;
    }
    if (u != nullptr)
        u->words.Reset(isolate, *out);
    return true;
}

/* A text about to be compiled, with the cache of it if there is one. */
struct Compiled {
    unit *u;
    bool cached;
    v8::ScriptCompiler::Source source;

    Compiled(struct engine *e, const char *path, v8::Local<v8::String> words,
             unit *of, bool module)
        : u(of), cached(of != nullptr && of->module.IsEmpty() &&
                        of->of->script != module && !of->of->data.empty()),
          source(words, origin_of(e->isolate, path, module),
                 cached ? new v8::ScriptCompiler::CachedData(
                              of->of->data.data(),
                              static_cast<int>(of->of->data.size()))
                        : nullptr)
    {
    }
    v8::ScriptCompiler::CompileOptions options() const
    {
        return cached ? v8::ScriptCompiler::kConsumeCodeCache
                      : v8::ScriptCompiler::kNoCompileOptions;
    }
    ~Compiled()
    {
        if (cached && source.GetCachedData()->rejected)
            u->of->data.clear();
        else if (cached)
            taken++;
    }
};

v8::MaybeLocal<v8::Module> code_module(struct engine *e, const struct source &s)
{
    unit *u = unit_of(e, s);
    v8::Local<v8::String> words;
    v8::Local<v8::Module> module;
    if (!words_of(e, s, u, &words))
        return module;
    Compiled unit(e, s.path, words, u, true);
    if (v8::ScriptCompiler::CompileModule(e->isolate, &unit.source,
                                          unit.options())
            .ToLocal(&module) &&
        u != nullptr)
        u->module.Reset(e->isolate, module->GetUnboundModuleScript());
    return module;
}

v8::MaybeLocal<v8::Script> code_script(struct engine *e, const struct source &s)
{
    unit *u = unit_of(e, s);
    v8::Local<v8::String> words;
    v8::Local<v8::UnboundScript> script;
    if (u != nullptr && !u->script.IsEmpty())
        return u->script.Get(e->isolate)->BindToCurrentContext();
    if (!words_of(e, s, u, &words))
        return v8::MaybeLocal<v8::Script>();
    Compiled unit(e, s.path, words, u, false);
    if (!v8::ScriptCompiler::CompileUnboundScript(e->isolate, &unit.source,
                                                  unit.options())
             .ToLocal(&script))
        return v8::MaybeLocal<v8::Script>();
    if (u != nullptr) {
        u->script.Reset(e->isolate, script);
        u->module.Reset();
        if (!u->of->script)
            u->of->data.clear();
        u->of->script = true;
    }
    return script->BindToCurrentContext();
}

bool code_is_script(struct engine *e, const struct source &s)
{
    unit *u = unit_of(e, s);
    return u != nullptr && u->of->script;
}

/* Of all that is compiled by now, and was compiled in earlier engines. */
static void cache(v8::Isolate *isolate, unit *u)
{
    std::shared_ptr<code> c = u->of;
    std::unique_ptr<v8::ScriptCompiler::CachedData> made;
    if (!u->script.IsEmpty())
        made.reset(v8::ScriptCompiler::CreateCodeCache(u->script.Get(isolate)));
    else if (!u->module.IsEmpty() && !c->script)
        made.reset(v8::ScriptCompiler::CreateCodeCache(u->module.Get(isolate)));
    if (made == nullptr || static_cast<size_t>(made->length) <= c->data.size())
        return;
    c->data.assign(made->data, made->data + made->length);
    touch(c);
}

void engine_keep_code(struct engine *e)
{
    v8::Isolate::Scope inside(e->isolate);
    v8::HandleScope handles(e->isolate);
    if (engine_stopped(e) != STOP_NONE)
        return;
    for (unit &u : e->units) {
        unsigned asked = ++u.of->asked;
        if ((asked & (asked - 1)) == 0)
            cache(e->isolate, &u);
    }
}

size_t engine_code(uint64_t *times)
{
    *times = taken;
    size_t sum = 0;
    for (const std::shared_ptr<code> &c : codes)
        sum += size_of(*c);
    return sum;
}
