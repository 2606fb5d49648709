/*
 * test_image.c - the container: what is written is read, and anything else is
 * refused in one sentence.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "engine/image_parts.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct image_host host = {.version = "13.6.1-test",
                                       .build = 11,
                                       .natives = 22,
                                       .js = 33,
                                       .flags = 44};
static char blob[1000], list[130];
static struct image_part parts[] = {
    {.section = SECTION_SNAPSHOT, .bytes = {blob, sizeof blob}},
    {.section = SECTION_SOURCES, .bytes = {list, sizeof list}},
    {.section = SECTION_CENSUS, .bytes = {"{}", 2}},
};
static const struct image_plan plan = {.kind = IMAGE_APP,
                                       .host = host,
                                       .base = "0123456789abcdef",
                                       .created = 1795224000,
                                       .clock = 5000,
                                       .wake = 6000,
                                       .parts = parts,
                                       .count = 3,
                                       .mode = 0640};
static char folder[] = "/tmp/snapcgi-image-XXXXXX";
static char path[64];

static int set_up(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof blob; i++)
        blob[i] = (char)(i * 7 + 1);
    for (size_t i = 0; i < sizeof list; i++)
        list[i] = (char)('a' + i % 26);
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof path, "%s/x.img", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

/* The file of a plan, in memory of its own so that a sanitizer sees its end. */
struct file {
    char *p;
    size_t n;
};

static struct file made(const struct image_plan *of)
{
    struct buf head;
    struct why why;
    buf_init(&head, HEAD_MAX);
    assert_int_equal(image_head(of, &head, &why), OK);
    for (size_t i = 0; i < of->count; i++) {
        struct slice s = of->parts[i].bytes;
        static const char zeros[ALIGN];
        head.max = 1 << 20;
        buf_slice(&head, s);
        if (i + 1 < of->count)
            buf_put(&head, zeros, image_gap(s.n));
    }
    assert_int_equal(head.err, OK);
    struct file f = {malloc(head.n), head.n};
    assert_non_null(f.p);
    memcpy(f.p, head.p, head.n);
    buf_free(&head);
    return f;
}

static void one_sentence(const struct why *why)
{
    size_t n = strlen(why->text);
    assert_true(n > 10 && n < sizeof why->text - 1);
    assert_null(strchr(why->text, '\n'));
    assert_true(why->text[n - 1] != '.');
}

static enum err opened(const char *p, size_t n, const struct image_host *by,
                       struct why *why)
{
    struct image img;
    char *copy = malloc(n + (n == 0));
    assert_non_null(copy);
    if (n > 0)
        memcpy(copy, p, n);
    why->text[0] = '\0';
    enum err e = image_open(copy, n, by, &img, why);
    if (e != OK)
        one_sentence(why);
    if (e != OK)
        assert_null(img.payload);
    free(copy);
    return e;
}

static void all_of_it_comes_back(void **state)
{
    (void)state;
    struct file f = made(&plan);
    struct image img;
    struct slice s;
    struct why why = {.text = ""};
    assert_int_equal(image_open(f.p, f.n, &host, &img, &why), OK);
    assert_int_equal(img.kind, IMAGE_APP);
    assert_int_equal(img.payload_n, sizeof blob);
    assert_memory_equal(img.payload, blob, sizeof blob);
    assert_string_equal(img.version, "13.6.1-test");
    assert_string_equal(img.base, "0123456789abcdef");
    assert_int_equal(strlen(img.id), 16);
    assert_true(img.created == 1795224000 && img.clock == 5000 &&
                img.wake == 6000 && img.flags == 44);
    assert_int_equal(image_section(&img, SECTION_SOURCES, &s, &why), OK);
    assert_true(slice_eq(s, parts[1].bytes));
    assert_int_equal(image_section(&img, SECTION_CENSUS, &s, &why), OK);
    assert_true(slice_is(s, "{}"));
    assert_int_equal(image_section(&img, SECTION_PORTABLE, &s, &why),
                     ERR_NOTFOUND);
    assert_int_equal(image_whole(&img, &why), OK);
    free(f.p);
}

static void sections_begin_at_multiples_of_64(void **state)
{
    (void)state;
    struct file f = made(&plan);
    struct image img;
    struct image_part got[IMAGE_PARTS_MAX];
    struct why why;
    assert_int_equal(image_open(f.p, f.n, NULL, &img, &why), OK);
    assert_int_equal(image_parts(&img, got), 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal((got[i].bytes.p - f.p) % 64, 0);
    assert_ptr_equal(got[2].bytes.p + got[2].bytes.n, f.p + f.n);
    free(f.p);
}

static void a_plan_of_an_image_makes_the_same_file(void **state)
{
    (void)state;
    struct file f = made(&plan);
    struct image img;
    struct image_part got[IMAGE_PARTS_MAX];
    struct image_plan again;
    struct why why;
    assert_int_equal(image_open(f.p, f.n, NULL, &img, &why), OK);
    image_plan_of(&img, &again);
    again.parts = got;
    again.count = image_parts(&img, got);
    struct file g = made(&again);
    assert_int_equal(f.n, g.n);
    assert_memory_equal(f.p, g.p, f.n);
    free(f.p);
    free(g.p);
}

static void every_truncation_is_refused(void **state)
{
    (void)state;
    struct file f = made(&plan);
    struct why why;
    for (size_t n = 0; n < f.n; n++)
        assert_int_equal(opened(f.p, n, &host, &why), ERR_CORRUPT);
    assert_int_equal(opened(f.p, f.n, &host, &why), OK);
    free(f.p);
}

static void bytes_after_the_end_are_refused(void **state)
{
    (void)state;
    struct file f = made(&plan);
    struct why why;
    f.p = realloc(f.p, f.n + 64);
    memset(f.p + f.n, 0, 64);
    for (size_t n = 1; n <= 64; n++)
        assert_int_equal(opened(f.p, f.n + n, &host, &why), ERR_CORRUPT);
    free(f.p);
}

static void every_bit_of_header_and_table_counts(void **state)
{
    (void)state;
    struct file f = made(&plan);
    struct why why;
    for (size_t at = 0; at < HEADER_N + 3 * ENTRY_N; at++)
        for (int bit = 0; bit < 8; bit++) {
            f.p[at] = (char)(f.p[at] ^ 1 << bit);
            assert_int_not_equal(opened(f.p, f.n, &host, &why), OK);
            assert_int_not_equal(opened(f.p, f.n, NULL, &why), OK);
            f.p[at] = (char)(f.p[at] ^ 1 << bit);
        }
    free(f.p);
}

/* Of the snapshot at once; of another section when it is asked for; between
 * sections when all is. */
static void every_byte_of_the_sections_counts(void **state)
{
    (void)state;
    struct file f = made(&plan);
    struct image img;
    struct slice s;
    struct why why;
    size_t begin = HEADER_N + 3 * ENTRY_N, at = begin;
    for (; at < f.n; at++) {
        f.p[at] = (char)(f.p[at] ^ 4);
        enum err e = image_open(f.p, f.n, &host, &img, &why);
        bool snapshot = at < begin + sizeof blob;
        assert_int_equal(e, snapshot ? ERR_CORRUPT : OK);
        assert_int_equal(image_open_embedded(f.p, f.n, &host, &img, &why), OK);
        assert_int_equal(image_whole(&img, &why), ERR_CORRUPT);
        one_sentence(&why);
        size_t list_at = begin + sizeof blob + image_gap(sizeof blob);
        bool in_list = at >= list_at && at < list_at + sizeof list;
        assert_int_equal(image_section(&img, SECTION_SOURCES, &s, &why),
                         in_list ? ERR_CORRUPT : OK);
        f.p[at] = (char)(f.p[at] ^ 4);
    }
    free(f.p);
}

/* With the header's sum made right, so that the rule itself is asked. */
static enum err forged(size_t at, const void *bytes, size_t n, struct why *why)
{
    struct file f = made(&plan);
    memcpy(f.p + at, bytes, n);
    struct image_header *h = (void *)f.p;
    if (h->count <= IMAGE_PARTS_MAX)
        h->header_sum = image_head_sum(f.p, h->count);
    enum err e = opened(f.p, f.n, &host, why);
    free(f.p);
    return e;
}

#define FORGED(type, member, value, why)                                       \
    forged(offsetof(struct image_header, member), &(type){value},              \
           sizeof(type), why)
#define FORGED_ENTRY(i, type, member, value, why)                              \
    forged(HEADER_N + (i)*ENTRY_N + offsetof(struct image_entry, member),      \
           &(type){value}, sizeof(type), why)

static void a_forged_header_is_refused(void **state)
{
    (void)state;
    struct why why;
    assert_int_equal(FORGED(uint32_t, format, 1, &why), ERR_MISMATCH);
    assert_string_equal(why.text,
                        "the image has format 1, this program reads 2");
    assert_int_equal(FORGED(uint32_t, header_n, 512, &why), ERR_CORRUPT);
    assert_int_equal(FORGED(uint32_t, kind, 4, &why), ERR_MISMATCH);
    assert_int_equal(FORGED(uint32_t, kind, 0, &why), ERR_MISMATCH);
    assert_int_equal(FORGED(uint32_t, count, 0, &why), ERR_CORRUPT);
    assert_int_equal(FORGED(uint32_t, count, 17, &why), ERR_CORRUPT);
    assert_int_equal(FORGED(uint32_t, count, UINT32_MAX, &why), ERR_CORRUPT);
    assert_int_equal(FORGED(uint32_t, count, 2, &why), ERR_CORRUPT);
    assert_int_equal(FORGED(uint32_t, zero, 1, &why), ERR_CORRUPT);
    assert_int_equal(FORGED(uint64_t, zeros, 1, &why), ERR_CORRUPT);
    assert_int_equal(FORGED(uint64_t, file_n, 1, &why), ERR_CORRUPT);
    assert_int_equal(FORGED(uint64_t, version, 0x1b, &why), ERR_CORRUPT);
    assert_int_equal(FORGED(uint64_t, machine, 0x0a, &why), ERR_CORRUPT);
}

static void a_forged_table_is_refused(void **state)
{
    (void)state;
    struct why why;
    size_t begin = HEADER_N + 3 * ENTRY_N;
    assert_int_equal(FORGED_ENTRY(0, uint32_t, section, 6, &why), ERR_MISMATCH);
    assert_string_equal(why.text, "the image has a section 6, which this "
                                  "program does not know");
    assert_int_equal(FORGED_ENTRY(0, uint32_t, section, 0, &why), ERR_MISMATCH);
    assert_int_equal(FORGED_ENTRY(1, uint32_t, section, 1, &why), ERR_CORRUPT);
    assert_int_equal(FORGED_ENTRY(1, uint32_t, section, 4, &why), ERR_CORRUPT);
    assert_int_equal(FORGED_ENTRY(1, uint32_t, zero, 1, &why), ERR_CORRUPT);
    assert_int_equal(FORGED_ENTRY(0, uint64_t, offset, begin + 64, &why),
                     ERR_CORRUPT);
    assert_int_equal(FORGED_ENTRY(1, uint64_t, offset, begin, &why),
                     ERR_CORRUPT);
    assert_int_equal(FORGED_ENTRY(1, uint64_t, offset, UINT64_MAX, &why),
                     ERR_CORRUPT);
    assert_int_equal(FORGED_ENTRY(0, uint64_t, n, 0, &why), ERR_CORRUPT);
    assert_int_equal(FORGED_ENTRY(0, uint64_t, n, UINT64_MAX, &why),
                     ERR_CORRUPT);
    assert_int_equal(FORGED_ENTRY(2, uint64_t, n, 3, &why), ERR_CORRUPT);
    assert_int_equal(FORGED_ENTRY(2, uint64_t, n, IMAGE_SECTION_MAX, &why),
                     ERR_CORRUPT);
    /* lengths that add up, past the end of numbers */
    struct file f = made(&plan);
    struct image_entry *t = (void *)(f.p + HEADER_N);
    t[1].n = 0 - t[1].offset;
    t[2].offset = 0;
    t[2].n = f.n;
    ((struct image_header *)(void *)f.p)->header_sum = image_head_sum(f.p, 3);
    assert_int_equal(opened(f.p, f.n, &host, &why), ERR_CORRUPT);
    free(f.p);
    /* an application without a snapshot */
    struct image_plan none = plan;
    none.parts = parts + 1;
    none.count = 2;
    f = made(&none);
    assert_int_equal(opened(f.p, f.n, &host, &why), ERR_CORRUPT);
    free(f.p);
    none.kind = IMAGE_STATE; /* it may be in the portable form only */
    f = made(&none);
    assert_int_equal(opened(f.p, f.n, &host, &why), OK);
    free(f.p);
}

static void both_sides_of_a_mismatch_are_named(void **state)
{
    (void)state;
    struct file f = made(&plan);
    struct image_host other = host;
    struct why why;
    other.version = "10.2.154";
    assert_int_equal(opened(f.p, f.n, &other, &why), ERR_MISMATCH);
    assert_string_equal(why.text, "the image was made with V8 13.6.1-test, "
                                  "this program has V8 10.2.154");
    other = host;
    other.build = 255;
    assert_int_equal(opened(f.p, f.n, &other, &why), ERR_MISMATCH);
    assert_string_equal(why.text,
                        "the image was made for V8 build 000000000000000b, "
                        "this program has 00000000000000ff");
    other = host;
    other.natives++;
    assert_int_equal(opened(f.p, f.n, &other, &why), ERR_MISMATCH);
    assert_non_null(strstr(why.text, "natives"));
    other = host;
    other.js++;
    assert_int_equal(opened(f.p, f.n, &other, &why), ERR_MISMATCH);
    assert_non_null(strstr(why.text, "js"));
    other = host;
    other.flags++;
    assert_int_equal(opened(f.p, f.n, &other, &why), ERR_MISMATCH);
    assert_non_null(strstr(why.text, "flags"));
    free(f.p);
    struct image_plan foreign = plan;
    foreign.machine = "sparc";
    foreign.pointer_n = 4;
    f = made(&foreign);
    assert_int_equal(opened(f.p, f.n, NULL, &why), OK);
    assert_int_equal(opened(f.p, f.n, &host, &why), ERR_MISMATCH);
    assert_non_null(strstr(why.text, "sparc with 4-byte pointers"));
    free(f.p);
}

static void what_is_signed_is_all_but_the_signature(void **state)
{
    (void)state;
    char sign[96] = {1, 2, 3};
    struct image_part with[] = {
        parts[0], {.section = SECTION_SIGNATURE, .bytes = {sign, sizeof sign}}};
    struct image_plan p = plan;
    struct buf a, b;
    buf_init(&a, HEAD_MAX);
    buf_init(&b, HEAD_MAX);
    p.parts = with;
    p.count = 2;
    struct file f = made(&p);
    image_signed((struct slice){f.p, f.n}, &a);
    assert_int_equal(a.n, HEADER_N + 2 * ENTRY_N);
    free(f.p);
    sign[5] = 9;
    memset(with[1].sha256, 7, sizeof with[1].sha256);
    f = made(&p);
    image_signed((struct slice){f.p, f.n}, &b);
    assert_true(slice_eq(buf_view(&a), buf_view(&b)));
    free(f.p);
    with[0].sha256[3] = 1;
    f = made(&p);
    buf_clear(&b);
    image_signed((struct slice){f.p, f.n}, &b);
    assert_false(slice_eq(buf_view(&a), buf_view(&b)));
    free(f.p);
    buf_free(&a);
    buf_free(&b);
}

/* ---- files -------------------------------------------------------------- */

static void a_file_is_written_and_replaced(void **state)
{
    (void)state;
    struct image img;
    struct why why = {.text = ""};
    struct stat st;
    mode_t mask = umask(077);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(image_write(path, &plan, &why), OK);
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0640);
        for (enum image_hold hold = IMAGE_COPY; hold <= IMAGE_MAP; hold++) {
            assert_int_equal(image_open_file(path, hold, &host, &img, &why),
                             OK);
            assert_memory_equal(img.payload, blob, sizeof blob);
            assert_int_equal(image_whole(&img, &why), OK);
            image_close(&img);
        }
    }
    umask(mask);
    assert_int_equal(image_write("/nowhere/x.img", &plan, &why), ERR_IO);
    one_sentence(&why);
}

static void a_full_disk_leaves_the_old_file(void **state)
{
    (void)state;
    struct why why = {.text = ""};
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        skip();
    assert_int_equal(image_write_fd(fd, &plan, &why), ERR_IO);
    one_sentence(&why);
    assert_non_null(strstr(why.text, "1132 bytes"));
    close(fd);
}

static void a_file_that_is_none_is_refused(void **state)
{
    (void)state;
    struct image img;
    struct why why;
    assert_int_equal(
        image_open_file("/nowhere/x", IMAGE_COPY, &host, &img, &why),
        ERR_NOTFOUND);
    one_sentence(&why);
    assert_int_equal(image_open_file(folder, IMAGE_COPY, &host, &img, &why),
                     ERR_IO);
    assert_non_null(strstr(why.text, "not a regular file"));
    assert_int_equal(
        image_open_file("/dev/null", IMAGE_COPY, &host, &img, &why), ERR_IO);
    /* long, and of no image: nothing of it is held */
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_int_equal(ftruncate(fd, (off_t)1 << 40), 0);
    close(fd);
    assert_int_equal(image_open_file(path, IMAGE_COPY, &host, &img, &why),
                     ERR_CORRUPT);
    assert_non_null(strstr(why.text, "not a snapcgi image"));
}

/* Swapped, written over and cut short: who holds a copy does not notice. */
static void a_copy_outlives_what_happens_to_its_file(void **state)
{
    (void)state;
    struct image img;
    struct slice s;
    struct why why;
    assert_int_equal(image_write(path, &plan, &why), OK);
    assert_int_equal(image_open_file(path, IMAGE_COPY, &host, &img, &why), OK);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "xxxxxxxx", 8, 500), 8);
    assert_int_equal(ftruncate(fd, 0), 0);
    close(fd);
    assert_memory_equal(img.payload, blob, sizeof blob);
    assert_int_equal(image_section(&img, SECTION_SOURCES, &s, &why), OK);
    assert_int_equal(image_whole(&img, &why), OK);
    image_close(&img);
    assert_int_equal(image_open_file(path, IMAGE_COPY, &host, &img, &why),
                     ERR_CORRUPT);
    assert_non_null(strstr(why.text, "cut short: it has 0 bytes"));
}

static void a_mapping_outlives_a_file_that_is_swapped(void **state)
{
    (void)state;
    struct image img;
    struct why why;
    assert_int_equal(image_write(path, &plan, &why), OK);
    assert_int_equal(image_open_file(path, IMAGE_MAP, &host, &img, &why), OK);
    struct image_plan other = plan;
    other.count = 1;
    assert_int_equal(image_write(path, &other, &why), OK);
    assert_memory_equal(img.payload, blob, sizeof blob);
    assert_int_equal(image_whole(&img, &why), OK);
    image_close(&img);
}

static void a_stale_temporary_is_no_way_to_another_file(void **state)
{
    (void)state;
    char temporary[96], victim[96];
    struct why why = {.text = ""};
    struct stat st;
    snprintf(temporary, sizeof temporary, "%s.%ld", path, (long)getpid());
    snprintf(victim, sizeof victim, "%s/victim", folder);
    assert_int_equal(symlink(victim, temporary), 0);
    assert_int_equal(image_write(path, &plan, &why), OK);
    assert_int_equal(stat(victim, &st), -1);
    assert_int_equal(lstat(temporary, &st), -1);
}

static void what_is_no_file_is_not_replaced(void **state)
{
    (void)state;
    char fifo[96];
    struct why why = {.text = ""};
    struct stat st;
    snprintf(fifo, sizeof fifo, "%s/fifo", folder);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(image_write(fifo, &plan, &why), ERR_IO);
    assert_int_equal(lstat(fifo, &st), 0);
    assert_true(S_ISFIFO(st.st_mode));
    unlink(fifo);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_of_it_comes_back),
        cmocka_unit_test(sections_begin_at_multiples_of_64),
        cmocka_unit_test(a_plan_of_an_image_makes_the_same_file),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(bytes_after_the_end_are_refused),
        cmocka_unit_test(every_bit_of_header_and_table_counts),
        cmocka_unit_test(every_byte_of_the_sections_counts),
        cmocka_unit_test(a_forged_header_is_refused),
        cmocka_unit_test(a_forged_table_is_refused),
        cmocka_unit_test(both_sides_of_a_mismatch_are_named),
        cmocka_unit_test(what_is_signed_is_all_but_the_signature),
        cmocka_unit_test(a_file_is_written_and_replaced),
        cmocka_unit_test(a_full_disk_leaves_the_old_file),
        cmocka_unit_test(a_file_that_is_none_is_refused),
        cmocka_unit_test(a_copy_outlives_what_happens_to_its_file),
        cmocka_unit_test(a_mapping_outlives_a_file_that_is_swapped),
        cmocka_unit_test(a_stale_temporary_is_no_way_to_another_file),
        cmocka_unit_test(what_is_no_file_is_not_replaced),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
