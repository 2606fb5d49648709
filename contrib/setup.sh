#!/usr/bin/env bash
# setup.sh - makes this checkout ready and builds it, on Debian 12 and 13.
#
#   contrib/setup.sh [--with-v8=PREFIX] [--build-dir DIR] [--enable-asan]
#                    [--enable-werror] [--for run|test]
#
# Installs with apt what is missing and nothing else, says what, and removes
# and downgrades nothing. The program is then DIR/snapcgi (DIR: build). What
# is done already is not done again. --for test, the default, also installs
# what the tests use; --for run only what quickstart.sh does.
set -euo pipefail

src=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cache=$src/.cache
build=$src/build
v8=auto
enabled=()
purpose='test'

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

usage() {
    sed -n 's/^# \{0,1\}//; 4,10p' "${BASH_SOURCE[0]}"
    exit "$1"
}

while [ $# -gt 0 ]; do
    case $1 in
    --with-v8=*) v8=${1#*=} ;;
    --with-v8) v8=${2?--with-v8 needs a folder}; shift ;;
    --build-dir=*) build=${1#*=} ;;
    --build-dir) build=${2?--build-dir needs a folder}; shift ;;
    --for=*) purpose=${1#*=} ;;
    --for) purpose=${2?--for needs run or test}; shift ;;
    --enable-asan | --enable-werror) enabled+=("$1") ;;
    -h | --help) usage 0 ;;
    *) say "unknown option $1" >&2; usage 64 >&2 ;;
    esac
    shift
done
case $build in /*) ;; *) build=$PWD/$build ;; esac
case $purpose in run | test) ;; *) die "--for is run or test" ;; esac
if [ "$v8" != auto ]; then
    [ -d "$v8" ] || die "--with-v8: there is no folder $v8"
    v8=$(cd "$v8" && pwd)
    for file in include/v8.h lib/libv8_monolith.a lib/libada.a; do
        [ -f "$v8/$file" ] || die "--with-v8: $v8 has no $file"
    done
fi
for path in "$src" "$build" "$v8"; do
    case $path in
    *[[:space:]\"\'\`\\\#\$\&\;:\*\?\(\)\<\>\|]*)
        die "Autotools cannot build with this path, for a space or another" \
            "special character in it: $path" ;;
    esac
done
mkdir -p "$cache" "$build" || die "no folder can be made there"
build=$(cd "$build" && pwd)
[ "$build" != "$src" ] || die "the build needs a folder of its own"
[ ! -e "$src/config.status" ] ||
    die "$src is configured itself: run make distclean there first"

# ---- packages --------------------------------------------------------------

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "this needs root, or sudo: $*"
    fi
}

installed() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

updated=
update_lists() {
    [ -z "$updated" ] || return 0
    updated=1
    as_root apt-get -qq update || say "apt-get update failed; trying without"
}

# Servers must neither start now nor at the next boot on a machine that did
# not run them before. policy-rc.d is Debian's way to say so; one that is
# there already is left as it is.
policy=/usr/sbin/policy-rc.d
policy_mark='snapcgi contrib/setup.sh, until its packages are installed'
policy_is_ours=
drop_policy() {
    [ -z "$policy_is_ours" ] || as_root rm -f "$policy"
    policy_is_ours=
}
finish() {
    drop_policy
    rm -f "$build/.making"
}
trap finish EXIT

install_packages() {
    local package servers=() enabled=()
    [ $# -gt 0 ] || return 0
    say "installing: $*"
    update_lists
    for package in "$@"; do
        case $package in lighttpd | apache2 | nginx) servers+=("$package") ;; esac
    done
    # An interrupted run may have left it, and dpkg in the middle.
    ! grep -qsF "$policy_mark" "$policy" || policy_is_ours=1
    if [ -n "$(ls -A /var/lib/dpkg/updates 2>/dev/null)" ]; then
        say "dpkg was interrupted: dpkg --configure -a"
        as_root env DEBIAN_FRONTEND=noninteractive dpkg --configure -a \
            >"$cache/apt.log" 2>&1 </dev/null || true
    fi
    if [ ${#servers[@]} -gt 0 ] && [ ! -e "$policy" ]; then
        policy_is_ours=1
        printf '#!/bin/sh\n# %s\nexit 101\n' "$policy_mark" |
            as_root tee "$policy" >/dev/null
        as_root chmod 755 "$policy"
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
        -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 --no-remove \
        --no-install-recommends install "$@" >"$cache/apt.log" 2>&1 ||
        { tail -n 20 "$cache/apt.log" >&2; die "apt-get install failed"; }
    drop_policy
    command -v systemctl >/dev/null || return 0
    for package in "${servers[@]}"; do
        ! systemctl is-enabled -q "$package" 2>/dev/null || enabled+=("$package")
    done
    if [ ${#enabled[@]} -gt 0 ]; then
        as_root systemctl -q disable "${enabled[@]}" >/dev/null 2>&1 || true
        say "not started, and not enabled at boot: ${enabled[*]}"
    fi
}

# For bundles, the fuzzers and a look at the status page: skipped where the
# release does not have them.
optional_packages() {
    local package want=() absent=()
    for package in esbuild clang libclang-rt-dev chromium; do
        ! installed "$package" || continue
        update_lists
        if apt-get -s --no-remove install "$package" >/dev/null 2>&1; then
            want+=("$package")
        else
            absent+=("$package")
        fi
    done
    install_packages "${want[@]}"
    [ ${#absent[@]} = 0 ] ||
        say "not to be had here, so some tests are skipped: ${absent[*]}"
}

packages() {
    local package want missing=()
    # libcmocka-dev for both purposes: configure looks for it.
    want="autoconf automake make gcc g++ libfcgi-dev libinih-dev libicu-dev
        zlib1g-dev libssl-dev libcurl4-openssl-dev libcmocka-dev lighttpd curl
        perl"
    if [ "$purpose" = test ]; then
        want="$want apache2 libapache2-mod-fcgid nginx
            libnet-fastcgi-perl libfcgi-client-perl mandoc shellcheck
            clang-format python3 openssl libseccomp2 strace"
    fi
    for package in $want; do
        installed "$package" || missing+=("$package")
    done
    command -v pkg-config >/dev/null || missing+=(pkg-config)
    command -v npm >/dev/null || missing+=(npm)
    install_packages "${missing[@]}"
    [ "$purpose" = run ] || optional_packages
}

# ---- the distribution's V8 -------------------------------------------------

# True when libnode-dev is there, or can be without harm to another Node:
# nothing removed, and nobody else's headers in its place.
libnode_by_apt() {
    ! installed libnode-dev || return 0
    [ ! -e /usr/include/node ] || return 1
    local plan
    plan=$(apt-get -s --no-install-recommends install libnode-dev 2>/dev/null) ||
        return 1
    ! grep -qE '^(Remv|Downgrade)|DOWNGRADED' <<<"$plan" || return 1
    install_packages libnode-dev
}

depends_of() {
    apt-cache --no-recommends --no-suggests depends "$1" 2>/dev/null |
        sed -n 's/^ *|\{0,1\}Depends: \([a-z0-9][^ :]*\).*/\1/p'
}

# Fetches packages into the cache and unpacks them under $build/libnode.
unpack() {
    local package deb
    for package in "$@"; do
        (cd "$cache/debs" && apt-get -qq -o APT::Sandbox::User=root \
            download "$package" 2>&1) || die "apt-get download $package failed"
        deb=$(find "$cache/debs" -name "${package}_*.deb" -printf '%T@ %p\n' |
            sort -n | tail -n 1 | cut -d' ' -f2-)
        [ -n "$deb" ] || die "apt-get download $package brought no file"
        dpkg-deb -x "$deb" "$build/libnode"
    done
}

libnode_unpacked() {
    local library package missing=()
    ! [ -e "$build/libnode/.complete" ] || return 0
    mkdir -p "$cache/debs"
    update_lists
    library=$(depends_of libnode-dev | grep -E '^libnode[0-9]+$' | head -n 1)
    [ -n "$library" ] || die "this distribution has no libnode-dev"
    say "libnode-dev cannot be installed beside what is here: unpacking it" \
        "and $library under ${build#"$src"/}/libnode"
    rm -rf "$build/libnode"
    mkdir -p "$build/libnode"
    unpack libnode-dev "$library"
    for package in $(depends_of "$library" | grep '^lib'); do
        installed "$package" || missing+=("$package")
    done
    if [ ${#missing[@]} -gt 0 ]; then
        if apt-get -s --no-remove install "${missing[@]}" >/dev/null 2>&1; then
            install_packages "${missing[@]}"
        else
            unpack "${missing[@]}"
        fi
    fi
    touch "$build/libnode/.complete"
}

# ---- npm packages ----------------------------------------------------------

# package-lock.json holds each one's integrity; npm refuses anything else.
npm_packages() {
    local dir=$cache/npm
    if cmp -s "$src/package-lock.json" "$dir/complete"; then return 0; fi
    say "fetching the npm packages of package-lock.json"
    mkdir -p "$dir"
    cp "$src/package.json" "$src/package-lock.json" "$src/.npmrc" "$dir/"
    (cd "$dir" && npm ci --ignore-scripts >"$cache/npm.log" 2>&1) ||
        { tail -n 20 "$cache/npm.log" >&2; die "npm ci failed"; }
    cp "$src/package-lock.json" "$dir/complete"
}

# ---- configure and make ----------------------------------------------------

stale_configure() {
    [ -e "$src/configure" ] && [ -e "$src/Makefile.in" ] || return 0
    [ -n "$(find "$src/configure.ac" "$src/Makefile.am" "$src/m4" -type f \
        -newer "$src/Makefile.in" -print -quit)" ]
}

# Runs a step with its output in a log, which is shown when it fails.
step() {
    local log=$1
    shift
    "$@" >"$log" 2>&1 || { tail -n 40 "$log" >&2; die "failed: $*"; }
}

# What configure has seen of the machine, beside its options.
versions() {
    dpkg-query -W -f='${Package} ${Version} ${db:Status-Status}\n' g++ \
        libnode-dev libcmocka-dev libfcgi-dev libinih-dev 2>/dev/null || true
}

compile() {
    local state todo options=(
        "--with-v8=$v8" "--with-npm=$cache/npm" "${enabled[@]}")
    [ ! -e "$build/libnode/.complete" ] || [ "$v8" != auto ] ||
        options+=("--with-libnode=$build/libnode")
    cd "$src"
    if stale_configure; then
        say "autoreconf"
        step "$cache/autoreconf.log" autoreconf -fi
    fi
    cd "$build"
    state="${options[*]}"$'\n'$(versions)
    if [ "$src/configure" -nt config.status ] ||
        [ "$(cat .configured 2>/dev/null)" != "$state" ]; then
        say "configure ${options[*]}"
        [ ! -e Makefile ] || [ "$(cat .configured 2>/dev/null)" = "$state" ] ||
            step clean.log make clean
        rm -f .configured
        step configure.log "$src/configure" "${options[@]}"
        printf '%s\n' "$state" >.configured
    fi
    # A compiler that was killed leaves half a file, which make takes for new.
    if [ -e .making ]; then
        say "the build before was killed: building anew"
        step clean.log make clean
    fi
    touch .making
    # config.h has a rule that always runs, so make -q never says yes.
    todo=$(make -n -o config.h all-am 2>/dev/null | grep -e ' -o ' || true)
    [ -z "$todo" ] ||
        say "make (output in ${build#"$src"/}/make.log)"
    step make.log make -j"$(nproc)" all
}

if command -v apt-get >/dev/null; then
    packages
    [ "$v8" != auto ] || libnode_by_apt || libnode_unpacked
else
    say "this is not Debian: nothing is installed here"
fi
npm_packages
compile
