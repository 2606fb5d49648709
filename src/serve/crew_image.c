/*
 * crew_image.c - a pool with `image = auto`: a child makes the image, and when
 * there is a new one the workers are replaced. Where the source cannot run, as
 * TypeScript, none is started before that child has ended.
 */
#include "serve/crew_parts.h"

#include "base/clock.h"
#include "base/log.h"
#include "serve/title.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define AGAIN_NS (5 * NS_PER_S)    /* after a failure */
#define PAUSE_MAX (300 * NS_PER_S) /* after more of them */
#define SEEN_NS NS_PER_S /* so old may be what is known of the files */

bool crew_image_wanted(const struct crew *c)
{
    return c->config->app != NULL && strcmp(c->config->image, "auto") == 0;
}

static int make(const struct crew *crew, pid_t parent)
{
    struct child_place place = {
        .config = crew->config, .identity = &crew->identity, .parent = parent};
    sigset_t none; /* the supervisor takes its signals otherwise */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    title_set("snapcgi: image of %s", crew->config->name);
    config_forget(crew->all->config, crew->config);
    return crew->all->make(&place);
}

/* A state has its application in it, whatever the files are by now; workers
 * that fail have none. */
static bool is_needed(const struct crew *c)
{
    return crew_image_wanted(c) && config_app_needs_image(c->config->app) &&
           (c->config->state == NULL || c->image_seen == 0 || c->failures > 0);
}

/* While there is hope: who asks after a failure is told. */
bool crew_image_waits(const struct crew *c)
{
    return is_needed(c) && c->image_pause == 0 &&
           (c->image_due || c->maker != NULL);
}

void crew_image_need(struct crew *c, uint64_t now)
{
    if (is_needed(c) && c->image_pause == 0 && c->maker == NULL &&
        (c->image_seen == 0 || now - c->image_seen > SEEN_NS))
        c->image_due = true;
}

/* Otherwise it stays said, until the one that is made now can be too old. */
bool crew_image_hears(const struct crew *c)
{
    return crew_image_wanted(c) && c->maker == NULL && !c->image_due &&
           c->image_at == 0;
}

void crew_image_outdated(struct crew *c)
{
    c->image_due = c->image_changed = true;
    c->image_killed = false;
}

/* Without it nothing runs, so it is tried again and again. */
static void rest(struct crew *c, uint64_t now)
{
    c->image_pause = c->image_pause == 0 ? AGAIN_NS : 2 * c->image_pause;
    if (c->image_pause > PAUSE_MAX)
        c->image_pause = PAUSE_MAX;
    c->image_at = now + c->image_pause;
}

/* Once: what takes too much memory would take it again. */
static void killed(struct crew *c, uint64_t now)
{
    c->image_killed = !c->image_killed;
    if (c->image_killed)
        c->image_at = now + AGAIN_NS;
    else
        log_error("the image of pool %s is given up until its code changes or "
                  "it is reloaded, and it goes on from source: what makes it "
                  "was ended twice, as happens when memory is short",
                  c->config->name);
}

static void tell_again(const struct crew *c, uint64_t now)
{
    if (c->image_at > now)
        log_notice("the image of pool %s is tried again in %llu s",
                   c->config->name,
                   (unsigned long long)((c->image_at - now) / NS_PER_S));
}

bool crew_image_look(struct crew *c, uint64_t now, int *status)
{
    if (c->image_at != 0 && now >= c->image_at) {
        c->image_at = 0;
        c->image_due = true;
    }
    if (!c->image_due || c->maker != NULL)
        return true;
    c->image_due = false;
    struct child *m = child_new(&c->all->children, c->all->loop, CHILD_MAKER,
                                c->config->name);
    pid_t parent = getpid();
    pid_t pid = child_fork(m);
    if (pid == 0) {
        *status = make(c, parent);
        return false;
    }
    if (pid > 0) {
        c->maker = m;
        m->until = now + 8 * c->config->image_timeout + 60 * NS_PER_S;
        return true;
    }
    log_error("no image can be made for pool %s: %s", c->config->name,
              strerror(errno));
    child_free(&c->all->children, m);
    c->image_seen = now;
    rest(c, now);
    tell_again(c, now);
    return true;
}

/* Not by us, when it took too long or all ends. */
static bool was_killed(const struct child *m, int status)
{
    return (WIFSIGNALED(status) && !child_leaves(m)) ||
           (WIFEXITED(status) && WEXITSTATUS(status) == CREW_IMAGE_KILLED);
}

static void maker_ended(struct crew *c, const struct child *m, int status)
{
    uint64_t now = clock_mono();
    int result = WIFEXITED(status) ? WEXITSTATUS(status) : CREW_IMAGE_NONE;
    bool there = result == CREW_IMAGE_NEW || result == CREW_IMAGE_SAME;
    bool needs = config_app_needs_image(c->config->app);
    c->maker = NULL;
    c->image_seen = now;
    if (!there && needs)
        rest(c, now);
    else if (was_killed(m, status))
        killed(c, now);
    else
        c->image_killed = false;
    if (!child_leaves(m))
        tell_again(c, now);
    if (!there && needs)
        return; /* who has an image serves on */
    c->image_pause = 0;
    /* Those of an image cannot take up other code, and those without do not
     * know that another pool's maker was faster. A pool with state takes an
     * image only when it starts afresh. */
    if ((result == CREW_IMAGE_NEW || c->image_changed) &&
        c->config->state == NULL)
        crew_renew(c);
    c->image_changed = false;
}

void crew_image_made(struct crews *all, const struct child *m, int status)
{
    for (size_t i = 0; i < all->count; i++)
        if (all->at[i].maker == m)
            maker_ended(&all->at[i], m, status);
}
