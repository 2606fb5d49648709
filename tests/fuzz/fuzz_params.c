/*
 * fuzz_params.c - bytes as from a socket in, a request's parameters out: the
 * records by fcgi_conn.c, the parameters by libfcgi, and both agree.
 *
 * Input: a byte that says how many bytes come at a time, the bytes.
 */
#include "cgi/fcgi_conn.h"
#include "cgi/fcgi_decode.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);

#define MAX_PARAMS 50
#define MAX_BYTES 4096
#define MAX_INPUT 16384 /* what the socket holds for certain */

/* Each pair, in its order, is one "NAME=value". */
static void check_params(struct slice pairs, const char *const *params)
{
    struct slice name, value;
    while (fcgi_pair(&pairs, &name, &value) == OK) {
        must(*params != NULL);
        struct slice got = slice_of(*params++);
        must(got.n == name.n + 1 + value.n && got.p[name.n] == '=');
        must(memcmp(got.p, name.p, name.n) == 0);
        must(value.n == 0 || memcmp(got.p + name.n + 1, value.p, value.n) == 0);
    }
    must(pairs.n == 0 && *params == NULL);
}

static void decode_head(struct fcgi_decoder *d, struct fcgi_conn *c)
{
    FCGX_Request req;
    const char *const *params;
    struct slice pairs = buf_view(&c->head);
    if (fcgi_pairs_check(pairs, MAX_PARAMS, MAX_BYTES) != OK)
        return;
    must(fcgi_decode(d, pairs, &req, &params) == OK);
    check_params(pairs, params);
    FCGX_Free(&req, 0);
}

/* Reads what has come; false once the connection is of no more use. */
static bool advance(struct fcgi_decoder *d, struct fcgi_conn *c)
{
    char waste[512];
    size_t got;
    for (;;) {
        enum err e = fcgi_conn_parse(c);
        if (e == ERR_AGAIN)
            return true;
        if (e != OK)
            return false;
        if (c->phase == CONN_READY) {
            decode_head(d, c);
            c->phase = CONN_STDIN;
        }
        while ((e = fcgi_conn_read(c, waste, sizeof waste, &got)) == OK &&
               got > 0)
            continue;
        if (e != OK)
            return e == ERR_AGAIN;
        fcgi_conn_reset(c);
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
    static struct fcgi_decoder d;
    static bool open;
    int pair[2];

    if (n < 1 || n > MAX_INPUT)
        return 0;
    must(open || fcgi_decoder_open(&d) == OK);
    open = true;
    must(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    struct fcgi_conn *c = fcgi_conn_new(pair[0], MAX_BYTES + 8 * MAX_PARAMS);
    size_t piece = data[0] == 0 ? n : data[0];
    size_t at = 1;
    enum err e = OK;
    while (at < n) {
        size_t some = n - at < piece ? n - at : piece;
        must(send(pair[1], data + at, some, MSG_NOSIGNAL) == (ssize_t)some);
        at += some;
        do
            e = fcgi_conn_fill(c);
        while (e == OK && advance(&d, c));
        if (e != ERR_AGAIN)
            break;
    }
    fcgi_conn_free(c, false);
    close(pair[1]);
    return 0;
}
