/*
 * fetch_multi.c - curl_multi_socket_action() behind an epoll descriptor.
 *
 * epoll holds what libcurl waits for, so that the loop has one watch however
 * many sockets there are; idle holds connections kept for later.
 */
#include "bind/fetch_multi.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define IDLE_MAX 32L /* connections kept for later */
#define EVENTS 32    /* taken from epoll at once */

static struct {
    CURLM *multi; /* NULL before the first fetch */
    int epoll, idle;
    uint64_t wake;
} self = {.epoll = -1, .idle = -1};

/* libcurl waits for something else on that socket. */
static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg,
                     void *known)
{
    struct epoll_event e = {.data.fd = fd};
    (void)easy;
    (void)arg;
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(self.epoll, EPOLL_CTL_DEL, fd, NULL);
        return 0;
    }
    if (what & CURL_POLL_IN)
        e.events |= EPOLLIN;
    if (what & CURL_POLL_OUT)
        e.events |= EPOLLOUT;
    if (known == NULL) { /* libcurl's own pipes are not closed on exec */
        fcntl(fd, F_SETFD, FD_CLOEXEC);
        epoll_ctl(self.idle, EPOLL_CTL_DEL, fd, NULL);
        libcurl_get()->curl_multi_assign(self.multi, fd, &self);
    }
    if (epoll_ctl(self.epoll, EPOLL_CTL_MOD, fd, &e) != 0 && errno == ENOENT)
        epoll_ctl(self.epoll, EPOLL_CTL_ADD, fd, &e);
    return 0;
}

static int on_timer(CURLM *multi, long ms, void *arg)
{
    (void)multi;
    (void)arg;
    self.wake = ms < 0 ? 0 : clock_mono() + (uint64_t)ms * NS_PER_MS;
    return 0;
}

static bool make(void)
{
    const struct libcurl *curl = libcurl_get();
    self.epoll = epoll_create1(EPOLL_CLOEXEC);
    self.idle = epoll_create1(EPOLL_CLOEXEC);
    self.multi = curl->curl_multi_init();
    if (self.multi == NULL || self.epoll < 0 || self.idle < 0)
        return false;
    CURLM *m = self.multi;
    return curl->curl_multi_setopt(m, CURLMOPT_SOCKETFUNCTION, on_socket) ==
               CURLM_OK &&
           curl->curl_multi_setopt(m, CURLMOPT_TIMERFUNCTION, on_timer) ==
               CURLM_OK &&
           curl->curl_multi_setopt(m, CURLMOPT_MAXCONNECTS, IDLE_MAX) ==
               CURLM_OK;
}

enum err fetch_multi_open(struct why *why)
{
    const struct libcurl *curl = libcurl_open(why);
    if (curl == NULL)
        return ERR_FAIL;
    if (self.multi != NULL || make())
        return OK;
    if (self.epoll >= 0)
        close(self.epoll);
    if (self.idle >= 0)
        close(self.idle);
    self.epoll = self.idle = -1;
    self.multi = NULL;
    return why_set(why, ERR_FAIL, "no descriptors are left for it");
}

enum err fetch_multi_add(CURL *easy)
{
    return libcurl_get()->curl_multi_add_handle(self.multi, easy) == CURLM_OK
               ? OK
               : ERR_FAIL;
}

void fetch_multi_remove(CURL *easy)
{
    libcurl_get()->curl_multi_remove_handle(self.multi, easy);
}

static void act(curl_socket_t fd, int events)
{
    int running;
    libcurl_get()->curl_multi_socket_action(self.multi, fd, events, &running);
}

static int bits_of(uint32_t events)
{
    int bits = 0;
    if (events & EPOLLIN)
        bits |= CURL_CSELECT_IN;
    if (events & EPOLLOUT)
        bits |= CURL_CSELECT_OUT;
    if (events & (EPOLLERR | EPOLLHUP))
        bits |= CURL_CSELECT_ERR;
    return bits;
}

/* libcurl knows the sockets that it waits for, and no other. */
static bool is_in_use(curl_socket_t fd)
{
    return libcurl_get()->curl_multi_assign(self.multi, fd, &self) == CURLM_OK;
}

/*
 * HTTP/2 says things on an idle connection, HTTP/1 does not. When the end of
 * a transfer is heard of, the next one may have its connection already.
 */
static void watch_idle(CURL *easy)
{
    const struct libcurl *curl = libcurl_get();
    struct epoll_event e = {.events = EPOLLIN};
    curl_socket_t fd = CURL_SOCKET_BAD;
    long version = 0;
    curl->curl_easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &fd);
    curl->curl_easy_getinfo(easy, CURLINFO_HTTP_VERSION, &version);
    e.data.fd = fd;
    if (fd != CURL_SOCKET_BAD && !is_in_use(fd) &&
        (version == CURL_HTTP_VERSION_1_0 || version == CURL_HTTP_VERSION_1_1))
        epoll_ctl(self.idle, EPOLL_CTL_ADD, fd, &e);
}

/*
 * What a server says before it is asked (a body after 204, a second reply)
 * must not be the reply to the next request, maybe somebody else's: libcurl
 * takes a connection that was shut down for a dead one.
 */
static void end_spoken(void)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(self.idle, events, EVENTS, 0);
    for (int i = 0; i < n; i++) {
        int fd = events[i].data.fd;
        epoll_ctl(self.idle, EPOLL_CTL_DEL, fd, NULL);
        shutdown(fd, SHUT_RDWR);
        /* TLS looks whether bytes are left: none may be. */
        recv(fd, NULL, INT_MAX, MSG_TRUNC | MSG_DONTWAIT);
    }
}

/* False: there is nothing to do now. */
static bool step(void)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(self.epoll, events, EVENTS, 0);
    for (int i = 0; i < n; i++)
        act(events[i].data.fd, bits_of(events[i].events));
    bool due = self.wake != 0 && clock_mono() >= self.wake;
    if (due) {
        end_spoken(); /* a new transfer begins by a time-out */
        self.wake = 0;
        act(CURL_SOCKET_TIMEOUT, 0);
    }
    return n > 0 || due;
}

static void collect(fetch_done_fn *done)
{
    const struct libcurl *curl = libcurl_get();
    CURLMsg *m;
    int left;
    while ((m = curl->curl_multi_info_read(self.multi, &left)) != NULL) {
        if (m->msg != CURLMSG_DONE)
            continue;
        CURL *easy = m->easy_handle;
        CURLcode code = m->data.result;
        watch_idle(easy);
        fetch_multi_remove(easy); /* and m is gone */
        done(easy, code);
    }
}

/* The threads that libcurl starts inherit the mask: none of them may run a
 * signal handler beside the one that thinks it is alone. */
bool fetch_multi_drive(fetch_done_fn *done)
{
    sigset_t all, before;
    if (self.multi == NULL)
        return false;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool did = step();
    if (did)
        collect(done);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return did;
}

int fetch_multi_fd(void)
{
    return self.epoll;
}

uint64_t fetch_multi_wake(void)
{
    return self.wake;
}
