#!/usr/bin/env bash
# Builds the emulated machine: Debian trixie, whose kernel and libcamera each have a virtual camera.
# Usage, as root: make_root.sh FOLDER UV -> FOLDER/root.img, FOLDER/vmlinuz, FOLDER/initrd
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=$1 uv=$2
suite=trixie
rm -rf "$out"
mkdir -p "$out"

# minbase without systemd: the machine runs one program (guest_init.sh) and shuts down
mmdebstrap --mode=root --variant=minbase --arch=amd64 \
  --include=linux-image-amd64,initramfs-tools,lz4,kmod,python3,v4l-utils \
  --include=python3-libcamera,libcamera-ipa,python3-pil,python3-av,python3-jsonschema,python3-piexif,python3-prctl \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' \
  --essential-hook='mkdir -p "$1/etc/initramfs-tools/conf.d"
    printf "MODULES=list\nCOMPRESS=lz4\n" > "$1/etc/initramfs-tools/conf.d/machine"
    printf "virtio_pci\nvirtio_blk\next4\n" > "$1/etc/initramfs-tools/modules"' \
  "$suite" "$out/root"

# a device's packages, by hash, for the Python of the machine
"$uv" pip install -q --target "$out/root/opt/site" --python-version 3.13 --python-platform x86_64-manylinux_2_28 \
  --only-binary :all: --require-hashes -r "$here/../../requirements/device.txt"
# Picamera2, which Debian lacks; on Raspberry Pi OS it is python3-picamera2
"$uv" pip install -q --target "$out/root/opt/site" --python-version 3.13 --python-platform x86_64-manylinux_2_28 \
  --only-binary :all: --require-hashes --no-deps -r "$here/picamera2.txt"

install -m 755 "$here/guest_init.sh" "$out/root/sbin/guest_init"
cp "$out"/root/boot/vmlinuz-* "$out/vmlinuz"
cp "$out"/root/boot/initrd.img-* "$out/initrd"
truncate -s 3G "$out/root.img"
mke2fs -q -F -t ext4 -d "$out/root" "$out/root.img"
rm -rf "$out/root"
