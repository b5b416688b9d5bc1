#!/bin/sh
# The initramfs of a guest in QEMU: what the host's folders take, then the same tree and the same job as in user-mode Linux.
# /modules lists modules in the order of their insertion; tree, scripts, share, kernel (modules) and checkout are the host's folders: none of these names may be a file here.
/bin/busybox mkdir -p /proc /sys /dev /root
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs devtmpfs /dev
while read -r module; do /bin/busybox insmod "$module"; done </modules
folder() { /bin/busybox mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,cache=loose,"$2" "$1" "$3"; }
folder tree ro /root
folder scripts ro /root/lab
folder share rw /root/share
folder kernel ro /root/lib/modules
/bin/busybox mount -t tmpfs tmpfs /root/run
/bin/busybox mkdir -p /root/run/checkout
folder checkout ro /root/run/checkout
for at in proc sys dev; do /bin/busybox mount --move /$at /root/$at; done
exec /bin/busybox chroot /root /lab/job.sh
