/*
 * engine_v8_report.cc - what was thrown, for a person.
 */
#include "engine/engine_v8.hh"

extern "C" {
#include "base/log.h"
}

std::string utf8(v8::Isolate *isolate, v8::Local<v8::Value> v)
{
    v8::String::Utf8Value value(isolate, v);
    return *value != nullptr
               ? std::string(*value, static_cast<size_t>(value.length()))
               : std::string();
}

void report_init(struct report *r)
{
    buf_init(&r->text, 64 * 1024);
    buf_init(&r->head, 4 * 1024);
    buf_init(&r->file, 4 * 1024);
    r->line = 0;
    r->column = 0;
}

void report_free(struct report *r)
{
    buf_free(&r->text);
    buf_free(&r->head);
    buf_free(&r->file);
}

/* As much of s as b still takes: a report is cut rather than lost. */
static void put_cut(struct buf *b, const std::string &s)
{
    size_t room = b->max > b->n ? b->max - b->n : 0;
    buf_put(b, s.data(), s.size() < room ? s.size() : room);
}

/* The stack of an error, or what String() makes of anything else. */
static std::string described(v8::Local<v8::Context> context,
                             v8::Local<v8::Value> thrown)
{
    v8::Isolate *isolate = v8::Isolate::GetCurrent();
    if (thrown->IsObject()) {
        v8::Local<v8::Value> stack;
        if (thrown.As<v8::Object>()
                ->Get(context, text(isolate, "stack"))
                .ToLocal(&stack) &&
            stack->IsString() && stack.As<v8::String>()->Length() > 0)
            return utf8(isolate, stack);
    }
    v8::Local<v8::String> detail;
    if (thrown->ToDetailString(context).ToLocal(&detail))
        return utf8(isolate, detail);
    return "an object that cannot be shown";
}

static void report_place(v8::Local<v8::Context> context,
                         v8::Local<v8::Message> message, struct report *rep)
{
    v8::Isolate *isolate = v8::Isolate::GetCurrent();
    v8::Local<v8::Value> name = message->GetScriptResourceName();
    if (name.IsEmpty() || !name->IsString())
        return;
    buf_clear(&rep->file);
    put_cut(&rep->file, utf8(isolate, name));
    rep->line = message->GetLineNumber(context).FromMaybe(0);
    rep->column = message->GetStartColumn(context).FromMaybe(-1) + 1;
}

static void report_causes(v8::Local<v8::Context> context,
                          v8::Local<v8::Value> thrown, struct report *rep)
{
    v8::Isolate *isolate = v8::Isolate::GetCurrent();
    for (int depth = 0; depth < 4 && thrown->IsNativeError(); depth++) {
        v8::Local<v8::Value> cause;
        if (!thrown.As<v8::Object>()
                 ->Get(context, text(isolate, "cause"))
                 .ToLocal(&cause) ||
            cause->IsUndefined())
            return;
        put_cut(&rep->text, "caused by: " + described(context, cause) + "\n");
        thrown = cause;
    }
}

void report_fill(v8::Local<v8::Context> context, v8::Local<v8::Value> thrown,
                 v8::Local<v8::Message> message, struct report *rep)
{
    v8::Isolate *isolate = v8::Isolate::GetCurrent();
    v8::HandleScope handles(isolate);
    v8::TryCatch quiet(isolate);
    if (message.IsEmpty())
        message = v8::Exception::CreateMessage(isolate, thrown);
    report_place(context, message, rep);
    std::string words = described(context, thrown);
    if (words.compare(0, 9, "Uncaught ") == 0)
        words.erase(0, 9);
    buf_clear(&rep->text);
    buf_clear(&rep->head);
    put_cut(&rep->head, words.substr(0, words.find('\n')));
    put_cut(&rep->text, words + "\n");
    /* A SyntaxError's stack does not say where; its message does. */
    std::string place =
        std::string(buf_str(&rep->file)) + ":" + std::to_string(rep->line);
    if (rep->line > 0 && words.find(place) == std::string::npos)
        put_cut(&rep->text,
                "    at " + place + ":" + std::to_string(rep->column) + "\n");
    report_causes(context, thrown, rep);
}

/* data is the thrown value: none was given to AddMessageListener(). */
void uncaught(v8::Local<v8::Message> message, v8::Local<v8::Value> data)
{
    v8::Isolate *isolate = v8::Isolate::GetCurrent();
    v8::HandleScope handles(isolate);
    v8::Local<v8::Context> context = isolate->GetCurrentContext();
    if (context.IsEmpty() || realm_of(context) == nullptr)
        return; /* of a realm that is over */
    struct report rep;
    report_init(&rep);
    report_fill(context, data, message, &rep);
    log_lines(LOG_ERROR, buf_view(&rep.text));
    report_free(&rep);
}

enum err realm_threw(struct realm *r, const v8::TryCatch &caught,
                     struct report *rep)
{
    if (rep == nullptr)
        return ERR_SCRIPT;
    v8::Isolate *isolate = r->engine->isolate;
    enum engine_stop stop = engine_stopped(r->engine);
    if (stop != STOP_NONE || caught.HasTerminated() || !caught.HasCaught()) {
        const char *words =
            stop == STOP_HEAP  ? "Error: the heap limit was reached"
            : stop == STOP_CPU ? "Error: the processor time limit was reached"
                               : "Error: the time limit was reached";
        buf_clear(&rep->head);
        buf_clear(&rep->text);
        buf_puts(&rep->head, words);
        buf_printf(&rep->text, "%s\n", words);
        return ERR_SCRIPT;
    }
    report_fill(r->context.Get(isolate), caught.Exception(), caught.Message(),
                rep);
    return ERR_SCRIPT;
}
