/*
 * ada_abi.h - the few functions of Ada's C interface that url.c calls.
 *
 * Ada parses URLs. Both supplies of V8 carry it, but libnode-dev has no
 * header for it; these declarations hold for Ada 2.7 to 3.
 */
#ifndef BIND_ADA_ABI_H
#define BIND_ADA_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ADA_OMITTED UINT32_MAX /* an offset of a part that is not there */

typedef void *ada_url; /* never NULL, also for what is not a URL */

typedef struct {
    const char *data; /* not NUL-terminated; dies at the next change */
    size_t length;
} ada_string;

/* Offsets into the href, in bytes; it is ASCII. */
typedef struct {
    uint32_t protocol_end;
    uint32_t username_end;
    uint32_t host_start;
    uint32_t host_end;
    uint32_t port; /* the number itself */
    uint32_t pathname_start;
    uint32_t search_start;
    uint32_t hash_start;
} ada_url_components;

/* The caller ends what these give with ada_free(). */
ada_url ada_parse(const char *input, size_t n);
ada_url ada_parse_with_base(const char *input, size_t n, const char *base,
                            size_t base_n);
void ada_free(ada_url url);

bool ada_can_parse(const char *input, size_t n);
bool ada_can_parse_with_base(const char *input, size_t n, const char *base,
                             size_t base_n);
bool ada_is_valid(ada_url url);

ada_string ada_get_href(ada_url url);
const ada_url_components *ada_get_components(ada_url url);
/* 0 http, 1 not special, 2 https, 3 ws, 4 ftp, 5 wss, 6 file */
uint8_t ada_get_scheme_type(ada_url url);

/* False when the value was refused. */
bool ada_set_protocol(ada_url url, const char *value, size_t n);
bool ada_set_username(ada_url url, const char *value, size_t n);
bool ada_set_password(ada_url url, const char *value, size_t n);
bool ada_set_host(ada_url url, const char *value, size_t n);
bool ada_set_hostname(ada_url url, const char *value, size_t n);
bool ada_set_port(ada_url url, const char *value, size_t n);
bool ada_set_pathname(ada_url url, const char *value, size_t n);
void ada_set_search(ada_url url, const char *value, size_t n);
void ada_set_hash(ada_url url, const char *value, size_t n);

typedef void *ada_url_search_params;
typedef void *ada_url_search_params_entries_iter;

typedef struct {
    ada_string key;
    ada_string value;
} ada_string_pair;

typedef struct {
    const char *data; /* the caller ends it with ada_free_owned_string() */
    size_t length;
} ada_owned_string;

/* One "?" in front of input is dropped. The bytes given back are decoded,
 * and need not be UTF-8. */
ada_url_search_params ada_parse_search_params(const char *input, size_t n);
void ada_free_search_params(ada_url_search_params params);
ada_url_search_params_entries_iter
ada_search_params_get_entries(ada_url_search_params params);
bool ada_search_params_entries_iter_has_next(
    ada_url_search_params_entries_iter iter);
ada_string_pair
ada_search_params_entries_iter_next(ada_url_search_params_entries_iter iter);
void ada_free_search_params_entries_iter(
    ada_url_search_params_entries_iter iter);
void ada_search_params_append(ada_url_search_params params, const char *key,
                              size_t key_n, const char *value, size_t value_n);
ada_owned_string ada_search_params_to_string(ada_url_search_params params);
void ada_free_owned_string(ada_owned_string owned);

#endif
