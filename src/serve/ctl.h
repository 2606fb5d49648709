/*
 * ctl.h - `snapcgi ctl`: one request to a running supervisor.
 */
#ifndef SERVE_CTL_H
#define SERVE_CTL_H

/*
 * socket: path of the control socket. words: the verb and what follows it,
 * NULL-ended. Prints the answer, to stdout, or to stderr when it is an error;
 * gives the exit status: 0, 1 when the supervisor refused, EX_UNAVAILABLE
 * when none is there or it ended without an answer, EX_TEMPFAIL when it is
 * there and does not answer, EX_NOPERM, EX_USAGE, EX_IOERR for stdout.
 */
int ctl_run(const char *socket, const char *const *words);
/* The verbs, one a line with what they do, to stdout, for --help. */
void ctl_usage(void);

#endif
