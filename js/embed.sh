#!/bin/sh
# Puts the texts of js/ in their order into one file, each as one function,
# and writes the C source that carries it (see src/engine/js_files.h).
# usage: embed.sh TEXT NAME=FILE[+FILE...] ... [--lazy NAME=FILE...] > js_embedded.c
set -eu

text=$1
shift
table=
count=0
lazy=false
: > "$text"
for one in "$@"; do
    if [ "$one" = --lazy ]; then
        lazy=true
        continue
    fi
    start=$(wc -c < "$text")
    printf '(function (native, use, module, exports) {"use strict";' >> "$text"
    for file in $(printf '%s\n' "${one#*=}" | tr + ' '); do
        if LC_ALL=C grep -n '[^[:print:][:space:]]' "$file" >&2; then
            echo "$file: not ASCII; write \\u escapes" >&2
            exit 1
        fi
        cat "$file" >> "$text"
    done
    printf '\n})' >> "$text"
    table="$table    {\"${one%%=*}\", js_text + $start, \
$(($(wc -c < "$text") - start)), $lazy},
"
    count=$((count + 1))
done

cat <<C
/* Made by js/embed.sh. */
#include "engine/js_files.h"

__asm__(".section .rodata\\n"
        "js_text:\\n"
        ".incbin \"$text\"\\n"
        ".previous\\n");
extern const char js_text[];

const struct js_file js_files[] = {
$table};
const size_t js_files_count = $count;
const uint64_t js_hash = UINT64_C(0x$(printf '%s' "$table" |
    cat - "$text" | sha256sum | cut -c1-16));
C
