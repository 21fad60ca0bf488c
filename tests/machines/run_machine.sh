#!/usr/bin/env bash
# Runs one program of tests/machines in the emulated machine. Usage: run_machine.sh FOLDER PROGRAM SECONDS
# The program's output goes to FOLDER/printed, its errors and the kernel's messages to FOLDER/console.
set -euo pipefail
machine=$(realpath "$1") program=$2 seconds=$3
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

mkdir "$work/checkout"
cp -r --parents -t "$work/checkout" tests/machines edge
find "$work/checkout" -name __pycache__ -prune -exec rm -r {} +
echo "$program" > "$work/checkout/program"
mke2fs -q -F -t ext4 -d "$work/checkout" "$work/checkout.img" 64M

# TCG, because most hosted machines have no KVM. -snapshot: the run leaves the disks unchanged. no_timer_check:
# on a busy host the timer is late, and the kernel would panic.
timeout "$seconds" qemu-system-x86_64 -machine q35,usb=off -accel tcg,thread=multi -cpu max -smp 2 -m 1536 \
  -nodefaults -display none -no-reboot -snapshot \
  -kernel "$machine/vmlinuz" -initrd "$machine/initrd" \
  -append "root=/dev/vda rw init=/sbin/guest_init console=ttyS0 quiet loglevel=3 mitigations=off nowatchdog no_timer_check" \
  -drive "file=$machine/root.img,format=raw,if=virtio" -drive "file=$work/checkout.img,format=raw,if=virtio" \
  -serial "file:$machine/console" -serial "file:$machine/printed"
