#!/bin/bash
# l2tp.sh up XL2TPD.CONF SECONDS | listen XL2TPD.CONF | down | kill
# `up` prints «IFACE LOCAL REMOTE DNS1 DNS2», or exits 20 (no session), 21 (PPP refused or ended).
start() {
  rm -f /run/ppp-up /run/ppp.log /run/xl2tpd/control /run/xl2tpd.pid
  setsid xl2tpd -D -c "$1" -s /dev/null -p /run/xl2tpd.pid -C /run/xl2tpd/control >/run/xl2tpd.log 2>&1 </dev/null &
}
# Waiting without a process a time: starting one is the slowest thing that a guest does.
[ -p /run/nap ] || mkfifo /run/nap
exec 9<>/run/nap
nap() { read -rt "$1" -u 9; }
gone() {
  for _ in {1..60}; do
    [ -d "/proc/$1" ] || return 0
    nap 0.05
  done
  kill -9 "$1"
}
ended() {
  for name in pppd xl2tpd; do
    for pid in $(pgrep -x $name); do kill -TERM "$pid" && gone "$pid"; done
  done
  rm -f /run/ppp-up
}
pppEnded() {
  [ -s /run/ppp.log ] && IFS= read -rd '' log </run/ppp.log
  case $log in *'Connection terminated'* | *Exit.* | *'LCP terminated'*) return 0 ;; esac
  return 1
}
case $1 in
  up)
    start "$2"
    for ((i = 0; i < $3 * 20; i++)); do
      [ -s /run/ppp-up ] && { cat /run/ppp-up; exit 0; }
      if pppEnded; then nap 0.3; exit 21; fi
      nap 0.05
    done
    [ -s /run/ppp.log ] && exit 21
    exit 20
    ;;
  listen) start "$2" ;;
  down) ended ;;
  kill) pkill -9 -x pppd; pkill -9 -x xl2tpd; rm -f /run/ppp-up ;;
esac
exit 0
