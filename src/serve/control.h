/*
 * control.h - the supervisor's end of the control socket.
 *
 * A client connects, writes one line (a verb and words after it), and reads
 * until the end: a first line "ok" or "error: SENTENCE", then text. The
 * socket is a unix one of mode 0600; the peer must be the supervisor's own
 * user or root (SO_PEERCRED). Nothing here blocks, and no client can hold up
 * the supervisor: each has a few seconds and a few hundred bytes.
 */
#ifndef SERVE_CONTROL_H
#define SERVE_CONTROL_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/loop.h"
#include "base/slice.h"

#define CONTROL_LINE 512 /* bytes of a request, its line end with them */
#define CONTROL_WORDS 8
#define CONTROL_CLIENTS 16 /* at once; more are sent away */
/* For a request to be here, and again for an answer to be taken. */
#define CONTROL_PATIENCE (10 * NS_PER_S)
#define CONTROL_ANSWER (16 * 1024 * 1024) /* bytes of an answer */

struct control;

struct control_request {
    const char *word[CONTROL_WORDS + 1]; /* the verb first; NULL at the end */
    int client;                          /* to answer later */
};

/*
 * OK: out is the text after "ok". ERR_AGAIN: the answer comes by
 * control_answer(), later or from within; it may take as long as it takes.
 * Any other: out is the sentence, more lines may follow it. The words are
 * lent until it returns. It must not close the control socket.
 */
typedef enum err control_fn(void *arg, const struct control_request *q,
                            struct buf *out);

/*
 * Opens the socket and watches it in loop, which is borrowed. A socket that
 * nobody answers at is replaced; ERR_BUSY where somebody does.
 */
enum err control_open(const char *path, struct loop *loop, control_fn *fn,
                      void *arg, struct control **out, struct why *why);
/*
 * Takes over one that was open before a re-execution: its descriptor, which
 * is closed on an error.
 */
enum err control_take(const char *path, int fd, struct loop *loop,
                      control_fn *fn, void *arg, struct control **out,
                      struct why *why);
/* The listening socket, close-on-exec, to be handed over. */
int control_fd(const struct control *c);
/*
 * Answers a client put off by ERR_AGAIN; one that has gone is ignored. What
 * fits in the socket is on its way when this returns. After a re-execution
 * the client is a descriptor handed over: control_resume().
 */
void control_answer(struct control *c, int client, bool ok, struct slice text);
/*
 * Takes fd, the connection of a client put off before a re-execution, and
 * gives its new number. -1, and fd is closed: there are too many.
 */
int control_resume(struct control *c, int fd);
/* The connection of a client put off, to be handed over; -1: it has gone. */
int control_client_fd(const struct control *c, int client);
/* Closes what took too long; monotonic ns of the next such moment, 0 none. */
uint64_t control_expire(struct control *c, uint64_t now);
/* Closes all; removes the socket's file if remove. c may be NULL. */
void control_close(struct control *c, bool remove);

#endif
