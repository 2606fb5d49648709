/*
 * log.h - the error log: one line a message, never blocking a request.
 *
 * A line is: time, level, pool, request id, text. Control characters are
 * written as \xNN (a line end as \n), so that no input forges a line. What
 * cannot be written is dropped and counted.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/err.h"
#include "base/slice.h"

#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_NOTICE, LOG_WARN, LOG_ERROR };

/* Until log_open the log goes to stderr at LOG_NOTICE. */
/* path: a file to append to, or "stderr"; borrowed until log_close. */
enum err log_open(const char *path, enum log_level least, struct why *why);
enum err log_reopen(struct why *why); /* after logrotate */
void log_close(void);
void log_set_level(enum log_level least);
bool log_wants(enum log_level level);
int log_fd(void); /* for a signal handler's last words */

/* What lines are about, until set again; both may be NULL; copied. */
void log_about(const char *pool, const char *request);

void log_at(enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Text of any length and any bytes, as one line. */
void log_text(enum log_level level, struct slice text);
/* Text of many lines (a stack): one log line each, same stamp. */
void log_lines(enum log_level level, struct slice text);

uint64_t log_dropped(void); /* lines lost since the start */
bool log_level_parse(const char *name, enum log_level *out);
const char *log_level_name(enum log_level level);

#define log_error(...) log_at(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_at(LOG_WARN, __VA_ARGS__)
#define log_notice(...) log_at(LOG_NOTICE, __VA_ARGS__)
#define log_info(...) log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)

#endif
