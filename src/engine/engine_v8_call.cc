/*
 * engine_v8_call.cc - native.h over V8: one trampoline, arguments, results.
 */
#include "engine/engine_v8.hh"

extern "C" {
#include "base/hash.h"
#include "base/utf8.h"
}

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Every native of every table, by the integer in its template's data. */
static std::vector<const struct native *> flat;

/* The engine's own, before all others. */
static const struct native *const engine_tables[] = {
    value_natives, files_natives, wasm_natives, nullptr};
static size_t flat_lazy; /* where those for lazy files begin */

static const struct native *const *flatten(const struct native *const *tables)
{
    for (; *tables != nullptr; tables++)
        for (const struct native *n = *tables; n->name != nullptr; n++)
            flat.push_back(n);
    return tables + 1;
}

void natives_flatten(const struct native *const *tables)
{
    flat.clear();
    flatten(engine_tables);
    tables = flatten(tables);
    flat_lazy = flat.size();
    flatten(tables);
}

/* Names, arities and their order. */
static void mix_tables(uint64_t *h, const struct native *const *tables)
{
    for (; *tables != nullptr; tables++)
        for (const struct native *n = *tables; n->name != nullptr; n++) {
            hash_add(h, n->name, strlen(n->name) + 1);
            hash_add(h, &n->arity, sizeof n->arity);
        }
    hash_add(h, "", 1);
}

uint64_t engine_fingerprint(const struct native *const *tables)
{
    uint64_t h = HASH_START;
    mix_tables(&h, engine_tables);
    mix_tables(&h, tables);
    while (*tables++ != nullptr) {
    }
    mix_tables(&h, tables);
    return h;
}

v8::Local<v8::Object> natives_object(v8::Local<v8::Context> context, bool lazy)
{
    v8::Isolate *isolate = v8::Isolate::GetCurrent();
    v8::EscapableHandleScope handles(isolate);
    v8::Local<v8::Object> object = v8::Object::New(isolate);
    size_t end = lazy ? flat.size() : flat_lazy;
    for (size_t i = lazy ? flat_lazy : 0; i < end; i++) {
        bool constructs = flat[i]->fn == nullptr;
        v8::Local<v8::FunctionTemplate> one = v8::FunctionTemplate::New(
            isolate, trampoline, v8::Integer::New(isolate, static_cast<int>(i)),
            v8::Local<v8::Signature>(), flat[i]->arity,
            constructs ? v8::ConstructorBehavior::kAllow
                       : v8::ConstructorBehavior::kThrow);
        if (constructs)
            one->InstanceTemplate()->SetInternalFieldCount(1);
        v8::Local<v8::String> name = text(isolate, flat[i]->name);
        one->SetClassName(name);
        /* not assigned: a script's setter would be given the native */
        object
            ->CreateDataProperty(context, name,
                                 one->GetFunction(context).ToLocalChecked())
            .Check();
    }
    return handles.Escape(object);
}

void trampoline(const v8::FunctionCallbackInfo<v8::Value> &info)
{
    const auto index =
        static_cast<size_t>(info.Data().As<v8::Integer>()->Value());
    const struct native *n = flat[index];
    if (n->fn == nullptr)
        return; /* HostObject: the instance is all there is to make */
    struct call c(info, n);
    /* Its host is gone. */
    if (realm_is_over(c.context)) {
        throw_type(&c, "The request is over");
        return;
    }
    if (info.Length() < n->arity) {
        throw_type(&c, "takes %d arguments, got %d", n->arity, info.Length());
        return;
    }
    n->fn(&c);
    if (c.listing && !c.thrown)
        info.GetReturnValue().Set(
            v8::Array::New(c.isolate, c.list.data(), c.list.size()));
}

call::~call()
{
    for (void *p : scratch)
        free(p);
}

/* Memory that lives as long as the call; NULL when there is none. */
void *call::lend(size_t n)
{
    if (n <= small_left()) {
        void *here = small + small_used;
        small_take(n);
        return here;
    }
    void *p = malloc(n);
    if (p != nullptr)
        scratch.push_back(p);
    else
        throw_range(this, "out of memory for %zu bytes", n);
    return p;
}

void *call_host(struct call *c)
{
    struct realm *r = realm_of(c->context);
    return r != nullptr ? r->host : nullptr;
}

/* ---- arguments --------------------------------------------------------- */

static void wrong(struct call *c, int i, const char *wanted)
{
    if (!c->thrown)
        throw_type(c, "argument %d is not %s", i + 1, wanted);
}

bool arg_is_undefined(struct call *c, int i)
{
    return c->info[i]->IsNullOrUndefined();
}

bool arg_is_string(struct call *c, int i)
{
    return c->info[i]->IsString();
}

bool arg_is_number(struct call *c, int i)
{
    return c->info[i]->IsNumber();
}

bool arg_bool(struct call *c, int i)
{
    return c->info[i]->BooleanValue(c->isolate);
}

double arg_num(struct call *c, int i)
{
    if (c->info[i]->IsNumber())
        return c->info[i].As<v8::Number>()->Value();
    wrong(c, i, "a number");
    return 0;
}

int32_t arg_int(struct call *c, int i)
{
    if (c->info[i]->IsInt32())
        return c->info[i].As<v8::Int32>()->Value();
    wrong(c, i, "a 32-bit integer");
    return 0;
}

#define GUESS_MAX (1u << 20) /* bytes */

static size_t write_utf8(struct call *c, v8::Local<v8::String> s, char *p,
                         size_t max)
{
#if V8_MAJOR_VERSION >= 13
    return s->WriteUtf8V2(c->isolate, p, max,
                          v8::String::WriteFlags::kReplaceInvalidUtf8);
#else
    return static_cast<size_t>(s->WriteUtf8(
        c->isolate, p, static_cast<int>(max), nullptr,
        v8::String::NO_NULL_TERMINATION | v8::String::REPLACE_INVALID_UTF8));
#endif
}

static void write_latin1(struct call *c, v8::Local<v8::String> s, char *p,
                         size_t n)
{
    auto *to = reinterpret_cast<uint8_t *>(p);
#if V8_MAJOR_VERSION >= 13
    s->WriteOneByteV2(c->isolate, 0, static_cast<uint32_t>(n), to);
#else
    s->WriteOneByte(c->isolate, to, 0, static_cast<int>(n),
                    v8::String::NO_NULL_TERMINATION);
#endif
}

/* malloc'd, as Latin-1 strings are fastest: V8 measures slowly. */
static char *utf8_of_latin1(struct call *c, v8::Local<v8::String> s, size_t *n)
{
    *n = static_cast<size_t>(s->Length());
    auto *p = static_cast<char *>(malloc(*n + 1));
    if (p == nullptr)
        return nullptr;
    write_latin1(c, s, p, *n);
    size_t length = *n, high = utf8_count_high({p, length});
    if (high == 0)
        return p;
    *n += high;
    auto *wide = static_cast<char *>(realloc(p, *n + 1));
    if (wide == nullptr) {
        free(p);
        return nullptr;
    }
    memmove(wide + high, wide, length);
    utf8_from_latin1(wide, length, high);
    return wide;
}

/*
 * malloc'd, by guessing high: measuring takes as long as writing. Copied then,
 * and not cut with realloc(), which would keep malloc from learning that such
 * sizes are usual, and have it ask the kernel each time.
 */
static char *utf8_of_utf16(struct call *c, v8::Local<v8::String> s, size_t *n)
{
    *n = static_cast<size_t>(s->Length()) * 3;
    if (*n > GUESS_MAX)
#if V8_MAJOR_VERSION >= 13
        *n = s->Utf8LengthV2(c->isolate);
#else
        *n = static_cast<size_t>(s->Utf8Length(c->isolate));
#endif
    auto *p = static_cast<char *>(malloc(*n + 1));
    if (p == nullptr)
        return nullptr;
    *n = write_utf8(c, s, p, *n);
    auto *fitting = static_cast<char *>(malloc(*n + 1));
    if (fitting != nullptr)
        memcpy(fitting, p, *n);
    free(p);
    return fitting;
}

/* malloc'd and NUL-terminated; NULL after a throw. */
static char *long_utf8(struct call *c, v8::Local<v8::String> s, size_t *n)
{
    char *p = s->IsOneByte() ? utf8_of_latin1(c, s, n) : utf8_of_utf16(c, s, n);
    if (p != nullptr)
        p[*n] = '\0';
    else
        throw_range(c, "out of memory for %zu bytes", *n);
    return p;
}

static struct slice string_utf8(struct call *c, v8::Local<v8::String> s)
{
    char *p = c->small + c->small_used;
    size_t n = static_cast<size_t>(s->Length()) * 3; /* at most */
    if (n < c->small_left()) {
        n = write_utf8(c, s, p, n);
        p[n] = '\0';
        c->small_take(n + 1);
        return {p, n};
    }
    p = long_utf8(c, s, &n);
    if (p == nullptr)
        return {nullptr, 0};
    c->scratch.push_back(p);
    return {p, n};
}

static struct slice string_latin1(struct call *c, v8::Local<v8::String> s,
                                  int i)
{
    auto n = static_cast<size_t>(s->Length());
    if (!s->ContainsOnlyOneByte()) {
        wrong(c, i, "a string of Latin-1 characters");
        return {nullptr, 0};
    }
    auto *p = static_cast<char *>(c->lend(n + 1));
    if (p == nullptr)
        return {nullptr, 0};
    write_latin1(c, s, p, n);
    p[n] = '\0';
    return {p, n};
}

struct slice arg_utf8(struct call *c, int i)
{
    if (c->info[i]->IsString())
        return string_utf8(c, c->info[i].As<v8::String>());
    wrong(c, i, "a string");
    return {nullptr, 0};
}

char *arg_utf8_take(struct call *c, int i, size_t *n)
{
    *n = 0;
    if (c->info[i]->IsString())
        return long_utf8(c, c->info[i].As<v8::String>(), n);
    wrong(c, i, "a string");
    return nullptr;
}

struct slice arg_latin1(struct call *c, int i)
{
    if (c->info[i]->IsString())
        return string_latin1(c, c->info[i].As<v8::String>(), i);
    wrong(c, i, "a string");
    return {nullptr, 0};
}

void *arg_bytes_mut(struct call *c, int i, size_t *n)
{
    v8::Local<v8::Value> v = c->info[i];
    *n = 0;
    if (v->IsArrayBufferView()) {
        v8::Local<v8::ArrayBufferView> view = v.As<v8::ArrayBufferView>();
        *n = view->ByteLength();
        auto *base = static_cast<char *>(view->Buffer()->Data());
        return base != nullptr ? base + view->ByteOffset() : nullptr;
    }
    if (v->IsArrayBuffer()) {
        *n = v.As<v8::ArrayBuffer>()->ByteLength();
        return v.As<v8::ArrayBuffer>()->Data();
    }
    if (v->IsSharedArrayBuffer()) {
        *n = v.As<v8::SharedArrayBuffer>()->ByteLength();
        return v.As<v8::SharedArrayBuffer>()->Data();
    }
    wrong(c, i, "a buffer");
    return nullptr;
}

struct slice arg_bytes(struct call *c, int i)
{
    size_t n;
    const void *p = arg_bytes_mut(c, i, &n);
    return {static_cast<const char *>(p), p != nullptr ? n : 0};
}

uint32_t arg_list_count(struct call *c, int i)
{
    if (c->info[i]->IsArray())
        return c->info[i].As<v8::Array>()->Length();
    wrong(c, i, "an array");
    return 0;
}

static bool list_string(struct call *c, int i, uint32_t k,
                        v8::Local<v8::String> *out)
{
    v8::Local<v8::Value> v;
    if (c->info[i]->IsArray() &&
        c->info[i].As<v8::Array>()->Get(c->context, k).ToLocal(&v) &&
        v->IsString()) {
        *out = v.As<v8::String>();
        return true;
    }
    wrong(c, i, "an array of strings");
    return false;
}

struct slice arg_list_utf8(struct call *c, int i, uint32_t k)
{
    v8::Local<v8::String> s;
    if (list_string(c, i, k, &s))
        return string_utf8(c, s);
    return {nullptr, 0};
}

struct slice arg_list_latin1(struct call *c, int i, uint32_t k)
{
    v8::Local<v8::String> s;
    if (list_string(c, i, k, &s))
        return string_latin1(c, s, i);
    return {nullptr, 0};
}

/* ---- results ----------------------------------------------------------- */

static v8::Local<v8::Value> too_long(struct call *c)
{
    throw_range(c, "the string is too long");
    return v8::Undefined(c->isolate);
}

static v8::Local<v8::Value> from_utf8(struct call *c, struct slice s)
{
    v8::Local<v8::String> string;
    if (s.n == 0)
        return v8::String::Empty(c->isolate);
    if (s.n > static_cast<size_t>(v8::String::kMaxLength) ||
        !v8::String::NewFromUtf8(c->isolate, s.p, v8::NewStringType::kNormal,
                                 static_cast<int>(s.n))
             .ToLocal(&string))
        return too_long(c);
    return string;
}

static v8::Local<v8::Value> from_latin1(struct call *c, struct slice s)
{
    v8::Local<v8::String> string;
    if (s.n == 0)
        return v8::String::Empty(c->isolate);
    if (s.n > static_cast<size_t>(v8::String::kMaxLength) ||
        !v8::String::NewFromOneByte(
             c->isolate, reinterpret_cast<const uint8_t *>(s.p),
             v8::NewStringType::kNormal, static_cast<int>(s.n))
             .ToLocal(&string))
        return too_long(c);
    return string;
}

void ret_null(struct call *c)
{
    c->info.GetReturnValue().SetNull();
}

void ret_bool(struct call *c, bool v)
{
    c->info.GetReturnValue().Set(v);
}

void ret_num(struct call *c, double v)
{
    c->info.GetReturnValue().Set(v);
}

void ret_int(struct call *c, int32_t v)
{
    c->info.GetReturnValue().Set(v);
}

void ret_latin1(struct call *c, struct slice s)
{
    c->info.GetReturnValue().Set(from_latin1(c, s));
}

void ret_utf16(struct call *c, const uint16_t *p, size_t n)
{
    v8::Local<v8::String> string;
    if (n > static_cast<size_t>(v8::String::kMaxLength) ||
        !v8::String::NewFromTwoByte(c->isolate, p, v8::NewStringType::kNormal,
                                    static_cast<int>(n))
             .ToLocal(&string)) {
        too_long(c);
        return;
    }
    c->info.GetReturnValue().Set(string);
}

static void buffer_free(void *p, size_t n, void *data)
{
    free(p);
    static_cast<Buffers *>(data)->give(n);
}

/* takes p; nothing after a throw. */
static v8::MaybeLocal<v8::Value> bytes_over(struct call *c, void *p, size_t n)
{
    struct realm *r = realm_of(c->context);
    if (r == nullptr || !r->engine->buffers->take(n)) {
        free(p);
        throw_range(c, "Array buffer allocation failed");
        return v8::MaybeLocal<v8::Value>();
    }
    v8::Local<v8::ArrayBuffer> buffer = v8::ArrayBuffer::New(
        c->isolate, v8::ArrayBuffer::NewBackingStore(p, n, buffer_free,
                                                     r->engine->buffers));
    return v8::Uint8Array::New(buffer, 0, n);
}

static v8::MaybeLocal<v8::Value> bytes_copy(struct call *c, struct slice s)
{
    void *p = malloc(s.n > 0 ? s.n : 1);
    if (p == nullptr) {
        throw_range(c, "Array buffer allocation failed");
        return v8::MaybeLocal<v8::Value>();
    }
    if (s.n > 0)
        memcpy(p, s.p, s.n);
    return bytes_over(c, p, s.n);
}

void ret_bytes_take(struct call *c, void *p, size_t n)
{
    v8::Local<v8::Value> v;
    if (bytes_over(c, p, n).ToLocal(&v))
        c->info.GetReturnValue().Set(v);
}

void ret_bytes(struct call *c, struct slice s)
{
    v8::Local<v8::Value> v;
    if (bytes_copy(c, s).ToLocal(&v))
        c->info.GetReturnValue().Set(v);
}

void ret_list(struct call *c)
{
    c->listing = true;
}

void list_utf8(struct call *c, struct slice s)
{
    c->list.push_back(from_utf8(c, s));
}

void list_latin1(struct call *c, struct slice s)
{
    c->list.push_back(from_latin1(c, s));
}

void list_bytes(struct call *c, struct slice s)
{
    v8::Local<v8::Value> v;
    if (bytes_copy(c, s).ToLocal(&v))
        c->list.push_back(v);
}

void list_num(struct call *c, double v)
{
    c->list.push_back(v8::Number::New(c->isolate, v));
}

void list_bool(struct call *c, bool v)
{
    c->list.push_back(v8::Boolean::New(c->isolate, v));
}

/* ---- exceptions -------------------------------------------------------- */

typedef v8::Local<v8::Value> make_error(v8::Local<v8::String> message);

static void throw_made(struct call *c, make_error *make, const char *fmt,
                       va_list ap)
{
    char words[512];
    vsnprintf(words, sizeof words, fmt, ap);
    c->thrown = true;
    c->isolate->ThrowException(make(text(c->isolate, words)));
}

static v8::Local<v8::Value> make_type(v8::Local<v8::String> m)
{
    return v8::Exception::TypeError(m);
}

static v8::Local<v8::Value> make_range(v8::Local<v8::String> m)
{
    return v8::Exception::RangeError(m);
}

static v8::Local<v8::Value> make_plain(v8::Local<v8::String> m)
{
    return v8::Exception::Error(m);
}

void throw_type(struct call *c, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    throw_made(c, make_type, fmt, ap);
    va_end(ap);
}

void throw_range(struct call *c, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    throw_made(c, make_range, fmt, ap);
    va_end(ap);
}

void throw_error(struct call *c, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    throw_made(c, make_plain, fmt, ap);
    va_end(ap);
}
