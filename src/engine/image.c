/*
 * image.c - the container: checked before it is believed.
 *
 * Little-endian, all offsets fixed. The header:
 *     0  magic            8  "snapcgi\n"
 *     8  format           4  IMAGE_FORMAT
 *    12  header length    4  HEADER_N
 *    16  kind             4  enum image_kind
 *    20  pointer size     4  with the byte order, the architecture
 *    24  V8 version      64  NUL-padded
 *    88  V8 build         8
 *    96  natives          8  fingerprint of the tables
 *   104  js               8  hash of the js/ texts
 *   112  V8 flags         8  hash of those that matter
 *   120  created          8  seconds since 1970
 *   128  file length      8
 *   136  sections         4  1 to IMAGE_PARTS_MAX
 *   140  zero             4
 *   144  machine         16  its name, NUL-padded
 *   160  base             8  id of the image it was made from, 0 none
 *   168  clock            8  ns, what the realm's clock said
 *   176  wake             8  ns until its next timer, 0 none
 *   184  zero            64
 *   248  header sum       8  over header and table, itself taken as 0
 * The section table, for each section:
 *     0  section          4  enum image_section, in ascending order
 *     4  zero             4
 *     8  offset           8  in the file
 *    16  length           8
 *    24  sum              8  see image_sum()
 *    32  SHA-256         32  zeros: not known
 * Then the sections: each begins at the first multiple of 64 after the end of
 * what is before it, zeros between, and the file ends with the last.
 */
#include "engine/image_parts.h"

#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__x86_64__)
const char image_machine[16] = "x86-64";
#elif defined(__aarch64__)
const char image_machine[16] = "aarch64";
#else
const char image_machine[16] = "other";
#endif

static const char *const kinds[] = {
    [IMAGE_API] = "API", [IMAGE_APP] = "application", [IMAGE_STATE] = "state"};
static const char *const sections[] = {[SECTION_SNAPSHOT] = "snapshot",
                                       [SECTION_SOURCES] = "sources",
                                       [SECTION_CENSUS] = "census",
                                       [SECTION_PORTABLE] = "portable",
                                       [SECTION_SIGNATURE] = "signature"};
#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static bool is_kind(uint32_t kind)
{
    return kind < COUNT(kinds) && kinds[kind] != NULL;
}

static bool is_section(uint32_t section)
{
    return section < COUNT(sections) && sections[section] != NULL;
}

const char *image_kind_name(enum image_kind kind)
{
    return is_kind((uint32_t)kind) ? kinds[kind] : "unknown";
}

const char *image_section_name(enum image_section section)
{
    return is_section((uint32_t)section) ? sections[section] : "unknown";
}

uint64_t image_sum(const void *p, size_t n)
{
    const unsigned char *b = p;
    uint64_t lane[4] = {UINT64_C(0x9e3779b97f4a7c15), UINT64_C(0xbf58476d),
                        UINT64_C(0x94d049bb133111eb), n};
    const uint64_t prime = UINT64_C(0xff51afd7ed558ccd);

    for (; n >= 32; n -= 32, b += 32) {
        uint64_t word[4];
        memcpy(word, b, sizeof word);
        for (int i = 0; i < 4; i++) {
            lane[i] = (lane[i] ^ word[i]) * prime;
            lane[i] ^= lane[i] >> 29;
        }
    }
    for (; n > 0; n--, b++)
        lane[n & 3] = (lane[n & 3] ^ *b) * prime;
    uint64_t h = 0;
    for (int i = 0; i < 4; i++) {
        h = (h ^ lane[i] ^ (lane[i] >> 32)) * prime;
        h ^= h >> 31;
    }
    return h;
}

uint64_t image_head_sum(const void *head, uint32_t count)
{
    unsigned char copy[HEAD_MAX];
    size_t n = HEADER_N + (size_t)count * ENTRY_N;
    must(count <= IMAGE_PARTS_MAX);
    memcpy(copy, head, n);
    memset(copy + offsetof(struct image_header, header_sum), 0,
           sizeof(uint64_t));
    return image_sum(copy, n);
}

/* ---- is it made for this program? --------------------------------------- */

enum err image_fits(const struct image *img, const struct image_host *host,
                    struct why *why)
{
    const struct {
        const char *what;
        uint64_t theirs, ours;
    } number[] = {{"V8 build", img->build, host->build},
                  {"V8 flags", img->flags, host->flags},
                  {"natives", img->natives, host->natives},
                  {"js", img->js, host->js}};

    if (img->pointer_n != sizeof(void *) ||
        strncmp(img->machine, image_machine, sizeof image_machine) != 0)
        return why_set(why, ERR_MISMATCH,
                       "the image was made on %s with %u-byte pointers, this "
                       "machine is %s with %zu-byte pointers",
                       img->machine, img->pointer_n, image_machine,
                       sizeof(void *));
    if (strcmp(img->version, host->version) != 0)
        return why_set(why, ERR_MISMATCH,
                       "the image was made with V8 %s, this program has V8 %s",
                       img->version, host->version);
    for (size_t i = 0; i < COUNT(number); i++)
        if (number[i].theirs != number[i].ours)
            return why_set(why, ERR_MISMATCH,
                           "the image was made for %s %016" PRIx64
                           ", this program has %016" PRIx64,
                           number[i].what, number[i].theirs, number[i].ours);
    return OK;
}

/* ---- is it whole? ------------------------------------------------------- */

/* A name that can be shown: it is repeated in what people read. */
static bool shows(const char *name, size_t max)
{
    size_t i = 0;
    for (; i < max && name[i] != '\0'; i++)
        if (name[i] < 0x20 || name[i] > 0x7e)
            return false;
    for (; i < max; i++)
        if (name[i] != '\0')
            return false;
    return true;
}

static bool is_zero(const void *p, size_t n)
{
    const unsigned char *b = p;
    while (n > 0 && b[n - 1] == 0)
        n--;
    return n == 0;
}

static enum err cut_short(size_t n, uint64_t wanted, struct why *why)
{
    return why_set(why, ERR_CORRUPT,
                   "the image is cut short: it has %zu bytes of %" PRIu64, n,
                   wanted);
}

/* Header and table; n: bytes at p, which holds both if they are that many. */
static enum err head_whole(const struct image_header *h, size_t n,
                           struct why *why)
{
    if (n < HEADER_N &&
        memcmp(h, IMAGE_MAGIC, n < IMAGE_MAGIC_N ? n : IMAGE_MAGIC_N) == 0)
        return cut_short(n, HEADER_N, why);
    if (n < HEADER_N || memcmp(h->magic, IMAGE_MAGIC, IMAGE_MAGIC_N) != 0)
        return why_set(why, ERR_CORRUPT, "not a snapcgi image");
    if (h->format != IMAGE_FORMAT)
        return why_set(why, ERR_MISMATCH,
                       "the image has format %u, this program reads %u",
                       h->format, IMAGE_FORMAT);
    if (h->header_n != HEADER_N || h->count == 0 || h->count > IMAGE_PARTS_MAX)
        return why_set(why, ERR_CORRUPT, "the image's header is damaged");
    if (n < HEADER_N + (size_t)h->count * ENTRY_N)
        return cut_short(n, HEADER_N + (uint64_t)h->count * ENTRY_N, why);
    if (h->header_sum != image_head_sum(h, h->count) ||
        !shows(h->machine, sizeof h->machine) ||
        !shows(h->version, sizeof h->version) || h->zero != 0 ||
        !is_zero(h->zeros, sizeof h->zeros))
        return why_set(why, ERR_CORRUPT, "the image's header is damaged");
    if (!is_kind(h->kind))
        return why_set(why, ERR_MISMATCH,
                       "the image is of kind %u, which this program does not "
                       "know",
                       h->kind);
    return OK;
}

static const struct image_entry *table_of(const void *p)
{
    return (const void *)((const char *)p + HEADER_N);
}

static uint64_t aligned(uint64_t n)
{
    return (n + ALIGN - 1) / ALIGN * ALIGN;
}

/* The sections lie one after the other, and are all there is. */
static enum err table_whole(const struct image_header *h, struct why *why)
{
    const struct image_entry *t = table_of(h);
    uint64_t end = HEADER_N + (uint64_t)h->count * ENTRY_N;
    uint32_t before = 0;

    for (uint32_t i = 0; i < h->count; i++) {
        if (!is_section(t[i].section))
            return why_set(why, ERR_MISMATCH,
                           "the image has a section %u, which this program "
                           "does not know",
                           t[i].section);
        if (t[i].section <= before || t[i].zero != 0 ||
            t[i].n > IMAGE_SECTION_MAX || t[i].offset != aligned(end))
            return why_set(why, ERR_CORRUPT,
                           "the image's table is damaged at its section %s",
                           sections[t[i].section]);
        before = t[i].section;
        end = t[i].offset + t[i].n;
    }
    if (t[0].section != SECTION_SNAPSHOT && h->kind != IMAGE_STATE)
        return why_set(why, ERR_CORRUPT, "the image has no snapshot");
    if (end != h->file_n)
        return why_set(why, ERR_CORRUPT,
                       "the image's sections end at %" PRIu64
                       ", its header says %" PRIu64,
                       end, h->file_n);
    return OK;
}

static enum err length_right(const struct image_header *h, uint64_t n,
                             struct why *why)
{
    if (n < h->file_n)
        return cut_short((size_t)n, h->file_n, why);
    if (n > h->file_n)
        return why_set(why, ERR_CORRUPT,
                       "the image has %" PRIu64
                       " bytes, its header says %" PRIu64,
                       n, h->file_n);
    return OK;
}

static enum err sum_right(const struct image_entry *t, const char *p,
                          struct why *why)
{
    if (image_sum(p + t->offset, (size_t)t->n) == t->sum)
        return OK;
    return why_set(why, ERR_CORRUPT,
                   "the image is damaged: the checksum of its section %s does "
                   "not match",
                   sections[t->section]);
}

static void put_id(char id[static IMAGE_ID_N], uint64_t number)
{
    snprintf(id, IMAGE_ID_N, "%016" PRIx64, number);
}

static void fill(const void *p, size_t n, struct image *img)
{
    const struct image_header *h = p;
    const struct image_entry *t = table_of(p);

    *img = (struct image){.kind = (enum image_kind)h->kind,
                          .pointer_n = h->pointer_n,
                          .build = h->build,
                          .natives = h->natives,
                          .js = h->js,
                          .flags = h->flags,
                          .created = h->created,
                          .clock = h->clock,
                          .wake = h->wake,
                          .bytes = {p, n}};
    memcpy(img->version, h->version, sizeof h->version);
    memcpy(img->machine, h->machine, sizeof h->machine);
    put_id(img->id, t[0].sum);
    if (h->base != 0)
        put_id(img->base, h->base);
    if (t[0].section == SECTION_SNAPSHOT) {
        img->payload = (const char *)p + t[0].offset;
        img->payload_n = (size_t)t[0].n;
    }
}

/* Whole but for its sections' bytes, and made for host. Fills img anyway. */
static enum err head_check(const void *p, size_t n, uint64_t file_n,
                           const struct image_host *host, struct image *img,
                           struct why *why)
{
    enum err e;
    *img = (struct image){.map = NULL};
    if ((e = head_whole(p, n, why)) != OK || (e = table_whole(p, why)) != OK)
        return e;
    fill(p, n, img);
    if (host != NULL && (e = image_fits(img, host, why)) != OK)
        return e;
    return length_right(p, file_n, why);
}

static enum err check(const void *p, size_t n, bool sum,
                      const struct image_host *host, struct image *img,
                      struct why *why)
{
    enum err e = head_check(p, n, n, host, img, why);
    if (e == OK && sum && img->payload != NULL)
        e = sum_right(table_of(p), p, why);
    if (e != OK)
        *img = (struct image){.map = NULL};
    return e;
}

enum err image_open_embedded(const void *p, size_t n,
                             const struct image_host *host, struct image *img,
                             struct why *why)
{
    return check(p, n, false, host, img, why);
}

enum err image_open(const void *p, size_t n, const struct image_host *host,
                    struct image *img, struct why *why)
{
    return check(p, n, true, host, img, why);
}

/* ---- files -------------------------------------------------------------- */

/*
 * The head alone, so that a file of another kind or for another program costs
 * one read, and no length that it claims any memory.
 */
static enum err head_peek(int fd, uint64_t file_n,
                          const struct image_host *host, struct why *why)
{
    union {
        struct image_header h;
        unsigned char bytes[HEAD_MAX];
    } head;
    struct image img;
    size_t got;
    if (io_read_at(fd, &head, sizeof head, 0, &got) == ERR_IO)
        return why_set(why, ERR_IO, "%s", strerror(errno));
    return head_check(&head, got, file_n, host, &img, why);
}

static enum err take_in(int fd, size_t n, enum image_hold hold, void **map,
                        struct why *why)
{
    *map = hold == IMAGE_MAP
               ? mmap(NULL, n, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0)
               : mmap(NULL, n, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (*map == MAP_FAILED)
        return why_set(why, ERR_NOMEM, "no memory for its %zu bytes", n);
    if (hold == IMAGE_MAP)
        return OK;
    size_t got;
    enum err e = io_read_at(fd, *map, n, 0, &got);
    if (e == OK)
        return OK;
    if (e == ERR_EOF)
        why_set(why, e = ERR_CORRUPT,
                "the image is cut short: %zu bytes could be read of %zu", got,
                n);
    else
        why_set(why, e, "%s", strerror(errno));
    munmap(*map, n);
    return e;
}

static enum err open_fd(int fd, enum image_hold hold,
                        const struct image_host *host, struct image *img,
                        struct why *why)
{
    struct stat st;
    void *map;
    enum err e;

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        return why_set(why, ERR_IO, "not a regular file");
    size_t n = (size_t)st.st_size;
    if ((e = head_peek(fd, n, host, why)) != OK ||
        (e = take_in(fd, n, hold, &map, why)) != OK)
        return e;
    /* Again, since somebody may write the file between the two. */
    if ((e = image_open(map, n, host, img, why)) != OK) {
        munmap(map, n);
        return e;
    }
    img->map = map;
    img->map_n = n;
    return OK;
}

enum err image_open_fd(int fd, const char *name, enum image_hold hold,
                       const struct image_host *host, struct image *img,
                       struct why *why)
{
    struct why inner = {.text = ""};
    enum err e = open_fd(fd, hold, host, img, &inner);
    return e == OK ? OK : why_set(why, e, "%s: %s", name, inner.text);
}

enum err image_open_file(const char *path, enum image_hold hold,
                         const struct image_host *host, struct image *img,
                         struct why *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return why_set(why, errno == ENOENT ? ERR_NOTFOUND : ERR_IO, "%s: %s",
                       path, strerror(errno));
    enum err e = image_open_fd(fd, path, hold, host, img, why);
    close(fd);
    return e;
}

void image_close(struct image *img)
{
    if (img->map != NULL)
        munmap(img->map, img->map_n);
    img->map = NULL;
}

/* ---- sections ----------------------------------------------------------- */

static uint32_t count_of(const struct image *img)
{
    return ((const struct image_header *)(const void *)img->bytes.p)->count;
}

enum err image_section(const struct image *img, enum image_section section,
                       struct slice *out, struct why *why)
{
    const struct image_entry *t = table_of(img->bytes.p);
    for (uint32_t i = 0; i < count_of(img); i++) {
        if (t[i].section != section)
            continue;
        *out = (struct slice){img->bytes.p + t[i].offset, (size_t)t[i].n};
        return sum_right(&t[i], img->bytes.p, why);
    }
    return why_set(why, ERR_NOTFOUND, "the image has no section %s",
                   image_section_name(section));
}

size_t image_parts(const struct image *img,
                   struct image_part parts[IMAGE_PARTS_MAX])
{
    const struct image_entry *t = table_of(img->bytes.p);
    uint32_t count = count_of(img);
    for (uint32_t i = 0; i < count; i++) {
        parts[i].section = (enum image_section)t[i].section;
        parts[i].bytes =
            (struct slice){img->bytes.p + t[i].offset, (size_t)t[i].n};
        memcpy(parts[i].sha256, t[i].sha256, sizeof parts[i].sha256);
    }
    return count;
}

enum err image_whole(const struct image *img, struct why *why)
{
    const struct image_entry *t = table_of(img->bytes.p);
    uint64_t end = t[0].offset;
    for (uint32_t i = 0; i < count_of(img); i++) {
        if (!is_zero(img->bytes.p + end, (size_t)(t[i].offset - end)))
            return why_set(why, ERR_CORRUPT,
                           "the image is damaged: there is something before "
                           "its section %s",
                           sections[t[i].section]);
        if (sum_right(&t[i], img->bytes.p, why) != OK)
            return ERR_CORRUPT;
        end = t[i].offset + t[i].n;
    }
    return OK;
}
