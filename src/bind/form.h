/*
 * form.h - application/x-www-form-urlencoded, URL Standard section 5.
 */
#ifndef BIND_FORM_H
#define BIND_FORM_H

#include "base/buf.h"
#include "base/slice.h"

/*
 * Takes the next pair off the front of *rest. False when none is left.
 * Percent-decoded bytes go to scratch, which has room for rest->n bytes of
 * the first call and moves on with *rest; what needs no decoding is a part
 * of *rest itself. The bytes need not be UTF-8.
 */
bool form_next(struct slice *rest, char **scratch, struct slice *name,
               struct slice *value);
/* Appends name=value, with & before it unless out is empty. */
void form_put(struct buf *out, struct slice name, struct slice value);

#endif
