#include "bind/base64.h"

static const char alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Values are six bits; what is not in the table is malformed (BAD). */
enum { BAD = 0, VALUE = 0x40, SPACE = 0x80, PAD = 0x81 };
#define V(c, n) [c] = VALUE + (n)
static const uint8_t meaning[256] = {
    V('A', 0),      V('B', 1),      V('C', 2),      V('D', 3),
    V('E', 4),      V('F', 5),      V('G', 6),      V('H', 7),
    V('I', 8),      V('J', 9),      V('K', 10),     V('L', 11),
    V('M', 12),     V('N', 13),     V('O', 14),     V('P', 15),
    V('Q', 16),     V('R', 17),     V('S', 18),     V('T', 19),
    V('U', 20),     V('V', 21),     V('W', 22),     V('X', 23),
    V('Y', 24),     V('Z', 25),     V('a', 26),     V('b', 27),
    V('c', 28),     V('d', 29),     V('e', 30),     V('f', 31),
    V('g', 32),     V('h', 33),     V('i', 34),     V('j', 35),
    V('k', 36),     V('l', 37),     V('m', 38),     V('n', 39),
    V('o', 40),     V('p', 41),     V('q', 42),     V('r', 43),
    V('s', 44),     V('t', 45),     V('u', 46),     V('v', 47),
    V('w', 48),     V('x', 49),     V('y', 50),     V('z', 51),
    V('0', 52),     V('1', 53),     V('2', 54),     V('3', 55),
    V('4', 56),     V('5', 57),     V('6', 58),     V('7', 59),
    V('8', 60),     V('9', 61),     V('+', 62),     V('/', 63),
    ['\t'] = SPACE, ['\n'] = SPACE, ['\f'] = SPACE, ['\r'] = SPACE,
    [' '] = SPACE,  ['='] = PAD};

size_t base64_encoded_size(size_t n)
{
    return (n + 2) / 3 * 4;
}

size_t base64_decoded_room(size_t n)
{
    return n / 4 * 3 + 3;
}

void base64_encode(struct slice in, char *out)
{
    const uint8_t *p = (const uint8_t *)in.p;
    size_t n = in.n;
    for (; n >= 3; n -= 3, p += 3) {
        uint32_t v = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
        *out++ = alphabet[v >> 18];
        *out++ = alphabet[v >> 12 & 63];
        *out++ = alphabet[v >> 6 & 63];
        *out++ = alphabet[v & 63];
    }
    if (n > 0) {
        uint32_t v = (uint32_t)p[0] << 16 | (n > 1 ? (uint32_t)p[1] << 8 : 0);
        *out++ = alphabet[v >> 18];
        *out++ = alphabet[v >> 12 & 63];
        *out++ = n > 1 ? alphabet[v >> 6 & 63] : '=';
        *out++ = '=';
    }
}

bool base64_decode(struct slice in, char *out, size_t *n)
{
    const uint8_t *p = (const uint8_t *)in.p;
    char *at = out;
    uint32_t bits = 0;
    size_t values = 0, pads = 0;
    for (size_t i = 0; i < in.n; i++) {
        uint8_t m = meaning[p[i]];
        if (m == SPACE)
            continue;
        if (m == PAD) {
            pads++;
            continue;
        }
        if (m == BAD || pads > 0)
            return false;
        bits = bits << 6 | (m - VALUE);
        if (++values % 4 == 0) {
            *at++ = (char)(bits >> 16);
            *at++ = (char)(bits >> 8);
            *at++ = (char)bits;
        }
    }
    size_t rest = values % 4;
    if (rest == 1 || pads > 2 || (pads > 0 && (rest + pads) % 4 != 0))
        return false;
    if (rest == 2) {
        *at++ = (char)(bits >> 4);
    } else if (rest == 3) {
        *at++ = (char)(bits >> 10);
        *at++ = (char)(bits >> 2);
    }
    *n = (size_t)(at - out);
    return true;
}
