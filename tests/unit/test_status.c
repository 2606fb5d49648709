/*
 * test_status.c - the status page in its four forms.
 *
 * `test_status page FILE` writes an HTML page of a busy and hostile pool, for
 * tests/super/status-html.t and for people.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "serve/status.h"

#include <stdio.h>
#include <unistd.h>

static struct board *boards[2];
static struct buf out;

static const struct slot_request hostile = {
    .duration = 12345678,
    .cpu = 6172839,
    .length = 17,
    .id = "0123abc",
    .method = "POST",
    .uri = "/<script>alert('1')</script>\"&\n/a?token=SECRET",
    .script = "/srv/a\"b.js",
    .user = "<b>me</b>\x9b\xff"};

/* A worker in slot i, in that state and with that request. */
static struct slot *worker(struct board *b, enum slot_state state,
                           const struct slot_request *r)
{
    struct slot *s = board_slot(b, (uint32_t)board_claim(b));
    s->pid = getpid();
    s->heap_used = 4u << 20;
    s->heap_total = 8u << 20;
    s->buffers = 100;
    slot_set(s, state);
    if (r != NULL) {
        slot_begin(s, r);
        slot_end(s, r->duration, r->cpu);
        slot_count(s, TALLY_REQUESTS);
    }
    return s;
}

static void fill(struct board *b)
{
    struct board_head *h = board_head(b);
    h->pm = PM_STATIC;
    h->max_children = 4;
    strcpy(h->listen, "/run/snapcgi/www.sock");
    strcpy(h->image, "9f31c2");
    h->queue = 3;
    h->max_queue = 40;
    h->queue_size = 1024;
    h->crashed = 2;
    h->tally[TALLY_REQUESTS] = 1234567;
    h->tally[TALLY_ERRORS] = 7;
    h->started -= 100 * NS_PER_S;
    atomic_store(&board_shed(b)->count, 11);
}

static int set_up(void **state)
{
    (void)state;
    buf_init(&out, 1 << 20);
    if (board_new("www", 6, &boards[0]) != OK ||
        board_new("api", 2, &boards[1]) != OK)
        return -1;
    fill(boards[0]);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    buf_free(&out);
    board_free(boards[0]);
    board_free(boards[1]);
    return 0;
}

static size_t render(const char *query, size_t count)
{
    struct status_query q = status_parse(slice_of(query));
    buf_clear(&out);
    size_t n = status_render(boards, count, &q, &out);
    assert_int_equal(out.err, OK);
    return n;
}

static void has(const char *text)
{
    if (strstr(buf_str(&out), text) == NULL)
        fail_msg("no \"%s\" in:\n%s", text, buf_str(&out));
}

static void lacks(const char *text)
{
    if (strstr(buf_str(&out), text) != NULL)
        fail_msg("\"%s\" in:\n%s", text, buf_str(&out));
}

static size_t times(const char *text)
{
    size_t n = 0;
    for (const char *p = buf_str(&out); (p = strstr(p, text)) != NULL; p++)
        n++;
    return n;
}

static void queries_are_read_and_unknown_words_ignored(void **state)
{
    (void)state;
    struct status_query q = status_parse(SLICE("json&full"));
    assert_int_equal(q.form, STATUS_JSON);
    assert_true(q.full);
    q = status_parse(SLICE("x=1&&html&pool=www&jsonx&fully"));
    assert_int_equal(q.form, STATUS_HTML);
    assert_false(q.full);
    assert_true(slice_is(q.pool, "www"));
    assert_int_equal(status_parse(SLICE("openmetrics")).form,
                     STATUS_OPENMETRICS);
    assert_int_equal(status_parse(SLICE("")).form, STATUS_TEXT);
}

static void text_has_the_names_of_php_fpm(void **state)
{
    (void)state;
    assert_int_equal(render("", 1), 1);
    has("pool:                 www\n");
    has("process manager:      static\n");
    has("start since:          100\n");
    has("accepted conn:        1234567\n");
    has("listen queue:         3\n");
    has("max listen queue:     40\n");
    has("listen queue len:     1024\n");
    has("max children reached: 0\n");
    has("slow requests:        0\n");
    has("shed:                 11\n");
    has(" +0000\n");
    lacks("****");
}

static void workers_are_counted_by_what_they_do(void **state)
{
    (void)state;
    worker(boards[0], SLOT_IDLE, &hostile);
    worker(boards[0], SLOT_RUNNING, NULL);
    worker(boards[0], SLOT_FINISHING, NULL);
    worker(boards[0], SLOT_STARTING, NULL);
    worker(boards[0], SLOT_STOPPING, NULL);
    render("", 1);
    has("idle processes:       1\n");
    has("active processes:     2\n");
    has("starting processes:   1\n");
    has("stopping processes:   1\n");
    has("total processes:      5\n");
    has("max active processes: 2\n");
    has("accepted conn:        1234568\n");
}

static void full_text_has_each_process(void **state)
{
    (void)state;
    char pid[64];
    worker(boards[0], SLOT_IDLE, &hostile);
    worker(boards[0], SLOT_RUNNING, NULL);
    render("full", 1);
    assert_int_equal(times("************************\n"), 2);
    snprintf(pid, sizeof pid, "pid:                  %d\n", (int)getpid());
    has(pid);
    has("state:                Idle\n");
    has("request duration:     12345\n");
    has("last request cpu:     50.00\n");
    has("last request memory:  4194404\n");
    has("request method:       POST\n");
    has("request method:       -\n");
    lacks("rss:                  0\n");
}

static void a_client_forges_no_line_of_the_text(void **state)
{
    (void)state;
    worker(boards[0], SLOT_IDLE, &hostile);
    render("full", 1);
    has("request uri:          /<script>alert('1')</script>\"&\\n/a?...\n");
    has("user:                 <b>me</b>\\x9b\\xff\n");
}

static void a_query_is_shown_in_no_form(void **state)
{
    (void)state;
    static const char *const forms[] = {"full", "json&full", "html&full",
                                        "openmetrics&full"};
    worker(boards[0], SLOT_IDLE, &hostile);
    for (size_t i = 0; i < 4; i++) {
        render(forms[i], 1);
        lacks("SECRET");
        lacks("token");
    }
}

static void a_query_at_the_end_of_a_full_text_is_cut_too(void **state)
{
    (void)state;
    struct slot_request r = {.duration = 1};
    memset(r.uri, 'a', sizeof r.uri - 1);
    for (size_t i = sizeof r.uri - 8; i < sizeof r.uri - 1; i++) {
        struct slot_request q = r;
        q.uri[i] = '?';
        memset(q.uri + i + 1, 'Z', sizeof q.uri - i - 2);
        worker(boards[0], SLOT_IDLE, &q);
        render("full", 1);
        lacks("Z");
        board_release(boards[0], 0);
    }
}

static void json_of_one_pool_is_flat(void **state)
{
    (void)state;
    render("json", 1);
    assert_memory_equal(buf_str(&out), "{\"pool\":\"www\",", 14);
    has("\"process manager\":\"static\"");
    has("\"accepted conn\":1234567");
    has("\"shed\":11");
    lacks("processes\":[");
    render("json&pool=www", 2);
    assert_memory_equal(buf_str(&out), "{\"pool\":\"www\",", 14);
}

static void json_of_several_pools_is_a_list(void **state)
{
    (void)state;
    assert_int_equal(render("json&full", 2), 2);
    assert_memory_equal(buf_str(&out), "{\"pools\":[{\"pool\":\"www\",", 24);
    has("\"processes\":[]},{\"pool\":\"api\"");
    has("\"processes\":[]}]}\n");
}

static void json_escapes_what_a_client_wrote(void **state)
{
    (void)state;
    worker(boards[0], SLOT_IDLE, &hostile);
    render("json&full", 1);
    has("\"request uri\":\"/<script>alert('1')</script>\\\"&\\n/a?...\"");
    has("\"script\":\"/srv/a\\\"b.js\"");
    has("\"user\":\"<b>me</b>\\ufffd\\ufffd\"");
    has("\"last request cpu\":50.00");
}

static void kept_state_is_shown_in_every_form(void **state)
{
    (void)state;
    struct board_head *h = board_head(boards[0]);
    render("", 1);
    has("state:                -\n");
    has("last save:            -\n");
    render("html", 2);
    lacks("Kept state");
    h->phase = BOARD_PAUSED;
    h->saved_at = 1700000000 * NS_PER_S;
    h->saved_bytes = 3u << 20;
    h->saved_in = 12345678;
    h->saves = 3;
    h->save_failures = 1;
    render("", 1);
    has("state:                paused\n");
    has("last save:            14/Nov/2023:22:13:20 +0000\n");
    has("last save duration:   12345\n");
    has("failed saves:         1\n");
    render("json", 1);
    has("\"state\":\"paused\",\"last save\":1700000000,"
        "\"last save size\":3145728,");
    render("html", 2);
    assert_int_equal(times("Kept state"), 1);
    has("3.0 MB");
    render("openmetrics", 2);
    has("# TYPE snapcgi_state stateset\n");
    has("snapcgi_state{pool=\"www\",snapcgi_state=\"paused\"} 1\n");
    has("snapcgi_state{pool=\"www\",snapcgi_state=\"running\"} 0\n");
    lacks("snapcgi_state{pool=\"api\"");
    has("snapcgi_state_saves_total{pool=\"www\"} 3\n");
    has("snapcgi_state_saved_time_seconds{pool=\"www\"} 1700000000.");
}

static void a_worker_that_saves_stops(void **state)
{
    (void)state;
    worker(boards[0], SLOT_SAVING, NULL);
    render("full", 1);
    has("stopping processes:   1\n");
    has("state:                Saving\n");
}

static void a_pool_that_is_not_there_is_told(void **state)
{
    (void)state;
    assert_int_equal(render("json&pool=nope", 2), 0);
    assert_string_equal(buf_str(&out), "{\"pools\":[]}\n");
    assert_int_equal(render("html&pool=nope", 2), 0);
    assert_int_equal(render("openmetrics&pool=nope", 2), 0);
    assert_int_equal(render("pool=nope", 2), 0);
}

static void html_shows_pools_and_no_markup_of_others(void **state)
{
    (void)state;
    worker(boards[0], SLOT_IDLE, &hostile);
    render("html&full", 2);
    has("<h2>www</h2>");
    has("<h2>api</h2>");
    has("1,234,568");
    has("/&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&quot;&amp;\\n/a?...");
    lacks("<script");
    lacks("<b>me");
    lacks("src=");
    lacks("url(");
    lacks("http:");
    lacks("on"
          "click");
}

static void openmetrics_has_each_family_once_and_an_end(void **state)
{
    (void)state;
    worker(boards[0], SLOT_IDLE, &hostile);
    render("openmetrics", 2);
    assert_int_equal(times("# TYPE snapcgi_requests counter\n"), 1);
    has("snapcgi_requests_total{pool=\"www\"} 1234568\n"
        "snapcgi_requests_total{pool=\"api\"} 0\n");
    has("# UNIT snapcgi_request_duration_seconds seconds\n");
    has("snapcgi_request_duration_seconds_bucket{pool=\"www\",le=\"0.008192\"}"
        " 0\n");
    has("snapcgi_request_duration_seconds_bucket{pool=\"www\",le=\"0.016384\"}"
        " 1\n");
    has("le=\"33.554432\"");
    has("snapcgi_request_duration_seconds_bucket{pool=\"www\",le=\"+Inf\"} 1\n"
        "snapcgi_request_duration_seconds_count{pool=\"www\"} 1\n"
        "snapcgi_request_duration_seconds_sum{pool=\"www\"} 0.012345678\n");
    has("snapcgi_pool_info{pool=\"www\",pm=\"static\","
        "listen=\"/run/snapcgi/www.sock\",image=\"9f31c2\"} 1\n");
    lacks("slot=");
    lacks("/a");
    assert_string_equal(buf_str(&out) + out.n - 6, "# EOF\n");
}

static void openmetrics_names_workers_by_their_place(void **state)
{
    (void)state;
    worker(boards[0], SLOT_IDLE, &hostile);
    worker(boards[0], SLOT_RUNNING, NULL);
    render("openmetrics&full", 2);
    has("# UNIT snapcgi_worker_heap_used_bytes bytes\n");
    has("snapcgi_worker_heap_used_bytes{pool=\"www\",slot=\"1\"} 4194304\n");
    has("snapcgi_worker_requests_total{pool=\"www\",slot=\"0\"} 1\n");
    lacks("pid");
    lacks("POST");
}

static void openmetrics_escapes_labels(void **state)
{
    (void)state;
    strcpy(board_head(boards[1])->listen, "a\"b\\c\nd");
    render("openmetrics", 2);
    has("listen=\"a\\\"b\\\\c\\\\nd\"");
}

/* An image's id is what a worker says, and one bad byte spoils all pools. */
static void openmetrics_is_utf8_whatever_a_worker_says(void **state)
{
    (void)state;
    strcpy(board_head(boards[1])->image, "x\xff\r\x1b");
    render("openmetrics", 2);
    has("image=\"x\\\\xff\\\\x0d\\\\x1b\"");
}

static void a_page_over_the_ceiling_is_told(void **state)
{
    (void)state;
    struct status_query q = status_parse(SLICE("html"));
    struct buf little;
    buf_init(&little, 1000);
    status_render(boards, 2, &q, &little);
    assert_int_equal(little.err, ERR_TOOBIG);
    buf_free(&little);
}

static void the_reply_says_what_it_is(void **state)
{
    (void)state;
    assert_string_equal(status_media_type(STATUS_JSON), "application/json");
    assert_string_equal(
        status_media_type(STATUS_OPENMETRICS),
        "application/openmetrics-text; version=1.0.0; charset=utf-8");
    assert_non_null(strstr(status_fields, "no-store\r\n"));
    assert_non_null(strstr(status_fields, "default-src 'none'"));
}

/* As many times as a busy pool would have, spread as they are in life. */
static void busy(struct histogram *h)
{
    for (uint64_t i = 1; i < 5000; i++)
        histogram_add(h, 200000 + i % 97 * i % 89 * 5000 * (i % 50 ? 1 : 90));
}

static int write_page(const char *path)
{
    struct slot_request r = {.duration = 2345678,
                             .cpu = 2100000,
                             .id = "7f4e1b22c09d4a55",
                             .method = "GET",
                             .uri = "/articles/2026/11/a-quiet-page?page=2",
                             .script = "/srv/www/functions/articles.js",
                             .user = "ada"};
    if (set_up(NULL) != 0)
        return 1;
    board_head(boards[0])->pm = PM_DYNAMIC;
    board_head(boards[0])->started -= 273000 * NS_PER_S;
    busy(&board_head(boards[0])->latency);
    worker(boards[0], SLOT_IDLE, &r);
    worker(boards[0], SLOT_IDLE, &hostile);
    r.duration = 0;
    r.started = clock_mono() - 1300 * NS_PER_MS;
    slot_begin(worker(boards[0], SLOT_RUNNING, NULL), &r);
    worker(boards[0], SLOT_STARTING, NULL);
    strcpy(board_head(boards[1])->listen, "127.0.0.1:9000");
    board_head(boards[1])->pm = PM_ONDEMAND;
    board_head(boards[1])->max_children = 2;
    worker(boards[1], SLOT_RUNNING, NULL);
    worker(boards[1], SLOT_RUNNING, NULL);
    render("html&full", 2);
    FILE *f = fopen(path, "w");
    if (f == NULL || fwrite(out.p, 1, out.n, f) != out.n || fclose(f) != 0)
        return 1;
    return tear_down(NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(queries_are_read_and_unknown_words_ignored),
        TEST(text_has_the_names_of_php_fpm),
        TEST(workers_are_counted_by_what_they_do),
        TEST(full_text_has_each_process),
        TEST(a_client_forges_no_line_of_the_text),
        TEST(a_query_is_shown_in_no_form),
        TEST(a_query_at_the_end_of_a_full_text_is_cut_too),
        TEST(json_of_one_pool_is_flat),
        TEST(json_of_several_pools_is_a_list),
        TEST(json_escapes_what_a_client_wrote),
        TEST(kept_state_is_shown_in_every_form),
        TEST(a_worker_that_saves_stops),
        TEST(a_pool_that_is_not_there_is_told),
        TEST(html_shows_pools_and_no_markup_of_others),
        TEST(openmetrics_has_each_family_once_and_an_end),
        TEST(openmetrics_names_workers_by_their_place),
        TEST(openmetrics_escapes_labels),
        TEST(openmetrics_is_utf8_whatever_a_worker_says),
        TEST(a_page_over_the_ceiling_is_told),
        TEST(the_reply_says_what_it_is),
    };
    if (argc == 3 && strcmp(argv[1], "page") == 0)
        return write_page(argv[2]);
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
