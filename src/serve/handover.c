/*
 * handover.c - items as lines: kind, descriptors, numbers, text.
 */
#include "serve/handover.h"

#include "base/slice.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char variable[] = "SNAPCGI_HANDOVER";

void handover_add(struct handover *h, const struct handover_item *item)
{
    size_t n = (h->count + 1) * sizeof(*h->items);
    h->items = xrealloc(h->items, n);
    h->items[h->count++] = *item;
}

void handover_free(struct handover *h)
{
    free(h->items);
    *h = (struct handover){.items = NULL};
}

static void each_fd(const struct handover *h, int flags)
{
    for (size_t i = 0; i < h->count; i++)
        for (size_t k = 0; k < HANDOVER_FDS; k++)
            if (h->items[i].fd[k] >= 0)
                fcntl(h->items[i].fd[k], F_SETFD, flags);
}

void handover_keep(const struct handover *h, bool keep)
{
    each_fd(h, keep ? 0 : FD_CLOEXEC);
}

enum err handover_write(const struct handover *h, int *fd)
{
    char number[16];
    *fd = memfd_create("snapcgi-handover", 0);
    FILE *out = *fd >= 0 ? fdopen(dup(*fd), "w") : NULL;
    if (out == NULL)
        goto fail;
    for (size_t i = 0; i < h->count; i++) {
        const struct handover_item *it = &h->items[i];
        fprintf(out, "%s", it->kind);
        for (size_t k = 0; k < HANDOVER_FDS; k++)
            fprintf(out, " %d", it->fd[k]);
        for (size_t k = 0; k < HANDOVER_NUMBERS; k++)
            fprintf(out, " %" PRIu64, it->number[k]);
        fprintf(out, " %s\n", it->text);
    }
    bool whole = fflush(out) == 0;
    fclose(out);
    snprintf(number, sizeof(number), "%d", *fd);
    if (whole && setenv(variable, number, 1) == 0)
        return OK;
fail:
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    return ERR_IO;
}

static bool parse(const char *line, struct handover_item *it)
{
    int n = 0;
    *it = (struct handover_item){.fd = {-1, -1}};
    int got = sscanf(line,
                     "%15s %d %d %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
                     " %" SCNu64 " %" SCNu64 "%n",
                     it->kind, &it->fd[0], &it->fd[1], &it->number[0],
                     &it->number[1], &it->number[2], &it->number[3],
                     &it->number[4], &it->number[5], &n);
    if (got != 9 || line[n] != ' ')
        return false;
    struct slice text = slice_of(line + n + 1);
    if (text.n == 0 || text.n > sizeof(it->text) || !slice_ends(text, "\n"))
        return false;
    text.n--;
    memcpy(it->text, text.p, text.n);
    return true;
}

void handover_read(struct handover *h)
{
    struct handover_item it;
    char line[1024];
    uint64_t fd;
    *h = (struct handover){.items = NULL};
    bool there = slice_u64(slice_of(getenv(variable)), INT32_MAX, &fd);
    unsetenv(variable);
    if (!there || lseek((int)fd, 0, SEEK_SET) != 0)
        return;
    FILE *in = fdopen((int)fd, "r");
    if (in == NULL)
        return;
    while (fgets(line, sizeof(line), in) != NULL)
        if (parse(line, &it))
            handover_add(h, &it);
    fclose(in);
    each_fd(h, FD_CLOEXEC);
}

struct handover_item *handover_find(struct handover *h, const char *kind,
                                    const char *text)
{
    for (size_t i = 0; i < h->count; i++) {
        struct handover_item *it = &h->items[i];
        if (!it->taken && strcmp(it->kind, kind) == 0 &&
            (text == NULL || strcmp(it->text, text) == 0))
            return it;
    }
    return NULL;
}
