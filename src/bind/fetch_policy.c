/*
 * fetch_policy.c - deny, then allow, by name and by address.
 */
#include "bind/fetch_policy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#define NAME_SHOWN 255

static void read_list(const char *text, struct netlist *out)
{
    struct why why;
    must(netlist_parse(slice_of(text), out, &why) == OK);
}

void fetch_rules_init(struct fetch_rules *r, const struct pool_config *c)
{
    *r = (struct fetch_rules){.max = c->fetch_max,
                              .concurrent = c->fetch_concurrent,
                              .max_bytes = c->fetch_max_bytes,
                              .timeout = c->fetch_timeout};
    read_list(c->fetch_allow, &r->allow);
    read_list(c->fetch_deny, &r->deny);
}

void fetch_rules_free(struct fetch_rules *r)
{
    netlist_free(&r->allow);
    netlist_free(&r->deny);
}

static int shown(struct slice name)
{
    return (int)(name.n < NAME_SHOWN ? name.n : NAME_SHOWN);
}

enum err fetch_policy_host(const struct fetch_rules *r, struct fetch_host *h,
                           struct why *why)
{
    h->named = netlist_has_host(&r->allow, h->name, h->port);
    if (netlist_has_host(&r->deny, h->name, h->port))
        return why_set(why, ERR_ACCESS, "%.*s is in fetch_deny", shown(h->name),
                       h->name.p);
    if (!h->named && !netlist_asks_address(&r->allow))
        return why_set(why, ERR_ACCESS, "%.*s is not in fetch_allow",
                       shown(h->name), h->name.p);
    return OK;
}

static bool take_address(const struct sockaddr *from, uint8_t out[16],
                         uint16_t *port)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    if (from->sa_family == AF_INET6) {
        memcpy(&v6, from, sizeof(v6));
        memcpy(out, &v6.sin6_addr, 16);
        *port = ntohs(v6.sin6_port);
        return true;
    }
    if (from->sa_family != AF_INET)
        return false;
    memcpy(&v4, from, sizeof(v4));
    memset(out, 0, 10);
    memset(out + 10, 0xff, 2);
    memcpy(out + 12, &v4.sin_addr, 4);
    *port = ntohs(v4.sin_port);
    return true;
}

enum err fetch_policy_address(const struct fetch_rules *r,
                              const struct fetch_host *h,
                              const struct sockaddr *address, struct why *why)
{
    uint8_t bytes[16];
    uint16_t port = 0;
    char text[INET6_ADDRSTRLEN] = "";
    if (!take_address(address, bytes, &port))
        return why_set(why, ERR_ACCESS, "%.*s is no internet address",
                       shown(h->name), h->name.p);
    bool four = address->sa_family == AF_INET;
    inet_ntop(four ? AF_INET : AF_INET6, four ? bytes + 12 : bytes, text,
              sizeof(text));
    if (netlist_has_address(&r->deny, bytes, port))
        return why_set(why, ERR_ACCESS, "the address %s is in fetch_deny",
                       text);
    if (h->named || netlist_has_address(&r->allow, bytes, port))
        return OK;
    return why_set(why, ERR_ACCESS, "the address %s is not in fetch_allow%s",
                   text, netlist_public(bytes) ? "" : " and is not public");
}
