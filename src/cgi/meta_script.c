/*
 * meta_script.c - SCRIPT_FILENAME to a file's name, rule 16.
 *
 * Whether that file may be run is decided elsewhere, on its real path.
 */
#include "cgi/meta_parts.h"

static int hex(char c)
{
    if (ascii_digit(c))
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool decode(struct meta *m, struct slice s, struct slice *out)
{
    char *p = arena_alloc(m->arena, s.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        p[n] = s.p[i];
        if (s.p[i] == '%') {
            int high = i + 1 < s.n ? hex(s.p[i + 1]) : -1;
            int low = i + 2 < s.n ? hex(s.p[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            p[n] = (char)(high * 16 + low);
            i += 2;
        }
        n++;
    }
    *out = (struct slice){p, n};
    return true;
}

/* What follows the authority of Apache's mod_proxy_fcgi, or false. */
static bool proxied(struct slice s, struct slice *rest)
{
    static const char *const prefixes[] = {"proxy:fcgi://",
                                           "proxy:balancer://"};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++) {
        if (!slice_starts(s, prefixes[i]))
            continue;
        s = slice_from(s, slice_of(prefixes[i]).n);
        *rest = slice_from(s, slice_find(s, '/'));
        return true;
    }
    return false;
}

enum err meta_script(struct meta *m)
{
    struct slice s = m->var[VAR_SCRIPT_FILENAME];
    struct slice rest;
    if (s.n == 0)
        s = m->var[VAR_PATH_TRANSLATED];
    if (proxied(s, &rest)) {
        /* A handler gives "//path" as it is, ProxyPass gives "/path" still
         * encoded. */
        s = rest;
        if (slice_starts(rest, "//"))
            s = slice_from(rest, 1);
        else if (!decode(m, rest, &s))
            return meta_fault(m, 400, "SCRIPT_FILENAME is badly encoded");
    }
    /* Servers that cut at "?" served a file other than the one checked. */
    if (slice_find(s, '?') < s.n || slice_find(s, '\0') < s.n)
        return meta_fault(m, 400, "SCRIPT_FILENAME has a ? or a NUL");
    m->out->script = arena_slice(m->arena, s);
    return OK;
}
