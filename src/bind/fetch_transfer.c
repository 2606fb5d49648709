/*
 * fetch_transfer.c - one easy handle in progress: its callbacks, its end.
 *
 * The callbacks run inside fetch_multi_drive() and curl_easy_pause(); none
 * calls JavaScript.
 */
#include "bind/fetch_transfer.h"

#include "base/clock.h"
#include "bind/fetch_multi.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* ---- its end ------------------------------------------------------------ */

static void let_go(struct transfer *t)
{
    const struct libcurl *curl = libcurl_get();
    if (t->easy != NULL) {
        fetch_multi_remove(t->easy);
        curl->curl_easy_cleanup(t->easy);
    }
    curl->curl_slist_free_all(t->fields);
    curl->curl_url_cleanup(t->url);
    t->easy = NULL;
    t->fields = NULL;
    t->url = NULL;
    buf_free(&t->up);
}

void transfer_free(struct transfer *t)
{
    let_go(t);
    buf_free(&t->head);
    buf_free(&t->down);
    free(t->method);
    free(t->host);
    free(t);
}

#define fail(t, ...)                                                           \
    do {                                                                       \
        if ((t)->why.text[0] == '\0')                                          \
            why_set(&(t)->why, ERR_FAIL, __VA_ARGS__);                         \
    } while (0)

static void over(struct transfer *t, enum transfer_state state)
{
    let_go(t);
    t->state = state;
    t->news = true;
}

static void say_not_connected(struct transfer *t)
{
    long number = 0;
    libcurl_get()->curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &number);
    if (!t->tried && t->refused.text[0] != '\0')
        fail(t, "%s", t->refused.text);
    else
        fail(t, "no connection: %s",
             number != 0 ? strerror((int)number) : "it cannot be made");
}

struct failure {
    CURLcode code;
    const char *text;
};

static const struct failure failures[] = {
    {CURLE_UNSUPPORTED_PROTOCOL, "the reply is not HTTP"},
    {CURLE_COULDNT_RESOLVE_HOST, "the name cannot be resolved"},
    {CURLE_WEIRD_SERVER_REPLY, "the reply is malformed"},
    {CURLE_PARTIAL_FILE, "the reply ended too early"},
    {CURLE_OUT_OF_MEMORY,
     "a line of the reply's head is too long, or memory is out"},
    {CURLE_GOT_NOTHING, "the connection was closed without a reply"},
    {CURLE_SEND_ERROR, "the connection broke"},
    {CURLE_RECV_ERROR, "the connection broke"},
    {CURLE_SEND_FAIL_REWIND,
     "the connection broke, and the body cannot be sent again"},
    {CURLE_BAD_CONTENT_ENCODING, "the reply's encoding is broken"},
    {CURLE_HTTP2, "the reply breaks HTTP/2"},
    {CURLE_HTTP2_STREAM, "the server ended the reply"},
};

static bool is_tls(CURLcode code)
{
    return code == CURLE_SSL_CONNECT_ERROR ||
           code == CURLE_PEER_FAILED_VERIFICATION ||
           code == CURLE_SSL_CACERT_BADFILE || code == CURLE_SSL_CERTPROBLEM ||
           code == CURLE_SSL_CIPHER || code == CURLE_SSL_ISSUER_ERROR;
}

static void say(struct transfer *t, CURLcode code)
{
    for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++)
        if (failures[i].code == code)
            fail(t, "%s", failures[i].text);
    if (code == CURLE_COULDNT_CONNECT)
        say_not_connected(t);
    if (code == CURLE_OPERATION_TIMEDOUT)
        fail(t, "no connection within %llu ms (fetch_timeout)",
             (unsigned long long)(t->fetch->rules->timeout / NS_PER_MS));
    const char *words = t->words[0] != '\0'
                            ? t->words
                            : libcurl_get()->curl_easy_strerror(code);
    fail(t, "%s%.400s", is_tls(code) ? "TLS: " : "", words);
}

/* A server may say no and hang up while it is still sent to. */
static bool reply_is_whole(const struct transfer *t)
{
    const struct libcurl *curl = libcurl_get();
    curl_off_t length = -1, got = 0;
    if (t->status == 0 || t->body != UP_STREAM || t->why.text[0] != '\0')
        return false;
    curl->curl_easy_getinfo(t->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T,
                            &length);
    curl->curl_easy_getinfo(t->easy, CURLINFO_SIZE_DOWNLOAD_T, &got);
    return length >= 0 && length == got;
}

void transfer_done(CURL *easy, CURLcode code)
{
    char *p = NULL;
    libcurl_get()->curl_easy_getinfo(easy, CURLINFO_PRIVATE, &p);
    struct transfer *t = (struct transfer *)(void *)p;
    if (code == CURLE_OK && t->status == 0)
        code = CURLE_WEIRD_SERVER_REPLY;
    /* libcurl forgets that a callback refused what was decoded. */
    bool whole = code == CURLE_OK && t->why.text[0] == '\0';
    if (whole || reply_is_whole(t)) {
        over(t, TRANSFER_DONE);
        return;
    }
    say(t, code);
    over(t, TRANSFER_FAILED);
}

/* ---- callbacks ---------------------------------------------------------- */

static void set_pauses(struct transfer *t)
{
    int bits = (t->down_paused ? CURLPAUSE_RECV : 0) |
               (t->up_paused ? CURLPAUSE_SEND : 0);
    libcurl_get()->curl_easy_pause(t->easy, bits);
}

static curl_socket_t on_open(void *arg, curlsocktype purpose,
                             struct curl_sockaddr *a)
{
    struct transfer *t = arg;
    struct why why;
    (void)purpose;
    if (fetch_policy_address(t->fetch->rules, &t->target, &a->addr, &why) ==
        OK) {
        t->tried = true;
        return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
    }
    if (t->refused.text[0] == '\0')
        t->refused = why;
    errno = EACCES;
    return CURL_SOCKET_BAD;
}

/* One line of the head is whole: the last of a final one ends it. */
static void end_head(struct transfer *t)
{
    struct slice line = buf_view(&t->head);
    uint64_t status = 0;
    line = slice_from(line, slice_find(line, ' ') + 1);
    line.n = line.n < 3 ? line.n : 3;
    if (!slice_u64(line, 999, &status) || status < 100)
        fail(t, "the reply is malformed");
    else if (status >= 200) /* the others come before the one that counts */
        t->status = (int)status;
    else
        return;
    t->news = true;
}

bool transfer_decodes(struct slice name)
{
    int has = libcurl_get()->curl_version_info(CURLVERSION_NOW)->features;
    if (slice_iis(name, "br"))
        return (has & CURL_VERSION_BROTLI) != 0;
    if (slice_iis(name, "zstd"))
        return (has & CURL_VERSION_ZSTD) != 0;
    return slice_iis(name, "gzip") || slice_iis(name, "x-gzip") ||
           slice_iis(name, "deflate") || slice_iis(name, "identity");
}

/* Fetch 4.6 "handle content codings": bytes of one not known stay as they
 * are, where libcurl would refuse them. */
static void look_for_coding(struct transfer *t, struct slice line)
{
    size_t colon = slice_find(line, ':');
    if (!t->decode ||
        !slice_iis((struct slice){line.p, colon}, "content-encoding"))
        return;
    struct slice rest = slice_from(line, colon + 1);
    while (rest.n > 0) {
        size_t end = slice_find(rest, ',');
        if (!transfer_decodes(slice_trim((struct slice){rest.p, end})))
            libcurl_get()->curl_easy_setopt(t->easy,
                                            CURLOPT_HTTP_CONTENT_DECODING, 0L);
        rest = slice_from(rest, end + 1);
    }
}

static size_t on_head(char *p, size_t one, size_t n, void *arg)
{
    struct transfer *t = arg;
    struct slice line = {p, one * n};
    t->head_bytes += line.n;
    if (t->head_bytes > TRANSFER_HEAD_MAX) {
        fail(t, "the reply's head is larger than %u bytes", TRANSFER_HEAD_MAX);
        return 0;
    }
    if (t->status != 0) /* trailers */
        return n;
    while (line.n > 0 &&
           (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r'))
        line.n--;
    if (slice_starts(line, "HTTP/"))
        buf_clear(&t->head);
    if (line.n == 0)
        end_head(t);
    look_for_coding(t, line);
    if (slice_find(line, '\r') < line.n || slice_find(line, '\0') < line.n)
        fail(t, "the reply is malformed");
    buf_slice(&t->head, line);
    if (buf_putc(&t->head, '\n') != OK)
        fail(t, "no memory for the reply");
    return t->why.text[0] == '\0' ? n : 0;
}

/*
 * What was decoded of one piece is taken in whole, past the mark, and paused
 * only then (transfer_hold): libcurl would keep the rest without a limit that
 * is ours.
 */
static size_t on_body(char *p, size_t one, size_t n, void *arg)
{
    struct transfer *t = arg;
    struct fetch *f = t->fetch;
    n *= one;
    f->bytes += n;
    if (f->bytes > f->rules->max_bytes) {
        fail(t,
             "the replies to the request's fetches are larger than %llu bytes "
             "(fetch_max_bytes)",
             (unsigned long long)f->rules->max_bytes);
        return 0;
    }
    if (buf_put(&t->down, p, n) != OK) {
        fail(t, "no memory for the reply");
        return 0;
    }
    t->news = true;
    return n;
}

static size_t on_more(char *p, size_t one, size_t n, void *arg)
{
    struct transfer *t = arg;
    n *= one;
    n = n < t->up.n ? n : t->up.n;
    if (n == 0) {
        t->up_paused = !t->up_ended;
        return t->up_ended ? 0 : CURL_READFUNC_PAUSE;
    }
    memcpy(p, t->up.p, n);
    buf_skip(&t->up, n);
    t->up_sent = true;
    if (t->up_wanted && t->up.n < TRANSFER_UP_MAX / 2) {
        t->up_wanted = false;
        t->news = true;
    }
    return n;
}

/* A connection that was kept may be dead: then all is sent again, or not. */
static int on_rewind(void *arg, curl_off_t offset, int origin)
{
    struct transfer *t = arg;
    return offset == 0 && origin == SEEK_SET && !t->up_sent
               ? CURL_SEEKFUNC_OK
               : CURL_SEEKFUNC_FAIL;
}

CURLcode transfer_set_callbacks(struct transfer *t)
{
    const struct libcurl *curl = libcurl_get();
    const struct {
        CURLoption option;
        void (*fn)(void);
        CURLoption data;
    } all[] = {
        {CURLOPT_OPENSOCKETFUNCTION, (void (*)(void))on_open,
         CURLOPT_OPENSOCKETDATA},
        {CURLOPT_HEADERFUNCTION, (void (*)(void))on_head, CURLOPT_HEADERDATA},
        {CURLOPT_WRITEFUNCTION, (void (*)(void))on_body, CURLOPT_WRITEDATA},
        {CURLOPT_READFUNCTION, (void (*)(void))on_more, CURLOPT_READDATA},
        {CURLOPT_SEEKFUNCTION, (void (*)(void))on_rewind, CURLOPT_SEEKDATA},
    };
    CURLcode e = CURLE_OK;
    for (size_t i = 0; e == CURLE_OK && i < sizeof(all) / sizeof(all[0]); i++) {
        e = curl->curl_easy_setopt(t->easy, all[i].option, all[i].fn);
        if (e == CURLE_OK)
            e = curl->curl_easy_setopt(t->easy, all[i].data, t);
    }
    return e;
}

/* ---- in progress -------------------------------------------------------- */

void transfer_start(struct transfer *t)
{
    t->state = TRANSFER_MOVING;
    if (fetch_multi_add(t->easy) == OK)
        return;
    fail(t, "libcurl refuses it");
    over(t, TRANSFER_FAILED);
}

bool transfer_moves(const struct transfer *t)
{
    return t->state == TRANSFER_MOVING && !t->down_paused;
}

static void resume_up(struct transfer *t)
{
    if (!t->up_paused)
        return;
    t->up_paused = false;
    set_pauses(t);
}

bool transfer_write(struct transfer *t, struct slice bytes)
{
    t->given += bytes.n;
    if (buf_slice(&t->up, bytes) != OK) {
        fail(t, "no memory for the body");
        over(t, TRANSFER_FAILED);
        return false;
    }
    if (bytes.n > 0)
        resume_up(t);
    t->up_wanted = t->up.n >= TRANSFER_UP_MAX;
    return !t->up_wanted;
}

void transfer_write_end(struct transfer *t)
{
    t->up_ended = true;
    if (t->promised != UINT64_MAX && t->given < t->promised) {
        fail(t, "the body ended after %llu of %llu bytes",
             (unsigned long long)t->given, (unsigned long long)t->promised);
        over(t, TRANSFER_FAILED);
        return;
    }
    resume_up(t);
}

void transfer_hold(struct transfer *t)
{
    if (t->easy == NULL || t->down_paused || t->down.n < TRANSFER_DOWN_MAX)
        return;
    t->down_paused = true;
    set_pauses(t);
}

void transfer_read_on(struct transfer *t)
{
    if (t->easy == NULL || !t->down_paused || t->down.n >= TRANSFER_DOWN_MAX)
        return;
    t->down_paused = false;
    set_pauses(t);
}

const char *transfer_waits_for(const struct transfer *t)
{
    if (t->state == TRANSFER_WAITING)
        return "its turn";
    curl_off_t connected = 0;
    libcurl_get()->curl_easy_getinfo(t->easy, CURLINFO_PRETRANSFER_TIME_T,
                                     &connected);
    if (connected == 0)
        return "a connection";
    return t->status == 0 ? "the reply" : "the reply's body";
}
