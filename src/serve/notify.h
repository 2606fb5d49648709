/*
 * notify.h - what an init system is told, sd_notify(3)'s protocol.
 *
 * NOTIFY_SOCKET and WATCHDOG_USEC are read once and taken out of the
 * environment's reach of children by notify_open().
 */
#ifndef SERVE_NOTIFY_H
#define SERVE_NOTIFY_H

#include "base/err.h"

#include <stdint.h>

#define NOTIFY_MAX 1024 /* bytes of one message; the rest is cut off */

/* Without NOTIFY_SOCKET all of these do nothing. */
void notify_open(void);
/*
 * Assignments as sd_notify(3) has them: "READY=1\nSTATUS=...". A text that
 * comes from elsewhere must not have a line end in it. Waits a second at most
 * when the init system is slow to read.
 */
void notify_send(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Ns between two signs of life that the init system wants, halved; 0 none. */
uint64_t notify_watchdog(void);
/*
 * Puts the variables back into the environment, for a re-execution of this
 * process: its next notify_open() finds them. Not for children.
 */
void notify_export(void);

#endif
