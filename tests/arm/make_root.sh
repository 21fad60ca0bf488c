#!/usr/bin/env bash
# A Debian bookworm of 64-bit ARM with its Python, from Debian's packages, and the wheels that a board installs.
# Its programs are started through qemu-user only. Usage: make_root.sh FOLDER UV -> FOLDER/root, FOLDER/site
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=$1 uv=$2
rm -rf "$out"
mkdir -p "$out"

# `extract`: no package's scripts run, so that neither binfmt nor a chroot is needed
mmdebstrap --mode=auto --variant=extract --arch=arm64 \
  --include=python3,libpython3-stdlib,libgcc-s1,libstdc++6,zlib1g \
  --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' \
  bookworm "$out/root"
rm -rf "$out/root/dev"  # whoever copies the root should not read /dev/zero to its end

for pinned in "$here/../../requirements/device.txt" "$here/pytest.txt"; do
  "$uv" pip install -q --target "$out/site" --python-version 3.11 --python-platform aarch64-manylinux_2_28 \
    --only-binary :all: --require-hashes -r "$pinned"
done
touch "$out/.made"
