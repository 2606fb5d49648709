/*
 * log.h - the error log: one line a message, never blocking a request.
 *
 * A line is: time, level, pool[pid], request id, function, text; "-" where
 * there is none. As JSON it is an object with the members time, level, pool,
 * pid, request, function and message, null where there is none. Syslog has
 * time and pid in its own place, and level, pool, request, function, text (or
 * the object) as the message. The journal has fields: PRIORITY, MESSAGE,
 * SYSLOG_IDENTIFIER, SNAPCGI_POOL, SNAPCGI_REQUEST, SNAPCGI_FUNCTION.
 *
 * No input forges a line (line.h). A line that cannot be written is lost and
 * counted; the next one that goes out is preceded by one that says so.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/err.h"
#include "base/slice.h"

#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_NOTICE, LOG_WARN, LOG_ERROR };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };
/* The order is that of the words in the configuration's table. */
enum syslog_facility { FACILITY_DAEMON, FACILITY_USER, FACILITY_LOCAL0 };

struct log_options {
    const char *target; /* "stderr", "syslog", "journal" or a file to append
                           to; borrowed until log_close */
    enum log_level least;
    enum log_format format;        /* the journal has its own */
    const char *ident;             /* in syslog and the journal; copied */
    enum syslog_facility facility; /* of syslog */
};

/* Until log_open the log goes to stderr at LOG_NOTICE, as text. */
/* On an error all stays as it was. */
enum err log_open(const struct log_options *o, struct why *why);
enum err log_reopen(struct why *why); /* after logrotate */
/* Takes fd in place of the one in use: the same target, opened elsewhere. */
void log_use(int fd);
void log_close(void);
void log_set_level(enum log_level least);
bool log_wants(enum log_level level);
int log_fd(void); /* what must stay open; of stderr it need not be 2 */
/* To be passed to another process's log_use(), and safe for a line of a signal
 * handler; -1 when the log is not a file. */
int log_file_fd(void);

/*
 * What lines are about, until set again: the pool, the request's id, and the
 * application's file or script. Each may be NULL; copied. Of a long path the
 * end is kept.
 */
void log_about(const char *pool, const char *request, const char *function);

void log_at(enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Text of any length and any bytes, as one line. */
void log_text(enum log_level level, struct slice text);
/* Text of many lines (a stack): one log line each, same stamp. */
void log_lines(enum log_level level, struct slice text);

struct sink;
/*
 * Puts a line made elsewhere (an access log's), with its end, into another
 * sink, in that sink's way: with the head that syslog or the journal wants.
 * False: it is lost, and to->lost counts it.
 */
bool log_send(struct sink *to, enum log_level level, struct slice line);

uint64_t log_lost(void); /* lines lost since the start */
bool log_level_parse(const char *name, enum log_level *out);
const char *log_level_name(enum log_level level);

#define log_error(...) log_at(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_at(LOG_WARN, __VA_ARGS__)
#define log_notice(...) log_at(LOG_NOTICE, __VA_ARGS__)
#define log_info(...) log_at(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_DEBUG, __VA_ARGS__)

#endif
