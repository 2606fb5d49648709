/*
 * config_table.c - every key, once.
 */
#include "base/config_parts.h"

#include "base/clock.h"

#include <stddef.h>
#include <string.h>

#define K UINT64_C(1024)
#define M (K * K)
#define G (K * K * K)
#define MS NS_PER_MS
#define S NS_PER_S
#define H (3600 * S)

#define AT(where, member)                                                      \
    offsetof(struct where, member), sizeof(((struct where *)NULL)->member)
#define GLOBAL(member) AT(config, member)
#define POOL(member) AT(pool_config, member)

/* clang-format off */
static const struct config_key rows[] = {
    {"error_log", "global", "log", "stderr",
     "Where messages go: stderr, syslog, journal or a file.",
     GLOBAL(error_log), 0, 0},
    {"log_level", "global", "debug|info|notice|warn|error", "notice",
     "The least level that is written.", GLOBAL(log_level), 0, 0},
    {"log_format", "global", "text|json", "text",
     "The form of messages.", GLOBAL(log_format), 0, 0},
    {"syslog.ident", "global", "name", "snapcgi",
     "The name messages have in syslog and the journal.",
     GLOBAL(syslog_ident), 0, 0},
    {"syslog.facility", "global", "daemon|user|local0", "daemon",
     "The facility of messages to syslog.", GLOBAL(syslog_facility), 0, 0},
    {"pid", "global", "path", "",
     "The file that holds the supervisor's process id.", GLOBAL(pid), 0, 0},
    {"daemonize", "global", "bool", "off",
     "Go to the background once everything is started.",
     GLOBAL(daemonize), 0, 0},
    {"control", "global", "socket", "",
     "The unix socket of snapcgi ctl.", GLOBAL(control), 0, 0},
    {"status_listen", "global", "listen", "",
     "The FastCGI socket of the status page of all pools.",
     GLOBAL(status.listen), 0, 0},
    {"status_listen.owner", "global", "name", "",
     "The user who owns a unix socket of the status page.",
     GLOBAL(status.listen_owner), 0, 0},
    {"status_listen.group", "global", "name", "",
     "The group of a unix socket of the status page.",
     GLOBAL(status.listen_group), 0, 0},
    {"status_listen.mode", "global", "octal", "0660",
     "The permissions of a unix socket of the status page.",
     GLOBAL(status.listen_mode), 0, 0777},
    {"status_user", "global", "name", "nobody",
     "The user of the process that serves the status page.",
     GLOBAL(status_user), 0, 0},
    {"process.max", "global", "count", "0",
     "Workers of all pools at most; 0 is without limit.",
     GLOBAL(process_max), 0, 65536},
    {"emergency_restart_threshold", "global", "count", "10",
     "Crashes within the interval that restart all workers; 0 is never.",
     GLOBAL(emergency_restart_threshold), 0, 10000},
    {"emergency_restart_interval", "global", "time", "1m",
     "The time in which crashes are counted.",
     GLOBAL(emergency_restart_interval), S, 24 * H},
    {"process_control_timeout", "global", "time", "30s",
     "How long a worker may take to finish when it is replaced or stopped.",
     GLOBAL(process_control_timeout), 10 * MS, 24 * H},

    {"listen", "pool", "listen", "",
     "The socket: /path, host:port, [v6]:port, port, or fd 0.",
     POOL(listen), 0, 0},
    {"listen.backlog", "pool", "count", "1024",
     "Connections that may wait to be accepted.",
     POOL(listen_backlog), 1, 65535},
    {"listen.owner", "pool", "name", "",
     "The user who owns a unix socket.", POOL(listen_owner), 0, 0},
    {"listen.group", "pool", "name", "",
     "The group of a unix socket.", POOL(listen_group), 0, 0},
    {"listen.mode", "pool", "octal", "0660",
     "The permissions of a unix socket.", POOL(listen_mode), 0, 0777},

    {"pm", "pool", "dynamic|static|ondemand", "dynamic",
     "How the number of workers is chosen.", POOL(pm), 0, 0},
    {"max_children", "pool", "count", "16",
     "Workers at most; each serves one request at a time.",
     POOL(max_children), 1, 4096},
    {"start_servers", "pool", "count", "2",
     "Workers started at first, with pm = dynamic.",
     POOL(start_servers), 1, 4096},
    {"min_spare_servers", "pool", "count", "1",
     "Idle workers at least, with pm = dynamic.",
     POOL(min_spare_servers), 1, 4096},
    {"max_spare_servers", "pool", "count", "4",
     "Idle workers at most, with pm = dynamic.",
     POOL(max_spare_servers), 1, 4096},
    {"max_spawn_rate", "pool", "count", "32",
     "Workers started at once at most.", POOL(max_spawn_rate), 1, 1024},
    {"process_idle_timeout", "pool", "time", "10s",
     "How long a worker stays idle, with pm = ondemand.",
     POOL(process_idle_timeout), 10 * MS, 24 * H},
    {"queue_limit", "pool", "count", "0",
     "Waiting connections over which 503 is answered; 0 is 3/4 of the backlog, "
     "65535 turns it off.",
     POOL(queue_limit), 0, 65535},
    {"retry_after", "pool", "time", "2s",
     "The Retry-After of that 503.", POOL(retry_after), S, H},
    {"keep_conn", "pool", "bool", "on",
     "Keep connections for the next request when the web server asks.",
     POOL(keep_conn), 0, 0},

    {"user", "pool", "name", "",
     "The user workers run as, if started by root.", POOL(user), 0, 0},
    {"group", "pool", "name", "",
     "The group workers run as.", POOL(group), 0, 0},
    {"groups", "pool", "names", "",
     "Supplementary groups instead of the user's own.", POOL(groups), 0, 0},
    {"chroot", "pool", "path", "",
     "The folder that becomes the workers' root.", POOL(chroot), 0, 0},
    {"chdir", "pool", "path", "",
     "The working folder of workers.", POOL(chdir), 0, 0},
    {"umask", "pool", "octal", "0022",
     "The umask of workers.", POOL(umask), 0, 0777},
    {"rlimit_files", "pool", "count", "1024",
     "Descriptors a worker may have open; 0 is as inherited.",
     POOL(rlimit_files), 0, 1048576},
    {"rlimit_core", "pool", "size", "0",
     "The longest core file; over 0 workers may be dumped and traced.",
     POOL(rlimit_core), 0, 64 * G},
    {"rlimit_as", "pool", "size", "0",
     "The address space of a worker; 0 is without limit.",
     POOL(rlimit_as), 0, 1024 * G},
    {"seccomp", "pool", "auto|on|off", "auto",
     "Allow workers only the system calls they need; auto: where possible.",
     POOL(seccomp), 0, 0},
    {"keep_env", "pool", "variables", "TZ LANG LC_ALL SSL_CERT_FILE SSL_CERT_DIR",
     "Environment variables that workers keep.", POOL(keep_env), 0, 0},

    {"app", "pool+cgi", "path", "",
     "The one application this pool runs.", POOL(app), 0, 0},
    {"root", "pool+cgi", "path", "",
     "The folder whose scripts may be run.", POOL(root), 0, 0},
    {"extensions", "pool+cgi", "extensions", ".js .mjs",
     "Ends of the names of scripts under root.", POOL(extensions), 0, 0},

    {"reset", "pool", "context|isolate|none", "context",
     "What is made new for each request.", POOL(reset), 0, 0},
    {"spare", "pool", "count", "1",
     "Contexts or isolates kept ready, at least.", POOL(spare), 0, 64},
    {"spare_max", "pool", "count", "4",
     "Contexts or isolates kept ready, at most.", POOL(spare_max), 0, 256},
    {"max_apps", "pool", "count", "32",
     "Applications held; the least recently used goes.",
     POOL(max_apps), 1, 10000},
    {"max_requests", "pool", "count", "0",
     "Requests a worker serves before it is replaced; 0 is without end.",
     POOL(max_requests), 0, 1000000000},
    {"max_requests_jitter", "pool", "count", "10",
     "Percent of max_requests by which a worker may serve fewer.",
     POOL(max_requests_jitter), 0, 100},
    {"watch", "pool", "bool", "on",
     "Load an application again when its files changed.", POOL(watch), 0, 0},

    {"image", "pool+cgi", "image", "beside",
     "Start the application from an image: off, beside, auto or a file.",
     POOL(image), 0, 0},
    {"image_cache", "pool+cgi", "path", "/var/cache/snapcgi",
     "The folder of images that image = auto makes.",
     POOL(image_cache), 0, 0},
    {"image_key", "pool+cgi", "path", "",
     "The public key of those whose images alone are used.",
     POOL(image_key), 0, 0},
    {"image_warm", "pool", "targets", "",
     "Paths, with queries, that are requested once while an image is made.",
     POOL(image_warm), 0, 0},
    {"image_timeout", "pool", "time", "1m",
     "How long making an image may take.",
     POOL(image_timeout), 10 * MS, H},

    {"state", "pool", "path", "",
     "The file in which one worker keeps the application's state.",
     POOL(state), 0, 0},
    {"hibernate_after", "pool", "time", "0",
     "When a worker without requests saves its state and ends; 0 is never.",
     POOL(hibernate_after), 0, 24 * H},
    {"save_every", "pool", "time", "0",
     "How often the state is saved while requests come; 0 is never.",
     POOL(save_every), 0, 24 * H},
    {"on_mismatch", "pool", "refuse|fresh", "refuse",
     "What to do with the state of other code or another build.",
     POOL(on_mismatch), 0, 0},
    {"state_keep", "pool", "count", "1",
     "Older state files that are kept.", POOL(state_keep), 0, 99},
    {"state_compress", "pool", "off|zstd", "off",
     "How the state file is compressed.", POOL(state_compress), 0, 0},
    {"state_key", "pool", "path", "",
     "The file of the key with which the state file is encrypted.",
     POOL(state_key), 0, 0},
    {"state_limit", "pool", "size", "1g",
     "The largest state.", POOL(state_limit), M, 64 * G},

    {"request_timeout", "pool+cgi", "time", "30s",
     "How long a request may take until its reply is complete.",
     POOL(request_timeout), 10 * MS, 24 * H},
    {"wait_until_timeout", "pool+cgi", "time", "30s",
     "How long waitUntil() may go on after the reply.",
     POOL(wait_until_timeout), 0, 24 * H},
    {"header_timeout", "pool", "time", "10s",
     "How long the web server may take to send the parameters.",
     POOL(header_timeout), 10 * MS, H},
    {"body_timeout", "pool+cgi", "time", "30s",
     "How long to wait for the next piece of a request body.",
     POOL(body_timeout), 10 * MS, H},
    {"write_timeout", "pool+cgi", "time", "30s",
     "How long to wait until the web server takes more of a reply.",
     POOL(write_timeout), 10 * MS, H},
    {"cpu_limit", "pool+cgi", "time", "0",
     "Processor time of one request, which then gets a 500; 0 is no limit.",
     POOL(cpu_limit), 0, H},
    {"kill_grace", "pool", "time", "5s",
     "From request_timeout to SIGKILL, if a worker does not end.",
     POOL(kill_grace), 10 * MS, H},
    {"slowlog_timeout", "pool", "time", "0",
     "When a request's JavaScript stack goes to the slow log; 0 is never.",
     POOL(slowlog_timeout), 0, H},
    {"slowlog", "pool", "log", "",
     "Where those stacks go; without it to the error log.",
     POOL(slowlog), 0, 0},
    {"slowlog_trace_depth", "pool", "count", "20",
     "Frames of such a stack at most.",
     POOL(slowlog_trace_depth), 1, 200},

    {"heap_limit", "pool+cgi", "size", "128m",
     "The JavaScript heap of one application.",
     POOL(heap_limit), 8 * M, 64 * G},
    {"buffer_limit", "pool+cgi", "size", "256m",
     "All ArrayBuffers of one application.",
     POOL(buffer_limit), M, 64 * G},
    {"max_body", "pool+cgi", "size", "8m",
     "The longest request body; a longer one is answered with 413.",
     POOL(max_body), 0, 64 * G},
    {"max_params", "pool+cgi", "count", "1000",
     "The most parameters (variables) of a request.",
     POOL(max_params), 16, 100000},
    {"max_param_bytes", "pool+cgi", "size", "64k",
     "The most bytes of all parameters of a request.",
     POOL(max_param_bytes), K, 16 * M},
    {"max_response_header", "pool+cgi", "size", "8k",
     "The longest header of a reply.",
     POOL(max_response_header), 512, M},
    {"max_response", "pool+cgi", "size", "1g",
     "The longest body of a reply; a longer one is cut off.",
     POOL(max_response), K, 1024 * G},

    {"fetch_allow", "pool+cgi", "hosts", "public",
     "Where fetch() may go: addresses, networks, hosts, public, all.",
     POOL(fetch_allow), 0, 0},
    {"fetch_deny", "pool+cgi", "hosts", "",
     "Where fetch() may not go, whatever fetch_allow says.",
     POOL(fetch_deny), 0, 0},
    {"fetch_max", "pool+cgi", "count", "50",
     "The most fetches of one request; 0 is none.",
     POOL(fetch_max), 0, 1000},
    {"fetch_concurrent", "pool+cgi", "count", "6",
     "How many fetches of a request go on at once.",
     POOL(fetch_concurrent), 1, 64},
    {"fetch_max_bytes", "pool+cgi", "size", "64m",
     "The bytes of all replies to the fetches of one request.",
     POOL(fetch_max_bytes), K, 64 * G},
    {"fetch_timeout", "pool+cgi", "time", "10s",
     "How long a fetch may take to connect.",
     POOL(fetch_timeout), 10 * MS, H},

    {"show_errors", "pool+cgi", "bool", "off",
     "Send JavaScript errors to the client as well as to the log.",
     POOL(show_errors), 0, 0},
    {"trust_forwarded", "pool+cgi", "bool", "off",
     "Believe X-Forwarded-Proto and X-Forwarded-Host.",
     POOL(trust_forwarded), 0, 0},
    {"allow_sendfile", "pool+cgi", "bool", "off",
     "Let replies name a file for the web server to send.",
     POOL(allow_sendfile), 0, 0},

    {"access.log", "pool", "log", "",
     "A line for each request: stderr, syslog, journal or a file.",
     POOL(access_log), 0, 0},
    {"access.format", "pool", "line", "%R - %u %t \"%m %r%Q%q\" %s",
     "The form of that line, or json.", POOL(access_format), 0, 0},
    {"access.suppress_path", "pool", "places", "",
     "Paths whose successful GET and HEAD requests are not written there.",
     POOL(access_suppress), 0, 0},
    {"status_path", "pool", "place", "",
     "The SCRIPT_NAME at which a worker answers with the pool's status.",
     POOL(status_path), 0, 0},
    {"ping.path", "pool", "place", "",
     "The SCRIPT_NAME at which a worker answers that it is alive.",
     POOL(ping_path), 0, 0},
    {"ping.response", "pool", "line", "pong",
     "That answer.", POOL(ping_response), 0, 0},

    {"env_file", "pool+cgi", "path", "",
     "A file of NAME=value lines for env.", POOL(env_file), 0, 0},
    {"env[NAME]", "pool+cgi", "text", "",
     "A value the application finds as env.NAME.", POOL(env), 0, 0},
    {0},
};
/* clang-format on */

const struct config_key *config_table(void)
{
    return rows;
}

void config_print_keys(FILE *out)
{
    for (const struct config_key *k = rows; k->name != NULL; k++)
        fprintf(out, "%s\t%s\t%s\t%s\t%s\n", k->name, k->section, k->type,
                k->fallback, k->help);
}

const struct config_key *config_find(const char *name)
{
    /* As php-fpm spells them. */
    if (strncmp(name, "pm.", 3) == 0)
        name += 3;
    for (const struct config_key *k = rows; k->name != NULL; k++)
        if (strcmp(k->name, name) == 0 && strcmp(k->type, "text") != 0)
            return k;
    return NULL;
}

bool config_takes(const struct config_key *k, const char *section)
{
    return strcmp(k->section, section) == 0 ||
           (strcmp(k->section, "pool+cgi") == 0 &&
            (strcmp(section, "pool") == 0 || strcmp(section, "cgi") == 0));
}

#define WORD 40

/* Levenshtein's distance: letters to add, drop or change. */
static size_t distance(const char *a, size_t an, const char *b, size_t bn)
{
    size_t row[WORD + 1];
    for (size_t j = 0; j <= bn; j++)
        row[j] = j;
    for (size_t i = 1; i <= an; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= bn; j++) {
            size_t best = corner + (a[i - 1] == b[j - 1] ? 0 : 1);
            corner = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[bn];
}

const char *config_nearest(const char *name, const char *section)
{
    const char *best = NULL;
    size_t n = strlen(name);
    size_t least = n < 6 ? 2 : 3; /* the first distance that is not close */
    if (n > WORD)
        return NULL;
    for (const struct config_key *k = rows; k->name != NULL; k++) {
        size_t kn = strlen(k->name);
        if (kn > WORD || !config_takes(k, section))
            continue;
        size_t d = distance(name, n, k->name, kn);
        if (d < least) {
            least = d;
            best = k->name;
        }
    }
    return best;
}
