/*
 * crew_image.c - a pool with `image = auto`: a child makes the image, and when
 * there is a new one the workers are replaced.
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

bool crew_image_look(struct crew *c, int *status)
{
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
        m->until = clock_mono() + 8 * c->config->image_timeout + 60 * NS_PER_S;
        return true;
    }
    log_error("no image can be made for pool %s: %s", c->config->name,
              strerror(errno));
    child_free(&c->all->children, m);
    return true;
}

void crew_image_made(struct crews *all, const struct child *m, int status)
{
    for (size_t i = 0; i < all->count; i++) {
        struct crew *c = &all->at[i];
        if (c->maker != m)
            continue;
        bool made = WIFEXITED(status) && WEXITSTATUS(status) == CREW_IMAGE_NEW;
        /* Those of an image cannot take up other code, and those without do
         * not know that another pool's maker was faster. A pool with state
         * takes an image only when it starts afresh. */
        if ((made || c->image_changed) && c->config->state == NULL)
            crew_renew(c);
        c->maker = NULL;
        c->image_changed = false;
    }
}
