/*
 * response.c - the head of a reply, RFC 3875 section 6.
 *
 * Web servers differ in what they do with a bad head (some pass a bare CR, a
 * NUL or a wrong status on), so nothing questionable may leave this file.
 */
#include "cgi/response.h"

bool response_null_body(int status)
{
    /* Fetch, "null body status". */
    return status == 101 || status == 103 || status == 204 || status == 205 ||
           status == 304;
}

/* RFC 9110 section 15, RFC 6585, and the registry's other entries. */
static const struct {
    int status;
    const char *text;
} phrases[] = {
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {203, "Non-Authoritative Information"},
    {204, "No Content"},
    {205, "Reset Content"},
    {206, "Partial Content"},
    {207, "Multi-Status"},
    {208, "Already Reported"},
    {226, "IM Used"},
    {300, "Multiple Choices"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {305, "Use Proxy"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {402, "Payment Required"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {407, "Proxy Authentication Required"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {418, "I'm a teapot"},
    {421, "Misdirected Request"},
    {422, "Unprocessable Content"},
    {423, "Locked"},
    {424, "Failed Dependency"},
    {425, "Too Early"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {451, "Unavailable For Legal Reasons"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {506, "Variant Also Negotiates"},
    {507, "Insufficient Storage"},
    {508, "Loop Detected"},
    {511, "Network Authentication Required"},
};

const char *response_reason(int status)
{
    for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++)
        if (phrases[i].status == status)
            return phrases[i].text;
    return "";
}

static bool starts_fold(struct slice name, const char *prefix)
{
    struct slice p = slice_of(prefix);
    return name.n >= p.n && slice_ieq((struct slice){name.p, p.n}, p);
}

/* Fields by which some servers send a file or another URL instead. */
static bool sends_file(struct slice name)
{
    static const char *const prefixes[] = {
        "x-sendfile", "x-accel-", "x-lighttpd-send-", "x-litespeed-location"};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (starts_fold(name, prefixes[i]))
            return true;
    return false;
}

static bool dropped(struct slice name, int status,
                    const struct response_rules *rules)
{
    if (headers_hop_by_hop(name) || starts_fold(name, "proxy-") ||
        starts_fold(name, "x-cgi-") || slice_iis(name, "status"))
        return true;
    /* The length is said once, by us. */
    if (slice_iis(name, "content-length"))
        return true;
    /* CGI modules of Apache take a Location beside 200 as a redirection to
     * follow inside the server (RFC 3875 6.2.2). */
    if (slice_iis(name, "location") && status == 200)
        return true;
    return !rules->allow_sendfile && sends_file(name);
}

static enum err put_fields(int status, const struct headers *fields,
                           const struct response_rules *rules, struct buf *out,
                           struct why *why)
{
    bool typed = false;
    for (size_t i = 0; i < fields->count; i++) {
        struct slice name = fields->list[i].name;
        struct slice value = slice_trim(fields->list[i].value);
        /* Names and values are not repeated: they may forge a log line. */
        if (!headers_name_ok(name))
            return why_set(why, ERR_SYNTAX,
                           "response header %zu has a malformed name", i + 1);
        if (!headers_value_ok(value))
            return why_set(why, ERR_SYNTAX,
                           "response header \"%.*s\" has a control character "
                           "in its value",
                           (int)(name.n < 64 ? name.n : 64), name.p);
        if (dropped(name, status, rules))
            continue;
        if (slice_iis(name, "content-type")) {
            if (typed)
                return why_set(why, ERR_SYNTAX,
                               "the response has two Content-Type headers");
            typed = true;
        }
        buf_slice(out, name);
        buf_puts(out, ": ");
        buf_slice(out, value);
        buf_puts(out, "\r\n");
    }
    return OK;
}

static enum err put_head(int status, struct slice reason,
                         const struct headers *fields, uint64_t length,
                         bool head_request, const struct response_rules *rules,
                         struct buf *out, struct why *why)
{
    if (status < 200 || status > 599)
        return why_set(why, ERR_RANGE, "response status %d is not 200 to 599",
                       status);
    if (!headers_value_ok(reason))
        return why_set(why, ERR_SYNTAX,
                       "the response's status text has a control character");
    if (reason.n == 0)
        reason = slice_of(response_reason(status));
    /* RFC 3875 6.3.3 asks for a reason; some servers refuse none. */
    if (reason.n == 0)
        reason = SLICE("Unknown");
    buf_printf(out, "Status: %d ", status);
    buf_slice(out, reason);
    buf_puts(out, "\r\n");
    enum err e = put_fields(status, fields, rules, out, why);
    if (e != OK)
        return e;
    /* RFC 9110 8.6: none with 204; with HEAD what GET would have said, which
     * an absent body does not tell. */
    if (length != RESPONSE_LENGTH_UNKNOWN && !response_null_body(status) &&
        !(head_request && length == 0))
        buf_printf(out, "Content-Length: %llu\r\n", (unsigned long long)length);
    return buf_puts(out, "\r\n");
}

enum err response_head(int status, struct slice reason,
                       const struct headers *fields, uint64_t length,
                       bool head_request, const struct response_rules *rules,
                       struct buf *out, struct why *why)
{
    size_t before = out->n;
    enum err e =
        put_head(status, reason, fields, length, head_request, rules, out, why);
    if (e == OK && out->n - before > rules->max_bytes)
        e = ERR_TOOBIG;
    if (e == ERR_TOOBIG)
        why_set(why, e, "the response's header is over %zu bytes",
                rules->max_bytes);
    if (e != OK)
        out->n = before;
    return e;
}
