#!/bin/bash
# native-swan.sh TREE FOLDER: charon from a guest's tree, in the namespace where this is started, in a mount namespace of its own. Nothing of TREE or of
# the machine is written: what is mounted goes when charon goes. FOLDER/etc is laid over the tree's.
tree=$1 folder=$2
mkdir -p "$folder/mnt"
mount --make-rprivate / && mount -t tmpfs tmpfs "$folder/mnt" && cd "$folder/mnt" || exit 1
mkdir upper work root
mount -t overlay overlay -o "lowerdir=$tree,upperdir=upper,workdir=work" root || exit 1
mount --bind /dev root/dev && mount -t proc proc root/proc && mount -t tmpfs tmpfs root/run || exit 1
cp -r "$folder/etc/." root/etc/
export STRONGSWAN_CONF=/etc/strongswan.conf
exec chroot root charon-systemd
