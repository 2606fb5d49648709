/*
 * headers.c - the list, and the grammar of RFC 9110 section 5.
 */
#include "cgi/headers.h"

#include <string.h>

void headers_init(struct headers *h, struct arena *a)
{
    *h = (struct headers){.arena = a};
}

static void grow(struct headers *h)
{
    size_t cap = h->cap == 0 ? 16 : h->cap * 2;
    struct header *list = arena_alloc(h->arena, cap * sizeof *list);
    if (h->count > 0)
        memcpy(list, h->list, h->count * sizeof *list);
    h->list = list;
    h->cap = cap;
}

void headers_add(struct headers *h, struct slice name, struct slice value)
{
    if (h->count == h->cap)
        grow(h);
    h->list[h->count++] = (struct header){name, value};
}

struct header *headers_find(const struct headers *h, const char *name)
{
    struct slice wanted = slice_of(name);
    for (size_t i = 0; i < h->count; i++)
        if (slice_ieq(h->list[i].name, wanted))
            return &h->list[i];
    return NULL;
}

static bool tchar(char c)
{
    return ascii_alpha(c) || ascii_digit(c) ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

bool headers_name_ok(struct slice name)
{
    for (size_t i = 0; i < name.n; i++)
        if (!tchar(name.p[i]))
            return false;
    return name.n > 0;
}

bool headers_value_ok(struct slice value)
{
    for (size_t i = 0; i < value.n; i++) {
        unsigned char c = (unsigned char)value.p[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

bool headers_hop_by_hop(struct slice name)
{
    static const char *const names[] = {"connection",
                                        "keep-alive",
                                        "te",
                                        "trailer",
                                        "transfer-encoding",
                                        "upgrade",
                                        "proxy-connection",
                                        "proxy-authenticate",
                                        "proxy-authentication-info",
                                        "proxy-authorization"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (slice_iis(name, names[i]))
            return true;
    return false;
}
