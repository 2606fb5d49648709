/*
 * console.c - what console.log() and its kin write: lines of the error log.
 */
#include "bind/host.h"

static void console_write(struct call *c)
{
    /* log stands above info: it is what people look for first */
    static const enum log_level levels[] = {LOG_DEBUG, LOG_NOTICE, LOG_INFO,
                                            LOG_WARN, LOG_ERROR};
    int32_t level = arg_int(c, 0);

    if (level < 0 || level >= (int32_t)(sizeof(levels) / sizeof(*levels))) {
        throw_range(c, "consoleWrite: no level %d", (int)level);
        return;
    }
    if (log_wants(levels[level]))
        log_lines(levels[level], arg_utf8(c, 1));
}

const struct native console_natives[] = {
    {"consoleWrite", 2, console_write},
    {NULL, 0, NULL},
};
