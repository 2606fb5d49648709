/* legacy_index.c - see legacy_index.h. */
#include "bind/legacy_index.h"

#include "base/err.h"

#include <stddef.h>
#include <unicode/ucnv.h>

#define LEADS 128   /* rows, by the low bits of the lead byte */
#define TRAILS 0xc0 /* places in a row: trail bytes from 0x40 on */

/*
 * What the standard has in place of ICU's answer, ended by a zero. `from` is
 * the bytes; for gb18030 it is ICU's character, of its older edition.
 */
struct fix {
    uint16_t from, to;
};

/* ICU has no ISO-8859-16: these are its differences to ISO-8859-1. */
static const struct fix iso_8859_16[] = {
    {0xa1, 0x0104}, {0xa2, 0x0105}, {0xa3, 0x0141}, {0xa4, 0x20ac},
    {0xa5, 0x201e}, {0xa6, 0x0160}, {0xa8, 0x0161}, {0xaa, 0x0218},
    {0xac, 0x0179}, {0xae, 0x017a}, {0xaf, 0x017b}, {0xb2, 0x010c},
    {0xb3, 0x0142}, {0xb4, 0x017d}, {0xb5, 0x201d}, {0xb8, 0x017e},
    {0xb9, 0x010d}, {0xba, 0x0219}, {0xbc, 0x0152}, {0xbd, 0x0153},
    {0xbe, 0x0178}, {0xbf, 0x017c}, {0xc3, 0x0102}, {0xc5, 0x0106},
    {0xd0, 0x0110}, {0xd1, 0x0143}, {0xd5, 0x0150}, {0xd7, 0x015a},
    {0xd8, 0x0170}, {0xdd, 0x0118}, {0xde, 0x021a}, {0xe3, 0x0103},
    {0xe5, 0x0107}, {0xf0, 0x0111}, {0xf1, 0x0144}, {0xf5, 0x0151},
    {0xf7, 0x015b}, {0xf8, 0x0171}, {0xfd, 0x0119}, {0xfe, 0x021b},
    {0, 0}};
static const struct fix koi8_u[] = {{0xae, 0x045e}, {0xbe, 0x040e}, {0, 0}};
static const struct fix windows_1253[] = {{0xaa, 0}, {0, 0}};
static const struct fix windows_1255[] = {{0xca, 0x05ba}, {0, 0}};
/* Private use there, characters of Unicode since. */
static const struct fix gb18030[] = {
    {0xe5e5, 0x3000}, {0xe78d, 0xfe10}, {0xe78e, 0xfe12}, {0xe78f, 0xfe11},
    {0xe790, 0xfe13}, {0xe791, 0xfe14}, {0xe792, 0xfe15}, {0xe793, 0xfe16},
    {0xe794, 0xfe17}, {0xe795, 0xfe18}, {0xe796, 0xfe19}, {0xe81e, 0x9fb4},
    {0xe826, 0x9fb5}, {0xe82b, 0x9fb6}, {0xe82c, 0x9fb7}, {0xe832, 0x9fb8},
    {0xe843, 0x9fb9}, {0xe854, 0x9fba}, {0xe864, 0x9fbb}, {0, 0}};
/* Hong Kong's characters that ICU has as private use or not at all. */
static const struct fix big5[] = {
    {0x87a4, 0x9f97}, {0x87ac, 0x9f96}, {0x8840, 0x31c0},
    {0x8841, 0x31c1}, {0x8842, 0x31c2}, {0x8843, 0x31c3},
    {0x8844, 0x31c4}, {0x8846, 0x31c5}, {0x8849, 0x31c6},
    {0x884a, 0x31c7}, {0x884d, 0x31c8}, {0x884f, 0x31c9},
    {0x8850, 0x31ca}, {0x8851, 0x31cb}, {0x8852, 0x31cc},
    {0x8854, 0x31cd}, {0x8855, 0x31ce}, {0x88a9, 0x23da},
    {0x88aa, 0x23db}, {0x8c43, 0x9fa6}, {0x8c6d, 0x9fa7},
    {0x8c74, 0x9fa8}, {0x8cb7, 0x9fa9}, {0x8cb9, 0x9faa},
    {0x8cbb, 0x9fab}, {0x8cc0, 0x9fac}, {0x8cd7, 0x9fad},
    {0x8cd8, 0x9fae}, {0x8cda, 0x9faf}, {0x8ced, 0x9fb2},
    {0x8d48, 0x9fb3}, {0x8e69, 0x7bb8}, {0x8e6f, 0x7c06},
    {0x8e7e, 0x7cce}, {0x8eab, 0x7dd2}, {0x8eb4, 0x7e1d},
    {0x8ecd, 0x8005}, {0x8ed0, 0x8028}, {0x8f57, 0x83c1},
    {0x8f69, 0x84a8}, {0x8f6e, 0x840f}, {0x8fcb, 0x89a6},
    {0x8fcc, 0x89a9}, {0x8ffe, 0x8d77}, {0x906d, 0x90fd},
    {0x907a, 0x92b9}, {0x90dc, 0x975c}, {0x90f1, 0x97ff},
    {0x91bf, 0x9f16}, {0x9244, 0x8503}, {0x92af, 0x5159},
    {0x92b0, 0x515b}, {0x92b1, 0x515d}, {0x92b2, 0x515e},
    {0x92c8, 0x936e}, {0x92d1, 0x7479}, {0x9447, 0x6d67},
    {0x94ca, 0x799b}, {0x95d9, 0x9097}, {0x9644, 0x975d},
    {0x96ed, 0x701e}, {0x96fc, 0x5b28}, {0x9b76, 0x7201},
    {0x9b78, 0x77d7}, {0x9b7b, 0x7e87}, {0x9bc6, 0x99d6},
    {0x9bde, 0x91d4}, {0x9bec, 0x60de}, {0x9bf6, 0x6fb6},
    {0x9c42, 0x8f36}, {0x9c53, 0x4fbb}, {0x9c62, 0x71df},
    {0x9c68, 0x9104}, {0x9c6b, 0x9df0}, {0x9c77, 0x83cf},
    {0x9cbc, 0x5c10}, {0x9cbd, 0x79e3}, {0x9cd0, 0x5a67},
    {0x9d57, 0x8f0b}, {0x9d5a, 0x7b51}, {0x9dc4, 0x62d0},
    {0x9ea9, 0x6062}, {0x9eef, 0x75f9}, {0x9efd, 0x6c4a},
    {0x9f60, 0x9b2e}, {0x9f66, 0x9f17}, {0x9fcb, 0x50ed},
    {0x9fd8, 0x5f0c}, {0xa063, 0x880f}, {0xa077, 0x62ce},
    {0xa0d5, 0x7468}, {0xa0df, 0x7162}, {0xa0e4, 0x7250},
    {0xa3e0, 0x2421}, {0xc6cf, 0x5ef4}, {0xc6d3, 0x65e0},
    {0xc6d5, 0x7676}, {0xc6d7, 0x96b6}, {0xc6de, 0x3003},
    {0xc6df, 0x4edd}, {0xc879, 0x31cf}, {0xc8a1, 0x9fb0},
    {0xc8a3, 0x9fb1}, {0xfa5f, 0x5029}, {0xfa66, 0x507d},
    {0xfabd, 0x5305}, {0xfac5, 0x5344}, {0xfad5, 0x537f},
    {0xfb48, 0x5605}, {0xfbb8, 0x5a77}, {0xfbf3, 0x5e75},
    {0xfbf9, 0x5ed0}, {0xfc4f, 0x5f58}, {0xfc6c, 0x60a4},
    {0xfcb9, 0x6490}, {0xfce2, 0x6674}, {0xfcf1, 0x675e},
    {0xfdb7, 0x6c9c}, {0xfdb8, 0x6e1d}, {0xfdbb, 0x6e2f},
    {0xfdf1, 0x716e}, {0xfe52, 0x732a}, {0xfe6f, 0x745c},
    {0xfeaa, 0x74e9}, {0xfedd, 0x7809}, {0, 0}};

struct source {
    const char *name; /* ICU's, of a converter */
    const struct fix *fixes;
    bool private_use; /* belongs to the index */
};

static const struct source sources[INDEX_COUNT] = {
    [INDEX_IBM866] = {"ibm-866_P100-1995", NULL, false},
    [INDEX_ISO_8859_2] = {"iso-8859-2", NULL, false},
    [INDEX_ISO_8859_3] = {"iso-8859-3", NULL, false},
    [INDEX_ISO_8859_4] = {"iso-8859-4", NULL, false},
    [INDEX_ISO_8859_5] = {"iso-8859-5", NULL, false},
    [INDEX_ISO_8859_6] = {"iso-8859-6", NULL, false},
    [INDEX_ISO_8859_7] = {"iso-8859-7", NULL, false},
    [INDEX_ISO_8859_8] = {"iso-8859-8", NULL, false},
    [INDEX_ISO_8859_10] = {"iso-8859_10-1998", NULL, false},
    [INDEX_ISO_8859_13] = {"iso-8859-13", NULL, false},
    [INDEX_ISO_8859_14] = {"iso-8859_14-1998", NULL, false},
    [INDEX_ISO_8859_15] = {"iso-8859-15", NULL, false},
    [INDEX_ISO_8859_16] = {"iso-8859-1", iso_8859_16, false},
    [INDEX_KOI8_R] = {"koi8-r", NULL, false},
    [INDEX_KOI8_U] = {"koi8-u", koi8_u, false},
    [INDEX_MACINTOSH] = {"macintosh", NULL, true},
    [INDEX_WINDOWS_874] = {"windows-874", NULL, false},
    [INDEX_WINDOWS_1250] = {"windows-1250", NULL, false},
    [INDEX_WINDOWS_1251] = {"windows-1251", NULL, false},
    [INDEX_WINDOWS_1253] = {"windows-1253", windows_1253, false},
    [INDEX_WINDOWS_1254] = {"windows-1254", NULL, false},
    [INDEX_WINDOWS_1255] = {"windows-1255", windows_1255, false},
    [INDEX_WINDOWS_1256] = {"windows-1256", NULL, false},
    [INDEX_WINDOWS_1257] = {"windows-1257", NULL, false},
    [INDEX_WINDOWS_1258] = {"windows-1258", NULL, false},
    [INDEX_X_MAC_CYRILLIC] = {"x-mac-cyrillic", NULL, false},
    [INDEX_BIG5] = {"ibm-1375_P100-2008", big5, false},
    [INDEX_EUC_KR] = {"windows-949-2000", NULL, false},
    [INDEX_GB18030] = {"gb18030", gb18030, true},
    [INDEX_JIS0208] = {"ibm-943_P15A-2003", NULL, false},
    [INDEX_JIS0212] = {"euc-jp-2007", NULL, false},
};

static struct {
    UConverter *converter;
    uint16_t *single;
    uint32_t *rows[LEADS];
} indexes[INDEX_COUNT];

const char *legacy_index_open(enum legacy_index i)
{
    UErrorCode e = U_ZERO_ERROR;
    if (indexes[i].converter != NULL)
        return NULL;
    UConverter *c = ucnv_open(sources[i].name, &e);
    if (U_SUCCESS(e))
        ucnv_setToUCallBack(c, UCNV_TO_U_CALLBACK_STOP, NULL, NULL, NULL, &e);
    if (U_FAILURE(e)) {
        ucnv_close(c);
        return sources[i].name;
    }
    indexes[i].converter = c;
    return NULL;
}

/* ICU's one character for the bytes, or 0. */
static uint32_t ask(enum legacy_index i, const uint8_t *bytes, int32_t n)
{
    UErrorCode e = U_ZERO_ERROR;
    UConverter *c = indexes[i].converter;
    UChar got[4];
    ucnv_resetToUnicode(c);
    int32_t units = ucnv_toUChars(c, got, 4, (const char *)bytes, n, &e);
    if (U_FAILURE(e))
        return 0;
    if (units == 2 && U16_IS_LEAD(got[0]) && U16_IS_TRAIL(got[1]))
        return (uint32_t)U16_GET_SUPPLEMENTARY(got[0], got[1]);
    bool own = got[0] >= 0xe000 && got[0] < 0xf900;
    if (units != 1 || (own && !sources[i].private_use))
        return 0;
    return got[0];
}

const uint16_t *legacy_index_single(enum legacy_index i)
{
    uint16_t *all = indexes[i].single;
    if (all != NULL)
        return all;
    all = xalloc(128 * sizeof(*all));
    for (unsigned k = 0; k < 128; k++) {
        uint8_t byte = (uint8_t)(0x80 + k);
        all[k] = (uint16_t)ask(i, &byte, 1);
    }
    const struct fix *fix = sources[i].fixes;
    for (; fix != NULL && fix->from != 0; fix++)
        all[fix->from - 0x80] = fix->to;
    indexes[i].single = all;
    return all;
}

static uint32_t newer_gb18030(uint32_t c)
{
    for (const struct fix *fix = gb18030; fix->from != 0; fix++)
        if (fix->from == c)
            return fix->to;
    return c;
}

static uint32_t *make_row(enum legacy_index i, uint8_t lead)
{
    uint32_t *row = xalloc(TRAILS * sizeof(*row));
    uint8_t bytes[3] = {0x8f, lead, 0};
    int32_t n = i == INDEX_JIS0212 ? 3 : 2;
    /* Past row 77 ICU has more than JIS X 0212. */
    if (i == INDEX_JIS0212 && lead > 0xed)
        return row;
    for (unsigned k = 0; k < TRAILS; k++) {
        bytes[2] = (uint8_t)(0x40 + k);
        row[k] = ask(i, bytes + 3 - n, n);
        if (i == INDEX_GB18030)
            row[k] = newer_gb18030(row[k]);
        else if (i == INDEX_BIG5 && lead == 0xa3 && k >= 0x80 && k < 0xa0)
            row[k] = 0x2400 + k - 0x80; /* pictures of controls */
    }
    if (i == INDEX_BIG5)
        for (const struct fix *fix = big5; fix->from != 0; fix++)
            if (fix->from >> 8 == lead)
                row[(fix->from & 0xff) - 0x40] = fix->to;
    return row;
}

uint32_t legacy_index_pair(enum legacy_index i, uint8_t lead, uint8_t trail)
{
    uint32_t **row = &indexes[i].rows[lead & (LEADS - 1)];
    if (*row == NULL)
        *row = make_row(i, lead);
    return (*row)[trail - 0x40];
}

uint32_t legacy_index_four(const uint8_t four[4])
{
    return newer_gb18030(ask(INDEX_GB18030, four, 4));
}
