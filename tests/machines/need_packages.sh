#!/usr/bin/env bash
# Installs missing Debian packages if run as root; otherwise prints the command. Usage: need_packages.sh NAME...
set -euo pipefail
missing=()
for name in "$@"; do
  dpkg-query -W -f '${db:Status-Abbrev}' "$name" 2> /dev/null | grep -q '^ii' || missing+=("$name")
done
[ ${#missing[@]} -eq 0 ] && exit
if [ "$(id -u)" -ne 0 ]; then
  echo "packages are missing: sudo apt-get install ${missing[*]}" >&2
  exit 1
fi
# the system's own updates may hold apt's locks: wait up to 10 minutes
"$(dirname "$0")/../../ansible/roles/asl_edge/files/wait_for_apt"
apt-get -o DPkg::Lock::Timeout=600 update -q || true # install says whether that matters
if ! apt-get -o DPkg::Lock::Timeout=600 install -y -q --no-install-recommends "${missing[@]}"; then
  echo "apt can't install ${missing[*]}: this machine needs the internet for it once" >&2
  exit 1
fi
