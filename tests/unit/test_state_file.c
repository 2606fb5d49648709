#include "serve/state_file_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- a disk that does what a test asks for --------------------------------
 */

static struct {
    size_t room;      /* bytes until it is full */
    size_t most;      /* bytes that one write takes */
    bool interrupted; /* every other call */
    int broken;       /* errno of fsync */
    unsigned calls;
} disk;

static void disk_is_good(void)
{
    memset(&disk, 0, sizeof disk);
    disk.room = disk.most = SIZE_MAX;
}

ssize_t write(int fd, const void *p, size_t n)
{
    if (disk.interrupted && disk.calls++ % 2 == 0) {
        errno = EINTR;
        return -1;
    }
    if (n > disk.most)
        n = disk.most;
    if (n > disk.room)
        n = disk.room;
    if (n == 0) {
        errno = ENOSPC;
        return -1;
    }
    disk.room -= disk.room == SIZE_MAX ? 0 : n;
    return (ssize_t)syscall(SYS_write, fd, p, n);
}

int fsync(int fd)
{
    (void)fd;
    errno = disk.broken;
    return disk.broken == 0 ? 0 : -1;
}

/* ---- what the tests share -------------------------------------------------
 */

static const struct state_key key = {.bytes =
                                         "0123456789abcdef0123456789ABCDE"};
static const struct state_key other = {.bytes =
                                           "0123456789abcdef0123456789ABCDF"};

static bool have_zstd;

/* Neither, one, the other, both. */
static struct state_form form(int which)
{
    return (struct state_form){.compress = (which & 1) != 0 && have_zstd,
                               .key = (which & 2) != 0 ? &key : NULL};
}

static void need_zstd(void)
{
    if (!have_zstd)
        skip();
}

static int open_file(void)
{
    int fd = memfd_create("state", MFD_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

/* Half of it can be compressed, and no two pieces are alike. */
static char *make_bytes(size_t n)
{
    char *p = malloc(n + 1);
    uint64_t x = 88172645463325252u;
    assert_non_null(p);
    for (size_t i = 0; i < n; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        p[i] = i % 128 < 64 ? "secret"[i % 6] : (char)x;
    }
    return p;
}

static size_t file_size(int fd)
{
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    return (size_t)st.st_size;
}

static int write_state(const char *p, size_t n, const struct state_form *f)
{
    struct slice parts[] = {{p, n / 3}, {NULL, 0}, {p + n / 3, n - n / 3}};
    struct why why = {.text = ""};
    uint64_t written = 0;
    int fd = open_file();
    enum err e = state_file_write(fd, "a.state", parts, 3, f, &written, &why);
    if (e != OK)
        fail_msg("%s", why.text);
    assert_int_equal(written, file_size(fd));
    return fd;
}

static enum err read_state(int fd, const struct state_key *k, void **p,
                           size_t *n, struct why *why)
{
    *p = NULL;
    *n = 0;
    why->text[0] = '\0';
    return state_file_read(fd, "a.state", k, 0, p, n, why);
}

/* Refused, with one sentence that names the file. */
static void assert_refused(int fd, const struct state_key *k, enum err expected,
                           const char *words)
{
    void *p;
    size_t n;
    struct why why;
    assert_int_equal(read_state(fd, k, &p, &n, &why), expected);
    assert_null(p);
    assert_non_null(strstr(why.text, "a.state"));
    if (strstr(why.text, words) == NULL)
        fail_msg("\"%s\" has no \"%s\"", why.text, words);
}

static void assert_reads(int fd, const struct state_key *k, const char *bytes,
                         size_t size)
{
    void *p;
    size_t n;
    struct why why;
    if (read_state(fd, k, &p, &n, &why) != OK)
        fail_msg("%s", why.text);
    assert_int_equal(n, size);
    assert_int_equal((uintptr_t)p % 64, 0);
    assert_memory_equal(p, bytes, n);
    state_file_free(p, n);
}

static void flip(int fd, size_t at)
{
    unsigned char c;
    assert_int_equal(pread(fd, &c, 1, (off_t)at), 1);
    c ^= 0x10;
    assert_int_equal(pwrite(fd, &c, 1, (off_t)at), 1);
}

static struct state_header get_header(int fd)
{
    struct state_header h;
    assert_int_equal(pread(fd, &h, sizeof h, 0), sizeof h);
    return h;
}

static void put_header(int fd, struct state_header h)
{
    h.sum = state_header_sum(&h);
    assert_int_equal(pwrite(fd, &h, sizeof h, 0), sizeof h);
}

/* ---- whole files ----------------------------------------------------------
 */

static void what_is_written_is_read_in_every_form_and_size(void **state)
{
    const size_t piece = STATE_PIECE_N;
    const size_t sizes[] = {
        0,         1,         100,           piece - 1,     piece,
        piece + 1, 2 * piece, 2 * piece + 1, 5 * piece + 77};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *bytes = make_bytes(sizes[i]);
        for (int which = 0; which < 4; which++) {
            struct state_form f = form(which);
            int fd = write_state(bytes, sizes[i], &f);
            assert_reads(fd, f.key, bytes, sizes[i]);
            close(fd);
        }
        free(bytes);
    }
}

static void a_plain_file_is_the_image_itself(void **state)
{
    (void)state;
    struct state_form f = form(0);
    char bytes[1000], *image = make_bytes(sizeof bytes);
    int fd = write_state(image, sizeof bytes, &f);
    assert_int_equal(pread(fd, bytes, sizeof bytes, 0), sizeof bytes);
    assert_int_equal(file_size(fd), sizeof bytes);
    assert_memory_equal(bytes, image, sizeof bytes);
    free(image);
    close(fd);
}

static void an_image_of_several_sections_comes_back_whole(void **state)
{
    (void)state;
    struct image_part parts[] = {
        {.section = SECTION_SNAPSHOT, .bytes = SLICE("not aligned")},
        {.section = SECTION_SOURCES, .bytes = SLICE("main /srv/app.js\n")},
        {.section = SECTION_PORTABLE, .bytes = SLICE("\0\1\2")},
    };
    struct image_plan plan = {.kind = IMAGE_STATE,
                              .host = {.version = "1.2.3"},
                              .parts = parts,
                              .count = 3};
    for (int which = 0; which < 4; which++) {
        struct state_form f = form(which);
        struct image image;
        struct slice section;
        struct why why = {.text = ""};
        void *p;
        size_t n;
        int fd = open_file();
        assert_int_equal(
            state_file_write_image(fd, "a.state", &plan, &f, NULL, &why), OK);
        assert_int_equal(read_state(fd, f.key, &p, &n, &why), OK);
        if (image_open(p, n, NULL, &image, &why) != OK ||
            image_whole(&image, &why) != OK)
            fail_msg("%s", why.text);
        assert_int_equal(
            image_section(&image, SECTION_PORTABLE, &section, &why), OK);
        assert_true(slice_eq(section, parts[2].bytes));
        image_close(&image);
        state_file_free(p, n);
        close(fd);
    }
}

static void a_compressed_file_is_shorter(void **state)
{
    (void)state;
    need_zstd();
    struct state_form f = form(1);
    size_t n = 3 * STATE_PIECE_N;
    char *bytes = make_bytes(n);
    int fd = write_state(bytes, n, &f);
    assert_true(file_size(fd) < n * 3 / 4);
    free(bytes);
    close(fd);
}

static void an_encrypted_file_shows_nothing_and_is_never_the_same(void **state)
{
    (void)state;
    struct state_form f = form(2);
    size_t n = 4096;
    char *bytes = make_bytes(n), seen[2][8192];
    ssize_t size[2];
    for (int i = 0; i < 2; i++) {
        int fd = write_state(bytes, n, &f);
        size[i] = pread(fd, seen[i], sizeof seen[i], 0);
        assert_null(memmem(seen[i], (size_t)size[i], "secret", 6));
        assert_null(memmem(seen[i], (size_t)size[i], key.bytes, 16));
        close(fd);
    }
    assert_int_equal(size[0], size[1]);
    for (ssize_t i = STATE_HEADER_N; i + 16 <= size[0]; i += 16)
        assert_memory_not_equal(seen[0] + i, seen[1] + i, 16);
    free(bytes);
}

static void it_is_read_wherever_the_descriptor_stands(void **state)
{
    (void)state;
    for (int which = 0; which < 4; which++) {
        struct state_form f = form(which);
        int fd = write_state("0123456789", 10, &f);
        lseek(fd, 5, SEEK_SET);
        assert_reads(fd, f.key, "0123456789", 10);
        assert_reads(fd, f.key, "0123456789", 10);
        close(fd);
    }
}

static void what_is_no_file_is_refused(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_refused(ends[0], NULL, ERR_IO, "is not a regular file");
    close(ends[0]);
    close(ends[1]);
}

/* ---- keys -----------------------------------------------------------------
 */

static void a_key_that_does_not_fit_is_told(void **state)
{
    (void)state;
    for (int which = 0; which < 4; which++) {
        struct state_form f = form(which);
        int fd = write_state("0123456789", 10, &f);
        if (f.key != NULL) {
            assert_refused(fd, NULL, ERR_ACCESS, "no key file was given");
            assert_refused(fd, &other, ERR_ACCESS, "with another key");
        } else {
            assert_refused(fd, &key, ERR_ACCESS, "is not encrypted");
        }
        assert_reads(fd, f.key, "0123456789", 10); /* nothing is lost */
        close(fd);
    }
}

/* ---- damage ---------------------------------------------------------------
 */

static void a_file_cut_short_at_any_byte_is_refused(void **state)
{
    (void)state;
    char *bytes = make_bytes(500);
    for (int which = have_zstd ? 1 : 2; which < 4; which++) {
        struct state_form f = form(which);
        int fd = write_state(bytes, 500, &f);
        for (size_t n = file_size(fd); n-- > sizeof get_header(fd).magic;) {
            assert_int_equal(ftruncate(fd, (off_t)n), 0);
            assert_refused(fd, f.key, ERR_CORRUPT, "cut short");
        }
        close(fd);
    }
    free(bytes);
}

static void a_long_file_cut_between_its_pieces_is_refused(void **state)
{
    (void)state;
    struct state_form f = form(2);
    size_t n = 3 * STATE_PIECE_N, sealed = STATE_PIECE_N + SEAL_TAG_N;
    char *bytes = make_bytes(n);
    int fd = write_state(bytes, n, &f);
    for (size_t pieces = 3; pieces-- > 0;) {
        size_t at = STATE_HEADER_N + pieces * sealed;
        for (size_t more = 18; more-- > 0;) {
            assert_int_equal(ftruncate(fd, (off_t)(at + more)), 0);
            assert_refused(fd, &key, ERR_CORRUPT,
                           pieces > 0 && more == 0 ? "are not what was written"
                                                   : "cut short");
        }
    }
    free(bytes);
    close(fd);
}

static void bytes_after_the_end_are_refused(void **state)
{
    (void)state;
    for (int which = have_zstd ? 1 : 2; which < 4; which++) {
        struct state_form f = form(which);
        int fd = write_state("0123456789", 10, &f);
        assert_int_equal(pwrite(fd, "x", 1, (off_t)file_size(fd)), 1);
        assert_refused(fd, f.key, ERR_CORRUPT, "damaged");
        close(fd);
    }
}

static void a_second_frame_is_refused(void **state)
{
    (void)state;
    need_zstd();
    struct state_form f = form(1);
    char frame[64];
    int fd = write_state("", 0, &f);
    ssize_t n = pread(fd, frame, sizeof frame, STATE_HEADER_N);
    assert_int_equal(pwrite(fd, frame, (size_t)n, (off_t)file_size(fd)), n);
    assert_refused(fd, NULL, ERR_CORRUPT, "does not hold");
    close(fd);
}

static void a_flip_of_any_byte_of_the_header_is_refused(void **state)
{
    (void)state;
    struct state_header h;
    for (int which = have_zstd ? 1 : 2; which < 4; which++) {
        struct state_form f = form(which);
        int fd = write_state("0123456789", 10, &f);
        for (size_t i = 0; i < sizeof h; i++) {
            flip(fd, i);
            if (i >= sizeof h.magic)
                assert_refused(fd, f.key, i < 12 ? ERR_MISMATCH : ERR_CORRUPT,
                               "a.state");
            else if (f.key != NULL)
                assert_refused(fd, f.key, ERR_ACCESS, "is not encrypted");
            flip(fd, i);
        }
        assert_reads(fd, f.key, "0123456789", 10);
        close(fd);
    }
}

static void a_header_that_was_forged_is_refused(void **state)
{
    (void)state;
    need_zstd();
    struct state_form f = form(3);
    int fd = write_state("0123456789", 10, &f);
    struct state_header h = get_header(fd), forged = h;
    forged.length = 11;
    put_header(fd, forged);
    assert_refused(fd, &key, ERR_ACCESS, "with another key");
    forged = h;
    forged.flags = STATE_FILE_SEALED;
    put_header(fd, forged);
    assert_refused(fd, &key, ERR_ACCESS, "with another key");
    forged.flags = STATE_FILE_ZSTD;
    put_header(fd, forged);
    assert_refused(fd, &key, ERR_ACCESS, "is not encrypted");
    forged.flags = 8;
    put_header(fd, forged);
    assert_refused(fd, &key, ERR_MISMATCH, "does not know");
    put_header(fd, h);
    assert_reads(fd, &key, "0123456789", 10);
    close(fd);
}

/* zstd has bits that mean nothing, so a flip may do no harm there. */
static void a_flip_of_any_byte_after_it_is_refused_or_harmless(void **state)
{
    (void)state;
    char *bytes = make_bytes(300);
    for (int which = have_zstd ? 1 : 2; which < 4; which++) {
        struct state_form f = form(which);
        int fd = write_state(bytes, 300, &f);
        for (size_t i = STATE_HEADER_N; i < file_size(fd); i++) {
            void *p;
            size_t n;
            struct why why;
            flip(fd, i);
            enum err e = read_state(fd, f.key, &p, &n, &why);
            assert_true(e == ERR_CORRUPT || (e == OK && f.key == NULL));
            if (e == OK) {
                assert_int_equal(n, 300);
                assert_memory_equal(p, bytes, n);
                state_file_free(p, n);
            }
            flip(fd, i);
        }
        close(fd);
    }
    free(bytes);
}

static void pieces_stay_in_their_file_and_their_place(void **state)
{
    (void)state;
    struct state_form f = form(2);
    const size_t sealed = STATE_PIECE_N + SEAL_TAG_N, n = 3 * STATE_PIECE_N;
    const off_t first = STATE_HEADER_N, second = first + (off_t)sealed;
    char *bytes = make_bytes(n), *a = malloc(sealed), *b = malloc(sealed);
    int fd = write_state(bytes, n, &f), twin = write_state(bytes, n, &f);

    assert_int_equal(pread(fd, a, sealed, first), sealed);
    assert_int_equal(pread(fd, b, sealed, second), sealed);
    assert_int_equal(pwrite(fd, b, sealed, first), sealed);
    assert_refused(fd, &key, ERR_CORRUPT, "damaged");
    assert_int_equal(pwrite(fd, a, sealed, second), sealed);
    assert_refused(fd, &key, ERR_CORRUPT, "damaged");
    assert_int_equal(pwrite(fd, a, sealed, first), sealed);
    assert_refused(fd, &key, ERR_CORRUPT, "damaged");
    assert_int_equal(pwrite(fd, b, sealed, second), sealed);
    assert_reads(fd, &key, bytes, n);
    assert_int_equal(pwrite(twin, a, sealed, first), sealed);
    assert_refused(twin, &key, ERR_CORRUPT, "damaged");
    free(a);
    free(b);
    free(bytes);
    close(fd);
    close(twin);
}

/* ---- sizes ----------------------------------------------------------------
 */

static void a_state_over_the_limit_is_not_written(void **state)
{
    (void)state;
    for (int which = 0; which < 4; which++) {
        struct state_form f = form(which);
        struct slice part = SLICE("0123456789");
        struct why why;
        int fd = open_file();
        f.limit = 9;
        assert_int_equal(
            state_file_write(fd, "a.state", &part, 1, &f, NULL, &why),
            ERR_TOOBIG);
        assert_string_equal(why.text, "a.state: the state has 10 bytes and may "
                                      "have 9 (state_limit)");
        assert_int_equal(file_size(fd), 0);
        f.limit = 10;
        assert_int_equal(
            state_file_write(fd, "a.state", &part, 1, &f, NULL, &why), OK);
        close(fd);
    }
}

static void a_state_over_the_limit_is_not_read(void **state)
{
    (void)state;
    for (int which = 0; which < 4; which++) {
        struct state_form f = form(which);
        int fd = write_state("0123456789", 10, &f);
        void *p = NULL;
        size_t n;
        struct why why;
        assert_int_equal(state_file_read(fd, "a.state", f.key, 9, &p, &n, &why),
                         ERR_TOOBIG);
        assert_non_null(strstr(why.text, "up to 9 are read"));
        assert_null(p);
        assert_int_equal(
            state_file_read(fd, "a.state", f.key, 10, &p, &n, &why), OK);
        state_file_free(p, n);
        close(fd);
    }
}

static void more_than_the_header_says_is_never_unpacked(void **state)
{
    (void)state;
    need_zstd();
    struct state_form f = form(1);
    size_t n = 8 * STATE_PIECE_N;
    char *zeros = calloc(1, n);
    int fd = write_state(zeros, n, &f);
    assert_true(file_size(fd) < 4096);
    for (size_t length = 0; length < 3; length++) {
        struct state_header h = get_header(fd);
        h.length = length == 2 ? n - 1 : length;
        put_header(fd, h);
        assert_refused(fd, NULL, ERR_CORRUPT, "does not hold");
    }
    struct state_header h = get_header(fd);
    h.length = n + 1;
    put_header(fd, h);
    assert_refused(fd, NULL, ERR_CORRUPT, "does not hold");
    h.length = UINT64_MAX;
    put_header(fd, h);
    assert_refused(fd, NULL, ERR_TOOBIG, "are read: raise it");
    free(zeros);
    close(fd);
}

/* ---- a disk that fails ----------------------------------------------------
 */

static void interrupted_and_short_writes_go_on(void **state)
{
    (void)state;
    char *bytes = make_bytes(3000);
    for (int which = 0; which < 4; which++) {
        struct state_form f = form(which);
        disk.interrupted = true;
        disk.most = 7;
        int fd = write_state(bytes, 3000, &f);
        disk_is_good();
        assert_reads(fd, f.key, bytes, 3000);
        close(fd);
    }
    free(bytes);
}

static void a_full_disk_is_told_and_gets_its_bytes_back(void **state)
{
    (void)state;
    size_t n = 2 * STATE_PIECE_N + 5;
    char *bytes = make_bytes(n), after[64];
    for (int which = 0; which < 4; which++) {
        struct state_form f = form(which);
        const size_t rooms[] = {0, 1, STATE_HEADER_N, STATE_PIECE_N / 2};
        for (size_t i = 0; i < 4; i++) {
            struct slice part = {bytes, n};
            struct why why;
            int fd = open_file();
            disk.room = rooms[i];
            assert_int_equal(
                state_file_write(fd, "a.state", &part, 1, &f, NULL, &why),
                ERR_IO);
            snprintf(after, sizeof after, "after %zu bytes, and up to ",
                     rooms[i]);
            assert_non_null(strstr(why.text, strerror(ENOSPC)));
            assert_non_null(strstr(why.text, after));
            assert_int_equal(file_size(fd), 0);
            disk_is_good();
            assert_int_equal(
                state_file_write(fd, "a.state", &part, 1, &f, NULL, &why), OK);
            assert_reads(fd, f.key, bytes, n);
            close(fd);
        }
    }
    free(bytes);
}

static void a_disk_that_cannot_keep_it_is_told(void **state)
{
    (void)state;
    struct state_form f = form(0);
    struct slice part = SLICE("0123456789");
    struct why why;
    int fd = open_file();
    disk.broken = EIO;
    assert_int_equal(state_file_write(fd, "a.state", &part, 1, &f, NULL, &why),
                     ERR_IO);
    assert_non_null(strstr(why.text, strerror(EIO)));
    assert_int_equal(file_size(fd), 0);
    disk_is_good();
    close(fd);
}

static int disk_is_good_again(void **state)
{
    (void)state;
    disk_is_good();
    return 0;
}

static void a_library_that_a_form_needs_is_opened_or_named(void **state)
{
    (void)state;
    struct why why;
    for (int which = 0; which < 4; which++) {
        struct state_form f = form(which);
        assert_int_equal(state_file_prepare(&f, &why), OK);
    }
    struct state_form f = {.compress = true};
    enum err e = state_file_prepare(&f, &why);
    assert_int_equal(e, have_zstd ? OK : ERR_FAIL);
    if (e != OK)
        assert_non_null(strstr(why.text, "needs libzstd: libzstd.so.1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_library_that_a_form_needs_is_opened_or_named),
        cmocka_unit_test(what_is_written_is_read_in_every_form_and_size),
        cmocka_unit_test(a_plain_file_is_the_image_itself),
        cmocka_unit_test(an_image_of_several_sections_comes_back_whole),
        cmocka_unit_test(a_compressed_file_is_shorter),
        cmocka_unit_test(an_encrypted_file_shows_nothing_and_is_never_the_same),
        cmocka_unit_test(it_is_read_wherever_the_descriptor_stands),
        cmocka_unit_test(what_is_no_file_is_refused),
        cmocka_unit_test(a_key_that_does_not_fit_is_told),
        cmocka_unit_test(a_file_cut_short_at_any_byte_is_refused),
        cmocka_unit_test(a_long_file_cut_between_its_pieces_is_refused),
        cmocka_unit_test(bytes_after_the_end_are_refused),
        cmocka_unit_test(a_second_frame_is_refused),
        cmocka_unit_test(a_flip_of_any_byte_of_the_header_is_refused),
        cmocka_unit_test(a_header_that_was_forged_is_refused),
        cmocka_unit_test(a_flip_of_any_byte_after_it_is_refused_or_harmless),
        cmocka_unit_test(pieces_stay_in_their_file_and_their_place),
        cmocka_unit_test(a_state_over_the_limit_is_not_written),
        cmocka_unit_test(a_state_over_the_limit_is_not_read),
        cmocka_unit_test(more_than_the_header_says_is_never_unpacked),
        cmocka_unit_test_teardown(interrupted_and_short_writes_go_on,
                                  disk_is_good_again),
        cmocka_unit_test_teardown(a_full_disk_is_told_and_gets_its_bytes_back,
                                  disk_is_good_again),
        cmocka_unit_test_teardown(a_disk_that_cannot_keep_it_is_told,
                                  disk_is_good_again),
    };
    disk_is_good();
    have_zstd = state_zstd(NULL) != NULL;
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
