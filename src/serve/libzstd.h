/*
 * libzstd.h - the few functions of libzstd.so.1 that state files need.
 *
 * The library is opened when a state file is to be compressed or is
 * (base/library.h). These declarations hold since 1.4.0, so that building
 * needs no header of it.
 */
#ifndef SERVE_LIBZSTD_H
#define SERVE_LIBZSTD_H

#include "base/library.h"

typedef struct ZSTD_CCtx_s ZSTD_CCtx;
typedef struct ZSTD_DCtx_s ZSTD_DCtx;

typedef struct {
    const void *src;
    size_t size;
    size_t pos; /* moves */
} ZSTD_inBuffer;

typedef struct {
    void *dst;
    size_t size;
    size_t pos; /* moves */
} ZSTD_outBuffer;

/* The numbers are the library's. */
enum zstd_parameter { ZSTD_LEVEL = 100, ZSTD_CHECKSUM = 201 };
enum zstd_limit { ZSTD_WINDOW_LOG_MAX = 100 };
enum zstd_end { ZSTD_CONTINUE = 0, ZSTD_END = 2 };

/* NULL: no memory. The caller ends what these give; NULL does no harm. */
ZSTD_CCtx *ZSTD_createCCtx(void);
size_t ZSTD_freeCCtx(ZSTD_CCtx *c);
ZSTD_DCtx *ZSTD_createDCtx(void);
size_t ZSTD_freeDCtx(ZSTD_DCtx *d);

/* What these return is an error when ZSTD_isError() says so. */
size_t ZSTD_CCtx_setParameter(ZSTD_CCtx *c, enum zstd_parameter p, int value);
size_t ZSTD_CCtx_setPledgedSrcSize(ZSTD_CCtx *c, unsigned long long n);
size_t ZSTD_DCtx_setParameter(ZSTD_DCtx *d, enum zstd_limit p, int value);
/* With ZSTD_END, 0: all is out. */
size_t ZSTD_compressStream2(ZSTD_CCtx *c, ZSTD_outBuffer *out,
                            ZSTD_inBuffer *in, enum zstd_end end);
/* 0: a frame is complete. */
size_t ZSTD_decompressStream(ZSTD_DCtx *d, ZSTD_outBuffer *out,
                             ZSTD_inBuffer *in);
unsigned ZSTD_isError(size_t code);
const char *ZSTD_getErrorName(size_t code);

#define LIBZSTD_FUNCTIONS(F)                                                   \
    F(ZSTD_CCtx_setParameter)                                                  \
    F(ZSTD_CCtx_setPledgedSrcSize)                                             \
    F(ZSTD_DCtx_setParameter)                                                  \
    F(ZSTD_compressStream2)                                                    \
    F(ZSTD_createCCtx)                                                         \
    F(ZSTD_createDCtx)                                                         \
    F(ZSTD_decompressStream)                                                   \
    F(ZSTD_freeCCtx)                                                           \
    F(ZSTD_freeDCtx)                                                           \
    F(ZSTD_getErrorName)                                                       \
    F(ZSTD_isError)

struct libzstd {
    LIBZSTD_FUNCTIONS(LIBRARY_MEMBER)
};

#endif
