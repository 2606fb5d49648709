/*
 * fcgi_peers.h - who may connect by TCP: FCGI_WEB_SERVER_ADDRS.
 *
 * FastCGI 1.0 section 2.2; IPv6 addresses are taken as well.
 */
#ifndef CGI_FCGI_PEERS_H
#define CGI_FCGI_PEERS_H

#include "base/err.h"

#include <netinet/in.h>
#include <sys/socket.h>

#define FCGI_PEERS_MAX 32

struct fcgi_peers {
    bool any; /* no list: everyone */
    size_t count;
    struct in6_addr list[FCGI_PEERS_MAX]; /* IPv4 ones mapped */
};

/* list: addresses with commas between, or NULL. ERR_SYNTAX, ERR_TOOBIG. */
enum err fcgi_peers_parse(const char *list, struct fcgi_peers *out);
/* Other families than IPv4 and IPv6 are always allowed. */
bool fcgi_peers_allow(const struct fcgi_peers *p,
                      const struct sockaddr_storage *from);

#endif
