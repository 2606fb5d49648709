/*
 * config.h - the INI file as values, checked as a whole before any is used.
 *
 * One table (config_keys) says every key's name, section, type, range,
 * default and meaning; reading, `snapcgi check`, conf/snapcgi.conf and
 * snapcgi.conf(5) follow it, and a test holds them together.
 */
#ifndef BASE_CONFIG_H
#define BASE_CONFIG_H

#include "base/arena.h"
#include "base/err.h"
#include "base/log.h"

#include <stdint.h>
#include <stdio.h>

/* The order is that of the words in the table. */
enum reset_mode { RESET_CONTEXT, RESET_ISOLATE, RESET_NONE };
enum pm_mode { PM_DYNAMIC, PM_STATIC, PM_ONDEMAND };
enum seccomp_mode { SECCOMP_AUTO, SECCOMP_ON, SECCOMP_OFF };
enum mismatch_mode { MISMATCH_REFUSE, MISMATCH_FRESH };
enum state_packing { STATE_PLAIN, STATE_ZSTD };

/* Bytes of the path of a state file; that of another program that takes over
 * is told in a line (serve/handover.h). */
#define CONFIG_STATE_PATH 200

/* Settings of one [pool NAME], or of [cgi] (one process, one request). */
struct pool_config {
    const char *name; /* "cgi" for [cgi] */
    int line;         /* of its section, 0 when there is none */

    const char *listen; /* "/path", "host:port", "[v6]:port", "port", "fd 0" */
    int listen_backlog;
    const char *listen_owner; /* NULL: the process's own */
    const char *listen_group;
    unsigned listen_mode; /* of a unix socket, octal */

    enum pm_mode pm;
    uint64_t max_children; /* worker processes, at most */
    uint64_t start_servers;
    uint64_t min_spare_servers;
    uint64_t max_spare_servers;
    uint64_t max_spawn_rate;       /* new workers at once */
    uint64_t process_idle_timeout; /* ns, with PM_ONDEMAND */
    uint64_t max_requests_jitter;  /* percent of max_requests */
    uint64_t queue_limit; /* connections waiting; 0: 3/4 of the backlog */
    uint64_t retry_after; /* ns, said to whom is turned away */
    bool keep_conn;

    const char *user;   /* NULL: the supervisor's own */
    const char *group;  /* NULL: the user's */
    const char *groups; /* with blanks between; NULL: the user's */
    const char *chroot; /* or NULL */
    const char *chdir;  /* or NULL */
    unsigned umask;
    uint64_t rlimit_files; /* 0: as inherited */
    uint64_t rlimit_core;  /* bytes; over 0 the process may be dumped */
    uint64_t rlimit_as;    /* bytes, 0 without limit */
    enum seccomp_mode seccomp;
    const char *keep_env; /* names with blanks between */

    const char *app;        /* one application's file, or NULL */
    const char *root;       /* where scripts may be, or NULL */
    const char *extensions; /* ".js .mjs" */

    enum reset_mode reset;
    uint64_t spare;        /* contexts or isolates kept ready, at least */
    uint64_t spare_max;    /* and at most, under demand */
    uint64_t max_apps;     /* applications held; the least recently used goes */
    uint64_t max_requests; /* of a worker or lone isolate, 0 endless */
    bool watch;            /* reload an application whose files changed */

    const char *image; /* "off", "auto", or the path of one */
    const char *image_cache;
    const char *image_key;  /* file of a public key, or NULL */
    const char *image_warm; /* paths with blanks between, or NULL */
    uint64_t image_timeout; /* ns */

    /* NULL, or the file of the state that the pool's one worker keeps; reset,
     * pm and max_children are then what that needs. */
    const char *state;
    uint64_t hibernate_after; /* ns, 0 never */
    uint64_t save_every;      /* the same */
    enum mismatch_mode on_mismatch;
    uint64_t state_keep; /* older files */
    enum state_packing state_compress;
    const char *state_key; /* file of a secret key, or NULL */
    uint64_t state_limit;  /* bytes, as they are in memory */

    uint64_t request_timeout;     /* ns; all times here */
    uint64_t wait_until_timeout;  /* after the reply */
    uint64_t header_timeout;      /* from connect to the last parameter */
    uint64_t body_timeout;        /* between two pieces of the body */
    uint64_t write_timeout;       /* between two writes that got on */
    uint64_t cpu_limit;           /* of one request, 0 none */
    uint64_t kill_grace;          /* from request_timeout to SIGKILL */
    uint64_t slowlog_timeout;     /* 0 off */
    uint64_t slowlog_trace_depth; /* frames */
    const char *slowlog;          /* as log.h names targets, or NULL */

    uint64_t heap_limit; /* bytes; all sizes here */
    uint64_t buffer_limit;
    uint64_t max_body;
    uint64_t max_params; /* count */
    uint64_t max_param_bytes;
    uint64_t max_response_header;
    uint64_t max_response; /* bytes of a reply's body */

    const char *fetch_allow; /* as netlist.h reads it */
    const char *fetch_deny;  /* the same, or NULL */
    uint64_t fetch_max;      /* of a request, count */
    uint64_t fetch_concurrent;
    uint64_t fetch_max_bytes; /* of all replies to a request's fetches */
    uint64_t fetch_timeout;   /* to connect */

    bool show_errors;
    bool trust_forwarded;
    bool allow_sendfile;

    const char *access_log;      /* as log.h names targets, or NULL */
    const char *access_format;   /* "json", or letters */
    const char *access_suppress; /* paths with blanks between, or NULL */
    const char *status_path;     /* answered by any worker, or NULL */
    const char *ping_path;       /* the same */
    const char *ping_response;

    const char *env_file;   /* NAME=value lines, read with the rest */
    const char *const *env; /* name, value, ..., NULL; never NULL itself */
};

struct config {
    struct arena arena;
    const char *path; /* of the file, for messages */

    const char *error_log; /* as log.h names targets */
    enum log_level log_level;
    enum log_format log_format;
    const char *syslog_ident;
    enum syslog_facility syslog_facility;

    const char *pid;           /* path of the pid file, or NULL */
    bool daemonize;            /* go to the background once started */
    const char *control;       /* path of the control socket, or NULL */
    struct pool_config status; /* its socket only: listen is NULL for none */
    const char *status_user;   /* of the process that answers there */

    uint64_t process_max; /* workers of all pools, 0 without limit */
    uint64_t emergency_restart_threshold; /* 0 off */
    uint64_t emergency_restart_interval;  /* ns */
    uint64_t process_control_timeout;     /* ns that draining may take */

    struct pool_config cgi;
    struct pool_config *pools;
    size_t pool_count;
};

struct buf;

/* All defaults, no pool. Takes no memory. */
void config_init(struct config *c);
/*
 * Reads path into c, which config_init or config_read left. On any error
 * nothing is kept (c is as after config_init) and every mistake found, up to
 * 20, stands in errors as "FILE:LINE: sentence" lines. errors is a buf with
 * its own ceiling. Relative paths in the file start from the file's folder.
 */
enum err config_read(struct config *c, const char *path, struct buf *errors);
/* The same from an open stream (stays open); path names it in messages. */
enum err config_read_stream(struct config *c, FILE *in, const char *path,
                            struct buf *errors);
/* Writes the effective values in the file's own form, env values hidden. */
void config_print(const struct config *c, FILE *out);
/* The pool of that name, the only one when name is NULL, or NULL. */
struct pool_config *config_pool(struct config *c, const char *name);
void config_free(struct config *c);
/*
 * For a process of one pool: env values, which may be secrets, of all others
 * are overwritten in memory. keep: one of c->pools or &c->cgi; NULL: of all.
 */
void config_forget(struct config *c, const struct pool_config *keep);

/*
 * Stores text as that key of a pool, in the file's own syntax, without what
 * only whole sections show. It must live as long as p. The why goes on after
 * "NAME = TEXT".
 */
enum err config_set(struct pool_config *p, const char *name, const char *text,
                    struct why *why);
/* Is that application's file TypeScript, or has JSX in it? V8 takes neither:
 * it can run from an image only. */
bool config_app_needs_image(const char *app);

/* One row of the table. */
struct config_key {
    const char *name;
    const char *section;  /* "global", "pool", or "pool+cgi" for both */
    const char *type;     /* "time", "size", "a|b|c" (one of these), ... */
    const char *fallback; /* default as text; "" when there is none */
    const char *help;     /* one sentence */
    size_t offset, width; /* of the member in its struct */
    uint64_t min, max;    /* of times (ns), sizes (bytes), counts and modes */
};
/* NULL-name ended. */
const struct config_key *config_table(void);
/* One row a line: name, section, type, default, help, with tabs between. */
void config_print_keys(FILE *out);

#endif
