#!/usr/bin/env bash
# Whether this machine may boot another as machine.py does: exit code 0, or one line that says what is in the way.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
no() { echo "no machine can be booted here ($1)"; exit 1; }
[ "$(id -u)" = 0 ] || no "that needs root"
"$here/../machines/need_packages.sh" systemd-container iproute2 e2fsprogs > /dev/null 2>&1 || no "systemd-container can't be installed"
name=aslprobe work=$(mktemp -d)
trap 'ip netns del $name 2> /dev/null; rm -rf "$work"' EXIT
said=$(ip netns add $name 2>&1) || no "${said##*$'\n'}"
truncate -s 16M "$work/disk.img" && mke2fs -q -F -t ext4 "$work/disk.img" || no "no disk image can be made"
# a root of nothing but the host's programs, looked at and not changed
mkdir -p "$work/base"/{etc,proc,sys,dev,run,tmp,usr}
for link in bin sbin lib lib64; do ln -s "usr/$link" "$work/base/$link"; done
touch "$work/base/etc/os-release"
said=$(unshare -m "$here/boot.sh" $name "$work/base" "$work/disk" --bind-ro=/usr /usr/bin/true 2>&1) || no "${said##*$'\n'}"
