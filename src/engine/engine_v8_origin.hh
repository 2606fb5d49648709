/*
 * engine_v8_origin.hh - what in a heap comes from which text, and under which
 * name a person knows it.
 */
#ifndef ENGINE_ENGINE_V8_ORIGIN_HH
#define ENGINE_ENGINE_V8_ORIGIN_HH

#include "engine/engine_v8_graph.hh"

/* A source text: a module, a script, what eval() was given. */
struct origin {
    Node script; /* NO_NODE: a JSON module, or one that is not known */
    Node source; /* its text, NO_NODE when there is none */
    std::string path;
    bool ours; /* of js/ */
    bool read; /* text is there */
    std::string text;
};

/* What a person would look for to find a thing. */
enum holder_kind {
    HOLDER_NONE,
    HOLDER_GLOBAL,
    HOLDER_VARIABLE, /* of a module or a script */
    HOLDER_LOCAL,    /* of a function, which another one closes over */
    HOLDER_WAITING,  /* a function that awaits or has yielded */
    HOLDER_EXPORT,   /* export default of something without a name */
    HOLDER_API       /* something in js/ */
};

struct holder {
    enum holder_kind kind;
    std::string name; /* of the variable, or of the file of js/ */
    std::string way;  /* and how it goes on: ".formatters[0]" */
    Node value;       /* what it holds */
    Node at;          /* the context, or the function that waits */
    int origin;       /* index, -1 unknown */
};

class Origins
{
  public:
    explicit Origins(const Graph &g);

    /* The text it was made by: functions, their contexts; -1 unknown. */
    int of(Node n) const
    {
        return made_[n] - 1;
    }
    bool application(Node n) const
    {
        return made_[n] > 0 && !all_[static_cast<size_t>(of(n))].ours;
    }
    bool is_global(Node n) const;
    bool is_context(Node n) const;
    const origin &at(int index) const
    {
        return all_[static_cast<size_t>(index)];
    }
    int count() const
    {
        return static_cast<int>(all_.size());
    }

    /* The variable nearest to a thing, of the application if possible. */
    holder who(Node thing) const;
    /* All variables of modules and scripts, and all globals. */
    std::vector<holder> variables() const;
    /* Path and line of a holder; line 0 when the text does not tell. */
    void where(const holder &h, std::string *path, int *line);

  private:
    enum scope : uint8_t { SCOPE_UNKNOWN, SCOPE_NONE, SCOPE_INNER, SCOPE_TOP };

    void texts();
    void functions();
    void contexts(Node context, int made);
    void modules();
    void module(Node m);
    void scripts();
    int script(Node s);
    int add(const origin &o);
    int declaring(const std::string &name);
    const std::string &text(origin *o);
    int line_near(const holder &h) const;
    bool holds(Node from, Edge e, holder *out) const;
    bool variable(Node context, Edge e, holder *out) const;
    bool exported(Node cell, holder *out) const;
    bool waiting(Node registers, holder *out) const;
    std::string way(Node from, const std::vector<Edge> &on) const;

    const Graph &g_;
    std::vector<origin> all_;
    std::vector<int> made_; /* by node: index and 1, 0 unknown */
    mutable std::vector<scope> scopes_;
    std::vector<Node> globals_, modules_;
};

/*
 * The line that declares the name: 1-based, 0 none. With `before`, the last
 * one up to that line if there is one.
 */
int line_of(const std::string &text, const std::string &name, int before);

#endif
