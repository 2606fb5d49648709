#!/bin/sh
# Writes the C source that carries the texts of js/ in their order.
# usage: embed.sh NAME=FILE[+FILE...] ... > js_embedded.c
set -eu

parts() {
    printf '%s\n' "${1#*=}" | tr + '\n'
}

echo '/* Made by js/embed.sh. */'
echo '#include "engine/image_build.h"'
i=0
for one in "$@"; do
    printf '__asm__(".section .rodata\\n"\n'
    printf '        "js_text_%d:\\n"\n' "$i"
    parts "$one" | while read -r file; do
        printf '        ".incbin \\"%s\\"\\n"\n' "$file"
    done
    printf '        ".globl js_text_%d_end\\njs_text_%d_end:\\n"\n' "$i" "$i"
    printf '        ".byte 0\\n.globl js_text_%d\\n.previous\\n");\n' "$i"
    printf 'extern const char js_text_%d[], js_text_%d_end[];\n' "$i" "$i"
    i=$((i + 1))
done

echo 'const struct js_file js_files[] = {'
i=0
for one in "$@"; do
    size=$(parts "$one" | xargs cat | wc -c)
    printf '    {"%s", js_text_%d, %d},\n' "${one%%=*}" "$i" "$size"
    i=$((i + 1))
done
echo '};'
printf 'const size_t js_files_count = %d;\n' "$i"
hash=$(for one in "$@"; do
    echo "${one%%=*}"
    parts "$one" | xargs cat
done | sha256sum | cut -c1-16)
printf 'const uint64_t js_hash = UINT64_C(0x%s);\n' "$hash"
