/*
 * engine_v8_graph.cc - a heap snapshot in arrays, and its dominators
 * (Lengauer and Tarjan 1979, with path compression alone).
 */
#include "engine/engine_v8_graph.hh"

#include <algorithm>

/*
 * What these keep is kept by others too or is nobody's: tables of V8 that are
 * weak or that only the making of an image fills, and this very call.
 */
static const char *const bystanders[] = {
    "(Internalized strings)",   "(External strings)", "(Startup object cache)",
    "(Shareable object cache)", "(Handle scope)",     "(Stack roots)",
};

static std::string words(v8::Isolate *isolate, v8::Local<v8::Value> v)
{
    v8::String::Utf8Value bytes(isolate, v);
    return *bytes != nullptr
               ? std::string(*bytes, static_cast<size_t>(bytes.length()))
               : std::string();
}

bool graph_fits(v8::Isolate *isolate, size_t max)
{
    v8::HeapStatistics heap;
    isolate->GetHeapStatistics(&heap);
    return heap.used_heap_size() <= max;
}

Graph::Graph(v8::Isolate *isolate) : isolate_(isolate)
{
    v8::HeapProfiler *profiler = isolate->GetHeapProfiler();
    profiler->ClearObjectIds(); /* numbers begin anew, and are dense */
    snapshot_ = profiler->TakeHeapSnapshot();
    read();
    turn();
}

Graph::~Graph()
{
    v8::HeapProfiler *profiler = isolate_->GetHeapProfiler();
    profiler->DeleteAllHeapSnapshots();
    profiler->ClearObjectIds();
}

void Graph::read()
{
    auto n = static_cast<Node>(snapshot_->GetNodesCount());
    v8::SnapshotObjectId most = 0;
    Edge edges = 0;
    firsts_.reserve(n + size_t{1});
    for (Node i = 0; i < n; i++) {
        const v8::HeapGraphNode *from = node(i);
        types_.push_back(static_cast<uint8_t>(from->GetType()));
        sizes_.push_back(from->GetShallowSize());
        firsts_.push_back(edges);
        edges += static_cast<Edge>(from->GetChildrenCount());
        most = std::max(most, from->GetId());
    }
    firsts_.push_back(edges);
    ids_.assign(most + size_t{1}, NO_NODE);
    for (Node i = 0; i < n; i++)
        ids_[node(i)->GetId()] = i;
    tos_.reserve(edges);
    kinds_.reserve(edges);
    for (Node i = 0; i < n; i++) {
        const v8::HeapGraphNode *from = node(i);
        bool aside = false;
        if (type(i) == NodeType::kSynthetic)
            for (const char *bystander : bystanders)
                aside = aside || name(i) == bystander;
        for (int k = 0; k < from->GetChildrenCount(); k++) {
            const v8::HeapGraphEdge *edge = from->GetChild(k);
            tos_.push_back(ids_[edge->GetToNode()->GetId()]);
            kinds_.push_back(static_cast<uint8_t>(aside ? EdgeType::kWeak
                                                        : edge->GetType()));
        }
    }
}

/* The other direction: counted, summed up, filled from the back. */
void Graph::turn()
{
    from_firsts_.assign(count() + size_t{1}, 0);
    for (Edge e = 0; e < tos_.size(); e++)
        if (strong(e))
            from_firsts_[tos_[e]]++;
    Edge sum = 0;
    for (Edge &f : from_firsts_)
        f = sum += f;
    froms_.resize(sum);
    for (Node n = count(); n-- > 0;)
        for (Edge e = first(n); e < last(n); e++)
            if (strong(e))
                froms_[--from_firsts_[tos_[e]]] = n;
}

std::string Graph::name(Node n) const
{
    v8::HandleScope handles(isolate_);
    return words(isolate_, node(n)->GetName());
}

std::string Graph::label(Node n, Edge e) const
{
    v8::HandleScope handles(isolate_);
    return words(isolate_,
                 node(n)->GetChild(static_cast<int>(e - first(n)))->GetName());
}

Node Graph::follow(Node n, EdgeType::Type t, const char *wanted) const
{
    for (Edge e = first(n); e < last(n); e++)
        if (type_of(e) == t && label(n, e) == wanted)
            return to(e);
    return NO_NODE;
}

v8::Local<v8::Value> Graph::value(Node n) const
{
    return isolate_->GetHeapProfiler()->FindObjectById(node(n)->GetId());
}

Node Graph::find(v8::Local<v8::Value> v) const
{
    v8::SnapshotObjectId id = isolate_->GetHeapProfiler()->GetObjectId(v);
    return id < ids_.size() && id != 0 ? ids_[id] : NO_NODE;
}

/* ---- dominators ---------------------------------------------------------- */

/*
 * Everything here is numbered in the order a depth-first walk meets it: "less"
 * means earlier, and 0 is the root.
 */
class Tree
{
  public:
    explicit Tree(const Graph &g) : g_(g), at_(g.count(), NO_NODE)
    {
    }
    void walk();
    void solve();

    std::vector<Node> met;       /* nodes, in that order */
    std::vector<Node> dominator; /* of each but the root */

  private:
    Node best(Node v);

    const Graph &g_;
    std::vector<Node> at_; /* of a node: where it is in met */
    std::vector<Node> parent_, semi_, ancestor_, label_, way_;
};

void Tree::walk()
{
    struct Step {
        Node at;
        Edge next, end;
    };
    std::vector<Step> way;
    auto meet = [&](Node n, Node parent) {
        at_[n] = static_cast<Node>(met.size());
        met.push_back(n);
        parent_.push_back(parent);
        way.push_back({at_[n], g_.first(n), g_.last(n)});
    };
    meet(0, NO_NODE);
    while (!way.empty()) {
        Step &step = way.back();
        if (step.next == step.end) {
            way.pop_back();
            continue;
        }
        Edge e = step.next++;
        if (g_.strong(e) && at_[g_.to(e)] == NO_NODE)
            meet(g_.to(e), step.at);
    }
}

/* Of the way up to v's root in the forest, where semi_ is least. */
Node Tree::best(Node v)
{
    if (ancestor_[v] == NO_NODE)
        return v;
    way_.clear();
    for (; ancestor_[ancestor_[v]] != NO_NODE; v = ancestor_[v])
        way_.push_back(v);
    Node result = label_[v];
    while (!way_.empty()) {
        Node w = way_.back();
        way_.pop_back();
        Node above = ancestor_[w];
        if (semi_[label_[above]] < semi_[label_[w]])
            label_[w] = label_[above];
        ancestor_[w] = ancestor_[above];
        result = label_[w];
    }
    return result;
}

void Tree::solve()
{
    auto n = static_cast<Node>(met.size());
    std::vector<Node> bucket(n, NO_NODE), next(n, NO_NODE);
    semi_.resize(n);
    label_.resize(n);
    for (Node i = 0; i < n; i++)
        semi_[i] = label_[i] = i;
    ancestor_.assign(n, NO_NODE);
    dominator.assign(n, NO_NODE);
    for (Node w = n; w-- > 1;) {
        Node up = parent_[w];
        for (const Node *p = g_.from_begin(met[w]); p != g_.from_end(met[w]);
             p++)
            if (at_[*p] != NO_NODE)
                semi_[w] = std::min(semi_[w], semi_[best(at_[*p])]);
        next[w] = bucket[semi_[w]];
        bucket[semi_[w]] = w;
        ancestor_[w] = up;
        for (Node v = bucket[up]; v != NO_NODE; v = next[v]) {
            Node u = best(v);
            dominator[v] = semi_[u] < semi_[v] ? u : up;
        }
        bucket[up] = NO_NODE;
    }
    for (Node w = 1; w < n; w++)
        if (dominator[w] != semi_[w])
            dominator[w] = dominator[dominator[w]];
}

void Graph::dominate()
{
    Tree tree(*this);
    tree.walk();
    tree.solve();
    dominators_.assign(count(), NO_NODE);
    retained_ = sizes_;
    for (size_t i = tree.met.size(); i-- > 1;) {
        Node n = tree.met[i];
        dominators_[n] = tree.met[tree.dominator[i]];
        retained_[dominators_[n]] += retained_[n];
    }
    order_.swap(tree.met);
}
