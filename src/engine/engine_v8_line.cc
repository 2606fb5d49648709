/*
 * engine_v8_line.cc - the line that declares a name. V8 does not keep it, so
 * the text is searched: a parser would find more and be fooled less, but what
 * is asked for here is a line to look at.
 */
#include "engine/engine_v8_origin.hh"

static bool is_word(char ch)
{
    return ascii_alpha(ch) || ascii_digit(ch) || ch == '_' || ch == '$' ||
           (ch & 0x80) != 0;
}

/* What stands before a name in its line; of a long line, the end of that. */
static const size_t before_max = 200;

/* The word that ends right before `end`, blanks aside. */
static std::string word_before(const std::string &line, size_t *end)
{
    size_t to = *end;
    while (to > 0 &&
           (line[to - 1] == ' ' || line[to - 1] == '*' || line[to - 1] == '\t'))
        to--;
    size_t from = to;
    while (from > 0 && is_word(line[from - 1]))
        from--;
    *end = from;
    return line.substr(from, to - from);
}

static bool is_one_of(const std::string &word, const char *const *list)
{
    for (; *list != nullptr; list++)
        if (word == *list)
            return true;
    return false;
}

static const char *const declaring[] = {"const", "let",      "var",
                                        "class", "function", nullptr};
static const char *const leading[] = {"export", "default", "async", nullptr};
static const char *const opening[] = {"const",  "let",    "var",
                                      "export", "import", nullptr};

static std::string first_word(const std::string &line, size_t start)
{
    size_t end = start;
    while (end < line.size() && is_word(line[end]))
        end++;
    return line.substr(start, end - start);
}

/* How much it looks like a declaration of what follows. */
enum {
    LOOKS_NOT,
    LOOKS_USED,
    LOOKS_SET,      /* globalThis.x */
    LOOKS_LISTED,   /* const { a, x, import { x */
    LOOKS_DECLARED, /* somewhere in a line: const x */
    LOOKS_FIRST     /* at its start */
};

static int looks(const std::string &line)
{
    size_t start = line.find_first_not_of(" \t"), end = line.size();
    if (start == std::string::npos)
        return LOOKS_USED;
    if (line.compare(start, 2, "//") == 0 || line[start] == '*' ||
        line.compare(start, 2, "/*") == 0)
        return LOOKS_NOT;
    if (line[end - 1] == '.') {
        end--;
        std::string of = word_before(line, &end);
        return of == "globalThis" || of == "self" ? LOOKS_SET : LOOKS_NOT;
    }
    if (is_one_of(word_before(line, &end), declaring)) {
        while (end > start && is_one_of(word_before(line, &end), leading)) {
        }
        return end <= start ? LOOKS_FIRST : LOOKS_DECLARED;
    }
    return is_one_of(first_word(line, start), opening) ? LOOKS_LISTED
                                                       : LOOKS_USED;
}

int line_of(const std::string &text, const std::string &name, int before)
{
    int best = LOOKS_NOT, found = 0, line = 1;
    size_t from = 0, at = 0, n = name.size();
    for (size_t seen = 0; n > 0; at += n) {
        at = text.find(name, at);
        if (at == std::string::npos)
            break;
        for (; seen < at; seen++) {
            if (text[seen] == '\n') {
                line++;
                from = seen + 1;
            }
        }
        if ((at > 0 && is_word(text[at - 1])) ||
            (at + n < text.size() && is_word(text[at + n])))
            continue;
        if (best > LOOKS_USED &&
            (before == 0 ? best == LOOKS_FIRST : line > before))
            break;
        size_t part = at - from < before_max ? at - from : before_max;
        int look = looks(text.substr(at - part, part));
        if (look > best || (before != 0 && look > LOOKS_USED)) {
            best = look;
            found = line;
        }
    }
    return found;
}
