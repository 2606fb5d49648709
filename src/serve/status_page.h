/*
 * status_page.h - the status page and the ping, as replies to a request.
 *
 * The monitor serves them for all pools, and each worker for its own.
 */
#ifndef SERVE_STATUS_PAGE_H
#define SERVE_STATUS_PAGE_H

#include "cgi/transport.h"
#include "serve/scoreboard.h"

/* The page that t's query asks for (status.h). Ends and lets go of t. */
void status_page_send(struct transport *t, struct board *const *boards,
                      size_t count);
/* text, to who asks whether anybody is there. The same. */
void status_page_pong(struct transport *t, const char *text);

#endif
