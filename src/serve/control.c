/*
 * control.c - a few clients at a time, each asking one thing.
 *
 * A client is read until its line is here, asks, may be put off, and is
 * answered: one state after the other, never back.
 */
#include "serve/control.h"

#include "base/log.h"
#include "serve/confine.h"
#include "serve/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 16
#define ACCEPT_PAUSE NS_PER_S /* when there is no descriptor left */

enum client_state { FREE, READING, WAITING, WRITING };

struct client {
    enum client_state state;
    int fd;
    int number;
    pid_t pid; /* of the peer, for the log */
    uid_t uid;
    uint64_t deadline; /* monotonic ns; 0 while WAITING */
    char line[CONTROL_LINE];
    size_t got;
    struct buf out;
    size_t sent;
};

struct control {
    struct listener listener;
    struct loop *loop;
    control_fn *fn;
    void *arg;
    uint64_t paused; /* no accept until then, 0 when it goes on */
    int numbers;     /* given so far */
    struct client clients[CONTROL_CLIENTS];
};

static const char too_large[] =
    "the answer is too large; ask for one pool, or without full";

static void on_client(void *arg, int fd, short events);

/* ---- one client -------------------------------------------------------- */

static void drop(struct control *c, struct client *k)
{
    loop_watch(c->loop, k->fd, 0, NULL, NULL);
    close(k->fd);
    buf_free(&k->out);
    k->state = FREE;
    k->fd = -1;
}

static struct client *by_fd(struct control *c, int fd)
{
    for (size_t i = 0; i < CONTROL_CLIENTS; i++)
        if (c->clients[i].state != FREE && c->clients[i].fd == fd)
            return &c->clients[i];
    return NULL;
}

static struct client *waiting(const struct control *c, int number)
{
    for (size_t i = 0; i < CONTROL_CLIENTS; i++) {
        const struct client *k = &c->clients[i];
        if (k->state == WAITING && k->number == number)
            return (struct client *)k;
    }
    return NULL;
}

static void keep_sending(struct control *c, struct client *k)
{
    while (k->sent < k->out.n) {
        ssize_t n = send(k->fd, k->out.p + k->sent, k->out.n - k->sent,
                         MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN &&
            loop_watch(c->loop, k->fd, POLLOUT, on_client, c) == OK)
            return;
        if (n <= 0)
            break; /* it has gone */
        k->sent += (size_t)n;
    }
    drop(c, k);
}

static void answer(struct control *c, struct client *k, bool ok,
                   struct slice text)
{
    buf_clear(&k->out);
    buf_puts(&k->out, ok ? "ok\n" : "error: ");
    buf_slice(&k->out, text);
    if (text.n > 0 ? text.p[text.n - 1] != '\n' : !ok)
        buf_putc(&k->out, '\n');
    if (k->out.err != OK) { /* refused as a whole: half is no answer */
        buf_clear(&k->out);
        buf_printf(&k->out, "error: %s\n", too_large);
    }
    k->state = WRITING;
    k->deadline = clock_mono() + CONTROL_PATIENCE;
    k->sent = 0;
    keep_sending(c, k);
}

static void refuse(struct control *c, struct client *k, const char *sentence)
{
    answer(c, k, false, slice_of(sentence));
}

/* ---- its request ------------------------------------------------------- */

/* Cuts the line into words, in place. NULL, or why that cannot be. */
static const char *cut(struct client *k, size_t n, struct control_request *q)
{
    size_t words = 0;
    bool inside = false;
    if (n > 0 && k->line[n - 1] == '\r')
        n--;
    for (size_t i = 0; i < n; i++) {
        char *p = &k->line[i];
        if (*p == ' ') {
            *p = '\0';
            inside = false;
            continue;
        }
        if ((unsigned char)*p < ' ' || *p == 0x7f)
            return "the request has a control character in it";
        if (!inside && words == CONTROL_WORDS)
            return "the request has too many words";
        if (!inside)
            q->word[words++] = p;
        inside = true;
    }
    k->line[n] = '\0';
    return words > 0 ? NULL : "the request is empty";
}

static void ask(struct control *c, struct client *k, size_t n)
{
    struct control_request q = {.client = k->number};
    struct buf out;
    const char *wrong = cut(k, n, &q);
    if (wrong != NULL) {
        refuse(c, k, wrong);
        return;
    }
    log_info("control: process %d of user %u asks: %s", (int)k->pid,
             (unsigned)k->uid, q.word[0]);
    k->state = WAITING;
    k->deadline = 0;
    /*
     * Its end is still heard of, and nothing else: a peer that only writes
     * no more waits on. POLLPRI stands for no event, which would be no watch.
     */
    if (loop_watch(c->loop, k->fd, POLLPRI, on_client, c) != OK) {
        drop(c, k);
        return;
    }
    buf_init(&out, CONTROL_ANSWER);
    enum err e = c->fn(c->arg, &q, &out);
    if (out.err != OK)
        control_answer(c, q.client, false, slice_of(too_large));
    else if (e != ERR_AGAIN)
        control_answer(c, q.client, e == OK,
                       e != OK && out.n == 0 ? slice_of(err_name(e))
                                             : buf_view(&out));
    buf_free(&out);
}

static void keep_reading(struct control *c, struct client *k)
{
    ssize_t n;
    do
        n = recv(k->fd, k->line + k->got, sizeof(k->line) - k->got,
                 MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n < 0 || (n == 0 && k->got == 0)) {
        drop(c, k);
        return;
    }
    k->got += (size_t)n;
    size_t end = slice_find((struct slice){k->line, k->got}, '\n');
    if (end == sizeof(k->line))
        refuse(c, k, "the request is too long");
    else if (end < k->got || n == 0) /* or it wrote no more: that is all */
        ask(c, k, end);
}

/* A descriptor may be another client's by now: what is there is looked at. */
static void on_client(void *arg, int fd, short events)
{
    struct control *c = arg;
    struct client *k = by_fd(c, fd);
    (void)events;
    if (k == NULL)
        return;
    if (k->state == READING)
        keep_reading(c, k);
    else if (k->state == WRITING)
        keep_sending(c, k);
    else /* it has gone, or says what nobody asked for */
        drop(c, k);
}

/* ---- the socket -------------------------------------------------------- */

static struct client *free_client(struct control *c)
{
    for (size_t i = 0; i < CONTROL_CLIENTS; i++)
        if (c->clients[i].state == FREE)
            return &c->clients[i];
    return NULL;
}

/* Takes fd. NULL, and fd is closed: there are too many. */
static struct client *add(struct control *c, int fd, enum client_state state)
{
    struct ucred peer;
    socklen_t n = sizeof(peer);
    struct client *k = free_client(c);
    if (k == NULL || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) != 0 ||
        loop_watch(c->loop, fd, state == READING ? POLLIN : POLLPRI, on_client,
                   c) != OK) {
        close(fd);
        return NULL;
    }
    c->numbers = c->numbers < INT32_MAX ? c->numbers + 1 : 1;
    *k = (struct client){.state = state,
                         .fd = fd,
                         .number = c->numbers,
                         .pid = peer.pid,
                         .uid = peer.uid};
    buf_init(&k->out, CONTROL_ANSWER);
    return k;
}

static void welcome(struct control *c, int fd)
{
    static const char full[] = "error: too many ask at once; try again\n";
    if (free_client(c) == NULL)
        (void)!send(fd, full, sizeof(full) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
    struct client *k = add(c, fd, READING);
    if (k == NULL)
        return;
    k->deadline = clock_mono() + CONTROL_PATIENCE;
    if (k->uid == 0 || k->uid == geteuid())
        return;
    log_warn("control: process %d of user %u was refused at %s", (int)k->pid,
             (unsigned)k->uid, c->listener.path);
    refuse(c, k, "only root and the user of the supervisor may ask");
}

static void on_listener(void *arg, int fd, short events)
{
    struct control *c = arg;
    (void)events;
    int got = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (got >= 0) {
        welcome(c, got);
        return;
    }
    if (errno != EMFILE && errno != ENFILE && errno != ENOMEM &&
        errno != ENOBUFS)
        return;
    /* It stays readable: without a pause the supervisor would spin. */
    log_warn("control: snapcgi ctl has to wait, as its connection cannot be "
             "accepted: %s%s",
             strerror(errno), confine_shortage(errno));
    loop_watch(c->loop, fd, 0, NULL, NULL);
    c->paused = clock_mono() + ACCEPT_PAUSE;
}

static enum err start(const struct listener *l, struct loop *loop,
                      control_fn *fn, void *arg, struct control **out,
                      struct why *why)
{
    struct control *c = xalloc(sizeof(*c));
    *c = (struct control){
        .listener = *l, .loop = loop, .fn = fn, .arg = arg, .paused = 0};
    int flags = fcntl(l->fd, F_GETFL);
    if (flags < 0 || fcntl(l->fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
        fcntl(l->fd, F_SETFD, FD_CLOEXEC) != 0 ||
        loop_watch(loop, l->fd, POLLIN, on_listener, c) != OK) {
        control_close(c, true);
        return why_set(why, ERR_IO, "the control socket cannot be watched");
    }
    *out = c;
    return OK;
}

enum err control_open(const char *path, struct loop *loop, control_fn *fn,
                      void *arg, struct control **out, struct why *why)
{
    struct pool_config at = {.name = "control",
                             .listen = path,
                             .listen_backlog = BACKLOG,
                             .listen_mode = 0600};
    struct listener l;
    if (path[0] != '/')
        return why_set(why, ERR_SYNTAX, "the control socket is a path: %s",
                       path);
    enum err e = listen_open(&l, &at, why);
    return e != OK ? e : start(&l, loop, fn, arg, out, why);
}

enum err control_take(const char *path, int fd, struct loop *loop,
                      control_fn *fn, void *arg, struct control **out,
                      struct why *why)
{
    struct sockaddr_un at;
    socklen_t n = sizeof(at);
    struct listener l;
    struct stat st;
    enum err e = listen_take(&l, fd, why);
    if (e != OK) {
        close(fd);
        return e;
    }
    /* Its file is ours as long as it is bound there. */
    memset(&at, 0, sizeof(at));
    if (getsockname(fd, (struct sockaddr *)&at, &n) != 0 ||
        at.sun_family != AF_UNIX || strlen(path) >= sizeof(l.path) ||
        strncmp(at.sun_path, path, sizeof(at.sun_path)) != 0) {
        close(fd);
        return why_set(why, ERR_MISMATCH,
                       "descriptor %d is not the control socket %s", fd, path);
    }
    if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) {
        memcpy(l.path, path, strlen(path) + 1);
        l.dev = st.st_dev;
        l.inode = st.st_ino;
    }
    return start(&l, loop, fn, arg, out, why);
}

int control_fd(const struct control *c)
{
    return c->listener.fd;
}

void control_answer(struct control *c, int client, bool ok, struct slice text)
{
    struct client *k = waiting(c, client);
    if (k != NULL)
        answer(c, k, ok, text);
}

int control_resume(struct control *c, int fd)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        return -1;
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    struct client *k = add(c, fd, WAITING);
    return k != NULL ? k->number : -1;
}

int control_client_fd(const struct control *c, int client)
{
    const struct client *k = waiting(c, client);
    return k != NULL ? k->fd : -1;
}

uint64_t control_expire(struct control *c, uint64_t now)
{
    uint64_t next = 0;
    if (c->paused != 0 && now >= c->paused &&
        loop_watch(c->loop, c->listener.fd, POLLIN, on_listener, c) == OK)
        c->paused = 0;
    if (c->paused != 0)
        next = c->paused;
    for (size_t i = 0; i < CONTROL_CLIENTS; i++) {
        struct client *k = &c->clients[i];
        if (k->state == READING && now >= k->deadline)
            refuse(c, k, "the request did not come in time");
        else if (k->state == WRITING && now >= k->deadline)
            drop(c, k);
        if (k->state != FREE && k->deadline != 0 &&
            (next == 0 || k->deadline < next))
            next = k->deadline;
    }
    return next;
}

void control_close(struct control *c, bool remove)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < CONTROL_CLIENTS; i++)
        if (c->clients[i].state != FREE)
            drop(c, &c->clients[i]);
    loop_watch(c->loop, c->listener.fd, 0, NULL, NULL);
    if (!remove)
        c->listener.path[0] = '\0';
    listen_close(&c->listener);
    free(c);
}
