#!/usr/bin/env bash
# boot.sh NAME BASE DISK ARGUMENTS...: start systemd-nspawn in the network namespace NAME, with the folder BASE as a
# read-only root; changes go into the image DISK.img. Run it under `unshare -m` to keep its mounts private.
set -eu
name=$1 base=$2 disk=$3
shift 3
mount --make-rprivate /
# Mount a pure cgroup2 hierarchy: the host may have cgroup v1, or an init other than systemd.
umount -R /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p "/sys/fs/cgroup/$name"
echo $$ > "/sys/fs/cgroup/$name/cgroup.procs"
mkdir -p "$disk"
mount -o loop "$disk.img" "$disk"
mkdir -p "$disk/upper" "$disk/work" "$disk/root"
mount -t overlay -o "lowerdir=$base,upperdir=$disk/upper,workdir=$disk/work" overlay "$disk/root"
# Without CAP_BPF and bpf, DevicePolicy= and DeviceAllow= have no effect.
exec systemd-nspawn -q --register=no --keep-unit -D "$disk/root" --machine="$name" --console=pipe \
  --network-namespace-path="/run/netns/$name" --system-call-filter=bpf --capability=CAP_BPF "$@"
