/*
 * fetch_policy.h - where fetch() may go.
 *
 * Asked twice for each transfer: for the name in the URL, before it is looked
 * up, and for each address, when a socket to it would be opened, so that a
 * name that leads to an inner address is refused, whoever made it do so.
 */
#ifndef BIND_FETCH_POLICY_H
#define BIND_FETCH_POLICY_H

#include "base/config.h"
#include "base/netlist.h"

struct sockaddr;

/* What a pool's settings say of its fetches. */
struct fetch_rules {
    struct netlist allow, deny; /* deny counts before allow */
    uint64_t max;               /* of a request */
    uint64_t concurrent;        /* of them at once */
    uint64_t max_bytes;         /* of all replies to a request's */
    uint64_t timeout;           /* ns, to connect */
};

/* c is borrowed; its lists were checked when it was read. */
void fetch_rules_init(struct fetch_rules *r, const struct pool_config *c);
void fetch_rules_free(struct fetch_rules *r);

/* A name, and whether it is allowed whatever its address. */
struct fetch_host {
    struct slice name; /* as in the URL, an IPv6 address in brackets */
    uint16_t port;
    bool named;
};

/* Sets h->named. ERR_ACCESS: no address of it would do; why says so. */
enum err fetch_policy_host(const struct fetch_rules *r, struct fetch_host *h,
                           struct why *why);
/* OK or ERR_ACCESS; why then names the address and the setting. */
enum err fetch_policy_address(const struct fetch_rules *r,
                              const struct fetch_host *h,
                              const struct sockaddr *address, struct why *why);

#endif
