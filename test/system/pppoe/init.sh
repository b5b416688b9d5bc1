#!/bin/bash
# Process 1 of a guest that is a provider and a board at once: file systems, modules, the test's script, off.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
cp -a /etc /run/etc
cp -a /var /run/var
mount --bind /run/etc /etc
mount --bind /run/var /var
rm -rf /var/run && ln -s /run /var/run
for word in $(cat /proc/cmdline); do
  case $word in
    lab.share=*) mount -t hostfs -o "${word#*=}" hostfs /share ;;
    lab.modules=*) mount -t hostfs -o "${word#*=}" hostfs /lib/modules ;;
  esac
done
modprobe -qa veth ppp_generic pppox pppoe ipv6
ln -s /proc/self/fd /dev/fd
mkdir -p /dev/pts
mount -t devpts devpts /dev/pts
[ -e /dev/ppp ] || mknod /dev/ppp c 108 0
ip link set lo up
bash /share/job >/share/out 2>&1
sync /share/out
echo o >/proc/sysrq-trigger
sleep infinity
