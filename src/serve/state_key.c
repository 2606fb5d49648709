/* state_key.c - see state_key.h. */
#include "serve/state_key.h"

#include "base/io.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEX_N (2 * STATE_KEY_N)
#define TEXT_MAX (HEX_N + 2) /* CR LF */

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

/* Digits end at a line end, or with the text. */
static bool from_hex(const char *p, size_t n, struct state_key *key)
{
    if (n > HEX_N && p[n - 1] == '\n')
        n--;
    if (n > HEX_N && p[n - 1] == '\r')
        n--;
    if (n != HEX_N)
        return false;
    for (size_t i = 0; i < STATE_KEY_N; i++) {
        int high = digit(p[2 * i]), low = digit(p[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        key->bytes[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

static enum err check_file(const char *path, int fd, struct why *why)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return why_set(why, ERR_IO, "the key file %s: %s", path,
                       strerror(errno));
    if (!S_ISREG(st.st_mode))
        return why_set(why, ERR_FAIL, "the key file %s is not a regular file",
                       path);
    if ((st.st_mode & 077) != 0)
        return why_set(why, ERR_ACCESS,
                       "the key file %s has mode %04o, so others than its "
                       "owner can use it: chmod 0600 it, and make a new key "
                       "if somebody may have read this one",
                       path, (unsigned)(st.st_mode & 07777));
    return OK;
}

enum err state_key_read(const char *path, struct state_key *key,
                        struct why *why)
{
    char text[TEXT_MAX + 1]; /* one more, to see that there is more */
    size_t n;
    enum err e = ERR_IO;

    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return why_set(why, errno == ENOENT ? ERR_NOTFOUND : e,
                       "the key file %s: %s", path, strerror(errno));
    if ((e = check_file(path, fd, why)) != OK)
        goto out;
    if (io_read_at(fd, text, sizeof text, 0, &n) == ERR_IO) {
        e = why_set(why, ERR_IO, "the key file %s: %s", path, strerror(errno));
        goto out;
    }
    if (n == STATE_KEY_N)
        memcpy(key->bytes, text, STATE_KEY_N);
    else if (!from_hex(text, n, key)) {
        state_key_wipe(key);
        e = why_set(why, ERR_SYNTAX,
                    "the key file %s must hold 32 bytes or 64 hexadecimal "
                    "digits: head -c 32 /dev/urandom makes a key",
                    path);
    }
out:
    explicit_bzero(text, sizeof text);
    close(fd);
    return e;
}

void state_key_wipe(struct state_key *key)
{
    explicit_bzero(key, sizeof *key);
}
