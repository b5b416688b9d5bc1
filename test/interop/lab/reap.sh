#!/bin/sh
# Takes one lab down: every process in its namespaces, the namespaces (and with them bridges, taps, veths, nft
# tables), its files. `reap.sh TAG` does it now; `reap.sh TAG wait` when its standard input ends, which happens
# when the test process that holds the other end is gone, however it died.
tag=$1
case $tag in gl????*) ;; *) echo "usage: reap.sh TAG [wait]" >&2; exit 2 ;; esac
if [ "$2" = wait ]; then
  trap '' INT TERM HUP
  cat >/dev/null
fi
namespaces() { ip netns list 2>/dev/null | cut -d' ' -f1 | grep "^$tag-"; }
for round in 1 2 3 4 5; do
  for ns in $(namespaces); do
    pids=$(ip netns pids "$ns" 2>/dev/null)
    [ -n "$pids" ] && kill -9 $pids 2>/dev/null
  done
  sleep 0.05
  for ns in $(namespaces); do
    [ -z "$(ip netns pids "$ns" 2>/dev/null)" ] && ip netns delete "$ns" 2>/dev/null
  done
  [ -z "$(namespaces)" ] && break
  sleep 0.2
done
rm -rf "/etc/netns/$tag-"* "/dev/shm/gatehouse-lab/$tag"
[ -z "$(namespaces)" ]
