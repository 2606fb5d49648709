/*
 * netlist.c - words to masks and names; which addresses are public.
 */
#include "base/netlist.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define HOST_MAX 253

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
static const uint8_t nat64[12] = {[1] = 0x64, [2] = 0xff, [3] = 0x9b};

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8, rest = bits % 8;
    if (memcmp(a, b, whole) != 0)
        return false;
    return rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0;
}

/* ---- reading ------------------------------------------------------------ */

/* The address in s, 4 in 6; *bits is the length of its family's own. */
static bool read_address(struct slice s, uint8_t out[16], unsigned *bits)
{
    char text[INET6_ADDRSTRLEN];
    if (s.n == 0 || s.n >= sizeof(text))
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    *bits = 128;
    if (inet_pton(AF_INET6, text, out) == 1)
        return true;
    *bits = 32;
    memcpy(out, mapped, sizeof(mapped));
    return inet_pton(AF_INET, text, out + 12) == 1;
}

static bool read_network(struct slice s, struct netword *w)
{
    size_t slash = slice_find(s, '/');
    unsigned own = 0;
    uint64_t bits = 0;
    if (!read_address((struct slice){s.p, slash}, w->address, &own))
        return false;
    bits = own;
    if (slash < s.n && !slice_u64(slice_from(s, slash + 1), own, &bits))
        return false;
    w->kind = NET_ADDRESS;
    w->bits = 128 - own + (unsigned)bits;
    return true;
}

/* Labels of letters, digits, '-' and '_'; the last is no number. */
static bool read_host(struct slice s, struct netword *w)
{
    size_t label = 0;
    bool number = true;
    w->kind = NET_HOST;
    if (slice_starts(s, "*.")) {
        w->kind = NET_BELOW;
        s = slice_from(s, 2);
    }
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (c == '.' && label > 0) {
            label = 0;
            number = true;
        } else if (ascii_alpha(c) || ascii_digit(c) || c == '-' || c == '_') {
            label++;
            number = number && ascii_digit(c);
        } else {
            return false;
        }
    }
    w->host = s;
    return label > 0 && !number && s.n <= HOST_MAX;
}

/* Takes ":port" off the end of *s; one colon only, or it follows a ']'. */
static bool read_port(struct slice *s, uint16_t *port)
{
    size_t first = slice_find(*s, ':'), last = s->n;
    uint64_t n = 0;
    while (last > 0 && s->p[last - 1] != ':')
        last--;
    if (last == 0 || (last != first + 1 && s->p[last - 2] != ']'))
        return true;
    if (last >= 2 && last != first + 1 && s->p[0] != '[')
        return false;
    if (!slice_u64(slice_from(*s, last), UINT16_MAX, &n) || n == 0)
        return false;
    *port = (uint16_t)n;
    s->n = last - 1;
    return true;
}

static bool read_word(struct slice s, struct netword *w)
{
    *w = (struct netword){.kind = NET_ALL};
    if (!read_port(&s, &w->port))
        return false;
    if (slice_is(s, "all"))
        return true;
    if (slice_is(s, "public")) {
        w->kind = NET_PUBLIC;
        return true;
    }
    if (s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
        return read_network((struct slice){s.p + 1, s.n - 2}, w);
    return read_network(s, w) || read_host(s, w);
}

static struct slice next_word(struct slice *rest)
{
    size_t n = 0;
    *rest = slice_trim(*rest);
    while (n < rest->n && rest->p[n] != ' ' && rest->p[n] != '\t')
        n++;
    struct slice word = {rest->p, n};
    *rest = slice_from(*rest, n);
    return word;
}

enum err netlist_parse(struct slice text, struct netlist *out, struct why *why)
{
    struct slice rest = text, word;
    size_t count = 0;
    *out = (struct netlist){NULL, 0};
    while (next_word(&rest).n > 0)
        count++;
    if (count == 0)
        return OK;
    if (count > NETLIST_MAX)
        return why_set(why, ERR_TOOBIG, "has more than %d words", NETLIST_MAX);
    out->words = xalloc(count * sizeof(*out->words));
    rest = text;
    while ((word = next_word(&rest)).n > 0) {
        if (read_word(word, &out->words[out->count])) {
            out->count++;
            continue;
        }
        netlist_free(out);
        return why_set(why, ERR_SYNTAX,
                       "has a word that is none of all, public, an address, "
                       "address/bits, host, *.host: %.*s",
                       (int)(word.n < 64 ? word.n : 64), word.p);
    }
    return OK;
}

void netlist_free(struct netlist *l)
{
    free(l->words);
    *l = (struct netlist){NULL, 0};
}

/* ---- asking ------------------------------------------------------------- */

static bool port_fits(const struct netword *w, uint16_t port)
{
    return w->port == 0 || w->port == port;
}

static bool is_below(struct slice host, struct slice top)
{
    if (host.n <= top.n + 1)
        return false;
    size_t at = host.n - top.n;
    return host.p[at - 1] == '.' && slice_ieq(slice_from(host, at), top);
}

bool netlist_has_host(const struct netlist *l, struct slice host, uint16_t port)
{
    if (slice_ends(host, ".")) /* the same name, said to be complete */
        host.n--;
    for (size_t i = 0; i < l->count; i++) {
        const struct netword *w = &l->words[i];
        if (!port_fits(w, port))
            continue;
        if ((w->kind == NET_HOST && slice_ieq(host, w->host)) ||
            (w->kind == NET_BELOW && is_below(host, w->host)))
            return true;
    }
    return false;
}

/*
 * Where an address leads: behind a NAT64 address (RFC 6052) is the IPv4
 * address at its end, and Linux connects the unspecified one to loopback.
 */
static void unwrap(const uint8_t in[16], uint8_t out[16])
{
    static const uint8_t any[16], any4[4], loop4[4] = {127, 0, 0, 1};
    memcpy(out, in, 16);
    if (memcmp(in, nat64, sizeof(nat64)) == 0)
        memcpy(out, mapped, sizeof(mapped));
    if (memcmp(out, any, sizeof(any)) == 0)
        out[15] = 1;
    else if (memcmp(out, mapped, sizeof(mapped)) == 0 &&
             memcmp(out + 12, any4, sizeof(any4)) == 0)
        memcpy(out + 12, loop4, sizeof(loop4));
}

bool netlist_has_address(const struct netlist *l, const uint8_t address[16],
                         uint16_t port)
{
    uint8_t inner[16];
    unwrap(address, inner);
    for (size_t i = 0; i < l->count; i++) {
        const struct netword *w = &l->words[i];
        if (!port_fits(w, port))
            continue;
        if (w->kind == NET_ALL ||
            (w->kind == NET_PUBLIC && netlist_public(address)) ||
            (w->kind == NET_ADDRESS &&
             (same_bits(w->address, address, w->bits) ||
              same_bits(w->address, inner, w->bits))))
            return true;
    }
    return false;
}

bool netlist_asks_address(const struct netlist *l)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->words[i].kind <= NET_ADDRESS)
            return true;
    return false;
}

struct block {
    uint8_t address[16];
    unsigned bits;
};

/* The last four bytes. */
static const struct block special4[] = {
    {{0}, 8},             /* this network */
    {{10}, 8},            /* private */
    {{100, 64}, 10},      /* shared, RFC 6598 */
    {{127}, 8},           /* loopback */
    {{169, 254}, 16},     /* link-local, and the metadata of clouds */
    {{172, 16}, 12},      /* private */
    {{192, 0, 0}, 24},    /* IETF protocols */
    {{192, 0, 2}, 24},    /* documentation */
    {{192, 88, 99}, 24},  /* 6to4 relays */
    {{192, 168}, 16},     /* private */
    {{198, 18}, 15},      /* benchmarks */
    {{198, 51, 100}, 24}, /* documentation */
    {{203, 0, 113}, 24},  /* documentation */
    {{224}, 3},           /* multicast, reserved, broadcast */
};

/* Inside 2000::/3; nothing outside of it is public. */
static const struct block special6[] = {
    {{0x20, 0x01}, 23},             /* IETF protocols, Teredo, ORCHID */
    {{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation */
    {{0x20, 0x02}, 16},             /* 6to4 */
    {{0x3f, 0xff}, 20},             /* documentation */
};

bool netlist_public(const uint8_t address[16])
{
    static const uint8_t unicast[16] = {0x20};
    uint8_t a[16];
    unwrap(address, a);
    if (memcmp(a, mapped, sizeof(mapped)) == 0) {
        for (size_t i = 0; i < sizeof(special4) / sizeof(special4[0]); i++)
            if (same_bits(special4[i].address, a + 12, special4[i].bits))
                return false;
        return true;
    }
    if (!same_bits(unicast, a, 3))
        return false;
    for (size_t i = 0; i < sizeof(special6) / sizeof(special6[0]); i++)
        if (same_bits(special6[i].address, a, special6[i].bits))
            return false;
    return true;
}
