/*
 * libcurl.h - the functions of libcurl, opened at the first fetch.
 */
#ifndef BIND_LIBCURL_H
#define BIND_LIBCURL_H

#include "base/err.h"

/* Its checks of types are macros, which would stand before our pointers. */
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

#include "base/library.h"

#define LIBCURL_FUNCTIONS(F)                                                   \
    F(curl_easy_cleanup)                                                       \
    F(curl_easy_getinfo)                                                       \
    F(curl_easy_init)                                                          \
    F(curl_easy_pause)                                                         \
    F(curl_easy_setopt)                                                        \
    F(curl_easy_strerror)                                                      \
    F(curl_free)                                                               \
    F(curl_global_init)                                                        \
    F(curl_multi_add_handle)                                                   \
    F(curl_multi_assign)                                                       \
    F(curl_multi_info_read)                                                    \
    F(curl_multi_init)                                                         \
    F(curl_multi_remove_handle)                                                \
    F(curl_multi_setopt)                                                       \
    F(curl_multi_socket_action)                                                \
    F(curl_slist_append)                                                       \
    F(curl_slist_free_all)                                                     \
    F(curl_url)                                                                \
    F(curl_url_cleanup)                                                        \
    F(curl_url_get)                                                            \
    F(curl_url_set)                                                            \
    F(curl_version_info)

struct libcurl {
    LIBCURL_FUNCTIONS(LIBRARY_MEMBER)
};

/*
 * Opens and starts it, once; NULL with the why when that fails, which it
 * then does for the rest of the process.
 */
const struct libcurl *libcurl_open(struct why *why);
/* What libcurl_open() gave; it must have been called. */
const struct libcurl *libcurl_get(void);

#endif
