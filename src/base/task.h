/*
 * task.h - a function in a process of its own, for what may end its process.
 */
#ifndef BASE_TASK_H
#define BASE_TASK_H

#include "base/err.h"

#include <stdint.h>

struct buf;

typedef enum err task_fn(void *arg, struct why *why);

/*
 * Runs fn in a child and waits for it, at most timeout ns (0 without limit);
 * then it is killed. Gives its status, and its sentence in why. ERR_ABORTED:
 * somebody killed it, as the kernel does when memory is out. The caller should
 * have one thread.
 *
 * said: appended to, what the child told by task_say(); may be NULL.
 */
enum err task_run(task_fn *fn, void *arg, uint64_t timeout, struct buf *said,
                  struct why *why);

/* In the child: the answer, given from where nothing can return to fn. */
void task_answer(enum err e, const char *words);
/* In the child: a line, without its end, for who waits. */
void task_say(const char *line);
/* In the child: the descriptor both go to; -1 elsewhere. */
int task_fd(void);

#endif
