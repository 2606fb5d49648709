/*
 * crypto_key.c - natives that make, read and give out keys.
 *
 * null is "no such key" or "cannot be done"; js/ then says which DOMException
 * that is.
 */
#include "bind/crypto_key.h"
#include "bind/host.h"
#include "bind/libcrypto.h"

#include <string.h>

static void key_close(void *p)
{
    key_free(p);
}

static const struct reskind kind = {"key", key_close};

struct key *key_arg(struct call *c, int i)
{
    struct host *host = call_host(c);
    if (!libcrypto_need(c))
        return NULL;
    struct key *k = restab_get(&host->resources, &kind, arg_int(c, i));
    if (k == NULL)
        throw_type(c, "argument %d is not the number of a key", i + 1);
    return k;
}

struct key *key_arg_secret(struct call *c, int i)
{
    struct key *k = key_arg(c, i);
    if (k == NULL || k->type == KEY_SECRET)
        return k;
    throw_type(c, "argument %d is not a secret key", i + 1);
    return NULL;
}

static int32_t number(struct call *c, struct key *k)
{
    struct host *host = call_host(c);
    int32_t id = restab_add(&host->resources, &kind, k);
    if (id == 0)
        throw_error(c, "more than %d resources are in use", RESTAB_MAX);
    return id;
}

void ret_key(struct call *c, struct key *k)
{
    if (k == NULL) {
        ret_null(c);
        return;
    }
    int32_t id = number(c, k);
    if (id != 0)
        ret_int(c, id);
}

/* (type, curve) of arguments 0 and 1; false when it threw. */
static bool want_args(struct call *c, struct key_want *want)
{
    struct slice type = arg_utf8(c, 0);
    if (!libcrypto_need(c))
        return false;
    *want = (struct key_want){0};
    if (!key_type_of(type, &want->type)) {
        throw_type(c, "there is no key type %.*s", (int)type.n, type.p);
        return false;
    }
    if (want->type != KEY_EC)
        return true;
    want->curve = key_curve_of(arg_utf8(c, 1));
    if (want->curve == NULL)
        throw_type(c, "there is no such curve");
    return want->curve != NULL;
}

/* (bytes) -> id, or null when there are too many */
static void secret(struct call *c)
{
    struct slice bytes = arg_bytes(c, 0);
    if (libcrypto_need(c))
        ret_key(c, key_new_secret(bytes));
}

/* (id of a secret) -> its bytes */
static void bytes(struct call *c)
{
    struct key *k = key_arg_secret(c, 0);
    if (k != NULL)
        ret_bytes(c, key_secret(k));
}

/* (id) -> another id of that key */
static void share(struct call *c)
{
    struct key *k = key_arg(c, 0);
    if (k != NULL)
        ret_key(c, key_share(k));
}

/*
 * (type, modulus bits or curve, exponent bytes or undefined) -> [private id,
 * public id] or null
 */
static void generate(struct call *c)
{
    struct key_want want;
    struct slice exponent = {NULL, 0};
    struct key *private, *public;
    struct host *host = call_host(c);
    int32_t bits = 0, ids[2];
    if (!want_args(c, &want))
        return;
    if (want.type == KEY_RSA) {
        double d = arg_num(c, 1);
        bits = d > 0 && d <= KEY_RSA_MAKE_MAX ? (int32_t)d : 0;
        exponent = arg_bytes(c, 2);
    }
    if (key_generate(&want, bits, exponent, host->deadline, &private,
                     &public) != OK) {
        ret_null(c);
        return;
    }
    ids[0] = number(c, private);
    if (ids[0] == 0) {
        key_free(public);
        return;
    }
    ids[1] = number(c, public);
    if (ids[1] == 0) {
        restab_drop(&host->resources, ids[0]);
        return;
    }
    ret_list(c);
    list_num(c, ids[0]);
    list_num(c, ids[1]);
}

/* (type, curve, whether private, bytes) -> id or null */
static void import_der(struct call *c)
{
    struct key_want want;
    if (!want_args(c, &want))
        return;
    want.private = arg_bool(c, 2);
    ret_key(c, key_from_der(&want, arg_bytes(c, 3)));
}

/* (type, curve, bytes) -> id or null */
static void import_raw(struct call *c)
{
    struct key_want want;
    if (want_args(c, &want))
        ret_key(c, key_from_raw(&want, arg_bytes(c, 2)));
}

/* (type, curve, whether private, bytes of a part, ...) -> id or null */
static void import_parts(struct call *c)
{
    struct key_want want;
    struct key_parts from = {.count = 0};
    if (!want_args(c, &want))
        return;
    want.private = arg_bool(c, 2);
    while (from.count < KEY_PARTS && !arg_is_undefined(c, 3 + from.count)) {
        from.part[from.count] = arg_bytes(c, 3 + from.count);
        from.count++;
    }
    ret_key(c, key_from_parts(&want, &from));
}

/* (id) -> SubjectPublicKeyInfo of a public, PrivateKeyInfo of a private key */
static void export_der(struct call *c)
{
    size_t n;
    struct key *k = key_arg(c, 0);
    if (k == NULL)
        return;
    unsigned char *der = key_to_der(k, &n);
    if (der == NULL) {
        ret_null(c);
        return;
    }
    ret_bytes(c, (struct slice){(char *)der, n});
    key_wipe(der, n);
}

/* (id of a public key) -> its point or bytes, or null */
static void export_raw(struct call *c)
{
    struct key_parts parts;
    struct key *k = key_arg(c, 0);
    if (k == NULL)
        return;
    if (k->private || k->type == KEY_RSA || !key_to_parts(k, &parts)) {
        ret_null(c);
        return;
    }
    if (k->type != KEY_EC) {
        ret_bytes(c, parts.part[0]);
        return;
    }
    /* SEC 1 section 2.3.3, uncompressed: 4, x, y. */
    char point[1 + 2 * KEY_COORDINATE_MAX] = {4};
    size_t width = k->curve->width;
    memcpy(point + 1, parts.part[0].p, width);
    memcpy(point + 1 + width, parts.part[1].p, width);
    ret_bytes(c, (struct slice){point, 1 + 2 * width});
}

/* (id) -> list of Uint8Array in the order of struct key_parts, or null */
static void parts(struct call *c)
{
    struct key_parts parts;
    struct key *k = key_arg(c, 0);
    if (k == NULL)
        return;
    if (key_to_parts(k, &parts)) {
        ret_list(c);
        for (int i = 0; i < parts.count; i++)
            list_bytes(c, parts.part[i]);
    } else {
        ret_null(c);
    }
    key_parts_wipe(&parts);
}

/* (id) -> [type, curve or "", bits, public exponent's bytes] */
static void info(struct call *c)
{
    struct key_parts parts = {.count = 0};
    struct key *k = key_arg(c, 0);
    if (k == NULL)
        return;
    ret_list(c);
    list_utf8(c, slice_of(key_type_name(k->type)));
    list_utf8(c, slice_of(k->curve == NULL ? "" : k->curve->name));
    list_num(c, k->pkey == NULL ? (double)k->n * 8
                                : crypto.EVP_PKEY_get_bits(k->pkey));
    if (k->type != KEY_RSA || !key_to_parts(k, &parts))
        parts.part[1] = (struct slice){NULL, 0};
    list_bytes(c, parts.part[1]);
    key_parts_wipe(&parts);
}

const struct native crypto_key_natives[] = {
    {"keyBytes", 1, bytes},          {"keyExportDer", 1, export_der},
    {"keyExportRaw", 1, export_raw}, {"keyGenerate", 2, generate},
    {"keyImportDer", 4, import_der}, {"keyImportParts", 4, import_parts},
    {"keyImportRaw", 3, import_raw}, {"keyInfo", 1, info},
    {"keyParts", 1, parts},          {"keySecret", 1, secret},
    {"keyShare", 1, share},          {NULL, 0, NULL},
};
