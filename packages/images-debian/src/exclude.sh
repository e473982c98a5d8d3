#!/bin/sh
# Run by mmdebstrap on the new root "$1" after what is essential was unpacked, before dpkg installs it: dpkg leaves out manuals
# and translations from here on, in what is installed later too. As an option of mmdebstrap, the same would send each of the
# packages through a program of its own first, which takes longer than to unpack them.
set -eu
cat >> "$1/etc/dpkg/dpkg.cfg.d/99mmdebstrap" <<'EOF'
path-exclude=/usr/share/man/*
path-exclude=/usr/share/info/*
path-exclude=/usr/share/lintian/*
path-exclude=/usr/share/locale/*
path-exclude=/usr/share/doc/*
path-include=/usr/share/doc/*/copyright
EOF
# What was unpacked of those
for name in man info lintian locale; do
  rm -rf "$1/usr/share/$name"/*
done
find "$1/usr/share/doc" -mindepth 1 ! -type d ! -name copyright -delete
find "$1/usr/share/doc" -mindepth 1 -type d -empty -delete
