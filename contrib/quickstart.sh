#!/usr/bin/env bash
# quickstart.sh - sets up, builds, and serves examples/ with lighttpd.
#
#   contrib/quickstart.sh [--once] [--port N] [--with-v8=PREFIX]
#                         [--build-dir DIR]
#
# http://127.0.0.1:8080/hello.js is served by FastCGI, and /cgi/hello.js by
# CGI, until Ctrl-C. --once requests both, prints replies and timings, and
# ends. When the port is taken, the next free one is used.
set -euo pipefail

src=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$src/build
port=8080
once=
options=()

usage() {
    sed -n 's/^# \{0,1\}//; 4,9p' "${BASH_SOURCE[0]}"
    exit "$1"
}

while [ $# -gt 0 ]; do
    case $1 in
    --once) once=1 ;;
    --port=*) port=${1#*=} ;;
    --port) port=${2?--port needs a number}; shift ;;
    --build-dir=*) build=${1#*=} ;;
    --build-dir) build=${2?--build-dir needs a folder}; shift ;;
    --with-v8=* | --enable-asan | --enable-werror) options+=("$1") ;;
    --with-v8) options+=("--with-v8=${2?--with-v8 needs a folder}"); shift ;;
    -h | --help) usage 0 ;;
    *) echo "quickstart: unknown option $1" >&2; usage 64 >&2 ;;
    esac
    shift
done
case $build in /*) ;; *) build=$PWD/$build ;; esac
if ! [[ $port =~ ^[1-9][0-9]{0,4}$ ]] || [ "$port" -gt 65535 ]; then
    echo "quickstart: $port is no port" >&2
    exit 64
fi

"$src/contrib/setup.sh" --for run --build-dir "$build" "${options[@]}"

taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
while taken "$port"; do
    port=$((port + 1))
    [ "$port" -le 65535 ] || { echo "quickstart: no free port" >&2; exit 69; }
done

dir=$(mktemp -d)
server=
finish() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    [ -z "$server" ] || wait "$server" 2>/dev/null || true
    rm -rf "$dir"
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

cat >"$dir/snapcgi.conf" <<END
[global]
error_log = $dir/snapcgi.log

[cgi]
root = $src/examples
END
cat >"$dir/lighttpd.conf" <<END
server.modules = ( "mod_alias", "mod_setenv", "mod_cgi", "mod_fastcgi" )
server.document-root = "$src/examples"
server.bind = "127.0.0.1"
server.port = $port
server.errorlog = "$dir/lighttpd.log"
server.upload-dirs = ( "$dir" )
server.stream-response-body = 1
setenv.set-environment = ( "SNAPCGI_CONFIG" => "$dir/snapcgi.conf" )
alias.url = ( "/cgi/" => "$src/examples/" )
\$HTTP["url"] =~ "^/cgi/" {
    cgi.assign = ( ".js" => "$build/snapcgi" )
} else {
    fastcgi.server = ( ".js" => ((
        "socket" => "$dir/snapcgi.sock",
        "bin-path" => "$build/snapcgi",
        "bin-environment" => ( "SNAPCGI_CONFIG" => "$dir/snapcgi.conf" ),
        "max-procs" => 1
    )) )
}
END

lighttpd=$(PATH=$PATH:/usr/sbin command -v lighttpd)
"$lighttpd" -D -f "$dir/lighttpd.conf" &
server=$!
for _ in $(seq 200); do
    ! taken "$port" || break
    kill -0 "$server" 2>/dev/null || break
    sleep 0.05
done
if ! kill -0 "$server" 2>/dev/null; then
    cat "$dir/lighttpd.log" >&2
    echo "quickstart: lighttpd did not start" >&2
    exit 69
fi

base=http://127.0.0.1:$port
ask() {
    local url=$1 times=() reply=$dir/reply out status=0
    for _ in 1 2 3 4 5; do
        out=$(curl -sS -o "$reply" -w '%{http_code} %{time_total}' "$url") ||
            status=1
        [ "${out%% *}" = 200 ] || status=1
        times+=("$(awk -v t="${out#* }" 'BEGIN { printf "%.1f", t * 1000 }')")
    done
    printf '%s\n' "$url"
    sed 's/^/    /' "$reply"
    printf '    status %s; ms: %s\n' "${out%% *}" "${times[*]}"
    return "$status"
}

if [ -n "$once" ]; then
    status=0
    echo "By FastCGI, one resident process:"
    ask "$base/hello.js" || status=1
    echo "By CGI, a process for each request:"
    ask "$base/cgi/hello.js" || status=1
    [ "$status" = 0 ] || cat "$dir/snapcgi.log" "$dir/lighttpd.log" >&2
    exit "$status"
fi

cat <<END
Serving $src/examples:
  $base/hello.js        by FastCGI
  $base/cgi/hello.js    by CGI
Errors: $dir/snapcgi.log
End with Ctrl-C.
END
wait "$server" || true
