/*
 * fuzz_config.c - any text as a configuration file: read, and if it is
 * good, printed.
 */
#include "base/buf.h"
#include "base/config.h"

#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config c;
    struct buf errors;
    FILE *in, *out;

    /* It would open what the input names, a terminal or a FIFO perhaps. */
    if (size == 0 || memmem(data, size, "env_file", 8) != NULL)
        return 0;
    in = fmemopen((void *)(uintptr_t)data, size, "r");
    out = fopen("/dev/null", "w");
    must(in != NULL && out != NULL);
    buf_init(&errors, 8192);
    config_init(&c);
    enum err e = config_read_stream(&c, in, "/fuzz/snapcgi.conf", &errors);
    must((e == OK) == (errors.n == 0 && errors.err == OK));
    config_print(&c, out);
    config_free(&c);
    buf_free(&errors);
    fclose(in);
    fclose(out);
    return 0;
}
