#include "base/slice.h"
#include "serve/state_key.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define RAW                                                                    \
    "\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\xef"         \
    "\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\x0a"
#define HEX                                                                    \
    "0123456789abcdef0123456789ABCDEF"                                         \
    "0123456789abcdef0123456789AbCd0a"

static char path[] = "/tmp/snapcgi-test-XXXXXX";

static enum err read_key(struct slice text, mode_t mode, struct state_key *key,
                         struct why *why)
{
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text.p, text.n), text.n);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
    why->text[0] = '\0';
    return state_key_read(path, key, why);
}

static void a_key_is_32_bytes_or_64_digits(void **state)
{
    (void)state;
    const struct slice good[] = {SLICE(RAW), SLICE(HEX), SLICE(HEX "\n"),
                                 SLICE(HEX "\r\n")};
    for (size_t i = 0; i < 4; i++) {
        struct state_key key;
        struct why why;
        assert_int_equal(read_key(good[i], 0600, &key, &why), OK);
        assert_memory_equal(key.bytes, RAW, sizeof key.bytes);
        state_key_wipe(&key);
        for (size_t k = 0; k < sizeof key.bytes; k++)
            assert_int_equal(key.bytes[k], 0);
    }
}

static void another_length_or_sign_is_refused_and_not_repeated(void **state)
{
    (void)state;
    const struct slice bad[] = {
        SLICE(""),      SLICE("\n"),       SLICE("0123456789abcdef"),
        SLICE(HEX "0"), SLICE(HEX "\n\n"), SLICE(HEX "\r\n\n"),
        SLICE(HEX HEX), SLICE(RAW "\n"),   SLICE(" " HEX),
        SLICE("g" HEX), SLICE(RAW RAW),
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct state_key key;
        struct why why;
        assert_int_equal(read_key(bad[i], 0600, &key, &why), ERR_SYNTAX);
        assert_non_null(strstr(why.text, path));
        assert_non_null(strstr(why.text, "32 bytes or 64 hexadecimal digits"));
        assert_null(strstr(why.text, "0123"));
    }
}

static void a_key_that_others_can_use_is_refused(void **state)
{
    (void)state;
    const mode_t open_to[] = {0640, 0604, 0620, 0602, 0610, 0666};
    struct state_key key;
    struct why why;
    for (size_t i = 0; i < sizeof open_to / sizeof *open_to; i++) {
        assert_int_equal(read_key(SLICE(HEX), open_to[i], &key, &why),
                         ERR_ACCESS);
        assert_non_null(strstr(why.text, "chmod 0600"));
    }
    assert_int_equal(read_key(SLICE(HEX), 0400, &key, &why), OK);
}

static void a_key_that_is_not_there_is_named(void **state)
{
    (void)state;
    struct state_key key;
    struct why why;
    assert_int_equal(state_key_read("/nonexistent/key", &key, &why),
                     ERR_NOTFOUND);
    assert_string_equal(why.text, "the key file /nonexistent/key: No such file "
                                  "or directory");
    assert_int_equal(state_key_read("/", &key, &why), ERR_FAIL);
    assert_string_equal(why.text, "the key file / is not a regular file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_32_bytes_or_64_digits),
        cmocka_unit_test(another_length_or_sign_is_refused_and_not_repeated),
        cmocka_unit_test(a_key_that_others_can_use_is_refused),
        cmocka_unit_test(a_key_that_is_not_there_is_named),
    };
    int fd = mkstemp(path);
    if (fd < 0)
        return 1;
    close(fd);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
