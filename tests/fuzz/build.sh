#!/bin/sh
# build.sh SOURCES FOLDER [OPTION...] [--v8 LIBENGINE OPTION...]: the fuzzers
# into FOLDER, by a clang that has libFuzzer. Options are for the linker: of
# those that need no V8, and of fuzz_multipart, which is not built without
# --v8. Exits with 77 when there is no such clang; $CLANG names another.
set -eu

src=$1
out=$2
shift 2

options=
while [ $# -gt 0 ] && [ "$1" != --v8 ]; do
    options="$options $1"
    shift
done
[ $# -eq 0 ] || shift

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

# Is it newer than all it is made of?
is_new() {
    [ -x "$1" ] && [ -z "$(find "$src/src" "$src/tests/fuzz" -name '*.[ch]' \
        -newer "$1")" ]
}

mkdir -p "$out/objects"
clang=$(find_clang)
rm -f "$out/probe" "$out/probe.c"
if [ -z "$clang" ]; then
    echo "no clang with libFuzzer; the packages are clang and libclang-rt-dev" >&2
    exit 77
fi
flags="-std=gnu17 -g -O1 -D_GNU_SOURCE -I$src/src -I. -fno-sanitize-recover=all"

# object FILE: compiled, unless it is new; its name in $o.
object() {
    o=$out/objects/$(basename "$1" .c).o
    [ ! -e "$o" ] || [ -n "$(find "$src/src" -name '*.[ch]' -newer "$o")" ] ||
        return 0
    # shellcheck disable=SC2086 # a list of options
    "$clang" $flags -fsanitize=fuzzer-no-link,address,undefined -c -o "$o" "$1"
}

objects=
for f in "$src"/src/base/*.c "$src"/src/cgi/*.c "$src"/src/bind/decode.c \
    "$src"/src/bind/base64.c "$src"/src/bind/legacy_*.c; do
    object "$f"
    objects="$objects $o"
done
for f in "$src"/tests/fuzz/fuzz_*.c; do
    to=$out/$(basename "$f" .c)
    case $to in */fuzz_multipart) continue ;; esac
    is_new "$to" && continue
    # shellcheck disable=SC2086 # lists
    "$clang" $flags -fsanitize=fuzzer,address,undefined -o "$to" "$f" $objects \
        -licuuc $options
done

# V8 and what was built around it have no instructions of the fuzzer's.
to=$out/fuzz_multipart
[ $# -gt 0 ] || exit 0
! is_new "$to" || [ -n "$(find "$1" -newer "$to")" ] || exit 0
for f in "$src"/src/bind/*.c; do
    object "$f"
    case " $objects " in *" $o "*) ;; *) objects="$objects $o" ;; esac
done
# shellcheck disable=SC2086 # lists
"$clang" $flags -fsanitize=fuzzer,address,undefined -o "$to" \
    "$src/tests/fuzz/fuzz_multipart.c" $objects "$@" -lstdc++ -lm
