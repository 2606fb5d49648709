/*
 * notify.c - one datagram a message, to whom the environment names.
 */
#include "serve/notify.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

static const char *const names[] = {"NOTIFY_SOCKET", "WATCHDOG_USEC",
                                    "WATCHDOG_PID"};
#define NAMES (sizeof(names) / sizeof(names[0]))

static struct {
    int fd; /* over 0 once there is somebody to tell */
    struct sockaddr_un at;
    socklen_t at_size;
    uint64_t watchdog; /* ns */
    bool failed;       /* and was logged */
    char *values[NAMES];
} notify;

/* "/path", or "@name" for one in the abstract name space. */
static bool address(const char *name)
{
    size_t n = name != NULL ? strlen(name) : 0;
    if (n < 2 || n >= sizeof(notify.at.sun_path) ||
        (name[0] != '/' && name[0] != '@'))
        return false;
    notify.at.sun_family = AF_UNIX;
    memcpy(notify.at.sun_path, name, n + 1);
    notify.at_size =
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
    if (name[0] == '@') { /* a zero byte first, none at the end */
        notify.at.sun_path[0] = '\0';
        notify.at_size--;
    }
    return true;
}

/* Meant for this process, when it says for which one. */
static uint64_t watchdog(const char *usec, const char *pid)
{
    uint64_t n, who;
    if (!slice_u64(slice_of(usec), UINT64_MAX / 1000, &n))
        return 0;
    if (pid != NULL && (!slice_u64(slice_of(pid), INT32_MAX, &who) ||
                        who != (uint64_t)getpid()))
        return 0;
    return n * 1000;
}

void notify_open(void)
{
    /* A lost READY=1 ends the service, so a full queue is waited for. */
    struct timeval limit = {.tv_sec = 1};
    if (notify.fd > 0)
        close(notify.fd);
    for (size_t i = 0; i < NAMES; i++)
        free(notify.values[i]);
    memset(&notify, 0, sizeof(notify));
    for (size_t i = 0; i < NAMES; i++) {
        const char *value = getenv(names[i]);
        if (value != NULL)
            notify.values[i] = xstrdup(value);
        unsetenv(names[i]);
    }
    if (notify.values[0] == NULL)
        return;
    if (address(notify.values[0]))
        notify.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (notify.fd <= 0 || setsockopt(notify.fd, SOL_SOCKET, SO_SNDTIMEO, &limit,
                                     sizeof(limit)) != 0)
        log_warn("NOTIFY_SOCKET is %s, which cannot be used: the init system "
                 "is told nothing",
                 notify.values[0]);
    notify.watchdog = watchdog(notify.values[1], notify.values[2]);
}

void notify_send(const char *fmt, ...)
{
    char text[NOTIFY_MAX];
    va_list args;
    if (notify.fd <= 0)
        return;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (n < 0)
        return;
    size_t size = (size_t)n < sizeof(text) ? (size_t)n : sizeof(text) - 1;
    ssize_t sent;
    do
        sent = sendto(notify.fd, text, size, MSG_NOSIGNAL,
                      (const struct sockaddr *)&notify.at, notify.at_size);
    while (sent < 0 && errno == EINTR);
    if (sent < 0 && !notify.failed) {
        notify.failed = true;
        log_debug("the init system at %s cannot be told: %s", notify.values[0],
                  strerror(errno));
    }
}

uint64_t notify_watchdog(void)
{
    return notify.fd > 0 ? notify.watchdog / 2 : 0;
}

void notify_export(void)
{
    for (size_t i = 0; i < NAMES; i++)
        if (notify.values[i] != NULL)
            setenv(names[i], notify.values[i], 1);
}
