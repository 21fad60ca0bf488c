#!/usr/bin/env bash
# Installs the Debian packages that are missing, as root; anybody else is told which. Usage: need_packages.sh NAME...
set -euo pipefail
missing=()
for name in "$@"; do
  dpkg-query -W -f '${db:Status-Abbrev}' "$name" 2> /dev/null | grep -q '^ii' || missing+=("$name")
done
[ ${#missing[@]} -eq 0 ] && exit
if [ "$(id -u)" -ne 0 ]; then
  echo "missing, or not root to install them: sudo apt-get install ${missing[*]}" >&2
  exit 1
fi
apt-get update -q
apt-get install -y -q --no-install-recommends "${missing[@]}"
