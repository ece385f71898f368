#!/bin/sh
# Makes sure that a Chromium is there for the browser tests: one that is installed, or Debian's.
for name in chromium chromium-browser google-chrome; do
    command -v "$name" >/dev/null 2>&1 && exit 0
done
if ! command -v apt-get >/dev/null 2>&1; then
    echo "the browser tests need Chromium: install it and run again" >&2
    exit 1
fi
[ "$(id -u)" = 0 ] && root="" || root="sudo"
$root apt-get update -qq && $root apt-get install -qq -y --no-install-recommends chromium
