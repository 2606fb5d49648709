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
     "Where messages go: stderr or a file.", GLOBAL(error_log), 0, 0},
    {"log_level", "global", "debug|info|notice|warn|error", "notice",
     "The least level that is written.", GLOBAL(log_level), 0, 0},

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
     "Requests one isolate serves; 0 is without end.",
     POOL(max_requests), 0, 1000000000},
    {"watch", "pool", "bool", "on",
     "Load an application again when its files changed.", POOL(watch), 0, 0},

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
    for (const struct config_key *k = rows; k->name != NULL; k++)
        if (strcmp(k->name, name) == 0)
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
