/* libcurl.c - opens it once. */
#include "bind/libcurl.h"

#define FILE_NAME "libcurl.so.4"
/* CURLOPT_PROTOCOLS_STR, CURLOPT_QUICK_EXIT. */
#define OLDEST 0x075700
#define OLDEST_TEXT "7.87"

static struct libcurl self;
static enum { CLOSED, OPEN, BROKEN } state;
static struct why failure;

static bool start(struct why *why)
{
    static const char *const names[] = {LIBCURL_FUNCTIONS(LIBRARY_NAME) NULL};
    if (library_open(FILE_NAME, names, &self, why) != OK)
        return false;
    const curl_version_info_data *v = self.curl_version_info(CURLVERSION_NOW);
    if (v->version_num < OLDEST) {
        why_set(why, ERR_FAIL, "%s is %s and must be " OLDEST_TEXT " or later",
                FILE_NAME, v->version);
        return false;
    }
    CURLcode code = self.curl_global_init(CURL_GLOBAL_DEFAULT);
    if (code == CURLE_OK)
        return true;
    why_set(why, ERR_FAIL, "%s cannot start: %s", FILE_NAME,
            self.curl_easy_strerror(code));
    return false;
}

const struct libcurl *libcurl_open(struct why *why)
{
    if (state == CLOSED)
        state = start(&failure) ? OPEN : BROKEN;
    if (state == OPEN)
        return &self;
    *why = failure;
    return NULL;
}

const struct libcurl *libcurl_get(void)
{
    must(state == OPEN);
    return &self;
}
