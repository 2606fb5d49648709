/*
 * title.c - written over the arguments, where the kernel reads it.
 */
#include "serve/title.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static char *from;
static size_t room; /* bytes, the last NUL included */

void title_init(char **argv)
{
    from = argv[0];
    room = 0;
    /* The strings lie one behind the other. */
    for (size_t i = 0; argv[i] != NULL && argv[i] == from + room; i++)
        room += strlen(argv[i]) + 1;
}

void title_set(const char *fmt, ...)
{
    char text[128];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (room == 0)
        return;
    memset(from, 0, room);
    snprintf(from, room, "%s", text);
}
