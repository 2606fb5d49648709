/*
 * config_parts.h - what the config*.c files share, and nobody else includes.
 */
#ifndef BASE_CONFIG_PARTS_H
#define BASE_CONFIG_PARTS_H

#include "base/buf.h"
#include "base/config.h"
#include "base/slice.h"

/* Mistakes found so far; past 20 they are counted only. */
struct config_errors {
    struct buf *out;
    int count;
};

void config_error(struct config_errors *e, const char *path, int line,
                  const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* A text file line by line, counted and with ceilings. */
struct config_lines {
    FILE *in;
    int line;       /* of the one read last, from 1 */
    size_t bytes;   /* read so far */
    struct buf one; /* its max is the ceiling of a line */
};

/*
 * The next line, without blanks at both ends, lent until the next call.
 * ERR_EOF at the end; ERR_SYNTAX for this line only, ERR_IO for the file.
 */
enum err config_line(struct config_lines *l, struct slice *out,
                     struct why *why);

/* The row of that name, or NULL. */
const struct config_key *config_find(const char *name);
/* The name nearest to one that is not known, or NULL when none is close. */
const char *config_nearest(const char *name, const char *section);
/* Whether section ("global", "pool", "cgi") takes the key. */
bool config_takes(const struct config_key *k, const char *section);

/*
 * Stores text, not empty, as k's member of the struct at base; text must live
 * as long as the struct. folder is put before a relative path, in memory of a.
 * The why goes on after "NAME = TEXT".
 */
enum err config_value_parse(const struct config_key *k, const char *text,
                            void *base, struct arena *a, const char *folder,
                            struct why *why);
/* "NAME = VALUE" and a line end; nothing for a path that is not set. */
void config_value_print(const struct config_key *k, const void *base,
                        FILE *out);
/* path itself, or folder/path, without a / at its end; in a's memory. */
const char *config_path(struct arena *a, const char *folder, const char *path);

/* env[NAME] = value, of the section or its env_file; in the arena. */
struct config_env {
    struct config_env *next;
    const char *name;
    const char *value;
    int line;
};

struct config_env_list {
    struct config_env *head;
    size_t count;
};

/* A section of the file, while that is read. */
struct config_section {
    struct config_section *next;
    const char *kind; /* "global", "pool", "cgi"; NULL: its keys are skipped */
    int line;
    void *base; /* the struct its keys are members of */
    struct config_env_list env;
    int *seen; /* per row of the table, the line that set it */
};

/*
 * Checks what one key cannot see, the sense of whole sections, and sets what
 * follows from others. Mistakes go to e.
 */
void config_check(struct config_section *all, struct config_errors *e,
                  const char *path);

/* Is it a key that means something only beside state? */
bool config_of_state(const struct config_key *k);

/* Appends; name and value must live in a. Says what is wrong with them. */
enum err config_env_add(struct config_env_list *l, struct arena *a,
                        const char *name, const char *value, int line,
                        struct why *why);
/* Reads NAME=value lines; mistakes go to e. False when there were some. */
bool config_env_read(struct config_env_list *l, struct arena *a,
                     const char *path, struct config_errors *e);
/* Overwrites a value in the arena. */
void config_env_wipe(const char *value);
/* Both as name, value, ..., NULL in a; own overrides those of the file, which
 * are overwritten. */
const char *const *config_env_merge(struct arena *a,
                                    const struct config_env_list *file,
                                    const struct config_env_list *own);

#endif
