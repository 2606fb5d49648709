/*
 * engine_v8_stack.cc - where JavaScript is, asked while it runs.
 */
#include "engine/engine_v8.hh"

static void put_frame(v8::Isolate *isolate, v8::Local<v8::StackFrame> frame,
                      std::string *out)
{
    std::string place = utf8(isolate, frame->GetScriptName());
    std::string name = utf8(isolate, frame->GetFunctionName());
    if (place.empty())
        place = "<anonymous>";
    place += ":" + std::to_string(frame->GetLineNumber()) + ":" +
             std::to_string(frame->GetColumn());
    *out += "    at " + (name.empty() ? place : name + " (" + place + ")");
    *out += "\n";
}

/* V8 calls it where it would look for engine_terminate(), too. */
static void interrupted(v8::Isolate *isolate, void *data)
{
    auto *e = static_cast<struct engine *>(data);
    v8::HandleScope handles(isolate);
    std::string text;
    v8::Local<v8::StackTrace> trace = v8::StackTrace::CurrentStackTrace(
        isolate, static_cast<int>(e->stack_depth), v8::StackTrace::kDetailed);
    for (int i = 0; i < trace->GetFrameCount(); i++)
        put_frame(isolate, trace->GetFrame(isolate, static_cast<uint32_t>(i)),
                  &text);
    e->stack_fn.load()({text.data(), text.size()});
}

void engine_stack(struct engine *e, unsigned depth, engine_stack_fn *fn)
{
    e->stack_depth = depth;
    e->stack_fn = fn;
    e->isolate->RequestInterrupt(interrupted, e);
}
