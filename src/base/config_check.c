/*
 * config_check.c - what one key cannot see: the sense of whole sections.
 */
#include "base/config_parts.h"

#include <string.h>
#include <sys/stat.h>

/* What the checks share. */
struct check {
    struct config_section *all;
    struct config_errors *errors;
    const char *path;
};

#define mistake(c, line, ...)                                                  \
    config_error((c)->errors, (c)->path, (line), __VA_ARGS__)

/* The line that set the key, 0 when none did. */
static int line_of(const struct config_section *s, const char *key)
{
    return s->seen[config_find(key) - config_table()];
}

static bool is_pool(const struct config_section *s)
{
    return s->kind != NULL && strcmp(s->kind, "pool") == 0;
}

static void check_pool(const struct check *c, const struct config_section *s)
{
    const struct pool_config *p = s->base;
    if (p->app != NULL && p->root != NULL)
        mistake(c, s->line, "app and root exclude each other");
    if (!is_pool(s))
        return;
    if (p->listen == NULL)
        mistake(c, s->line, "this pool has no listen");
    else if (p->app == NULL && p->root == NULL &&
             strcmp(p->listen, "fd 0") != 0)
        mistake(c, s->line, "this pool has neither app nor root");
    if (p->image_key != NULL && strcmp(p->image, "auto") == 0)
        mistake(c, line_of(s, "image"),
                "image cannot be auto beside image_key: what is made here is "
                "not signed; build and sign it at deploy, and name it by "
                "image = FILE");
    if (p->spare > p->spare_max)
        mistake(c, s->line, "spare is more than spare_max");
    if (p->pm == PM_DYNAMIC && p->min_spare_servers > p->max_spare_servers)
        mistake(c, s->line, "min_spare_servers is more than max_spare_servers");
    for (const struct config_section *o = c->all; o != s; o = o->next) {
        const struct pool_config *other = o->base;
        if (is_pool(o) && p->listen != NULL && other->listen != NULL &&
            strcmp(p->listen, other->listen) == 0)
            mistake(c, s->line, "pool %s of line %d has the same listen",
                    other->name, o->line);
    }
}

/* ---- state -------------------------------------------------------------- */

bool config_of_state(const struct config_key *k)
{
    static const char *const names[] = {
        "hibernate_after", "save_every", "on_mismatch", "state_keep",
        "state_compress",  "state_key",  "state_limit"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(names[i], k->name) == 0)
            return true;
    return false;
}

static void check_stateless(const struct check *c,
                            const struct config_section *s)
{
    for (const struct config_key *k = config_table(); k->name != NULL; k++)
        if (config_of_state(k) && line_of(s, k->name) != 0)
            mistake(c, line_of(s, k->name),
                    "%s says how state is kept, and this pool keeps none: set "
                    "state, or remove it",
                    k->name);
}

/* A key that state decides; what says otherwise is no oversight. */
static void check_decided(const struct check *c, const struct config_section *s,
                          const char *key, bool good, const char *why)
{
    int line = line_of(s, key);
    if (line != 0 && !good)
        mistake(c, line, "%s cannot be that beside state: %s; remove it", key,
                why);
}

static void settle_state(const struct check *c, const struct config_section *s)
{
    struct pool_config *p = s->base;
    enum pm_mode pm = p->hibernate_after > 0 ? PM_ONDEMAND : PM_STATIC;
    check_decided(c, s, "max_children", p->max_children == 1,
                  "only one worker can keep it");
    check_decided(c, s, "reset", p->reset == RESET_NONE,
                  "what is kept is never reset");
    check_decided(c, s, "pm", p->pm == pm,
                  pm == PM_STATIC
                      ? "the one worker always runs without hibernate_after"
                      : "the one worker runs on demand with hibernate_after");
    p->max_children = 1;
    p->reset = RESET_NONE;
    p->pm = pm;
}

/* Is name that of a file which is made beside a state file: .new, .1, ... */
static bool belongs_to(const char *name, const char *state)
{
    size_t n = strlen(state);
    if (strncmp(name, state, n) != 0)
        return false;
    if (name[n] == '\0' || strcmp(name + n, ".new") == 0)
        return true;
    size_t digits = strspn(name + n + 1, "0123456789");
    return name[n] == '.' && digits > 0 && name[n + 1 + digits] == '\0';
}

/* However the two paths are written; paths here are absolute. */
static bool same_folder(const char *a, size_t a_n, const char *b, size_t b_n)
{
    char x[CONFIG_STATE_PATH + 1], y[CONFIG_STATE_PATH + 1];
    struct stat of_x, of_y;
    if (a_n >= sizeof(x) || b_n >= sizeof(y))
        return false; /* is refused for that */
    snprintf(x, sizeof(x), "%.*s", (int)a_n, a);
    snprintf(y, sizeof(y), "%.*s", (int)b_n, b);
    if (strcmp(x, y) == 0)
        return true;
    return stat(x, &of_x) == 0 && stat(y, &of_y) == 0 &&
           of_x.st_dev == of_y.st_dev && of_x.st_ino == of_y.st_ino;
}

static bool clash(const char *a, const char *b)
{
    const char *x = strrchr(a, '/') + 1, *y = strrchr(b, '/') + 1;
    return (belongs_to(x, y) || belongs_to(y, x)) &&
           same_folder(a, (size_t)(x - a), b, (size_t)(y - b));
}

static void check_state(const struct check *c, const struct config_section *s)
{
    const struct pool_config *p = s->base;
    if (p->state == NULL) {
        check_stateless(c, s);
        return;
    }
    int line = line_of(s, "state");
    if (p->app == NULL)
        mistake(c, line,
                "state is that of one application, and this pool has no app");
    if (strlen(p->state) > CONFIG_STATE_PATH)
        mistake(c, line,
                "the whole path of state has %d bytes at most; take a shorter "
                "one",
                CONFIG_STATE_PATH);
    settle_state(c, s);
    for (const struct config_section *o = c->all; o != s; o = o->next) {
        const struct pool_config *other = o->base;
        if (is_pool(o) && other->state != NULL && clash(p->state, other->state))
            mistake(c, line,
                    "pool %s of line %d keeps its state there, too: give each "
                    "a file of its own",
                    other->name, o->line);
    }
}

/* ---- what there is one of ------------------------------------------------ */

/* It has a socket of its own. */
static void check_own(const struct check *c,
                      const struct config_section *global, const char *key,
                      const char *address)
{
    for (const struct config_section *s = c->all; s != NULL; s = s->next) {
        const struct pool_config *p = s->base;
        if (is_pool(s) && p->listen != NULL && address != NULL &&
            strcmp(p->listen, address) == 0)
            mistake(c, line_of(global, key),
                    "%s = %.64s is the listen of pool %s of line %d, too: give "
                    "it another",
                    key, address, p->name, s->line);
    }
}

void config_check(struct config_section *all, struct config_errors *e,
                  const char *path)
{
    struct check c = {all, e, path};
    for (const struct config_section *s = all; s != NULL; s = s->next) {
        if (s->kind == NULL)
            continue;
        if (strcmp(s->kind, "global") == 0) {
            const struct config *global = s->base;
            check_own(&c, s, "status_listen", global->status.listen);
            check_own(&c, s, "control", global->control);
            continue;
        }
        check_pool(&c, s);
        if (is_pool(s))
            check_state(&c, s);
    }
}
