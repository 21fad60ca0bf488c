#!/bin/sh
# Runs as init of the emulated machine: run the program that the second disk names, then shut down.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sys /sys
mountpoint -q /dev || mount -t devtmpfs dev /dev
mkdir -p /dev/shm /checkout
mount -t tmpfs shm /dev/shm
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run
mount -o ro /dev/vdb /checkout
cd /checkout
PYTHONPATH=/checkout:/opt/site PYTHONDONTWRITEBYTECODE=1 python3 "tests/machines/$(cat /checkout/program)" > /dev/ttyS1 2> /dev/ttyS0
echo "ended with $?" > /dev/ttyS0
sync
echo o > /proc/sysrq-trigger
sleep 60
