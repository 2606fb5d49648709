/*
 * engine_v8_census.cc - what an application holds in the heap.
 */
#include "engine/engine_v8_origin.hh"

#include <algorithm>
#include <unordered_map>

#include <string.h>

extern "C" {
#include "base/line.h"
}

static const size_t rows_max = 20;
static const size_t name_max = 200, path_max = 1000; /* bytes, escaped */

/*
 * Globals of the language that nothing else leads to. Those of js/ are reached
 * through its files.
 */
static const char *const spaces[] = {
    "Atomics",  "Intl",        "JSON",       "Math",    "Reflect",
    "Temporal", "WebAssembly", "globalThis", "console",
};

struct tally {
    std::string name;
    size_t count, bytes;
};

class Census
{
  public:
    explicit Census(struct realm *r)
        : g_(r->engine->isolate), origins_(g_), other_(g_.count(), 0)
    {
    }
    void write(struct buf *json);

  private:
    void others();
    void reach(Node n);
    void dictionary(Node global);
    bool enters(Node from, Edge e) const;
    bool theirs(Node n) const
    {
        return other_[n] == 0 && g_.dominator(n) != NO_NODE;
    }
    std::string group(Node n) const;
    std::vector<tally> tallies();
    void objects(struct buf *json);
    void holders(struct buf *json);

    Graph g_;
    Origins origins_;
    std::vector<uint8_t> other_; /* reached without the application */
    std::vector<Node> queue_;
    struct tally total_ = {"", 0, 0};
};

/* ---- whose -------------------------------------------------------- */

void Census::reach(Node n)
{
    if (other_[n] != 0 || origins_.application(n))
        return;
    other_[n] = 1;
    queue_.push_back(n);
}

/* Of a global's properties, those that are not the application's. */
bool Census::enters(Node from, Edge e) const
{
    if (g_.type_of(e) == Graph::EdgeType::kInternal)
        return g_.label(from, e) == "map" ||
               g_.label(from, e) == "global_proxy";
    switch (g_.type(g_.to(e))) {
    case Graph::NodeType::kClosure: /* reach() looks whose it is */
    case Graph::NodeType::kHidden:  /* accessors, what is lazy */
        return true;
    case Graph::NodeType::kObject: {
        std::string name = g_.label(from, e);
        for (const char *space : spaces)
            if (name == space)
                return true;
        return name == "__proto__";
    }
    default:
        return false;
    }
}

/* Where a global has its properties; what they are enters() looks at. */
void Census::dictionary(Node global)
{
    Node d = g_.follow(global, Graph::EdgeType::kInternal, "properties");
    if (d == NO_NODE)
        return;
    other_[d] = 1;
    for (Edge e = g_.first(d); e < g_.last(d); e++)
        if (g_.type(g_.to(e)) == Graph::NodeType::kString ||
            g_.is(g_.to(e), Graph::NodeType::kHidden, "system / PropertyCell"))
            other_[g_.to(e)] = 1;
}

void Census::others()
{
    reach(0);
    while (!queue_.empty()) {
        Node n = queue_.back();
        queue_.pop_back();
        bool global = origins_.is_global(n);
        if (global)
            dictionary(n);
        bool handles =
            g_.is(n, Graph::NodeType::kSynthetic, "(Global handles)");
        for (Edge e = g_.first(n); e < g_.last(n); e++) {
            if (!g_.strong(e) || (global && !enters(n, e)))
                continue;
            /* What C holds but for contexts is of the application. */
            if (handles &&
                g_.name(g_.to(e)).find("NativeContext") == std::string::npos)
                continue;
            reach(g_.to(e));
        }
    }
}

/* ---- objects ------------------------------------------------------ */

/* "" when it is a part of another one. */
std::string Census::group(Node n) const
{
    switch (g_.type(n)) {
    case Graph::NodeType::kObject:
        if (origins_.is_context(n))
            return "(variables)";
        return g_.name(n);
    case Graph::NodeType::kString:
    case Graph::NodeType::kConsString:
    case Graph::NodeType::kSlicedString:
        return "(string)";
    case Graph::NodeType::kClosure:
        return "(function)";
    case Graph::NodeType::kRegExp:
        return "RegExp";
    case Graph::NodeType::kHeapNumber:
        return "(number)";
    case Graph::NodeType::kBigInt:
        return "(bigint)";
    case Graph::NodeType::kSymbol:
        return "(symbol)";
    case Graph::NodeType::kArray:
    case Graph::NodeType::kHidden:
    case Graph::NodeType::kNative:
        return "";
    default:
        return "(code)";
    }
}

static void put_row(struct buf *json, bool first, struct line *l)
{
    if (!first)
        buf_putc(json, ',');
    buf_put(json, l->text, l->n);
}

static struct slice bytes(const std::string &s)
{
    return {s.data(), s.size()};
}

std::vector<tally> Census::tallies()
{
    std::vector<tally> all;
    std::unordered_map<std::string, uint32_t> index;
    std::vector<uint32_t> groups(g_.count(), 0); /* index and 1 */
    std::vector<uint8_t> source(g_.count(), 0);
    for (int i = 0; i < origins_.count(); i++)
        if (origins_.at(i).source != NO_NODE)
            source[origins_.at(i).source] = 1;
    for (Node n : g_.order()) {
        if (!theirs(n))
            continue;
        std::string name = source[n] != 0 ? "(source)" : group(n);
        bool part = name.empty() && g_.type(n) != Graph::NodeType::kObject;
        if (part && groups[g_.dominator(n)] != 0) {
            groups[n] = groups[g_.dominator(n)];
        } else {
            if (name.empty())
                name = part ? "(other)" : "Object";
            auto found = index.emplace(name, all.size() + 1);
            if (found.second)
                all.push_back({name, 0, 0});
            groups[n] = found.first->second;
        }
        for (tally *t : {&all[groups[n] - 1], &total_}) {
            t->bytes += g_.size(n);
            t->count += part ? 0 : 1;
        }
    }
    return all;
}

void Census::objects(struct buf *json)
{
    std::vector<tally> all = tallies();
    std::sort(all.begin(), all.end(), [](const tally &a, const tally &b) {
        return a.bytes != b.bytes ? a.bytes > b.bytes : a.name < b.name;
    });
    for (size_t i = 0; i < all.size() && i < rows_max; i++) {
        struct line l;
        line_begin(&l);
        line_put(&l, "{\"name\":");
        line_json(&l, bytes(all[i].name), name_max);
        line_printf(&l, ",\"count\":%zu,\"bytes\":%zu}", all[i].count,
                    all[i].bytes);
        put_row(json, i == 0, &l);
    }
}

/* ---- holders ------------------------------------------------------ */

void Census::holders(struct buf *json)
{
    std::vector<holder> all = origins_.variables(), kept;
    std::vector<uint8_t> seen(g_.count(), 0);
    for (const holder &h : all) {
        if (!theirs(h.value) || seen[h.value] != 0 ||
            g_.retained(h.value) == 0 || h.kind == HOLDER_API)
            continue;
        seen[h.value] = 1;
        kept.push_back(h);
    }
    std::stable_sort(kept.begin(), kept.end(),
                     [&](const holder &a, const holder &b) {
                         return g_.retained(a.value) > g_.retained(b.value);
                     });
    for (size_t i = 0; i < kept.size() && i < rows_max; i++) {
        std::string path;
        int line;
        struct line l;
        origins_.where(kept[i], &path, &line);
        line_begin(&l);
        line_put(&l, "{\"name\":");
        line_json(&l, bytes(kept[i].name), name_max);
        line_put(&l, ",\"where\":");
        line_json(&l, bytes(path), path_max);
        line_printf(&l, ",\"line\":%d,\"bytes\":%zu}", line,
                    g_.retained(kept[i].value));
        put_row(json, i == 0, &l);
    }
}

void Census::write(struct buf *json)
{
    g_.dominate();
    others();
    buf_puts(json, "{\"objects\":[");
    objects(json);
    buf_puts(json, "],\"holders\":[");
    holders(json);
    buf_printf(json, "],\"total\":{\"count\":%zu,\"bytes\":%zu}}", total_.count,
               total_.bytes);
}

enum err realm_census(struct realm *r, struct buf *json, struct why *why)
{
    Entered in(r);
    if (graph_fits(r->engine->isolate, graph_heap_census))
        Census(r).write(json);
    else
        buf_puts(json, "{\"objects\":[],\"holders\":[],\"total\":null}");
    if (json->err != OK)
        return why_set(why, json->err, "no room for what the heap holds");
    return OK;
}
