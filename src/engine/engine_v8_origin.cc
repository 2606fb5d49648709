/*
 * engine_v8_origin.cc - which text made what: functions, the contexts they
 * close over, modules.
 */
#include "engine/engine_v8_origin.hh"

#include <string.h>

static const char ours_prefix[] = "snapcgi:";

Origins::Origins(const Graph &g)
    : g_(g), made_(g.count(), 0), scopes_(g.count(), SCOPE_UNKNOWN)
{
    for (Edge e = g_.first(0); e < g_.last(0); e++)
        if (g_.type_of(e) == Graph::EdgeType::kShortcut &&
            g_.type(g_.to(e)) == Graph::NodeType::kObject)
            globals_.push_back(g_.to(e));
    texts();
    functions();
    modules();
    scripts();
}

int Origins::add(const origin &o)
{
    all_.push_back(o);
    return static_cast<int>(all_.size());
}

bool Origins::is_global(Node n) const
{
    for (Node global : globals_)
        if (global == n)
            return true;
    return false;
}

bool Origins::is_context(Node n) const
{
    static const char words[] = "system / Context";
    if (g_.type(n) != Graph::NodeType::kObject)
        return false;
    if (scopes_[n] == SCOPE_UNKNOWN)
        scopes_[n] = g_.name(n).compare(0, sizeof words - 1, words) == 0
                         ? SCOPE_INNER
                         : SCOPE_NONE;
    return scopes_[n] != SCOPE_NONE;
}

/* ---- scripts and functions ----------------------------------------------- */

int Origins::script(Node s)
{
    if (made_[s] != 0)
        return made_[s];
    origin o = {s, NO_NODE, "", false, false, ""};
    Node name = g_.follow(s, Graph::EdgeType::kInternal, "name");
    o.source = g_.follow(s, Graph::EdgeType::kInternal, "source");
    if (name != NO_NODE)
        o.path = g_.name(name);
    /* Function.prototype is of a text, too. */
    o.ours =
        o.path.compare(0, sizeof ours_prefix - 1, ours_prefix) == 0 ||
        (o.path.empty() && o.source != NO_NODE && g_.name(o.source) == "() {}");
    return made_[s] = add(o);
}

/* What V8 shares among the functions of one place in a text. */
void Origins::texts()
{
    for (Node n = 0; n < g_.count(); n++) {
        if (g_.type(n) != Graph::NodeType::kCode)
            continue;
        for (Edge e = g_.first(n); e < g_.last(n); e++) {
            if (g_.type_of(e) != Graph::EdgeType::kInternal ||
                g_.type(g_.to(e)) != Graph::NodeType::kCode)
                continue;
            std::string label = g_.label(n, e);
            if (label == "script" || label == "script_or_debug_info") {
                made_[n] = script(g_.to(e));
                break;
            }
        }
    }
}

void Origins::functions()
{
    std::vector<Node> contexts_of_eval;
    for (Node n = 0; n < g_.count(); n++) {
        if (g_.type(n) != Graph::NodeType::kClosure)
            continue;
        Node context = NO_NODE;
        for (Edge e = g_.first(n); e < g_.last(n); e++) {
            if (g_.type_of(e) != Graph::EdgeType::kInternal)
                continue;
            if (g_.type(g_.to(e)) == Graph::NodeType::kCode &&
                made_[g_.to(e)] != 0)
                made_[n] = made_[g_.to(e)];
            else if (is_context(g_.to(e)))
                context = g_.to(e);
        }
        if (context == NO_NODE || made_[n] == 0)
            continue;
        if (at(of(n)).path.empty())
            contexts_of_eval.push_back(n);
        else
            contexts(context, made_[n]);
    }
    /* What eval() made may close over contexts of who called it. */
    for (Node n : contexts_of_eval)
        contexts(g_.follow(n, Graph::EdgeType::kInternal, "context"), made_[n]);
}

void Origins::contexts(Node c, int made)
{
    while (c != NO_NODE && is_context(c) && made_[c] == 0) {
        made_[c] = made;
        Node m = g_.follow(c, Graph::EdgeType::kInternal, "extension");
        if (m != NO_NODE &&
            g_.is(m, Graph::NodeType::kHidden, "system / SourceTextModule")) {
            scopes_[c] = SCOPE_TOP;
            made_[m] = made;
        }
        c = g_.follow(c, Graph::EdgeType::kInternal, "previous");
    }
}

/* ---- modules ------------------------------------------------------ */

void Origins::module(Node m)
{
    bool json = g_.is(m, Graph::NodeType::kHidden, "system / SyntheticModule");
    if (!json &&
        !g_.is(m, Graph::NodeType::kHidden, "system / SourceTextModule"))
        return;
    for (Node known : modules_)
        if (known == m)
            return;
    modules_.push_back(m);
    for (Edge e = g_.first(m); e < g_.last(m); e++) {
        Node to = g_.to(e);
        if (g_.type_of(e) != Graph::EdgeType::kHidden)
            continue;
        if (json && g_.type(to) == Graph::NodeType::kString)
            made_[m] = add({NO_NODE, NO_NODE, g_.name(to), false, false, ""});
        if (g_.type(to) == Graph::NodeType::kObject && made_[m] == 0) {
            Node f = g_.follow(to, Graph::EdgeType::kInternal, "function");
            if (f != NO_NODE)
                made_[m] = made_[f];
        }
        if (g_.type(to) == Graph::NodeType::kArray) /* what it imports */
            for (Edge i = g_.first(to); i < g_.last(to); i++)
                if (g_.type(g_.to(i)) == Graph::NodeType::kHidden)
                    module(g_.to(i));
    }
}

void Origins::modules()
{
    for (Node c = 0; c < g_.count(); c++)
        if (scopes_[c] == SCOPE_TOP)
            module(g_.follow(c, Graph::EdgeType::kInternal, "extension"));
    for (Node n = 0; n < g_.count(); n++)
        if (g_.is(n, Graph::NodeType::kSynthetic, "(Global handles)"))
            for (Edge e = g_.first(n); e < g_.last(n); e++)
                if (g_.strong(e))
                    module(g_.to(e));
}

/* What let, const and class declare in classic scripts. */
void Origins::scripts()
{
    static const char native[] = "system / NativeContext";
    int unknown = add({NO_NODE, NO_NODE, "", false, false, ""});
    for (Node global : globals_) {
        for (const Node *p = g_.from_begin(global); p != g_.from_end(global);
             p++) {
            if (g_.name(*p).compare(0, sizeof native - 1, native) != 0)
                continue;
            Node table = g_.follow(*p, Graph::EdgeType::kInternal,
                                   "script_context_table");
            if (table == NO_NODE)
                continue;
            for (Edge e = g_.first(table); e < g_.last(table); e++) {
                if (!is_context(g_.to(e)))
                    continue;
                scopes_[g_.to(e)] = SCOPE_TOP;
                if (made_[g_.to(e)] == 0)
                    made_[g_.to(e)] = unknown;
            }
        }
    }
}

/* ---- where a name is ---------------------------------------------- */

const std::string &Origins::text(origin *o)
{
    if (!o->read && o->source != NO_NODE) {
        v8::Isolate *isolate = v8::Isolate::GetCurrent();
        v8::HandleScope handles(isolate);
        v8::Local<v8::Value> v = g_.value(o->source);
        if (!v.IsEmpty() && v->IsString())
            o->text = utf8(isolate, v);
    }
    o->read = true;
    return o->text;
}

/* The application's text that declares it, or -1. */
int Origins::declaring(const std::string &name)
{
    for (size_t i = 0; i < all_.size(); i++)
        if (!all_[i].ours && line_of(text(&all_[i]), name, 0) > 0)
            return static_cast<int>(i);
    return -1;
}

/* The line of a function that waits, or of one that closes over a local. */
int Origins::line_near(const holder &h) const
{
    v8::HandleScope handles(v8::Isolate::GetCurrent());
    Node f = h.kind == HOLDER_WAITING ? h.at : NO_NODE;
    if (h.kind == HOLDER_LOCAL)
        for (const Node *p = g_.from_begin(h.at); p != g_.from_end(h.at); p++)
            if (g_.type(*p) == Graph::NodeType::kClosure)
                f = *p;
    if (f == NO_NODE)
        return 0;
    v8::Local<v8::Value> v = g_.value(f);
    return !v.IsEmpty() && v->IsFunction()
               ? v.As<v8::Function>()->GetScriptLineNumber() + 1
               : 0;
}

void Origins::where(const holder &h, std::string *path, int *line)
{
    int index = h.origin;
    *path = "";
    *line = 0;
    if (index < 0 || (all_[static_cast<size_t>(index)].script == NO_NODE &&
                      all_[static_cast<size_t>(index)].path.empty()))
        index = declaring(h.name);
    if (index < 0)
        return;
    origin *o = &all_[static_cast<size_t>(index)];
    *path = o->path.empty() ? "code given to eval()" : o->path;
    int near = line_near(h);
    if (h.kind == HOLDER_WAITING)
        *line = near;
    else if (h.kind == HOLDER_EXPORT)
        *line = line_of(text(o), "default", 0);
    else
        *line = line_of(text(o), h.name, near);
}
