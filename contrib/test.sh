#!/usr/bin/env bash
# test.sh - sets up, builds and runs all tests.
#
#   contrib/test.sh [--with-v8=PREFIX] [--build-dir DIR] [--enable-asan]
#                   [--enable-werror]
#
# The last line is "N passed, N failed". Ends with 0 when tests ran and none
# failed. What failed is shown before that line; DIR/test-suite.log has all.
set -euo pipefail

src=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$src/build
options=()

usage() {
    sed -n 's/^# \{0,1\}//; 4,8p' "${BASH_SOURCE[0]}"
    exit "$1"
}

while [ $# -gt 0 ]; do
    case $1 in
    --build-dir=*) build=${1#*=} ;;
    --build-dir) build=${2?--build-dir needs a folder}; shift ;;
    --with-v8=* | --enable-asan | --enable-werror) options+=("$1") ;;
    --with-v8) options+=("--with-v8=${2?--with-v8 needs a folder}"); shift ;;
    -h | --help) usage 0 ;;
    *) echo "test: unknown option $1" >&2; usage 64 >&2 ;;
    esac
    shift
done
case $build in /*) ;; *) build=$PWD/$build ;; esac

if ! "$src/contrib/setup.sh" --for test --build-dir "$build" "${options[@]}"
then
    echo "0 passed, 1 failed"
    exit 1
fi
cd "$build"
suite=test-suite.log
rm -f "$suite"
# setup.sh builds anew when it finds this.
trap 'rm -f "$build/.making"' EXIT
touch .making
echo "test: make check (output in ${build#"$src"/}/check.log)"
make_status=0
make -k -j"$(nproc)" check >check.log 2>&1 </dev/null || make_status=$?

# Automake counts every line of TAP; its totals head the suite's log.
total() { sed -n "s/^# $1: *\([0-9]*\)\$/\1/p" "$suite" | head -n 1; }
passed=0
failed=0
skipped=0
if [ -e "$suite" ]; then
    passed=$(($(total PASS) + $(total XFAIL)))
    failed=$(($(total FAIL) + $(total XPASS) + $(total ERROR)))
    skipped=$(total SKIP)
fi
if [ "$failed" = 0 ] && [ "$make_status" != 0 ]; then
    tail -n 30 check.log
    failed=1
fi
sed -nE 's/^(FAIL|XPASS|ERROR): ([^ ]+).*/\2/p' check.log | sort -u |
    while read -r name; do
        printf -- '---- %s\n' "$name"
        grep -E "^(FAIL|XPASS|ERROR): $name( |\$)" check.log | head -n 20
        grep -aE '^(not ok|#|Bail out)' "${name%.t}.log" | cut -c1-300 |
            head -n 30 || true
    done
sed -n 's/^SKIP: /skipped: /p' check.log | head -n 20
[ "$skipped" = 0 ] || echo "test: $skipped skipped"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -gt 0 ]
