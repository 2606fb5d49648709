/*
 * oneshot.h - plain CGI: one process, one request, and out.
 */
#ifndef SERVE_ONESHOT_H
#define SERVE_ONESHOT_H

#include "base/config.h"

struct image;

/*
 * Answers the request in the environment by the settings in [cgi], and ends
 * the process without tearing anything down.
 */
_Noreturn void oneshot_run(const struct config *config,
                           const struct image *image);
/* The reply when not even that can be tried: a bare 500. */
void oneshot_refuse(void);

#endif
