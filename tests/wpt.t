#!/bin/sh
# The quick part of the web platform tests; `make check-wpt` runs them all.
# Skipped without python3 or without tests (WPT_DIR, or ../shared/wpt).
if ! command -v python3 >/dev/null; then
    echo '1..0 # SKIP python3 is not installed'
    exit 0
fi
exec python3 "${srcdir:-.}/tests/wpt/run" --tap --quick
