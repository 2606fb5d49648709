/*
 * fetch_ask.c - from what a script asks for to an easy handle that says it.
 */
#include "bind/fetch_transfer.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct setting {
    CURLoption option;
    long value;
};

static const struct setting settings[] = {
    {CURLOPT_NOSIGNAL, 1},
    {CURLOPT_QUICK_EXIT, 1}, /* or its end waits for a name server */
    {CURLOPT_FOLLOWLOCATION, 0},
    {CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS},
    {CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
    {CURLOPT_SSL_VERIFYPEER, 1},
    {CURLOPT_SSL_VERIFYHOST, 2},
    {CURLOPT_NETRC, CURL_NETRC_IGNORED},
};

/*
 * The roots are those libcurl was built for, or the file that OpenSSL's own
 * variable names. libcurl keeps them parsed only without a folder of them,
 * and parsing takes longer than all else a connection needs.
 */
static CURLcode set_roots(struct transfer *t)
{
    const struct libcurl *curl = libcurl_get();
    const char *file = getenv("SSL_CERT_FILE");
    const char *own = curl->curl_version_info(CURLVERSION_NOW)->cainfo;
    CURLcode e = CURLE_OK;
    if (!t->secure)
        return CURLE_OK;
    if (file != NULL && file[0] != '\0')
        e = curl->curl_easy_setopt(t->easy, CURLOPT_CAINFO, file);
    else if (own == NULL || access(own, R_OK) != 0)
        return CURLE_OK;
    if (e == CURLE_OK)
        e = curl->curl_easy_setopt(t->easy, CURLOPT_CAPATH, NULL);
    return e;
}

static CURLcode set_body(struct transfer *t)
{
    const struct libcurl *curl = libcurl_get();
    CURL *h = t->easy;
    CURLcode e = CURLE_OK;
    if (t->body == UP_NONE && strcmp(t->method, "HEAD") == 0)
        return curl->curl_easy_setopt(h, CURLOPT_NOBODY, 1L);
    if (t->body == UP_BYTES) {
        e = curl->curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE_LARGE,
                                   (curl_off_t)t->up.n);
        if (e == CURLE_OK)
            e = curl->curl_easy_setopt(h, CURLOPT_POSTFIELDS, buf_str(&t->up));
    } else if (t->body == UP_STREAM) {
        e = curl->curl_easy_setopt(h, CURLOPT_UPLOAD, 1L);
        if (e == CURLE_OK && t->promised != UINT64_MAX)
            e = curl->curl_easy_setopt(h, CURLOPT_INFILESIZE_LARGE,
                                       (curl_off_t)t->promised);
    }
    if (e == CURLE_OK && strcmp(t->method, "GET") != 0)
        e = curl->curl_easy_setopt(h, CURLOPT_CUSTOMREQUEST, t->method);
    return e;
}

static CURLcode set_all(struct transfer *t)
{
    const struct libcurl *curl = libcurl_get();
    CURL *h = t->easy;
    CURLcode e = CURLE_OK;
    const struct {
        CURLoption option;
        const void *value;
    } texts[] = {
        {CURLOPT_CURLU, t->url},
        {CURLOPT_PROTOCOLS_STR, "http,https"},
        {CURLOPT_PROXY, ""}, /* whatever the environment says */
        {CURLOPT_HTTPHEADER, t->fields},
        {CURLOPT_ERRORBUFFER, t->words},
        {CURLOPT_PRIVATE, t},
    };
    for (size_t i = 0;
         e == CURLE_OK && i < sizeof(settings) / sizeof(settings[0]); i++)
        e = curl->curl_easy_setopt(h, settings[i].option, settings[i].value);
    for (size_t i = 0; e == CURLE_OK && i < sizeof(texts) / sizeof(texts[0]);
         i++)
        e = curl->curl_easy_setopt(h, texts[i].option, texts[i].value);
    if (e == CURLE_OK)
        e = curl->curl_easy_setopt(
            h, CURLOPT_CONNECTTIMEOUT_MS,
            (long)(t->fetch->rules->timeout / NS_PER_MS));
    if (e == CURLE_OK && t->decode)
        e = curl->curl_easy_setopt(h, CURLOPT_ACCEPT_ENCODING,
                                   transfer_decodes(SLICE("br"))
                                       ? "gzip, deflate, br"
                                       : "gzip, deflate");
    if (e == CURLE_OK)
        e = transfer_set_callbacks(t);
    if (e == CURLE_OK)
        e = set_roots(t);
    return e == CURLE_OK ? set_body(t) : e;
}

/* What libcurl says of it is what it will do: one parser, and no other. */
static enum err read_url(struct transfer *t, struct slice url, struct why *why)
{
    const struct libcurl *curl = libcurl_get();
    char *text = xstrndup(url.p, url.n), *host = NULL, *port = NULL;
    enum err e = ERR_SYNTAX;
    uint64_t number = 0;
    t->url = curl->curl_url();
    must(t->url != NULL);
    if ((!slice_starts(url, "http://") && !slice_starts(url, "https://")) ||
        curl->curl_url_set(t->url, CURLUPART_URL, text, CURLU_PATH_AS_IS) !=
            CURLUE_OK ||
        curl->curl_url_set(t->url, CURLUPART_USER, NULL, 0) != CURLUE_OK ||
        curl->curl_url_set(t->url, CURLUPART_PASSWORD, NULL, 0) != CURLUE_OK ||
        curl->curl_url_get(t->url, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
        curl->curl_url_get(t->url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) !=
            CURLUE_OK ||
        !slice_u64(slice_of(port), UINT16_MAX, &number)) {
        why_set(why, ERR_SYNTAX, "the URL is not one that can be fetched");
        goto out;
    }
    t->secure = slice_starts(url, "https:");
    t->host = xstrdup(host);
    t->target = (struct fetch_host){.name = slice_of(t->host),
                                    .port = (uint16_t)number};
    e = OK;
out:
    curl->curl_free(host);
    curl->curl_free(port);
    free(text);
    return e;
}

/* Lines that end what libcurl would add by itself. */
static void add_field(struct transfer *t, const char *line)
{
    t->fields = libcurl_get()->curl_slist_append(t->fields, line);
    must(t->fields != NULL);
}

enum err transfer_new(struct fetch *f, const struct transfer_ask *ask,
                      struct transfer **out, struct why *why)
{
    struct transfer *t = xalloc(sizeof(*t));
    t->fetch = f;
    t->fields = ask->fields;
    t->body = ask->body;
    t->promised = ask->length;
    t->decode = !ask->encoding;
    t->method = xstrndup(ask->method.p, ask->method.n);
    buf_init(&t->head, TRANSFER_HEAD_MAX);
    buf_init(&t->down, (size_t)f->rules->max_bytes);
    buf_init(&t->up, SIZE_MAX - 1);
    t->easy = libcurl_get()->curl_easy_init();
    enum err e = ERR_NOMEM;
    if (t->easy == NULL || buf_slice(&t->up, ask->bytes) != OK)
        why_set(why, e, "no memory for it");
    else if ((e = read_url(t, ask->url, why)) == OK)
        e = fetch_policy_host(f->rules, &t->target, why);
    if (e == OK) {
        add_field(t, "Expect:");
        if (!ask->typed)
            add_field(t, "Content-Type:");
        CURLcode code = set_all(t);
        if (code != CURLE_OK)
            e = why_set(why, ERR_FAIL, "libcurl refuses it: %s",
                        libcurl_get()->curl_easy_strerror(code));
    }
    if (e != OK) {
        transfer_free(t);
        t = NULL;
    }
    *out = t;
    return e;
}
