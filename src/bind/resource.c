/* resource.c - native of js/resource.js. */
#include "bind/host.h"

static void resource_free(struct call *c)
{
    struct host *host = call_host(c);
    restab_drop(&host->resources, arg_int(c, 0));
}

const struct native resource_natives[] = {
    {"resourceFree", 1, resource_free},
    {NULL, 0, NULL},
};
