/*
 * meta_url.c - the request's URL from what the server says of it.
 *
 * Built by concatenation onto scheme and host, never by resolving
 * REQUEST_URI against a base: "//evil.example/" would become a host.
 */
#include "cgi/meta_parts.h"

#include <string.h>

/* The first element of a list that proxies append to. */
static struct slice first_of(struct slice list)
{
    return slice_trim((struct slice){list.p, slice_find(list, ',')});
}

static const char *known_scheme(struct slice s)
{
    if (slice_iis(s, "https"))
        return "https";
    return slice_iis(s, "http") ? "http" : NULL;
}

static const char *scheme_of(struct meta *m)
{
    const char *said = NULL;
    if (m->limits->trust_forwarded)
        said = known_scheme(first_of(m->var[VAR_HTTP_X_FORWARDED_PROTO]));
    if (said != NULL)
        return said;
    struct slice https = m->var[VAR_HTTPS];
    if (https.n > 0 && !slice_iis(https, "off") && !slice_is(https, "0"))
        return "https";
    said = known_scheme(m->var[VAR_REQUEST_SCHEME]);
    return said != NULL ? said : "http";
}

/* ---- host -------------------------------------------------------------- */

static bool in_brackets(struct slice s)
{
    for (size_t i = 1; i + 1 < s.n; i++)
        if (!ascii_digit(s.p[i]) && strchr("abcdefABCDEF:.", s.p[i]) == NULL)
            return false;
    return s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']';
}

/* uri-host [ ":" port ], RFC 9110 7.2, without percent-encoding. */
static bool host_ok(struct slice s)
{
    size_t n = slice_find(s, s.n > 0 && s.p[0] == '[' ? ']' : ':');
    if (s.n > 0 && s.p[0] == '[')
        n = n < s.n ? n + 1 : s.n;
    struct slice host = {s.p, n};
    struct slice port = slice_from(s, n);
    uint64_t number;

    if (port.n > 0 && port.p[0] != ':')
        return false;
    if (port.n > 1 && !slice_u64(slice_from(port, 1), 65535, &number))
        return false;
    if (host.n > 0 && host.p[0] == '[')
        return in_brackets(host);
    for (size_t i = 0; i < host.n; i++)
        if (!meta_plain(host.p[i]))
            return false;
    return host.n > 0;
}

/* What the server calls itself; configured, so a bad one is no fault. */
static struct slice server_host(struct meta *m, const char *scheme)
{
    struct slice name = m->var[VAR_SERVER_NAME];
    struct slice port = m->var[VAR_SERVER_PORT];
    size_t colon = slice_find(name, ':');
    uint64_t number;

    /* An IPv6 address that lacks its brackets has two colons or more. */
    if (name.n > 0 && name.p[0] != '[' && colon < name.n &&
        slice_find(slice_from(name, colon + 1), ':') + colon + 1 < name.n) {
        name = meta_join(m, SLICE("["), name, SLICE("]"));
        colon = name.n;
    } else if (name.n > 0 && name.p[0] == '[') {
        colon = name.n;
    }
    if (!host_ok(name))
        return SLICE("localhost");
    bool usual = slice_is(port, strcmp(scheme, "https") == 0 ? "443" : "80");
    if (colon < name.n || usual || !slice_u64(port, 65535, &number))
        return name;
    return meta_join(m, name, SLICE(":"), port);
}

static enum err host_of(struct meta *m, const char *scheme, struct slice *host)
{
    struct slice said = slice_trim(m->var[VAR_HTTP_HOST]);
    if (m->limits->trust_forwarded && m->var[VAR_HTTP_X_FORWARDED_HOST].n > 0)
        said = first_of(m->var[VAR_HTTP_X_FORWARDED_HOST]);
    *host = said.n > 0 ? said : server_host(m, scheme);
    if (!host_ok(*host))
        return meta_fault(m, 400, "the host is not a host name with a port");
    return OK;
}

/* ---- path and query ---------------------------------------------------- */

struct text {
    char *p;
    size_t n;
};

static void put_byte(struct text *t, char b, bool encode)
{
    static const char hex[] = "0123456789ABCDEF";
    unsigned char c = (unsigned char)b;
    if (encode) {
        t->p[t->n++] = '%';
        t->p[t->n++] = hex[c >> 4];
        t->p[t->n++] = hex[c & 15];
    } else {
        t->p[t->n++] = b;
    }
}

/* Decoded path bytes: everything but pchar and "/" is encoded. */
static void put_path(struct text *t, struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        put_byte(t, s.p[i],
                 !meta_plain(s.p[i]) && strchr("/:@", s.p[i]) == NULL);
}

/*
 * Bytes from the request line as they came, but for those the URL parser
 * would read as something else: raw bytes (as Latin-1 characters), controls
 * and spaces (dropped), a backslash in the path (as a slash).
 */
static void put_raw(struct text *t, struct slice s, bool path, bool hash)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '?')
            path = false;
        put_byte(t, s.p[i],
                 c <= 0x20 || c >= 0x7f || (path && c == '\\') ||
                     (hash && c == '#'));
    }
}

/* Of absolute-form (RFC 9112 3.2.2) the part after the authority. */
static struct slice after_authority(struct slice uri)
{
    size_t colon = slice_find(uri, ':');
    if (colon == 0 || colon == uri.n || !ascii_alpha(uri.p[0]) ||
        !slice_starts(slice_from(uri, colon), "://"))
        return uri;
    struct slice rest = slice_from(uri, colon + 3);
    size_t i = 0;
    while (i < rest.n && rest.p[i] != '/' && rest.p[i] != '?')
        i++;
    return slice_from(rest, i);
}

/* Rule 1. */
static enum err put_uri(struct meta *m, struct text *t, struct slice uri)
{
    uri.n = slice_find(uri, '#');
    struct slice rest = after_authority(uri);
    bool absolute = rest.n != uri.n;
    /* OPTIONS * asks about the server: Fetch has no URL for that. */
    if (slice_is(rest, "*"))
        rest = SLICE("/");
    if (rest.n == 0 || rest.p[0] != '/') {
        if (!absolute)
            return meta_fault(m, 400, "REQUEST_URI does not start with /");
        put_byte(t, '/', false);
    }
    put_raw(t, rest, true, false);
    return OK;
}

/* Rule 2: RFC 3875 3.3 and 4.1.13, whose path variables are decoded. */
static void put_script(struct meta *m, struct text *t)
{
    struct slice name = m->var[VAR_SCRIPT_NAME];
    struct slice info = m->var[VAR_PATH_INFO];
    struct slice first = name.n > 0 ? name : info;
    if (first.n == 0 || first.p[0] != '/')
        put_byte(t, '/', false);
    put_path(t, name);
    put_path(t, info);
    if (m->var[VAR_QUERY_STRING].n > 0) {
        put_byte(t, '?', false);
        put_raw(t, m->var[VAR_QUERY_STRING], false, true);
    }
}

enum err meta_url(struct meta *m)
{
    const char *scheme = scheme_of(m);
    struct slice host;
    enum err e = host_of(m, scheme, &host);
    if (e != OK)
        return e;

    struct slice uri = m->var[VAR_REQUEST_URI];
    size_t room = uri.n + m->var[VAR_SCRIPT_NAME].n + m->var[VAR_PATH_INFO].n +
                  m->var[VAR_QUERY_STRING].n;
    /* Each byte may become three; "/" and "?" are added. */
    struct text t = {arena_alloc(m->arena, 3 * room + 3), 0};
    if (uri.n > 0)
        e = put_uri(m, &t, uri);
    else
        put_script(m, &t);
    if (e != OK)
        return e;
    m->out->url =
        meta_join(m, meta_join(m, slice_of(scheme), SLICE("://"), host),
                  (struct slice){t.p, t.n}, SLICE(""));
    return OK;
}
