/*
 * legacy_index.h - the indexes of the Encoding Standard (section 5), out of
 * ICU's converters.
 *
 * A row is asked of ICU when it is first needed and is kept as long as the
 * process. Where ICU and the standard differ, legacy_index.c corrects it.
 */
#ifndef BIND_LEGACY_INDEX_H
#define BIND_LEGACY_INDEX_H

#include <stdbool.h>
#include <stdint.h>

/* The single-byte ones first, in the order of enum legacy. */
enum legacy_index {
    INDEX_IBM866,
    INDEX_ISO_8859_2,
    INDEX_ISO_8859_3,
    INDEX_ISO_8859_4,
    INDEX_ISO_8859_5,
    INDEX_ISO_8859_6,
    INDEX_ISO_8859_7,
    INDEX_ISO_8859_8,
    INDEX_ISO_8859_10,
    INDEX_ISO_8859_13,
    INDEX_ISO_8859_14,
    INDEX_ISO_8859_15,
    INDEX_ISO_8859_16,
    INDEX_KOI8_R,
    INDEX_KOI8_U,
    INDEX_MACINTOSH,
    INDEX_WINDOWS_874,
    INDEX_WINDOWS_1250,
    INDEX_WINDOWS_1251,
    INDEX_WINDOWS_1253,
    INDEX_WINDOWS_1254,
    INDEX_WINDOWS_1255,
    INDEX_WINDOWS_1256,
    INDEX_WINDOWS_1257,
    INDEX_WINDOWS_1258,
    INDEX_X_MAC_CYRILLIC,
    INDEX_SINGLE_COUNT,
    INDEX_BIG5 = INDEX_SINGLE_COUNT,
    INDEX_EUC_KR,
    INDEX_GB18030,
    INDEX_JIS0208, /* asked by the two bytes of Shift_JIS */
    INDEX_JIS0212, /* asked by the last two bytes of EUC-JP */
    INDEX_COUNT
};

/* Makes an index ready; NULL, or the name of the converter ICU lacks. */
const char *legacy_index_open(enum legacy_index i);

/* Below, i is open; 0 stands for no character. */

/* Lends for ever: the 128 units of the bytes from 0x80 on. */
const uint16_t *legacy_index_single(enum legacy_index i);
/* lead is 0x81 to 0xfe, trail 0x40 to 0xff. */
uint32_t legacy_index_pair(enum legacy_index i, uint8_t lead, uint8_t trail);
/* Four bytes of gb18030 in the Basic Multilingual Plane. */
uint32_t legacy_index_four(const uint8_t four[4]);

#endif
