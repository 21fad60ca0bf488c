#!/usr/bin/env bash
# make_root.sh ROOT PUBLIC_KEY [SUITE] [ARCHITECTURE] [PACKAGES]: build a Debian root in the folder ROOT, like a
# vendor's image: systemd, SSH, Python with venv, and a user `pi` with sudo. All packages come from Debian.
set -euo pipefail
root=$1 public_key=$(readlink -f "$2") suite=${3:-bookworm} architecture=${4:-$(dpkg --print-architecture)} more=${5:-}
base=systemd,systemd-sysv,dbus,udev,openssh-server,python3,python3-venv,python3-apt,sudo,iproute2,ca-certificates
rm -rf --one-file-system "$root"
mmdebstrap --mode=root --variant=minbase --architectures="$architecture" --include="$base${more:+,$more}" \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' \
  --customize-hook='chroot "$1" useradd -m -s /bin/bash pi' \
  --customize-hook='echo "pi ALL=(ALL) NOPASSWD:ALL" > "$1/etc/sudoers.d/pi"' \
  --customize-hook='mkdir -p -m 700 "$1/home/pi/.ssh"' \
  --customize-hook="cp '$public_key' \"\$1/home/pi/.ssh/authorized_keys\"" \
  --customize-hook='chroot "$1" chown -R pi:pi /home/pi/.ssh' \
  --customize-hook='echo edge > "$1/etc/hostname"; echo "127.0.0.1 localhost edge" > "$1/etc/hosts"' \
  --customize-hook='chroot "$1" systemctl mask systemd-networkd-wait-online.service apt-daily.timer apt-daily-upgrade.timer' \
  "$suite" "$root"
