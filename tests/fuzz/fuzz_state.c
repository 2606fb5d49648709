/*
 * fuzz_state.c - any bytes as a state file: refused in one sentence, or as
 * many as it says; and any bytes come back from one.
 *
 * Input: a byte of flags, then the file, or with WRITE what to put into one.
 */
#include "bind/libcrypto.c"        /* NOLINT */
#include "serve/state_file.c"      /* NOLINT */
#include "serve/state_file_read.c" /* NOLINT */
#include "serve/state_seal.c"      /* NOLINT */

#include <stdio.h>
#include <sys/mman.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);

#define MEND 1u  /* its header */
#define KEY 2u   /* one is given */
#define WRITE 4u /* and with COMPRESS in that form */
#define COMPRESS 8u
#define LIMIT ((size_t)1 << 20)

static const struct state_key key = {.bytes = "the key of this fuzzer"};

/* What the linked rooms would need, and these tests do not call. */
void throw_error(struct call *c, const char *fmt, ...)
{
    (void)c;
    die("%s", fmt);
}

enum err image_head(const struct image_plan *plan, struct buf *head,
                    struct why *why)
{
    (void)plan;
    (void)head;
    return why_set(why, ERR_FAIL, "no images here");
}

size_t image_gap(size_t n)
{
    return n % 64;
}

/* Of a header: all that a random change would only get refused for. */
static void mend(unsigned char *p, size_t n)
{
    struct state_header h;
    if (n < sizeof h)
        return;
    memcpy(&h, p, sizeof h);
    memcpy(h.magic, STATE_MAGIC, sizeof h.magic);
    h.format = STATE_FORMAT;
    h.header_n = STATE_HEADER_N;
    h.piece_n = STATE_PIECE_N;
    h.flags &= STATE_FILE_ZSTD;
    h.sum = state_header_sum(&h);
    memcpy(p, &h, sizeof h);
}

static int new_file(void)
{
    int fd = memfd_create("state", MFD_CLOEXEC);
    must(fd >= 0);
    return fd;
}

/* Reads to its end, for the sanitizer. */
static void touch(const void *p, size_t n)
{
    static volatile unsigned char last;
    for (size_t i = 0; i < n; i++)
        last = ((const unsigned char *)p)[i];
    (void)last;
}

static void read_it(const unsigned char *p, size_t n, unsigned flags)
{
    struct why why = {.text = ""};
    void *image = NULL;
    size_t image_n = 0;
    int fd = new_file();
    must(n == 0 || write(fd, p, n) == (ssize_t)n);
    if (state_file_read(fd, "f", (flags & KEY) != 0 ? &key : NULL, LIMIT,
                        &image, &image_n, &why) == OK) {
        must(image_n <= LIMIT);
        touch(image, image_n);
        state_file_free(image, image_n);
    } else {
        must(image == NULL && strlen(why.text) > 0 &&
             strlen(why.text) < sizeof why.text - 1 &&
             strchr(why.text, '\n') == NULL);
    }
    close(fd);
}

static void write_it(const unsigned char *p, size_t n, unsigned flags)
{
    struct state_form form = {.compress = (flags & COMPRESS) != 0,
                              .key = (flags & KEY) != 0 ? &key : NULL};
    struct slice parts[] = {{(const char *)p, n / 2},
                            {(const char *)p + n / 2, n - n / 2}};
    struct why why;
    void *image;
    size_t image_n;
    int fd = new_file();
    must(state_file_write(fd, "f", parts, 2, &form, NULL, &why) == OK);
    if (form.compress || form.key != NULL) { /* else it is what it is */
        must(state_file_read(fd, "f", form.key, 0, &image, &image_n, &why) ==
             OK);
        must(image_n == n && memcmp(image, p, n) == 0);
        state_file_free(image, image_n);
    }
    close(fd);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
    if (n < 1)
        return 0;
    unsigned flags = data[0];
    unsigned char *p = malloc(n);
    must(p != NULL);
    memcpy(p, data + 1, --n);
    if ((flags & MEND) != 0)
        mend(p, n);
    if ((flags & WRITE) != 0)
        write_it(p, n, flags);
    else
        read_it(p, n, flags);
    free(p);
    return 0;
}
