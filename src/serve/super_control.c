/*
 * super_control.c - the verbs of `snapcgi ctl`.
 */
#include "serve/super_parts.h"

#include "base/log.h"
#include "serve/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct verb {
    const char *name;
    unsigned most; /* words after it */
    enum err (*run)(struct super *s, const struct control_request *q,
                    struct buf *out);
};

static enum err refuse(struct buf *out, const char *fmt, const char *word)
{
    buf_printf(out, fmt, word);
    return ERR_FAIL;
}

/* The pool that the first word names; *c is NULL when there is no word. */
static enum err find_pool(struct super *s, const struct control_request *q,
                          struct crew **c, struct buf *out)
{
    *c = q->word[1] != NULL ? super_crew(s, q->word[1]) : NULL;
    if (q->word[1] != NULL && *c == NULL)
        return refuse(out, "there is no pool %s", q->word[1]);
    return OK;
}

static enum err ping(struct super *s, const struct control_request *q,
                     struct buf *out)
{
    (void)s;
    (void)q;
    buf_puts(out, "pong\n");
    return OK;
}

static enum err pools(struct super *s, const struct control_request *q,
                      struct buf *out)
{
    (void)q;
    for (size_t i = 0; i < s->all.count; i++)
        buf_printf(out, "%s\n", s->all.at[i].config->name);
    return OK;
}

/* The words as the status page's query; what is no form is a pool. */
static void query_of(const char *const *word, char *out, size_t max)
{
    static const char *const known[] = {"text", "json", "html", "openmetrics",
                                        "full"};
    size_t n = 0;
    out[0] = '\0';
    for (; *word != NULL && n < max; word++) {
        bool form = false;
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
            form = form || strcmp(known[i], *word) == 0;
        n += (size_t)snprintf(out + n, max - n, "&%s%s",
                              form ? "" : "pool=", *word);
    }
}

static enum err status(struct super *s, const struct control_request *q,
                       struct buf *out)
{
    char text[2 * CONTROL_LINE];
    query_of(q->word + 1, text, sizeof(text));
    struct status_query query = status_parse(slice_of(text));
    if (query.pool.n > 0) {
        char name[CONTROL_LINE];
        snprintf(name, sizeof(name), "%.*s", (int)query.pool.n, query.pool.p);
        if (super_crew(s, name) == NULL)
            return refuse(out, "there is no pool %s", name);
    }
    struct board **boards = xalloc((s->all.count + 1) * sizeof(*boards));
    for (size_t i = 0; i < s->all.count; i++)
        boards[i] = s->all.at[i].board;
    status_render(boards, s->all.count, &query, out);
    free(boards);
    return out->err;
}

static enum err reload(struct super *s, const struct control_request *q,
                       struct buf *out)
{
    (void)out;
    super_reload(s, q->client);
    return ERR_AGAIN;
}

static enum err restart(struct super *s, const struct control_request *q,
                        struct buf *out)
{
    struct crew *c;
    enum err e = find_pool(s, q, &c, out);
    if (e == OK && s->state != SUPER_RUNNING)
        e = refuse(out, "%s", "it is stopping");
    if (e != OK)
        return e;
    super_renew(s, c, q->client);
    return ERR_AGAIN;
}

static enum err stop(struct super *s, const struct control_request *q,
                     struct buf *out)
{
    (void)out;
    super_stop(s);
    super_asked(s, q->client, ASK_END, NULL);
    return ERR_AGAIN;
}

static enum err quit(struct super *s, const struct control_request *q,
                     struct buf *out)
{
    (void)out;
    super_quit(s);
    super_asked(s, q->client, ASK_END, NULL);
    return ERR_AGAIN;
}

/* ---- kept state ---------------------------------------------------------- */

static bool concerns(const struct crew *c, const struct crew *only)
{
    return c->config->state != NULL && (only == NULL || only == c);
}

/* How it went, a line for each pool; false when one of them failed. */
static bool put_results(const struct super *s, const struct crew *only,
                        struct buf *out)
{
    bool good = true;
    for (size_t i = 0; i < s->all.count; i++) {
        const struct crew *c = &s->all.at[i];
        if (!concerns(c, only))
            continue;
        buf_printf(out, "%s: %s\n", c->config->name,
                   c->state.result[0] != '\0' ? c->state.result : "done");
        good = good && c->state.done;
    }
    return good;
}

static bool is_saving(const struct super *s, const struct crew *only)
{
    for (size_t i = 0; i < s->all.count; i++)
        if (concerns(&s->all.at[i], only) && crew_saves(&s->all.at[i]))
            return true;
    return false;
}

void super_look_saved(struct super *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->askers; i++) {
        struct asker a = s->asker[i];
        if (a.what != ASK_SAVE || is_saving(s, a.only)) {
            s->asker[n++] = a;
            continue;
        }
        struct buf out;
        buf_init(&out, CONTROL_ANSWER);
        bool good = put_results(s, a.only, &out);
        control_answer(s->control, a.client, good, buf_view(&out));
        buf_free(&out);
    }
    s->askers = n;
}

/* What is asked of the pools with state, or of one; the answer comes later. */
static enum err each_state(struct super *s, const struct control_request *q,
                           void (*run)(struct crew *c), struct buf *out)
{
    struct crew *only;
    bool any = false;
    enum err e = find_pool(s, q, &only, out);
    if (e == OK && s->state != SUPER_RUNNING)
        e = refuse(out, "%s", "it is stopping");
    if (e != OK)
        return e;
    if (only != NULL && only->config->state == NULL)
        return refuse(out,
                      "pool %s keeps no state: only one with state = FILE can "
                      "be paused, resumed and saved",
                      only->config->name);
    for (size_t i = 0; i < s->all.count; i++) {
        if (!concerns(&s->all.at[i], only))
            continue;
        any = true;
        run(&s->all.at[i]);
    }
    if (!any)
        return refuse(out, "%s", "no pool keeps a state (state = FILE)");
    super_asked(s, q->client, ASK_SAVE, only);
    return ERR_AGAIN;
}

static enum err pause_pools(struct super *s, const struct control_request *q,
                            struct buf *out)
{
    return each_state(s, q, crew_pause, out);
}

static enum err resume_pools(struct super *s, const struct control_request *q,
                             struct buf *out)
{
    return each_state(s, q, crew_resume, out);
}

static enum err save_pools(struct super *s, const struct control_request *q,
                           struct buf *out)
{
    return each_state(s, q, crew_save, out);
}

/* ---- logs and numbers ---------------------------------------------------- */

static enum err reopen(struct super *s, const struct control_request *q,
                       struct buf *out)
{
    (void)q;
    return super_reopen(s, out);
}

static enum err change(struct super *s, const struct control_request *q, int by,
                       struct buf *out)
{
    struct crew *only;
    enum err e = find_pool(s, q, &only, out);
    for (size_t i = 0; i < s->all.count && e == OK; i++) {
        struct crew *c = &s->all.at[i];
        if (only == NULL || only == c)
            buf_printf(out, "%s: %u workers at most\n", c->config->name,
                       crew_more(c, by));
    }
    return e;
}

static enum err more(struct super *s, const struct control_request *q,
                     struct buf *out)
{
    return change(s, q, 1, out);
}

static enum err fewer(struct super *s, const struct control_request *q,
                      struct buf *out)
{
    return change(s, q, -1, out);
}

static enum err set_level(struct super *s, const struct control_request *q,
                          struct buf *out)
{
    enum log_level level;
    (void)s;
    if (q->word[1] == NULL || !log_level_parse(q->word[1], &level))
        return refuse(out, "%s",
                      "a level is one of debug, info, notice, "
                      "warn, error");
    log_set_level(level);
    s->config->log_level = level;
    for (struct child *c = s->all.children; c != NULL; c = c->next)
        child_tell_level(c, q->word[1]);
    return OK;
}

static const struct verb verbs[] = {
    {"status", CONTROL_WORDS, status},
    {"reload", 0, reload},
    {"restart", 1, restart},
    {"stop", 0, stop},
    {"quit", 0, quit},
    {"pause", 1, pause_pools},
    {"resume", 1, resume_pools},
    {"save", 1, save_pools},
    {"reopen", 0, reopen},
    {"more", 1, more},
    {"fewer", 1, fewer},
    {"log-level", 1, set_level},
    {"ping", 0, ping},
    {"pools", 0, pools},
};

enum err super_obey(void *arg, const struct control_request *q, struct buf *out)
{
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        const struct verb *v = &verbs[i];
        if (strcmp(v->name, q->word[0]) != 0)
            continue;
        if (v->most < CONTROL_WORDS && q->word[v->most + 1] != NULL)
            return refuse(out, "%s takes fewer words", v->name);
        return v->run(arg, q, out);
    }
    return refuse(out, "unknown verb %s; see snapcgi ctl --help", q->word[0]);
}
