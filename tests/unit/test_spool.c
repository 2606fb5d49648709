/*
 * test_spool.c - the body first, then the reply, where a server needs that.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "serve/spool.h"

/* A peer that sends what `come` says, and says "again" where it stops. */
static struct {
    struct transport t;
    const char *come;
    bool ended;
    enum err broken;
    char wrote[64];
    size_t wrote_n;
    char last[64];  /* words */
    bool dumb;      /* they cannot be sent */
    bool interrupt; /* they are tried in the middle of a write */
} peer;
static struct spool spool;
static struct request request;
static enum err interrupted;

static enum err peer_read(struct transport *t, void *p, size_t max, size_t *got)
{
    (void)t;
    *got = strlen(peer.come) < max ? strlen(peer.come) : max;
    memcpy(p, peer.come, *got);
    peer.come += *got;
    if (*got > 0)
        return OK;
    if (peer.broken != OK)
        return peer.broken;
    return peer.ended ? OK : ERR_AGAIN;
}

static enum err peer_write(struct transport *t, const void *p, size_t n,
                           size_t *wrote)
{
    (void)t;
    assert_true(n <= sizeof(peer.wrote) - peer.wrote_n);
    memcpy(peer.wrote + peer.wrote_n, p, n);
    peer.wrote_n += n;
    *wrote = n;
    if (peer.interrupt)
        interrupted = spool_last_words(&spool, SLICE("504"));
    return OK;
}

static bool peer_last_words(struct transport *t, struct slice page)
{
    (void)t;
    assert_true(page.n < sizeof(peer.last));
    memcpy(peer.last, page.p, page.n);
    return !peer.dumb;
}

static const struct transport_ops peer_ops = {
    .read = peer_read, .write = peer_write, .last_words = peer_last_words};

static int set_up(void **state)
{
    (void)state;
    memset(&peer, 0, sizeof(peer));
    peer.t.ops = &peer_ops;
    peer.come = "";
    request = (struct request){.body = BODY_LENGTH, .content_length = 10};
    spool_init(&spool, &peer.t, &request, 100, true);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    spool_free(&spool);
    return 0;
}

static void begin(enum body_kind kind, uint64_t length, bool early)
{
    request.body = kind;
    request.content_length = length;
    spool_free(&spool);
    spool_init(&spool, &peer.t, &request, 100, early);
}

static void assert_reads(const char *expected, size_t max)
{
    char p[64];
    size_t got = 0;
    assert_true(max <= sizeof(p));
    assert_int_equal(spool.t.ops->read(&spool.t, p, max, &got), OK);
    assert_int_equal(got, strlen(expected));
    assert_memory_equal(p, expected, got);
}

static enum err read_status(void)
{
    char p[64];
    size_t got;
    return spool.t.ops->read(&spool.t, p, sizeof(p), &got);
}

static enum err reply(const char *text)
{
    size_t wrote;
    return spool.t.ops->write(&spool.t, text, strlen(text), &wrote);
}

static void a_reply_to_a_body_nobody_read_goes_out(void **state)
{
    (void)state;
    assert_int_equal(reply("no"), OK);
    assert_int_equal(peer.wrote_n, 2);
    assert_false(spool_holds(&spool));
}

static void not_early_it_waits_for_the_body(void **state)
{
    (void)state;
    begin(BODY_LENGTH, 10, false);
    assert_int_equal(reply("no"), ERR_AGAIN);
    assert_true(spool_holds(&spool));
    peer.come = "0123456789";
    assert_true(spool_fill(&spool));
    assert_int_equal(reply("no"), OK);
}

static void after_the_first_read_a_reply_waits(void **state)
{
    (void)state;
    peer.come = "01234";
    assert_reads("01234", 20);
    assert_int_equal(reply("yes"), ERR_AGAIN);
    assert_true(spool_holds(&spool));
    assert_int_equal(peer.wrote_n, 0);
}

static void nothing_new_is_said_to_be_nothing(void **state)
{
    (void)state;
    peer.come = "01234";
    assert_reads("01234", 20);
    assert_false(spool_fill(&spool));
}

static void what_came_meanwhile_is_read_in_order(void **state)
{
    (void)state;
    peer.come = "01";
    assert_reads("01", 20);
    peer.come = "234";
    assert_true(spool_fill(&spool));
    peer.come = "56789";
    assert_true(spool_fill(&spool));
    assert_false(spool_holds(&spool));
    assert_int_equal(reply("yes"), OK);
    assert_reads("2345", 4);
    assert_reads("6789", 20);
    assert_reads("", 20);
}

static void a_body_read_to_its_length_holds_nothing(void **state)
{
    (void)state;
    peer.come = "0123456789";
    assert_reads("0123456789", 20);
    assert_int_equal(reply("yes"), OK);
}

static void without_a_length_the_end_is_the_peers(void **state)
{
    (void)state;
    begin(BODY_TO_EOF, 0, true);
    peer.come = "012";
    assert_reads("012", 20);
    assert_int_equal(reply("yes"), ERR_AGAIN);
    peer.ended = true;
    assert_true(spool_fill(&spool));
    assert_int_equal(reply("yes"), OK);
    assert_reads("", 20);
}

static void without_a_body_nothing_is_waited_for(void **state)
{
    (void)state;
    begin(BODY_NONE, 0, false);
    assert_int_equal(reply("yes"), OK);
}

static void a_peer_that_goes_is_told_after_what_it_sent(void **state)
{
    (void)state;
    peer.come = "0";
    assert_reads("0", 20);
    peer.come = "12";
    peer.broken = ERR_EOF;
    assert_true(spool_fill(&spool));
    assert_reads("12", 20);
    assert_int_equal(read_status(), ERR_EOF);
    assert_int_equal(reply("late"), OK);
}

static void more_than_the_limit_is_not_kept(void **state)
{
    static char much[300 * 1024];
    (void)state;
    memset(much, 'x', sizeof(much) - 1);
    begin(BODY_TO_EOF, 0, true);
    peer.come = much;
    assert_reads("x", 1);
    assert_true(spool_fill(&spool));
    assert_true(spool.body.n <= 64 * 1024 + 100);
    while (spool.body.n > 0)
        assert_int_equal(read_status(), OK);
    assert_int_equal(read_status(), ERR_TOOBIG);
}

static void stopped_it_lets_the_reply_go(void **state)
{
    (void)state;
    peer.come = "0";
    assert_reads("0", 20);
    assert_int_equal(reply("late"), ERR_AGAIN);
    spool_stop(&spool, ERR_TIMEOUT);
    assert_int_equal(read_status(), ERR_TIMEOUT);
    assert_int_equal(reply("late"), OK);
}

static void last_words_are_the_reply_and_nothing_follows(void **state)
{
    (void)state;
    begin(BODY_NONE, 0, true);
    assert_false(spool_silent(&spool));
    assert_int_equal(spool_last_words(&spool, SLICE("504")), OK);
    assert_string_equal(peer.last, "504");
    assert_true(spool_silent(&spool));
    assert_int_equal(reply("late"), ERR_EOF);
    assert_int_equal(peer.wrote_n, 0);
}

static void they_are_said_once(void **state)
{
    (void)state;
    assert_int_equal(spool_last_words(&spool, SLICE("504")), OK);
    assert_int_equal(spool_last_words(&spool, SLICE("500")), ERR_ORDER);
    assert_string_equal(peer.last, "504");
}

static void after_a_part_of_the_reply_there_is_only_silence(void **state)
{
    (void)state;
    begin(BODY_NONE, 0, true);
    assert_int_equal(reply("part"), OK);
    assert_int_equal(spool_last_words(&spool, SLICE("504")), ERR_ORDER);
    assert_string_equal(peer.last, "");
    assert_int_equal(reply("more"), ERR_EOF);
}

static void a_reply_that_waits_for_the_body_is_none_yet(void **state)
{
    (void)state;
    peer.come = "0";
    assert_reads("0", 20);
    assert_int_equal(reply("yes"), ERR_AGAIN);
    assert_int_equal(spool_last_words(&spool, SLICE("504")), OK);
}

static void in_the_middle_of_a_write_they_come_again(void **state)
{
    (void)state;
    begin(BODY_NONE, 0, true);
    peer.interrupt = true;
    assert_int_equal(reply("part"), OK);
    assert_int_equal(interrupted, ERR_AGAIN);
    assert_false(spool_silent(&spool));
}

static void words_that_cannot_be_sent_are_the_last_too(void **state)
{
    (void)state;
    peer.dumb = true;
    assert_int_equal(spool_last_words(&spool, SLICE("504")), ERR_IO);
    assert_true(spool_silent(&spool));
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        T(a_reply_to_a_body_nobody_read_goes_out),
        T(not_early_it_waits_for_the_body),
        T(after_the_first_read_a_reply_waits),
        T(nothing_new_is_said_to_be_nothing),
        T(what_came_meanwhile_is_read_in_order),
        T(a_body_read_to_its_length_holds_nothing),
        T(without_a_length_the_end_is_the_peers),
        T(without_a_body_nothing_is_waited_for),
        T(a_peer_that_goes_is_told_after_what_it_sent),
        T(more_than_the_limit_is_not_kept),
        T(stopped_it_lets_the_reply_go),
        T(last_words_are_the_reply_and_nothing_follows),
        T(they_are_said_once),
        T(after_a_part_of_the_reply_there_is_only_silence),
        T(a_reply_that_waits_for_the_body_is_none_yet),
        T(in_the_middle_of_a_write_they_come_again),
        T(words_that_cannot_be_sent_are_the_last_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
