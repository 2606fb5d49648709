/*
 * engine_v8_heap.cc - what cannot be in an image, in words.
 *
 * V8 ends the process when it is to write such a thing, so it is looked for
 * before. It has a handle of V8's own that frees what is outside the heap; the
 * profiler shows the handle as a weak one, to an object of which the thing in
 * question has the only reference.
 */
#include "engine/engine_v8_origin.hh"

#include <algorithm>

#include <string.h>

extern "C" {
#include "engine/restab.h"
}

static const size_t lines_max = 20;

/* What is owned by a number in C (js/resource.js), by the table's kind. */
static const struct {
    const char *kind;   /* of bind/ */
    const char *object; /* constructor of what has the number */
    const char *what;
    const char *advice; /* nullptr: as for all else */
} resources[] = {
    {"key", "CryptoKey", "a CryptoKey", nullptr},
    {"compression", "Codec", "an open CompressionStream or DecompressionStream",
     nullptr},
    {"transfer", "Transfer", "a fetch() that has not ended",
     "await it, and read its body to the end"},
};

class Unkept
{
  public:
    Unkept(struct realm *r, const struct restab *held, bool serving,
           struct buf *out)
        : r_(r), held_(held), serving_(serving), out_(out),
          g_(r->engine->isolate), origins_(g_)
    {
    }
    size_t all();

  private:
    void say(const std::string &what, Node thing, const char *advice,
             bool of_js = false);
    std::string held_by(const holder &h);
    const char *advice() const;
    std::string kind(Node thing);
    void outside();
    void registries();
    void in_c();
    bool has_number(Node n, const char *kind);

    struct realm *r_;
    const struct restab *held_;
    bool serving_;
    struct buf *out_;
    Graph g_;
    Origins origins_;
    size_t count_ = 0;
};

/* ---- sentences ---------------------------------------------------- */

static const char *api_words(const std::string &file)
{
    if (file == "timers")
        return "by a timer that has not run yet";
    if (file == "events" || file == "abort")
        return "by a listener for events";
    return nullptr;
}

std::string Unkept::held_by(const holder &h)
{
    std::string name = "`" + h.name + h.way + "`", path, s, at;
    int line;
    origins_.where(h, &path, &line);
    if (line > 0)
        at = "line " + std::to_string(line);
    switch (h.kind) {
    case HOLDER_GLOBAL:
        s = "by the global " + name;
        at = path.empty() ? "" : path + (at.empty() ? "" : ", " + at);
        break;
    case HOLDER_VARIABLE:
        s = "by " + name + (h.way.empty() ? ", a" : ", in a") +
            " variable of " + path;
        break;
    case HOLDER_LOCAL:
        s = "by " + name + (h.way.empty() ? ", a" : ", in a") +
            " variable of a function of " + path;
        break;
    case HOLDER_WAITING:
        s = "by a function that waits" +
            (h.name.empty() ? "" : ", `" + h.name + "`") + " in " + path;
        break;
    case HOLDER_EXPORT:
        s = "by the default export" +
            (h.way.empty() ? "" : " (" + h.way + ")") + " of " + path;
        break;
    case HOLDER_API:
        if (api_words(h.name) != nullptr)
            return std::string("held ") + api_words(h.name);
        return "held by the API itself (js/" + h.name + ".js)";
    case HOLDER_NONE:
        return "held by nothing that has a name";
    }
    return "held " + s + (at.empty() ? "" : " (" + at + ")");
}

const char *Unkept::advice() const
{
    return serving_ ? "let go of it at the event \"pause\", and make it again "
                      "when it is needed"
                    : "make it when it is first needed, not while the "
                      "application starts";
}

/* of_js: an object of js/; how it is made inside is not told. */
void Unkept::say(const std::string &what, Node thing, const char *advice,
                 bool of_js)
{
    if (count_++ >= lines_max)
        return;
    holder h = thing != NO_NODE
                   ? origins_.who(thing)
                   : holder{HOLDER_NONE, "", "", NO_NODE, NO_NODE, -1};
    if (of_js)
        h.way.erase(std::min(h.way.size(), h.way.find(".#")));
    std::string line = what + " is ";
    if (of_js && (h.kind == HOLDER_API || h.kind == HOLDER_NONE))
        line = "there is " + what;
    else
        line += held_by(h);
    line += std::string(": ") + advice + "\n";
    for (size_t i = 0; i + 1 < line.size(); i++)
        if (static_cast<unsigned char>(line[i]) < ' ')
            line[i] = '?';
    buf_put(out_, line.data(), line.size());
}

/* ---- outside the heap --------------------------------------------- */

/*
 * "an Intl.NumberFormat", by the tag of the first prototype that has one of
 * V8's; else by its constructor.
 */
std::string Unkept::kind(Node thing)
{
    std::string own = g_.name(thing), tag;
    for (Node n = thing; n != NO_NODE;
         n = g_.follow(n, Graph::EdgeType::kProperty, "__proto__")) {
        Node t = g_.follow(n, Graph::EdgeType::kProperty,
                           "<symbol Symbol.toStringTag>");
        tag = t != NO_NODE ? g_.name(t) : "";
        if (tag.compare(0, 5, "Intl.") == 0 ||
            tag.compare(0, 12, "WebAssembly.") == 0)
            break;
        tag = "";
    }
    if (tag.compare(0, 1, "W") == 0)
        return "a " + tag;
    size_t dot = tag.find('.');
    if (dot == std::string::npos)
        return "something that V8 keeps outside its heap (" + own + ")";
    return tag.substr(dot + 1) == own
               ? "an " + tag
               : "a " + own + ", which is an " + tag + ",";
}

void Unkept::outside()
{
    std::vector<Node> told;
    for (Node n = 0; n < g_.count(); n++) {
        if (!g_.is(n, Graph::NodeType::kSynthetic, "(Global handles)"))
            continue;
        for (Edge e = g_.first(n); e < g_.last(n); e++) {
            if (g_.strong(e))
                continue;
            for (const Node *p = g_.from_begin(g_.to(e));
                 p != g_.from_end(g_.to(e)); p++) {
                if (g_.type(*p) == Graph::NodeType::kSynthetic ||
                    std::find(told.begin(), told.end(), *p) != told.end())
                    continue;
                told.push_back(*p);
                say(kind(*p), *p, advice());
            }
        }
    }
}

/* Those of which V8 has put off a callback; their cleared cells say so. */
void Unkept::registries()
{
    for (Node n = 0; n < g_.count(); n++) {
        if (!g_.is(n, Graph::NodeType::kHidden, "system / WeakCell"))
            continue;
        for (const Node *p = g_.from_begin(n); p != g_.from_end(n); p++)
            if (g_.type(*p) == Graph::NodeType::kObject &&
                g_.follow(*p, Graph::EdgeType::kHidden, "5") == n &&
                origins_.who(*p).kind != HOLDER_API)
                say("a FinalizationRegistry whose callback is due", *p,
                    "let it run first (await a timer), or do without it");
    }
}

/* ---- in C --------------------------------------------------------- */

/* Its property `id`, or that of its record, is a number of that kind. */
bool Unkept::has_number(Node n, const char *kind)
{
    v8::Isolate *isolate = r_->engine->isolate;
    v8::HandleScope handles(isolate);
    v8::Local<v8::Context> context = r_->context.Get(isolate);
    Node record = g_.follow(n, Graph::EdgeType::kProperty, "#record");
    v8::Local<v8::Value> v = g_.value(record != NO_NODE ? record : n), id;
    if (v.IsEmpty() || !v->IsObject() || v->IsProxy() ||
        !v.As<v8::Object>()
             ->GetOwnPropertyDescriptor(context, text(isolate, "id"))
             .ToLocal(&v) ||
        !v->IsObject() ||
        !v.As<v8::Object>()
             ->Get(context, text(isolate, "value"))
             .ToLocal(&id) ||
        !id->IsInt32())
        return false;
    const struct reskind *found =
        restab_kind(held_, id.As<v8::Int32>()->Value());
    return found != nullptr && strcmp(found->name, kind) == 0;
}

void Unkept::in_c()
{
    struct reskind_count kinds[8];
    size_t n = restab_kinds(held_, kinds, sizeof kinds / sizeof *kinds);
    for (size_t i = 0; i < n; i++) {
        const char *kind = kinds[i].kind->name, *todo = advice();
        std::string what = std::string("something in C (") + kind + ")";
        size_t left = kinds[i].count;
        for (const auto &res : resources) {
            if (strcmp(res.kind, kind) != 0)
                continue;
            what = res.what;
            todo = res.advice != nullptr ? res.advice : todo;
            /* Each costs a walk: past what is shown they are counted. */
            for (Node o = 0; o < g_.count() && left > 0 && count_ < lines_max;
                 o++) {
                if (!g_.is(o, Graph::NodeType::kObject, res.object) ||
                    !has_number(o, kind))
                    continue;
                say(what, o, todo, true);
                left--;
            }
        }
        for (; left > 0 && count_ < lines_max; left--)
            say(what, NO_NODE, todo, true);
        count_ += left;
    }
}

size_t Unkept::all()
{
    outside();
    registries();
    if (held_ != nullptr)
        in_c();
    if (count_ > lines_max)
        buf_printf(out_, "and %zu more\n", count_ - lines_max);
    return count_;
}

/*
 * V8 before 12 writes an address of this process for each ArrayBuffer without
 * bytes, and the collector of the next one follows it. A detached one has none
 * of these, and is as empty.
 */
void heap_mend(struct realm *r)
{
#if V8_MAJOR_VERSION < 12
    v8::Isolate *isolate = r->engine->isolate;
    if (!graph_fits(isolate, graph_heap_max))
        return;
    Graph g(isolate);
    for (Node n = 0; n < g.count(); n++) {
        v8::HandleScope handles(isolate);
        v8::Local<v8::Value> v;
        if (g.is(n, Graph::NodeType::kObject, "ArrayBuffer"))
            v = g.value(n);
        if (v.IsEmpty() || !v->IsArrayBuffer())
            continue;
        v8::Local<v8::ArrayBuffer> buffer = v.As<v8::ArrayBuffer>();
        /* That of a small typed array looks empty, too, but has no store
         * that something else would share. */
        if (buffer->ByteLength() == 0 && buffer->IsDetachable() &&
            buffer->GetBackingStore().use_count() > 1)
            buffer->Detach();
    }
#else
    (void)r;
#endif
}

size_t realm_unkept(struct realm *r, const struct restab *held, bool serving,
                    struct buf *out)
{
    Entered in(r);
    if (!graph_fits(r->engine->isolate, graph_heap_max))
        return 0;
    return Unkept(r, held, serving, out).all();
}
