/*
 * engine_v8_graph.hh - the heap as a graph of numbered nodes, and who
 * dominates whom in it.
 *
 * It is made of a heap snapshot of V8's profiler, which collects garbage
 * first. Names stay with the profiler until they are asked for, since asking
 * makes strings in the heap. Nothing of a graph is in the heap after it, but
 * for garbage.
 */
#ifndef ENGINE_ENGINE_V8_GRAPH_HH
#define ENGINE_ENGINE_V8_GRAPH_HH

#include "engine/engine_v8.hh"

#include <v8-profiler.h>

typedef uint32_t Node;
typedef uint32_t Edge; /* numbered through, a node's one after another */

static const Node NO_NODE = UINT32_MAX;

/*
 * Of a larger heap no graph is made: it takes up to 1 KB of memory for an
 * object, most of it the profiler's, and seconds for a million of them. A
 * census is worth less of that than an answer to why something fails.
 */
static const size_t graph_heap_census = size_t{32} << 20; /* bytes */
static const size_t graph_heap_max = size_t{128} << 20;
bool graph_fits(v8::Isolate *isolate, size_t max);

class Graph
{
  public:
    typedef v8::HeapGraphNode NodeType;
    typedef v8::HeapGraphEdge EdgeType;

    /* The isolate must be entered, with a scope for handles. */
    explicit Graph(v8::Isolate *isolate);
    ~Graph();
    Graph(const Graph &) = delete;
    Graph &operator=(const Graph &) = delete;

    Node count() const /* node 0 is the root of all */
    {
        return static_cast<Node>(sizes_.size());
    }
    NodeType::Type type(Node n) const
    {
        return static_cast<NodeType::Type>(types_[n]);
    }
    size_t size(Node n) const /* bytes of its own */
    {
        return sizes_[n];
    }
    std::string name(Node n) const;
    bool is(Node n, NodeType::Type t, const char *name) const
    {
        return type(n) == t && this->name(n) == name;
    }

    Edge first(Node n) const
    {
        return firsts_[n];
    }
    Edge last(Node n) const /* one after it */
    {
        return firsts_[n + 1];
    }
    Node to(Edge e) const
    {
        return tos_[e];
    }
    EdgeType::Type type_of(Edge e) const
    {
        return static_cast<EdgeType::Type>(kinds_[e]);
    }
    /* It keeps what it leads to. */
    bool strong(Edge e) const
    {
        return kinds_[e] != EdgeType::kWeak && kinds_[e] != EdgeType::kShortcut;
    }
    /* A name, or an index in decimal. n: the node it is of. */
    std::string label(Node n, Edge e) const;
    /* Where an edge of that type and name leads, or NO_NODE. */
    Node follow(Node n, EdgeType::Type t, const char *label) const;

    /* Those with a strong edge to n; one with two is there twice. */
    const Node *from_begin(Node n) const
    {
        return froms_.data() + from_firsts_[n];
    }
    const Node *from_end(Node n) const
    {
        return froms_.data() + from_firsts_[n + 1];
    }

    /* What n is in JavaScript. Looks through the whole heap. */
    v8::Local<v8::Value> value(Node n) const;
    Node find(v8::Local<v8::Value> v) const; /* or NO_NODE */

    /* Fills the two below; O(edges * log nodes). */
    void dominate();
    /* The nearest node that all ways to n pass; NO_NODE: no way, or n is 0. */
    Node dominator(Node n) const
    {
        return dominators_[n];
    }
    /* Bytes that would be free if n were: its own and of all it dominates. */
    size_t retained(Node n) const
    {
        return retained_[n];
    }
    /* All that can be reached, each after its dominator. */
    const std::vector<Node> &order() const
    {
        return order_;
    }

  private:
    const v8::HeapGraphNode *node(Node n) const
    {
        return snapshot_->GetNode(static_cast<int>(n));
    }
    void read();
    void turn();

    v8::Isolate *isolate_;
    const v8::HeapSnapshot *snapshot_;
    std::vector<Node> ids_; /* by the profiler's number */
    std::vector<uint8_t> types_;
    std::vector<size_t> sizes_;
    std::vector<Edge> firsts_;
    std::vector<Node> tos_;
    std::vector<uint8_t> kinds_;
    std::vector<Edge> from_firsts_;
    std::vector<Node> froms_;
    std::vector<Node> dominators_, order_;
    std::vector<size_t> retained_;
};

#endif
