#!/bin/bash
# l2tp.sh up XL2TPD.CONF SECONDS | listen XL2TPD.CONF | down | kill
# `up` prints «IFACE LOCAL REMOTE DNS1 DNS2», or exits 20 (no session), 21 (PPP refused or ended).
start() {
  rm -f /run/ppp-up /run/ppp.log /run/xl2tpd/control /run/xl2tpd.pid
  setsid xl2tpd -D -c "$1" -s /dev/null -p /run/xl2tpd.pid -C /run/xl2tpd/control >/run/xl2tpd.log 2>&1 </dev/null &
}
ended() {
  pkill -TERM -x pppd
  for _ in {1..60}; do pgrep -x pppd >/dev/null || break; sleep 0.05; done
  pkill -TERM -x xl2tpd
  for _ in {1..60}; do pgrep -x xl2tpd >/dev/null || break; sleep 0.05; done
  pkill -KILL -x pppd; pkill -KILL -x xl2tpd
  rm -f /run/ppp-up
}
case $1 in
  up)
    start "$2"
    for ((i = 0; i < $3 * 20; i++)); do
      [ -s /run/ppp-up ] && { cat /run/ppp-up; exit 0; }
      if grep -qs 'Connection terminated\|Exit\.\|LCP terminated' /run/ppp.log; then sleep 0.3; exit 21; fi
      sleep 0.05
    done
    [ -s /run/ppp.log ] && exit 21
    exit 20
    ;;
  listen) start "$2" ;;
  down) ended ;;
  kill) pkill -9 -x pppd; pkill -9 -x xl2tpd; rm -f /run/ppp-up ;;
esac
exit 0
