/*
 * hash.h - FNV-1a of 64 bits: tells apart what differs by accident, such as
 * two lists of functions, or gives a thing a name.
 *
 * No defence: whoever picks the input finds another one with the same hash at
 * once. What must hold against them is a SHA-256, or is compared itself.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_START UINT64_C(0xcbf29ce484222325)

/* *h: HASH_START, or what came of the bytes before these. */
static inline void hash_add(uint64_t *h, const void *p, size_t n)
{
    const unsigned char *b = (const unsigned char *)p;
    while (n-- > 0)
        *h = (*h ^ *b++) * UINT64_C(0x100000001b3);
}

#endif
