/*
 * transport.c - what both transports do alike.
 */
#include "cgi/transport.h"

size_t transport_line(struct slice text, char *out, size_t max)
{
    size_t n = 0;
    must(max > 0);
    for (; n < text.n && n + 1 < max; n++) {
        unsigned char c = (unsigned char)text.p[n];
        out[n] = c < 0x20 || c == 0x7f ? ' ' : text.p[n];
    }
    out[n] = '\n';
    return n + 1;
}
