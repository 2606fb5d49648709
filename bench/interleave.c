/*
 * interleave.c - times whole processes, from exec to exit, in turn.
 *
 *     interleave ROUNDS < commands
 *
 * Each line of input is "name<TAB>command<TAB>argument..."; the environment is
 * the caller's. A VARIABLE=value before the command is put into it, and stays
 * until another line has one of that name. One run of each a round, so that a
 * machine's moods touch all alike; the first round is not counted. Prints a
 * table in milliseconds.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { MAX_COMMANDS = 32, MAX_ARGS = 32, MAX_LINE = 4096 };

struct command {
    char line[MAX_LINE];
    char *name;
    char *variable; /* NULL: none */
    char *argv[MAX_ARGS];
    double *ms;
    int failed;
};

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double run(struct command *c, posix_spawn_file_actions_t *quiet)
{
    pid_t pid;
    int status;
    if (c->variable != NULL)
        putenv(c->variable);
    double from = now_ms();

    if (posix_spawn(&pid, c->argv[0], quiet, NULL, c->argv, environ) != 0) {
        c->failed++;
        return 0;
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    double took = now_ms() - from;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        c->failed++;
    return took;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print(struct command *c, int rounds)
{
    qsort(c->ms, (size_t)rounds, sizeof *c->ms, by_value);
    printf("%-28s %8.2f %8.2f %8.2f %8.2f %8.2f", c->name, c->ms[0],
           c->ms[rounds / 2], c->ms[rounds * 9 / 10], c->ms[rounds * 99 / 100],
           c->ms[rounds - 1]);
    if (c->failed > 0)
        printf("  (%d failed)", c->failed);
    putchar('\n');
}

static int read_commands(struct command *list)
{
    int count = 0;
    while (count < MAX_COMMANDS &&
           fgets(list[count].line, MAX_LINE, stdin) != NULL) {
        struct command *c = &list[count];
        int argc = 0;
        c->line[strcspn(c->line, "\n")] = '\0';
        c->name = strtok(c->line, "\t");
        c->variable = NULL;
        while (argc < MAX_ARGS - 1 &&
               (c->argv[argc] = strtok(NULL, "\t")) != NULL)
            if (argc == 0 && strchr(c->argv[0], '=') != NULL)
                c->variable = c->argv[0];
            else
                argc++;
        if (argc > 0)
            count++;
    }
    return count;
}

int main(int argc, char **argv)
{
    static struct command list[MAX_COMMANDS];
    posix_spawn_file_actions_t quiet;
    int rounds = argc == 2 ? atoi(argv[1]) : 0;

    if (rounds < 1) {
        fprintf(stderr, "usage: interleave ROUNDS < commands\n");
        return 64;
    }
    int count = read_commands(list);
    posix_spawn_file_actions_init(&quiet);
    posix_spawn_file_actions_addopen(&quiet, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
    for (int i = 0; i < count; i++) {
        list[i].ms = calloc((size_t)rounds, sizeof(double));
        run(&list[i], &quiet);
        list[i].failed = 0;
    }
    for (int r = 0; r < rounds; r++)
        for (int i = 0; i < count; i++)
            list[i].ms[r] = run(&list[i], &quiet);
    printf("%-28s %8s %8s %8s %8s %8s\n", "ms, exec to exit", "min", "p50",
           "p90", "p99", "max");
    for (int i = 0; i < count; i++)
        print(&list[i], rounds);
    return 0;
}
