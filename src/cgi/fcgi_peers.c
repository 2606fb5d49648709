/*
 * fcgi_peers.c - a list of addresses, compared as bytes.
 */
#include "cgi/fcgi_peers.h"
#include "base/slice.h"

#include <arpa/inet.h>
#include <string.h>

static struct in6_addr mapped(struct in_addr v4)
{
    struct in6_addr a = {0};
    a.s6_addr[10] = a.s6_addr[11] = 0xff;
    memcpy(a.s6_addr + 12, &v4, sizeof v4);
    return a;
}

static bool address(struct slice s, struct in6_addr *out)
{
    char text[INET6_ADDRSTRLEN];
    struct in_addr v4;
    if (s.n == 0 || s.n >= sizeof text)
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    if (inet_pton(AF_INET, text, &v4) == 1) {
        *out = mapped(v4);
        return true;
    }
    return inet_pton(AF_INET6, text, out) == 1;
}

enum err fcgi_peers_parse(const char *list, struct fcgi_peers *out)
{
    *out = (struct fcgi_peers){.any = list == NULL};
    struct slice rest = slice_of(list);
    while (rest.n > 0) {
        size_t n = slice_find(rest, ',');
        struct slice one = slice_trim((struct slice){rest.p, n});
        if (out->count == FCGI_PEERS_MAX)
            return ERR_TOOBIG;
        if (!address(one, &out->list[out->count++]))
            return ERR_SYNTAX;
        rest = slice_from(rest, n + 1);
    }
    return OK;
}

bool fcgi_peers_allow(const struct fcgi_peers *p,
                      const struct sockaddr_storage *from)
{
    struct in6_addr a;
    if (p->any)
        return true;
    if (from->ss_family == AF_INET)
        a = mapped(((const struct sockaddr_in *)from)->sin_addr);
    else if (from->ss_family == AF_INET6)
        a = ((const struct sockaddr_in6 *)from)->sin6_addr;
    else
        return true;
    for (size_t i = 0; i < p->count; i++)
        if (memcmp(&a, &p->list[i], sizeof a) == 0)
            return true;
    return false;
}
