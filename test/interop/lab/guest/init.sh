#!/bin/bash
# A guest's process 1: file systems, kernel modules, its network interface as the command line says, then the agent.
# Words it reads: lab.share=DIR (host folder) lab.address=A/LEN lab.gateway=A; in a gateway's guest lab.inside=A/LEN lab.checkout=DIR too
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C
mount -t sysfs sysfs /sys
ln -s /proc/self/fd /dev/fd
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
cp -a /etc /run/etc
cp -a /var /run/var
mount --bind /run/etc /etc
mount --bind /run/var /var
rm -rf /var/run && ln -s /run /var/run
mkdir -p /run/xl2tpd /run/pluto /var/lib/ipsec/nss
cp /lab/ip-up.sh /etc/ppp/ip-up
for word in $(cat /proc/cmdline); do
  case $word in
    lab.share=*) mount -t hostfs -o "${word#*=}" hostfs /share ;;
    lab.modules=*) mount -t hostfs -o "${word#*=}" hostfs /lib/modules ;;
    lab.address=*) address=${word#*=} ;;
    lab.gateway=*) gateway=${word#*=} ;;
    lab.inside=*) inside=${word#*=} ;;
    lab.checkout=*) mkdir -p /run/checkout && mount -t hostfs -o "${word#*=},ro" hostfs /run/checkout ;;
  esac
done
# drbg first: without it ESP fails. Then no look-ups any more: each would cost every SA half a second.
modprobe -qa drbg jitterentropy_rng hmac sha512_generic cbc ctr gcm ghash-generic seqiv echainiv des_generic authenc esp4 \
  xfrm_user af_key l2tp_ppp pppox ppp_generic ppp_async ppp_deflate bsd_comp nf_tables nft_compat ||
  echo "lab: a kernel module is missing"
# What a gateway uses beside, on either data plane.
[ -n "$inside" ] && { modprobe -qa tun dummy udp_tunnel crypto_user nf_tables nft_ct nft_masq nft_nat nft_chain_nat nf_nat nft_limit nft_log nft_hash nft_objref nft_xfrm nft_reject_inet nft_fib_inet xfrm_interface l2tp_netlink \
  nf_conntrack nf_defrag_ipv6 ipv6 || echo "lab: a kernel module of the gateway is missing"; }
echo >/proc/sys/kernel/modprobe
ip link set lo up
ip link set vec0 up
sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 net.ipv4.conf.all.accept_redirects=0
# A segment sent again shall mean a lost packet, not a busy machine: no tail loss probes (ip-up.sh: no hasty timer).
sysctl -qw net.ipv4.tcp_early_retrans=0
/lab/address.sh "$address" "$gateway"
if [ -n "$inside" ]; then
  ip link set vec1 up
  ip address add "$inside" dev vec1
  echo "nameserver 198.51.100.7" >/etc/resolv.conf
  for line in /dev/ttyS1 /dev/ttyS2; do stty -F $line raw -echo; done
fi
[ -e /dev/net/tun ] || { mkdir -p /dev/net && mknod /dev/net/tun c 10 200; }
[ -e /dev/ppp ] || mknod /dev/ppp c 108 0
exec /lab/agent.sh
