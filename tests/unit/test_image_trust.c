/* test_image_trust.c - keys, hashes and signatures of images. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "bind/libcrypto.h"
#include "serve/image_trust.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/snapcgi-trust-XXXXXX";
static char img_path[64], name[64], key_path[72], pub_path[72], name2[64],
    key2_path[72], pub2_path[72];
static char finger[IMAGE_FINGER_N];

static int set_up(void **state)
{
    char again[IMAGE_FINGER_N];
    struct why why;
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(img_path, sizeof img_path, "%s/x.img", folder);
    snprintf(name, sizeof name, "%s/one", folder);
    snprintf(key_path, sizeof key_path, "%s.key", name);
    snprintf(pub_path, sizeof pub_path, "%s.pub", name);
    snprintf(name2, sizeof name2, "%s/two", folder);
    snprintf(key2_path, sizeof key2_path, "%s.key", name2);
    snprintf(pub2_path, sizeof pub2_path, "%s.pub", name2);
    if (libcrypto_load(&why) == OK &&
        (image_trust_keygen(name, finger, &why) != OK ||
         image_trust_keygen(name2, finger, &why) != OK ||
         image_trust_keygen(name2, again, &why) != ERR_BUSY))
        return -1;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(img_path);
    unlink(key_path);
    unlink(pub_path);
    unlink(key2_path);
    unlink(pub2_path);
    return rmdir(folder);
}

static void need_openssl(void)
{
    struct why why;
    if (libcrypto_load(&why) != OK)
        skip();
}

static char snapshot[500], list[70];

/* Skips the test where it could not be signed. */
static void write_image(bool digests)
{
    struct why why = {.text = ""};
    need_openssl();
    struct image_part parts[] = {
        {.section = SECTION_SNAPSHOT, .bytes = {snapshot, sizeof snapshot}},
        {.section = SECTION_SOURCES, .bytes = {list, sizeof list}}};
    struct image_plan plan = {.kind = IMAGE_APP,
                              .host = {.version = "1.2.3"},
                              .machine = "sparc",
                              .pointer_n = 4,
                              .created = 12345,
                              .parts = parts,
                              .count = 2,
                              .mode = 0644};
    for (size_t i = 0; i < sizeof snapshot; i++)
        snapshot[i] = (char)(i * 3 + 1);
    if (digests)
        assert_int_equal(image_trust_digest(parts, 2, &why), OK);
    assert_int_equal(image_write(img_path, &plan, &why), OK);
}

static void open_image(struct image *img)
{
    struct why why = {.text = ""};
    assert_int_equal(image_open_file(img_path, IMAGE_COPY, NULL, img, &why),
                     OK);
}

static void sign_with(const char *path, char f[static IMAGE_FINGER_N])
{
    struct why why = {.text = ""};
    assert_int_equal(image_trust_sign(img_path, path, f, &why), OK);
}

static void no_sign_with(const char *path, enum err want, const char *what)
{
    char f[IMAGE_FINGER_N];
    struct why why = {.text = ""};
    assert_int_equal(image_trust_sign(img_path, path, f, &why), want);
    assert_non_null(strstr(why.text, what));
}

static void is_refused(const char *path, enum err want, const char *what)
{
    struct image img;
    struct why why = {.text = ""};
    open_image(&img);
    assert_int_equal(image_trust_require(&img, path, &why), want);
    image_close(&img);
    assert_non_null(strstr(why.text, what));
}

static void hashes_are_sha_256(void **state)
{
    (void)state;
    unsigned char sha256[32];
    char hex[65];
    struct why why;
    need_openssl();
    assert_int_equal(image_trust_sha256(SLICE("abc"), sha256, &why), OK);
    image_trust_hex(sha256, 32, hex); /* FIPS 180-4's example */
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9c"
                             "b410ff61f20015ad");
    assert_int_equal(image_trust_sha256((struct slice){NULL, 0}, sha256, &why),
                     OK);
    image_trust_hex(sha256, 4, hex);
    assert_string_equal(hex, "e3b0c442");
}

static void a_private_key_is_its_owners(void **state)
{
    (void)state;
    struct stat st;
    write_image(true);
    assert_int_equal(stat(key_path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    chmod(key_path, 0640);
    no_sign_with(key_path, ERR_ACCESS, "chmod 600");
    chmod(key_path, 0600);
}

static void a_signed_image_is_its_signers(void **state)
{
    (void)state;
    struct image img;
    struct why why = {.text = ""};
    struct stat st;
    unsigned char key[IMAGE_KEY_N];
    char f[IMAGE_FINGER_N], g[IMAGE_FINGER_N];
    write_image(true);
    open_image(&img);
    assert_int_equal(image_trust_signer(&img, key, &why), ERR_NOTFOUND);
    image_close(&img);
    is_refused(pub_path, ERR_ACCESS, "is not signed");
    chmod(img_path, 0640);
    sign_with(key_path, f);
    assert_int_equal(stat(img_path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    open_image(&img);
    assert_true(img.created == 12345);
    assert_string_equal(img.machine, "sparc");
    assert_memory_equal(img.payload, snapshot, sizeof snapshot);
    assert_int_equal(image_trust_whole(&img, &why), OK);
    assert_int_equal(image_trust_require(&img, pub_path, &why), OK);
    assert_int_equal(image_trust_signer(&img, key, &why), OK);
    assert_int_equal(image_trust_finger(key, g, &why), OK);
    assert_string_equal(f, g);
    image_close(&img);
    is_refused(pub2_path, ERR_ACCESS, f);
    is_refused(pub2_path, ERR_ACCESS, finger); /* of two.key */
}

static void a_signature_is_replaced(void **state)
{
    (void)state;
    struct image img;
    struct image_part parts[IMAGE_PARTS_MAX];
    struct why why = {.text = ""};
    char f[IMAGE_FINGER_N];
    write_image(false); /* signing fills in what is not known */
    sign_with(key_path, f);
    sign_with(key2_path, f);
    assert_string_equal(f, finger);
    open_image(&img);
    assert_int_equal(image_parts(&img, parts), 3);
    assert_int_equal(image_trust_require(&img, pub2_path, &why), OK);
    image_close(&img);
    is_refused(pub_path, ERR_ACCESS, finger);
}

/* Writes an image of these parts under the header of img. */
static void forge(const struct image *img, const struct image_part *parts,
                  size_t count)
{
    struct image_plan plan;
    struct why why;
    image_plan_of(img, &plan);
    plan.parts = parts;
    plan.count = count;
    plan.mode = 0600;
    assert_int_equal(image_write(img_path, &plan, &why), OK);
}

static void is_found_out(const struct image *img,
                         const struct image_part *parts, size_t count,
                         const char *what)
{
    forge(img, parts, count);
    is_refused(pub_path, ERR_CORRUPT, what);
}

/* Somebody who can make every checksum right, but has no key. */
static void a_forger_is_found_out(void **state)
{
    (void)state;
    struct image img;
    struct image_part parts[IMAGE_PARTS_MAX];
    char other[sizeof snapshot], f[IMAGE_FINGER_N];
    struct why why = {.text = ""};
    write_image(true);
    sign_with(key_path, f);
    open_image(&img);
    assert_int_equal(image_parts(&img, parts), 3);
    /* other bytes, the SHA-256 as signed */
    memcpy(other, snapshot, sizeof other);
    other[7] ^= 1;
    parts[0].bytes.p = other;
    is_found_out(&img, parts, 3, "changed after it was signed");
    /* and with theirs */
    assert_int_equal(image_trust_digest(parts, 1, &why), OK);
    is_found_out(&img, parts, 3, "changed after it was signed");
    /* and with none */
    memset(parts[0].sha256, 0, sizeof parts[0].sha256);
    is_found_out(&img, parts, 3, "does not cover its section snapshot");
    image_parts(&img, parts);
    /* a section less */
    parts[1] = parts[2];
    is_found_out(&img, parts, 2, "changed after it was signed");
    image_parts(&img, parts);
    /* the header */
    img.wake++;
    is_found_out(&img, parts, 3, "changed after it was signed");
    img.wake--;
    /* the signature */
    char sign[96];
    for (size_t at = 0; at < sizeof sign; at += 5) {
        memcpy(sign, parts[2].bytes.p, sizeof sign);
        sign[at] ^= 1;
        struct image_part three[] = {parts[0], parts[1], parts[2]};
        three[2].bytes.p = sign;
        assert_int_equal(image_trust_digest(&three[2], 1, &why), OK);
        is_found_out(&img, three, 3, "signature does not match");
    }
    parts[2].bytes.n = 95;
    is_found_out(&img, parts, 3, "95 bytes");
    image_close(&img);
}

/* The fast checksum is right. */
static void a_wrong_sha_256_is_damage(void **state)
{
    (void)state;
    struct image img;
    struct image_part parts[IMAGE_PARTS_MAX];
    struct why why = {.text = ""};
    write_image(true);
    open_image(&img);
    size_t count = image_parts(&img, parts);
    parts[1].sha256[31] ^= 1;
    forge(&img, parts, count);
    image_close(&img);
    open_image(&img);
    assert_int_equal(image_whole(&img, &why), OK);
    assert_int_equal(image_trust_whole(&img, &why), ERR_CORRUPT);
    assert_non_null(strstr(why.text, "SHA-256 of its section sources"));
    image_close(&img);
    no_sign_with(key_path, ERR_CORRUPT, "SHA-256 of its section sources");
}

static void what_is_no_key_is_refused(void **state)
{
    (void)state;
    write_image(true);
    no_sign_with("/nowhere/k", ERR_NOTFOUND, "/nowhere/k");
    no_sign_with(folder, ERR_SYNTAX, folder);
    chmod(pub_path, 0600);
    no_sign_with(pub_path, ERR_SYNTAX, "not a private Ed25519 key");
    is_refused(img_path, ERR_SYNTAX, "not a public Ed25519 key");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_are_sha_256),
        cmocka_unit_test(a_private_key_is_its_owners),
        cmocka_unit_test(a_signed_image_is_its_signers),
        cmocka_unit_test(a_signature_is_replaced),
        cmocka_unit_test(a_forger_is_found_out),
        cmocka_unit_test(a_wrong_sha_256_is_damage),
        cmocka_unit_test(what_is_no_key_is_refused),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
