/*
 * image.c - the container: written whole, checked before it is believed.
 *
 * Little-endian, all offsets fixed:
 *     0  magic            8  "snapcgi\n"
 *     8  format           4  IMAGE_FORMAT
 *    12  header length    4  HEADER_N
 *    16  kind             4  enum image_kind
 *    20  pointer size     4  with the byte order, the architecture
 *    24  V8 version      64  NUL-padded
 *    88  V8 build         8
 *    96  natives          8  fingerprint of the tables
 *   104  js               8  hash of the js/ texts
 *   112  created          8  seconds since 1970
 *   120  payload length   8
 *   128  payload sum      8  see sum()
 *   136  machine         16  its name, NUL-padded
 *   152  zero            96  so that the payload is aligned
 *   248  header sum       8  over the bytes before it
 */
#include "engine/image.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define IMAGE_FORMAT 1u
#define HEADER_N 256u
#define IMAGE_MAX (UINT64_C(1) << 31) /* V8 counts a blob's bytes in an int */

static const char magic[8] = {'s', 'n', 'a', 'p', 'c', 'g', 'i', '\n'};

#if defined(__x86_64__)
static const char machine[16] = "x86-64";
#elif defined(__aarch64__)
static const char machine[16] = "aarch64";
#else
static const char machine[16] = "other";
#endif

struct image_header {
    char magic[8];
    uint32_t format;
    uint32_t header_n;
    uint32_t kind;
    uint32_t pointer_n;
    char version[64];
    uint64_t build;
    uint64_t natives;
    uint64_t js;
    uint64_t created;
    uint64_t payload_n;
    uint64_t payload_sum;
    char machine[16];
    char zero[96];
    uint64_t header_sum;
};
_Static_assert(sizeof(struct image_header) == HEADER_N, "no padding");

/*
 * A checksum against accidents, four lanes wide so that a megabyte costs
 * tens of microseconds. Not against intent: that is a signature's work.
 */
static uint64_t sum(const void *p, size_t n)
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

static enum err differs(struct why *why, const char *what, uint64_t theirs,
                        uint64_t ours)
{
    return why_set(why, ERR_MISMATCH,
                   "the image was made for %s %016" PRIx64
                   ", this program has %016" PRIx64,
                   what, theirs, ours);
}

/* Is it made for this program? */
static enum err header_matches(const struct image_header *h,
                               const struct image_host *host, struct why *why)
{
    if (h->pointer_n != sizeof(void *) ||
        memcmp(h->machine, machine, sizeof machine) != 0)
        return why_set(why, ERR_MISMATCH,
                       "the image was made on %.16s with %u-byte pointers, "
                       "this machine is %s with %zu-byte pointers",
                       h->machine, h->pointer_n, machine, sizeof(void *));
    if (strncmp(h->version, host->version, sizeof h->version) != 0)
        return why_set(why, ERR_MISMATCH,
                       "the image was made with V8 %.64s, this program has "
                       "V8 %s",
                       h->version, host->version);
    if (h->build != host->build)
        return differs(why, "V8 build", h->build, host->build);
    if (h->natives != host->natives)
        return differs(why, "natives", h->natives, host->natives);
    if (h->js != host->js)
        return differs(why, "js", h->js, host->js);
    return OK;
}

/* A name that can be shown: it is repeated in what people read. */
static bool shows(const char *name, size_t max)
{
    for (size_t i = 0; i < max && name[i] != '\0'; i++)
        if (name[i] < 0x20 || name[i] > 0x7e)
            return false;
    return true;
}

/* Is it whole? */
static enum err header_whole(const struct image_header *h, size_t n,
                             struct why *why)
{
    if (memcmp(h->magic, magic, sizeof magic) != 0)
        return why_set(why, ERR_CORRUPT, "not a snapcgi image");
    if (h->format != IMAGE_FORMAT)
        return why_set(why, ERR_MISMATCH,
                       "the image has format %u, this program reads %u",
                       h->format, IMAGE_FORMAT);
    if (h->header_n != HEADER_N ||
        h->header_sum != sum(h, offsetof(struct image_header, header_sum)) ||
        !shows(h->machine, sizeof h->machine) ||
        !shows(h->version, sizeof h->version))
        return why_set(why, ERR_CORRUPT, "the image's header is damaged");
    if (h->payload_n > IMAGE_MAX || h->payload_n != n - HEADER_N)
        return why_set(why, ERR_CORRUPT,
                       "the image is %zu bytes long, its header says %" PRIu64,
                       n, h->payload_n + HEADER_N);
    return OK;
}

/* embedded: covered by the program's own file, its sum is not read. */
static enum err image_check(const void *p, size_t n, bool embedded,
                            const struct image_host *host, struct image *img,
                            struct why *why)
{
    const struct image_header *h = p;
    enum err e;

    if (n < HEADER_N)
        return why_set(why, ERR_CORRUPT,
                       "the image is cut short: %zu bytes, its header alone "
                       "has %u",
                       n, HEADER_N);
    if ((e = header_whole(h, n, why)) != OK ||
        (e = header_matches(h, host, why)) != OK)
        return e;
    const char *payload = (const char *)p + HEADER_N;
    if (!embedded && sum(payload, (size_t)h->payload_n) != h->payload_sum)
        return why_set(why, ERR_CORRUPT,
                       "the image is damaged: its checksum does not match");
    img->kind = (enum image_kind)h->kind;
    img->payload = payload;
    img->payload_n = (size_t)h->payload_n;
    img->created = h->created;
    snprintf(img->id, sizeof img->id, "%016" PRIx64, h->payload_sum);
    memcpy(img->version, h->version, sizeof img->version);
    img->version[sizeof img->version - 1] = '\0';
    return OK;
}

enum err image_open(const void *p, size_t n, const struct image_host *host,
                    struct image *img, struct why *why)
{
    img->map = NULL;
    img->map_n = 0;
    return image_check(p, n, true, host, img, why);
}

enum err image_open_file(const char *path, const struct image_host *host,
                         struct image *img, struct why *why)
{
    struct stat st;
    enum err e = ERR_IO;
    void *map = MAP_FAILED;

    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return why_set(why, errno == ENOENT ? ERR_NOTFOUND : ERR_IO, "%s: %s",
                       path, strerror(errno));
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        why_set(why, e, "%s is not a regular file", path);
        goto out;
    }
    size_t n = (size_t)st.st_size;
    if (n > 0)
        map = mmap(NULL, n, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    struct why inner = {.text = ""};
    static const char nothing[1];
    e = image_check(map != MAP_FAILED ? map : nothing,
                    map != MAP_FAILED ? n : 0, false, host, img, &inner);
    if (e != OK) {
        why_set(why, e, "%s: %s", path, inner.text);
        goto out;
    }
    img->map = map;
    img->map_n = n;
    map = MAP_FAILED;
out:
    if (map != MAP_FAILED)
        munmap(map, n);
    close(fd);
    return e;
}

void image_close(struct image *img)
{
    if (img->map != NULL)
        munmap(img->map, img->map_n);
    img->map = NULL;
}

static bool write_all(int fd, const void *p, size_t n)
{
    const char *b = p;
    while (n > 0) {
        ssize_t put = write(fd, b, n);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        b += put;
        n -= (size_t)put;
    }
    return true;
}

enum err image_write(const char *path, enum image_kind kind,
                     const struct image_host *host, const void *payload,
                     size_t n, struct why *why)
{
    struct image_header h = {.format = IMAGE_FORMAT,
                             .header_n = HEADER_N,
                             .kind = (uint32_t)kind,
                             .pointer_n = sizeof(void *),
                             .build = host->build,
                             .natives = host->natives,
                             .js = host->js,
                             .created = clock_real() / NS_PER_S,
                             .payload_n = n,
                             .payload_sum = sum(payload, n)};
    char temporary[4096];
    enum err e = ERR_IO;

    memcpy(h.magic, magic, sizeof magic);
    memcpy(h.machine, machine, sizeof machine);
    if (strlen(host->version) >= sizeof h.version ||
        (size_t)snprintf(temporary, sizeof temporary, "%s.%ld", path,
                         (long)getpid()) >= sizeof temporary)
        return why_set(why, ERR_TOOBIG, "a name is too long");
    memcpy(h.version, host->version, strlen(host->version));
    h.header_sum = sum(&h, offsetof(struct image_header, header_sum));
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0)
        return why_set(why, e, "%s: %s", temporary, strerror(errno));
    bool whole = write_all(fd, &h, sizeof h) && write_all(fd, payload, n) &&
                 fsync(fd) == 0;
    if (close(fd) == 0 && whole && rename(temporary, path) == 0)
        return OK;
    why_set(why, e, "%s: %s", path, strerror(errno));
    unlink(temporary);
    return e;
}
