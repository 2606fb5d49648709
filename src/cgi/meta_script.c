/*
 * meta_script.c - SCRIPT_FILENAME to a file's name, rule 16.
 *
 * Whether that file may be run is decided elsewhere, on its real path.
 */
#include "cgi/meta_parts.h"

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
        /*
         * "//path" is a SetHandler's, decoded. "/path" is ProxyPass's, still
         * encoded, or that of a SetHandler without its last slash, decoded:
         * a "%" there cannot be told, and decoding twice would run a file
         * other than the one the server's access rules saw.
         */
        bool handler = slice_starts(rest, "//");
        s = handler ? slice_from(rest, 1) : rest;
        if (!handler && slice_find(s, '%') < s.n)
            return meta_fault(m, 400,
                              "SCRIPT_FILENAME has a %% that may be encoded or "
                              "not: end the fcgi:// address with a slash");
    }
    /* Servers that cut at "?" served a file other than the one checked. */
    if (slice_find(s, '?') < s.n || slice_find(s, '\0') < s.n)
        return meta_fault(m, 400, "SCRIPT_FILENAME has a ? or a NUL");
    m->out->script = arena_slice(m->arena, s);
    if (m->var[VAR_REDIRECT_STATUS].n > 0)
        m->out->action_script =
            arena_slice(m->arena, m->var[VAR_PATH_TRANSLATED]);
    return OK;
}
