/*
 * fcgi_load.c - one FastCGI client, one request after another.
 *
 *     fcgi_load [-k] [-n REQUESTS] [-p PID] NAME SOCKET SCRIPT
 *
 * -k keeps the connection (FCGI_KEEP_CONN). PID's processor time over the
 * run is divided by the requests. Prints one row: name, requests per second,
 * p50, p99 and max in microseconds, CPU microseconds of PID per request.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { BEGIN = 1, END = 3, PARAMS = 4, STDIN = 5 };

static unsigned char request[4096];
static size_t request_n;

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void record(int type, const void *p, size_t n)
{
    unsigned char head[8] = {1,
                             (unsigned char)type,
                             0,
                             1,
                             (unsigned char)(n >> 8),
                             (unsigned char)n,
                             0,
                             0};
    memcpy(request + request_n, head, 8);
    memcpy(request + request_n + 8, p, n);
    request_n += 8 + n;
}

static void make_request(bool keep, const char *script)
{
    unsigned char begin[8] = {0, 1, keep ? 1 : 0};
    unsigned char params[2048];
    size_t n = 0;
    const char *pairs[][2] = {
        {"GATEWAY_INTERFACE", "CGI/1.1"},
        {"SERVER_PROTOCOL", "HTTP/1.1"},
        {"REQUEST_METHOD", "GET"},
        {"REQUEST_URI", "/hello.js?a=1"},
        {"SCRIPT_NAME", "/hello.js"},
        {"SCRIPT_FILENAME", script},
        {"QUERY_STRING", "a=1"},
        {"SERVER_NAME", "localhost"},
        {"SERVER_PORT", "80"},
        {"REMOTE_ADDR", "127.0.0.1"},
        {"HTTP_HOST", "localhost"},
        {"HTTP_ACCEPT", "*/*"},
        {"HTTP_USER_AGENT", "bench"},
        {"DOCUMENT_ROOT", "/"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        size_t k = strlen(pairs[i][0]), v = strlen(pairs[i][1]);
        if (v > 127 || n + k + v + 2 > sizeof params)
            exit(64);
        params[n++] = (unsigned char)k;
        params[n++] = (unsigned char)v;
        memcpy(params + n, pairs[i][0], k);
        memcpy(params + n + k, pairs[i][1], v);
        n += k + v;
    }
    record(BEGIN, begin, sizeof begin);
    record(PARAMS, params, n);
    record(PARAMS, "", 0);
    record(STDIN, "", 0);
}

static int dial(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof to.sun_path)
        exit(64);
    strcpy(to.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        perror(path);
        exit(69);
    }
    return fd;
}

/* Reads to END_REQUEST; false when the connection ended before it. */
static bool reply(int fd)
{
    static unsigned char in[1 << 16];
    size_t have = 0;
    for (;;) {
        ssize_t got = read(fd, in + have, sizeof in - have);
        if (got <= 0)
            return false;
        have += (size_t)got;
        size_t at = 0;
        while (have - at >= 8) {
            size_t n = (size_t)(in[at + 4] << 8 | in[at + 5]) + in[at + 6];
            if (have - at < 8 + n)
                break;
            if (in[at + 1] == END)
                return true;
            at += 8 + n;
        }
        memmove(in, in + at, have - at);
        have -= at;
        if (have == sizeof in)
            return false;
    }
}

/* Processor time of a process in microseconds. */
static double cpu_us(int pid)
{
    char path[64], line[1024];
    unsigned long user = 0, sys = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *f = fopen(path, "r");
    if (f == NULL || fgets(line, sizeof line, f) == NULL)
        return 0;
    fclose(f);
    char *p = strrchr(line, ')');
    if (p == NULL ||
        sscanf(p + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu",
               &user, &sys) != 2)
        return 0;
    return (double)(user + sys) * 1e6 / (double)sysconf(_SC_CLK_TCK);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    bool keep = false;
    int n = 2000, pid = 0, opt, failed = 0;

    while ((opt = getopt(argc, argv, "kn:p:")) != -1) {
        if (opt == 'k')
            keep = true;
        else if (opt == 'n')
            n = atoi(optarg);
        else if (opt == 'p')
            pid = atoi(optarg);
        else
            return 64;
    }
    if (argc - optind != 3 || n < 1) {
        fprintf(stderr, "usage: fcgi_load [-k] [-n REQUESTS] [-p PID] NAME "
                        "SOCKET SCRIPT\n");
        return 64;
    }
    const char *name = argv[optind], *path = argv[optind + 1];
    make_request(keep, argv[optind + 2]);
    double *us = calloc((size_t)n, sizeof *us);
    int fd = -1;
    double cpu = cpu_us(pid), from = now_us();
    for (int i = 0; i < n; i++) {
        double start = now_us();
        if (fd < 0)
            fd = dial(path);
        bool good =
            write(fd, request, request_n) == (ssize_t)request_n && reply(fd);
        failed += !good;
        if (!keep || !good) {
            close(fd);
            fd = -1;
        }
        us[i] = now_us() - start;
    }
    double took = now_us() - from;
    cpu = cpu_us(pid) - cpu;
    qsort(us, (size_t)n, sizeof *us, by_value);
    printf("%-34s %9.0f %9.1f %9.1f %9.1f %9.1f", name, n / (took / 1e6),
           us[n / 2], us[n - 1 - n / 100], us[n - 1], cpu / n);
    if (failed > 0)
        printf("  (%d failed)", failed);
    putchar('\n');
    return failed == n;
}
