/*
 * fuzz_response.c - status, reason and fields to a head that must be sound.
 *
 * Input: two bytes of status, one of flags, then strings of any bytes, each
 * behind a byte of its length.
 */
#include "cgi/response.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);

#define MAX_FIELDS 16

static struct slice piece(struct slice *s)
{
    if (s->n == 0)
        return SLICE("");
    size_t n = (unsigned char)s->p[0];
    *s = slice_from(*s, 1);
    n = n < s->n ? n : s->n;
    struct slice out = {s->p, n};
    *s = slice_from(*s, n);
    return out;
}

/* Lines of visible bytes ended by CRLF, the last one empty and only that. */
static void check(struct slice head)
{
    must(slice_starts(head, "Status: ") && slice_ends(head, "\r\n\r\n"));
    for (size_t i = 0; i < head.n; i++) {
        unsigned char c = (unsigned char)head.p[i];
        bool line_end = (c == '\r' && head.p[i + 1] == '\n') ||
                        (c == '\n' && head.p[i - 1] == '\r');
        must(line_end || c == '\t' || (c >= 0x20 && c != 0x7f));
        if (c == '\n' && i + 1 < head.n && head.p[i + 1] == '\r')
            must(i + 3 == head.n);
    }
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
    struct header list[MAX_FIELDS];
    struct headers fields = {.list = list};
    struct slice rest = {(const char *)data, n};
    struct buf out;
    struct why why;

    if (n < 3)
        return 0;
    int status = data[0] << 8 | data[1];
    bool head_request = (data[2] & 1) != 0;
    uint64_t length = (data[2] & 2) != 0 ? 5 : RESPONSE_LENGTH_UNKNOWN;
    struct response_rules rules = {512, (data[2] & 4) != 0};
    rest = slice_from(rest, 3);
    struct slice reason = piece(&rest);
    while (rest.n > 0 && fields.count < MAX_FIELDS) {
        list[fields.count].name = piece(&rest);
        list[fields.count++].value = piece(&rest);
    }
    buf_init(&out, 65536);
    enum err e = response_head(status, reason, &fields, length, head_request,
                               &rules, &out, &why);
    if (e == OK)
        check(buf_view(&out));
    else
        must(out.n == 0);
    buf_free(&out);
    return 0;
}
