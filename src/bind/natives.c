/*
 * natives.c - every table there is, in the order an image knows them by.
 */
#include "bind/host.h"

const struct native *const natives[] = {
    body_natives, console_natives, random_natives, resource_natives,
    text_natives, timers_natives,  url_natives,    NULL,
};
