/*
 * fetch.c - the natives of js/fetch.js, and whose turn it is.
 */
#include "bind/fetch.h"

#include "base/log.h"
#include "bind/fetch_multi.h"
#include "bind/fetch_transfer.h"
#include "bind/host.h"
#include "cgi/headers.h"

#include <stdlib.h>

#define LOGGED 4 /* hosts named in one line */
#define ROUNDS 8 /* of a drive: others wait for the loop too */

/* ---- one realm's -------------------------------------------------------- */

void fetch_init(struct fetch *f, const struct fetch_rules *rules)
{
    *f = (struct fetch){.rules = rules};
    TAILQ_INIT(&f->all);
}

static void on_close(void *p)
{
    struct transfer *t = p;
    TAILQ_REMOVE(&t->fetch->all, t, link);
    transfer_free(t);
}

static const struct reskind transfer_kind = {"transfer", on_close};

void fetch_reset(struct host *h)
{
    struct fetch *f = &h->fetch;
    struct transfer *t;
    while ((t = TAILQ_FIRST(&f->all)) != NULL)
        restab_drop(&h->resources, t->id);
    fetch_init(f, f->rules);
}

/* One whose reply nobody reads gives its turn away: it may never end. */
static uint64_t moving(const struct fetch *f)
{
    const struct transfer *t;
    uint64_t n = 0;
    TAILQ_FOREACH(t, &f->all, link)
    if (transfer_moves(t))
        n++;
    return n;
}

static void start_some(struct fetch *f)
{
    uint64_t n = moving(f);
    struct transfer *t;
    TAILQ_FOREACH(t, &f->all, link)
    {
        if (t->state != TRANSFER_WAITING)
            continue;
        if (n >= f->rules->concurrent)
            return;
        transfer_start(t);
        n++;
    }
}

void fetch_drive(struct fetch *f)
{
    if (TAILQ_EMPTY(&f->all))
        return;
    start_some(f);
    for (int i = 0; i < ROUNDS && fetch_multi_drive(transfer_done); i++) {
        struct transfer *t;
        TAILQ_FOREACH(t, &f->all, link)
        transfer_hold(t);
    }
    start_some(f);
}

int32_t fetch_news(struct fetch *f)
{
    struct transfer *t;
    TAILQ_FOREACH(t, &f->all, link)
    {
        if (!t->news)
            continue;
        t->news = false;
        /* behind the others, who would never be heard */
        TAILQ_REMOVE(&f->all, t, link);
        TAILQ_INSERT_TAIL(&f->all, t, link);
        return t->id;
    }
    return 0;
}

static bool has_news(const struct fetch *f)
{
    const struct transfer *t;
    TAILQ_FOREACH(t, &f->all, link)
    if (t->news)
        return true;
    return false;
}

bool fetch_pending(const struct fetch *f)
{
    const struct transfer *t;
    bool waits = false;
    TAILQ_FOREACH(t, &f->all, link)
    {
        if (t->news || transfer_moves(t))
            return true;
        waits = waits || t->state == TRANSFER_WAITING;
    }
    return waits;
}

int fetch_fd(const struct fetch *f)
{
    return TAILQ_EMPTY(&f->all) ? -1 : fetch_multi_fd();
}

uint64_t fetch_wake(const struct fetch *f)
{
    if (has_news(f))
        return 1; /* long ago */
    return TAILQ_EMPTY(&f->all) ? 0 : fetch_multi_wake();
}

/* Hosts only: the rest of a URL is the script's, and may be secret. */
void fetch_log(const struct fetch *f)
{
    const struct transfer *t;
    struct buf line;
    unsigned n = 0;
    buf_init(&line, 4096);
    TAILQ_FOREACH(t, &f->all, link)
    {
        if (t->state != TRANSFER_WAITING && t->state != TRANSFER_MOVING)
            continue;
        if (n++ < LOGGED)
            buf_printf(&line, "%s%s (waits for %s)", n > 1 ? ", " : "", t->host,
                       transfer_waits_for(t));
    }
    if (n > LOGGED)
        buf_printf(&line, " and %u more", n - LOGGED);
    if (n > 0)
        log_warn("fetches in progress: %s", buf_str(&line));
    buf_free(&line);
}

/* ---- natives ------------------------------------------------------------ */

/* Wider than headers_value_ok(): Fetch allows other control characters. */
static bool is_value(struct slice s)
{
    return slice_find(s, '\r') == s.n && slice_find(s, '\n') == s.n &&
           slice_find(s, '\0') == s.n;
}

/* Fields that say where a message ends and whose it is are libcurl's: said
 * twice they would be a way into a connection that is used again. */
static bool is_ours(struct slice name)
{
    static const char *const ours[] = {"connection",    "content-length",
                                       "expect",        "host",
                                       "keep-alive",    "te",
                                       "trailer",       "transfer-encoding",
                                       "upgrade",       "proxy-connection",
                                       "http2-settings"};
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        if (slice_iis(name, ours[i]))
            return true;
    return false;
}

/* One line; libcurl writes a field without a value as "name;". */
static bool add_field(struct transfer_ask *ask, struct buf *line,
                      struct slice name, struct slice value)
{
    buf_clear(line);
    buf_slice(line, name);
    buf_puts(line, value.n > 0 ? ": " : ";");
    buf_slice(line, value);
    if (line->err != OK)
        return false;
    struct curl_slist *fields =
        libcurl_get()->curl_slist_append(ask->fields, buf_str(line));
    must(fields != NULL);
    ask->fields = fields;
    return true;
}

static bool take_fields(struct call *c, int i, struct transfer_ask *ask)
{
    uint32_t n = arg_list_count(c, i) / 2;
    size_t all = 0;
    struct buf line;
    bool good = true;
    buf_init(&line, TRANSFER_HEAD_MAX);
    for (uint32_t k = 0; good && k < n; k++) {
        struct slice name = arg_list_latin1(c, i, 2 * k);
        struct slice value = slice_trim(arg_list_latin1(c, i, 2 * k + 1));
        good = headers_name_ok(name) && is_value(value) && !is_ours(name);
        if (!good) {
            throw_type(c, "the field %.*s cannot be sent",
                       (int)(name.n < 64 ? name.n : 64), name.p);
            break;
        }
        ask->encoding |= slice_iis(name, "accept-encoding");
        ask->typed |= slice_iis(name, "content-type");
        all += name.n + value.n;
        good = all <= TRANSFER_HEAD_MAX && add_field(ask, &line, name, value);
        if (!good)
            throw_type(c, "the fields are larger than %u bytes",
                       TRANSFER_HEAD_MAX);
    }
    buf_free(&line);
    return good;
}

/* Undefined, bytes, or the length of a stream, which is below 0 unknown. */
static bool take_body(struct call *c, int i, struct transfer_ask *ask)
{
    ask->length = UINT64_MAX;
    if (arg_is_undefined(c, i))
        return true;
    if (!arg_is_number(c, i)) {
        ask->body = UP_BYTES;
        ask->bytes = arg_bytes(c, i);
        return true;
    }
    double length = arg_num(c, i);
    ask->body = UP_STREAM;
    if (length >= 0 && length < 9007199254740992.0)
        ask->length = (uint64_t)length;
    return true;
}

/* Is this realm allowed one more? Throws when not. */
static bool may_start(struct call *c, const struct fetch *f)
{
    struct why why;
    if (f->rules == NULL)
        throw_type(c, "fetch is not possible here");
    else if (f->over)
        throw_type(c, "the request is over");
    else if (f->count >= f->rules->max)
        throw_type(c, "a request may make no more than %llu (fetch_max)",
                   (unsigned long long)f->rules->max);
    else if (fetch_multi_open(&why) != OK)
        throw_type(c, "%s", why.text);
    else
        return true;
    return false;
}

/* fetchStart(method, url, fields, body): a number. */
static void fetch_start(struct call *c)
{
    struct host *host = call_host(c);
    struct fetch *f = &host->fetch;
    struct transfer_ask ask = {.method = arg_latin1(c, 0),
                               .url = arg_latin1(c, 1)};
    struct transfer *t = NULL;
    struct why why = {.text = ""};
    if (!may_start(c, f))
        return;
    if (!headers_name_ok(ask.method) || !is_value(ask.url)) {
        throw_type(c, "the method or the URL is malformed");
        return;
    }
    if (!take_fields(c, 2, &ask) || !take_body(c, 3, &ask)) {
        libcurl_get()->curl_slist_free_all(ask.fields);
        return;
    }
    if (transfer_new(f, &ask, &t, &why) != OK) {
        throw_type(c, "%s", why.text);
        return;
    }
    TAILQ_INSERT_TAIL(&f->all, t, link);
    t->id = restab_add(&host->resources, &transfer_kind, t);
    if (t->id == 0) {
        throw_type(c, "too many things are held");
        return;
    }
    f->count++;
    ret_int(c, t->id);
}

/* Throws when there is none of that number. */
static struct transfer *transfer_of(struct call *c)
{
    struct host *host = call_host(c);
    struct transfer *t =
        restab_get(&host->resources, &transfer_kind, arg_int(c, 0));
    if (t == NULL)
        throw_type(c, "the fetch was ended");
    return t;
}

/* fetchWrite(id, bytes): false, and news when there is room again. */
static void fetch_write(struct call *c)
{
    struct transfer *t = transfer_of(c);
    if (t == NULL)
        return;
    struct slice bytes = arg_bytes(c, 1);
    if (t->state == TRANSFER_FAILED)
        throw_type(c, "%s", t->why.text);
    else if (t->state == TRANSFER_DONE)
        throw_type(c, "the server wants no more of the body");
    else if (t->body != UP_STREAM || t->up_ended)
        throw_type(c, "no body is wanted");
    else if (bytes.n > t->promised - t->given)
        throw_type(c, "the body is longer than its %llu bytes",
                   (unsigned long long)t->promised);
    else
        ret_bool(c, transfer_write(t, bytes));
}

static void fetch_write_end(struct call *c)
{
    struct transfer *t = transfer_of(c);
    if (t != NULL && t->easy != NULL && t->body == UP_STREAM)
        transfer_write_end(t);
}

static struct slice next_line(struct slice *rest)
{
    size_t n = slice_find(*rest, '\n');
    struct slice line = {rest->p, n};
    *rest = slice_from(*rest, n + 1);
    return line;
}

/* Fields after the status line; what is none is left out. */
static void list_fields(struct call *c, struct slice rest)
{
    while (rest.n > 0) {
        struct slice line = next_line(&rest);
        size_t colon = slice_find(line, ':');
        struct slice name = {line.p, colon};
        if (colon == line.n || !headers_name_ok(name))
            continue;
        list_latin1(c, name);
        list_latin1(c, slice_trim(slice_from(line, colon + 1)));
    }
}

/* fetchHead(id): undefined, or [status, reason, name, value, ...]. */
static void fetch_head(struct call *c)
{
    struct transfer *t = transfer_of(c);
    if (t == NULL)
        return;
    if (t->status == 0) {
        if (t->state == TRANSFER_FAILED)
            throw_type(c, "%s", t->why.text);
        return;
    }
    struct slice rest = buf_view(&t->head);
    struct slice line = next_line(&rest); /* HTTP/1.1 200 OK */
    line = slice_from(line, slice_find(line, ' ') + 1);
    ret_list(c);
    list_num(c, t->status);
    list_latin1(c, slice_trim(slice_from(line, slice_find(line, ' ') + 1)));
    list_fields(c, rest);
}

/* fetchRead(id): bytes, undefined (news will come), or null at the end. */
static void fetch_read(struct call *c)
{
    struct transfer *t = transfer_of(c);
    if (t == NULL || t->status == 0)
        return;
    if (t->down.n > 0) {
        struct buf b = t->down;
        buf_init(&t->down, b.max);
        char *fit = realloc(b.p, b.n);
        ret_bytes_take(c, fit != NULL ? fit : b.p, b.n);
        transfer_read_on(t);
    } else if (t->state == TRANSFER_FAILED) {
        throw_type(c, "%s", t->why.text);
    } else if (t->state == TRANSFER_DONE) {
        ret_null(c);
    }
}

static void fetch_stop(struct call *c)
{
    struct host *host = call_host(c);
    if (transfer_of(c) != NULL)
        restab_drop(&host->resources, arg_int(c, 0));
}

const struct native fetch_natives[] = {{"fetchStart", 4, fetch_start},
                                       {"fetchWrite", 2, fetch_write},
                                       {"fetchWriteEnd", 1, fetch_write_end},
                                       {"fetchHead", 1, fetch_head},
                                       {"fetchRead", 1, fetch_read},
                                       {"fetchStop", 1, fetch_stop},
                                       {NULL, 0, NULL}};
