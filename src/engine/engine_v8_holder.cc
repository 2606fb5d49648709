/*
 * engine_v8_holder.cc - the variable through which a thing is reached.
 */
#include "engine/engine_v8_origin.hh"

#include <algorithm>
#include <unordered_map>

static const size_t way_max = 80; /* bytes of a path of properties */

static bool is_name(const std::string &s)
{
    for (char ch : s)
        if (!ascii_alpha(ch) && !ascii_digit(ch) && ch != '_' && ch != '$' &&
            ch != '#' && (ch & 0x80) == 0)
            return false;
    return !s.empty() && !ascii_digit(s[0]);
}

/* ---- one edge ----------------------------------------------------- */

bool Origins::variable(Node context, Edge e, holder *out) const
{
    std::string name = g_.label(context, e);
    if (name.empty() || name == "this" || name[0] == '.')
        return false;
    out->at = context;
    out->origin = of(context);
    if (!at(out->origin).ours) {
        out->kind =
            scopes_[context] == SCOPE_TOP ? HOLDER_VARIABLE : HOLDER_LOCAL;
        out->name = name;
        return true;
    }
    /* A file's own variable; those of its functions lead on. */
    Node above = g_.follow(context, Graph::EdgeType::kInternal, "previous");
    if (above != NO_NODE && is_context(above))
        return false;
    out->kind = HOLDER_API;
    out->name = at(out->origin).path;
    out->name.erase(0, out->name.find(':') + 1);
    return true;
}

/*
 * An export is in a cell, which is in the module's table of exports after its
 * name, and in its list of those that are its own and not another module's.
 */
bool Origins::exported(Node cell, holder *out) const
{
    for (const Node *p = g_.from_begin(cell); p != g_.from_end(cell); p++) {
        std::string name;
        if (g_.type(*p) != Graph::NodeType::kArray)
            continue;
        for (Edge e = g_.first(*p) + 1; e < g_.last(*p); e++)
            if (g_.to(e) == cell &&
                g_.type(g_.to(e - 1)) == Graph::NodeType::kString)
                name = g_.name(g_.to(e - 1));
        for (const Node *m = g_.from_begin(*p); m != g_.from_end(*p); m++) {
            if (name.empty() || made_[*m] == 0 ||
                std::find(modules_.begin(), modules_.end(), *m) ==
                    modules_.end())
                continue;
            Node own = g_.follow(*m, Graph::EdgeType::kHidden, "5");
            bool first = out->kind == HOLDER_NONE;
            bool own_cell = false;
            if (own != NO_NODE)
                for (Edge e = g_.first(own); e < g_.last(own); e++)
                    own_cell = own_cell || g_.to(e) == cell;
            if (!first && !own_cell)
                continue;
            out->kind = name == "default" ? HOLDER_EXPORT : HOLDER_VARIABLE;
            out->name = name;
            out->origin = of(*m);
            out->at = *m;
        }
    }
    return out->kind != HOLDER_NONE;
}

bool Origins::waiting(Node registers, holder *out) const
{
    for (const Node *p = g_.from_begin(registers); p != g_.from_end(registers);
         p++) {
        if (g_.type(*p) != Graph::NodeType::kObject ||
            g_.follow(*p, Graph::EdgeType::kInternal,
                      "parameters_and_registers") != registers)
            continue;
        Node f = g_.follow(*p, Graph::EdgeType::kInternal, "function");
        bool is_module = false; /* it ran as one; what is here is left over */
        for (const Node *q = g_.from_begin(*p); q != g_.from_end(*p); q++)
            is_module = is_module || std::find(modules_.begin(), modules_.end(),
                                               *q) != modules_.end();
        if (f == NO_NODE || !application(f) || is_module)
            continue;
        out->kind = HOLDER_WAITING;
        out->name = g_.name(f);
        out->origin = of(f);
        out->at = f;
        return true;
    }
    return false;
}

bool Origins::holds(Node from, Edge e, holder *out) const
{
    *out = {HOLDER_NONE, "", "", g_.to(e), NO_NODE, -1};
    switch (g_.type(from)) {
    case Graph::NodeType::kObject:
        if (g_.type_of(e) == Graph::EdgeType::kContextVariable)
            return is_context(from) && made_[from] != 0 &&
                   variable(from, e, out);
        if (g_.type_of(e) != Graph::EdgeType::kProperty || !is_global(from))
            return false;
        out->name = g_.label(from, e);
        out->kind = HOLDER_GLOBAL;
        return out->name != "__proto__";
    case Graph::NodeType::kHidden:
        return g_.name(from) == "system / Cell" && exported(from, out);
    case Graph::NodeType::kArray:
        return waiting(from, out);
    default:
        return false;
    }
}

/* ---- the nearest -------------------------------------------------- */

std::string Origins::way(Node from, const std::vector<Edge> &on) const
{
    std::string s;
    for (Edge e : on) {
        std::string label = g_.label(from, e);
        /* Not how an object of js/ is made inside. */
        if (made_[g_.to(e)] != 0 && !application(g_.to(e)))
            break;
        switch (g_.type_of(e)) {
        case Graph::EdgeType::kProperty:
            s += is_name(label) ? "." + label : "[\"" + label + "\"]";
            break;
        case Graph::EdgeType::kElement:
            s += "[" + label + "]";
            break;
        case Graph::EdgeType::kInternal: /* Map, Set, WeakMap */
            if (label == "table" ||
                label.find(" / part of key ") != std::string::npos)
                s += "[...]";
            break;
        default:
            break;
        }
        from = g_.to(e);
        if (s.size() > way_max)
            return s.substr(0, way_max) + "...";
    }
    return s;
}

/*
 * Backwards, level by level. What is only in js/ is found as well, and told
 * when there is nothing else.
 */
holder Origins::who(Node thing) const
{
    holder api = {HOLDER_NONE, "", "", thing, NO_NODE, -1}, found;
    std::unordered_map<Node, Edge> link; /* the edge towards the thing */
    std::vector<Node> queue = {thing};
    link[thing] = 0;
    for (size_t i = 0; i < queue.size(); i++) {
        Node x = queue[i];
        for (const Node *p = g_.from_begin(x); p != g_.from_end(x); p++) {
            Graph::NodeType::Type t = g_.type(*p);
            if (t == Graph::NodeType::kSynthetic ||
                t == Graph::NodeType::kCode || link.count(*p) != 0)
                continue;
            bool on = !is_global(*p);
            for (Edge e = g_.first(*p); e < g_.last(*p); e++) {
                if (g_.to(e) != x || !g_.strong(e))
                    continue;
                if (!holds(*p, e, &found)) {
                    if (on)
                        link.emplace(*p, e);
                    continue;
                }
                if (found.kind != HOLDER_API) {
                    std::vector<Edge> way_on;
                    for (Node n = x; n != thing; n = g_.to(link[n]))
                        way_on.push_back(link[n]);
                    found.way = way(x, way_on);
                    return found;
                }
                if (api.kind == HOLDER_NONE)
                    api = found;
                on = false;
            }
            if (on && link.count(*p) != 0)
                queue.push_back(*p);
        }
    }
    return api;
}

/* ---- all ---------------------------------------------------------- */

std::vector<holder> Origins::variables() const
{
    std::vector<holder> all;
    holder h;
    for (Node m : modules_)
        for (Edge e = g_.first(m); e < g_.last(m); e++)
            if (g_.type(g_.to(e)) == Graph::NodeType::kArray)
                for (Edge i = g_.first(g_.to(e)); i < g_.last(g_.to(e)); i++) {
                    Node value = g_.follow(g_.to(i), Graph::EdgeType::kInternal,
                                           "value");
                    if (g_.type(g_.to(i)) != Graph::NodeType::kHidden ||
                        value == NO_NODE)
                        continue;
                    h = {HOLDER_NONE, "", "", value, NO_NODE, -1};
                    if (exported(g_.to(i), &h))
                        all.push_back(h);
                }
    for (Node c = 0; c < g_.count(); c++) {
        if (!application(c) || scopes_[c] == SCOPE_UNKNOWN ||
            scopes_[c] == SCOPE_NONE)
            continue;
        /* A bundle is one function around all; its variables are these. */
        Node above = g_.follow(c, Graph::EdgeType::kInternal, "previous");
        if (scopes_[c] != SCOPE_TOP && above != NO_NODE && is_context(above))
            continue;
        for (Edge e = g_.first(c); e < g_.last(c); e++)
            if (holds(c, e, &h))
                all.push_back(h);
    }
    for (Node global : globals_)
        for (Edge e = g_.first(global); e < g_.last(global); e++)
            if (holds(global, e, &h))
                all.push_back(h);
    return all;
}
