/*
 * libseccomp.h - the few functions of libseccomp.so.2 that seccomp.c calls.
 *
 * The library is opened when a filter is made (base/library.h). These
 * declarations hold for every 2.x, so that building needs no header of it.
 */
#ifndef SERVE_LIBSECCOMP_H
#define SERVE_LIBSECCOMP_H

#include "base/library.h"

#include <stdint.h>

/* How an argument is compared; the numbers are the library's. */
enum seccomp_compare {
    SECCOMP_EQUAL = 4,       /* is a */
    SECCOMP_MASKED_EQUAL = 7 /* is b in the bits of a */
};

struct seccomp_argument {
    unsigned index; /* from 0 */
    enum seccomp_compare compare;
    uint64_t a;
    uint64_t b;
};

#define SECCOMP_NO_SUCH_CALL (-1) /* of a name this library does not know */

/*
 * Actions are the kernel's SECCOMP_RET_ values. NULL, or less than 0 and
 * then -errno, is failure; the caller ends a filter with seccomp_release().
 */
void *seccomp_init(uint32_t other_calls);
int seccomp_rule_add_array(void *filter, uint32_t action, int call,
                           unsigned count,
                           const struct seccomp_argument *arguments);
int seccomp_syscall_resolve_name(const char *name);
int seccomp_load(const void *filter);
void seccomp_release(void *filter);

#define LIBSECCOMP_FUNCTIONS(F)                                                \
    F(seccomp_init)                                                            \
    F(seccomp_load)                                                            \
    F(seccomp_release)                                                         \
    F(seccomp_rule_add_array)                                                  \
    F(seccomp_syscall_resolve_name)

struct libseccomp {
    LIBSECCOMP_FUNCTIONS(LIBRARY_MEMBER)
};

#endif
