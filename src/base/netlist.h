/*
 * netlist.h - a list of networks and hosts, as text and as a question.
 *
 * Words with blanks between: "all", "public", an address (192.0.2.7,
 * 2001:db8::1), a network (10.0.0.0/8, fd00::/8), a host (api.example.org) or
 * all below one (*.example.org). Each may end with :port; an IPv6 address is
 * then written in brackets, [fd00::/8]:443.
 */
#ifndef BASE_NETLIST_H
#define BASE_NETLIST_H

#include "base/err.h"
#include "base/slice.h"

#include <stdint.h>

#define NETLIST_MAX 256 /* words of a list */

enum netword_kind {
    NET_ALL,     /* every address */
    NET_PUBLIC,  /* every address of the public internet */
    NET_ADDRESS, /* address/bits */
    NET_HOST,    /* that name */
    NET_BELOW    /* every name that ends with .host */
};

struct netword {
    enum netword_kind kind;
    uint8_t address[16]; /* IPv4 as ::ffff:a.b.c.d */
    unsigned bits;       /* of address, 0 to 128 */
    struct slice host;   /* borrowed from the text */
    uint16_t port;       /* 0: any */
};

struct netlist {
    struct netword *words; /* malloc'd */
    size_t count;
};

/*
 * Fills out, to be freed by netlist_free(); text is borrowed as long. On
 * ERR_SYNTAX and ERR_TOOBIG out is empty, and the why reads well after
 * "KEY = TEXT".
 */
enum err netlist_parse(struct slice text, struct netlist *out, struct why *why);
void netlist_free(struct netlist *l);

/* Is there a word for that name? host: as in a URL, without brackets. */
bool netlist_has_host(const struct netlist *l, struct slice host,
                      uint16_t port);
/* Is there one for that address? IPv4 as ::ffff:a.b.c.d. */
bool netlist_has_address(const struct netlist *l, const uint8_t address[16],
                         uint16_t port);
/* Is there any that asks for an address? */
bool netlist_asks_address(const struct netlist *l);

/*
 * No address of a special purpose (the registries of RFC 6890): not private,
 * loopback, link-local, shared, multicast, reserved, documentation and so on.
 * An IPv4 address in an IPv6 one (mapped, NAT64) is what counts.
 */
bool netlist_public(const uint8_t address[16]);

#endif
