#!/bin/sh
# The first program: finds the slot that the boot loader chose, lays a tmpfs over it, mounts the configuration and hands over to systemd.
# Whatever fails ends in a restart: the boot loader counts, and after three tries takes the other slot.
export PATH=/bin
busybox mount -t devtmpfs dev /dev
busybox mount -t proc proc /proc
busybox mount -t sysfs sys /sys

say() { echo "gatehouse: $1" > /dev/kmsg; }
give_up() {
  say "$1; restarting"
  echo "gatehouse: $1; restarting" > /dev/console
  busybox sleep 3
  busybox reboot -f
}

slot=
for word in $(busybox cat /proc/cmdline); do case $word in rauc.slot=*) slot=${word#*=} ;; esac; done
case $slot in A) name=gatehouse-a ;; B) name=gatehouse-b ;; *) give_up "the boot loader named no slot (rauc.slot=A or B)" ;; esac

while read -r module; do busybox insmod "$module" 2>/dev/null; done < /modules

# By the partition's name: disks change their letters.
find_partition() {
  for event in /sys/class/block/*/uevent; do
    if busybox grep -q "^PARTNAME=$1\$" "$event" 2>/dev/null; then
      device=/dev/$(busybox sed -n 's/^DEVNAME=//p' "$event")
      return 0
    fi
  done
  return 1
}
tries=0
until find_partition "$name"; do
  tries=$((tries + 1))
  [ $tries -lt 300 ] || give_up "no disk has a partition $name"
  busybox sleep 0.1
done

busybox mount -t squashfs -o ro "$device" /slot || give_up "slot $slot is no squashfs: $device"
busybox mount -t tmpfs -o size=64m,mode=0755 memory /memory
busybox mkdir -p /memory/upper /memory/work
busybox mount -t overlay -o lowerdir=/slot,upperdir=/memory/upper,workdir=/memory/work overlay /root || give_up "no overlay over slot $slot"

# The configuration. A journal is replayed by mounting; what that doesn't mend e2fsck may. Without it the board starts unconfigured and says so.
if find_partition gatehouse-config; then
  options=noatime,nodev,nosuid,noexec,errors=remount-ro
  if ! busybox mount -t ext4 -o $options "$device" /root/config; then
    say "the configuration partition does not mount; e2fsck tries to mend it"
    busybox mount --bind /dev /root/dev
    busybox chroot /root /usr/sbin/e2fsck -f -y "$device" > /dev/kmsg 2>&1
    busybox umount /root/dev
    busybox mount -t ext4 -o $options "$device" /root/config || lost=1
  fi
else
  lost=1
fi
if [ -n "$lost" ]; then
  say "the configuration partition is lost: what is configured now is gone after a restart"
  busybox mount -t tmpfs -o size=16m,mode=0750 lost /root/config
  : > /root/etc/gatehouse/configuration-lost
fi

# The machine's number, made once and kept.
if ! busybox grep -qE '^[0-9a-f]{32}$' /root/config/machine-id 2>/dev/null; then
  busybox tr -d - < /proc/sys/kernel/random/uuid > /root/config/machine-id.new
  busybox sync
  busybox mv /root/config/machine-id.new /root/config/machine-id
fi
busybox cp /root/config/machine-id /root/etc/machine-id

busybox mount --move /dev /root/dev
busybox mount --move /sys /root/sys
busybox mount --move /proc /root/proc
exec busybox switch_root /root /usr/lib/systemd/systemd
give_up "systemd does not start"
