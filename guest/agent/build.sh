#!/bin/sh
# Builds the guest agent into OUTPUT: one static file, the same bytes each time for the same toolchain.
set -eu
[ $# -eq 1 ] || { echo "usage: build.sh OUTPUT" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
output=$(realpath -m "$1")

go=$(command -v go || true)
if [ -z "$go" ]; then
  # The last one found wins: Debian's own, its backports by version, one from go.dev.
  for candidate in /usr/lib/go/bin/go /usr/lib/go-1.19/bin/go /usr/lib/go-1.2*/bin/go /usr/local/go/bin/go; do
    if [ -x "$candidate" ]; then go=$candidate; fi
  done
fi
[ -n "$go" ] || { echo "build.sh: no Go toolchain found; on Debian: apt-get install golang-go" >&2; exit 1; }

cd "$here"
mkdir -p "$(dirname "$output")"
# Built beside the target and renamed, so that nobody runs half a file.
GOFLAGS=-mod=mod GOTOOLCHAIN=local GOPROXY=off CGO_ENABLED=0 GOOS=linux \
  "$go" build -trimpath -buildvcs=false -ldflags '-s -w -buildid=' -o "$output.$$" .
mv -f "$output.$$" "$output"
