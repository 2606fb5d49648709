/*
 * fuzz_image.c - any bytes as an image: refused in one sentence, or whole; and
 * what is in its sections read.
 *
 * Input: a byte of flags, the image. Its numbers are those of the host here,
 * and random changes would never get past the sums, so the flags say which
 * of them are made right first: the files themselves are included for that.
 */
#include "engine/image.c"        /* NOLINT */
#include "engine/image_write.c"  /* NOLINT */
#include "serve/image_census.c"  /* NOLINT */
#include "serve/image_sources.c" /* NOLINT */

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);

#define MEND_LENGTH 1u   /* the file's, and the last section's */
#define MEND_SECTIONS 2u /* their sums */
#define MEND_HEADER 4u   /* its sum */

static const struct image_host host = {.version = "13.6.233.17-fuzz",
                                       .build = UINT64_C(0x6275696c64),
                                       .natives = UINT64_C(0x6e617469766573),
                                       .js = UINT64_C(0x6a73),
                                       .flags = UINT64_C(0x666c616773)};

/* Writing is not tried: no OpenSSL here. */
enum err image_trust_sha256(struct slice bytes, unsigned char out[static 32],
                            struct why *why)
{
    (void)bytes;
    (void)out;
    return why_set(why, ERR_FAIL, "none");
}

void image_trust_hex(const unsigned char *p, size_t n, char *hex)
{
    (void)p;
    (void)n;
    hex[0] = '\0';
}

static void mend(unsigned char *p, size_t n, unsigned flags)
{
    struct image_header *h = (void *)p;
    struct image_entry *t = (void *)(p + HEADER_N);
    if (n < HEADER_N || h->count == 0 || h->count > IMAGE_PARTS_MAX ||
        n < HEADER_N + h->count * ENTRY_N)
        return;
    struct image_entry *last = &t[h->count - 1];
    if ((flags & MEND_LENGTH) != 0) {
        h->file_n = n;
        last->n = last->offset <= n ? n - last->offset : 0;
    }
    for (uint32_t i = 0; i < h->count && (flags & MEND_SECTIONS) != 0; i++)
        if (t[i].offset <= n && t[i].n <= n - t[i].offset)
            t[i].sum = image_sum(p + t[i].offset, (size_t)t[i].n);
    if ((flags & MEND_HEADER) != 0)
        h->header_sum = image_head_sum(p, h->count);
}

static void check_why(const struct why *why)
{
    size_t n = strlen(why->text);
    must(n > 0 && n < sizeof why->text && strchr(why->text, '\n') == NULL);
}

static void check_sources(struct slice text)
{
    struct image_sources at;
    struct image_source f;
    struct why why = {.text = ""};
    enum err e = image_sources_open(&at, text, NULL, &why);
    while (e == OK && (e = image_sources_next(&at, &f, &why)) == OK)
        must(f.path[0] == '/' && strlen(f.path) < PATH_MAX);
    must(e == ERR_NOTFOUND || e == ERR_CORRUPT);
    if (e == ERR_CORRUPT)
        check_why(&why);
}

static void check_census(struct slice text)
{
    struct image_census c;
    struct why why = {.text = ""};
    if (image_census_read(text, &c, &why) != OK)
        check_why(&why);
    image_census_free(&c);
}

static void check_image(const struct image *img, size_t n)
{
    struct image_part parts[IMAGE_PARTS_MAX];
    struct slice s;
    struct buf message;
    struct why why = {.text = ""};
    must(img->bytes.n == n);
    must(strlen(img->id) == 16 && strcmp(img->version, host.version) == 0);
    /* Read to its end, for the sanitizer. */
    must(img->payload == NULL || image_sum(img->payload, img->payload_n) != 1);
    if (image_whole(img, &why) != OK)
        check_why(&why);
    size_t count = image_parts(img, parts);
    must(count > 0 && count <= IMAGE_PARTS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (image_section(img, parts[i].section, &s, &why) != OK)
            check_why(&why);
        else
            must(slice_eq(s, parts[i].bytes));
    }
    if (image_section(img, SECTION_SOURCES, &s, NULL) == OK)
        check_sources(s);
    if (image_section(img, SECTION_CENSUS, &s, NULL) == OK)
        check_census(s);
    buf_init(&message, HEAD_MAX);
    image_signed(img->bytes, &message);
    must(message.n == HEADER_N + count * ENTRY_N);
    buf_free(&message);
}

static enum err by_file(const unsigned char *p, size_t n, enum image_hold hold)
{
    char path[64];
    struct image img;
    struct why why = {.text = ""};
    int fd = memfd_create("image", MFD_CLOEXEC);
    must(fd >= 0 && io_write(fd, p, n, NULL) == OK);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    enum err e = image_open_file(path, hold, &host, &img, &why);
    if (e == OK) {
        check_image(&img, n);
        image_close(&img);
    } else {
        check_why(&why);
    }
    close(fd);
    return e;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
    struct image img;
    struct why why = {.text = ""};
    if (n < 1)
        return 0;
    unsigned flags = data[0];
    n -= 1;
    unsigned char *p = malloc(n + (n == 0));
    must(p != NULL);
    if (n > 0)
        memcpy(p, data + 1, n);
    mend(p, n, flags);
    enum err e = image_open(p, n, &host, &img, &why);
    if (e == OK)
        check_image(&img, n);
    else
        check_why(&why);
    /* A file says the same, and one that is embedded is believed more. */
    must(by_file(p, n, IMAGE_COPY) == e && by_file(p, n, IMAGE_MAP) == e);
    enum err embedded = image_open_embedded(p, n, &host, &img, &why);
    must(embedded == e || (embedded == OK && e == ERR_CORRUPT));
    free(p);
    return 0;
}
