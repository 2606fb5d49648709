/*
 * image_write.c - the container, written whole or not at all.
 */
#include "engine/image_parts.h"

#include "base/clock.h"
#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void image_plan_of(const struct image *img, struct image_plan *plan)
{
    *plan = (struct image_plan){.kind = img->kind,
                                .host = {.version = img->version,
                                         .build = img->build,
                                         .natives = img->natives,
                                         .js = img->js,
                                         .flags = img->flags},
                                .machine = img->machine,
                                .pointer_n = img->pointer_n,
                                .base = img->base,
                                .created = img->created,
                                .clock = img->clock,
                                .wake = img->wake};
}

size_t image_gap(size_t n)
{
    return (ALIGN - n % ALIGN) % ALIGN;
}

static void fill_header(const struct image_plan *plan, uint64_t file_n,
                        struct image_header *h)
{
    const char *machine = plan->machine != NULL ? plan->machine : image_machine;
    uint64_t now = clock_real() / NS_PER_S;
    *h = (struct image_header){
        .format = IMAGE_FORMAT,
        .header_n = HEADER_N,
        .kind = (uint32_t)plan->kind,
        .pointer_n =
            plan->machine != NULL ? plan->pointer_n : (uint32_t)sizeof(void *),
        .build = plan->host.build,
        .natives = plan->host.natives,
        .js = plan->host.js,
        .flags = plan->host.flags,
        .created = plan->created != 0 ? plan->created : now,
        .file_n = file_n,
        .count = (uint32_t)plan->count,
        .base = plan->base != NULL ? strtoull(plan->base, NULL, 16) : 0,
        .clock = plan->clock,
        .wake = plan->wake};
    memcpy(h->magic, IMAGE_MAGIC, IMAGE_MAGIC_N);
    memcpy(h->machine, machine, strnlen(machine, sizeof h->machine));
    memcpy(h->version, plan->host.version,
           strnlen(plan->host.version, sizeof h->version));
}

enum err image_head(const struct image_plan *plan, struct buf *head,
                    struct why *why)
{
    union {
        struct image_header h;
        unsigned char bytes[HEAD_MAX];
    } out;
    struct image_entry t[IMAGE_PARTS_MAX];
    size_t table_n = plan->count * ENTRY_N;
    uint64_t end = HEADER_N + table_n;

    must(plan->count > 0 && plan->count <= IMAGE_PARTS_MAX);
    for (size_t i = 0; i < plan->count; i++) {
        const struct image_part *part = &plan->parts[i];
        must(i == 0 || part->section > plan->parts[i - 1].section);
        if (part->bytes.n > IMAGE_SECTION_MAX)
            return why_set(why, ERR_TOOBIG,
                           "the section %s has %zu bytes, %" PRIu64
                           " is the most there can be",
                           image_section_name(part->section), part->bytes.n,
                           IMAGE_SECTION_MAX);
        end += image_gap((size_t)end);
        t[i] = (struct image_entry){
            .section = (uint32_t)part->section,
            .offset = end,
            .n = part->bytes.n,
            .sum = image_sum(part->bytes.p, part->bytes.n)};
        memcpy(t[i].sha256, part->sha256, sizeof t[i].sha256);
        end += part->bytes.n;
    }
    fill_header(plan, end, &out.h);
    memcpy(out.bytes + HEADER_N, t, table_n);
    out.h.header_sum = image_head_sum(&out, (uint32_t)plan->count);
    if (buf_put(head, &out, HEADER_N + table_n) != OK)
        return why_set(why, head->err, "no memory for the image's header");
    return OK;
}

void image_signed(struct slice head, struct buf *out)
{
    union {
        struct image_header h;
        unsigned char bytes[HEAD_MAX];
    } copy;
    must(head.n >= HEADER_N);
    memcpy(&copy, head.p, HEADER_N);
    size_t n = HEADER_N + (size_t)copy.h.count * ENTRY_N;
    must(copy.h.count <= IMAGE_PARTS_MAX && head.n >= n);
    memcpy(&copy, head.p, n);
    copy.h.header_sum = 0;
    for (size_t at = HEADER_N; at < n; at += ENTRY_N) {
        struct image_entry *t = (void *)(copy.bytes + at);
        if (t->section != SECTION_SIGNATURE)
            continue;
        t->sum = 0;
        memset(t->sha256, 0, sizeof t->sha256);
    }
    buf_put(out, &copy, n);
}

/* ---- files -------------------------------------------------------------- */

static enum err write_parts(int fd, const struct image_plan *plan)
{
    static const char zeros[ALIGN];
    enum err e = OK;
    for (size_t i = 0; i < plan->count && e == OK; i++) {
        struct slice s = plan->parts[i].bytes;
        e = io_write(fd, s.p, s.n, NULL);
        if (e == OK && i + 1 < plan->count)
            e = io_write(fd, zeros, image_gap(s.n), NULL);
    }
    return e;
}

static enum err cannot(const struct image_plan *plan, struct why *why)
{
    size_t n = 0;
    for (size_t i = 0; i < plan->count; i++)
        n += plan->parts[i].bytes.n;
    if (errno == ENOSPC || errno == EDQUOT)
        return why_set(why, ERR_IO, "%s, where an image of %zu bytes was to go",
                       strerror(errno), n);
    return why_set(why, ERR_IO, "it cannot be written: %s", strerror(errno));
}

enum err image_write_fd(int fd, const struct image_plan *plan, struct why *why)
{
    struct buf head;
    buf_init(&head, HEAD_MAX);
    enum err e = image_head(plan, &head, why);
    if (e == OK && (io_write(fd, head.p, head.n, NULL) != OK ||
                    write_parts(fd, plan) != OK || fsync(fd) != 0))
        e = cannot(plan, why);
    buf_free(&head);
    return e;
}

int image_rename(const char *temporary, const char *path)
{
    struct stat st;
    if (lstat(path, &st) != 0 || S_ISREG(st.st_mode) || S_ISLNK(st.st_mode))
        return rename(temporary, path);
    errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
    return -1;
}

/* The rename itself is on the disk when its folder is. */
static bool sync_folder(const char *path)
{
    char folder[4096];
    const char *slash = strrchr(path, '/');
    int n = slash == path ? 1 : slash != NULL ? (int)(slash - path) : 0;
    snprintf(folder, sizeof folder, "%.*s", n, path);
    int fd = open(n > 0 ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return false;
    /* Not every file system knows how. */
    bool good = fsync(fd) == 0 || errno == EINVAL;
    close(fd);
    return good;
}

/* New, so that it is nobody's link to elsewhere; of this mode whatever the
 * umask says, which is about files without one of their own. */
static int create(const char *path, mode_t mode)
{
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC;
    int fd = open(path, flags, 0600);
    if (fd < 0 && errno == EEXIST && unlink(path) == 0)
        fd = open(path, flags, 0600);
    if (fd < 0 || fchmod(fd, mode) == 0)
        return fd;
    close(fd);
    return -1;
}

enum err image_write(const char *path, const struct image_plan *plan,
                     struct why *why)
{
    char temporary[4096];
    struct why inner = {.text = ""};

    if ((size_t)snprintf(temporary, sizeof temporary, "%s.%ld", path,
                         (long)getpid()) >= sizeof temporary)
        return why_set(why, ERR_TOOBIG, "the path %.64s... is too long", path);
    int fd = create(temporary, plan->mode);
    if (fd < 0)
        return why_set(why, ERR_IO, "%s: %s", temporary, strerror(errno));
    enum err e = image_write_fd(fd, plan, &inner);
    if (close(fd) != 0 && e == OK)
        e = cannot(plan, &inner);
    if (e == OK && (image_rename(temporary, path) != 0 || !sync_folder(path)))
        e = cannot(plan, &inner);
    if (e == OK)
        return OK;
    unlink(temporary);
    return why_set(why, e, "%s: %s", path, inner.text);
}
