#!/usr/bin/env bash
# Check whether machine.py can boot a machine on this host: exit code 0, or one line with the reason.
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
no() { echo "no machine can be booted here ($1)"; exit 1; }
[ "$(id -u)" = 0 ] || no "it must run as root"
"$here/../machines/need_packages.sh" systemd-container iproute2 e2fsprogs > /dev/null 2>&1 || no "systemd-container can't be installed"
name=aslprobe work=$(mktemp -d)
trap 'ip netns del $name 2> /dev/null; rm -rf "$work"' EXIT
error=$(ip netns add $name 2>&1) || no "${error##*$'\n'}"
truncate -s 16M "$work/disk.img" && mke2fs -q -F -t ext4 "$work/disk.img" || no "a disk image can't be created"
# a root folder that contains only the host's programs, mounted read-only
mkdir -p "$work/base"/{etc,proc,sys,dev,run,tmp,usr}
for link in bin sbin lib lib64; do ln -s "usr/$link" "$work/base/$link"; done
touch "$work/base/etc/os-release"
error=$(unshare -m "$here/boot.sh" $name "$work/base" "$work/disk" --bind-ro=/usr /usr/bin/true 2>&1) || no "${error##*$'\n'}"
