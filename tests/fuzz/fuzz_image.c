/*
 * fuzz_image.c - any bytes as an image: refused in one sentence, or whole.
 *
 * Input: a byte of flags, the image. Its numbers are those of the host here,
 * and random changes would never get past the sums, so the flags say which
 * of them are made right first: the file itself is included for that.
 */
#include "engine/image.c" /* NOLINT */

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);

#define MEND_PAYLOAD 1u /* its length and sum */
#define MEND_HEADER 2u  /* its sum */

static const struct image_host host = {.version = "13.6.233.17-fuzz",
                                       .build = UINT64_C(0x6275696c64),
                                       .natives = UINT64_C(0x6e617469766573),
                                       .js = UINT64_C(0x6a73)};

static void mend(unsigned char *p, size_t n, unsigned flags)
{
    struct image_header h;
    if (n < sizeof h)
        return;
    memcpy(&h, p, sizeof h);
    if ((flags & MEND_PAYLOAD) != 0) {
        h.payload_n = n - sizeof h;
        h.payload_sum = sum(p + sizeof h, n - sizeof h);
    }
    if ((flags & MEND_HEADER) != 0)
        h.header_sum = sum(&h, offsetof(struct image_header, header_sum));
    memcpy(p, &h, sizeof h);
}

static void check_why(const struct why *why)
{
    size_t n = strlen(why->text);
    must(n > 0 && n < sizeof why->text && strchr(why->text, '\n') == NULL);
}

static void check_image(const struct image *img, size_t n)
{
    must(img->payload_n == n - HEADER_N);
    must(strlen(img->id) == 16 && strlen(img->version) < sizeof img->version);
    must(strncmp(img->version, host.version, sizeof img->version) == 0);
    /* Read to its end, for the sanitizer. */
    static volatile unsigned char last;
    for (size_t i = 0; i < img->payload_n; i++)
        last = ((const unsigned char *)img->payload)[i];
    (void)last;
}

static enum err by_file(const unsigned char *p, size_t n)
{
    char path[64];
    struct image img;
    struct why why = {.text = ""};
    int fd = memfd_create("image", MFD_CLOEXEC);
    must(fd >= 0 && write_all(fd, p, n));
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    enum err e = image_open_file(path, &host, &img, &why);
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
    /* A file is looked at more closely: what passes there passes here. */
    enum err file = by_file(p, n);
    must(file == e || (e == OK && file == ERR_CORRUPT));
    free(p);
    return 0;
}
