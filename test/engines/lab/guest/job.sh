#!/bin/bash
# Runs what the host wrote into /share/job, leaves its output and its exit code there, and switches the guest off.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C
mount -t tmpfs tmpfs /tmp
mkdir -p /dev/shm
mount -t tmpfs tmpfs /dev/shm
ln -sfn /proc/self/fd /dev/fd
[ -e /dev/ppp ] || mknod /dev/ppp c 108 0
ip link set lo up
# What nobody names by itself: without drbg ESP fails.
modprobe -qa drbg jitterentropy_rng crypto_user algif_skcipher algif_aead algif_hash algif_rng
bash /share/job >/share/out 2>&1 </dev/null
echo $? >/share/code
sync /share/out /share/code
echo o >/proc/sysrq-trigger
sleep infinity
