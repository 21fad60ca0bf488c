#!/usr/bin/env bash
# boot.sh NAME BASE DISK ARGUMENTS...: systemd-nspawn in the network namespace NAME, over the folder BASE, which is
# only read; what is written goes into the image DISK.img. Run it under `unshare -m`: its mounts are its own.
set -eu
name=$1 base=$2 disk=$3
shift 3
mount --make-rprivate /
# PID 1 of the host need not be systemd and its cgroups may be the older ones: a pure cgroup2 of our own
umount -R /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p "/sys/fs/cgroup/$name"
echo $$ > "/sys/fs/cgroup/$name/cgroup.procs"
mkdir -p "$disk"
mount -o loop "$disk.img" "$disk"
mkdir -p "$disk/upper" "$disk/work" "$disk/root"
mount -t overlay -o "lowerdir=$base,upperdir=$disk/upper,workdir=$disk/work" overlay "$disk/root"
# CAP_BPF and bpf: without them DevicePolicy= and DeviceAllow= would do nothing
exec systemd-nspawn -q --register=no --keep-unit -D "$disk/root" --machine="$name" --console=pipe \
  --network-namespace-path="/run/netns/$name" --system-call-filter=bpf --capability=CAP_BPF "$@"
