/*
 * fcgi_decode.h - parameters to "NAME=value" strings, by libfcgi.
 *
 * libfcgi reads from descriptors only, and trusts what it reads: lengths it
 * cannot allocate end the process, GET_VALUES with four names overflows its
 * stack, a padded end of PARAMS puts it out of step. So it gets its bytes
 * from a memory file of our own: one BEGIN_REQUEST and PARAMS records made
 * here from pairs that were checked.
 */
#ifndef CGI_FCGI_DECODE_H
#define CGI_FCGI_DECODE_H

#include "base/err.h"
#include "base/slice.h"

#include <fcgiapp.h>
#include <sys/types.h>

struct fcgi_decoder {
    int feed; /* the file; libfcgi reads where its offset is */
    off_t at; /* that offset: all before it was read */
};

/* ERR_IO; ERR_FAIL when libfcgi cannot start. */
enum err fcgi_decoder_open(struct fcgi_decoder *d);
void fcgi_decoder_close(struct fcgi_decoder *d);
/*
 * Fills req; its envp (without libfcgi's own FCGI_ROLE) is *params, which
 * lives until FCGX_Free(req, 0). ERR_IO; req then holds nothing.
 */
enum err fcgi_decode(struct fcgi_decoder *d, struct slice pairs,
                     FCGX_Request *req, const char *const **params);

#endif
