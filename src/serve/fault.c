/*
 * fault.c - failures to statuses and sentences.
 */
#include "serve/fault.h"

#include "base/clock.h"

#include <stdio.h>

void fault_say(struct exchange *x, enum log_level level, int status,
               const char *sentence)
{
    log_at(level, "%d: %s", status, sentence);
    exchange_fail(x, status, slice_of(sentence));
}

static void fault_late(struct exchange *x, const struct pool_config *c)
{
    char text[128];
    snprintf(text, sizeof(text), "the request took longer than %llu ms",
             (unsigned long long)(c->request_timeout / NS_PER_MS));
    fault_say(x, LOG_ERROR, 504, text);
}

/* JavaScript was stopped, or a hook threw. */
static void fault_script(struct exchange *x, const struct pool_config *c,
                         enum engine_stop stop, const struct report *rep)
{
    char text[128];
    switch (stop) {
    case STOP_TIME:
        fault_late(x, c);
        return;
    case STOP_CPU:
        snprintf(text, sizeof(text),
                 "the request used more than %llu ms of processor time "
                 "(cpu_limit)",
                 (unsigned long long)(c->cpu_limit / NS_PER_MS));
        fault_say(x, LOG_ERROR, 500, text);
        return;
    case STOP_HEAP:
        snprintf(text, sizeof(text),
                 "the JavaScript heap reached its limit of %llu bytes",
                 (unsigned long long)c->heap_limit);
        fault_say(x, LOG_ERROR, 500, text);
        return;
    case STOP_NONE:
        break;
    }
    log_lines(LOG_ERROR, buf_view(&rep->text));
    exchange_fail(x, 500, buf_view(&rep->text));
}

void fault_step(struct exchange *x, const struct pool_config *c,
                enum engine_stop stop, enum err e, const struct report *rep)
{
    switch (e) {
    case OK:
        return;
    case ERR_TIMEOUT:
        fault_late(x, c);
        return;
    case ERR_SCRIPT:
        fault_script(x, c, stop, rep);
        return;
    case ERR_EOF:
        fault_say(x, LOG_ERROR, 500,
                  x->reply == REPLY_NONE
                      ? "the handler's promise can never settle: it waits for "
                        "nothing that could still happen"
                      : "the body's stream can never end: it waits for nothing "
                        "that could still happen");
        return;
    default:
        fault_say(x, LOG_ERROR, 500, err_name(e));
    }
}

int fault_load_status(enum engine_stop stop, enum err e)
{
    return e == ERR_TIMEOUT || stop == STOP_TIME ? 504 : 500;
}

void fault_page(int status, struct slice id, struct slice detail,
                char out[static FAULT_PAGE_MAX])
{
    char page[FAULT_PAGE_MAX / 2];
    const char *reason = response_reason(status);
    size_t shown = detail.n < FAULT_DETAIL_MAX ? detail.n : FAULT_DETAIL_MAX;
    int n = snprintf(page, sizeof(page), "%d %s\n%s%.*s%s\nRequest %.*s\n",
                     status, reason, shown > 0 ? "\n" : "", (int)shown,
                     detail.p, shown > 0 ? "\n" : "", (int)id.n, id.p);
    snprintf(out, FAULT_PAGE_MAX,
             "Status: %d %s\r\n"
             "Content-Type: text/plain; charset=utf-8\r\n"
             "Cache-Control: no-store\r\n"
             "X-Request-Id: %.*s\r\n"
             "Content-Length: %d\r\n"
             "\r\n"
             "%s",
             status, reason, (int)id.n, id.p, n, page);
}
