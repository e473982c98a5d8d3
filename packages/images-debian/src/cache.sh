#!/bin/sh
# Package cache of the builds: `cache.sh in|out CACHE ROOT`. apt checks every file against the signed index, so a cache
# can at worst be useless. Files appear in it whole, by rename, as builds may run at the same time.
set -eu
cache=$2
archives=$3/var/cache/apt/archives
case $1 in
  in)
    mkdir -p "$archives"
    find "$cache" -maxdepth 1 -name '*.deb' -exec cp --preserve=timestamps -t "$archives" {} +
    ;;
  out)
    for file in "$archives"/*.deb; do
      name=${file##*/}
      [ -f "$file" ] || continue
      [ -e "$cache/$name" ] && continue
      cp "$file" "$cache/.$name.$$"
      mv "$cache/.$name.$$" "$cache/$name"
    done
    # Keep the newest GiB; left-overs of killed builds go too.
    find "$cache" -maxdepth 1 -name '.*.deb.*' -mmin +60 -delete
    find "$cache" -maxdepth 1 -name '*.deb' -printf '%T@ %s %p\n' | sort -rn |
      awk '{ sum += $2; if (sum > 1024 * 1024 * 1024) { sub(/^[^ ]+ [^ ]+ /, ""); printf "%s%c", $0, 0 } }' |
      xargs -0 --no-run-if-empty rm -f --
    ;;
esac
