/*
 * image_sources.c - the text of the section "sources", and what it proves.
 */
#include "serve/image_sources.h"

#include "serve/image_trust.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const types[] = {[SOURCE_MODULE] = "module",
                                    [SOURCE_SCRIPT] = "script",
                                    [SOURCE_JSON] = "json"};
#define TYPES (sizeof(types) / sizeof(types[0]))

const char *image_source_type_name(enum image_source_type type)
{
    return types[type];
}

/* ---- writing ------------------------------------------------------------ */

static void put_escaped(struct slice s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c < 0x20 || c > 0x7e || c == '%')
            buf_printf(out, "%%%02X", c);
        else
            buf_putc(out, (char)c);
    }
}

enum err image_sources_encode(const char *how, const struct image_source *files,
                              size_t count, struct buf *out, struct why *why)
{
    put_escaped(slice_of(how), out);
    buf_putc(out, '\n');
    for (size_t i = 0; i < count; i++) {
        const struct image_source *f = &files[i];
        unsigned char sha256[32];
        char hex[65];
        enum err e = image_trust_sha256(f->text, sha256, why);
        if (e != OK)
            return e;
        image_trust_hex(sha256, sizeof sha256, hex);
        buf_printf(out, "%s %" PRIu64 " %lld.%09ld %s ", hex, f->size,
                   (long long)f->mtime.tv_sec, f->mtime.tv_nsec,
                   types[f->type]);
        put_escaped(slice_of(f->path), out);
        buf_putc(out, '\n');
    }
    if (out->err != OK)
        why_set(why, out->err, "the list of source files is %s",
                err_name(out->err));
    return out->err;
}

/* ---- reading ------------------------------------------------------------ */

/* Up to mark and over it; false when there is none. */
static bool cut(struct slice *rest, char mark, struct slice *out)
{
    size_t at = slice_find(*rest, mark);
    if (at == rest->n)
        return false;
    *out = (struct slice){rest->p, at};
    *rest = slice_from(*rest, at + 1);
    return true;
}

static int hex_digit(char c)
{
    return ascii_digit(c)         ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

static int hex_byte(struct slice s, size_t at)
{
    if (at + 1 >= s.n || hex_digit(s.p[at]) < 0 || hex_digit(s.p[at + 1]) < 0)
        return -1;
    return hex_digit(s.p[at]) * 16 + hex_digit(s.p[at + 1]);
}

/* The bytes that put_escaped() was given, and no NUL in them. */
static bool unescape(struct slice s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        int c = (unsigned char)s.p[i];
        if (c < 0x20 || c > 0x7e)
            return false;
        if (c == '%') {
            c = hex_byte(s, i + 1);
            i += 2;
        }
        if (c <= 0)
            return false;
        buf_putc(out, (char)c);
    }
    return out->err == OK;
}

static bool read_time(struct slice s, struct timespec *out)
{
    bool before = s.n > 0 && s.p[0] == '-'; /* 1970 */
    uint64_t sec, ns;
    struct slice first;
    if (before)
        s = slice_from(s, 1);
    if (!cut(&s, '.', &first) || s.n != 9 ||
        !slice_u64(first, INT64_MAX, &sec) || !slice_u64(s, 999999999, &ns))
        return false;
    out->tv_sec = before ? -(time_t)sec : (time_t)sec;
    out->tv_nsec = (long)ns;
    return true;
}

static bool read_hash(struct slice s, unsigned char out[static 32])
{
    for (size_t i = 0; i < 32; i++) {
        int c = s.n == 64 ? hex_byte(s, 2 * i) : -1;
        if (c < 0)
            return false;
        out[i] = (unsigned char)c;
    }
    return true;
}

static bool read_type(struct slice s, enum image_source_type *out)
{
    for (size_t i = 0; i < TYPES; i++)
        if (slice_is(s, types[i])) {
            *out = (enum image_source_type)i;
            return true;
        }
    return false;
}

static bool read_path(struct slice s, char path[static PATH_MAX])
{
    struct buf out;
    buf_init(&out, PATH_MAX - 1);
    bool good = unescape(s, &out) && out.n > 0;
    if (good) {
        memcpy(path, out.p, out.n);
        path[out.n] = '\0';
    }
    buf_free(&out);
    return good && path[0] == '/';
}

static bool read_line(struct image_sources *s, struct image_source *out)
{
    struct slice line, hash, size, mtime, type;
    *out = (struct image_source){.path = s->path};
    return cut(&s->rest, '\n', &line) && cut(&line, ' ', &hash) &&
           cut(&line, ' ', &size) && cut(&line, ' ', &mtime) &&
           cut(&line, ' ', &type) && read_hash(hash, out->sha256) &&
           slice_u64(size, INT64_MAX, &out->size) &&
           read_time(mtime, &out->mtime) && read_type(type, &out->type) &&
           read_path(line, s->path);
}

static enum err damaged(const struct image_sources *s, struct why *why)
{
    return why_set(why, ERR_CORRUPT,
                   "line %zu of the image's list of source files cannot be "
                   "read",
                   s->line);
}

enum err image_sources_open(struct image_sources *s, struct slice text,
                            struct buf *how, struct why *why)
{
    struct slice line;
    struct buf nowhere;
    s->rest = text;
    s->line = 1;
    buf_init(&nowhere, IMAGE_SOURCES_MAX);
    bool good = cut(&s->rest, '\n', &line) &&
                unescape(line, how != NULL ? how : &nowhere);
    buf_free(&nowhere);
    return good ? OK : damaged(s, why);
}

enum err image_sources_next(struct image_sources *s, struct image_source *out,
                            struct why *why)
{
    if (s->rest.n == 0)
        return ERR_NOTFOUND;
    s->line++;
    return read_line(s, out) ? OK : damaged(s, why);
}

/* ---- what it proves ----------------------------------------------------- */

static enum err look(const struct image_source *f, struct why *why)
{
    struct stat st;
    if (stat(f->path, &st) != 0)
        return why_set(why, ERR_MISMATCH,
                       "the image was made with %s, of which the system now "
                       "says: %s",
                       f->path, strerror(errno));
    if ((uint64_t)st.st_size != f->size)
        return why_set(why, ERR_MISMATCH,
                       "%s has changed since the image was made: it has %lld "
                       "bytes and had %" PRIu64,
                       f->path, (long long)st.st_size, f->size);
    if (st.st_mtim.tv_sec != f->mtime.tv_sec ||
        st.st_mtim.tv_nsec != f->mtime.tv_nsec)
        return why_set(why, ERR_MISMATCH,
                       "%s was written to since the image was made", f->path);
    return OK;
}

enum err image_sources_current(struct slice text, struct why *why)
{
    struct image_sources s;
    struct image_source f;
    enum err e = image_sources_open(&s, text, NULL, why);
    if (e != OK)
        return e;
    while ((e = image_sources_next(&s, &f, why)) == OK)
        if ((e = look(&f, why)) != OK)
            return e;
    return e == ERR_NOTFOUND ? OK : e;
}

/* Its text as an application has it: without a byte order mark. */
static enum err digest(const char *path, unsigned char out[static 32],
                       struct why *why)
{
    struct stat st;
    struct slice text = {NULL, 0};
    enum err e = ERR_MISMATCH;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        why_set(why, e, "%s: %s", path,
                fd < 0 ? strerror(errno) : "not a regular file");
        goto out;
    }
    if (st.st_size > 0) {
        void *map =
            mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (map == MAP_FAILED) {
            why_set(why, e, "%s: %s", path, strerror(errno));
            goto out;
        }
        text = (struct slice){map, (size_t)st.st_size};
    }
    bool marked = slice_starts(text, "\xef\xbb\xbf");
    e = image_trust_sha256(slice_from(text, marked ? 3 : 0), out, why);
out:
    if (text.p != NULL)
        munmap((void *)(uintptr_t)text.p, text.n);
    if (fd >= 0)
        close(fd);
    return e;
}

enum err image_sources_unchanged(struct slice text, bool all, struct why *why)
{
    struct image_sources s;
    struct image_source f;
    unsigned char is[32];
    enum err e = image_sources_open(&s, text, NULL, why);
    if (e != OK)
        return e;
    while ((e = image_sources_next(&s, &f, why)) == OK) {
        if (!all && look(&f, NULL) == OK)
            continue;
        if ((e = digest(f.path, is, why)) != OK)
            return e;
        if (memcmp(f.sha256, is, sizeof(is)) != 0)
            return why_set(why, ERR_MISMATCH, "%s is not what it was", f.path);
    }
    return e == ERR_NOTFOUND ? OK : e;
}

/* path is changed. */
static bool is_public(char *path)
{
    struct stat st;
    if (stat(path, &st) != 0 || (st.st_mode & S_IROTH) == 0)
        return false;
    for (char *slash; (slash = strrchr(path, '/')) != NULL;) {
        slash[slash == path ? 1 : 0] = '\0';
        if (stat(path, &st) != 0 || (st.st_mode & S_IXOTH) == 0)
            return false;
        if (slash == path)
            break;
    }
    return true;
}

bool image_sources_public(struct slice text)
{
    struct image_sources s;
    struct image_source f;
    enum err e = image_sources_open(&s, text, NULL, NULL);
    while (e == OK && (e = image_sources_next(&s, &f, NULL)) == OK)
        if (!is_public(s.path))
            return false;
    return e == ERR_NOTFOUND;
}
