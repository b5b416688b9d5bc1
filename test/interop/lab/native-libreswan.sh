#!/bin/bash
# native-libreswan.sh TREE FOLDER [IMPAIRMENT]: one attempt of libreswan's `site`, from a guest's tree, in the namespace where this is started, in a mount namespace of its own.
# FOLDER has own.p12 (password lab), ca.pem and ipsec.conf. This machine's kernel has no ESP: main mode comes up, quick mode ends when pluto installs its SA.
tree=$1 folder=$2
export impairment=$3
mkdir -p "$folder/mnt"
mount --make-rprivate / && mount -t tmpfs tmpfs "$folder/mnt" && cd "$folder/mnt" || exit 1
mkdir upper work root
mount -t overlay overlay -o "lowerdir=$tree,upperdir=upper,workdir=work" root || exit 1
mount --bind /dev root/dev && mount -t proc proc root/proc && mount -t tmpfs tmpfs root/run || exit 1
mkdir -p root/run/pluto root/var/lib/ipsec/nss
cp "$folder/own.p12" "$folder/ca.pem" "$folder/ipsec.conf" root/etc/
exec chroot root bash -c '
  nss=sql:/var/lib/ipsec/nss
  certutil -N -d $nss --empty-password && pk12util -i /etc/own.p12 -d $nss -W lab -K "" || exit 1
  certutil -A -d $nss -n authority -t CT,C,C -i /etc/ca.pem || exit 1
  : >/etc/ipsec.secrets
  /usr/libexec/ipsec/pluto --config /etc/ipsec.conf --nofork --stderrlog &
  for _ in {1..600}; do ipsec whack --status >/dev/null 2>&1 && break; sleep 0.1; done
  [ -z "$impairment" ] || ipsec whack --impair "$impairment"
  ipsec whack --listen; ipsec auto --add site; timeout 60 ipsec auto --up site
  ipsec whack --showstates
  timeout 20 ipsec auto --down site
  ipsec whack --shutdown'
