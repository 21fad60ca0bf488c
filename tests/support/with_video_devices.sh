#!/usr/bin/env bash
# Runs a command where /dev and /sys show other video devices. Usage: with_video_devices.sh NUMBER:NAME... -- COMMAND...
# The devices are empty files: the kernel's names are there, and nothing answers an ioctl.
set -euo pipefail
[ "$(id -u)" -eq 0 ] && map=() || map=(--map-root-user)
exec unshare "${map[@]}" --mount bash -euc '
  dev=$(mktemp -d) class=$(mktemp -d)
  mount -t tmpfs none "$dev"; mount -t tmpfs none "$class"
  for name in null zero urandom random full; do touch "$dev/$name"; mount --bind "/dev/$name" "$dev/$name"; done
  mkdir "$dev/shm" "$class/video4linux"
  ln -s /proc/self/fd "$dev/fd"
  while [ "$1" != -- ]; do
    touch "$dev/video${1%%:*}"
    mkdir "$class/video4linux/video${1%%:*}"
    echo "${1#*:}" > "$class/video4linux/video${1%%:*}/name"
    shift
  done
  shift
  mount --move "$class" /sys/class
  mount --move "$dev" /dev
  exec "$@"' "$0" "$@"
