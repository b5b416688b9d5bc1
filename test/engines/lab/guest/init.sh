#!/bin/bash
# Process 1 of a guest in user-mode Linux (the tree's /lab-boot comes here): file systems, the host's folders, then the job.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run
mkdir -p /run/checkout
for word in $(cat /proc/cmdline); do
  case $word in
    lab.share=*) mount -t hostfs -o "${word#*=}" hostfs /share ;;
    lab.modules=*) mount -t hostfs -o "${word#*=}" hostfs /lib/modules ;;
    lab.checkout=*) mount -t hostfs -o "${word#*=},ro" hostfs /run/checkout ;;
  esac
done
exec /lab/job.sh
