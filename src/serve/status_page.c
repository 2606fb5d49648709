/*
 * status_page.c - a rendered status in a reply.
 */
#include "serve/status_page.h"

#include "serve/reply.h"
#include "serve/status.h"

#include <stdio.h>

#define PAGE_MAX (64u * 1024 * 1024) /* bytes */

static void say(struct transport *t, int status, const char *text)
{
    struct reply r = {.status = status,
                      .fields = "Content-Type: text/plain\r\n"
                                "Cache-Control: no-store\r\n",
                      .body = slice_of(text)};
    if (status == 405)
        r.fields = "Allow: GET, HEAD\r\nContent-Type: text/plain\r\n";
    reply_send(t, &r);
}

static void show(struct transport *t, struct board *const *boards, size_t count)
{
    struct buf page;
    char fields[REPLY_FIELDS / 2];
    struct status_query q = status_parse(reply_var(t, "QUERY_STRING"));
    buf_init(&page, PAGE_MAX);
    size_t shown = status_render(boards, count, &q, &page);
    snprintf(fields, sizeof fields, "Content-Type: %s\r\n%s",
             status_media_type(q.form), status_fields);
    struct reply r = {.status = 200, .fields = fields, .body = buf_view(&page)};
    if (page.err != OK)
        say(t, 500, "The page is too large; ask for pool=NAME.\n");
    else if (shown == 0 && q.pool.n > 0)
        say(t, 404, "There is no such pool.\n");
    else
        reply_send(t, &r);
    buf_free(&page);
}

/* Refuses all methods but those that only read. */
static bool reads(struct transport *t)
{
    struct slice method = reply_var(t, "REQUEST_METHOD");
    if (method.n == 0 || slice_is(method, "GET") || slice_is(method, "HEAD"))
        return true;
    say(t, 405, "Only GET and HEAD are answered here.\n");
    return false;
}

void status_page_send(struct transport *t, struct board *const *boards,
                      size_t count)
{
    if (reads(t))
        show(t, boards, count);
}

void status_page_pong(struct transport *t, const char *text)
{
    if (reads(t))
        say(t, 200, text);
}
