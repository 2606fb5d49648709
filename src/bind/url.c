/*
 * url.c - natives of js/url.js.
 *
 * Nothing is kept between calls: JavaScript holds a URL as its href and the
 * offsets of its parts, which lives in a snapshot as it is.
 */
#include "bind/ada_abi.h"
#include "bind/host.h"

#include <string.h>

/* What a Uint32Array of JavaScript receives. */
struct url_parts {
    ada_url_components at;
    uint32_t scheme;
};

/* takes u: its href is the result and its parts go to argument out. */
static void ret_url(struct call *c, ada_url u, int out)
{
    size_t n = 0;
    void *to = arg_bytes_mut(c, out, &n);
    if (!ada_is_valid(u)) {
        ret_null(c);
    } else if (n != sizeof(struct url_parts)) {
        throw_type(c, "a URL has parts of %zu bytes", sizeof(struct url_parts));
    } else {
        struct url_parts parts = {*ada_get_components(u),
                                  ada_get_scheme_type(u)};
        ada_string href = ada_get_href(u);
        memcpy(to, &parts, sizeof(parts));
        ret_latin1(c, (struct slice){href.data, href.length});
    }
    ada_free(u);
}

/* (input, base or undefined, out) -> href, or null when it is no URL */
static void url_parse(struct call *c)
{
    struct slice in = arg_utf8(c, 0);
    if (arg_is_undefined(c, 1)) {
        ret_url(c, ada_parse(in.p, in.n), 2);
        return;
    }
    struct slice base = arg_utf8(c, 1);
    ret_url(c, ada_parse_with_base(in.p, in.n, base.p, base.n), 2);
}

static void url_can_parse(struct call *c)
{
    struct slice in = arg_utf8(c, 0);
    if (arg_is_undefined(c, 1)) {
        ret_bool(c, ada_can_parse(in.p, in.n));
        return;
    }
    struct slice base = arg_utf8(c, 1);
    ret_bool(c, ada_can_parse_with_base(in.p, in.n, base.p, base.n));
}

static bool set_search(ada_url u, const char *p, size_t n)
{
    ada_set_search(u, p, n);
    return true;
}

static bool set_hash(ada_url u, const char *p, size_t n)
{
    ada_set_hash(u, p, n);
    return true;
}

/* "host state": a port without a host is refused, which Ada forgets. */
static bool set_host(ada_url u, const char *p, size_t n)
{
    size_t at = 0;
    while (at < n && (p[at] == '\t' || p[at] == '\n' || p[at] == '\r'))
        at++;
    return (at == n || p[at] != ':') && ada_set_host(u, p, n);
}

/* In the order of the constants in js/url.js. */
static bool (*const setters[])(ada_url, const char *, size_t) = {
    ada_set_protocol, ada_set_username, ada_set_password,
    set_host,         ada_set_hostname, ada_set_port,
    ada_set_pathname, set_search,       set_hash};

/* (href, which, value, out) -> href, or null when the value was refused */
static void url_set(struct call *c)
{
    struct slice href = arg_utf8(c, 0), value = arg_utf8(c, 2);
    int32_t which = arg_int(c, 1);
    if (which < 0 || which >= (int32_t)(sizeof(setters) / sizeof(*setters))) {
        throw_type(c, "urlSet: no part %d", (int)which);
        return;
    }
    ada_url u = ada_parse(href.p, href.n);
    if (ada_is_valid(u) && !setters[which](u, value.p, value.n)) {
        ada_free(u);
        ret_null(c);
        return;
    }
    ret_url(c, u, 3);
}

/* ("?" query) -> [name, value, ...] */
static void url_params(struct call *c)
{
    struct slice query = arg_utf8(c, 0);
    ada_url_search_params params = ada_parse_search_params(query.p, query.n);
    ada_url_search_params_entries_iter all =
        ada_search_params_get_entries(params);
    ret_list(c);
    while (ada_search_params_entries_iter_has_next(all)) {
        ada_string_pair pair = ada_search_params_entries_iter_next(all);
        list_utf8(c, (struct slice){pair.key.data, pair.key.length});
        list_utf8(c, (struct slice){pair.value.data, pair.value.length});
    }
    ada_free_search_params_entries_iter(all);
    ada_free_search_params(params);
}

/* ([name, value, ...]) -> string; js/url.js escapes what Ada forgets */
static void url_params_string(struct call *c)
{
    uint32_t count = arg_list_count(c, 0);
    ada_url_search_params params = ada_parse_search_params("", 0);
    for (uint32_t k = 0; k + 1 < count; k += 2) {
        struct slice name = arg_list_utf8(c, 0, k);
        struct slice value = arg_list_utf8(c, 0, k + 1);
        ada_search_params_append(params, name.p, name.n, value.p, value.n);
    }
    ada_owned_string out = ada_search_params_to_string(params);
    ret_latin1(c, (struct slice){out.data, out.length});
    ada_free_owned_string(out);
    ada_free_search_params(params);
}

const struct native url_natives[] = {{"urlParse", 3, url_parse},
                                     {"urlCanParse", 1, url_can_parse},
                                     {"urlSet", 4, url_set},
                                     {"urlParams", 1, url_params},
                                     {"urlParamsString", 1, url_params_string},
                                     {NULL, 0, NULL}};
