#!/bin/sh
# build.sh SOURCES FOLDER [OPTION...]: the fuzzers into FOLDER, by a clang that
# has libFuzzer; options are for the linker. Exits with 77 when there is none.
# $CLANG names another.
set -eu

src=$1
out=$2
shift 2

has_fuzzer() {
    printf 'int LLVMFuzzerTestOneInput(const char *p, unsigned long n);
int LLVMFuzzerTestOneInput(const char *p, unsigned long n)
{ return p == 0 && n > 1; }\n' > "$out/probe.c"
    "$1" -fsanitize=fuzzer,address,undefined -o "$out/probe" "$out/probe.c" \
        > /dev/null 2>&1
}

find_clang() {
    for c in ${CLANG:-clang-14 clang-19 clang}; do
        if command -v "$c" > /dev/null && has_fuzzer "$c"; then
            echo "$c"
            return
        fi
    done
}

# Is the fuzzer newer than all it is made of?
is_new() {
    [ -x "$1" ] && [ -z "$(find "$src/src/base" "$src/src/cgi" "$src/src/bind" \
        "$src/tests/fuzz" -name '*.[ch]' -newer "$1")" ]
}

mkdir -p "$out/objects"
clang=$(find_clang)
rm -f "$out/probe" "$out/probe.c"
if [ -z "$clang" ]; then
    echo "no clang with libFuzzer; the packages are clang and libclang-rt-dev" >&2
    exit 77
fi
flags="-std=gnu17 -g -O1 -D_GNU_SOURCE -I$src/src -fno-sanitize-recover=all"
objects=
for f in "$src"/src/base/*.c "$src"/src/cgi/*.c "$src"/src/bind/decode.c \
    "$src"/src/bind/base64.c "$src"/src/bind/legacy_*.c; do
    o=$out/objects/$(basename "$f" .c).o
    objects="$objects $o"
    is_new "$o" && continue
    # shellcheck disable=SC2086 # a list of options
    "$clang" $flags -fsanitize=fuzzer-no-link,address,undefined -c -o "$o" "$f"
done
for f in "$src"/tests/fuzz/fuzz_*.c; do
    to=$out/$(basename "$f" .c)
    is_new "$to" && continue
    # shellcheck disable=SC2086 # lists
    "$clang" $flags -fsanitize=fuzzer,address,undefined -o "$to" "$f" $objects -licuuc \
        "$@"
done
